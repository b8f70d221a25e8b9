//! What is counted for API keys: uses, quotas, claims, usage, and requests that must not be done twice.

use super::{
    keys::{api, key, keyed},
    *,
};
use keywright::{
    base::{
        id::{ApiKeyId, ClaimId, FamilyId},
        moment::Moment,
    },
    store::{
        Taken,
        claims::Claim,
        key_places::{self, Place, PlaceRow, Seen},
        key_uses::KeyUse,
        purge::{Purged, purge},
        quotas::{Counter, CounterId, Debit, MOST},
        usage::{self, ApiUsageRow, Counts, UsageRow},
    },
};
use serde_json::json;
use std::net::IpAddr;

fn used(n: u128, minute: i64, agent: &str) -> KeyUse {
    KeyUse {
        key: ApiKeyId::from_u128(n),
        at: START + Span::minutes(minute),
        first: START + Span::minutes(minute),
        address: "2001:db8::1".parse().ok(),
        agent: Some(agent.into()),
    }
}

#[test]
fn the_last_use_of_a_key_only_moves_forward_and_the_first_only_back() {
    each(|db| {
        keyed(db);
        let last = || read(&db.store, |tx| tx.key_uses().last(&[2, 1, 9].map(ApiKeyId::from_u128)));
        assert_eq!(last(), []);
        write(&db.store, |tx| {
            tx.key_uses().used(&[used(1, 5, "b"), used(9, 5, "unknown"), used(1, 9, "c"), used(1, 1, "a")])
        });
        let since = |minute, one| KeyUse { first: START + Span::minutes(minute), ..one };
        assert_eq!(last(), [since(1, used(1, 9, "c"))]);
        let bare = KeyUse { address: None, agent: None, ..used(2, 0, "") };
        let both = [used(1, 8, "late"), bare.clone()];
        write(&db.store, move |tx| tx.key_uses().used(&both));
        assert_eq!(last(), [since(1, used(1, 9, "c")), bare]);
        // What another node saw before, and writes down later.
        write(&db.store, move |tx| tx.key_uses().used(&[since(0, used(1, 8, "late"))]));
        assert_eq!(last()[0], since(0, used(1, 9, "c")));
        write(&db.store, |tx| tx.key_uses().used(&[]));
    });
}

#[test]
fn of_the_places_of_a_key_some_are_told_apart_in_each_hour_and_no_call_is_lost() {
    each(|db| {
        keyed(db);
        let row = |n: u128, octet: u8, minute: i64| PlaceRow {
            key: ApiKeyId::from_u128(n),
            place: Place::Of { address: Some(IpAddr::from([192, 0, 2, octet])), agent: Some("curl".into()) },
            seen: Seen { calls: 2, last: START + Span::minutes(minute) },
        };
        let hour = |minute| START + Span::minutes(minute);
        let of = |n: u128, from| read(&db.store, move |tx| tx.key_places().of_key(&ApiKeyId::from_u128(n), from));
        assert_eq!(of(1, hour(0)), (vec![], 0));
        write(&db.store, move |tx| tx.key_places().add(&[row(1, 1, 0), row(1, 1, 1), row(1, 2, 0), row(9, 1, 0)]));
        write(&db.store, move |tx| tx.key_places().add(&[row(1, 1, 0), row(1, 1, 61)]));
        let (places, others) = of(1, hour(0));
        let seen: Vec<(u64, Moment)> = places.iter().map(|(_, seen)| (seen.calls, seen.last)).collect();
        assert_eq!((seen, others), (vec![(8, hour(61)), (2, hour(0))], 0));
        assert_eq!(of(1, hour(60)).0.len(), 1, "an hour later only one of them");
        assert_eq!(of(9, hour(0)), (vec![], 0), "a key that is not known is passed over");
        let many: Vec<PlaceRow> = (0..100).map(|octet| row(2, octet, 0)).collect();
        let (some, all) = (many[..20].to_vec(), many.clone());
        write(&db.store, move |tx| tx.key_places().add(&some));
        write(&db.store, move |tx| tx.key_places().add(&all));
        let (places, others) = of(2, hour(0));
        assert_eq!((places.len(), others), (key_places::MOST, 2 * (100 - 32)));
        let none = PlaceRow { place: Place::Of { address: None, agent: None }, ..row(1, 0, 120) };
        let told = none.place.clone();
        write(&db.store, move |tx| tx.key_places().add(std::slice::from_ref(&none)));
        assert_eq!(of(1, hour(120)).0[0].0, told);
    });
}

