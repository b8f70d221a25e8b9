//! The userinfo endpoint: OpenID Connect Core §5.3, §5.4, §5.5, with the errors of RFC 6750 §3.

use super::{Scene, scene, scene_with};
use crate::world::{DOCS, ISSUER, Reply, Request, Server, Tokens, each, forged, get, header, payload, post};
use keywright::base::moment::Span;
use serde_json::{Value, json};

/// A refusal: its status, what the challenge says, and the same in the body.
fn refused(reply: &Reply, status: u16, error: &str) {
    let challenge = reply.field("www-authenticate").unwrap_or_default();
    assert_eq!(reply.status, status, "{challenge} {}", reply.text());
    assert!(challenge.starts_with(&format!("Bearer realm=\"{ISSUER}\"")), "{challenge}");
    assert!(challenge.contains(&format!("error=\"{error}\"")), "{challenge}");
    assert_eq!(reply.error(), error);
    assert_eq!(reply.field("cache-control"), Some("no-store"));
}

fn names(claims: &Value) -> Vec<&str> {
    claims.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn it_answers_get_and_post_with_the_token_in_the_field_or_in_the_form() {
    each(|database| {
        let Scene { tokens, ada, server, .. } = scene_with(database, "openid email");
        let token = tokens.access.as_str();
        for request in [
            get("/userinfo").bearer(token),
            get("/userinfo").field("Authorization", format!("bEARER {token}")),
            Request::new("POST", "/userinfo").bearer(token),
            Request::new("POST", "/userinfo").body("application/json", "{}").bearer(token),
            post("/userinfo", &[]).bearer(token),
            post("/userinfo", &[("access_token", token)]),
        ] {
            let reply = server.send(&request);
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert_eq!(reply.json(), json!({"sub": ada.id, "email": "ada@example.org", "email_verified": true}));
            assert_eq!(reply.field("content-type"), Some("application/json"));
            assert_eq!(reply.field("cache-control"), Some("no-store"));
        }
    });
}

#[test]
fn each_scope_opens_its_claims_and_no_more() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        for (scope, claims) in [
            ("openid", &["sub"][..]),
            ("openid docs.read", &["sub"]),
            ("openid email", &["email", "email_verified", "sub"]),
            ("openid profile", &["name", "preferred_username", "sub", "updated_at"]),
        ] {
            let tokens = server.browser().tokens(&app.clone().scope(scope), &ada);
            let told = app.userinfo(&tokens.access).json();
            let mut found = names(&told);
            found.sort_unstable();
            assert_eq!(found, claims, "{scope}");
            assert_eq!(told["sub"], tokens.id_claims()["sub"], "Core §5.3.2");
        }
    });
}

#[test]
fn a_narrowed_token_opens_only_what_it_was_narrowed_to() {
    each(|database| {
        let Scene { tokens, app, server: _server, .. } = scene_with(database, "openid email profile");
        let less = app.refresh_with(&tokens.refresh, &[("scope", "openid email")]).tokens();
        assert_eq!(app.userinfo(&less.access).json().get("name"), None);
        assert_eq!(app.userinfo(&tokens.access).json()["name"], "ada Example");
    });
}

#[test]
fn claims_asked_for_by_name_are_told_without_their_scope() {
    each(|database| {
        let Scene { mut browser, app, ada, server: _server, .. } = scene(database);
        let told = |browser: &mut crate::world::Browser, wanted: Value| {
            let attempt = app.begin().with("claims", &wanted.to_string());
            let callback = browser.approve(&attempt, &ada);
            let tokens = app.redeem(&attempt, callback.code()).tokens();
            app.userinfo(&tokens.access).json()
        };
        let wanted = json!({"userinfo": {"email": {"essential": true}, "nickname": null, "shoe_size": null}});
        assert_eq!(told(&mut browser, wanted), json!({"sub": ada.id, "email": "ada@example.org"}));
        let other =
            json!({"userinfo": {"email": {"value": "bob@example.org"}, "name": {"values": ["x", "ada Example"]}}});
        assert_eq!(told(&mut browser, other), json!({"sub": ada.id, "name": "ada Example"}), "Core §5.5.1");
        let id_token = json!({"id_token": {"email": null}});
        assert_eq!(told(&mut browser, id_token), json!({"sub": ada.id}), "what was asked for elsewhere");
    });
}

