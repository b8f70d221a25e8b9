//! Who may touch what: every route that manages, with every kind of caller (advisories A27 and A36).

use super::{Keys, call, token};
use crate::world::{Server, each};
use serde_json::json;

#[test]
fn a36_r026_every_route_wants_its_own_scope_and_hides_what_is_somebody_elses() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let id = made["id"].as_str().unwrap();
        let link = json!({"key": {"api": "docs", "name": "partner", "anywhere": true}});
        let link = call(&server, "POST", "/v1/keys/claims", &keys.manager, Some(&link)).json();
        let link = link["id"].as_str().unwrap();
        let all = "keys:read keys:create keys:rotate keys:revoke apis:read apis:manage";
        let routes = [
            ("GET", format!("/v1/keys/{id}"), "keys:read", 404),
            ("POST", format!("/v1/keys/{id}/rotate"), "keys:rotate", 404),
            ("GET", format!("/v1/keys/{id}/rotation"), "keys:read", 404),
            ("GET", format!("/v1/keys/{id}/usage"), "keys:read", 404),
            ("GET", format!("/v1/keys/{id}/quotas"), "keys:read", 404),
            ("GET", "/v1/keys/claims".to_owned(), "keys:read", 200),
            ("DELETE", format!("/v1/keys/claims/{link}"), "keys:revoke", 404),
            ("POST", format!("/v1/keys/{id}/finish"), "keys:rotate", 404),
            ("POST", format!("/v1/keys/{id}/disable"), "keys:revoke", 404),
            ("POST", format!("/v1/keys/{id}/enable"), "keys:revoke", 404),
            ("POST", format!("/v1/keys/{id}/revoke"), "keys:revoke", 404),
            ("GET", "/v1/keys".to_owned(), "keys:read", 200),
            ("GET", "/v1/apis".to_owned(), "apis:read", 200),
            ("GET", "/v1/apis/docs".to_owned(), "apis:read", 200),
            ("GET", "/v1/plans".to_owned(), "apis:read", 200),
            ("POST", "/v1/apis/docs/enable".to_owned(), "apis:manage", 409),
        ];
        let stranger = token(&server, all);
        for (method, target, scope, status) in &routes {
            assert_eq!(call(&server, method, target, &stranger, None).status, *status, "{method} {target}");
            let others: Vec<&str> = all.split(' ').filter(|one| one != scope).collect();
            let lacking = call(&server, method, target, &token(&server, &others.join(" ")), None);
            assert_eq!(lacking.status, 403, "{method} {target}");
            assert!(lacking.field("www-authenticate").unwrap().contains(scope), "{method} {target}");
            let nobody = server.send(&crate::world::Request::new(method, target));
            assert_eq!(nobody.status, 401, "{method} {target}");
            let by_key = call(&server, method, target, made["key"].as_str().unwrap(), None);
            assert_eq!(by_key.status, 401, "an API key manages nothing: {method} {target}");
        }
        assert_eq!(keys.ask(&server, made["key"].as_str().unwrap(), json!({}))["code"], "ok", "nothing was done to it");
    });
}

#[test]
fn a27_the_owner_in_a_body_counts_only_for_those_who_may_act_for_all() {
    each(|database| {
        let server = Server::on(database);
        let (_keys, app) = (Keys::at(&server, json!({})), server.machine());
        let body = json!({"api": "docs", "name": "x", "anywhere": true, "owner": {"type": "client", "id": app.id}});
        let refused = call(&server, "POST", "/v1/keys", &token(&server, "keys:create"), Some(&body));
        assert_eq!(refused.status, 403);
        let own = json!({"api": "docs", "name": "x", "anywhere": true});
        let made = call(&server, "POST", "/v1/keys", &token(&server, "keys:create"), Some(&own));
        assert_eq!(made.status, 201);
        assert_ne!(made.json()["owner"]["id"], json!(app.id));
        let nobody =
            server.send(&crate::world::Request::new("POST", "/v1/keys").body("application/json", body.to_string()));
        assert_eq!(nobody.status, 401);
    });
}

#[test]
fn r079_whoever_makes_keys_for_themselves_cannot_give_themselves_more_than_everybody_has() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let own = token(&server, "keys:create");
        for (more, member) in [
            (json!({"plan": "premium"}), "plan"),
            (json!({"kind": "verifier", "scope": ""}), "kind"),
            (json!({"client_id": app.id}), "client_id"),
            (json!({"expires_at": "never"}), "expires_at"),
        ] {
            let mut body = json!({"api": "docs", "name": "x", "anywhere": true});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let reply = call(&server, "POST", "/v1/keys", &own, Some(&body));
            assert_eq!((reply.status, &reply.json()["member"]), (422, &json!(member)), "{}", reply.text());
        }
        let rate = json!({"v": 1, "rate": [{"name": "mine", "by": "key", "limit": 1_000_000, "per": "1s"}]});
        let body = json!({"api": "docs", "name": "x", "anywhere": true, "policy": rate, "family_policy": rate});
        let made = call(&server, "POST", "/v1/keys", &own, Some(&body)).json();
        let told = keys.ask(&server, made["key"].as_str().unwrap(), json!({}));
        let limits = told["limits"].as_array().unwrap();
        assert!(
            limits.iter().any(|limit| limit["name"] == "burst" && limit["limit"] == 100),
            "that of the API counts too: {told}"
        );
    });
}

#[test]
fn a_request_that_was_refused_may_be_sent_again_under_the_same_word() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let send = |scope: &str| {
            let body = json!({"api": "docs", "name": "a", "anywhere": true, "scope": scope, "owner": {"type": "client", "id": app.id}});
            let request = crate::world::Request::new("POST", "/v1/keys").bearer(&keys.manager);
            server.send(&request.field("idempotency-key", "w").body("application/json", body.to_string())).status
        };
        assert_eq!((send("docs.admin"), send("docs.read"), send("docs.read")), (422, 201, 409));
    });
}
