//! Password hashing on threads of its own, behind a bounded queue that turns work away when full.
//!
//! A hash takes a core for some 15 ms. Sharing workers with anything else would let a flood of
//! sign-ins stop the token endpoint; an unbounded queue would let it fill memory with people
//! who have long given up. So there are a few threads of low priority, a short queue, and an
//! honest "try again" beyond it.

use crate::{
    account::password::{Cost, Password, PasswordHash, Salt, Workspace},
    base::{
        entropy::Entropy,
        fault::{Fault, Stop},
        moment::Span,
    },
};
use std::{
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::Duration,
};
use tokio::sync::oneshot;

/// A thread gives its 19 MiB back when nobody signed in for this long.
const KEEP_MEMORY: Duration = Duration::from_secs(20);

/// What an operator decides about hashing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashingPolicy {
    /// Threads; each keeps the memory of one hash while it is in use.
    pub threads: usize,
    /// Requests that may wait; more are turned away.
    pub queue: usize,
    /// What new hashes cost, and old ones are brought to at the next sign-in.
    pub cost: Cost,
}

impl Default for HashingPolicy {
    /// A thread for each core, and a queue that is worked off within half a second.
    fn default() -> Self {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self { threads, queue: threads.saturating_mul(32), cost: Cost::STANDARD }
    }
}

/// The queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// When to try again.
    pub retry_after: Span,
}

/// What came of comparing a password.
#[derive(Debug)]
pub struct Outcome {
    /// Whether it is the password.
    pub matches: bool,
    /// A hash of the same password at today's cost, where the stored one has another: to be
    /// stored in its place.
    pub rehash: Option<PasswordHash>,
}

enum Job {
    Verify { password: Password, stored: PasswordHash, reply: oneshot::Sender<Result<Outcome, Fault>> },
    Hash { password: Password, reply: oneshot::Sender<Result<PasswordHash, Fault>> },
}

/// The threads and their queue. Dropping it ends them when the queue is empty.
pub struct Hashing {
    jobs: flume::Sender<Job>,
    policy: HashingPolicy,
}

impl Hashing {
    /// Starts the threads.
    ///
    /// # Errors
    /// A [`Fault`] where the system gives no thread.
    pub fn start(policy: HashingPolicy, dice: &Arc<dyn Entropy>) -> Result<Self, Fault> {
        let (jobs, inbox) = flume::bounded(policy.queue.max(1));
        for n in 0..policy.threads.max(1) {
            let (inbox, dice) = (inbox.clone(), Arc::clone(dice));
            thread::Builder::new()
                .name(format!("hash-{n}"))
                .spawn(move || serve(&inbox, policy.cost, dice.as_ref()))
                .map_err(|e| Fault::new("starting a thread to hash passwords", e))?;
        }
        Ok(Self { jobs, policy })
    }

    /// Whether this is the password. For a name that nobody has, hand in [`Hashing::dummy`].
    ///
    /// # Errors
    /// [`Busy`] at once when the queue is full; a [`Fault`] for a defect.
    pub async fn verify(&self, password: Password, stored: PasswordHash) -> Result<Outcome, Stop<Busy>> {
        let (reply, answer) = oneshot::channel();
        self.ask(Job::Verify { password, stored, reply })?;
        settle(answer).await
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// As [`Hashing::verify`].
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, Stop<Busy>> {
        let (reply, answer) = oneshot::channel();
        self.ask(Job::Hash { password, reply })?;
        settle(answer).await
    }

    /// A hash that nothing matches, at today's cost.
    #[must_use]
    pub fn dummy(&self) -> PasswordHash {
        PasswordHash::dummy(self.policy.cost)
    }

    /// Requests that wait now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.jobs.len()
    }

    fn ask(&self, job: Job) -> Result<(), Stop<Busy>> {
        self.jobs.try_send(job).map_err(|refused| match refused {
            // The queue is worked off in well under a second; two spread the returning crowd.
            flume::TrySendError::Full(_) => Stop::Refusal(Busy { retry_after: Span::seconds(2) }),
            flume::TrySendError::Disconnected(_) => Stop::Fault(Fault::bare("the hashing threads are gone")),
        })
    }
}

async fn settle<T>(answer: oneshot::Receiver<Result<T, Fault>>) -> Result<T, Stop<Busy>> {
    match answer.await {
        Ok(result) => result.map_err(Stop::Fault),
        Err(_) => Err(Stop::Fault(Fault::bare("a hashing thread dropped its work"))),
    }
}

/// Hashes without threads or queue: for the command line, where one person waits for one hash.
///
/// # Errors
/// A [`Fault`] where randomness fails.
pub fn hash_now(password: &Password, cost: Cost, dice: &dyn Entropy) -> Result<PasswordHash, Fault> {
    Workspace::new().hash(password, Salt::draw(dice)?, cost)
}