#[test]
fn nodes_that_write_down_the_same_uses_at_once_do_not_stop_one_another() {
    each(|db| {
        keyed(db);
        write(&db.store, |tx| tx.api_keys().insert_many(&(10..700).map(|n| key(n, 1)).collect::<Vec<_>>()));
        at_once(4, |thread| {
            for round in 0..5 {
                let mut uses: Vec<_> = (10..700).map(|n| used(n, round * 4 + thread as i64, "x")).collect();
                if thread % 2 == 0 {
                    uses.reverse();
                }
                write(&db.store, move |tx| tx.key_uses().used(&uses));
            }
        });
        let all: Vec<_> = (10..700).map(ApiKeyId::from_u128).collect();
        let last = read(&db.store, move |tx| tx.key_uses().last(&all));
        assert!(last.len() == 690 && last.iter().all(|one| one.at == START + Span::minutes(19)));
    });
}

fn counter(name: &str) -> CounterId {
    CounterId { family: FamilyId::from_u128(1), name: name.into(), period_start: START }
}

fn debit(db: &Database, name: &'static str, n: u64, limit: u64) -> Option<u64> {
    write(&db.store, move |tx| tx.quotas().debit(&counter(name), n, limit))
}

#[test]
fn a_quota_is_spent_to_its_limit_and_not_beyond() {
    each(|db| {
        let find = |name: &'static str| read(&db.store, move |tx| tx.quotas().find(&counter(name)));
        assert_eq!((debit(db, "a", 11, 10), find("a")), (None, None), "more than there can be");
        assert_eq!((debit(db, "a", 4, 10), debit(db, "a", 6, 10), debit(db, "a", 1, 10)), (Some(4), Some(10), None));
        assert_eq!(debit(db, "a", 0, 10), Some(10));
        assert_eq!(find("a"), Some(Counter { used: 10, topped_up: 0, warned: 0 }));
        assert_eq!(debit(db, "b", 10, 10), Some(10), "another quota");
        let next = CounterId { period_start: START + Span::days(30), ..counter("a") };
        assert_eq!(write(&db.store, move |tx| tx.quotas().debit(&next, 3, 10)), Some(3), "another period");
        assert_eq!(debit(db, "none", 1, 0), None);
        assert_eq!(debit(db, "huge", MOST, u64::MAX), Some(MOST));
        assert_eq!((debit(db, "huge", 1, u64::MAX), debit(db, "huge", u64::MAX, u64::MAX)), (None, None));
    });
}

#[test]
fn a_quota_is_topped_up_given_back_and_corrected() {
    each(|db| {
        let top_up = |n| write(&db.store, move |tx| tx.quotas().top_up(&counter("a"), n));
        let give_back = |n| write(&db.store, move |tx| tx.quotas().give_back(&counter("a"), n));
        let adjust = |used| write(&db.store, move |tx| tx.quotas().adjust(&counter("a"), used));
        assert_eq!(give_back(1), None);
        assert_eq!(top_up(5), Counter { used: 0, topped_up: 5, warned: 0 });
        assert_eq!((debit(db, "a", 12, 10), debit(db, "a", 16, 10)), (Some(12), None), "at once more than the limit");
        assert_eq!((give_back(3), give_back(100)), (Some(9), Some(0)));
        assert_eq!(adjust(14), Counter { used: 14, topped_up: 5, warned: 0 });
        assert_eq!((debit(db, "a", 1, 10), debit(db, "a", 1, 10)), (Some(15), None));
        assert_eq!(top_up(u64::MAX).topped_up, MOST);
        assert_eq!(top_up(u64::MAX).topped_up, MOST);
        assert_eq!(debit(db, "a", 1, u64::MAX), Some(16));
        let fresh = write(&db.store, |tx| tx.quotas().adjust(&counter("b"), 3));
        assert_eq!(fresh, Counter { used: 3, topped_up: 0, warned: 0 });
    });
}