#[test]
fn it_tells_what_is_so_now() {
    each(|database| {
        let Scene { mut browser, tokens, app, server: _server, .. } = scene_with(database, "openid profile email");
        let page = browser.visit("/account/profile");
        browser.submit(&page.form().fill("name", "Ada King").fill("email", "king@example.org"));
        let told = app.userinfo(&tokens.access).json();
        assert_eq!((&told["name"], &told["email"]), (&json!("Ada King"), &json!("king@example.org")));
        assert_eq!(told["email_verified"], false, "nobody has looked yet whether it is theirs");
    });
}

#[test]
fn without_a_token_the_challenge_names_no_error() {
    each(|database| {
        let server = Server::on(database);
        for request in [
            get("/userinfo"),
            Request::new("POST", "/userinfo"),
            post("/userinfo", &[("token", "x")]),
            get("/userinfo").field("Authorization", "Basic eDp5"),
        ] {
            let reply = server.send(&request);
            assert_eq!((reply.status, reply.body.len()), (401, 0), "RFC 6750 §3.1");
            assert_eq!(reply.field("www-authenticate"), Some(format!("Bearer realm=\"{ISSUER}\"").as_str()));
        }
    });
}

#[test]
fn a_token_in_the_query_is_refused_even_where_it_is_good() {
    each(|database| {
        let Scene { tokens, server, .. } = scene(database);
        let target = format!("/userinfo?access_token={}", tokens.access);
        refused(&server.get(&target), 400, "invalid_request");
        refused(&server.send(&get(&target).bearer(&tokens.access)), 400, "invalid_request");
        refused(&server.send(&post(&target, &[])), 400, "invalid_request");
    });
}

#[test]
fn a_token_in_two_places_or_twice_is_refused() {
    each(|database| {
        let Scene { tokens, server, .. } = scene(database);
        let token = tokens.access.as_str();
        refused(&server.send(&post("/userinfo", &[("access_token", token)]).bearer(token)), 400, "invalid_request");
        let twice = post("/userinfo", &[("access_token", token), ("access_token", token)]);
        refused(&server.send(&twice), 400, "invalid_request");
        let twice = get("/userinfo").bearer(token).bearer(token);
        assert!(server.send(&twice).status >= 400, "two fields");
    });
}

#[test]
fn what_is_no_access_token_of_ours_is_invalid() {
    each(|database| {
        let Scene { tokens, server, .. } = scene_with(database, "openid docs.read offline_access");
        let token = tokens.access.as_str();
        let changed = |name: &str, value: Value| {
            let mut claims = payload(token);
            claims[name] = value;
            forged(token, &header(token), &claims)
        };
        let headed = |name: &str, value: Value| {
            let mut head = header(token);
            head[name] = value;
            forged(token, &head, &payload(token))
        };
        for wrong in [
            "x".to_owned(),
            "a.b.c".to_owned(),
            token[..token.len() - 2].to_owned(),
            format!("{token}.{token}"),
            changed("scope", json!("openid profile email")),
            changed("exp", json!(9_999_999_999_i64)),
            headed("alg", json!("none")),
            headed("alg", json!("HS256")),
            headed("kid", json!("another")),
            tokens.id.clone(),
            tokens.refresh.clone(),
        ] {
            refused(&server.send(&get("/userinfo").bearer(&wrong)), 401, "invalid_token");
        }
    });
}

#[test]
fn a_token_without_openid_lacks_the_scope() {
    each(|database| {
        let Scene { tokens, app, server, .. } = scene_with(database, "profile docs.read");
        // Its audience is the API alone, which is found out first.
        refused(&app.userinfo(&tokens.access), 401, "invalid_token");
        let app = server.web_app_with(|m| m["resources"] = json!([])).scope("profile");
        let tokens = server.browser().tokens(&app, &server.person("bob"));
        let reply = app.userinfo(&tokens.access);
        refused(&reply, 403, "insufficient_scope");
        assert!(reply.field("www-authenticate").unwrap().contains("scope=\"openid\""), "RFC 6750 §3");
    });
}

