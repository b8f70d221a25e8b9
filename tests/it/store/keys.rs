//! API keys and what they belong to.

use super::*;
use keywright::{
    apikey::{
        PolicyText,
        api::{Api, Sensitivity, Settings},
        family::{Family, Owner},
        key::{ApiKey, Kind, Origin, State},
        plan::Plan,
    },
    base::id::{ApiId, ApiKeyId, FamilyId, PlanId},
    store::{
        feed::Subject,
        key_lists::{KeyFilter, KeysOf},
        key_uses::KeyUse,
    },
};
use serde_json::json;

pub(super) fn policy(text: &str) -> PolicyText {
    json!({"referrer": {"allow": [text]}, "rate": [{"limit": 20}]}).as_object().unwrap().clone()
}

pub(super) fn plan(n: u128) -> Plan {
    Plan {
        id: PlanId::from_u128(n),
        name: format!("plan {n}"),
        policy: policy("é \u{1f600}"),
        version: 1,
        created_at: START,
        updated_at: START,
    }
}

pub(super) fn api(n: u128) -> Api {
    Api {
        id: ApiId::from_u128(n),
        name: format!("api-{n}"),
        audience: Resource::parse(&format!("https://api{n}.example/")).unwrap(),
        prefix: "kw".into(),
        environments: vec!["live".into(), "test".into()],
        plan: None,
        policy: policy("https://app.example"),
        settings: Settings { sensitivity: Sensitivity::Critical, ..Settings::default() },
        version: 1,
        disabled_at: None,
        created_at: START,
        updated_at: START,
    }
}

pub(super) fn family(n: u128, owner: Owner) -> Family {
    Family {
        id: FamilyId::from_u128(n),
        api: ApiId::from_u128(1),
        owner,
        client: Some(client()),
        name: "Deploy \u{1f600}".into(),
        plan: None,
        policy: PolicyText::new(),
        version: 1,
        created_at: START,
        updated_at: START,
    }
}

/// The key with this number, of the family with that one.
pub(super) fn key(n: u128, family: u128) -> ApiKey {
    ApiKey {
        id: ApiKeyId::from_u128(n),
        family: FamilyId::from_u128(family),
        api: ApiId::from_u128(1),
        environment: "live".into(),
        digest: hash(&format!("key {n}")),
        pepper: 1,
        origin: Origin::Minted,
        hint: "kw_live_ab…".into(),
        kind: Kind::Server,
        state: State::Active,
        scope: Scope::parse("read write").unwrap(),
        policy: policy("x"),
        meta: json!({"deep": {"a": [null, 1.5]}}).as_object().unwrap().clone(),
        not_before: None,
        expires_at: Some(START + Span::days(90)),
        successor: None,
        state_reason: None,
        state_at: START,
        disabled_by: None,
        reminded: 0,
        version: 1,
        created_at: START,
    }
}

pub(super) fn ann() -> Owner {
    Owner::User(UserId::from_u128(1))
}

/// Ann and a client, API 1, Ann's family 1 and the client's family 2, each with a key of its number.
pub(super) fn keyed(db: &Database) {
    populate(db);
    write(&db.store, |tx| {
        tx.apis().insert(&api(1))?.unwrap();
        for (n, owner) in [(1, ann()), (2, Owner::Client(client()))] {
            tx.key_families().insert(&family(n, owner))?.unwrap();
            tx.api_keys().insert(&key(n, n))?.unwrap();
        }
        Ok(())
    });
}

/// What the nodes were told.
pub(super) fn told(db: &Database) -> Vec<(Subject, String)> {
    read(&db.store, |tx| tx.feed().since(0)).into_iter().map(|row| (row.subject, row.id)).collect()
}

