//! Applications are told that a session has ended: OpenID Connect Back-Channel Logout 1.0, over
//! real connections to a listener that stands for the application.

use super::id_token::verified;
use crate::world::{
    App, Browser, Database, ISSUER, Person, Server, Tokens,
    busy::{taken, within},
    each, header,
};
use keywright::base::moment::Span;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

/// Longer than the outbox takes to be looked at.
const PATIENCE: Duration = Duration::from_secs(120);
/// Long enough for a second look.
const A_WHILE: Duration = Duration::from_millis(1500);

/// The application's end: it tells what it was sent, and answers with the statuses it was given,
/// then with 200.
struct Ear {
    address: String,
    heard: Receiver<String>,
    answers: Arc<Mutex<Vec<&'static str>>>,
}

impl Ear {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/logout", listener.local_addr().unwrap());
        let (tell, heard) = channel();
        let answers = Arc::new(Mutex::new(Vec::new()));
        let own = Arc::clone(&answers);
        // It ends with the process: nothing waits for it.
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut text = String::new();
                let mut buffer = [0; 4096];
                while !whole(&text) {
                    let n = stream.read(&mut buffer).unwrap_or(0);
                    if n == 0 {
                        break;
                    }
                    text.push_str(&String::from_utf8_lossy(&buffer[..n]));
                }
                let answer = own.lock().unwrap().pop().unwrap_or("200 OK");
                let _ = write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                if tell.send(text).is_err() {
                    return;
                }
            }
        });
        Self { address, heard, answers }
    }

    fn will_answer(&self, status: &'static str) {
        self.answers.lock().unwrap().insert(0, status);
    }

    /// The logout token of the next request.
    fn token(&self) -> String {
        let request = self.heard.recv_timeout(PATIENCE).expect("something is delivered");
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /logout HTTP/1.1"), "{head}");
        assert!(head.to_lowercase().contains("content-type: application/x-www-form-urlencoded"), "{head}");
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
        body.strip_prefix("logout_token=").expect("and nothing else").to_owned()
    }

    fn hears_nothing(&self) {
        assert!(self.heard.recv_timeout(A_WHILE).is_err());
    }
}

/// Whether all of a request has come.
fn whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| body.len() >= length.trim().parse().unwrap_or(0))
}

struct Scene {
    ear: Ear,
    browser: Browser,
    tokens: Tokens,
    app: App,
    ada: Person,
    server: Server,
}

fn scene(database: &Database, allow: &str) -> Scene {
    let server = Server::start(database, |settings| {
        settings.set("outbound.allow", allow);
        settings.set("outbound.timeout", "60s");
    });
    let ear = Ear::open();
    let app = server.web_app_with(|m| {
        m["backchannel_logout_uri"] = json!(ear.address);
        m["backchannel_logout_session_required"] = json!(true);
    });
    let ada = server.person("ada");
    let mut browser = server.browser();
    let tokens = browser.tokens(&app, &ada);
    Scene { ear, browser, tokens, app, ada, server }
}

fn sign_out(browser: &mut Browser) {
    let page = browser.visit("/end_session");
    assert_eq!(browser.submit(&page.form().press("Sign out")).title(), "Signed out");
}

/// Waits until this is so.
fn until(what: &str, so: impl Fn() -> bool) {
    assert!(within(PATIENCE, so), "not in all that time: {what}");
}

fn outbox(database: &Database, column: &str) -> Vec<String> {
    database.backdoor().texts(&format!("SELECT COALESCE({column}, '') AS text FROM outbox ORDER BY id"))
}

