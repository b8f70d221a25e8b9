//! One's own API keys in the browser: made after a fresh sign-in, shown once, rotated, ended; never
//! somebody else's.

use crate::{
    keys::Keys,
    world::{Browser, DOCS, Database, Person, Reply, Request, Server, each, encode, html::Form},
};
use keywright::{
    base::{fault::Stop, id::ApiKeyId, moment::Span},
    store::{
        Tx,
        usage::{Counts, UsageRow},
    },
};
use serde_json::json;

struct Scene {
    server: Server,
    keys: Keys,
    ada: Person,
    browser: Browser,
}

fn scene(database: &Database) -> Scene {
    let server = Server::on(database);
    let keys = Keys::at(&server, json!({"public_keys": true}));
    let ada = server.person("ada");
    let mut browser = server.browser();
    browser.sign_in(&ada);
    Scene { server, keys, ada, browser }
}

/// The form for a key that may be used from anywhere.
fn form(browser: &mut Browser) -> Form {
    let page = browser.visit("/account/keys/new?api=docs&for=job");
    assert_eq!(page.status, 200, "{}", page.text());
    page.form().fill("name", "Nightly backup").fill("scope", "docs.read")
}

/// The text of the key on the page that shows it.
fn text_on(page: &Reply) -> String {
    let html = page.text();
    let (_, rest) = html.split_once("class=\"secret\"").unwrap_or_else(|| panic!("{} {html}", page.status));
    let text = rest.split_once("<code>").and_then(|(_, rest)| rest.split_once("</code>")).unwrap().0;
    text.to_owned()
}

/// The handle of the key on the page that shows it.
fn id_on(page: &Reply) -> String {
    let html = page.text();
    let (_, rest) = html.split_once("/account/keys/key_").unwrap();
    format!("key_{}", rest.split(['?', '"', '/']).next().unwrap())
}

impl Scene {
    fn make(&mut self) -> (String, String) {
        let form = form(&mut self.browser);
        let page = self.browser.post(&form);
        assert_eq!(page.status, 200, "{}", page.words());
        (id_on(&page), text_on(&page))
    }

    fn code(&self, text: &str) -> String {
        self.server.follow_now();
        self.keys.ask(&self.server, text, json!({}))["code"].as_str().unwrap().to_owned()
    }

    /// Presses a button of the page of a key.
    fn press(&mut self, id: &str, says: &str) -> Reply {
        let form = self.browser.visit(&format!("/account/keys/{id}")).form().press(says);
        self.browser.submit(&form)
    }
}

#[test]
fn r001_a_key_is_shown_once_to_whoever_made_it_and_stored_nowhere() {
    each(|database| {
        let mut scene = scene(database);
        let form = form(&mut scene.browser);
        let page = scene.browser.post(&form);
        let (id, text) = (id_on(&page), text_on(&page));
        assert_eq!((page.status, page.field("cache-control")), (200, Some("no-store")));
        assert!(text.starts_with("kw_live_") && page.says(&format!("DOCS_API_KEY={text}")), "{}", page.words());
        for words in ["curl", "Python", "JavaScript", "Go", "Rust", "Secret managers", "I stored it"] {
            assert!(page.says(words), "{words}");
        }
        assert_eq!(page.text().matches(&text).count(), 2, "the key itself and the line for .env");
        assert_eq!(scene.code(&text), "ok");
        let again = scene.browser.post(&form);
        assert_eq!(again.location(), format!("/account/keys/{id}?saved=shown"), "sent again, it makes no other");
        assert!(scene.browser.follow(again).says("shown only once"));
        assert_eq!(scene.server.events_of("api_key.created").len(), 1);
        for address in ["/account/keys".to_owned(), format!("/account/keys/{id}?saved=stored")] {
            let page = scene.browser.open(&address);
            assert!(page.says("Nightly backup") && !page.text().contains(&text), "{address}");
        }
        let mut backdoor = database.backdoor();
        for column in ["hint", "policy", "meta"] {
            let found = backdoor.texts(&format!("SELECT CAST({column} AS TEXT) AS text FROM api_keys"));
            assert!(!found.is_empty() && !found.concat().contains(&text), "{column}");
        }
        let events = backdoor.texts("SELECT CAST(data AS TEXT) AS text FROM audit_events");
        assert!(!events.concat().contains(&text[..20]));
    });
}

