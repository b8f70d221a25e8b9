//! People, their sessions and what they agreed to.

use super::*;
use keywright::{
    account::{Cost, PasswordHash},
    store::Taken,
};
use std::{sync::mpsc, thread, time::Duration};

#[test]
fn two_people_cannot_have_names_that_differ_in_case_only() {
    each(|db| {
        let outcomes = write(&db.store, |tx| {
            let other = |n, name| User { username: Username::parse(name).unwrap(), ..user(n) };
            let mut users = tx.users();
            Ok([
                users.insert(&user(1), None)?,
                users.insert(&other(2, "ANN1"), None)?,
                users.insert(&other(1, "Bob"), None)?,
                users.insert(&other(3, "Bob"), None)?,
            ])
        });
        assert_eq!(outcomes, [Ok(()), Err(Taken), Err(Taken), Ok(())]);
        let found = read(&db.store, |tx| tx.users().find_by_username(&Username::parse("aNN1").unwrap())).unwrap();
        assert_eq!(found.user, user(1));
        assert_eq!(found.user.username.as_str(), "Ann1");
        assert!(found.password.is_none());
    });
}

#[test]
fn of_people_who_take_a_name_at_once_one_gets_it() {
    each(|db| {
        let won = at_once(8, |n| {
            let someone = User { username: Username::parse("same").unwrap(), ..user(100 + n as u128) };
            write(&db.store, move |tx| tx.users().insert(&someone, None)).is_ok()
        });
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
    });
}

#[test]
fn a_person_is_changed_disabled_and_enabled() {
    each(|db| {
        let ann = populate(db);
        let clock = db.clock.clone();
        clock.advance(Span::minutes(1));
        let id = ann.id.clone();
        let found = write(&db.store, move |tx| {
            let mut users = tx.users();
            let password = PasswordHash::dummy(Cost::new(8, 1, 1).unwrap());
            assert!(users.set_profile(&id, &Profile::default())?);
            assert!(users.set_password(&id, &password)?);
            assert!(!users.set_password(&UserId::from_u128(77), &password)?);
            assert!(users.rehash_password(&id, &password, &password)?);
            assert!(users.set_disabled(&id)?);
            let disabled = users.find(&id)?.unwrap();
            assert!(!users.find_for_grant(&id)? && !users.find_for_grant(&UserId::from_u128(77))?);
            assert!(users.set_enabled(&id)? && !users.set_enabled(&id)? && users.find_for_grant(&id)?);
            Ok((disabled, users.credentials(&id)?.unwrap(), users.list(None, 10)?.len()))
        });
        let (disabled, after, count) = found;
        assert_eq!(disabled.disabled_at, Some(START + Span::minutes(1)));
        assert_eq!((after.user.profile, after.user.updated_at), (Profile::default(), START + Span::minutes(1)));
        assert_eq!((after.password_changed_at, count), (Some(START + Span::minutes(1)), 1));
        assert!(after.password.is_some());
    });
}

#[test]
fn what_is_concluded_from_a_password_holds_until_its_session_is_written() {
    each(|db| {
        let ann = populate(db);
        let (held, begins) = mpsc::channel();
        let (changed, done) = mpsc::channel();
        thread::scope(|scope| {
            let id = ann.id.clone();
            scope.spawn(move || {
                begins.recv().unwrap();
                write(&db.store, move |tx| {
                    tx.users().set_password(&id, &PasswordHash::dummy(Cost::new(8, 1, 1).unwrap()))?;
                    tx.sessions().end_all(&id, None)
                });
                // Nobody listens any more where it waited, as it must.
                let _ = changed.send(());
            });
            let ann = ann.clone();
            write(&db.store, move |tx| {
                assert_eq!(tx.users().held(&ann.id)?.unwrap().password_changed_at, None);
                held.send(()).unwrap();
                // Whoever does not wait for us is done by then.
                let _ = done.recv_timeout(Duration::from_secs(1));
                tx.sessions().insert(&session(1, &ann), &hash("cookie"), START + Span::days(14))
            });
        });
        let live = read(&db.store, move |tx| tx.sessions().list_live(&ann.id));
        assert!(live.is_empty(), "a session of the password of before: {live:?}");
    });
}

#[test]
fn a_session_comes_back_with_its_person_and_is_touched_once_a_minute() {
    each(|db| {
        let ann = populate(db);
        let one = session(1, &ann);
        let added = one.clone();
        write(&db.store, move |tx| tx.sessions().insert(&added, &hash("cookie"), START + Span::days(14)));
        let found = read(&db.store, |tx| tx.sessions().by_hash(&hash("cookie")));
        assert_eq!(found, Some((one.clone(), ann.clone())));
        assert_eq!(read(&db.store, |tx| tx.sessions().by_hash(&hash("other"))), None);
        let touch = |db: &Database| {
            let id = one.id.clone();
            write(&db.store, move |tx| tx.sessions().touch(&id))
        };
        assert!(!touch(db));
        db.clock.advance(Span::seconds(60));
        assert!(touch(db) && !touch(db));
        let id = one.id.clone();
        assert!(write(&db.store, move |tx| Ok(tx.sessions().end(&id)? && !tx.sessions().end(&id)?)));
        let ended = read(&db.store, |tx| tx.sessions().by_hash(&hash("cookie"))).unwrap().0;
        assert_eq!((ended.ended_at, ended.seen_at), (Some(START + Span::minutes(1)), START + Span::minutes(1)));
    });
}

#[test]
fn all_sessions_but_one_are_ended() {
    each(|db| {
        let ann = populate(db);
        let (ended, live) = write(&db.store, move |tx| {
            for n in 1..=3 {
                tx.sessions().insert(&session(n, &ann), &hash(&n.to_string()), START + Span::days(14))?;
            }
            let mut ended = tx.sessions().end_all(&ann.id, Some(&SessionId::from_u128(2)))?;
            ended.sort();
            Ok((ended, tx.sessions().list_live(&ann.id)?))
        });
        assert_eq!(ended, [1, 3].map(SessionId::from_u128));
        assert_eq!(live.iter().map(|s| s.id.clone()).collect::<Vec<_>>(), [SessionId::from_u128(2)]);
    });
}

#[test]
fn a_consent_grows_until_it_is_withdrawn_and_then_begins_anew() {
    each(|db| {
        let ann = populate(db);
        let scope = |text| Scope::parse(text).unwrap();
        let first = [Resource::parse("https://a.example/").unwrap()].into();
        let second = [Resource::parse("https://b.example/").unwrap()].into();
        write(&db.store, move |tx| {
            let (ann, shop) = (&ann.id, &client());
            let given = tx.consents().give(ann, shop, &scope("openid read"), &first)?;
            let widened = tx.consents().give(ann, shop, &scope("openid write"), &second)?;
            assert_eq!(widened.id, given.id);
            assert_eq!(widened.scope, scope("openid read write"));
            assert_eq!(widened.resources.len(), 2);
            assert_eq!(tx.consents().list(ann)?.len(), 1);
            assert_eq!(tx.consents().withdraw(ann, shop)?.map(|row| row.id), Some(given.id.clone()));
            assert_eq!(tx.consents().withdraw(ann, shop)?, None);
            assert_eq!(tx.consents().find(ann, shop)?.unwrap().withdrawn_at, Some(START));
            assert!(tx.consents().list(ann)?.is_empty());
            let anew = tx.consents().give(ann, shop, &scope("openid"), &second)?;
            assert_eq!((anew.id, anew.scope, anew.withdrawn_at), (given.id, scope("openid"), None));
            assert_eq!(anew.resources, second);
            Ok(())
        });
    });
}
