//! What happens when SQLite cannot store any more.

use super::super::{Settings, Store, Synchronous, tx::Conn};
use crate::base::{
    entropy::OsEntropy,
    fault::{Fault, FaultKind, Stop},
    moment::{Span, SystemClock},
    secret::Secret,
};
use diesel::connection::SimpleConnection;
use std::{sync::Arc, sync::mpsc, time::Duration};

type Plain = Result<(), Stop<()>>;

fn store(url: String) -> Store {
    let settings = Settings {
        url: Secret::new(url),
        connections: 1,
        pool_wait: Span::seconds(20),
        statement_timeout: Span::seconds(5),
        sqlite_synchronous: Synchronous::Full,
    };
    let store = Store::open(&settings, Arc::new(SystemClock), Arc::new(OsEntropy)).unwrap();
    store.migrate_blocking().unwrap();
    store
}

/// Sets the size at which the database counts as full.
fn limit(store: &Store, pages: u32) {
    let done: Plain = store.write_blocking("limit", move |tx| {
        if let Conn::Sqlite(c) = &mut tx.conn {
            c.batch_execute(&format!("PRAGMA max_page_count = {pages}")).map_err(|e| Fault::new("limit", e))?;
        }
        Ok(())
    });
    done.unwrap();
}

fn put(store: &Store, name: &'static str, bytes: usize) -> Plain {
    store.write_blocking("put", move |tx| Ok(tx.meta().put(name, &vec![7; bytes])?))
}

fn is_unavailable(outcome: &Plain) -> bool {
    matches!(outcome, Err(Stop::Fault(fault)) if fault.kind() == FaultKind::Unavailable)
}

fn kept(store: &Store, name: &'static str) -> bool {
    let found: Result<_, Stop<()>> = store.read_blocking("get", move |tx| Ok(tx.meta().get(name)?));
    found.unwrap().is_some()
}

fn databases() -> (tempfile::TempDir, [Store; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let file = store(format!("sqlite:{}", directory.path().join("a.db").display()));
    (directory, [file, store("sqlite::memory:".into())])
}

#[test]
fn a_full_disk_is_unavailable_and_work_goes_on_when_there_is_room_again() {
    let (_directory, stores) = databases();
    for store in stores {
        limit(&store, 1); // As small as it is now.
        let refused = put(&store, "big", 1_000_000);
        assert!(is_unavailable(&refused), "{refused:?}");
        assert!(!kept(&store, "big"));
        limit(&store, 1_000_000);
        put(&store, "big", 1_000_000).unwrap();
        assert!(kept(&store, "big"));
    }
}

#[test]
fn of_a_group_that_fills_the_disk_nobody_is_told_that_it_was_stored() {
    let (_directory, stores) = databases();
    for store in stores {
        limit(&store, 1);
        let (entered, in_there) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let outcomes: Vec<(&str, Plain)> = std::thread::scope(|scope| {
            let holder = store.clone();
            scope.spawn(move || {
                let held: Plain = holder.write_blocking("hold", move |_| {
                    entered.send(()).unwrap();
                    let _dropped = wait.recv();
                    Ok(())
                });
                held.unwrap();
            });
            in_there.recv().unwrap();
            let sizes = [("small", 10), ("big", 1_000_000), ("other", 10)];
            let mut before = 0;
            let waiting = sizes.map(|(name, bytes)| {
                let thread = scope.spawn({
                    let store = store.clone();
                    move || (name, put(&store, name, bytes))
                });
                before += 1;
                while store.waiting() < before {
                    assert!(!thread.is_finished(), "nobody is served meanwhile");
                    std::thread::sleep(Duration::from_millis(1));
                }
                thread
            });
            assert_eq!(store.waiting(), 3);
            drop(go);
            waiting.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (name, outcome) in outcomes {
            assert!(is_unavailable(&outcome), "{name}");
            assert!(!kept(&store, name), "{name}");
        }
        put(&store, "small", 10).unwrap();
        assert!(kept(&store, "small"));
    }
}
