//! What is written comes back, the same on both databases.

use super::*;
use keywright::{
    audit::{Event, Origin},
    base::{id::KeyId, moment::Moment},
    jose::Alg,
    keyring::{KeyRecord, State},
    store::{
        Taken,
        audit::Filter,
        clients::Source,
        feed::{Change, Reader, Subject},
        purge::purge,
        signing_keys::{self, KeyRow},
    },
};
use serde_json::{Map, Value, json};

fn metadata(name: &str) -> Map<String, Value> {
    let members =
        json!({"client_name": name, "redirect_uris": ["https://app.example/cb"], "n": 1.5, "deep": {"a": [null]}});
    members.as_object().unwrap().clone()
}

#[test]
fn a_client_comes_back_with_its_live_secrets() {
    each(|db| {
        let id = client();
        let (found, again) = write(&db.store, move |tx| {
            let mut clients = tx.clients();
            assert_eq!(clients.insert(&id, &metadata("Shop é \u{1f600}"), Source::Declared)?, Ok(()));
            assert_eq!(clients.insert(&id, &metadata("Other"), Source::Command)?, Err(Taken));
            clients.add_secret(&id, &hash("old"), 1)?;
            assert_eq!(clients.expire_secrets(&id, START + Span::hours(1))?, 1);
            clients.add_secret(&id, &hash("new"), 2)?;
            let found = clients.find(&id)?.unwrap();
            clients.expire_secrets(&id, START)?;
            assert!(clients.replace_metadata(&id, &metadata("Renamed"))?);
            assert!(clients.set_disabled(&id)? && !clients.set_disabled(&id)?);
            Ok((found, clients.find(&id)?.unwrap()))
        });
        assert_eq!(found.metadata, metadata("Shop é \u{1f600}"));
        assert_eq!((found.source, found.disabled_at, found.created_at), (Source::Declared, None, START));
        let secrets: Vec<_> = found.secrets.iter().map(|s| (s.hash, s.pepper, s.expires_at)).collect();
        let mut expected = vec![(hash("old"), 1, Some(START + Span::hours(1))), (hash("new"), 2, None)];
        expected.sort_by_key(|(hash, ..)| *hash.as_bytes());
        assert_eq!(secrets, expected);
        assert_eq!((again.disabled_at, again.secrets.len()), (Some(START), 0));
        assert_eq!(again.metadata, metadata("Renamed"));
    });
}

#[test]
fn since_when_the_tokens_of_a_client_are_good_is_never_set_back() {
    each(|db| {
        let since = write(&db.store, |tx| {
            let (id, mut clients) = (client(), tx.clients());
            clients.insert(&id, &metadata("Shop"), Source::Command)?.unwrap();
            let mut since = vec![clients.find(&id)?.unwrap().tokens_since];
            for hours in [1, 2, 1] {
                clients.end_tokens_before(&id, START + Span::hours(hours))?;
                since.push(clients.find(&id)?.unwrap().tokens_since);
            }
            Ok(since)
        });
        let at = |hours| Some(START + Span::hours(hours));
        assert_eq!(since, [None, at(1), at(2), at(2)]);
    });
}

#[test]
fn clients_are_listed_in_pages() {
    each(|db| {
        let pages = write(&db.store, |tx| {
            for n in ["b", "B", "a", "é", "cli_1"].iter().filter_map(|n| ClientId::parse(n)) {
                tx.clients().insert(&n, &Map::new(), Source::Command)?.unwrap();
            }
            let first = tx.clients().list(None, 2)?;
            let second = tx.clients().list(first.last().map(|row| &row.id), 10)?;
            Ok([first, second].map(|page| page.into_iter().map(|row| row.id.to_string()).collect::<Vec<_>>()))
        });
        assert_eq!(pages, [vec!["B", "a"], vec!["b", "cli_1"]]);
    });
}

#[test]
fn what_may_be_used_once_is_used_once() {
    each(|db| {
        let won =
            at_once(8, |_| write(&db.store, |tx| tx.replay().first_use("shop", &[1; 32], START + Span::minutes(1))));
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
        assert!(write(&db.store, |tx| tx.replay().first_use("other", &[1; 32], START + Span::minutes(1))));
    });
}

