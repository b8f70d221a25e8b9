//! The threads that ask one holder of keys: some sign, one does everything else, so that a key in the making holds up no
//! signature. Whoever has stopped waiting is passed over.

use super::{Hold, SignerFailed};
use crate::{
    base::fault::Fault,
    jose::{Alg, Outside},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

/// So many threads sign.
const THREADS: usize = 4;
/// So many signatures may wait.
const QUEUE: usize = 256;
/// How often it is looked whether everybody has done.
const LOOK: Duration = Duration::from_millis(10);
/// So much else may wait.
const FEW: usize = 16;

/// A signature that somebody waits for.
pub(super) struct Asked {
    pub(super) at: Arc<Outside>,
    pub(super) alg: Alg,
    pub(super) input: Vec<u8>,
    pub(super) reply: oneshot::Sender<Result<Vec<u8>, SignerFailed>>,
}

impl Asked {
    pub(super) fn answer(self, with: Result<Vec<u8>, SignerFailed>) {
        // Whoever stopped waiting needs no answer.
        let _ = self.reply.send(with);
    }
}

type Work = Box<dyn FnOnce(&dyn Hold) + Send>;

pub(super) struct Desk {
    asked: flume::Sender<Asked>,
    work: flume::Sender<Work>,
    /// So many threads are with the holder just now.
    busy: Arc<AtomicUsize>,
}

impl Desk {
    pub(super) fn start(name: &str, holder: Arc<dyn Hold>) -> Result<Self, Fault> {
        let (asked, inbox) = flume::bounded::<Asked>(QUEUE);
        let busy = Arc::<AtomicUsize>::default();
        // It is never given up: a module that was closed and unloaded while the process ends would take it down.
        std::mem::forget(Arc::clone(&holder));
        let spawn = |n: String, body: Box<dyn FnOnce() + Send>| {
            let thread = thread::Builder::new().name(format!("{name}-{n}")).spawn(body);
            thread.map(drop).map_err(|e| Fault::new("starting a thread for keys that are elsewhere", e))
        };
        for n in 0..THREADS {
            let (inbox, holder, busy) = (inbox.clone(), Arc::clone(&holder), Arc::clone(&busy));
            spawn(n.to_string(), Box::new(move || sign_all(&inbox, &*holder, &busy)))?;
        }
        let (work, few) = flume::bounded::<Work>(FEW);
        let busy_too = Arc::clone(&busy);
        spawn("keys".to_owned(), Box::new(move || few.iter().for_each(|one| guarded(&busy_too, || one(&*holder)))))?;
        Ok(Self { asked, work, busy })
    }

    /// Waits until nobody is with the holder any more, but no longer than this. Whoever asks meanwhile is not waited for.
    pub(super) async fn quiet(&self, within: Duration) {
        let quiet = async {
            while self.busy.load(Ordering::SeqCst) > 0 || !self.work.is_empty() {
                sleep(LOOK).await;
            }
        };
        if timeout(within, quiet).await.is_err() {
            tracing::warn!("whoever holds signing keys did not answer before the end");
        }
    }

    /// A signature, within this time.
    pub(super) async fn sign(
        &self,
        at: Arc<Outside>,
        alg: Alg,
        input: Vec<u8>,
        within: Duration,
    ) -> Result<Vec<u8>, SignerFailed> {
        let (reply, answer) = oneshot::channel();
        self.asked.try_send(Asked { at, alg, input, reply }).map_err(|_| SignerFailed::Busy)?;
        waited(within, answer).await
    }

    /// Anything else, within this time.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        within: Duration,
        work: impl FnOnce(&dyn Hold) -> Result<T, SignerFailed> + Send + 'static,
    ) -> Result<T, SignerFailed> {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |holder| {
            // Who has stopped waiting counts on it that nothing is begun any more.
            if !reply.is_closed() {
                // Whoever stopped waiting meanwhile needs no answer.
                let _ = reply.send(work(holder));
            }
        });
        self.work.try_send(work).map_err(|_| SignerFailed::Busy)?;
        waited(within, answer).await
    }
}

async fn waited<T>(within: Duration, answer: oneshot::Receiver<Result<T, SignerFailed>>) -> Result<T, SignerFailed> {
    match timeout(within, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(SignerFailed::Away("it ended in a panic".to_owned())),
        Err(_) => Err(SignerFailed::TimedOut),
    }
}

/// Signs what is asked for, several at once where the holder can: those that wait already, never those to come.
fn sign_all(inbox: &flume::Receiver<Asked>, holder: &dyn Hold, busy: &AtomicUsize) {
    while let Ok(first) = inbox.recv() {
        let more = inbox.try_iter().take(holder.at_once().saturating_sub(1));
        let batch: Vec<Asked> = [first].into_iter().chain(more).filter(|one| !one.reply.is_closed()).collect();
        if !batch.is_empty() {
            guarded(busy, || holder.sign(batch));
        }
    }
}

/// A panic ends one piece of work, whose caller is told; the thread lives on.
fn guarded(busy: &AtomicUsize, work: impl FnOnce()) {
    busy.fetch_add(1, Ordering::SeqCst);
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        tracing::error!("work with a key that is elsewhere ended in a panic");
    }
    busy.fetch_sub(1, Ordering::SeqCst);
}