#[test]
fn a_token_of_another_audience_is_invalid_here() {
    each(|database| {
        let Scene { tokens, app, server, .. } = scene(database);
        let less = app.refresh_with(&tokens.refresh, &[("scope", "docs.read"), ("resource", DOCS)]).tokens();
        assert_eq!(less.access_claims()["aud"], DOCS);
        refused(&app.userinfo(&less.access), 401, "invalid_token");
        let machine = server.machine().own_token(&[]).tokens();
        refused(&app.userinfo(&machine.access), 401, "invalid_token");
    });
}

#[test]
fn a_machine_is_nobody_that_something_could_be_told_of() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine_with(|m| {
            m["resources"] = json!([]);
            m["scope"] = json!("jobs.run");
        });
        let tokens = machine.own_token(&[]).tokens();
        let reply = machine.userinfo(&tokens.access);
        assert!(matches!(reply.status, 401 | 403), "{}", reply.text());
        assert!(reply.json().get("sub").is_none());
    });
}

#[test]
fn an_expired_token_is_invalid_to_the_second() {
    each(|database| {
        let Scene { tokens, app, server, .. } = scene(database);
        server.advance(Span::seconds(299));
        assert_eq!(app.userinfo(&tokens.access).status, 200);
        server.advance(Span::seconds(1));
        refused(&app.userinfo(&tokens.access), 401, "invalid_token");
    });
}

#[test]
fn a_revoked_token_is_invalid_whatever_revoked_it() {
    each(|database| {
        let dead = |scene: &Scene, tokens: &Tokens| {
            scene.server.follow_now();
            refused(&scene.app.userinfo(&tokens.access), 401, "invalid_token");
        };
        let mut scene = scene_with(database, "openid docs.read offline_access");
        let fresh = |scene: &mut Scene| {
            scene.server.advance(Span::seconds(1));
            let tokens = scene.browser.tokens(&scene.app, &scene.ada);
            assert_eq!(scene.app.userinfo(&tokens.access).status, 200);
            tokens
        };
        let tokens = fresh(&mut scene);
        scene.app.revoke(&tokens.access);
        dead(&scene, &tokens);

        let tokens = fresh(&mut scene);
        scene.app.revoke(&tokens.refresh);
        dead(&scene, &tokens);

        let tokens = fresh(&mut scene);
        let page = scene.browser.visit("/account/consents");
        scene.browser.submit(&page.form().press("Withdraw"));
        dead(&scene, &tokens);

        let tokens = fresh(&mut scene);
        scene.server.disable(&scene.ada);
        dead(&scene, &tokens);
    });
}

#[test]
fn a_token_from_another_key_is_invalid_though_it_names_ours() {
    each(|database| {
        let Scene { tokens, app, server: _server, .. } = scene(database);
        let stranger = crate::world::Key::new();
        let head = json!({"typ": "at+jwt", "kid": header(&tokens.access)["kid"]});
        refused(&app.userinfo(&stranger.sign_under(&head, &payload(&tokens.access))), 401, "invalid_token");
    });
}

#[test]
fn what_a_client_was_deprived_of_is_told_no_more_though_its_token_is_of_before() {
    each(|database| {
        let Scene { tokens, app, server, .. } = scene_with(database, "openid email profile");
        assert_eq!(app.userinfo(&tokens.access).json()["email"], "ada@example.org");
        server.advance(Span::seconds(1));
        server.change_client(&app, |metadata| metadata["scope"] = json!("openid profile"));
        let told = app.userinfo(&tokens.access).json();
        assert_eq!((&told["name"], told.get("email")), (&json!("ada Example"), None));
        server.change_client(&app, |metadata| metadata["scope"] = json!("email profile docs.read"));
        refused(&app.userinfo(&tokens.access), 403, "insufficient_scope");
        let reply = app.refresh(&tokens.refresh).json();
        assert_eq!(reply.get("id_token"), None);
        assert!(reply["access_token"].is_string());
    });
}