#[test]
fn of_two_nodes_one_makes_the_successor_of_a_key() {
    each(|db| {
        let key = |kid: &str| KeyRow {
            record: KeyRecord {
                kid: KeyId::parse(kid).unwrap(),
                alg: Alg::Es256.into(),
                epoch: 1,
                created_at: START,
                known_at: START,
                signed_at: None,
                state: State::Pending,
            },
            sealed: vec![0, 1, 255],
            public: json!({"kty": "EC", "kid": kid}),
            outside: None,
            origin: signing_keys::Origin::Made,
            revoked: None,
            standing: None,
        };
        let made = at_once(4, |n| {
            let one = key(&format!("k{n}"));
            write(&db.store, move |tx| {
                tx.signing_keys().lock()?;
                if !tx.signing_keys().list()?.is_empty() {
                    return Ok(false);
                }
                std::thread::sleep(std::time::Duration::from_millis(30));
                assert!(tx.signing_keys().insert(&one)?, "the lock lets one at a time past");
                Ok(true)
            })
        });
        assert_eq!(made.iter().filter(|made| **made).count(), 1);
        let late = key("late");
        assert!(!write(&db.store, move |tx| tx.signing_keys().insert(&late)), "same algorithm, same number");
        let states = [
            State::Active { since: START + Span::minutes(1) },
            State::Retiring { until: START + Span::hours(1) },
            State::Gone,
        ];
        for state in states {
            let row = write(&db.store, move |tx| {
                let kid = tx.signing_keys().list()?[0].record.kid.clone();
                tx.signing_keys().set_state(&kid, state, "its time has come")?;
                Ok(tx.signing_keys().list()?.remove(0))
            });
            assert_eq!(row.record.state, state);
            assert_eq!(row.standing.unwrap().why, "its time has come");
            assert_eq!(row.sealed.is_empty(), state == State::Gone);
            assert_eq!(row.public["kty"], "EC");
        }
    });
}

/// What a node reads of the feed next.
fn poll(db: &Database, reader: &mut Reader) -> Vec<String> {
    let floor = reader.floor();
    let rows = read(&db.store, move |tx| tx.feed().since(floor));
    let fresh = reader.take(rows, keywright::base::moment::Clock::now(db.clock.as_ref()));
    fresh.into_iter().map(|row| row.id).collect()
}

#[test]
fn a_row_of_the_feed_that_is_committed_late_is_not_missed() {
    each(|db| {
        if db.is_sqlite() {
            // Rows are numbered and committed by one writer: none can be late.
            return;
        }
        let mut reader = Reader::default();
        let mut slow = db.backdoor();
        slow.execute(
            "BEGIN; INSERT INTO change_feed (kind, subject, at, expires_at) VALUES ('grant', 'slow', now(), now())",
        );
        write(&db.store, |tx| tx.feed().add(&Change::about(Subject::Grant, "quick")));
        assert_eq!(poll(db, &mut reader), ["quick"]);
        assert_eq!(poll(db, &mut reader), [""; 0]);
        slow.execute("COMMIT");
        assert_eq!(poll(db, &mut reader), ["slow"]);
        db.clock.advance(Span::seconds(11));
        assert_eq!(poll(db, &mut reader), [""; 0]);
        assert_eq!(reader.floor(), 2);
    });
}

#[test]
fn what_a_long_transaction_told_at_its_beginning_is_numbered_at_its_end() {
    each(|db| {
        if db.is_sqlite() {
            return;
        }
        let mut reader = Reader::default();
        let (wrote, written) = std::sync::mpsc::channel();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let long = scope.spawn(|| {
                write(&db.store, move |tx| {
                    tx.feed().add(&Change::about(Subject::Client, "long"))?;
                    wrote.send(()).unwrap();
                    let _dropped = wait.recv();
                    tx.feed().add(&Change::about(Subject::Client, "and more"))
                });
            });
            written.recv().unwrap();
            write(&db.store, |tx| tx.feed().add(&Change::about(Subject::Client, "quick")));
            assert_eq!(poll(db, &mut reader), ["quick"]);
            // The readers look back no further than this.
            db.clock.advance(Span::seconds(11));
            assert_eq!(poll(db, &mut reader), [""; 0]);
            assert_eq!(reader.floor(), 1);
            drop(go);
            long.join().unwrap();
        });
        assert_eq!(poll(db, &mut reader), ["long", "and more"]);
    });
}

