//! R8 to R14: who may do what, in whose name, at which application.

use crate::world::{App, DOCS, ISSUER, MAIL, Server, each};
use keywright::{
    base::uri::Issuer,
    jose::{Audience, BadToken, KeySet, Profile, Verified, verify},
};
use serde_json::json;

/// What an API does with a token: it knows the key set and its own name, and asks nobody.
fn accepts(server: &Server, keys: &[u8], api: &str, token: &str) -> Result<Verified, BadToken> {
    let profile = Profile::access_token(&Issuer::parse(ISSUER).unwrap(), Audience::OneOf(vec![api.to_owned()]));
    verify(&profile, &KeySet::parse(keys).unwrap(), token, server.now())
}

fn may(seen: &Verified, scope: &str) -> bool {
    seen.str("scope").is_some_and(|all| all.split(' ').any(|one| one == scope))
}

#[test]
fn r008_a_password_becomes_tokens_that_stand_for_the_person() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app().scope("openid profile docs.read"));
        let tokens = server.browser().tokens(&app, &ada);
        for claims in [tokens.access_claims(), tokens.id_claims()] {
            assert_eq!(claims["sub"], ada.id.as_str(), "{claims}");
        }
        assert_eq!(tokens.id_claims()["amr"], json!(["pwd"]));
        assert_eq!(app.userinfo(&tokens.access).json()["name"], "ada Example");
        let next = app.refresh(&tokens.refresh).tokens();
        assert_eq!(next.access_claims()["sub"], ada.id.as_str());
    });
}

#[test]
fn r009_a_token_is_judged_by_the_key_set_alone_also_when_the_database_is_gone() {
    each(|database| {
        let server = Server::on(database);
        let token = server.machine().own_token(&[]).tokens().access;
        server.world.store.close();
        let keys = server.get("/jwks");
        assert_eq!(keys.status, 200, "the keys are in memory");
        let seen = accepts(&server, &keys.body, DOCS, &token).unwrap();
        assert!(may(&seen, "docs.read"));
        assert_eq!(server.get("/readyz").status, 503, "and the database is gone");
    });
}

#[test]
fn r010_a_client_has_the_scopes_it_registered_and_gives_some_of_them_up_when_it_asks_for_less() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        assert_eq!(machine.own_token(&[]).tokens().scope(), "docs.read docs.write");
        assert_eq!(machine.own_token(&[("scope", "docs.read")]).tokens().scope(), "docs.read");
        for more in ["mail.read", "docs.read mail.read", "openid", "offline_access", "*"] {
            let reply = machine.own_token(&[("scope", more)]);
            assert_eq!(reply.refusal(), (400, "invalid_scope".to_owned()), "{more}");
        }
    });
}

#[test]
fn r011_an_application_does_in_a_persons_name_what_the_person_allowed_and_no_more() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app().scope("openid docs.read"));
        let keys = server.get("/jwks").body;
        let mut browser = server.browser();
        browser.sign_in(&ada);
        let page = browser.visit(&app.begin().url());
        assert!(page.says("read your documents") && !page.says("change your documents"), "{}", page.words());
        let tokens = server.browser().tokens(&app, &ada);
        let seen = accepts(&server, &keys, DOCS, &tokens.access).unwrap();
        assert!(may(&seen, "docs.read") && !may(&seen, "docs.write"));
        assert!(accepts(&server, &keys, MAIL, &tokens.access).is_err(), "nor anything at another API");
    });
}

#[test]
fn r012_who_signed_in_for_one_application_is_signed_in_for_the_next() {
    each(|database| {
        let server = Server::on(database);
        let ada = server.person("ada");
        let one = server.web_app_with(|m| m["first_party"] = json!(true));
        let two = server.web_app_with(|m| {
            m["first_party"] = json!(true);
            m["redirect_uris"] = json!(["https://other.example/cb"]);
        });
        let mut browser = server.browser();
        let first = browser.tokens(&one, &ada).id_claims();
        let attempt = two.begin();
        let callback = attempt.callback(&browser.open(&attempt.url()));
        let second = two.redeem(&attempt, callback.code()).tokens().id_claims();
        assert_eq!((&first["sub"], &first["sid"]), (&second["sub"], &second["sid"]), "one person, one session");
        assert_eq!(two.silently(&mut server.browser()).error(), "login_required", "in this browser alone");
    });
}

#[test]
fn r013_a_token_between_services_is_good_at_the_service_it_names_and_at_no_other() {
    each(|database| {
        let server = Server::on(database);
        let keys = server.get("/jwks").body;
        let both = server.machine_with(|m| {
            m["scope"] = json!("docs.read mail.read");
            m["resources"] = json!([DOCS, MAIL]);
        });
        let token = |app: &App, api: &str| app.own_token(&[("resource", api)]).tokens().access;
        for (api, other) in [(DOCS, MAIL), (MAIL, DOCS)] {
            let token = token(&both, api);
            assert!(accepts(&server, &keys, api, &token).is_ok(), "{api}");
            assert!(accepts(&server, &keys, other, &token).is_err(), "{api} at {other}");
        }
        let stranger = both.own_token(&[("resource", "https://stranger.example/")]);
        assert_eq!(stranger.refusal(), (400, "invalid_target".to_owned()));
    });
}

#[test]
fn r014_the_person_sees_every_scope_before_they_agree_and_one_who_declines_gives_nothing() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let scope = "openid profile email offline_access docs.read docs.write mail.read";
        let app = app.scope(scope);
        let mut browser = server.browser();
        browser.sign_in(&ada);
        let attempt = app.begin();
        let page = browser.visit(&attempt.url());
        for token in scope.split(' ') {
            assert!(page.says(token), "{token}: {}", page.words());
        }
        let callback = attempt.callback(&browser.submit(&page.form().press("Deny")));
        assert_eq!((callback.error(), callback.get("code")), ("access_denied", None));
        assert!(!server.recorded("consent.given"));
    });
}
