//! A few threads for calls that block, behind a bounded queue.

use super::call::CallFailed;
use crate::base::fault::Fault;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// A panic ends one job, whose caller is told; the thread lives on.
fn run_one(job: Job) {
    if catch_unwind(AssertUnwindSafe(job)).is_err() {
        tracing::error!("an outgoing call ended in a panic");
    }
}

/// Threads of one purpose: a server that never answers holds up calls of its own kind only.
pub(super) struct Lane(flume::Sender<Job>);

impl Lane {
    pub(super) fn start(name: &str, threads: usize, queue: usize) -> Result<Self, Fault> {
        let (jobs, inbox) = flume::bounded::<Job>(queue);
        for n in 0..threads {
            let inbox = inbox.clone();
            thread::Builder::new()
                .name(format!("{name}-{n}"))
                .spawn(move || inbox.iter().for_each(run_one))
                .map_err(|e| Fault::new("starting a thread for outgoing calls", e))?;
        }
        Ok(Self(jobs))
    }

    /// Runs it on one of the threads; [`CallFailed::Busy`] at once where the queue is full.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, CallFailed>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, CallFailed> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Whoever stopped waiting needs no answer.
            let _ = reply.send(work());
        });
        self.0.try_send(job).map_err(|_| CallFailed::Busy)?;
        answer.await.unwrap_or(Err(CallFailed::Busy))
    }
}
