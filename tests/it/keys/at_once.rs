//! Many at once: an owner never has more keys than they may, and what is granted is granted once;
//! and nobody is refused because many come at once.

use super::{Keys, call, token};
use crate::{
    races::together,
    world::{Request, Server, each},
};
use keywright::{apikey::text::KeyText, base::entropy::OsEntropy};
use serde_json::{Value, json};

#[test]
fn of_many_who_make_keys_for_one_owner_at_once_as_many_succeed_as_there_is_room_for() {
    each(|database| {
        let start = || {
            Server::start(database, |settings| {
                settings.set("server.workers", "2");
                settings.set("api_keys.per_owner", "5");
            })
        };
        let (one, other) = (start(), start());
        let _keys = Keys::at(&one, json!({}));
        let own = token(&one, "keys:create keys:revoke keys:read");
        let body = json!({"api": "docs", "name": "job", "anywhere": true});
        let make = |n: usize| {
            call(
                if n.is_multiple_of(2) || database.is_sqlite() { &one } else { &other },
                "POST",
                "/v1/keys",
                &own,
                Some(&body),
            )
        };
        let replies = together(24, make);
        let good: Vec<_> = replies.iter().filter(|reply| reply.status == 201).collect();
        let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!((good.len(), statuses.iter().filter(|status| **status == 409).count()), (5, 19), "{statuses:?}");
        let listed = call(&one, "GET", "/v1/keys", &own, None).json();
        assert_eq!(listed["keys"].as_array().unwrap().len(), 5);
        let id = good[0].json()["id"].as_str().unwrap().to_owned();
        assert_eq!(call(&one, "POST", &format!("/v1/keys/{id}/revoke"), &own, None).status, 200);
        let again = together(8, make).iter().filter(|reply| reply.status == 201).count();
        assert_eq!(again, 1, "the place of one that was revoked is free, for one");
    });
}

#[test]
fn grants_of_a_quota_at_once_all_count_and_one_that_is_sent_again_counts_once() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("server.workers", "2"));
        let other = Server::on(database);
        let policy = json!({"v": 1, "quota": [{"name": "month", "limit": 10, "per": "month"}]});
        let (keys, app) = (Keys::with(&server, policy, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let all = token(&server, "keys:any keys:read quotas:grant");
        let target = format!("/v1/keys/{}/quotas/month/grants", made["id"].as_str().unwrap());
        let grant = |n: usize, word: Option<&str>, amount: i64| {
            let mut request = Request::new("POST", &target).bearer(&all);
            if let Some(word) = word {
                request = request.field("idempotency-key", word);
            }
            // A file of SQLite's is one process'.
            let node = if n.is_multiple_of(2) || database.is_sqlite() { &server } else { &other };
            node.send(&request.body("application/json", json!({"amount": amount}).to_string())).status
        };
        let granted = || -> Value {
            let standing = call(&server, "GET", &target.replace("/month/grants", ""), &all, None).json();
            standing["quotas"][0]["granted"].clone()
        };
        assert_eq!(together(16, |n| grant(n, None, 3)), [200; 16]);
        assert_eq!(granted(), 48);
        let statuses = together(16, |n| grant(n, Some("once"), 100));
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        // Whoever comes while another is at it is told to come again, and then that it is done.
        assert!(statuses.iter().all(|status| matches!(status, 200 | 409 | 503)), "{statuses:?}");
        assert_eq!((grant(0, Some("once"), 100), granted()), (409, json!(148)));
        // Taken back by many at once: never below what was used, whoever comes first.
        let statuses = together(16, |n| grant(n, None, -20));
        let taken = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!((taken, granted()), (7, json!(8)), "{statuses:?}");
        assert_eq!(server.events_of("quota.granted").len(), 16 + 1 + 7);
    });
}

#[test]
fn a_good_key_is_never_refused_because_many_come_with_it_before_it_is_in_memory() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("server.workers", "2"));
        let policy = json!({"v": 1, "rate": [{"name": "all", "by": "family", "limit": 100_000, "per": "1s"}]});
        let (keys, app) = (Keys::with(&server, policy, json!({})), server.machine());
        let asking = keys.key(&server, &app, json!({"kind": "verifier", "scope": ""}));
        let (asking, made) = (asking["key"].as_str().unwrap(), keys.key(&server, &app, json!({})));
        let body = json!({"key": made["key"], "request": {"ip": "203.0.113.9"}});
        let ask = |key: &str| call(&server, "POST", "/v1/keys/verify", key, Some(&body));
        for first in ["made", "changed"] {
            let replies = together(100, |_| ask(asking));
            let codes: Vec<String> = replies.iter().map(|reply| reply.json()["code"].to_string()).collect();
            assert!(codes.iter().all(|code| code == "\"ok\""), "{first}: {codes:?}");
            let change = Request::new("PATCH", "/v1/apis/docs").bearer(&keys.manager).field("if-match", "*");
            let change = change.body("application/merge-patch+json", r#"{"settings": {"expose_reason": true}}"#);
            assert_eq!(server.send(&change).status, 200);
        }
        // Whoever has guessed too often is told to come again, and not that a good key is none.
        let none = || KeyText::mint("kw", "live", 43, &OsEntropy).unwrap().text().expose().clone();
        let refused = (0..200).map(|_| ask(&none())).find(|reply| reply.status != 401).expect("guesses end");
        server.world.api_keys.directory.forget_all();
        let held = ask(asking);
        for reply in [refused, held] {
            assert_eq!(reply.status, 429, "{}", reply.text());
            assert!(reply.field("retry-after").is_some());
        }
    });
}
