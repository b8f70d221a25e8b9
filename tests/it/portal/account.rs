//! One's own account: ASVS 5.0 §6.2.2, §6.2.3, §7.4, §7.5.2, §8.2.2.

use super::sign_in::{is_here, try_with};
use crate::world::{App, Browser, Database, Person, Reply, Server, Tokens, each};
use keywright::base::moment::Span;

const NEW: &str = "seven amber kites over Lisbon";

struct Scene {
    server: Server,
    ada: Person,
    app: App,
    browser: Browser,
    tokens: Tokens,
}

fn scene(database: &Database) -> Scene {
    let server = Server::on(database);
    let (ada, app) = (server.person("ada"), server.web_app().scope("openid profile email docs.read offline_access"));
    let mut browser = server.browser();
    let tokens = browser.tokens(&app, &ada);
    Scene { server, ada, app, browser, tokens }
}

impl Scene {
    /// Whatever was granted has ended.
    fn is_dead(&self, tokens: &Tokens) {
        self.server.follow_now();
        assert_eq!(self.app.refresh(&tokens.refresh).error(), "invalid_grant");
        assert!(!self.app.sees_live(&tokens.access));
        assert_eq!(self.app.userinfo(&tokens.access).status, 401);
    }

    fn change(&mut self, current: &str, new: &str, again: &str) -> Reply {
        let form = self.browser.visit("/account/password").form();
        let form = form.fill("current_password", current).fill("new_password", new);
        self.browser.post(&form.fill("new_password_again", again))
    }
}

#[test]
fn every_page_needs_somebody_who_is_signed_in() {
    each(|database| {
        let server = Server::on(database);
        for page in ["", "/profile", "/password", "/sessions", "/consents"] {
            let target = format!("/account{page}");
            let reply = server.get(&target);
            assert_eq!((reply.status, reply.location()), (303, "/sign-in"), "{target}");
            if !page.is_empty() {
                let reply = server.post(&target, &[("csrf", "x"), ("end", "everywhere")]);
                assert_eq!((reply.status, reply.location()), (303, "/sign-in"), "{target}");
            }
        }
    });
}

#[test]
fn the_overview_says_what_there_is() {
    each(|database| {
        let Scene { mut browser, ada, server, .. } = scene(database);
        let page = browser.open("/account");
        for words in ["Hello, ada Example", "ada@example.org", "signed in here only", "One may use your account"] {
            assert!(page.says(words), "{words}: {}", page.words());
        }
        server.browser().sign_in(&ada);
        assert!(browser.open("/account").says("signed in at 2 places"));
    });
}

#[test]
fn a_profile_is_saved_shown_and_recorded_by_the_names_of_what_changed() {
    each(|database| {
        let Scene { mut browser, server, app, tokens, .. } = scene(database);
        let page = browser.visit("/account/profile");
        assert!(page.says("Confirmed as yours"), "{}", page.words());
        let evil = "\"><script>alert(1)</script>";
        let page = browser.submit(&page.form().fill("nickname", evil).fill("email", "a@b.example"));
        assert!(page.says("Your profile is saved"), "{}", page.words());
        assert_eq!(page.form().field("nickname"), Some(evil));
        assert!(!page.text().contains("<script>alert"), "text stays text");
        assert!(page.says("Not confirmed yet"), "{}", page.words());
        let told = app.userinfo(&tokens.access).json();
        assert_eq!((&told["nickname"], &told["email_verified"]), (&evil.into(), &false.into()));
        assert_eq!(
            server.events_of("user.profile_changed")[0].data["members"],
            serde_json::json!(["nickname", "email"])
        );
    });
}

#[test]
fn what_is_wrong_in_a_profile_is_said_at_its_place_and_nothing_is_saved() {
    each(|database| {
        let Scene { mut browser, server, .. } = scene(database);
        let form = browser.visit("/account/profile").form();
        let wrong = form.fill("name", "Other").fill("website", "javascript:alert(1)").fill("email", "nowhere");
        let page = browser.post(&wrong);
        assert_eq!(page.status, 422);
        assert!(page.says("Nothing was saved") && page.says("http or https"), "{}", page.words());
        assert_eq!(page.form().field("name"), Some("Other"), "nothing typed is lost");
        assert!(!server.recorded("user.profile_changed"));
        assert_eq!(browser.visit("/account/profile").form().field("name"), Some("ada Example"));
    });
}

