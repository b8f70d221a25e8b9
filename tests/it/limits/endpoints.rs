//! Our own endpoints behind limits: of an address, of a client, and of sign-ins on two nodes.

use crate::world::{
    Database, Person, Redis, Reply, Server,
    busy::{LONG, within},
    database, each, get, post,
};
use keywright::base::moment::Span;
use serde_json::json;

/// A server behind a proxy on this machine that is believed.
fn behind_a_proxy(db: &Database, limit: (&str, &str)) -> Server {
    Server::start(db, |settings| {
        settings.set("server.trusted_proxies", "127.0.0.1/32");
        settings.set(limit.0, limit.1);
    })
}

fn field<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.field(name).unwrap_or_default()
}

#[test]
fn an_address_that_asks_too_often_is_told_when_to_come_back_and_others_are_served() {
    each(|db| {
        let server = behind_a_proxy(db, ("limits.token_per_address", "3/30s"));
        let ask = |from: &str| {
            post("/token", &[("grant_type", "client_credentials")]).field("X-Forwarded-For", from).send(server.address)
        };
        for _ in 0..3 {
            assert_eq!(ask("192.0.2.1").status, 401);
        }
        let held = ask("192.0.2.1");
        assert_eq!(held.status, 429);
        assert_eq!(field(&held, "content-type"), "application/problem+json");
        assert_eq!(field(&held, "retry-after"), "10");
        assert_eq!(field(&held, "ratelimit"), r#""token";r=0;t=10"#);
        assert_eq!(field(&held, "ratelimit-policy"), r#""token";q=3;w=30"#);
        let body = held.json();
        assert_eq!(body["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
        assert_eq!(body["error"], "temporarily_unavailable");
        assert_eq!(body["violated-policies"][0], "token");
        assert_eq!(ask("192.0.2.2").status, 401);
        // Other doors, and this machine itself, are not held.
        assert_eq!(get("/jwks").field("X-Forwarded-For", "192.0.2.1").send(server.address).status, 200);
        assert!((0..10).all(|_| ask("127.0.0.1").status == 401));
        server.advance(Span::seconds(10));
        assert_eq!(ask("192.0.2.1").status, 401);
        assert_eq!(ask("192.0.2.1").status, 429);
    });
}

#[test]
fn a_person_who_asks_too_often_sees_a_page() {
    let db = &database::empty()[0];
    db.store.migrate_blocking().unwrap();
    let server = behind_a_proxy(db, ("limits.pages_per_address", "2/20s"));
    let ask = || get("/sign-in").field("X-Forwarded-For", "2001:db8::1").send(server.address);
    assert!(ask().status < 500 && ask().status < 500);
    let held = ask();
    assert_eq!((held.status, field(&held, "retry-after")), (429, "10"));
    assert!(field(&held, "content-type").starts_with("text/html"));
    assert_eq!(field(&held, "ratelimit"), r#""pages";r=0;t=10"#);
}

#[test]
fn a_client_that_asks_too_often_is_held_and_others_are_served() {
    each(|db| {
        let server = Server::start(db, |settings| settings.set("limits.token_per_client", "2/1m"));
        let (busy, quiet) = (server.machine(), server.machine());
        for _ in 0..2 {
            assert_eq!(busy.own_token(&[]).status, 200);
        }
        let held = busy.own_token(&[]);
        assert_eq!((held.status, field(&held, "retry-after")), (429, "30"));
        assert_eq!(quiet.own_token(&[]).status, 200);
    });
}

#[test]
fn nobody_uses_up_what_a_public_client_may_ask_for() {
    each(|db| {
        let server = Server::start(db, |settings| {
            settings.set("limits.token_per_client", "2/1m");
            settings.set("limits.introspect_per_client", "2/1m");
        });
        let app = server.web_app_with(|m| m["token_endpoint_auth_method"] = json!("none"));
        let tokens = server.browser().tokens(&app, &server.person("ann"));
        // Who knows its name, which is no secret, asks for nothing that is good.
        for _ in 0..4 {
            assert_eq!(app.token(&[("grant_type", "client_credentials")]).error(), "unauthorized_client");
            assert_eq!(app.revoke("made up").status, 200);
        }
        let next = app.refresh(&tokens.refresh).tokens();
        assert_eq!(app.revoke(&next.refresh).status, 200);
    });
}

#[test]
fn a_guesser_has_the_same_few_attempts_on_two_nodes_together() {
    let Some(redis) = Redis::own() else { return };
    each(|db| {
        redis.command(&["FLUSHALL"]);
        let node = |_| {
            Server::start(db, |settings| {
                settings.set("limits.redis_url", redis.url().expose());
                settings.set("limits.redis_deadline", "5s");
                settings.set("sign_in.attempts_per_account", "4/10m");
            })
        };
        let nodes = [0, 1].map(node);
        let together = || nodes.iter().all(|node| !node.world.counters.degraded());
        assert!(within(LONG, together), "both have found Redis");
        let person = Person { password: "wrong wrong wrong".to_owned(), ..nodes[0].person("ann") };
        let guess = |n: usize| {
            let mut browser = nodes[n % 2].browser();
            let page = browser.visit("/sign-in");
            browser.type_in(&page, &person).status
        };
        let answers: Vec<u16> = (0..8).map(guess).collect();
        assert_eq!(answers, [200, 200, 200, 200, 429, 429, 429, 429]);
    });
}
