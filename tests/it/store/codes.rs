//! A code is issued and redeemed in one statement each, under everything that must hold.

use super::*;
use keywright::{
    audit::{Event, Origin, Record},
    base::{entropy::OsEntropy, moment::Moment},
    store::{
        audit::Filter,
        codes::{Issuing, Redemption},
        grants::NewRefresh,
    },
};

fn record(tx: &Tx<'_>) -> Record {
    Origin::default().record(Event::ChallengeReused { client: client() }, tx.now(), &OsEntropy).unwrap()
}

fn issue(store: &Store, ann: &User, name: &'static str) -> bool {
    issue_under(store, ann, name, None)
}

fn issue_under(store: &Store, ann: &User, name: &'static str, agreed_at: Option<Moment>) -> bool {
    let code = code(ann);
    let done: Plain<bool> = store.single_blocking("issue", move |tx| {
        let audit = record(tx);
        Ok(tx.codes().issue(&Issuing { hash: &hash(name), code: &code, agreed_at, audit: &audit })?)
    });
    done.unwrap()
}

/// Agrees to what the code asks for; says when.
fn agree(db: &Database, ann: &User) -> Moment {
    let granted = code(ann).granted;
    write(&db.store, move |tx| tx.consents().give(&granted.user, &granted.client, &granted.scope, &granted.resources))
        .given_at
}

fn redeem(store: &Store, ann: &User, name: &'static str, n: u128) -> bool {
    let grant = grant(n, ann, SessionId::from_u128(1), "openid");
    let done: Plain<bool> = store.single_blocking("redeem", move |tx| {
        let audit = record(tx);
        let first = NewRefresh { hash: hash("rt"), idle_expires_at: START + Span::days(7) };
        let redemption = Redemption {
            hash: &hash(name),
            grant: &grant,
            refresh: Some(&first),
            tokens_until: START + Span::minutes(5),
            audit: &audit,
        };
        Ok(tx.codes().redeem(&redemption)?)
    });
    done.unwrap()
}

fn recorded(db: &Database) -> usize {
    read(&db.store, |tx| tx.audit().list(&Filter::default(), None, 100)).len()
}

fn signed_in(db: &Database) -> User {
    let ann = populate(db);
    let mine = session(1, &ann);
    write(&db.store, move |tx| tx.sessions().insert(&mine, &hash("cookie"), START + Span::days(14)));
    ann
}

#[test]
fn a_code_is_issued_only_while_its_session_is_as_it_was() {
    each(|db| {
        let ann = populate(db);
        assert!(!issue(&db.store, &ann, "without session"));
        let mine = session(1, &ann);
        write(&db.store, move |tx| tx.sessions().insert(&mine, &hash("cookie"), START + Span::days(14)));
        assert!(issue(&db.store, &ann, "a"));
        let again = Session { auth_time: START + Span::seconds(1), ..session(1, &ann) };
        assert!(write(&db.store, move |tx| tx.sessions().authenticated_again(&again, &hash("new"), START)));
        assert!(!issue(&db.store, &ann, "b"), "somebody proved themselves since");
        write(&db.store, |tx| tx.sessions().end(&SessionId::from_u128(1)));
        assert!(!issue(&db.store, &ann, "c"));
        assert_eq!(recorded(db), 1);
        let found = read(&db.store, |tx| tx.codes().redeemable(&hash("a"))).unwrap();
        assert_eq!((found.code, found.used, found.user.unwrap().id), (code(&ann), None, ann.id));
        assert!(found.session.unwrap().ended_at.is_some());
        assert!(read(&db.store, |tx| tx.codes().redeemable(&hash("c"))).is_none());
    });
}