#[test]
fn however_many_spend_a_quota_at_once_no_more_than_the_limit_is_spent() {
    each(|db| {
        let spent = at_once(8, |thread| {
            let mut spent = 0;
            for round in 0..40u64 {
                let n = 1 + (round + thread as u64) % 5;
                if debit(db, "a", n, 500).is_some() {
                    spent += n;
                }
            }
            spent
        });
        let stored = read(&db.store, |tx| tx.quotas().find(&counter("a"))).unwrap();
        assert_eq!(stored.used, spent.iter().sum::<u64>());
        assert!((496..=500).contains(&stored.used), "{stored:?}");
    });
}

#[test]
fn of_many_debits_each_stands_by_itself() {
    each(|db| {
        let one = |name: &str, n, limit| Debit { counter: counter(name), n, limit };
        let debits = [
            one("b", 3, 10),
            one("a", 11, 10),
            one("a", 4, 10),
            one("a", 7, 10),
            one("c", u64::MAX, 10),
            one("a", 6, 10),
            one("b", 1, 10),
        ];
        let used = write(&db.store, move |tx| tx.quotas().debit_many(&debits));
        assert_eq!(used, [Some(3), None, Some(4), None, None, Some(10), Some(4)]);
        assert_eq!(write(&db.store, |tx| tx.quotas().debit_many(&[])), []);
    });
}

#[test]
fn however_many_spend_many_quotas_at_once_no_more_than_their_limits_is_spent() {
    each(|db| {
        let spent = at_once(8, |thread| {
            let mut spent = [0u64; 20];
            for _ in 0..15 {
                let mut debits: Vec<_> =
                    (0..20).map(|n| Debit { counter: counter(&n.to_string()), n: 3, limit: 100 }).collect();
                if thread % 2 == 0 {
                    debits.reverse();
                }
                let asked = debits.clone();
                let used = write(&db.store, move |tx| tx.quotas().debit_many(&asked));
                for (debit, used) in debits.iter().zip(used) {
                    spent[debit.counter.name.parse::<usize>().unwrap()] += if used.is_some() { 3 } else { 0 };
                }
            }
            spent
        });
        for n in 0..20 {
            let stored = read(&db.store, move |tx| tx.quotas().find(&counter(&n.to_string()))).unwrap().used;
            assert_eq!((stored, spent.iter().map(|mine| mine[n]).sum::<u64>()), (99, 99), "{n}");
        }
    });
}

#[test]
fn of_each_level_one_is_told_to_warn() {
    each(|db| {
        assert!(!write(&db.store, |tx| tx.quotas().warned(&counter("a"), 80)), "nothing was used");
        debit(db, "a", 8, 10);
        let told = at_once(8, |_| write(&db.store, |tx| tx.quotas().warned(&counter("a"), 80)));
        assert_eq!(told.iter().filter(|told| **told).count(), 1);
        assert!(write(&db.store, |tx| tx.quotas().warned(&counter("a"), 100)));
        assert!(!write(&db.store, |tx| tx.quotas().warned(&counter("a"), 80)), "a lower level");
        assert_eq!(read(&db.store, |tx| tx.quotas().find(&counter("a"))).unwrap().warned, 100);
        write(&db.store, |tx| tx.quotas().top_up(&counter("a"), 10));
        assert!(write(&db.store, |tx| tx.quotas().warned(&counter("a"), 80)), "it begins anew");
    });
}

fn claim(n: u128) -> Claim {
    Claim {
        owner: None,
        browser: None,
        id: ClaimId::from_u128(n),
        digest: hash(&format!("claim {n}")),
        api: api(1).id,
        spec: json!({"name": "é", "scope": "read"}).as_object().unwrap().clone(),
        expires_at: START + Span::hours(1),
        claimed_at: None,
        address: None,
        key: None,
        created_at: START,
    }
}

