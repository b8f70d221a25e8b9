//! The database goes away and comes back.

use super::*;
use keywright::base::fault::FaultKind;

#[test]
fn connections_that_the_server_ended_are_replaced_unseen() {
    each(|db| {
        if db.is_sqlite() {
            return;
        }
        for _ in 0..3 {
            at_once(4, |n| write(&db.store, move |tx| tx.meta().put(&format!("k{n}"), b"1")));
            db.backdoor().execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE application_name = current_schema() AND pid <> pg_backend_pid()",
            );
            at_once(8, |n| {
                write(&db.store, move |tx| tx.meta().put(&format!("k{n}"), b"2"));
                read(&db.store, move |tx| tx.meta().get(&format!("k{n}")));
            });
        }
    });
}

#[test]
fn a_database_that_is_not_there_is_unavailable_at_once() {
    let settings = crate::world::database::settings("postgres://nobody@127.0.0.1:1/none".into());
    let clock = std::sync::Arc::new(keywright::base::moment::SystemClock);
    let store = Store::open(&settings, clock, std::sync::Arc::new(keywright::base::entropy::OsEntropy)).unwrap();
    let began = std::time::Instant::now();
    for _ in 0..10 {
        let refused: Plain<()> = store.write_blocking("nowhere", |tx| Ok(tx.meta().put("a", b"b")?));
        assert_eq!(fault_of(refused).kind(), FaultKind::Unavailable);
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(3));
}

#[test]
fn a_full_disk_is_unavailable_and_leaves_nothing_behind() {
    each(|db| {
        if !db.is_sqlite() {
            return;
        }
        // The limit is of the connection that writes: it has to set it itself.
        write(&db.store, |tx| tx.meta().put("small", b"fits"));
        let mut door = db.backdoor();
        let lock = "BEGIN IMMEDIATE";
        door.execute(lock);
        let began = std::time::Instant::now();
        let refused: Plain<()> = db.store.write_blocking("locked", |tx| Ok(tx.meta().put("x", b"y")?));
        assert_eq!(fault_of(refused).kind(), FaultKind::Unavailable, "locked by another process");
        assert!(began.elapsed() >= std::time::Duration::from_secs(4));
        door.execute("ROLLBACK");
        write(&db.store, |tx| tx.meta().put("small", b"again"));
    });
}
