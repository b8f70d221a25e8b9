//! Who may touch what: every route that manages, with every kind of caller (advisories A27 and A36).

use super::{Keys, call, token};
use crate::world::{DOCS, Reply, Request, Server, each};
use keywright::base::id::ApiKeyId;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Every scope but the one that reaches what is somebody else's.
const ALL: &str =
    "keys:read keys:create keys:rotate keys:revoke keys:change keys:import quotas:grant apis:read apis:manage";

/// What somebody who has every scope, but not over what is somebody else's, is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stranger {
    /// The same as of something that does not exist.
    LikeNothing,
    /// This status: what is listed or made is their own, what is managed is nobody's.
    Told(u16),
}
use Stranger::{LikeNothing, Told};

/// Who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// Whoever has a token with this scope, as far as it reaches.
    Token(&'static str, Stranger),
    /// Resource servers.
    Server,
    /// Everybody, who are told this.
    Anybody(u16),
}
use Who::{Anybody, Server as ResourceServer, Token};

type Row = (&'static str, &'static str, Who, Value);

/// Every operation under `/v1`, with a body that is good.
fn matrix() -> Vec<Row> {
    let none = || Value::Null;
    let own = json!({"api": "docs", "name": "mine", "anywhere": true});
    let link = json!({"key": own});
    let brought = json!({"like": own, "items": [{"key": "AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXC"}]});
    let rate = json!({"v": 1, "rate": [{"name": "burst", "by": "family", "limit": 5, "per": "1s"}]});
    let api = json!({"name": "docs", "audience": DOCS, "policy": rate, "settings": {"scopes": "docs.read docs.write"}});
    let text = json!({"key": "kw_live_nothing"});
    vec![
        ("get", "/v1/keys", Token("keys:read", Told(200)), none()),
        ("post", "/v1/keys", Token("keys:create", Told(201)), own),
        ("post", "/v1/keys/import", Token("keys:import", Told(403)), brought),
        ("get", "/v1/hmac-keys", Token("keys:import", Told(403)), none()),
        ("delete", "/v1/hmac-keys/{id}", Token("keys:import", Told(403)), none()),
        ("post", "/v1/keys/revoke", Token("keys:revoke", Told(200)), json!({"unused_for": "1d", "dry_run": true})),
        ("get", "/v1/keys/claims", Token("keys:read", Told(200)), none()),
        ("post", "/v1/keys/claims", Token("keys:create", Told(201)), link),
        ("delete", "/v1/keys/claims/{id}", Token("keys:revoke", LikeNothing), none()),
        ("get", "/v1/keys/{id}", Token("keys:read", LikeNothing), none()),
        ("patch", "/v1/keys/{id}", Token("keys:change", LikeNothing), json!({"name": "theirs"})),
        ("get", "/v1/keys/{id}/usage", Token("keys:read", LikeNothing), none()),
        ("get", "/v1/keys/{id}/quotas", Token("keys:read", LikeNothing), none()),
        ("post", "/v1/keys/{id}/quotas/{name}/grants", Token("quotas:grant", LikeNothing), json!({"amount": 1})),
        ("put", "/v1/keys/{id}/quotas/{name}/used", Token("quotas:grant", LikeNothing), json!({"used": 0})),
        ("post", "/v1/keys/{id}/rotate", Token("keys:rotate", LikeNothing), none()),
        ("get", "/v1/keys/{id}/rotation", Token("keys:read", LikeNothing), none()),
        ("post", "/v1/keys/{id}/finish", Token("keys:rotate", LikeNothing), none()),
        ("post", "/v1/keys/{id}/disable", Token("keys:revoke", LikeNothing), none()),
        ("post", "/v1/keys/{id}/enable", Token("keys:revoke", LikeNothing), none()),
        ("post", "/v1/keys/{id}/revoke", Token("keys:revoke", LikeNothing), none()),
        ("get", "/v1/apis", Token("apis:read", Told(200)), none()),
        ("post", "/v1/apis", Token("apis:manage", Told(409)), api.clone()),
        ("get", "/v1/apis/{id}", Token("apis:read", Told(200)), none()),
        ("patch", "/v1/apis/{id}", Token("apis:manage", Told(200)), json!({"name": "docs"})),
        ("put", "/v1/apis/{id}", Token("apis:manage", Told(200)), api),
        ("post", "/v1/apis/{id}/enable", Token("apis:manage", Told(409)), none()),
        ("post", "/v1/apis/{id}/disable", Token("apis:manage", Told(200)), none()),
        ("get", "/v1/plans", Token("apis:read", Told(200)), none()),
        ("post", "/v1/plans", Token("apis:manage", Told(409)), json!({"name": "small", "policy": rate})),
        ("get", "/v1/plans/{id}", Token("apis:read", Told(200)), none()),
        ("patch", "/v1/plans/{id}", Token("apis:manage", Told(200)), json!({"name": "small"})),
        ("put", "/v1/plans/{id}", Token("apis:manage", Told(200)), json!({"name": "small", "policy": rate})),
        ("post", "/v1/keys/verify", ResourceServer, text.clone()),
        ("post", "/v1/keys/verify/batch", ResourceServer, json!({"items": [text]})),
        ("post", "/v1/usage", ResourceServer, json!({"items": []})),
        ("get", "/v1/revocations", ResourceServer, none()),
        ("post", "/v1/leaks", Anybody(202), json!({"tokens": ["nothing"]})),
        ("post", "/v1/leaks/trufflehog", Anybody(403), json!({"keywright": {"token": ["nothing"]}})),
        ("get", "/v1/openapi.json", Anybody(200), none()),
    ]
}

