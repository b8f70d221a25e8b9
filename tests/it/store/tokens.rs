//! Codes and refresh tokens: of many who try, one wins.

use super::*;
use keywright::{
    audit::{Event, GrantEnd, Origin, Record},
    base::{entropy::OsEntropy, id::KeyId},
    store::{
        audit::Filter,
        feed::Subject,
        grants::{By, GrantRow, NewRefresh, Rotation, TokensUntil},
    },
};

#[test]
fn of_many_who_redeem_a_code_exactly_one_wins() {
    each(|db| {
        let ann = populate(db);
        let stored = code(&ann);
        let added = stored.clone();
        write(&db.store, move |tx| tx.codes().add(&hash("code"), &added));
        assert_eq!(read(&db.store, |tx| tx.codes().find(&hash("code"))), Some((stored, None)));
        let won = at_once(16, |n| {
            let mine = GrantId::from_u128(n as u128);
            write(&db.store, move |tx| tx.codes().consume(&hash("code"), &mine))
        });
        let winners: Vec<_> = won.iter().enumerate().filter(|(_, won)| **won).map(|(n, _)| n).collect();
        let [winner] = winners[..] else { panic!("{winners:?} won") };
        let used = read(&db.store, |tx| tx.codes().find(&hash("code"))).unwrap().1.unwrap();
        assert_eq!(used.grant, GrantId::from_u128(winner as u128));
    });
}

#[test]
fn codes_that_nobody_used_are_voided_and_used_ones_stay_to_be_recognised() {
    each(|db| {
        let ann = populate(db);
        let stored = code(&ann);
        let (user, session) = (ann.id.clone(), SessionId::from_u128(1));
        let (others, mine) = write(&db.store, move |tx| {
            for name in ["used", "unused", "unused too"] {
                tx.codes().add(&hash(name), &stored)?;
            }
            tx.codes().consume(&hash("used"), &GrantId::from_u128(1))?;
            let (stranger, none) = (UserId::from_u128(77), SessionId::from_u128(77));
            let other = stored.granted.client.clone();
            let others = tx.codes().void(By::User(&stranger))?
                + tx.codes().void(By::Session(&none))?
                + tx.codes().void(By::UserClient(&stranger, &other))?;
            Ok((others, [tx.codes().void(By::Session(&session))?, tx.codes().void(By::User(&user))?]))
        });
        assert_eq!((others, mine), (0, [2, 0]));
        assert!(read(&db.store, |tx| tx.codes().find(&hash("used"))).is_some());
        assert_eq!(read(&db.store, |tx| tx.codes().find(&hash("unused"))), None);
    });
}

/// A grant with its first refresh token, `rt-1`.
fn with_refresh(db: &Database, scope: &'static str) -> User {
    let ann = populate(db);
    let owner = ann.clone();
    write(&db.store, move |tx| {
        let first = NewRefresh { hash: hash("rt-1"), idle_expires_at: START + Span::days(7) };
        tx.grants().insert(&grant(1, &owner, SessionId::from_u128(1), scope), Some(&first))
    });
    ann
}

#[derive(Clone)]
struct Attempt {
    client: ClientId,
    generation: u32,
    presented: TokenHash,
    next: TokenHash,
}

impl Attempt {
    fn first() -> Self {
        Self { client: client(), generation: 1, presented: hash("rt-1"), next: hash("rt-2") }
    }
    fn rotate(self, store: &Store) -> Option<GrantRow> {
        let single: Plain<_> = store.single_blocking("rotate", move |tx| {
            let record = refreshed(tx);
            Ok(tx.grants().rotate(&Rotation {
                grant: &GrantId::from_u128(1),
                client: &self.client,
                generation: self.generation,
                presented: &self.presented,
                next: &self.next,
                salt: &[5; 16],
                idle_expires_at: START + Span::days(8),
                tokens_until: TokensUntil { these: START + Span::minutes(9), any: START + Span::hours(1) },
                audit: &record,
            })?)
        });
        single.unwrap()
    }
}