#[cfg(test)]
mod tests {
    use super::{super::WantedKey, *};
    use std::sync::Mutex;

    /// Signs by saying what was asked; one that was told to wait does so until it may go on.
    struct Sayer {
        gate: flume::Receiver<()>,
        batches: Mutex<Vec<usize>>,
        asked: AtomicUsize,
    }

    impl Hold for Sayer {
        fn at_once(&self) -> usize {
            8
        }
        fn sign(&self, asked: Vec<Asked>) {
            self.batches.lock().unwrap().push(asked.len());
            for one in asked {
                self.asked.fetch_add(1, Ordering::SeqCst);
                match one.input.as_slice() {
                    b"wait" => self.gate.recv().unwrap(),
                    b"panic" => panic!("as asked"),
                    _ => {}
                }
                let input = one.input.clone();
                one.answer(Ok(input));
            }
        }
        fn make(&self, _: &WantedKey) -> Result<serde_json::Value, SignerFailed> {
            Err(SignerFailed::NoKey)
        }
        fn destroy(&self, _: &Outside) -> Result<(), SignerFailed> {
            Ok(())
        }
        fn check(&self, _: Option<&Outside>) -> Result<(), SignerFailed> {
            Ok(())
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    fn run(test: impl AsyncFnOnce(Arc<Sayer>, flume::Sender<()>, Desk)) {
        let (open, gate) = flume::unbounded();
        let sayer = Arc::new(Sayer { gate, batches: Mutex::default(), asked: AtomicUsize::default() });
        let desk = Desk::start("test", Arc::<Sayer>::clone(&sayer)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test(sayer, open, desk));
    }

    async fn ask(desk: &Desk, input: &[u8], within: Duration) -> Result<Vec<u8>, SignerFailed> {
        let at = Outside::Pkcs11 { token: String::new(), id: String::new() };
        desk.sign(Arc::new(at), Alg::Es256, input.to_vec(), within).await
    }

    #[test]
    fn a_panic_ends_one_signature_and_the_thread_lives_on() {
        run(async |_, _, desk| {
            for _ in 0..THREADS * 2 {
                assert!(matches!(ask(&desk, b"panic", LONG).await, Err(SignerFailed::Away(_))));
            }
            assert_eq!(ask(&desk, b"a", LONG).await.unwrap(), b"a");
        });
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_not_begun() {
        run(async |_, _, desk| {
            let (open, gate) = flume::unbounded::<()>();
            let (busy, begun) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
            let (at_work, late) = (Arc::clone(&busy), Arc::clone(&begun));
            let first = desk.work(LONG, move |_| {
                at_work.fetch_add(1, Ordering::SeqCst);
                gate.recv().unwrap();
                Ok(())
            });
            let second = async {
                while busy.load(Ordering::SeqCst) == 0 {
                    sleep(Duration::from_millis(1)).await;
                }
                let work = move |_: &dyn Hold| {
                    late.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                };
                let second = desk.work(Duration::from_millis(20), work).await;
                open.send(()).unwrap();
                second
            };
            assert_eq!(tokio::join!(first, second), (Ok(()), Err(SignerFailed::TimedOut)));
            // Behind it in the queue: by then it was passed over.
            desk.work(LONG, |_| Ok(())).await.unwrap();
            assert_eq!(begun.load(Ordering::SeqCst), 0);
        });
    }

    #[test]
    fn whoever_hangs_holds_up_nobody_for_longer_than_the_deadline_and_the_queue_has_an_end() {
        run(async |sayer, open, desk| {
            let desk = Arc::new(desk);
            let local = tokio::task::LocalSet::new();
            local
                .run_until(async {
                    let mut hanging = Vec::new();
                    for n in 1..=THREADS {
                        let desk = Arc::clone(&desk);
                        hanging.push(tokio::task::spawn_local(async move { ask(&desk, b"wait", LONG).await }));
                        // One after the other, or one thread takes several of them at once.
                        while sayer.asked.load(Ordering::SeqCst) < n {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                    }
                    assert_eq!(ask(&desk, b"a", Duration::from_millis(20)).await, Err(SignerFailed::TimedOut));
                    // What else there is to do does not wait for signatures.
                    desk.work(LONG, |holder| holder.destroy(&Outside::Pkcs11 { token: "".into(), id: "".into() }))
                        .await
                        .unwrap();
                    let waiting: Vec<_> = (1..QUEUE)
                        .map(|_| {
                            let desk = Arc::clone(&desk);
                            tokio::task::spawn_local(async move { ask(&desk, b"b", LONG).await })
                        })
                        .collect();
                    while !desk.asked.is_full() {
                        tokio::task::yield_now().await;
                    }
                    assert_eq!(ask(&desk, b"c", LONG).await, Err(SignerFailed::Busy));
                    (0..THREADS).for_each(|_| open.send(()).unwrap());
                    for one in hanging {
                        assert_eq!(one.await.unwrap().unwrap(), b"wait");
                    }
                    for one in waiting {
                        assert_eq!(one.await.unwrap().unwrap(), b"b");
                    }
                    // Those that nobody waited for any more were passed over, and several were asked for at once.
                    assert_eq!(sayer.asked.load(Ordering::SeqCst), THREADS + QUEUE - 1);
                    assert!(sayer.batches.lock().unwrap().iter().any(|n| *n > 1));
                })
                .await;
        });
    }
}