#[test]
fn a36_every_operation_of_the_document_has_a_row_that_says_who_may_and_no_row_is_left_over() {
    each(|database| {
        let server = Server::on(database);
        let document = server.get("/v1/openapi.json").json();
        let mut told = BTreeMap::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                if let Some(security) = operation.get("security") {
                    told.insert((method.clone(), path.clone()), security.clone());
                }
            }
        }
        let rows = matrix();
        let of_rows: BTreeSet<(String, String)> =
            rows.iter().map(|(method, path, _, _)| ((*method).to_owned(), (*path).to_owned())).collect();
        assert_eq!(told.keys().cloned().collect::<BTreeSet<_>>(), of_rows);
        for (method, path, who, _) in rows {
            let security = &told[&(method.to_owned(), path.to_owned())];
            match who {
                Token(scope, _) => assert_eq!(*security, json!([{"access_token": [scope]}]), "{method} {path}"),
                ResourceServer => {
                    assert!(!security.to_string().contains("access_token"), "{method} {path}: {security}")
                }
                Anybody(_) => assert_eq!(*security, json!([]), "{method} {path}"),
            }
        }
    });
}

/// A request with whatever is shown, and the version that was seen.
fn ask(server: &Server, (method, target): (&str, &str), shown: Option<&str>, (body, seen): (&Value, &str)) -> Reply {
    let mut request = Request::new(&method.to_uppercase(), target);
    if let Some(shown) = shown {
        request = request.bearer(shown);
    }
    if matches!(method, "patch" | "put") && !seen.is_empty() {
        request = request.field("if-match", seen);
    }
    server.send(&if body.is_null() { request } else { request.body("application/json", body.to_string()) })
}

/// Where a route is of this key, or of its link, or of the plan; of any other there is none.
fn place(path: &str, of: &str, [id, link, plan]: [&str; 3]) -> String {
    let named = path.replace("{name}", "month");
    match path {
        _ if path.starts_with("/v1/apis") => named.replace("{id}", "docs"),
        _ if path.starts_with("/v1/plans") => named.replace("{id}", plan),
        _ if path.starts_with("/v1/keys/claims") && of == id => named.replace("{id}", link),
        _ if path.starts_with("/v1/keys/claims") => named.replace("{id}", "clm_00000000000000000000000007"),
        _ => named.replace("{id}", of),
    }
}

#[test]
fn a36_r026_every_route_wants_its_own_scope_and_hides_what_is_somebody_elses() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let key = made["key"].as_str().unwrap();
        let link = json!({"key": {"api": "docs", "name": "partner", "anywhere": true}});
        let link = call(&server, "POST", "/v1/keys/claims", &keys.manager, Some(&link)).json();
        let plan = json!({"name": "small", "policy": {"v": 1}});
        let plan = call(&server, "POST", "/v1/plans", &keys.manager, Some(&plan)).json();
        let [id, link, plan] = [&made, &link, &plan].map(|one| one["id"].as_str().unwrap());
        let nothing = ApiKeyId::from_u128(7).to_string();
        let at = |path: &str, of: &str| place(path, of, [id, link, plan]);
        let seen = |path: &str| {
            let target = at(path, id);
            let shown = call(&server, "GET", &target, &keys.manager, None);
            shown.field("etag").map(str::to_owned).unwrap_or_default()
        };
        let stranger = token(&server, ALL);
        for (method, path, who, body) in &matrix() {
            let (target, version) = (at(path, id), seen(path));
            let how = (body, version.as_str());
            let what = format!("{method} {path}");
            let asked = |shown: Option<&str>| ask(&server, (method, &target), shown, how);
            if let Anybody(status) = who {
                assert_eq!(asked(None).status, *status, "{what}");
                continue;
            }
            assert_eq!(asked(None).status, 401, "{what}");
            assert_eq!(asked(Some(key)).status, 401, "an API key manages nothing: {what}");
            let Token(scope, told) = who else {
                let refused = asked(Some(&stranger)).status;
                assert!(matches!(refused, 401 | 403), "a token is no resource server: {what}: {refused}");
                continue;
            };
            let others: Vec<&str> = ALL.split(' ').filter(|one| one != scope).collect();
            let lacking = asked(Some(&token(&server, &others.join(" "))));
            assert_eq!(lacking.status, 403, "{what}: {}", lacking.text());
            assert!(lacking.field("www-authenticate").unwrap().contains(scope), "{what}");
            let (reply, target) = (asked(Some(&stranger)), at(path, &nothing));
            match told {
                Told(status) => assert_eq!(reply.status, *status, "{what}: {}", reply.text()),
                LikeNothing => {
                    let of_nothing = ask(&server, (method, &target), Some(&stranger), how);
                    assert!(matches!(reply.status, 403 | 404), "{what}: {}", reply.text());
                    assert_eq!((reply.status, reply.text()), (of_nothing.status, of_nothing.text()), "{what}");
                }
            }
        }
        assert_eq!(call(&server, "POST", "/v1/apis/docs/enable", &keys.manager, None).status, 200);
        server.follow_now();
        assert_eq!(keys.ask(&server, key, json!({}))["code"], "ok", "nothing was done to it");
        let shown = call(&server, "GET", &format!("/v1/keys/{id}"), &keys.manager, None).json();
        assert_eq!((&shown["name"], &shown["state"]), (&json!("job"), &json!("active")));
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
        let nobody = server.send(&Request::new("POST", "/v1/keys").body("application/json", body.to_string()));
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
            (json!({"expires_at": "9999-12-31T23:59:59Z"}), "expires_at"),
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
            let request = Request::new("POST", "/v1/keys").bearer(&keys.manager);
            server.send(&request.field("idempotency-key", "w").body("application/json", body.to_string())).status
        };
        assert_eq!((send("docs.admin"), send("docs.read"), send("docs.read")), (422, 201, 409));
    });
}