#[test]
fn what_was_told_is_kept_with_a_refusal_and_lost_with_a_fault() {
    each(|db| {
        let tell = |tx: &mut Tx<'_>, what: &str| tx.feed().add(&Change::about(Subject::Grant, what));
        let refused: Result<(), Stop<()>> = db.store.write_blocking("refuse", move |tx| {
            tell(tx, "refused")?;
            Err(Stop::Refusal(()))
        });
        let failed: Result<(), Stop<()>> = db.store.write_blocking("fail", move |tx| {
            tell(tx, "failed")?;
            Err(Fault::bare("on purpose").into())
        });
        let panicked: Result<(), Stop<()>> = db.store.write_blocking("panic", move |tx| {
            tell(tx, "panicked")?;
            panic!("on purpose")
        });
        assert!(matches!(refused, Err(Stop::Refusal(()))) && failed.is_err() && panicked.is_err());
        db.store.single_blocking("one", move |tx| Ok::<_, Stop<()>>(tell(tx, "alone")?)).unwrap();
        assert_eq!(poll(db, &mut Reader::default()), ["refused", "alone"]);
    });
}

#[test]
fn a_node_that_starts_reads_what_still_matters() {
    each(|db| {
        write(&db.store, |tx| {
            tx.feed().add(&Change::until(Subject::Token, "short", START + Span::minutes(5)))?;
            tx.feed().add(&Change::about(Subject::User, "long"))
        });
        db.clock.advance(Span::minutes(5));
        let live = read(&db.store, |tx| tx.feed().live());
        assert_eq!(live.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["long"]);
        assert_eq!((live[0].subject, live[0].at), (Subject::User, START));
        assert_eq!(write(&db.store, purge).feed, 1);
    });
}

#[test]
fn what_a_newer_release_tells_of_is_passed_over() {
    each(|db| {
        write(&db.store, |tx| {
            tx.feed().add(&Change::about(Subject::ApiKey, "before"))?;
            tx.feed().add(&Change::about(Subject::Plan, "strange"))?;
            tx.feed().add(&Change::about(Subject::Grant, "after"))
        });
        let unlock = if db.is_sqlite() {
            "PRAGMA ignore_check_constraints = 1"
        } else {
            "ALTER TABLE change_feed DROP CONSTRAINT change_feed_kind_check"
        };
        db.backdoor().execute(&format!("{unlock}; UPDATE change_feed SET kind = 'tenant' WHERE subject = 'strange'"));
        let ids = |rows: Vec<keywright::store::feed::FeedRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
        assert_eq!(ids(read(&db.store, |tx| tx.feed().live())), ["before", "after"]);
        let mut reader = Reader::default();
        let now = keywright::base::moment::Clock::now(db.clock.as_ref());
        assert_eq!(ids(reader.take(read(&db.store, |tx| tx.feed().since(0)), now)), ["before", "after"]);
    });
}

#[test]
fn no_two_claim_the_same_message() {
    each(|db| {
        write(&db.store, |tx| {
            for n in 0..100 {
                tx.outbox().add("test", &json!({"n": n}))?;
            }
            Ok(())
        });
        let claimed = at_once(8, |_| {
            let mut mine = Vec::new();
            loop {
                let batch = write(&db.store, |tx| tx.outbox().claim_due(7, &[], Span::minutes(1)));
                if batch.is_empty() {
                    return mine;
                }
                assert!(batch.iter().all(|message| message.attempts == 1));
                mine.extend(batch.into_iter().map(|message| message.id));
            }
        });
        let mut all: Vec<_> = claimed.into_iter().flatten().collect();
        assert_eq!(all.len(), 100);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 100);
    });
}

#[test]
fn a_message_is_due_again_after_its_lease_and_never_once_it_is_done_or_dead() {
    each(|db| {
        let claim = || write(&db.store, |tx| tx.outbox().claim_due(10, &[], Span::minutes(1)));
        let id = write(&db.store, |tx| tx.outbox().add("logout", &json!({"a": 1})));
        let first = claim();
        assert_eq!(
            (first[0].id.clone(), first[0].kind.as_str(), &first[0].payload),
            (id.clone(), "logout", &json!({"a": 1}))
        );
        assert!(claim().is_empty());
        db.clock.advance(Span::minutes(1));
        assert_eq!(claim()[0].attempts, 2);
        let again = id.clone();
        write(&db.store, move |tx| tx.outbox().retry(&again, tx_later(), "refused \0 é"));
        assert!(claim().is_empty());
        db.clock.advance(Span::hours(1));
        assert_eq!(claim()[0].attempts, 3);
        write(&db.store, move |tx| tx.outbox().done(&id));
        let other = write(&db.store, |tx| tx.outbox().add("logout", &json!(null)));
        write(&db.store, move |tx| tx.outbox().dead(&other, "gone"));
        db.clock.advance(Span::days(1));
        assert!(claim().is_empty());
        db.clock.advance(Span::days(7));
        assert_eq!(write(&db.store, purge).outbox, 2);
    });
}

