//! The law of transactions.

use super::*;
use crate::world::busy::{LONG, within};
use keywright::{
    base::fault::FaultKind,
    store::{Observer, Outcome},
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

#[test]
fn a_refusal_commits_and_a_fault_rolls_back() {
    each(|db| {
        let refused: Result<(), Stop<&str>> = db.store.write_blocking("refuse", |tx| {
            tx.meta().put("refused", b"kept")?;
            Err(Stop::Refusal("no"))
        });
        assert!(matches!(refused, Err(Stop::Refusal("no"))));
        let failed: Plain<()> = db.store.write_blocking("fail", |tx| {
            tx.meta().put("failed", b"lost")?;
            Err(Fault::bare("on purpose").into())
        });
        assert_eq!(fault_of(failed).to_string(), "on purpose");
        assert_eq!(read(&db.store, |tx| tx.meta().get("refused")), Some(b"kept".to_vec()));
        assert_eq!(read(&db.store, |tx| tx.meta().get("failed")), None);
    });
}

#[test]
fn a_panic_is_a_fault_and_the_next_work_is_done() {
    each(|db| {
        for _ in 0..6 {
            let panicked: Plain<()> = db.store.write_blocking("panic", |tx| {
                tx.meta().put("panicked", b"lost")?;
                panic!("on purpose")
            });
            assert_eq!(fault_of(panicked).to_string(), "a panic in panic: on purpose");
        }
        assert_eq!(read(&db.store, |tx| tx.meta().get("panicked")), None);
        write(&db.store, |tx| tx.meta().put("after", b"fine"));
        assert_eq!(read(&db.store, |tx| tx.meta().get("after")), Some(b"fine".to_vec()));
    });
}

#[test]
fn work_that_goes_on_after_a_failed_statement_is_rolled_back() {
    each(|db| {
        let ann = populate(db);
        let went_on: Plain<()> = db.store.write_blocking("go on", move |tx| {
            tx.meta().put("before", b"lost")?;
            let orphan = session(1, &user(99));
            assert!(tx.sessions().insert(&orphan, &hash("x"), START).is_err(), "there is no such person");
            Ok(())
        });
        assert!(fault_of(went_on).to_string().contains("went on after a statement that failed"));
        assert_eq!(read(&db.store, |tx| tx.meta().get("before")), None);
        drop(ann);
    });
}

#[test]
fn a_fault_names_the_table_and_the_key() {
    each(|db| {
        let failed: Plain<()> = db
            .store
            .write_blocking("orphan", |tx| Ok(tx.sessions().insert(&session(1, &user(99)), &hash("x"), START)?));
        let fault = fault_of(failed);
        assert!(fault.to_string().starts_with("adding a row of sessions, key ses_"), "{fault}");
        assert_eq!(fault.kind(), FaultKind::Broken);
    });
}

#[test]
fn what_reads_cannot_write_on_sqlite() {
    each(|db| {
        if db.is_sqlite() {
            let refused: Plain<()> = db.store.read_blocking("sly", |tx| Ok(tx.meta().put("sly", b"x")?));
            assert!(fault_of(refused).to_string().contains("readonly"));
        }
    });
}

#[test]
fn a_single_statement_commits_by_itself() {
    each(|db| {
        let done: Plain<()> = db.store.single_blocking("one", |tx| Ok(tx.meta().put("one", b"1")?));
        done.unwrap();
        assert_eq!(read(&db.store, |tx| tx.meta().get("one")), Some(b"1".to_vec()));
    });
}

#[test]
fn the_time_of_a_transaction_stands_still() {
    each(|db| {
        let clock = db.clock.clone();
        let (before, after) = write(&db.store, move |tx| {
            let before = tx.now();
            clock.advance(Span::hours(1));
            Ok((before, tx.now()))
        });
        assert_eq!(before, after);
    });
}

/// Holds every writing thread until told to go on. Whoever is turned away, because a connection took
/// longer to make than the store is patient, comes again.
fn hold(store: &Store, threads: usize) -> impl FnOnce() {
    let (entered, all_in) = mpsc::channel();
    let mut release = Vec::new();
    for _ in 0..threads {
        let (go, wait) = mpsc::channel::<()>();
        let (store, entered, wait) = (store.clone(), entered.clone(), Arc::new(Mutex::new(wait)));
        release.push((
            go,
            std::thread::spawn(move || {
                let held = || -> Plain<()> {
                    let (entered, wait) = (entered.clone(), Arc::clone(&wait));
                    store.write_blocking("hold", move |_| {
                        entered.send(()).unwrap();
                        let _dropped = wait.lock().unwrap().recv();
                        Ok(())
                    })
                };
                while held().is_err_and(|stop| fault_of::<(), ()>(Err(stop)).kind() == FaultKind::Unavailable) {}
            }),
        ));
        all_in.recv_timeout(Duration::from_secs(60)).expect("a thread of the store that can be held");
    }
    move || {
        for (go, thread) in release {
            drop(go);
            thread.join().unwrap();
        }
    }
}

fn writers(db: &Database) -> usize {
    if db.is_sqlite() { 1 } else { 4 }
}

#[test]
fn of_writes_that_share_a_commit_each_has_its_own_fate() {
    each(|db| {
        let go_on = hold(&db.store, writers(db));
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..40u8)
                .map(|n| {
                    let store = db.store.clone();
                    scope.spawn(move || {
                        store.write_blocking("group", move |tx| {
                            tx.meta().put(&format!("group {n}"), &[n])?;
                            match n % 4 {
                                0 => Err(Stop::Refusal(n)),
                                1 => Err(Fault::bare("on purpose").into()),
                                2 => panic!("on purpose"),
                                _ => Ok(n),
                            }
                        })
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(200));
            go_on();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (n, outcome) in outcomes.into_iter().enumerate() {
            let kept = read(&db.store, move |tx| tx.meta().get(&format!("group {n}"))).is_some();
            match outcome {
                Ok(_) => assert!(n % 4 == 3 && kept, "{n}"),
                Err(Stop::Refusal(_)) => assert!(n % 4 == 0 && kept, "{n}"),
                Err(Stop::Fault(_)) => assert!((n % 4 == 1 || n % 4 == 2) && !kept, "{n}"),
            }
        }
    });
}

#[test]
fn a_full_queue_is_unavailable_and_soon_free_again() {
    each(|db| {
        let go_on = hold(&db.store, writers(db));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let refused = runtime.block_on(async {
            let mut refused = 0;
            for n in 0..1100u32 {
                // Polled once, the work is in the queue or refused.
                let mut asked = Box::pin(db.store.write("fill", |_| Ok::<_, Stop<()>>(())));
                let once = std::future::poll_fn(|cx| std::task::Poll::Ready(asked.as_mut().poll(cx)));
                if let std::task::Poll::Ready(outcome) = once.await {
                    assert!(n >= 1000, "{n}");
                    assert_eq!(fault_of(outcome).kind(), FaultKind::Unavailable);
                    refused += 1;
                }
                std::mem::forget(asked);
            }
            refused
        });
        assert!(refused >= 50, "{refused}");
        go_on();
        let stored =
            || db.store.write_blocking("after", |tx| Ok::<_, Stop<()>>(tx.meta().put("after", b"fine")?)).is_ok();
        assert!(within(LONG, stored));
    });
}

#[test]
fn work_that_waited_too_long_is_never_begun() {
    for mut db in crate::world::database::empty() {
        db.store.migrate_blocking().unwrap();
        db.settings.pool_wait = Span::millis(50);
        let hasty = db.another();
        let go_on = hold(&hasty, writers(&db));
        let late = std::thread::scope(|scope| {
            let late =
                scope.spawn(|| hasty.write_blocking("late", |tx| Ok::<_, Stop<()>>(tx.meta().put("late", b"x")?)));
            assert!(within(LONG, || hasty.waiting() == 1), "it waits");
            std::thread::sleep(Duration::from_millis(150));
            go_on();
            late.join().unwrap()
        });
        assert_eq!(fault_of(late).kind(), FaultKind::Unavailable);
        assert_eq!(read(&db.store, |tx| tx.meta().get("late")), None);
        hasty.close();
    }
}

#[test]
fn what_waits_when_the_store_closes_is_finished_and_what_comes_after_is_refused() {
    each(|db| {
        let store = db.another();
        let written = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..20u8)
                .map(|n| {
                    let store = store.clone();
                    scope.spawn(move || {
                        store.write_blocking("last", move |tx| {
                            Ok::<_, Stop<()>>(tx.meta().put(&format!("last {n}"), &[n])?)
                        })
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(20));
            store.close();
            threads.into_iter().map(|thread| thread.join().unwrap().is_ok()).collect::<Vec<_>>()
        });
        for (n, ok) in written.into_iter().enumerate() {
            assert_eq!(read(&db.store, move |tx| tx.meta().get(&format!("last {n}"))).is_some(), ok, "{n}");
        }
        let refused: Plain<()> = store.write_blocking("after", |_| Ok(()));
        assert_eq!(fault_of(refused).kind(), FaultKind::Unavailable);
    });
}

#[derive(Default)]
struct Counter(Mutex<Vec<(&'static str, Outcome, u32)>>);
impl Observer for Counter {
    fn transaction(&self, name: &'static str, _: Duration, outcome: Outcome, retries: u32) {
        self.0.lock().unwrap().push((name, outcome, retries));
    }
}

#[test]
fn transactions_that_deadlock_are_tried_again_with_the_same_time() {
    each(|db| {
        let counter = Arc::new(Counter::default());
        let store = Store::open_observed(
            &db.settings,
            db.clock.clone(),
            Arc::new(keywright::base::entropy::OsEntropy),
            counter.clone(),
        )
        .unwrap();
        write(&store, |tx| {
            tx.meta().put("left", b"0")?;
            tx.meta().put("right", b"0")
        });
        let (tries, both_are_in) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        // SQLite lets one in at a time.
        let wanted = if db.is_sqlite() { 1 } else { 2 };
        at_once(2, |n| {
            let (first, second) = if n == 0 { ("left", "right") } else { ("right", "left") };
            let (tries, both_are_in) = (Arc::clone(&tries), Arc::clone(&both_are_in));
            let done: Plain<()> = store.write_blocking("cross", move |tx| {
                let first_time = tries.fetch_add(1, Ordering::SeqCst) < 2;
                tx.meta().put(first, first.as_bytes())?;
                if first_time {
                    both_are_in.fetch_add(1, Ordering::SeqCst);
                    within(LONG, || both_are_in.load(Ordering::SeqCst) >= wanted);
                }
                tx.meta().put(second, first.as_bytes())?;
                Ok(())
            });
            done.unwrap();
        });
        let left = read(&store, |tx| tx.meta().get("left"));
        assert_eq!(left, read(&store, |tx| tx.meta().get("right")), "one after the other");
        store.close();
        let seen = counter.0.lock().unwrap();
        let retries: u32 = seen.iter().filter(|(name, _, _)| *name == "cross").map(|(_, _, retries)| retries).sum();
        assert_eq!(retries, if db.is_sqlite() { 0 } else { 1 });
        assert!(seen.iter().all(|(_, outcome, _)| *outcome == Outcome::Done));
    });
}

#[test]
fn an_address_that_is_no_database_is_refused() {
    for url in ["mysql://x", "sqlite:", "", "keywright.db"] {
        let settings = crate::world::database::settings(url.into());
        let clock = Arc::new(keywright::base::moment::SystemClock);
        assert!(Store::open(&settings, clock, Arc::new(keywright::base::entropy::OsEntropy)).is_err(), "{url}");
    }
}

#[test]
fn a_database_in_memory_serves_reads_and_writes() {
    let settings = crate::world::database::settings("sqlite::memory:".into());
    let clock = Arc::new(keywright::base::moment::SystemClock);
    let store = Store::open(&settings, clock, Arc::new(keywright::base::entropy::OsEntropy)).unwrap();
    store.migrate_blocking().unwrap();
    write(&store, |tx| tx.meta().put("a", b"1"));
    assert_eq!(read(&store, |tx| tx.meta().get("a")), Some(b"1".to_vec()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.check()).unwrap();
}
