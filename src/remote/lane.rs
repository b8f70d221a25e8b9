//! A few threads for calls that block, behind a bounded queue.

use super::call::CallFailed;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
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

/// Threads of one purpose: a server that never answers holds up calls of its own kind only. Each is started when it is
/// needed: most servers call nobody.
pub(super) struct Lane {
    name: &'static str,
    /// The most threads.
    threads: usize,
    started: AtomicUsize,
    /// Calls that wait or are being made.
    owed: Arc<AtomicUsize>,
    jobs: flume::Sender<Job>,
    inbox: flume::Receiver<Job>,
}

impl Lane {
    pub(super) fn new(name: &'static str, threads: usize, queue: usize) -> Self {
        let (jobs, inbox) = flume::bounded::<Job>(queue);
        Self { name, threads, started: AtomicUsize::new(0), owed: Arc::default(), jobs, inbox }
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
        let owed = self.owed.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        if !self.staffed(owed) || self.jobs.try_send(job).is_err() {
            self.owed.fetch_sub(1, Ordering::SeqCst);
            return Err(CallFailed::Busy);
        }
        answer.await.unwrap_or(Err(CallFailed::Busy))
    }

    /// Starts a thread where so many calls have fewer than there may be. False where there is none at all.
    fn staffed(&self, owed: usize) -> bool {
        let wanted = owed.min(self.threads);
        let one_more = |n| (n < wanted).then_some(n + 1);
        let Ok(n) = self.started.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more) else { return true };
        let (inbox, owed) = (self.inbox.clone(), Arc::clone(&self.owed));
        let work = move || {
            for job in &inbox {
                run_one(job);
                owed.fetch_sub(1, Ordering::SeqCst);
            }
        };
        if let Err(error) = thread::Builder::new().name(format!("{}-{n}", self.name)).spawn(work) {
            tracing::error!(%error, "a thread for outgoing calls could not be started");
            return self.started.fetch_sub(1, Ordering::SeqCst) > 1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[tokio::test]
    async fn calls_are_made_side_by_side_by_as_many_threads_as_they_need_and_may_have() {
        let lane = Lane::new("test", 2, 64);
        assert_eq!(lane.run(|| Ok(1)).await.unwrap(), 1);
        assert_eq!(lane.run(|| Ok(2)).await.unwrap(), 2);
        let both = Arc::new(Barrier::new(2));
        let meet = || {
            let both = Arc::clone(&both);
            move || {
                both.wait();
                Ok(())
            }
        };
        for _ in 0..20 {
            let (a, b) = tokio::join!(lane.run(meet()), lane.run(meet()));
            assert!(a.is_ok() && b.is_ok());
        }
        // Two wait for two others: none of them may have a thread to itself.
        let (a, b, c, d) = tokio::join!(lane.run(meet()), lane.run(meet()), lane.run(meet()), lane.run(meet()));
        assert!([a, b, c, d].iter().all(Result::is_ok));
        assert_eq!(lane.started.load(Ordering::SeqCst), 2);
        assert!(lane.run(|| -> Result<(), _> { panic!("on purpose") }).await.is_err());
        assert!(lane.run(|| Ok(())).await.is_ok());
    }
}