#[test]
fn who_is_told_enough_is_passed_over() {
    each(|db| {
        write(&db.store, |tx| {
            for client in ["a", "a", "b"] {
                tx.outbox().add("logout", &json!({"client": client}))?;
            }
            tx.outbox().add("strange", &json!(null)).map(drop)
        });
        let taken = |but: &[&str]| {
            let but: Vec<String> = but.iter().map(|client| (*client).to_owned()).collect();
            write(&db.store, move |tx| {
                let any = tx.outbox().any_due(&but)?;
                let claimed = tx.outbox().claim_due(10, &but, Span::minutes(1))?;
                assert_eq!(any, !claimed.is_empty());
                Ok(claimed.into_iter().map(|message| message.to().to_owned()).collect::<Vec<_>>())
            })
        };
        assert_eq!(taken(&["a", ""]), ["b"]);
        assert_eq!(taken(&["a", "c"]), [""]);
        assert_eq!(taken(&["a"]), Vec::<String>::new());
        assert_eq!(taken(&["b"]), ["a", "a"]);
    });
}

fn tx_later() -> Moment {
    START + Span::hours(1)
}

#[test]
fn events_are_found_by_kind_person_client_and_time() {
    each(|db| {
        let origin = Origin { node: "n1".into(), request: None, address: "192.0.2.1".parse().ok() };
        let added = write(&db.store, move |tx| {
            let mut all = Vec::new();
            for n in 0..4i64 {
                let event = match n {
                    0 => Event::ClientDisabled { client: client(), by: keywright::audit::Actor::System },
                    _ => Event::SignedIn {
                        user: UserId::from_u128(n as u128),
                        session: SessionId::from_u128(9),
                        amr: vec!["pwd"],
                    },
                };
                all.push(origin.record(event, START + Span::minutes(n), tx.dice())?);
            }
            tx.audit().add(&all[0])?;
            tx.audit().add_many(&all)?;
            tx.audit().add_many(&all)?;
            Ok(all)
        });
        let find = |filter: Filter, before: Option<usize>| {
            let before = before.map(|n| added[n].id.clone());
            let rows = read(&db.store, move |tx| tx.audit().list(&filter, before.as_ref(), 10));
            rows.iter().map(|row| added.iter().position(|a| a.id == row.id).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(find(Filter::default(), None), [3, 2, 1, 0]);
        assert_eq!(find(Filter::default(), Some(2)), [1, 0]);
        assert_eq!(find(Filter { kind_prefix: Some("client.".into()), ..Filter::default() }, None), [0]);
        assert_eq!(find(Filter { user: Some(UserId::from_u128(2)), ..Filter::default() }, None), [2]);
        assert_eq!(find(Filter { client: Some(client()), ..Filter::default() }, None), [0]);
        assert_eq!(find(Filter { since: Some(START + Span::minutes(2)), ..Filter::default() }, None), [3, 2]);
        let row = read(&db.store, |tx| tx.audit().list(&Filter::default(), None, 1)).remove(0);
        assert_eq!((row.node.as_str(), row.kind.as_str(), row.at), ("n1", "session.started", START + Span::minutes(3)));
        assert_eq!(row.address, "192.0.2.1".parse().ok());
        assert_eq!(Value::Object(row.data), Value::Object(added[3].event.fields()));
    });
}

#[test]
fn a_value_of_the_installation_is_made_by_whoever_asks_first() {
    each(|db| {
        let got = at_once(6, |n| write(&db.store, move |tx| tx.meta().get_or_put("pepper", &[n as u8, 0, 255])));
        assert!(got.windows(2).all(|pair| pair[0] == pair[1]), "{got:?}");
    });
}

#[test]
fn moments_come_back_to_the_microsecond_on_both_sides_of_the_epoch() {
    each(|db| {
        let all = [0, 1, -1, 1_767_225_600_123_456, -62_135_596_800_000_000, 253_402_300_799_999_999];
        for (n, micros) in all.into_iter().enumerate() {
            let at = Moment::from_micros(micros);
            let one = User { created_at: at, ..user(n as u128) };
            let expected = one.clone();
            write(&db.store, move |tx| tx.users().insert(&one, None)).unwrap();
            let id = expected.id.clone();
            assert_eq!(read(&db.store, move |tx| tx.users().find(&id)), Some(expected), "{micros}");
        }
    });
}

#[test]
fn a_broken_row_is_a_fault_that_names_it_and_nothing_worse() {
    each(|db| {
        let ann = populate(db);
        let find =
            |id: UserId| -> Plain<Option<User>> { db.store.read_blocking("find", move |tx| Ok(tx.users().find(&id)?)) };
        let broken =
            [("UPDATE users SET profile = '[1]'", ""), ("UPDATE users SET profile = '{}', username = ''", "username")];
        for (sql, what) in broken {
            db.backdoor().execute(sql);
            let fault = fault_of(find(ann.id.clone()));
            assert!(fault.to_string().contains("users, key usr_") && fault.to_string().contains(what), "{fault}");
        }
        if db.is_sqlite() {
            let strict = [
                "UPDATE users SET username = x'ff'",
                "UPDATE users SET profile = x'00'",
                "UPDATE users SET created_at = 'now'",
            ];
            for sql in strict {
                let refused = std::panic::catch_unwind(|| db.backdoor().execute(sql));
                assert!(refused.is_err(), "{sql}");
            }
            db.backdoor().execute("UPDATE users SET username = CAST(x'ff' AS TEXT)");
            let fault = fault_of(find(ann.id.clone()));
            assert!(fault.to_string().contains("utf-8"), "{fault}");
        }
    });
}

#[test]
fn text_with_a_nul_is_a_fault_on_postgres_and_stays_whole_on_sqlite() {
    each(|db| {
        let named = User { profile: Profile { name: Some("a\0b".into()), ..Profile::default() }, ..user(5) };
        let expected = named.clone();
        let added: Plain<_> = db.store.write_blocking("nul", move |tx| Ok(tx.users().insert(&named, None)?));
        if db.is_sqlite() {
            assert_eq!(added.unwrap(), Ok(()));
            assert_eq!(read(&db.store, |tx| tx.users().find(&UserId::from_u128(5))), Some(expected));
        } else {
            fault_of(added);
        }
    });
}

#[test]
fn what_is_old_is_forgotten_and_nothing_else() {
    each(|db| {
        let ann = populate(db);
        write(&db.store, move |tx| {
            tx.codes().add(&hash("code"), &code(&ann))?;
            tx.sessions().insert(&session(1, &ann), &hash("cookie"), START + Span::days(1))?;
            tx.replay().first_use("a", &[1; 32], START + Span::minutes(1))?;
            tx.replay().first_use("b", &[1; 32], START + Span::days(365))?;
            tx.grants().insert(&grant(1, &ann, SessionId::from_u128(1), "openid"), None)
        });
        assert_eq!(write(&db.store, purge), keywright::store::purge::Purged::default());
        db.clock.advance(Span::days(8) + Span::seconds(1));
        let purged = write(&db.store, purge);
        assert_eq!((purged.codes, purged.sessions, purged.replay, purged.grants), (1, 1, 1, 0));
        db.clock.advance(Span::days(30));
        assert_eq!(write(&db.store, purge).grants, 1);
    });
}

#[test]
fn what_was_used_once_is_remembered_until_it_is_too_old_by_the_clock_of_every_node() {
    each(|db| {
        let end = START + Span::minutes(1);
        let first_use = || write(&db.store, move |tx| tx.replay().first_use("shop", &[1; 32], end));
        assert!(first_use());
        // The node that deletes is almost a minute ahead of the one where it comes again.
        db.clock.advance(Span::seconds(119));
        assert_eq!(write(&db.store, purge).replay, 0);
        assert!(!first_use());
        db.clock.advance(Span::seconds(1));
        assert_eq!(write(&db.store, purge).replay, 1);
    });
}

#[test]
fn a_grant_is_not_forgotten_while_its_session_is_open() {
    each(|db| {
        let ann = populate(db);
        write(&db.store, move |tx| {
            for (n, until) in [(1, Span::days(365)), (2, Span::days(365)), (3, Span::days(31))] {
                tx.sessions().insert(&session(n, &ann), &hash(&n.to_string()), START + until)?;
                tx.grants().insert(&grant(n, &ann, SessionId::from_u128(n), "openid"), None)?;
            }
            tx.grants().insert(&grant(4, &ann, SessionId::from_u128(4), "openid"), None)?;
            tx.sessions().end(&SessionId::from_u128(2))
        });
        db.clock.advance(Span::days(38) + Span::seconds(1));
        // Of an end, of an age, and of a session that nobody knows.
        assert_eq!(write(&db.store, purge).grants, 3);
        let told = |n| read(&db.store, move |tx| tx.grants().clients_of_session(&SessionId::from_u128(n)));
        assert_eq!((told(1), told(2)), (vec![client()], vec![]));
        write(&db.store, |tx| tx.sessions().end(&SessionId::from_u128(1)));
        assert_eq!(write(&db.store, purge).grants, 1);
    });
}