#[test]
fn a_key_comes_back_in_every_kind_state_and_origin() {
    each(|db| {
        keyed(db);
        let full = ApiKey {
            not_before: Some(START),
            successor: Some(ApiKeyId::from_u128(2)),
            state_reason: Some("because".into()),
            reminded: 255,
            version: 7,
            ..key(3, 1)
        };
        let mut number = 20;
        let mut all = vec![full];
        for one in Kind::ALL
            .iter()
            .map(|kind| ApiKey { kind: *kind, ..key(0, 1) })
            .chain(State::ALL.iter().map(|state| ApiKey { state: *state, ..key(0, 1) }))
            .chain(Origin::ALL.iter().map(|origin| ApiKey { origin: *origin, ..key(0, 1) }))
        {
            number += 1;
            all.push(ApiKey { id: key(number, 1).id, digest: key(number, 1).digest, ..one });
        }
        let added = all.clone();
        write(&db.store, move |tx| {
            for key in &added {
                tx.api_keys().insert(key)?.unwrap();
            }
            Ok(())
        });
        for key in all {
            let id = key.id.clone();
            assert_eq!(read(&db.store, move |tx| tx.api_keys().find(&id)), Some(key));
        }
        assert_eq!(read(&db.store, |tx| tx.api_keys().find(&ApiKeyId::from_u128(99))), None);
    });
}

#[test]
fn no_two_keys_have_the_same_text() {
    each(|db| {
        keyed(db);
        let added = at_once(8, |n| {
            let one = ApiKey { digest: hash("the same"), ..key(n as u128 + 10, 1) };
            write(&db.store, move |tx| tx.api_keys().insert(&one))
        });
        assert_eq!(added.iter().filter(|added| added.is_ok()).count(), 1, "{added:?}");
        let orphan: Plain<_> = db.store.write_blocking("orphan", |tx| Ok(tx.api_keys().insert(&key(9, 9))?));
        assert!(fault_of(orphan).to_string().starts_with("adding a row of api_keys, key key_"));
    });
}

#[test]
fn many_keys_are_added_at_once_and_those_that_were_there_are_named() {
    each(|db| {
        keyed(db);
        let refused = write(&db.store, |tx| {
            let mut many: Vec<_> = (10..1210).map(|n| key(n, 1)).collect();
            many.push(ApiKey { digest: key(1, 1).digest, ..key(2000, 1) });
            tx.api_keys().insert_many(&many)
        });
        assert_eq!(refused, [ApiKeyId::from_u128(2000)]);
        assert_eq!(read(&db.store, |tx| tx.api_keys().in_family(&FamilyId::from_u128(1))).len(), 1201);
        let again = write(&db.store, |tx| tx.api_keys().insert_many(&[key(10, 1), key(3000, 1)]));
        assert_eq!(again, [ApiKeyId::from_u128(10)]);
    });
}

#[test]
fn of_many_who_change_a_key_one_does_and_every_node_is_told() {
    each(|db| {
        keyed(db);
        let changed = at_once(8, |n| {
            let state = if n % 2 == 0 { State::Revoked } else { State::Disabled };
            let next = ApiKey { state, state_reason: Some(n.to_string()), version: 2, ..key(1, 1) };
            write(&db.store, move |tx| tx.api_keys().replace(&next))
        });
        assert_eq!(changed.iter().filter(|changed| **changed).count(), 1, "{changed:?}");
        let winner = changed.iter().position(|changed| *changed).unwrap();
        let stored = read(&db.store, |tx| tx.api_keys().find(&ApiKeyId::from_u128(1))).unwrap();
        assert_eq!((stored.version, stored.state_reason), (2, Some(winner.to_string())));
        assert_eq!(told(db), [(Subject::ApiKey, ApiKeyId::from_u128(1).to_string())]);
        let cleared = ApiKey { version: 3, expires_at: None, ..key(1, 1) };
        let next = cleared.clone();
        assert!(write(&db.store, move |tx| tx.api_keys().replace(&next)));
        assert_eq!(
            read(&db.store, |tx| tx.api_keys().find(&ApiKeyId::from_u128(1))),
            Some(cleared),
            "what is gone is null"
        );
    });
}

