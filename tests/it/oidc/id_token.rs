//! The ID token: OpenID Connect Core §2, §3.1.3.6, §5.5; and the answer by form post, OAuth 2.0
//! Form Post Response Mode.

use super::{Scene, scene, scene_with};
use crate::world::{EPOCH, ISSUER, Server, each, header};
use josekit::{
    jwk::JwkSet,
    jws::{ES256, ES384, EdDSA, JwsVerifier, PS256, RS256},
};
use keywright::base::{
    digest::{base64url, sha256},
    moment::Span,
};
use serde_json::{Value, json};

/// The payload, where the signature is good under a key that `/jwks` publishes: as an application
/// would look at it, with somebody else's code.
pub fn verified(server: &Server, token: &str) -> Value {
    let keys = JwkSet::from_bytes(server.get("/jwks").body).unwrap();
    let head = header(token);
    let found = keys.get(head["kid"].as_str().unwrap());
    let key = found.first().expect("the key is published");
    let verifier: Box<dyn JwsVerifier> = match head["alg"].as_str().unwrap() {
        "ES256" => Box::new(ES256.verifier_from_jwk(key).unwrap()),
        "RS256" => Box::new(RS256.verifier_from_jwk(key).unwrap()),
        "ES384" => Box::new(ES384.verifier_from_jwk(key).unwrap()),
        "PS256" => Box::new(PS256.verifier_from_jwk(key).unwrap()),
        "EdDSA" => Box::new(EdDSA.verifier_from_jwk(key).unwrap()),
        other => panic!("signed with {other}"),
    };
    let (payload, _) = josekit::jws::deserialize_compact(token, verifier.as_ref()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[test]
fn it_says_who_signed_in_when_how_and_for_whom() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        browser.sign_in(&ada);
        // The clock of tests stands still until it is told to go on.
        let signed_in = EPOCH;
        server.advance(Span::minutes(3));
        let attempt = app.begin();
        let callback = browser.approve(&attempt, &ada);
        let tokens = app.redeem(&attempt, callback.code()).tokens();
        let claims = verified(&server, &tokens.id);
        let now = server.now().unix();
        let sid = claims["sid"].as_str().unwrap();
        assert!(sid.starts_with("ses_"), "{sid}");
        assert_eq!(
            claims,
            json!({
                "iss": ISSUER, "sub": ada.id, "aud": app.id, "iat": now, "exp": now + 300,
                "auth_time": signed_in, "amr": ["pwd"], "nonce": attempt.nonce, "sid": sid,
                "at_hash": base64url(&sha256(tokens.access.as_bytes())[..16]),
            })
        );
        assert_eq!(header(&tokens.id)["alg"], "ES256");
        let cookie = browser.cookie("session").unwrap();
        assert!(!tokens.id.contains(cookie.as_str()) && sid != cookie, "the sid is not the cookie");
    });
}

#[test]
fn the_nonce_comes_back_only_where_one_was_sent_and_not_with_a_refresh() {
    each(|database| {
        let Scene { mut browser, tokens, app, ada, server: _server, .. } = scene(database);
        let attempt = app.begin().without("nonce");
        let callback = browser.approve(&attempt, &ada);
        assert!(app.redeem(&attempt, callback.code()).tokens().id_claims().get("nonce").is_none());
        assert!(app.refresh(&tokens.refresh).tokens().id_claims().get("nonce").is_none(), "Core §12.2");
        let attempt = app.begin().with("nonce", "ü \"&<>' \u{1f511}");
        let callback = browser.approve(&attempt, &ada);
        assert_eq!(app.redeem(&attempt, callback.code()).tokens().id_claims()["nonce"], "ü \"&<>' \u{1f511}");
    });
}

#[test]
fn without_openid_there_is_none() {
    each(|database| {
        let Scene { tokens, app, server: _server, .. } = scene_with(database, "docs.read");
        assert!(tokens.body.get("id_token").is_none());
        assert!(app.refresh(&tokens.refresh).tokens().body.get("id_token").is_none());
    });
}

#[test]
fn its_hash_of_the_access_token_follows_a_refresh() {
    each(|database| {
        let Scene { tokens, app, server, .. } = scene(database);
        let next = app.refresh(&tokens.refresh).tokens();
        assert_eq!(verified(&server, &next.id)["at_hash"], base64url(&sha256(next.access.as_bytes())[..16]));
        assert_ne!(next.id_claims()["at_hash"], tokens.id_claims()["at_hash"]);
    });
}