#[test]
fn making_and_rotating_needs_a_sign_in_of_the_last_five_minutes_and_leads_back() {
    each(|database| {
        let mut scene = scene(database);
        let (id, text) = scene.make();
        let (make, rotate) =
            (form(&mut scene.browser), scene.browser.visit(&format!("/account/keys/{id}/rotate")).form());
        scene.server.advance(Span::minutes(6));
        for (reply, to) in [
            (scene.browser.open("/account/keys/new"), "new-key".to_owned()),
            (scene.browser.post(&make.fill("once", "another")), "new-key".to_owned()),
            (scene.browser.open(&format!("/account/keys/{id}/rotate")), format!("rotate.{id}")),
            (scene.browser.post(&rotate.fill("overlap", "24")), format!("rotate.{id}")),
        ] {
            let location = reply.location().split("&kept=").next().unwrap();
            assert_eq!((reply.status, location), (303, format!("/sign-in?to={to}").as_str()));
        }
        assert_eq!(scene.server.events_of("api_key.created").len(), 1);
        let page = scene.browser.visit(&format!("/account/keys/{id}/rotate"));
        let wrong = page.form().fill("username", "ada").fill("password", "not this one at all");
        let page = scene.browser.post(&wrong);
        let page = scene.browser.type_in(&page, &scene.ada);
        assert!(page.title().starts_with("Rotate"), "{}", page.title());
        scene.server.advance(Span::minutes(6));
        assert_eq!(scene.press(&id, "Switch off").status, 200, "ending a key must be easy");
        assert_eq!(scene.code(&text), "key_disabled");
        let form = scene.browser.visit(&format!("/account/keys/{id}")).form().press("Switch on");
        let reply = scene.browser.post(&form);
        assert_eq!((reply.status, reply.location()), (303, format!("/sign-in?to=key.{id}").as_str()));
        assert_eq!(scene.code(&text), "key_disabled", "who is at a screen that was left alone brings no key back");
    });
}

#[test]
fn what_was_typed_is_there_again_after_the_sign_in_and_nothing_is_made_by_itself() {
    each(|database| {
        let mut scene = scene(database);
        let (id, _) = scene.make();
        let server = page_for(&mut scene.browser, "server").fill("name", "Half an hour of thought");
        let form = server.fill("addresses", "203.0.113.9\n2001:db8::/48").fill("scope", "docs.write").fill("days", "7");
        let rotate = scene.browser.visit(&format!("/account/keys/{id}/rotate")).form().fill("overlap", "168");
        scene.server.advance(Span::minutes(6));
        let page = scene.browser.submit(&form);
        assert_eq!(page.title(), "Sign in");
        let (sign_in, kept) = (page.form(), page.form().action.clone());
        assert!(!page.text().contains("203.0.113.9") && kept.contains("&kept="), "it is carried sealed");
        let eve = scene.server.person("eve");
        let mut other = scene.server.browser();
        other.sign_in(&eve);
        let query = kept.split_once("&kept=").unwrap().1;
        let strange = other.visit(&format!("/account/keys/new?kept={query}"));
        assert!(strange.title() == "Make a key" && !strange.text().contains("Half an hour"), "hers alone");
        let wrong = sign_in.fill("username", "ada").fill("password", "not this one at all");
        let page = scene.browser.post(&wrong);
        let page = scene.browser.type_in(&page, &scene.ada);
        assert!(page.says("You are signed in again. Nothing was done yet"), "{}", page.words());
        let back = page.form();
        for (name, value) in [("name", "Half an hour of thought"), ("scope", "docs.write"), ("days", "7")] {
            assert_eq!(back.field(name), Some(value), "{name}");
        }
        assert!(page.text().contains("203.0.113.9\n2001:db8::/48"));
        assert_eq!(scene.server.events_of("api_key.created").len(), 1);
        text_on(&scene.browser.post(&back));
        assert_eq!(scene.server.events_of("api_key.created").len(), 2);
        scene.server.advance(Span::minutes(6));
        let page = scene.browser.submit(&rotate);
        let page = scene.browser.type_in(&page, &scene.ada);
        assert_eq!(page.form().field("overlap"), Some("168"));
        assert!(!scene.server.recorded("api_key.rotated"));
    });
}

fn page_for(browser: &mut Browser, purpose: &str) -> Form {
    browser.visit(&format!("/account/keys/new?api=docs&for={purpose}")).form()
}