#[test]
fn all_that_is_known_of_a_key_is_found_by_its_text_and_by_its_handle() {
    each(|db| {
        keyed(db);
        let facts = |n: u128| {
            let (by_text, by_handle) = read(&db.store, move |tx| {
                let mut keys = tx.api_keys();
                Ok((keys.by_digest(&key(n, n).digest)?, keys.facts(&key(n, n).id)?))
            });
            assert_eq!(by_text, by_handle);
            by_text
        };
        assert_eq!(facts(9), None);
        let first = facts(1).unwrap();
        assert_eq!((&first.key, &first.family, &first.api), (&key(1, 1), &family(1, ann()), &api(1)));
        assert_eq!((first.plan, first.owner_active, first.last_used), (None, true, None));

        // The plan is that of the family, else that of the API.
        write(&db.store, |tx| {
            tx.plans().insert(&plan(1))?.unwrap();
            tx.plans().insert(&plan(2))?.unwrap();
            tx.apis().replace(&Api { plan: Some(plan(1).id), version: 2, ..api(1) })?.unwrap();
            tx.key_families().replace(&Family {
                plan: Some(plan(2).id),
                version: 2,
                ..family(2, Owner::Client(client()))
            })?;
            tx.key_uses().used(&[KeyUse { key: key(1, 1).id, at: START, first: START, address: None, agent: None }])
        });
        assert_eq!((facts(1).unwrap().plan, facts(2).unwrap().plan), (Some(plan(1)), Some(plan(2))));
        assert_eq!((facts(1).unwrap().last_used, facts(2).unwrap().last_used), (Some(START), None));

        // Owners are disabled each by themselves.
        write(&db.store, |tx| tx.users().set_disabled(&UserId::from_u128(1)));
        assert_eq!((facts(1).unwrap().owner_active, facts(2).unwrap().owner_active), (false, true));
        write(&db.store, |tx| {
            tx.users().set_enabled(&UserId::from_u128(1))?;
            tx.clients().set_disabled(&client())
        });
        assert_eq!((facts(1).unwrap().owner_active, facts(2).unwrap().owner_active), (true, false));
    });
}

#[test]
fn an_application_that_is_disabled_or_unknown_is_not_active_and_a_key_needs_none() {
    each(|db| {
        keyed(db);
        write(&db.store, |tx| {
            let unknown = Family { client: Some(ClientId::parse("nobody").unwrap()), ..family(4, ann()) };
            tx.key_families().insert(&Family { client: None, ..family(3, ann()) })?.unwrap();
            tx.key_families().insert(&unknown)?.unwrap();
            tx.api_keys().insert(&key(3, 3))?.unwrap();
            tx.api_keys().insert(&key(4, 4))?.unwrap();
            Ok(())
        });
        let active = || {
            [1, 3, 4].map(|n| {
                let facts = read(&db.store, move |tx| tx.api_keys().by_digest(&key(n, n).digest)).unwrap();
                (facts.owner_active, facts.application_active)
            })
        };
        assert_eq!(active(), [(true, true), (true, true), (true, false)]);
        write(&db.store, |tx| tx.clients().set_disabled(&client()));
        assert_eq!(active(), [(true, false), (true, true), (true, false)]);
    });
}

#[test]
fn an_owner_who_is_unknown_is_not_active_though_another_kind_has_the_identifier() {
    each(|db| {
        keyed(db);
        write(&db.store, |tx| {
            let client_named_as_ann = ClientId::parse(UserId::from_u128(1).as_str()).unwrap();
            tx.key_families().insert(&family(3, Owner::Client(client_named_as_ann)))?.unwrap();
            tx.key_families().insert(&family(4, Owner::User(UserId::from_u128(44))))?.unwrap();
            tx.api_keys().insert(&key(3, 3))?.unwrap();
            tx.api_keys().insert(&key(4, 4))?.unwrap();
            Ok(())
        });
        for n in [3, 4] {
            let facts = read(&db.store, move |tx| tx.api_keys().by_digest(&key(n, n).digest)).unwrap();
            assert!(!facts.owner_active, "{n}");
        }
    });
}