#[test]
fn a_sign_out_is_told_with_a_token_that_says_whose_session_has_ended() {
    each(|database| {
        let mut scene = scene(database, "127.0.0.0/8");
        sign_out(&mut scene.browser);
        let token = scene.ear.token();
        let head = header(&token);
        assert_eq!((&head["typ"], &head["alg"]), (&json!("logout+jwt"), &json!("ES256")), "§2.4");
        let claims = verified(&scene.server, &token);
        let now = scene.server.now().unix();
        let jti = claims["jti"].as_str().unwrap();
        assert!(jti.len() >= 16);
        assert_eq!(
            claims,
            json!({
                "iss": ISSUER, "aud": scene.app.id, "sub": scene.ada.id, "sid": scene.tokens.id_claims()["sid"],
                "iat": now, "exp": now + 120, "jti": jti,
                "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            })
        );
        assert!(claims.get("nonce").is_none(), "it must not pass for an ID token");
        until("recorded", || scene.server.recorded("logout.delivered"));
        scene.ear.hears_nothing();
    });
}

#[test]
fn a_logout_token_opens_nothing_here() {
    each(|database| {
        let mut scene = scene(database, "127.0.0.0/8");
        let mut other = scene.server.browser();
        other.tokens(&scene.app, &scene.ada);
        sign_out(&mut scene.browser);
        let token = scene.ear.token();
        assert_eq!(scene.app.userinfo(&token).status, 401);
        assert!(!scene.app.sees_live(&token));
        let attempt = scene.app.begin().with("id_token_hint", &token).with("prompt", "none");
        assert_eq!(attempt.callback(&other.open(&attempt.url())).error(), "invalid_request");
    });
}

#[test]
fn every_way_to_end_a_session_is_told() {
    each(|database| {
        let mut scene = scene(database, "127.0.0.0/8");
        let sid = |scene: &Scene| verified(&scene.server, &scene.ear.token())["sid"].clone();
        let again = |scene: &mut Scene| {
            scene.server.advance(Span::seconds(1));
            scene.tokens = scene.browser.tokens(&scene.app, &scene.ada);
            scene.tokens.id_claims()["sid"].clone()
        };
        // The application itself.
        let ended = scene.tokens.id_claims()["sid"].clone();
        scene.browser.open(&format!("/end_session?id_token_hint={}", scene.tokens.id));
        assert_eq!(sid(&scene), ended);
        // From the list of sessions.
        let ended = again(&mut scene);
        let page = scene.browser.visit("/account/sessions");
        scene.browser.submit(&page.form().press("Sign out"));
        assert_eq!(sid(&scene), ended);
        // Everywhere, from another browser.
        let ended = again(&mut scene);
        let mut other = scene.server.browser();
        other.sign_in(&scene.ada);
        let page = other.visit("/account/sessions");
        other.submit(&page.form().press("Sign out everywhere"));
        assert_eq!(sid(&scene), ended);
        // Another person signs in at the same browser.
        let ended = again(&mut scene);
        let bob = scene.server.person("bob");
        scene.browser.sign_in(&bob);
        assert_eq!(sid(&scene), ended);
        // The password is changed elsewhere.
        scene.browser = scene.server.browser();
        let ended = again(&mut scene);
        let mut other = scene.server.browser();
        other.sign_in(&scene.ada);
        let new = "seven amber kites over Lisbon";
        let form = other.visit("/account/password").form().fill("current_password", &scene.ada.password);
        other.submit(&form.fill("new_password", new).fill("new_password_again", new));
        assert_eq!(sid(&scene), ended);
        scene.ear.hears_nothing();
    });
}

#[test]
fn who_is_disabled_is_signed_out_of_applications_too() {
    each(|database| {
        let scene = scene(database, "127.0.0.0/8");
        scene.server.disable(&scene.ada);
        assert_eq!(verified(&scene.server, &scene.ear.token())["sid"], scene.tokens.id_claims()["sid"]);
    });
}

#[test]
fn only_the_applications_of_that_session_are_told() {
    each(|database| {
        let mut scene = scene(database, "127.0.0.0/8");
        let (second, stranger) = (Ear::open(), Ear::open());
        let also = scene.server.web_app_with(|m| m["backchannel_logout_uri"] = json!(second.address));
        let other = scene.server.web_app_with(|m| m["backchannel_logout_uri"] = json!(stranger.address));
        scene.browser.tokens(&also, &scene.ada);
        scene.server.browser().tokens(&other, &scene.ada);
        sign_out(&mut scene.browser);
        assert_eq!(verified(&scene.server, &scene.ear.token())["aud"], scene.app.id.as_str());
        assert_eq!(verified(&scene.server, &second.token())["aud"], also.id.as_str());
        stranger.hears_nothing();
    });
}

#[test]
fn an_application_that_redeems_its_code_while_the_session_ends_is_told() {
    each(|database| {
        if database.is_sqlite() {
            // There is one writer at a time there: the code is redeemed before the end, or never.
            return;
        }
        let mut scene = scene(database, "127.0.0.0/8");
        let second = Ear::open();
        let also = scene.server.web_app_with(|m| m["backchannel_logout_uri"] = json!(second.address));
        let attempt = also.begin();
        let callback = scene.browser.approve(&attempt, &scene.ada);
        // Whoever adds a grant waits, with the code in their hands.
        let mut holder = database.backdoor();
        holder.execute(
            "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             PERFORM pg_advisory_xact_lock(hashtext(current_schema())); RETURN NEW; END $$",
        );
        holder.execute("CREATE TRIGGER hold BEFORE INSERT ON grants FOR EACH ROW EXECUTE FUNCTION hold()");
        holder.execute("BEGIN; SELECT pg_advisory_xact_lock(hashtext(current_schema()))");
        let redeemed = thread::scope(|scope| {
            let redeeming = scope.spawn(|| also.redeem(&attempt, callback.code()));
            database.until_waiting(1);
            let ending = scope.spawn(|| sign_out(&mut scene.browser));
            database.until_waiting(2);
            holder.execute("COMMIT");
            ending.join().unwrap();
            redeeming.join().unwrap()
        });
        assert_eq!(redeemed.status, 200);
        assert_eq!(verified(&scene.server, &second.token())["aud"], also.id.as_str());
        scene.server.follow_now();
        assert!(!also.sees_live(&redeemed.tokens().access));
    });
}

#[test]
fn what_fails_is_tried_again_later_with_a_fresh_token() {
    each(|database| {
        let mut scene = scene(database, "127.0.0.0/8");
        scene.ear.will_answer("500 Broken");
        scene.ear.will_answer("302 Found\r\nLocation: http://127.0.0.1:1/");
        scene.ear.will_answer("204 No Content");
        sign_out(&mut scene.browser);
        let mut names = BTreeSet::new();
        let mut name = |scene: &Scene| {
            let claims: Value = verified(&scene.server, &scene.ear.token());
            assert_eq!(claims["iat"], scene.server.now().unix());
            assert!(names.insert(claims["jti"].as_str().unwrap().to_owned()), "each has a name of its own");
        };
        name(&scene);
        until("written down", || outbox(database, "last_error") == ["the answer has status 500"]);
        scene.ear.hears_nothing();
        scene.server.advance(Span::seconds(6));
        name(&scene);
        until("written down", || outbox(database, "last_error") == ["the answer has status 302"]);
        scene.server.advance(Span::seconds(11));
        name(&scene);
        until("recorded", || scene.server.recorded("logout.delivered"));
        assert_eq!(scene.server.events_of("logout.delivered")[0].data["attempts"], 3);
        scene.server.advance(Span::hours(2));
        scene.ear.hears_nothing();
    });
}

#[test]
fn after_a_day_of_failures_it_is_given_up_and_recorded() {
    each(|database| {
        let mut scene = scene(database, "127.0.0.0/8");
        scene.ear.will_answer("503 Down");
        scene.ear.will_answer("400 Bad Request");
        sign_out(&mut scene.browser);
        scene.ear.token();
        until("written down", || outbox(database, "last_error") == ["the answer has status 503"]);
        scene.server.advance(Span::hours(25));
        scene.ear.token();
        until("recorded", || scene.server.recorded("logout.failed"));
        let event = &scene.server.events_of("logout.failed")[0].data;
        assert_eq!((&event["attempts"], &event["why"]), (&json!(2), &json!("status")));
        scene.server.advance(Span::hours(2));
        scene.ear.hears_nothing();
    });
}

#[test]
fn a_private_address_that_the_operator_does_not_list_is_not_called() {
    each(|database| {
        for allow in ["", "10.0.0.0/8,127.0.0.2/32,localhost"] {
            let server = Server::start(database, |settings| settings.set("outbound.allow", allow));
            let ear = Ear::open();
            let app = server.web_app_with(|m| m["backchannel_logout_uri"] = json!(ear.address));
            let name = if allow.is_empty() { "ada" } else { "bob" };
            let person = server.person(name);
            let mut browser = server.browser();
            browser.tokens(&app, &person);
            sign_out(&mut browser);
            let said = || outbox(database, "last_error").last().is_some_and(|error| error.contains("not public"));
            until("refused", said);
            ear.hears_nothing();
        }
    });
}

#[test]
fn the_sign_out_does_not_wait_for_an_application_that_does_not_answer() {
    each(|database| {
        let server = Server::start(database, |settings| {
            settings.set("outbound.allow", "127.0.0.0/8");
            settings.set("outbound.timeout", "15s");
        });
        // It takes connections, and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}/logout", silent.local_addr().unwrap());
        let app = server.web_app_with(|m| m["backchannel_logout_uri"] = json!(uri));
        let ada = server.person("ada");
        let mut browser = server.browser();
        browser.tokens(&app, &ada);
        let took = taken(|| sign_out(&mut browser));
        assert!(took < Duration::from_secs(14), "{took:?}");
        until("given up for now", || outbox(database, "last_error") == ["it took too long"]);
    });
}