#[test]
fn a_form_that_we_did_not_show_is_refused_everywhere() {
    each(|database| {
        let mut scene = scene(database);
        let (id, text) = scene.make();
        let own = format!("/account/keys/{id}");
        for target in
            ["/account/keys/new", &own, &format!("{own}/rotate"), &format!("{own}/revoke"), &format!("{own}/check")]
        {
            let fields = [("csrf", "x"), ("step", "disable"), ("overlap", "24"), ("api", "docs"), ("for", "job")];
            let reply = scene.browser.send(Request::new("POST", target).form(&encode(&fields)));
            assert_eq!(reply.status, 403, "{target}");
            let reply = scene.server.post(target, &fields);
            assert_eq!((reply.status, reply.location()), (303, "/sign-in"), "{target}");
        }
        assert_eq!(scene.code(&text), "ok");
    });
}

#[test]
fn somebody_elses_key_does_not_exist() {
    each(|database| {
        let mut scene = scene(database);
        let (id, text) = scene.make();
        let eve = scene.server.person("eve");
        let mut other = scene.server.browser();
        other.sign_in(&eve);
        let token = form(&mut other).field("csrf").unwrap().to_owned();
        assert!(!other.open("/account/keys").says("Nightly backup"));
        for path in ["", "/rotate", "/revoke"] {
            assert_eq!(other.open(&format!("/account/keys/{id}{path}")).status, 404, "{path}");
        }
        for (path, step) in [("", "disable"), ("", "finish"), ("/rotate", ""), ("/revoke", ""), ("/check", "")] {
            let fields = [("csrf", token.as_str()), ("step", step), ("overlap", "24")];
            let reply = other.send(Request::new("POST", &format!("/account/keys/{id}{path}")).form(&encode(&fields)));
            assert_eq!(reply.status, 404, "{path} {step}");
        }
        for nonsense in ["key_x", "nonsense", "key_%2e%2e", "fam_1"] {
            assert_eq!(scene.browser.open(&format!("/account/keys/{nonsense}")).status, 404, "{nonsense}");
        }
        assert_eq!(scene.code(&text), "ok");
    });
}

#[test]
fn what_is_wrong_is_said_beside_its_field_and_nothing_typed_is_lost() {
    each(|database| {
        let mut scene = scene(database);
        let bare = scene.browser.visit("/account/keys/new?api=docs&for=server").form();
        let page = |browser: &mut Browser, kind: &str| browser.visit(&format!("/account/keys/new?api=docs&for={kind}"));
        let named = bare.clone().fill("name", "n");
        for (form, at, words) in [
            (bare.clone().fill("addresses", "203.0.113.9"), "name-problem", "It must have 1 to 100 characters"),
            (named.clone(), "addresses-problem", "Name an address, or tick the box below."),
            (named.clone().fill("addresses", "203.0.113.9\nnonsense"), "addresses-problem", "Entry 2"),
            (named.clone().fill("anywhere", "yes").fill("scope", "docs.admin"), "scope-problem", "does not offer"),
            (named.clone().fill("anywhere", "yes").fill("days", "36500"), "days-problem", "one of those offered"),
            (
                page(&mut scene.browser, "page").form().fill("name", "n").fill("scope", "docs.read"),
                "pages-problem",
                "Name the pages",
            ),
            (
                page(&mut scene.browser, "page")
                    .form()
                    .fill("name", "n")
                    .fill("scope", "docs.write")
                    .fill("pages", "https://a.example"),
                "scope-problem",
                "must only read",
            ),
        ] {
            let page = scene.browser.post(&form);
            assert_eq!(page.status, 422, "{words}: {}", page.words());
            assert!(page.says("No key was made") && page.says(words), "{words}: {}", page.words());
            assert!(page.text().contains(&format!("id=\"{at}\"")), "{at}");
        }
        let page = scene.browser.post(&named.fill("name", "<b>x").fill("addresses", "nonsense"));
        assert_eq!(page.form().field("name"), Some("<b>x"));
        assert!(page.text().contains(">\nnonsense</textarea>") && !page.text().contains("<b>x"));
        assert!(!scene.server.recorded("api_key.created"));
    });
}