/// The numbers of the keys that a filter lets through, read in pages of two.
fn listed(db: &Database, filter: &KeyFilter) -> Vec<u128> {
    let mut all = Vec::new();
    loop {
        let (filter, after) = (filter.clone(), all.last().copied().map(ApiKeyId::from_u128));
        let page = read(&db.store, move |tx| tx.api_keys().list(&filter, after.as_ref(), 2));
        if page.is_empty() {
            return all;
        }
        all.extend(page.iter().map(|row| row.key.id.to_u128().unwrap()));
    }
}

#[test]
fn keys_are_listed_in_pages_by_all_that_is_asked() {
    each(|db| {
        keyed(db);
        let day = |n| START + Span::days(n);
        write(&db.store, move |tx| {
            tx.apis().insert(&api(2))?.unwrap();
            tx.key_families().insert(&Family { api: api(2).id, ..family(3, ann()) })?.unwrap();
            let late = ApiKey { created_at: day(10), ..key(3, 1) };
            let ending = ApiKey { expires_at: Some(day(5)), state: State::Retiring, ..key(4, 1) };
            let ended = ApiKey { expires_at: Some(day(5)), state: State::Revoked, ..key(5, 1) };
            let elsewhere = ApiKey { api: api(2).id, expires_at: None, ..key(6, 3) };
            for one in [late, ending, ended, elsewhere] {
                tx.api_keys().insert(&one)?.unwrap();
            }
            let used = |n, at| KeyUse {
                key: key(n, 1).id,
                at,
                first: at,
                address: "192.0.2.1".parse().ok(),
                agent: Some("curl".into()),
            };
            tx.key_uses().used(&[used(1, day(8)), used(2, day(2))])
        });
        let any = KeyFilter::default();
        let cases = [
            (any.clone(), vec![1, 2, 3, 4, 5, 6]),
            (KeyFilter { owner: Some(ann()), ..any.clone() }, vec![1, 3, 4, 5, 6]),
            (KeyFilter { owner: Some(Owner::Client(client())), ..any.clone() }, vec![2]),
            (KeyFilter { api: Some(api(2).id), ..any.clone() }, vec![6]),
            (KeyFilter { family: Some(FamilyId::from_u128(1)), ..any.clone() }, vec![1, 3, 4, 5]),
            (KeyFilter { state: Some(State::Revoked), ..any.clone() }, vec![5]),
            (KeyFilter { created_before: Some(day(10)), ..any.clone() }, vec![1, 2, 4, 5, 6]),
            (KeyFilter { unused_since: Some(day(8)), ..any.clone() }, vec![2, 4, 5, 6]),
            (KeyFilter { expiring_before: Some(day(6)), ..any.clone() }, vec![4]),
            (KeyFilter { owner: Some(ann()), unused_since: Some(day(8)), state: Some(State::Active), ..any }, vec![6]),
        ];
        for (filter, expected) in cases {
            assert_eq!(listed(db, &filter), expected, "{filter:?}");
        }
        let row = read(&db.store, |tx| tx.api_keys().list(&KeyFilter::default(), None, 1)).remove(0);
        let last = row.last_use.unwrap();
        assert_eq!((last.key, last.at, last.agent.as_deref()), (key(1, 1).id, day(8), Some("curl")));
        assert_eq!((row.key, row.family), (key(1, 1), family(1, ann())));
    });
}

