//! A piece of work on its way to a database thread and back.

use super::{
    failure::Trouble,
    observe::{Observer, Outcome},
    tx::Tx,
};
use crate::base::fault::{Fault, FaultKind, Stop};
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// What surrounds a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// A transaction that may write.
    Write,
    /// Statements that only read, each by itself.
    Read,
    /// One statement that commits by itself.
    Single,
    /// A connection and nothing else: migrations make their own transactions.
    Bare,
}

/// Whether what the work did is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Keep,
    Undo(Trouble),
}

/// What the threads know of a piece of work.
pub(super) trait Work: Send {
    fn mode(&self) -> Mode;
    /// Whether it should not be begun any more: it waited too long, or nobody waits for it.
    fn overdue(&self, limit: Duration) -> bool;
    /// Does the work, again where it was done before. A panic inside is a fault.
    fn run(&mut self, tx: &mut Tx<'_>) -> Verdict;
    /// Replaces whatever came of it by a fault.
    fn fail(&mut self, fault: Fault);
    /// Counts one more try.
    fn tried_again(&mut self);
    /// Answers whoever waits.
    fn settle(self: Box<Self>, observer: &dyn Observer);
}

/// What waits for a piece of work.
pub(super) type Reply<T, R> = oneshot::Receiver<Result<T, Stop<R>>>;

pub(super) struct Errand<T, R, F> {
    name: &'static str,
    mode: Mode,
    f: F,
    asked: Instant,
    retries: u32,
    outcome: Option<Result<T, Stop<R>>>,
    reply: oneshot::Sender<Result<T, Stop<R>>>,
}

impl<T, R, F> Errand<T, R, F>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, Stop<R>> + Send + 'static,
    T: Send + 'static,
    R: Send + 'static,
{
    pub(super) fn prepare(name: &'static str, mode: Mode, f: F) -> (Box<dyn Work>, Reply<T, R>) {
        let (reply, waiting) = oneshot::channel();
        (Box::new(Self { name, mode, f, asked: Instant::now(), retries: 0, outcome: None, reply }), waiting)
    }
}

impl<T, R, F> Work for Errand<T, R, F>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, Stop<R>> + Send,
    T: Send,
    R: Send,
{
    fn mode(&self) -> Mode {
        self.mode
    }

    fn overdue(&self, limit: Duration) -> bool {
        self.asked.elapsed() > limit || self.reply.is_closed()
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> Verdict {
        let f = &mut self.f;
        let ended = catch_unwind(AssertUnwindSafe(|| f(tx)));
        let outcome = ended.unwrap_or_else(|panic| {
            Err(Stop::Fault(Fault::bare(format!("a panic in {}: {}", self.name, text_of(panic.as_ref())))))
        });
        let outcome = tell(tx, outcome);
        let (outcome, verdict) = match (outcome, tx.trouble()) {
            (Err(Stop::Fault(fault)), trouble) => {
                (Err(Stop::Fault(fault)), Verdict::Undo(trouble.unwrap_or(Trouble::Plain)))
            }
            (Ok(_) | Err(Stop::Refusal(_)), Some(trouble)) => {
                // Postgres answers COMMIT after a failed statement with a silent rollback.
                let fault = Fault::bare(format!("{} went on after a statement that failed", self.name));
                (Err(Stop::Fault(fault)), Verdict::Undo(trouble))
            }
            (outcome, None) => (outcome, Verdict::Keep),
        };
        self.outcome = Some(outcome);
        verdict
    }

    fn fail(&mut self, fault: Fault) {
        self.outcome = Some(Err(Stop::Fault(fault)));
    }

    fn tried_again(&mut self) {
        self.retries = self.retries.saturating_add(1);
    }

    fn settle(self: Box<Self>, observer: &dyn Observer) {
        let never = || Err(Stop::Fault(Fault::bare("a piece of work that was never begun").passing()));
        let outcome = self.outcome.unwrap_or_else(never);
        let how = match &outcome {
            Ok(_) => Outcome::Done,
            Err(Stop::Refusal(_)) => Outcome::Refused,
            Err(Stop::Fault(fault)) if fault.kind() == FaultKind::Unavailable => Outcome::Unavailable,
            Err(Stop::Fault(_)) => Outcome::Fault,
        };
        observer.transaction(self.name, self.asked.elapsed(), how, self.retries);
        // Whoever asked may have gone away meanwhile.
        drop(self.reply.send(outcome));
    }
}

/// Of work that is to be kept, what it tells others is written now, when nothing else is left to do.
fn tell<T, R>(tx: &mut Tx<'_>, outcome: Result<T, Stop<R>>) -> Result<T, Stop<R>> {
    if tx.trouble().is_none() && !matches!(outcome, Err(Stop::Fault(_))) {
        tx.write_changes()?;
    }
    outcome
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// The fault for work that waited too long to be begun.
pub(super) fn overdue() -> Fault {
    Fault::bare("the database threads are too busy: work waited too long").passing()
}