#[test]
fn nobody_becomes_somebody_else_by_more_fields() {
    each(|database| {
        let Scene { mut browser, app, tokens, ada, server: _server, .. } = scene(database);
        let mut form = browser.visit("/account/profile").form();
        for (name, value) in [
            ("username", "root"),
            ("preferred_username", "root"),
            ("sub", "usr_root"),
            ("id", "usr_root"),
            ("email_verified", "true"),
            ("phone_number", "+1"),
            ("disabled_at", ""),
        ] {
            form = form.fill(name, value);
        }
        assert_eq!(browser.post(&form.fill("email", "other@example.org")).status, 303);
        let told = app.userinfo(&tokens.access).json();
        assert_eq!((&told["sub"], &told["preferred_username"]), (&ada.id.as_str().into(), &"ada".into()));
        assert_eq!((&told["email_verified"], told.get("phone_number")), (&false.into(), None));
    });
}

#[test]
fn a_new_password_needs_the_present_one_and_must_be_good() {
    each(|database| {
        let mut scene = scene(database);
        let own = scene.ada.password.clone();
        for (current, new, again, said) in [
            ("wrong wrong wrong", NEW, NEW, "not your present password"),
            ("", NEW, NEW, "not your present password"),
            (own.as_str(), NEW, "seven amber kites", "not the same"),
            (&own, "short", "short", "at least 12 characters"),
            (&own, "", "", "at least 12 characters"),
            (&own, "password1234", "password1234", "easy to guess"),
            (&own, &own, &own, "your present password"),
            (&own, "ada Example ada Example", "ada Example ada Example", "Leave out"),
        ] {
            let page = scene.change(current, new, again);
            assert_eq!(page.status, 422, "{new}");
            assert!(page.says(said), "{said}: {}", page.words());
            assert!(new.is_empty() || !page.text().contains(&format!("value=\"{new}\"")), "never written back");
        }
        assert!(!scene.server.recorded("user.password_changed"));
        assert_eq!(scene.app.refresh(&scene.tokens.refresh).status, 200, "nothing has ended");
        assert_eq!(try_with(&mut scene.server.browser(), "ada", &own).status, 303);
    });
}

#[test]
fn a_new_password_ends_every_other_session_and_everything_that_was_granted() {
    each(|database| {
        let mut scene = scene(database);
        let mut other = scene.server.browser();
        other.sign_in(&scene.ada);
        let mut old = scene.browser.clone();
        let own = scene.ada.password.clone();
        let reply = scene.change(&own, NEW, NEW);
        assert_eq!((reply.status, reply.location()), (303, "/account/password?saved=password"));
        assert!(is_here(&mut scene.browser), "here the person stays");
        assert!(!is_here(&mut old), "under a new secret");
        assert!(!is_here(&mut other));
        let tokens = scene.tokens.clone();
        scene.is_dead(&tokens);
        assert_eq!(try_with(&mut scene.server.browser(), "ada", &own).status, 200, "the old one is worth nothing");
        assert_eq!(try_with(&mut scene.server.browser(), "ada", NEW).status, 303);
        assert_eq!(scene.server.events_of("user.password_changed").len(), 1);
    });
}

#[test]
fn the_list_of_sessions_says_where_and_ends_one_with_what_was_granted_in_it() {
    each(|database| {
        let Scene { mut browser, server, ada, app, .. } = scene(database);
        let app = app.scope("openid docs.read");
        let mut other = server.browser();
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        other.always.push(("User-Agent".to_owned(), agent.to_owned()));
        server.advance(Span::minutes(1));
        let tokens = other.tokens(&app, &ada);
        let page = browser.visit("/account/sessions");
        for words in ["Firefox on Linux", "Unknown device this one", "127.0.0.1"] {
            assert!(page.says(words), "{words}: {}", page.words());
        }
        let handles = page.form().button_values("end");
        assert_eq!(handles.len(), 3, "two sessions, and everywhere");
        for cookie in [browser.cookie("session").unwrap(), other.cookie("session").unwrap()] {
            assert!(!page.text().contains(cookie.as_str()), "no secret is shown");
        }
        let page = browser.submit(&page.form().press("the session of Firefox"));
        assert!(page.says("That session has ended"), "{}", page.words());
        assert!(is_here(&mut browser) && !is_here(&mut other));
        server.follow_now();
        assert_eq!(app.refresh(&tokens.refresh).error(), "invalid_grant");
        assert!(!app.sees_live(&tokens.access));
        assert_eq!(app.silently(&mut other).error(), "login_required");
    });
}

