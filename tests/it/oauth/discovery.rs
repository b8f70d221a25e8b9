//! What the server says of itself: RFC 8414, OpenID Connect Discovery, RFC 7517; and that it is true.

use crate::{
    commands,
    world::{
        DOCS, ISSUER, Key, Request, Server,
        busy::{LONG, within},
        each, get, header,
    },
};
use keywright::{audit::Actor, base::moment::Span, flow::rotate_keys, jose::Scheme, keyring::Rotation};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

const PLACES: [&str; 2] = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

fn texts(document: &Value, name: &str) -> BTreeSet<String> {
    document[name]
        .as_array()
        .unwrap_or_else(|| panic!("{name}"))
        .iter()
        .map(|v| v.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn b13_both_documents_are_the_same_and_complete() {
    each(|database| {
        let server = Server::on(database);
        let [one, two] = PLACES.map(|place| server.get(place));
        assert_eq!(one.json(), two.json());
        let document = one.json();
        assert_eq!(document["issuer"], ISSUER);
        for name in [
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "userinfo_endpoint",
            "revocation_endpoint",
            "introspection_endpoint",
            "end_session_endpoint",
        ] {
            let address = document[name].as_str().unwrap();
            let path = address.strip_prefix(ISSUER).unwrap_or_else(|| panic!("{name} is {address}"));
            assert_ne!(server.get(path).status, 404, "{name}");
        }
        assert_eq!(texts(&document, "response_types_supported"), ["code".to_owned()].into(), "b07");
        assert_eq!(texts(&document, "code_challenge_methods_supported"), ["S256".to_owned()].into());
        assert!(!texts(&document, "grant_types_supported").contains("password"), "b08");
        for alg in texts(&document, "id_token_signing_alg_values_supported") {
            assert!(alg != "none" && !alg.starts_with("HS"), "r044: {alg}");
        }
        assert_eq!(one.field("content-type"), Some("application/json"));
    });
}

#[test]
fn documents_and_keys_are_sent_again_only_when_they_have_changed() {
    each(|database| {
        let server = Server::on(database);
        for place in PLACES.into_iter().chain(["/jwks"]) {
            let first = server.get(place);
            let etag = first.field("etag").unwrap().to_owned();
            assert!(first.field("cache-control").unwrap().contains("max-age="));
            assert_eq!(first.field("access-control-allow-origin"), Some("*"));
            let again = get(place).field("If-None-Match", etag.clone()).send(server.address);
            assert_eq!((again.status, again.body.len(), again.field("etag")), (304, 0, Some(etag.as_str())), "{place}");
            let weak = get(place).field("If-None-Match", format!("\"x\", W/{etag}")).send(server.address);
            assert!(matches!(weak.status, 200 | 304));
            assert_eq!(Request::new("HEAD", place).send(server.address).status, 200);
        }
    });
}

#[test]
fn an_issuer_with_a_path_has_its_documents_where_the_standards_put_them() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("server.issuer", "https://id.example/tenant"));
        for place in [
            "/.well-known/oauth-authorization-server/tenant",
            "/.well-known/openid-configuration/tenant",
            "/tenant/.well-known/openid-configuration",
        ] {
            let document = server.get(place).json();
            assert_eq!(document["issuer"], "https://id.example/tenant");
            assert_eq!(document["token_endpoint"], "https://id.example/tenant/token");
        }
        assert_eq!(server.get("/.well-known/openid-configuration").status, 404);
        let (ada, app) = (server.person("ada"), server.web_app());
        let tokens = server.browser().tokens_under(&app, &ada, "/tenant");
        assert_eq!(tokens["iss"], "https://id.example/tenant");
    });
}

#[test]
fn b07_b08_what_is_not_advertised_does_not_work() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        for grant in [
            "password",
            "implicit",
            "urn:ietf:params:oauth:grant-type:device_code",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
        ] {
            let reply = machine.token(&[("grant_type", grant), ("username", "ada"), ("password", "x")]);
            assert_eq!(reply.refusal(), (400, "unsupported_grant_type".to_owned()), "{grant}");
        }
    });
}