#[test]
fn what_a_change_concerns_is_found_in_pages() {
    each(|db| {
        keyed(db);
        write(&db.store, |tx| {
            tx.plans().insert(&plan(1))?.unwrap();
            tx.plans().insert(&plan(2))?.unwrap();
            tx.apis().replace(&Api { plan: Some(plan(1).id), version: 2, ..api(1) })?.unwrap();
            tx.key_families().insert(&Family { plan: Some(plan(2).id), ..family(3, ann()) })?.unwrap();
            tx.api_keys().insert_many(&[key(3, 3), key(4, 1)])
        });
        type Asked = fn(&mut Tx<'_>, Option<&ApiKeyId>, i64) -> Result<Vec<ApiKeyId>, Fault>;
        let mine: [(Asked, Vec<u128>); 5] = [
            (|tx, after, n| tx.api_keys().ids_of(KeysOf::Owner(&ann()), after, n), vec![1, 3, 4]),
            (|tx, after, n| tx.api_keys().ids_of(KeysOf::Family(&FamilyId::from_u128(1)), after, n), vec![1, 4]),
            (|tx, after, n| tx.api_keys().ids_of(KeysOf::Api(&api(1).id), after, n), vec![1, 2, 3, 4]),
            (|tx, after, n| tx.api_keys().ids_of(KeysOf::Plan(&plan(1).id), after, n), vec![1, 2, 4]),
            (|tx, after, n| tx.api_keys().ids_of(KeysOf::Plan(&plan(2).id), after, n), vec![3]),
        ];
        for (ids_of, expected) in mine {
            let found = read(&db.store, move |tx| {
                let first = ids_of(tx, None, 2)?;
                let rest = ids_of(tx, first.last(), 9)?;
                Ok([first, rest].concat())
            });
            assert_eq!(found.iter().map(|id| id.to_u128().unwrap()).collect::<Vec<_>>(), expected);
        }
    });
}

#[test]
fn what_has_ended_is_told_in_one_order() {
    each(|db| {
        keyed(db);
        write(&db.store, |tx| {
            let ended = |n: u128, state, minute| ApiKey { state, state_at: START + Span::minutes(minute), ..key(n, 1) };
            for one in [
                ended(10, State::Revoked, 3),
                ended(11, State::Compromised, 1),
                ended(12, State::Disabled, 2),
                ended(13, State::Suspended, 2),
                ended(14, State::Retiring, 2),
                ended(15, State::Revoked, 0),
            ] {
                tx.api_keys().insert(&one)?.unwrap();
            }
            Ok(())
        });
        let (mut at, mut after, mut seen) = (START + Span::minutes(1), None::<ApiKeyId>, Vec::new());
        loop {
            let from = after.clone();
            let page = read(&db.store, move |tx| tx.api_keys().ended_since(&[api(1).id], (at, from.as_ref()), 1));
            let Some(last) = page.last() else { break };
            (at, after) = (last.state_at, Some(last.id.clone()));
            seen.extend(page.iter().map(|key| key.id.to_u128().unwrap()));
        }
        assert_eq!(seen, [11, 12, 13, 10]);
    });
}

#[test]
fn what_will_end_is_told_in_one_order() {
    each(|db| {
        keyed(db);
        write(&db.store, |tx| {
            let ending = |n: u128, state, day| ApiKey { state, expires_at: Some(START + Span::days(day)), ..key(n, 1) };
            let never = ApiKey { expires_at: None, ..key(16, 1) };
            for one in [
                ending(10, State::Active, 5),
                ending(11, State::Retiring, 2),
                ending(12, State::Active, 2),
                ending(13, State::Revoked, 2),
                ending(14, State::Active, 1),
                ending(15, State::Active, 6),
                never,
            ] {
                tx.api_keys().insert(&one)?.unwrap();
            }
            Ok(())
        });
        let (mut from, mut after, mut seen) = (START + Span::days(2), None::<ApiKeyId>, Vec::new());
        loop {
            let last = after.clone();
            let page = read(&db.store, move |tx| {
                tx.api_keys().ending(&[api(1).id], (from, last.as_ref()), START + Span::days(6), 1)
            });
            let Some(last) = page.last() else { break };
            (from, after) = (last.expires_at.unwrap(), Some(last.id.clone()));
            seen.extend(page.iter().map(|key| key.id.to_u128().unwrap()));
        }
        assert_eq!(seen, [11, 12, 10]);
    });
}