#[test]
fn of_many_who_open_a_link_one_gets_the_key() {
    each(|db| {
        keyed(db);
        write(&db.store, |tx| {
            assert_eq!(tx.claims().insert(&claim(1))?, Ok(()));
            assert_eq!(tx.claims().insert(&Claim { digest: claim(1).digest, ..claim(2) })?, Err(Taken));
            assert_eq!(tx.claims().insert(&claim(3))?, Ok(()));
            Ok(())
        });
        assert_eq!(read(&db.store, |tx| tx.claims().by_digest(&claim(1).digest)), Some(claim(1)));
        assert_eq!(read(&db.store, |tx| tx.claims().by_digest(&claim(2).digest)), None);
        let address = "192.0.2.7".parse().ok();
        let won = at_once(8, |n| {
            let key = ApiKeyId::from_u128(n as u128 + 100);
            write(&db.store, move |tx| tx.claims().claim(&claim(1).id, (address, "b"), &key))
        });
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
        let winner = ApiKeyId::from_u128(won.iter().position(|won| *won).unwrap() as u128 + 100);
        let claimed =
            Claim { claimed_at: Some(START), address, browser: Some("b".into()), key: Some(winner), ..claim(1) };
        assert_eq!(read(&db.store, |tx| tx.claims().by_digest(&claim(1).digest)), Some(claimed));
        db.clock.advance(Span::hours(1));
        assert!(!write(&db.store, |tx| tx.claims().claim(&claim(3).id, (None, "b"), &key(1, 1).id)), "it has expired");
        assert!(!write(&db.store, |tx| tx.claims().claim(&claim(9).id, (None, "b"), &key(1, 1).id)), "it is unknown");
    });
}

fn usage(n: u128, minute: i64, outcome: &str, calls: u64) -> UsageRow {
    let counts = Counts { calls, errors_4: 1, errors_5: 2, bytes_in: 3, bytes_out: 4, millis: 5, reported: 6 };
    UsageRow { key: ApiKeyId::from_u128(n), minute: START + Span::minutes(minute), outcome: outcome.into(), counts }
}

#[test]
fn usage_is_summed_by_key_minute_and_outcome() {
    each(|db| {
        keyed(db);
        let added = at_once(4, |thread| {
            let mut rows =
                vec![usage(1, 0, "ok", 10), usage(1, 0, "expired", 1), usage(1, 1, "ok", 2), usage(2, 0, "ok", 5)];
            rows.push(usage(1, 0, "ok", 100));
            if thread % 2 == 0 {
                rows.reverse();
            }
            write(&db.store, move |tx| tx.usage().add(&rows));
        });
        assert_eq!(added.len(), 4);
        let minute = |n| START + Span::minutes(n);
        let of_key = |from, to| read(&db.store, move |tx| tx.usage().of_key(&ApiKeyId::from_u128(1), from, to));
        let times = |n: u64, counts: Counts| (1..n).fold(counts, |sum, _| sum.and(Counts { calls: 0, ..counts }));
        let row = |one: UsageRow, rows| UsageRow { counts: times(rows, one.counts), ..one };
        let first = [row(usage(1, 0, "expired", 4), 4), row(usage(1, 0, "ok", 440), 8)];
        assert_eq!(of_key(START, minute(1)), first);
        assert_eq!(of_key(minute(1), minute(9)), [row(usage(1, 1, "ok", 8), 4)]);
        let of_api = read(&db.store, move |tx| tx.usage().of_api(&api(1).id, START, minute(1)));
        let sum = |one: UsageRow, rows| {
            let UsageRow { minute, outcome, counts, .. } = row(one, rows);
            ApiUsageRow { minute, outcome, counts }
        };
        assert_eq!(of_api, [sum(usage(1, 0, "expired", 4), 4), sum(usage(1, 0, "ok", 460), 12)]);
        assert_eq!(read(&db.store, move |tx| tx.usage().of_api(&api(2).id, START, minute(1))), []);
    });
}