/// Walks through everything that the document promises.
#[test]
fn discovery_tells_the_truth() {
    each(|database| {
        let server = Server::on(database);
        let document = server.get(PLACES[0]).json();
        let ada = server.person("ada");
        for method in texts(&document, "token_endpoint_auth_methods_supported") {
            let key = Key::new();
            let app = server.web_app_with(|m| {
                m["token_endpoint_auth_method"] = json!(method);
                if method == "private_key_jwt" {
                    m["jwks"] = key.jwks();
                }
            });
            let app = if method == "private_key_jwt" { app.with_key(&key) } else { app };
            let tokens = server.browser().tokens(&app, &ada);
            assert_eq!(app.refresh(&tokens.refresh).status, 200, "{method}");
            let introspects = texts(&document, "introspection_endpoint_auth_methods_supported").contains(&method);
            assert_eq!(app.post("/introspect", &[("token", &tokens.access)]).status == 200, introspects, "{method}");
            assert!(texts(&document, "revocation_endpoint_auth_methods_supported").contains(&method));
            assert_eq!(app.revoke(&tokens.refresh).status, 200, "{method}");
        }
        for alg in texts(&document, "id_token_signing_alg_values_supported") {
            let app = server.web_app_with(|m| m["id_token_signed_response_alg"] = json!(alg));
            let tokens = server.browser().tokens(&app, &ada);
            assert_eq!(header(&tokens.id)["alg"], alg.as_str());
            let keys = server.get("/jwks").json();
            let kid = &header(&tokens.id)["kid"];
            assert!(keys["keys"].as_array().unwrap().iter().any(|k| k["kid"] == *kid && k["alg"] == alg.as_str()));
        }
        let app = server.web_app();
        // Ours in tests sign with ES256 alone.
        assert_eq!(
            texts(&document, "dpop_signing_alg_values_supported"),
            Scheme::ALL.map(|s| s.name().to_owned()).into()
        );
        let shown = super::dpop::proof(&server, &Key::new(), ("POST", "/token"), &json!({}));
        let request = server.machine().request("/token", &[("grant_type", "client_credentials")]);
        assert_eq!(server.send(&request.field("DPoP", shown)).json()["token_type"], "DPoP");
        for mode in texts(&document, "response_modes_supported") {
            let attempt = app.begin().with("response_mode", &mode);
            let callback = server.browser().approve(&attempt, &ada);
            assert_eq!(app.redeem(&attempt, callback.code()).status, 200, "{mode}");
        }
        for grant in texts(&document, "grant_types_supported") {
            let reply = app.token(&[("grant_type", &grant)]);
            assert_ne!(reply.error(), "unsupported_grant_type", "{grant}");
        }
        let mut browser = server.browser();
        browser.sign_in(&ada);
        for prompt in texts(&document, "prompt_values_supported") {
            let reply = browser.open(&app.begin().with("prompt", &prompt).url());
            assert_eq!(reply.status, 303);
            assert!(!reply.location().contains("error=invalid_request"), "{prompt}");
        }
        let all = texts(&document, "scopes_supported");
        let app = server.web_app_with(|m| m["scope"] = json!(all.iter().cloned().collect::<Vec<_>>().join(" ")));
        let app = app.scope(&all.iter().cloned().collect::<Vec<_>>().join(" "));
        assert_eq!(server.browser().tokens(&app, &ada).scope().split(' ').count(), all.len());
    });
}

#[test]
fn scopes_that_the_settings_have_anew_are_told_as_soon_as_those_were_read_again() {
    commands::each(|it| {
        let offer = |scope: &str| {
            let api = format!(
                "[[resources]]\nidentifier = \"{DOCS}\"\nname = \"Documents\"\n\
                 scopes = [{{ name = \"{scope}\", description = \"read\" }}]\n"
            );
            fs::write(it.folder.path().join("keywright.toml"), api).unwrap();
        };
        offer("docs.read");
        let serving = it.serve();
        let told = || {
            let document = ureq::get(it.at(PLACES[0])).call().unwrap().body_mut().read_to_string().unwrap();
            texts(&serde_json::from_str(&document).unwrap(), "scopes_supported")
        };
        assert!(told().contains("docs.read"));
        offer("docs.list");
        serving.reload();
        assert!(within(LONG, || told().contains("docs.list")), "{}", it.log());
        assert!(!told().contains("docs.read"));
        serving.end();
    });
}

#[test]
fn b21_scripts_of_any_origin_may_read_what_knows_no_cookie_and_nothing_else() {
    each(|database| {
        let server = Server::on(database);
        let preflight = |path: &str| {
            Request::new("OPTIONS", path)
                .field("Origin", "https://app.example")
                .field("Access-Control-Request-Method", "POST")
                .field("Access-Control-Request-Headers", "authorization,content-type")
                .send(server.address)
        };
        for path in ["/token", "/userinfo", "/jwks", "/revoke", "/introspect", PLACES[0], PLACES[1]] {
            let reply = preflight(path);
            assert_eq!(reply.status, 204, "{path}");
            assert_eq!(reply.field("access-control-allow-origin"), Some("*"), "{path}");
            assert!(reply.field("access-control-allow-credentials").is_none());
            assert!(reply.field("access-control-allow-headers").unwrap().contains("Authorization"));
        }
        for path in ["/authorize", "/sign-in", "/consent", "/account", "/end_session", "/account/password"] {
            let reply = preflight(path);
            assert!(reply.all("access-control-allow-origin").next().is_none(), "{path}");
            let reply = get(path).field("Origin", "https://app.example").send(server.address);
            assert!(reply.all("access-control-allow-origin").next().is_none(), "{path}");
        }
    });
}

#[test]
fn a_key_is_published_before_it_signs_and_after_it_has_signed() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        let kid = |token: &str| header(token)["kid"].clone();
        let old = machine.own_token(&[]).tokens().access;
        server.advance(Span::seconds(1));
        server.run(rotate_keys::run(&server.world, Rotation::Requested, Actor::System)).unwrap();
        let published: Vec<Value> = server.get("/jwks").json()["keys"].as_array().unwrap().clone();
        assert!(published.iter().filter(|k| k["alg"] == "ES256").count() >= 2, "{published:?}");
        assert!(published.iter().all(|k| k["use"] == "sig" && k.get("d").is_none() && k.get("p").is_none()));
        assert_eq!(kid(&machine.own_token(&[]).tokens().access), kid(&old), "not yet");
        server.advance(Span::hours(2));
        server.run(rotate_keys::run(&server.world, Rotation::OnSchedule, Actor::System)).unwrap();
        let new = machine.own_token(&[]).tokens().access;
        assert_ne!(kid(&new), kid(&old));
        let published = server.get("/jwks").json();
        let has = |kid: &Value| published["keys"].as_array().unwrap().iter().any(|k| k["kid"] == *kid);
        assert!(has(&kid(&new)) && has(&kid(&old)), "tokens under the old one may still be around");
    });
}