#[test]
fn ending_the_own_session_is_signing_out() {
    each(|database| {
        let Scene { mut browser, server, .. } = scene(database);
        let page = browser.visit("/account/sessions");
        let page = browser.submit(&page.form().press("Sign out"));
        assert_eq!(page.title(), "Signed out");
        assert!(!is_here(&mut browser) && browser.cookie("session").is_none());
        assert_eq!(server.events_of("session.ended")[0].data["how"], "account");
    });
}

#[test]
fn what_is_somebody_elses_is_not_found() {
    each(|database| {
        let Scene { mut browser, server, app, tokens, .. } = scene(database);
        let bob = server.person("bob");
        let mut other = server.browser();
        let theirs = other.tokens(&app, &bob);
        let session = other.visit("/account/sessions").form().button_values("end")[0].clone();
        let consent = other.visit("/account/consents").form().button_values("withdraw")[0].clone();
        let sessions = browser.visit("/account/sessions").form();
        let consents = browser.visit("/account/consents").form();
        for handle in [session.as_str(), "ses_none", "x", "' OR 1=1"] {
            assert_eq!(browser.post(&sessions.clone().fill("end", handle)).status, 404, "{handle}");
        }
        for handle in [consent.as_str(), "con_none", "x", app.id.as_str()] {
            assert_eq!(browser.post(&consents.clone().fill("withdraw", handle)).status, 404, "{handle}");
        }
        server.follow_now();
        assert!(is_here(&mut other) && app.sees_live(&theirs.access) && app.sees_live(&tokens.access));
        assert_eq!(app.refresh(&theirs.refresh).status, 200);
    });
}

#[test]
fn a_consent_can_be_seen_and_withdrawn_and_then_the_refresh_token_is_dead() {
    each(|database| {
        let mut scene = scene(database);
        let page = scene.browser.visit("/account/consents");
        for words in ["app.example", "Notes", "read your documents", "keep this access while you are away"] {
            assert!(page.says(words), "{words}: {}", page.words());
        }
        let page = scene.browser.submit(&page.form().press("Withdraw"));
        assert!(page.says("no longer has access") && page.says("You have not let any application"));
        let tokens = scene.tokens.clone();
        scene.is_dead(&tokens);
        assert!(is_here(&mut scene.browser), "the person stays signed in");
    });
}

#[test]
fn sign_out_everywhere_ends_all_sessions_and_grants_of_that_person_and_of_nobody_else() {
    each(|database| {
        let mut scene = scene(database);
        let mut other = scene.server.browser();
        let elsewhere = other.tokens(&scene.app, &scene.ada);
        let bob = scene.server.person("bob");
        let mut bobs = scene.server.browser();
        let theirs = bobs.tokens(&scene.app, &bob);
        let page = scene.browser.visit("/account/sessions");
        let page = scene.browser.submit(&page.form().press("Sign out everywhere"));
        assert_eq!(page.title(), "Signed out");
        assert!(!is_here(&mut scene.browser) && !is_here(&mut other));
        let tokens = scene.tokens.clone();
        scene.is_dead(&tokens);
        scene.is_dead(&elsewhere);
        assert!(is_here(&mut bobs) && scene.app.sees_live(&theirs.access));
        assert!(scene.server.recorded("session.all_ended"));
    });
}

#[test]
fn what_was_done_is_said_by_a_code_and_never_by_a_text_of_the_address() {
    each(|database| {
        let Scene { mut browser, server: _server, .. } = scene(database);
        assert!(browser.open("/account?saved=profile").says("Your profile is saved."));
        let page = browser.open("/account?saved=Call+0900+1234");
        assert_eq!(page.status, 200);
        assert!(!page.says("0900"));
    });
}