fn refreshed(tx: &Tx<'_>) -> Record {
    let event = Event::TokenRefreshed {
        client: client(),
        user: None,
        grant: GrantId::from_u128(1),
        generation: 2,
        jti: "j".into(),
        kid: KeyId::parse("k").unwrap(),
    };
    Origin::default().record(event, tx.now(), &OsEntropy).unwrap()
}

fn recorded(db: &Database) -> usize {
    let filter = Filter { kind_prefix: Some("token.refreshed".into()), ..Filter::default() };
    read(&db.store, move |tx| tx.audit().list(&filter, None, 100)).len()
}

#[test]
fn of_many_who_present_a_refresh_token_exactly_one_rotates_it() {
    each(|db| {
        with_refresh(db, "openid");
        let rows = at_once(16, |n| Attempt { next: hash(&format!("next {n}")), ..Attempt::first() }.rotate(&db.store));
        let winners: Vec<_> = (0..16).filter(|n| rows[*n].is_some()).collect();
        let [winner] = winners[..] else { panic!("{winners:?} won") };
        let row = rows[winner].clone().unwrap();
        let state = row.refresh.clone().unwrap();
        assert_eq!((state.generation, state.current), (2, hash(&format!("next {winner}"))));
        assert_eq!((state.previous, state.salt.as_deref()), (Some(hash("rt-1")), Some(&[5; 16][..])));
        assert_eq!((state.rotated_at, state.idle_expires_at), (Some(START), START + Span::days(8)));
        assert_eq!(read(&db.store, |tx| tx.grants().find(&GrantId::from_u128(1))), Some(row));
        assert_eq!(recorded(db), 1);
    });
}

#[test]
fn a_line_of_rotations_goes_on_and_each_is_recorded() {
    each(|db| {
        with_refresh(db, "openid");
        for n in 1..=20u32 {
            let attempt = Attempt {
                generation: n,
                presented: hash(&format!("rt-{n}")),
                next: hash(&format!("rt-{}", n + 1)),
                ..Attempt::first()
            };
            assert!(attempt.rotate(&db.store).is_some(), "{n}");
        }
        assert_eq!(recorded(db), 20);
    });
}

#[test]
fn nothing_rotates_unless_everything_fits() {
    each(|db| {
        let ann = with_refresh(db, "openid");
        let bad = [
            Attempt { client: ClientId::parse("other").unwrap(), ..Attempt::first() },
            Attempt { generation: 2, ..Attempt::first() },
            Attempt { generation: u32::MAX, ..Attempt::first() },
            Attempt { presented: hash("rt-0"), ..Attempt::first() },
        ];
        for attempt in bad {
            assert_eq!(attempt.rotate(&db.store), None);
        }
        let id = ann.id.clone();
        write(&db.store, move |tx| tx.users().set_disabled(&id));
        assert_eq!(Attempt::first().rotate(&db.store), None, "the person is disabled");
        write(&db.store, move |tx| tx.users().set_enabled(&ann.id));
        db.clock.advance(Span::days(7));
        assert_eq!(Attempt::first().rotate(&db.store), None, "it was not used for too long");
        db.clock.advance(Span::days(-7));
        assert!(write(&db.store, |tx| tx.grants().revoke(&GrantId::from_u128(1), GrantEnd::Client)));
        assert_eq!(Attempt::first().rotate(&db.store), None, "it is revoked");
        assert_eq!(recorded(db), 0);
    });
}

#[test]
fn a_revocation_is_once_and_every_node_hears_of_it() {
    each(|db| {
        with_refresh(db, "openid");
        let revoke = || write(&db.store, |tx| tx.grants().revoke(&GrantId::from_u128(1), GrantEnd::RefreshReused));
        assert!(revoke() && !revoke());
        let row = read(&db.store, |tx| tx.grants().find(&GrantId::from_u128(1))).unwrap();
        assert_eq!(row.revoked.map(|r| (r.at, r.why)), Some((START, GrantEnd::RefreshReused)));
        let feed = read(&db.store, |tx| tx.feed().live());
        let told: Vec<_> = feed.iter().map(|row| (row.subject, row.id.clone())).collect();
        assert_eq!(told, [(Subject::Grant, GrantId::from_u128(1).to_string())]);
    });
}