#[test]
fn a_key_is_restricted_as_was_typed_and_the_page_says_whether_a_request_would_pass() {
    each(|database| {
        let mut scene = scene(database);
        let form = scene.browser.visit("/account/keys/new?api=docs&for=server").form();
        let form = form.fill("name", "n").fill("addresses", "203.0.113.9, 2001:db8::/48").fill("scope", "docs.read");
        let page = scene.browser.post(&form.fill("reading", "yes"));
        let (id, text) = (id_on(&page), text_on(&page));
        let ask = |address: &str, method: &str| {
            let call = json!({"request": {"ip": address, "method": method, "path": "/x"}});
            scene.keys.ask(&scene.server, &text, call)["code"].as_str().unwrap().to_owned()
        };
        assert_eq!(ask("203.0.113.9", "GET"), "ok");
        assert_eq!(
            (ask("203.0.113.10", "GET"), ask("203.0.113.9", "POST")),
            ("restricted".into(), "restricted".into())
        );
        let html = scene.browser.visit(&format!("/account/keys/{id}")).text();
        let check = Form::of(&html[html.find("id=\"check\"").unwrap()..]).unwrap();
        for (fields, words) in [
            (vec![("address", "203.0.113.9"), ("method", "get"), ("path", "/x")], "It would pass."),
            (
                vec![("address", "203.0.113.10"), ("method", "GET"), ("path", "/x")],
                "It would be refused. Address (this key): not allowed.",
            ),
            (vec![("method", "GET"), ("path", "/x")], "It would be refused. Address (this key): not said"),
            (
                vec![("address", "203.0.113.9"), ("method", "GET"), ("path", "/x"), ("scope", "docs.write")],
                "lacks a scope",
            ),
            (vec![("scope", "\"")], "These are no scopes"),
        ] {
            let form = fields.into_iter().fold(check.clone(), |form, (name, value)| form.fill(name, value));
            let page = scene.browser.post(&form);
            assert_eq!(page.status, 200);
            assert!(page.says(words), "{words}: {}", page.words());
        }
        let page = scene.browser.visit(&format!("/account/keys/{id}"));
        assert!(page.says("allow 203.0.113.9, 2001:db8::/48") && page.says("burst: 100 calls"), "{}", page.words());
    });
}

#[test]
fn r006_a_rotation_shows_the_new_key_once_and_both_keys_until_the_old_one_ends() {
    each(|database| {
        let mut scene = scene(database);
        let (id, old) = scene.make();
        let form = scene.browser.visit(&format!("/account/keys/{id}/rotate")).form();
        assert_eq!(form.field("overlap"), Some("24"), "a day, unless somebody chooses");
        let page = scene.browser.post(&form.clone().fill("overlap", "0"));
        assert!(page.status == 422 && page.says("Type the word “now”"), "{}", page.words());
        let page = scene.browser.post(&form);
        let (new_id, new) = (id_on(&page), text_on(&page));
        assert_eq!(page.field("cache-control"), Some("no-store"));
        assert_ne!((&id, &old), (&new_id, &new));
        assert_eq!((scene.code(&old), scene.code(&new)), ("ok".into(), "ok".into()));
        let again = scene.browser.post(&form);
        assert_eq!(again.location(), format!("/account/keys/{id}?saved=key-as-it-is"), "sent again, it makes no other");
        let page = scene.browser.visit(&format!("/account/keys/{new_id}"));
        assert!(page.says("made by rotation"), "where it came from is told: {}", page.words());
        let page = scene.press(&id, "End the old key now");
        assert!(page.status == 409 && page.says("within the last hour"), "{}", page.words());
        assert!(page.text().contains(&format!("/account/keys/{new_id}")), "both keys are there");
        let insists = page.form().press("End the old key now").fill("insist", "yes");
        assert!(scene.browser.submit(&insists).says("The old key has ended"));
        assert_eq!((scene.code(&old), scene.code(&new)), ("key_expired".into(), "ok".into()));
    });
}

#[test]
fn r085_the_page_of_a_key_shows_its_rotation_while_the_overlap_runs() {
    each(|database| {
        let mut scene = scene(database);
        let (id, old) = scene.make();
        assert!(!scene.browser.visit(&format!("/account/keys/{id}")).text().contains("id=\"rotation\""));
        let form = scene.browser.visit(&format!("/account/keys/{id}/rotate")).form();
        let page = scene.browser.post(&form);
        let (new_id, new) = (id_on(&page), text_on(&page));
        let page = scene.browser.visit(&format!("/account/keys/{id}"));
        assert!(page.says("The new key has not been used yet") && page.says("Nobody has used the old key of late"));
        let used = |scene: &Scene, text: &str, ua: &str| {
            scene.server.follow_now();
            let request = json!({"request": {"ip": "203.0.113.9", "user_agent": ua}});
            assert_eq!(scene.keys.ask(&scene.server, text, request)["code"], "ok");
        };
        used(&scene, &old, "old-program <b>1</b>");
        used(&scene, &new, "new-program");
        for id in [&id, &new_id] {
            let page = scene.browser.visit(&format!("/account/keys/{id}"));
            for words in ["The old key is still used", "203.0.113.9", "old-program", "new-program", "1 January 2026"] {
                assert!(page.says(words), "{words}: {}", page.words());
            }
            assert!(!page.says("not been used yet") && !page.text().contains("<b>1</b>"));
        }
        scene.server.advance(Span::hours(25));
        let mut browser = scene.server.browser();
        browser.sign_in(&scene.ada);
        let page = browser.visit(&format!("/account/keys/{id}"));
        assert!(page.says("expired") && !page.text().contains("id=\"rotation\""), "{}", page.words());
    });
}

