//! Links with which a key is claimed: made at claim, once; read by programs without harm; two that
//! had one end what was made with it.

use super::{Keys, call, token};
use crate::world::{Browser, Database, Reply, Request, Server, each, encode, html::Form};
use keywright::base::moment::Span;
use serde_json::{Value, json};
use std::{sync::Barrier, thread};

fn body(more: &Value) -> Value {
    let mut body = json!({"key": {"api": "docs", "name": "partner", "scope": "docs.read", "anywhere": true}});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// A link that this token makes.
pub(super) fn link(server: &Server, token: &str, more: &Value) -> Value {
    let reply = call(server, "POST", "/v1/keys/claims", token, Some(&body(more)));
    assert_eq!((reply.status, reply.field("cache-control")), (201, Some("no-store")), "{}", reply.text());
    reply.json()
}

fn code(link: &Value) -> &str {
    link["link"].as_str().unwrap().split_once("/claim#").unwrap().1
}

/// Pastes a link, and sees what it offers.
fn open(browser: &mut Browser, link: &Value) -> Reply {
    let form = browser.visit("/claim").form().fill("code", link["link"].as_str().unwrap()).fill("step", "look");
    browser.submit(&form)
}

/// The form behind the button that makes the key.
pub(super) fn offer(browser: &mut Browser, link: &Value) -> Form {
    let page = open(browser, link);
    assert_eq!(page.status, 200, "{}", page.words());
    page.form().press("Make the key")
}

pub(super) fn key_on(page: &Reply) -> String {
    let html = page.text();
    let (_, rest) = html.split_once("class=\"secret\"").unwrap_or_else(|| panic!("{} {}", page.status, page.words()));
    rest.split_once("<code>").and_then(|(_, rest)| rest.split_once("</code>")).unwrap().0.to_owned()
}

fn claims(server: &Server, token: &str) -> Vec<Value> {
    call(server, "GET", "/v1/keys/claims", token, None).json()["claims"].as_array().unwrap().clone()
}

pub(super) const ALL: &str = "keys:read keys:create keys:revoke";

#[test]
fn r023_r040_a_key_is_made_at_claim_shown_once_and_its_link_is_kept_as_a_hash() {
    each(|database| {
        let server = Server::on(database);
        let keys = Keys::at(&server, json!({}));
        let own = token(&server, ALL);
        let link = link(&server, &own, &json!({"expires_in": 3600}));
        assert!(code(&link).starts_with("kw_claim_"));
        assert_eq!((&link["state"], &link["key_id"]), (&json!("open"), &Value::Null));
        assert!(!server.recorded("api_key.created"), "there is no key yet");
        let mut browser = server.browser();
        let form = offer(&mut browser, &link);
        let page = browser.post(&form);
        assert_eq!((page.status, page.field("cache-control")), (200, Some("no-store")));
        let key = key_on(&page);
        assert_eq!(keys.ask(&server, &key, json!({}))["code"], "ok");
        let told = &claims(&server, &own)[0];
        assert_eq!((&told["state"], told.get("link")), (&json!("claimed"), None), "{told}");
        let shown = call(&server, "GET", &format!("/v1/keys/{}", told["key_id"].as_str().unwrap()), &own, None);
        assert!(shown.status == 200 && !shown.text().contains(&key), "the key is its owner's, and not told again");
        let again = browser.post(&form);
        assert!(again.status == 410 && again.says("claimed this key already"), "{}", again.words());
        assert_eq!(keys.ask(&server, &key, json!({}))["code"], "ok", "a page that is loaded again ends nothing");
        assert_eq!(server.events_of("api_key.claimed").len(), 1);
        let mut backdoor = database.backdoor();
        for table in ["key_claims", "audit_events"] {
            let column = if table == "key_claims" { "spec" } else { "data" };
            let found = backdoor.texts(&format!("SELECT CAST({column} AS TEXT) AS text FROM {table}")).concat();
            assert!(!found.is_empty() && !found.contains(code(&link)) && !found.contains(&key), "{table}");
        }
    });
}

#[test]
fn r023_a_second_browser_is_told_and_ends_the_key_that_the_first_made() {
    each(|database| {
        let server = Server::on(database);
        let keys = Keys::at(&server, json!({}));
        let link = link(&server, &token(&server, ALL), &json!({}));
        let (mut first, mut second) = (server.browser(), server.browser());
        let late = offer(&mut second, &link);
        let form = offer(&mut first, &link);
        let key = key_on(&first.post(&form));
        let page = second.post(&late);
        assert!(page.status == 410 && page.says("Somebody else used this link before you"), "{}", page.words());
        server.follow_now();
        assert_eq!(keys.ask(&server, &key, json!({}))["code"], "key_revoked");
        let events = server.events_of("api_key.claim_replayed");
        assert_eq!((events.len(), &events[0].data["state"]), (1, &json!("revoked")));
        assert_eq!(server.events_of("api_key.created").len(), 1);
    });
}

#[test]
fn an_old_mail_that_is_opened_after_its_time_ends_no_key_but_is_recorded() {
    each(|database| {
        let server = Server::on(database);
        let keys = Keys::at(&server, json!({}));
        let link = link(&server, &token(&server, ALL), &json!({"expires_in": 60}));
        let mut first = server.browser();
        let form = offer(&mut first, &link);
        let key = key_on(&first.post(&form));
        server.advance(Span::hours(2));
        let page = open(&mut server.browser(), &link);
        assert!(page.status == 410 && page.says("used before"), "{}", page.words());
        assert_eq!(keys.ask(&server, &key, json!({}))["code"], "ok");
        assert_eq!(server.events_of("api_key.claim_replayed")[0].data["state"], "as_it_was");
    });
}

#[test]
fn programs_that_read_mail_and_open_links_make_nothing_and_end_nothing() {
    each(|database| {
        let server = Server::on(database);
        let keys = Keys::at(&server, json!({}));
        let link = link(&server, &token(&server, ALL), &json!({}));
        for target in ["/claim".to_owned(), format!("/claim?code={}", code(&link))] {
            for method in ["GET", "HEAD"] {
                assert_eq!(server.send(&Request::new(method, &target)).status, 200);
            }
            let forged = encode(&[("code", code(&link)), ("step", "make"), ("csrf", "x")]);
            assert_eq!(server.send(&Request::new("POST", "/claim").form(&forged)).status, 403);
        }
        let page = server.get("/claim");
        assert_eq!(page.field("referrer-policy"), Some("same-origin"), "and a fragment is in no Referer");
        let mut browser = server.browser();
        for _ in 0..3 {
            assert!(open(&mut browser, &link).says("docs.read"), "looking uses nothing up");
        }
        let form = offer(&mut browser, &link);
        assert_eq!(keys.ask(&server, &key_on(&browser.post(&form)), json!({}))["code"], "ok");
    });
}

#[test]
fn of_many_who_claim_at_once_one_gets_a_key() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("server.workers", "2"));
        Keys::at(&server, json!({}));
        let link = link(&server, &token(&server, ALL), &json!({}));
        let ready: Vec<(Browser, Form)> = (0..12)
            .map(|_| {
                let mut browser = server.browser();
                let form = offer(&mut browser, &link);
                (browser, form)
            })
            .collect();
        let barrier = Barrier::new(ready.len());
        let replies: Vec<Reply> = thread::scope(|scope| {
            let barrier = &barrier;
            let started: Vec<_> = ready
                .into_iter()
                .map(|(mut browser, form)| {
                    scope.spawn(move || {
                        barrier.wait();
                        browser.post(&form)
                    })
                })
                .collect();
            started.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
        assert_eq!(replies.iter().filter(|reply| reply.status == 410).count(), 11);
        assert_eq!(server.events_of("api_key.created").len(), 1);
    });
}