fn serve(inbox: &flume::Receiver<Job>, cost: Cost, dice: &dyn Entropy) {
    step_back();
    let mut workspace = Workspace::new();
    loop {
        match inbox.recv_timeout(KEEP_MEMORY) {
            // A panic ends one job, whose caller is told; the thread lives on.
            Ok(job) => {
                if catch_unwind(AssertUnwindSafe(|| work(job, &mut workspace, cost, dice))).is_err() {
                    tracing::error!("hashing a password ended in a panic");
                }
            }
            Err(flume::RecvTimeoutError::Timeout) => workspace.release(),
            Err(flume::RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Lets threads that answer requests go first.
fn step_back() {
    // On Linux a nice value belongs to the thread; elsewhere to the process, which must keep its own.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(10) {
        tracing::debug!(%error, "hashing threads keep their priority");
    }
}

fn work(job: Job, workspace: &mut Workspace, cost: Cost, dice: &dyn Entropy) {
    match job {
        // Whoever hung up while waiting costs nothing more.
        Job::Verify { reply, .. } if reply.is_closed() => {}
        Job::Hash { reply, .. } if reply.is_closed() => {}
        Job::Verify { password, stored, reply } => {
            let outcome = workspace.verify(&password, &stored).and_then(|matches| {
                let outdated = matches && stored.needs_rehash(cost);
                let rehash = outdated.then(|| workspace.hash(&password, Salt::draw(dice)?, cost)).transpose()?;
                Ok(Outcome { matches, rehash })
            });
            // A closed reply means that nobody waits any more; there is nobody to tell.
            let _ = reply.send(outcome);
        }
        Job::Hash { password, reply } => {
            let _ = reply.send(Salt::draw(dice).and_then(|salt| workspace.hash(&password, salt, cost)));
        }
    }
}

impl std::fmt::Debug for Hashing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hashing").field("policy", &self.policy).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    fn start(threads: usize, queue: usize, cost: Cost) -> Arc<Hashing> {
        let dice: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
        Arc::new(Hashing::start(HashingPolicy { threads, queue, cost }, &dice).unwrap())
    }
    fn typed(text: &str) -> Password {
        Password::parse(text.to_owned()).unwrap()
    }
    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn an_old_hash_is_renewed_when_its_password_comes() {
        let old = hash_now(&typed("violin"), Cost::new(64, 1, 1).unwrap(), &SeededEntropy::new(2)).unwrap();
        let hashing = start(1, 8, Cost::new(128, 1, 1).unwrap());
        run(async {
            let outcome = hashing.verify(typed("violin"), old.clone()).await.unwrap();
            assert!(outcome.matches);
            let renewed = outcome.rehash.unwrap();
            let outcome = hashing.verify(typed("violin"), renewed).await.unwrap();
            assert!(outcome.matches && outcome.rehash.is_none());
            let outcome = hashing.verify(typed("cello"), old).await.unwrap();
            assert!(!outcome.matches && outcome.rehash.is_none());
        });
    }

    #[test]
    fn of_64_at_once_some_are_turned_away_and_none_is_lost() {
        let hashing = start(2, 8, Cost::new(2048, 2, 1).unwrap());
        let (mut served, mut busy) = (0, 0);
        run(async {
            let hash = hashing.hash(typed("violin")).await.unwrap();
            let mut crowd = tokio::task::JoinSet::new();
            for _ in 0..64 {
                let (hashing, hash) = (Arc::clone(&hashing), hash.clone());
                crowd.spawn(async move { hashing.verify(typed("violin"), hash).await });
            }
            for answer in crowd.join_all().await {
                match answer {
                    Ok(outcome) => {
                        assert!(outcome.matches);
                        served += 1;
                    }
                    Err(Stop::Refusal(Busy { retry_after })) => {
                        assert!(retry_after > Span::ZERO);
                        busy += 1;
                    }
                    Err(Stop::Fault(fault)) => panic!("{fault}"),
                }
            }
        });
        assert_eq!(served + busy, 64);
        assert!(served >= 8, "{served}");
        assert!(busy > 0);
        assert_eq!(hashing.waiting(), 0);
    }

    #[test]
    fn work_that_nobody_waits_for_is_skipped() {
        let hashing = start(1, 64, Cost::new(2048, 2, 1).unwrap());
        run(async {
            for _ in 0..20 {
                let (reply, answer) = oneshot::channel();
                drop(answer);
                hashing.ask(Job::Hash { password: typed("x"), reply }).unwrap();
            }
            assert!(hashing.hash(typed("violin")).await.is_ok());
        });
    }
}