#[test]
fn a_client_that_asks_for_no_algorithm_gets_the_one_that_the_standard_names() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app_with(|m| {
            m.as_object_mut().unwrap().remove("id_token_signed_response_alg");
        });
        let tokens = server.browser().tokens(&app, &server.person("ada"));
        assert_eq!(header(&tokens.id)["alg"], "RS256");
        assert_eq!(verified(&server, &tokens.id)["aud"], app.id.as_str());
    });
}

#[test]
fn profile_and_email_are_for_userinfo_and_come_into_it_only_where_asked_for_by_name() {
    each(|database| {
        let Scene { mut browser, tokens, app, ada, server: _server, .. } = scene_with(database, "openid profile email");
        for claim in ["name", "email", "preferred_username"] {
            assert!(tokens.id_claims().get(claim).is_none(), "{claim}: Core §5.4");
        }
        let wanted = json!({"id_token": {"email": {"essential": true}, "name": null, "nickname": null, "iss": null}});
        let attempt = app.begin().with("claims", &wanted.to_string());
        let callback = browser.approve(&attempt, &ada);
        let tokens = app.redeem(&attempt, callback.code()).tokens();
        let claims = tokens.id_claims();
        assert_eq!((&claims["email"], &claims["name"]), (&json!("ada@example.org"), &json!("ada Example")));
        assert_eq!(claims["iss"], ISSUER, "what the server says itself stays");
        assert!(claims.get("nickname").is_none(), "there is none, so it is left out");
        assert!(claims.get("preferred_username").is_none(), "it was not asked for here");
        assert_eq!(app.refresh(&tokens.refresh).tokens().id_claims()["email"], "ada@example.org");
    });
}

#[test]
fn a_claim_asked_for_by_name_is_consented_to_like_its_scope() {
    each(|database| {
        let Scene { mut browser, app, ada, server: _server, .. } = scene(database);
        let wanted = json!({"id_token": {"email": null}}).to_string();
        let silent = app.begin().with("claims", &wanted).with("prompt", "none");
        assert_eq!(silent.callback(&browser.open(&silent.url())).error(), "consent_required");
        let page = browser.visit(&app.begin().with("claims", &wanted).url());
        assert!(page.says("see your e-mail address"), "{}", page.words());
        browser.approve(&app.begin().with("claims", &wanted), &ada);
        assert!(silent.callback(&browser.open(&silent.url())).get("code").is_some());
    });
}

#[test]
fn a_claim_that_the_client_is_not_registered_for_is_left_out() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app_with(|m| m["scope"] = json!("openid docs.read"));
        let ada = server.person("ada");
        let wanted = json!({"id_token": {"email": {"essential": true}}, "userinfo": {"name": {"essential": true}}});
        let attempt = app.begin().with("claims", &wanted.to_string());
        let callback = server.browser().approve(&attempt, &ada);
        let tokens = app.redeem(&attempt, callback.code()).tokens();
        assert!(tokens.id_claims().get("email").is_none());
        assert_eq!(app.userinfo(&tokens.access).json(), json!({"sub": ada.id}));
    });
}

#[test]
fn an_answer_by_form_post_is_a_page_of_ours_that_leads_to_the_client() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        browser.tokens(&app, &ada);
        let evil = "s\"><script>alert(1)</script>&'";
        let attempt = app.begin().with("response_mode", "form_post").with("state", evil);
        let page = browser.visit(&attempt.url());
        assert_eq!((page.status, page.title().as_str()), (200, "One more step"));
        assert!(!page.text().contains("<script>alert"), "what is echoed is escaped");
        assert!(page.text().contains("form-post."), "it goes by itself, by a script of ours");
        let form = page.form();
        assert_eq!(form.action, "https://app.example/cb");
        let names: Vec<&str> = form.fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["code", "state", "iss"]);
        assert_eq!((form.field("state"), form.field("iss")), (Some(evil), Some(ISSUER)));
        assert_eq!(page.field("cache-control"), Some("no-store"));
        let policy = page.field("content-security-policy").unwrap();
        assert!(policy.contains("form-action 'self' https:;") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(app.redeem(&attempt, form.field("code").unwrap()).status, 200);
    });
}