#[test]
fn a_key_is_switched_off_and_on_and_revoked_after_a_question() {
    each(|database| {
        let mut scene = scene(database);
        let (id, text) = scene.make();
        assert!(scene.press(&id, "Switch off").says("The key is switched off"));
        assert_eq!(scene.code(&text), "key_disabled");
        assert!(scene.press(&id, "Switch on").says("The key is switched on"));
        assert_eq!(scene.code(&text), "ok");
        let page = scene.browser.visit(&format!("/account/keys/{id}/revoke"));
        assert!(page.says("never be switched on again"), "{}", page.words());
        assert_eq!(scene.code(&text), "ok", "looking ends nothing");
        let page = scene.browser.submit(&page.form().fill("reason", "laptop lost"));
        assert!(page.says("revoked for good") && page.says("laptop lost"), "{}", page.words());
        assert_eq!(scene.code(&text), "key_revoked");
        let by = &scene.server.events_of("api_key.revoked")[0];
        assert_eq!(by.data["reason"], json!("laptop lost"));
        let mut form = page.form();
        form.action = format!("/account/keys/{id}");
        assert_eq!(scene.browser.post(&form.fill("step", "enable")).status, 409);
        assert_eq!(scene.code(&text), "key_revoked");
    });
}

#[test]
fn a_suspended_key_is_not_its_owners_to_switch_on() {
    each(|database| {
        let mut scene = scene(database);
        let (id, text) = scene.make();
        database.backdoor().execute("UPDATE api_keys SET state = 'suspended'");
        let page = scene.browser.visit(&format!("/account/keys/{id}"));
        assert!(page.says("suspended") && !page.says("Switch o") && page.says("Revoke"), "{}", page.words());
        let refused = scene.browser.post(&page.form().fill("step", "enable"));
        assert!(refused.status == 409 && refused.says("suspended for how it was used"), "{}", refused.words());
        assert_eq!(scene.code(&text), "key_suspended");
    });
}

#[test]
fn the_list_shows_use_and_the_overview_leads_there() {
    each(|database| {
        let mut scene = scene(database);
        let (id, text) = scene.make();
        assert!(scene.browser.open("/account").text().contains("href=\"/account/keys\""));
        assert!(scene.browser.open("/account/keys").says("No use in 7 days"));
        for _ in 0..3 {
            assert_eq!(scene.code(&text), "ok");
        }
        scene.server.run(keywright::flow::api_keys::usage::flush(&scene.server.world)).unwrap();
        let list = scene.browser.open("/account/keys").text();
        assert!(list.contains("Calls of the last 7 days: 3 good, 0 refused."), "{list}");
        let page = scene.browser.open(&format!("/account/keys/{id}"));
        assert!(page.says("Calls of the last 14 days: 3 good, 0 refused."), "{}", page.words());
        assert!(!page.says("The API reported"), "nothing was reported");
        let counts = Counts { reported: 3, errors_4: 1, bytes_in: 999, bytes_out: 4_560_000, ..Counts::default() };
        let key = ApiKeyId::parse(&id).unwrap();
        let row = UsageRow { key, minute: scene.server.now(), outcome: "ok".to_owned(), counts };
        let add = move |tx: &mut Tx<'_>| -> Result<(), Stop<()>> { Ok(tx.usage().add(std::slice::from_ref(&row))?) };
        scene.server.run(scene.server.world.store.write("test", add)).unwrap();
        let page = scene.browser.open(&format!("/account/keys/{id}"));
        let said = "The API reported 3 of them: 33.3 % errors (1 with 4xx, 0 with 5xx), 4.5 MB sent, 999 B received.";
        assert!(page.says(said), "{}", page.words());
        let choice = scene.browser.open("/account/keys/new");
        assert!(choice.says("Is a key what you need?") && choice.says(DOCS), "{}", choice.words());
    });
}
