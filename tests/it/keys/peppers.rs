//! Another pepper while everything goes on: what the older one hashed is known as before, is hashed anew when it is
//! used, and the older one is forgotten when nothing hangs on it.

use super::{Keys, claims, token};
use crate::world::{Server, each};
use keywright::{
    audit::Actor,
    base::{fault::Stop, moment::Span},
    flow::secrets::{
        drop_pepper::{self, Dropped, NotDropped, SETTLED},
        peppers::{self, LEAD},
    },
    store::{
        Tx,
        hashes::{Held, Table},
    },
};
use serde_json::{Value, json};

/// Another pepper hashes what is new.
fn rotate(server: &Server) {
    server.run(peppers::rotate(&server.world, Actor::System)).unwrap();
    server.advance(LEAD + Span::seconds(1));
    assert_eq!(server.world.secrets.pepper.current().version(), 2);
}

fn versions(server: &Server, table: Table) -> Vec<(i16, i64)> {
    let count = move |tx: &mut Tx<'_>| -> Result<_, Stop<()>> { Ok(tx.hashes().by_pepper(table)?) };
    server.run(server.world.store.read("count", count)).unwrap()
}

fn text(made: &Value) -> &str {
    made["key"].as_str().unwrap()
}

fn drop_it(server: &Server, version: i32) -> Result<Dropped, NotDropped> {
    server.run(drop_pepper::run(&server.world, version, Actor::System)).map_err(|stop| match stop {
        Stop::Refusal(not) => not,
        Stop::Fault(fault) => panic!("{fault}"),
    })
}

#[test]
fn a_code_and_lines_of_refresh_tokens_go_on_under_the_next_pepper_and_used_twice_they_are_told_as_before() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app().scope("openid docs.read offline_access"));
        let mut browser = server.browser();
        let (first, other) = (browser.tokens(&app, &ada), browser.tokens(&app, &ada));
        let attempt = app.begin();
        let callback = browser.approve(&attempt, &ada);
        rotate(&server);
        // A code of before is good, once.
        let by_code = app.redeem(&attempt, callback.code()).tokens();
        assert!(app.sees_live(&by_code.refresh));
        assert_eq!(app.redeem(&attempt, callback.code()).refusal(), (400, "invalid_grant".to_owned()));
        server.follow_now();
        assert!(!app.sees_live(&by_code.refresh), "a code used twice ends what it gave");
        // A line goes on, a retry gets the same successor, and the hash of each next is the new pepper's.
        assert!(app.sees_live(&first.refresh) && app.sees_live(&other.refresh));
        let second = app.refresh(&first.refresh).tokens();
        assert_eq!(app.refresh(&first.refresh).tokens().refresh, second.refresh);
        let third = app.refresh(&second.refresh).tokens();
        assert!(app.sees_live(&third.refresh) && !app.sees_live(&second.refresh));
        // One that was used, and that the older pepper hashed, is known as such: its line ends.
        let next = app.refresh(&other.refresh).tokens();
        server.advance(Span::minutes(10));
        assert_eq!(app.refresh(&other.refresh).refusal(), (400, "invalid_grant".to_owned()));
        server.follow_now();
        assert!(!app.sees_live(&next.refresh), "a refresh token used twice ends its line");
        assert!(app.sees_live(&third.refresh), "and no other");
        // And a token of before can be ended.
        let again = browser.tokens(&app, &ada);
        assert_eq!(app.revoke(&again.refresh).status, 200);
        server.follow_now();
        assert!(!app.sees_live(&again.refresh));
        // The session goes on too: nobody is asked for a password.
        assert!(!app.silently(&mut browser).code().is_empty());
    });
}

#[test]
fn an_api_key_is_known_to_two_nodes_under_either_pepper_and_is_hashed_anew_by_its_first_use() {
    each(|database| {
        let (server, second) = (Server::on(database), Server::on(database));
        let (keys, owner) = (Keys::at(&server, json!({})), server.machine());
        second.follow_now();
        let (made, idle) = (keys.key(&server, &owner, json!({})), keys.key(&server, &owner, json!({})));
        let good = |node: &Server, key: &Value| keys.ask(node, text(key), json!({}))["code"] == "ok";
        assert!(good(&server, &made) && good(&second, &made));
        rotate(&server);
        second.follow_now();
        assert_eq!(versions(&server, Table::ApiKeys), [(1, 2)]);
        assert!(good(&server, &made));
        assert_eq!(versions(&server, Table::ApiKeys), [(1, 1), (2, 1)], "by its use, and no other");
        // The other node has not heard of that yet, and then has.
        assert!(good(&second, &made));
        second.follow_now();
        server.follow_now();
        assert!(good(&second, &made) && good(&server, &made));
        let new = keys.key(&second, &owner.moved_to(&second), json!({}));
        server.follow_now();
        assert!(good(&server, &new) && good(&second, &new));
        assert!(good(&second, &idle));
        assert_eq!(versions(&server, Table::ApiKeys), [(2, 3)]);
        let wrong = format!("{}0", &text(&made)[..text(&made).len() - 1]);
        assert_ne!(keys.ask(&server, &wrong, json!({}))["code"], "ok");
    });
}