/// Until when the word that the grant was revoked is kept, from the beginning.
fn kept(db: &Database) -> Span {
    assert!(write(&db.store, |tx| tx.grants().revoke(&GrantId::from_u128(1), GrantEnd::Client)));
    read(&db.store, |tx| tx.feed().live()).last().unwrap().expires_at.since(START)
}

#[test]
fn r078_the_word_that_a_grant_is_revoked_is_kept_until_its_last_token_has_expired() {
    each(|db| {
        with_refresh(db, "openid");
        assert_eq!(kept(db), Span::hours(24), "a program rotated or issued that does not say how long tokens live");
    });
    each(|db| {
        with_refresh(db, "openid");
        assert!(Attempt::first().rotate(&db.store).is_some());
        assert_eq!(
            kept(db),
            Span::hours(1),
            "tokens of before, of which nothing was said, count as the longest there are"
        );
    });
    each(|db| {
        with_refresh(db, "openid");
        db.backdoor().execute("UPDATE grants SET tokens_until = created_at, tokens_generation = generation");
        assert!(Attempt::first().rotate(&db.store).is_some());
        write(&db.store, |tx| tx.grants().issued_again(&GrantId::from_u128(1), START + Span::minutes(3)));
        assert_eq!(kept(db), Span::minutes(9));
    });
    each(|db| {
        with_refresh(db, "openid");
        db.backdoor().execute("UPDATE grants SET tokens_generation = generation");
        write(&db.store, |tx| tx.grants().issued_again(&GrantId::from_u128(1), START + Span::minutes(3)));
        assert!(Attempt::first().rotate(&db.store).is_some());
        assert_eq!(kept(db), Span::minutes(9));
    });
}

#[test]
fn grants_are_revoked_by_person_client_and_session() {
    each(|db| {
        let ann = populate(db);
        let bob = user(2);
        write(&db.store, move |tx| {
            tx.users().insert(&bob, None)?.unwrap();
            let mut grants = tx.grants();
            let (one, two) = (SessionId::from_u128(1), SessionId::from_u128(2));
            grants.insert(&grant(1, &ann, one.clone(), "openid"), None)?;
            grants.insert(&grant(2, &ann, one.clone(), "openid offline_access"), None)?;
            grants.insert(&grant(3, &ann, two, "openid"), None)?;
            grants.insert(&grant(4, &bob, one.clone(), "openid offline_access"), None)?;
            let mut ended = |by: By<'_>| {
                let mut ids = grants.revoke_some(by, None, GrantEnd::SignedOut, 100).unwrap().0;
                ids.sort();
                ids
            };
            let id = GrantId::from_u128;
            assert_eq!(ended(By::Session(&one)), [id(1)], "offline access outlives the session");
            assert_eq!(ended(By::UserClient(&ann.id, &ClientId::parse("other").unwrap())), []);
            assert_eq!(ended(By::UserClient(&ann.id, &client())), [id(2), id(3)]);
            assert_eq!(ended(By::User(&ann.id)), []);
            assert_eq!(ended(By::Client(&client())), [id(4)]);
            Ok(())
        });
        assert_eq!(read(&db.store, |tx| tx.feed().live()).len(), 4);
    });
}

#[test]
fn a_grant_without_refresh_token_has_no_state_of_one() {
    each(|db| {
        let ann = populate(db);
        let stored = grant(1, &ann, SessionId::from_u128(1), "openid");
        let added = stored.clone();
        write(&db.store, move |tx| tx.grants().insert(&added, None));
        let row = read(&db.store, |tx| tx.grants().find(&GrantId::from_u128(1))).unwrap();
        assert_eq!(row, GrantRow { grant: stored, refresh: None, revoked: None });
        assert_eq!(read(&db.store, |tx| tx.grants().find(&GrantId::from_u128(2))), None);
    });
}