#[test]
fn a_link_ends_and_can_be_taken_back_while_nobody_used_it() {
    each(|database| {
        let server = Server::on(database);
        Keys::at(&server, json!({}));
        let (own, stranger) = (token(&server, ALL), token(&server, ALL));
        let (old, back, used) = (
            link(&server, &own, &json!({"expires_in": 60})),
            link(&server, &own, &json!({})),
            link(&server, &own, &json!({})),
        );
        let mut browser = server.browser();
        let waiting = offer(&mut browser, &old);
        server.advance(Span::seconds(61));
        let page = browser.post(&waiting);
        assert!(page.status == 410 && page.says("expired"), "{}", page.words());
        let withdraw = |link: &Value, token: &str| {
            call(&server, "DELETE", &format!("/v1/keys/claims/{}", link["id"].as_str().unwrap()), token, None).status
        };
        assert_eq!(withdraw(&back, &stranger), 404);
        assert_eq!((withdraw(&back, &own), withdraw(&back, &own)), (204, 404));
        assert_eq!(open(&mut browser, &back).status, 404);
        let form = offer(&mut browser, &used);
        key_on(&browser.post(&form));
        assert_eq!(withdraw(&used, &own), 409, "its key can be revoked");
        let all = claims(&server, &own);
        let mut states: Vec<&str> = all.iter().filter_map(|one| one["state"].as_str()).collect();
        states.sort_unstable();
        assert_eq!(states, ["claimed", "expired"]);
        assert_eq!(claims(&server, &stranger).len(), 0);
        assert_eq!(
            (server.events_of("api_key.claim_made").len(), server.events_of("api_key.claim_withdrawn").len()),
            (3, 1)
        );
    });
}