#[test]
fn a_link_to_claim_a_key_that_an_older_pepper_hashed_makes_the_key_once() {
    each(|database| {
        let server = Server::on(database);
        let keys = Keys::at(&server, json!({}));
        let link = claims::link(&server, &token(&server, claims::ALL), &json!({"expires_in": 3600}));
        let mut browser = server.browser();
        // The page was open already when the pepper was replaced.
        let form = claims::offer(&mut browser, &link);
        rotate(&server);
        let page = browser.post(&form);
        let key = claims::key_on(&page);
        assert_eq!(keys.ask(&server, &key, json!({}))["code"], "ok");
        assert_eq!(versions(&server, Table::ApiKeys), [(2, 1)]);
        // Somebody else who has the link too is known as such.
        let late = server.browser().post(&form);
        assert_ne!(late.status, 200);
        let mut second = server.browser();
        let open = second.visit("/claim").form().fill("code", link["link"].as_str().unwrap()).fill("step", "look");
        let page = second.submit(&open);
        assert!(page.status == 410, "{} {}", page.status, page.words());
    });
}

#[test]
fn an_older_pepper_is_dropped_when_nothing_hangs_on_it_and_not_before() {
    each(|database| {
        let server = Server::on(database);
        let (keys, owner) = (Keys::at(&server, json!({})), server.machine());
        let (ada, app) = (server.person("ada"), server.web_app().scope("openid offline_access"));
        let made = keys.key(&server, &owner, json!({}));
        claims::link(&server, &token(&server, claims::ALL), &json!({"expires_in": 3600}));
        let tokens = server.browser().tokens(&app, &ada);
        assert_eq!(drop_it(&server, 1), Err(NotDropped::InUse(1)));
        assert_eq!(drop_it(&server, 7), Err(NotDropped::Unknown(7)));
        rotate(&server);
        assert_eq!(drop_it(&server, 2), Err(NotDropped::InUse(2)));
        let until = server.now() - Span::seconds(1);
        assert_eq!(drop_it(&server, 1), Err(NotDropped::TooSoon(1, until + SETTLED)));
        server.advance(SETTLED);
        let held = |server: &Server| match drop_it(server, 1) {
            Err(NotDropped::Held(1, held)) => held,
            other => panic!("{other:?}"),
        };
        let secrets = versions(&server, Table::ClientSecrets);
        assert_eq!(secrets[0].0, 1);
        let all = Held { client_secrets: secrets[0].1, api_keys: 1, sessions: 1, refresh_tokens: 1, claim_links: 1 };
        assert_eq!(held(&server), all);
        let told = NotDropped::Held(1, all).to_string();
        assert!(told.contains("1 API keys") && told.contains("at most 1 sessions"), "{told}");
        // Each is hashed anew by its use.
        assert_eq!(keys.ask(&server, text(&made), json!({}))["code"], "ok");
        let next = app.refresh(&tokens.refresh).tokens();
        assert_eq!(owner.own_token(&[]).status, 200);
        let left = held(&server);
        assert_eq!((left.api_keys, left.refresh_tokens), (0, 0));
        assert_eq!(left.client_secrets, all.client_secrets - 3, "of the API, of the application and of the owner");
        // The others are ended, or end by themselves.
        database.backdoor().execute("DELETE FROM client_secrets WHERE pepper = 1");
        assert_eq!(held(&server).client_secrets, 0);
        server.advance(Span::hours(1));
        let left = held(&server);
        assert_eq!((left.claim_links, left.sessions), (0, 1));
        server.advance(Span::days(14));
        assert_eq!(drop_it(&server, 1), Ok(Dropped { version: 1, elsewhere: false }));
        assert_eq!(drop_it(&server, 1), Err(NotDropped::Unknown(1)));
        assert!(server.recorded("secret.pepper_dropped"));
        // Everybody goes on without it: the node that did it, one that hears of it, and one that starts.
        server.follow_now();
        assert_eq!(server.world.secrets.pepper.hashes("x").len(), 1);
        let started = Server::on(database);
        for node in [&server, &started] {
            assert_eq!(owner.moved_to(node).own_token(&[]).status, 200);
            assert_eq!(keys.ask(node, text(&made), json!({}))["code"], "ok");
        }
        assert_eq!(app.refresh(&next.refresh).status, 200);
    });
}