#[test]
fn what_is_counted_stops_at_the_most_and_fails_nothing() {
    each(|db| {
        keyed(db);
        let huge = |minute| {
            let counts = Counts { bytes_out: u64::MAX, bytes_in: 1 << 52, ..usage(1, minute, "ok", 1).counts };
            UsageRow { counts, ..usage(1, minute, "ok", 1) }
        };
        // More minutes than their sum has room for in 64 bits.
        let rows: Vec<_> = (0..1100).map(huge).collect();
        for _ in 0..3 {
            let rows = rows.clone();
            write(&db.store, move |tx| tx.usage().add(&rows));
        }
        let (from, to) = (START, START + Span::minutes(1100));
        let id = || ApiKeyId::from_u128(1);
        let of_key = read(&db.store, move |tx| tx.usage().of_key(&id(), from, to));
        assert_eq!(of_key.len(), 1100);
        let most = usage::MOST;
        let of_api = read(&db.store, move |tx| tx.usage().of_api(&api(1).id, from, to));
        let of_keys = read(&db.store, move |tx| tx.usage().of_keys(&[id()], &[from, to]));
        let told = of_key.iter().map(|row| row.counts).chain(of_api.iter().map(|row| row.counts));
        for counts in told {
            assert_eq!((counts.calls, counts.bytes_in, counts.bytes_out), (3, most, most));
        }
        let all = of_keys[0].counts;
        assert_eq!((all.calls, all.bytes_in, all.bytes_out), (3300, most, most));
        let read_most = read(&db.store, move |tx| tx.usage().most_read(from - Span::minutes(1), most, 5));
        assert_eq!(read_most, [(id(), most)]);
    });
}

#[test]
fn a_request_that_is_sent_again_makes_nothing_twice() {
    each(|db| {
        let until = START + Span::hours(24);
        let remember = |caller: &'static str, subject: String| {
            write(&db.store, move |tx| tx.idempotency().remember(caller, &[7; 32], &subject, until))
        };
        let outcomes = at_once(8, |n| remember("ann", format!("key {n}")));
        let winner = outcomes.iter().position(Option::is_none).unwrap();
        for (n, outcome) in outcomes.into_iter().enumerate() {
            assert_eq!(outcome, (n != winner).then(|| format!("key {winner}")));
        }
        assert_eq!(remember("bob", "another".into()), None, "what others sent is no business of his");
        assert_eq!(read(&db.store, |tx| tx.idempotency().find("ann", &[7; 32])), Some(format!("key {winner}")));
        db.clock.advance(Span::hours(24));
        assert_eq!(read(&db.store, |tx| tx.idempotency().find("ann", &[7; 32])), None);
        let later = until + Span::hours(24);
        let again = write(&db.store, move |tx| tx.idempotency().remember("ann", &[7; 32], "new", later));
        assert_eq!(again, None, "what has expired is forgotten, though it is not purged");
        assert_eq!(remember("ann", "newer".into()).as_deref(), Some("new"));
    });
}

#[test]
fn what_was_counted_is_kept_for_as_long_as_it_is_good_for_something() {
    each(|db| {
        keyed(db);
        let once = CounterId { period_start: Moment::EPOCH, ..counter("once") };
        let lifetime = once.clone();
        write(&db.store, move |tx| {
            tx.claims().insert(&claim(1))?.unwrap();
            tx.idempotency().remember("ann", &[7; 32], "key", START + Span::hours(24))?;
            tx.usage().add(&[usage(1, 0, "ok", 1), usage(1, 60 * 24, "ok", 1)])?;
            tx.quotas().debit(&counter("a"), 1, 10)?;
            tx.quotas().debit(&lifetime, 1, 10)
        });
        let purged_on = |day: i64| {
            let now = keywright::base::moment::Clock::now(db.clock.as_ref());
            db.clock.advance((START + Span::days(day)).since(now));
            write(&db.store, purge)
        };
        assert_eq!(purged_on(0), Purged::default());
        assert_eq!(purged_on(1), Purged { idempotency: 1, ..Purged::default() });
        assert_eq!(purged_on(9), Purged { claims: 1, ..Purged::default() });
        assert_eq!(purged_on(31), Purged::default());
        assert_eq!(purged_on(32), Purged { usage: 1, ..Purged::default() });
        assert_eq!(purged_on(33), Purged { usage: 1, ..Purged::default() });
        assert_eq!(purged_on(400), Purged::default());
        assert_eq!(purged_on(401), Purged { quotas: 1, ..Purged::default() });
        assert_eq!(purged_on(9999), Purged::default());
        assert_eq!(write(&db.store, move |tx| tx.quotas().find(&once)).unwrap().used, 1, "used for good");
    });
}