#[test]
fn a_link_for_a_person_wants_them_signed_in_and_a_link_for_anybody_gives_the_key_to_who_signs_in() {
    each(|database| {
        let server = Server::on(database);
        let keys = Keys::at(&server, json!({}));
        let (ada, eve) = (server.person("ada"), server.person("eve"));
        let mut more = json!({"claimed_by": "owner"});
        more["key"] = json!({"api": "docs", "name": "partner", "scope": "docs.read", "anywhere": true,
            "owner": {"type": "user", "id": ada.id}});
        let hers = link(&server, &keys.manager, &more);
        let mut other = server.browser();
        other.sign_in(&eve);
        let page = open(&mut other, &hers);
        assert!(page.status == 403 && page.says("somebody else"), "{}", page.words());
        let mut browser = server.browser();
        let page = open(&mut browser, &hers);
        assert_eq!(page.title(), "Sign in");
        assert!(!page.text().contains(code(&hers)), "it is carried sealed");
        let page = browser.type_in(&page, &ada);
        let page = browser.submit(&page.form().press("Go on"));
        let made = browser.post(&page.form().press("Make the key"));
        assert_eq!(keys.ask(&server, &key_on(&made), json!({}))["owner"]["id"], json!(ada.id));
        assert!(browser.visit("/account/keys").says("partner"), "it is among her keys");
        let open_to_all = link(&server, &keys.manager, &json!({"claimed_by": "anybody"}));
        let form = offer(&mut other, &open_to_all);
        assert_eq!(keys.ask(&server, &key_on(&other.post(&form)), json!({}))["owner"]["id"], json!(eve.id));
    });
}

#[test]
fn who_makes_a_link_may_give_no_more_than_by_making_the_key() {
    each(|database| {
        let server = Server::on(database);
        Keys::at(&server, json!({}));
        let (own, app) = (token(&server, ALL), server.machine());
        let base = || json!({"api": "docs", "name": "x", "scope": "docs.read", "anywhere": true});
        let key = |more: Value| {
            let mut key = base();
            key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"key": key})
        };
        for (body, status) in [
            (key(json!({"owner": {"type": "client", "id": app.id}})), 403),
            (key(json!({"plan": "premium"})), 422),
            (key(json!({"expires_at": "never"})), 422),
            (key(json!({"scope": "docs.admin"})), 422),
            (key(json!({"api": "nothing"})), 404),
            (json!({"key": base(), "claimed_by": "anybody"}), 403),
            (json!({"key": base(), "claimed_by": "owner"}), 422),
            (json!({"key": base(), "expires_in": 86_401}), 422),
            (json!({"key": base(), "expires_in": 1}), 422),
            (json!({"key": base(), "owner": app.id}), 400),
        ] {
            let reply = call(&server, "POST", "/v1/keys/claims", &own, Some(&body));
            assert_eq!(reply.status, status, "{body} {}", reply.text());
        }
        assert!(!server.recorded("api_key.claim_made"));
        for (method, target, scope) in [
            ("GET", "/v1/keys/claims", "keys:read"),
            ("POST", "/v1/keys/claims", "keys:create"),
            ("DELETE", "/v1/keys/claims/clm_x", "keys:revoke"),
        ] {
            let others: Vec<&str> = ALL.split(' ').filter(|one| *one != scope).collect();
            let reply =
                call(&server, method, target, &token(&server, &others.join(" ")), Some(&json!({"key": base()})));
            let wanted = if method == "DELETE" { [403, 404] } else { [403, 403] };
            assert!(wanted.contains(&reply.status), "{method} {}", reply.text());
            assert_eq!(server.send(&Request::new(method, target)).status, 401, "{method}");
        }
    });
}

#[test]
fn a_link_of_somebody_who_is_disabled_meanwhile_makes_nothing_and_links_cannot_be_tried_without_end() {
    each(|database: &Database| {
        let server = Server::on(database);
        let keys = Keys::at(&server, json!({}));
        let app = server.machine();
        let mut more = json!({});
        more["key"] = json!({"api": "docs", "name": "x", "anywhere": true, "owner": {"type": "client", "id": app.id}});
        let link = link(&server, &keys.manager, &more);
        let mut browser = server.browser();
        let form = offer(&mut browser, &link);
        server.disable_client(&app);
        assert_eq!(browser.post(&form).status, 409);
        assert!(!server.recorded("api_key.created"));
        let wrong = json!({"link": format!("/claim#kw_claim_{}", "0".repeat(49))});
        let statuses: Vec<u16> = (0..40).map(|_| open(&mut browser, &wrong).status).collect();
        assert!(statuses.contains(&404) && statuses.last() == Some(&429), "{statuses:?}");
        server.advance(Span::minutes(2));
        assert_eq!(open(&mut browser, &wrong).status, 404);
    });
}

#[test]
fn links_are_tried_no_oftener_from_all_the_addresses_of_one_network() {
    each(|database: &Database| {
        let server = Server::start(database, |settings| settings.set("server.trusted_proxies", "127.0.0.1/32"));
        let wrong = json!({"link": format!("/claim#kw_claim_{}", "0".repeat(49))});
        let from = |address: &str| open(&mut server.browser().from(address), &wrong).status;
        let statuses: Vec<u16> = (0..40).map(|n| from(&format!("2001:db8::{n:x}"))).collect();
        assert!(statuses.first() == Some(&404) && statuses.last() == Some(&429), "{statuses:?}");
        assert_eq!(from("2001:db8:0:1::1"), 404, "another network");
    });
}