#[test]
fn of_many_who_redeem_exactly_one_gets_a_grant_and_it_is_recorded_once() {
    each(|db| {
        let ann = signed_in(db);
        assert!(issue(&db.store, &ann, "a"));
        let won = at_once(16, |n| redeem(&db.store, &ann, "a", n as u128 + 1));
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
        let used = read(&db.store, |tx| tx.codes().redeemable(&hash("a"))).unwrap().used.unwrap();
        let row = read(&db.store, move |tx| tx.grants().find(&used.grant)).unwrap();
        let line = row.refresh.unwrap();
        assert_eq!((line.generation, line.current, line.idle_expires_at), (1, hash("rt"), START + Span::days(7)));
        assert_eq!(recorded(db), 2);
    });
}

#[test]
fn nothing_is_redeemed_of_a_session_that_ended_or_by_a_person_who_is_disabled() {
    each(|db| {
        let ann = signed_in(db);
        assert!(issue(&db.store, &ann, "a"));
        let id = ann.id.clone();
        write(&db.store, move |tx| tx.users().set_disabled(&id));
        assert!(!redeem(&db.store, &ann, "a", 1));
        let id = ann.id.clone();
        write(&db.store, move |tx| tx.users().set_enabled(&id));
        write(&db.store, |tx| tx.sessions().end(&SessionId::from_u128(1)));
        assert!(!redeem(&db.store, &ann, "a", 2));
        assert!(!redeem(&db.store, &ann, "unknown", 3));
        assert_eq!(recorded(db), 1);
        for n in 1..=3 {
            assert!(read(&db.store, move |tx| tx.grants().find(&GrantId::from_u128(n))).is_none());
        }
        assert_eq!(read(&db.store, |tx| tx.codes().redeemable(&hash("a"))).unwrap().used, None);
    });
}

#[test]
fn whoever_issues_a_code_waits_for_a_session_that_is_being_ended() {
    each(|db| {
        if db.is_sqlite() {
            return;
        }
        let ann = signed_in(db);
        let mut other = db.backdoor();
        other.execute("BEGIN; UPDATE sessions SET ended_at = now()");
        std::thread::scope(|scope| {
            let issuing = scope.spawn(|| issue(&db.store, &ann, "a"));
            db.until_waiting(1);
            other.execute("COMMIT");
            assert!(!issuing.join().unwrap());
        });
        assert!(read(&db.store, |tx| tx.codes().redeemable(&hash("a"))).is_none());
    });
}

#[test]
fn a_code_that_stands_on_a_consent_is_issued_only_while_that_is_as_it_was() {
    each(|db| {
        let ann = signed_in(db);
        assert!(!issue_under(&db.store, &ann, "a", Some(START)), "nobody agreed");
        let at = agree(db, &ann);
        assert!(issue_under(&db.store, &ann, "b", Some(at)));
        let id = ann.id.clone();
        write(&db.store, move |tx| tx.consents().withdraw(&id, &client()));
        assert!(!issue_under(&db.store, &ann, "c", Some(at)), "it was taken back");
        assert!(issue(&db.store, &ann, "d"), "another one need not ask");
        db.clock.advance(Span::seconds(1));
        let again = agree(db, &ann);
        assert!(!issue_under(&db.store, &ann, "e", Some(at)), "it may say something else now");
        assert!(issue_under(&db.store, &ann, "f", Some(again)));
        assert_eq!(recorded(db), 3);
    });
}

#[test]
fn whoever_issues_a_code_waits_for_a_consent_that_is_being_taken_back() {
    each(|db| {
        if db.is_sqlite() {
            return;
        }
        let ann = signed_in(db);
        let at = agree(db, &ann);
        let mut other = db.backdoor();
        other.execute("BEGIN; UPDATE consents SET withdrawn_at = now()");
        std::thread::scope(|scope| {
            let issuing = scope.spawn(|| issue_under(&db.store, &ann, "a", Some(at)));
            db.until_waiting(1);
            other.execute("COMMIT");
            assert!(!issuing.join().unwrap());
        });
        assert!(read(&db.store, |tx| tx.codes().redeemable(&hash("a"))).is_none());
    });
}
