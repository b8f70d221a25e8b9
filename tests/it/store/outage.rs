//! The database goes away and comes back.

use super::*;
use crate::world::{
    Server,
    busy::{at_best, taken},
    cut::Cut,
};
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
fn whoever_does_not_hear_that_a_code_or_a_refresh_token_was_used_takes_its_own_use_for_no_second_one() {
    each(|db| {
        if db.is_sqlite() {
            return;
        }
        let way = Cut::to(db.settings.url.expose());
        let server = Server::start(db, |settings| {
            settings.set("database.url", way.url());
            settings.set("tokens.refresh_grace", "0s");
        });
        let (ada, app) = (server.person("ada"), server.web_app());
        let attempt = app.begin();
        let callback = server.browser().approve(&attempt, &ada);
        way.after("WITH used AS (UPDATE codes");
        let first = app.redeem(&attempt, callback.code());
        assert_eq!((way.cuts(), first.status), (1, 200), "{}", first.text());
        way.after("WITH rotated AS (UPDATE grants");
        let next = app.refresh(&first.tokens().refresh);
        assert_eq!((way.cuts(), next.status), (2, 200), "{}", next.text());
        server.follow_now();
        assert!(app.sees_live(&first.tokens().access) && app.sees_live(&next.tokens().access));
        assert_eq!(app.refresh(&next.tokens().refresh).status, 200);
        let kinds: Vec<_> = server.events().into_iter().map(|event| event.kind).collect();
        let times = |kind: &str| kinds.iter().filter(|other| *other == kind).count();
        assert_eq!((times("token.issued"), times("token.refreshed"), times("grant.revoked")), (1, 2, 0), "{kinds:?}");
    });
}

#[test]
fn a_database_that_is_not_there_is_unavailable_at_once() {
    let settings = crate::world::database::settings("postgres://nobody@127.0.0.1:1/none".into());
    let settings = keywright::store::Settings { pool_wait: keywright::base::moment::Span::millis(250), ..settings };
    let clock = std::sync::Arc::new(keywright::base::moment::SystemClock);
    let store = Store::open(&settings, clock, std::sync::Arc::new(keywright::base::entropy::OsEntropy)).unwrap();
    let ten = || {
        for _ in 0..10 {
            let refused: Plain<()> = store.write_blocking("nowhere", |tx| Ok(tx.meta().put("a", b"b")?));
            assert_eq!(fault_of(refused).kind(), FaultKind::Unavailable);
        }
    };
    let most = std::time::Duration::from_secs(3);
    assert!(at_best(most, || taken(ten)) < most);
}

#[test]
fn a_file_that_another_process_holds_for_long_is_unavailable() {
    each(|db| {
        if !db.is_sqlite() {
            return;
        }
        let mut other = db.backdoor();
        other.execute("BEGIN IMMEDIATE");
        let began = std::time::Instant::now();
        let refused: Plain<()> = db.store.write_blocking("locked", |tx| Ok(tx.meta().put("x", b"y")?));
        assert_eq!(fault_of(refused).kind(), FaultKind::Unavailable);
        assert!(began.elapsed() >= std::time::Duration::from_secs(4));
        assert_eq!(read(&db.store, |tx| tx.meta().get("x")), None, "readers go on");
        other.execute("ROLLBACK");
        write(&db.store, |tx| tx.meta().put("x", b"y"));
    });
}

#[test]
#[ignore = "stops the server: set TEST_POSTGRES_RESTART to a command that restarts it"]
fn a_server_that_was_restarted_is_found_again_within_five_seconds() {
    let restart = std::env::var("TEST_POSTGRES_RESTART").expect("TEST_POSTGRES_RESTART");
    each(|db| {
        if db.is_sqlite() {
            return;
        }
        let stop = std::sync::atomic::AtomicBool::new(false);
        let work = |n: usize| {
            let mut worst = std::time::Duration::ZERO;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let began = std::time::Instant::now();
                let done: Plain<()> =
                    db.store.write_blocking("work", move |tx| Ok(tx.meta().put(&n.to_string(), b"x")?));
                worst = worst.max(began.elapsed());
                if let Err(Stop::Fault(fault)) = done {
                    assert_eq!(fault.kind(), FaultKind::Unavailable, "{fault}");
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
            }
            worst
        };
        std::thread::scope(|scope| {
            let work = &work;
            let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || work(n))).collect();
            std::thread::sleep(std::time::Duration::from_millis(300));
            assert!(std::process::Command::new("sh").args(["-c", &restart]).status().unwrap().success());
            let back = std::time::Instant::now();
            loop {
                let done: Plain<()> = db.store.write_blocking("back", |tx| Ok(tx.meta().put("back", b"x")?));
                if done.is_ok() {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            let waited = back.elapsed();
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            let worst = threads.into_iter().map(|thread| thread.join().unwrap()).max().unwrap();
            assert!(waited < std::time::Duration::from_secs(5), "{waited:?}");
            println!("back after {waited:?}; the slowest answer took {worst:?}");
        });
    });
}
