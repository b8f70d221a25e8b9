//! What each gateway is answered.

use super::{GATEWAYS, Gated, IDENTITY, burst, question};
use crate::{
    keys::call,
    world::{Request, each},
};
use keywright::base::moment::Span;
use serde_json::json;

#[test]
fn a_good_key_is_200_with_every_field_of_identity_whatever_the_method_and_path() {
    each(|database| {
        let gated = Gated::on(database);
        let made = gated.made(json!({}));
        let key = made["key"].as_str().unwrap();
        for (gateway, _) in GATEWAYS {
            for method in ["GET", "POST", "DELETE", "OPTIONS", "PROPFIND"] {
                let reply = gated.send(&question(gateway, method, "/v1/docs/7?a=b").bearer(key));
                assert_eq!((reply.status, reply.body.len()), (200, 0), "{gateway} {method}: {}", reply.text());
                for name in IDENTITY {
                    assert!(reply.field(name).is_some(), "{gateway}: {name}");
                }
                assert_eq!(reply.field("x-key-id"), made["id"].as_str());
                assert_eq!(reply.field("x-key-owner"), Some(gated.owner.id.as_str()));
                assert_eq!(reply.field("x-key-scopes"), Some("docs.read"));
                assert_eq!(reply.field("x-key-plan"), Some(""));
                assert_eq!(reply.field("x-key-jwt"), Some(""));
                assert_eq!(reply.field("x-auth-status"), Some("200"));
                let strips = (gateway == "envoy").then_some("x-api-key,authorization,dpop");
                assert_eq!(reply.field("x-envoy-auth-headers-to-remove"), strips);
            }
        }
        let by_field = gated.send(&question("caddy", "GET", "/v1").field("X-API-Key", key));
        assert_eq!(by_field.status, 200);
        assert!(by_field.field("ratelimit").unwrap().starts_with("\"burst\";r=74;t="), "{}", by_field.head());
        assert_eq!(by_field.field("ratelimit-policy"), Some("\"burst\";q=100;w=6000"));
    });
}

#[test]
fn a_refusal_is_told_as_the_table_says_and_by_two_statuses_where_a_gateway_knows_no_more() {
    each(|database| {
        let gated = Gated::with(database, &[], burst(2), json!({}));
        let routed = gated.key(json!({"policy": {"v": 1, "routes": [{"methods": ["GET"], "path": "/v1/**"}]}}));
        for (gateway, _) in GATEWAYS {
            let two = |status: u16| if gateway == "nginx" && status != 401 { 403 } else { status };
            let limited = gated.key(json!({}));
            let ask = |key: &str, method: &str| gated.send(&question(gateway, method, "/v1/x").bearer(key));
            let none = gated.send(&question(gateway, "GET", "/v1/x"));
            assert_eq!((none.status, none.field("www-authenticate")), (401, Some("Bearer realm=\"docs\"")));
            let unknown = ask("kw_live_nothing", "GET");
            let challenge = Some("Bearer realm=\"docs\", error=\"invalid_token\"");
            assert_eq!((unknown.status, unknown.field("www-authenticate")), (401, challenge));
            assert_eq!(unknown.field("content-type"), Some("application/problem+json"));
            assert_eq!(unknown.json()["detail"], "the API key is not good");
            let wrong_route = ask(&routed, "POST");
            assert_eq!((wrong_route.status, wrong_route.field("x-auth-status")), (403, Some("403")));
            assert!(wrong_route.json().get("rule").is_none(), "the API does not tell reasons");
            assert_eq!([ask(&limited, "GET").status, ask(&limited, "GET").status], [200, 200]);
            let used_up = ask(&limited, "GET");
            assert_eq!((used_up.status, used_up.field("x-auth-status")), (two(429), Some("429")), "{gateway}");
            assert_eq!(used_up.field("retry-after"), Some("60"));
            assert_eq!(used_up.field("x-auth-retry-after"), (gateway == "nginx").then_some("60"));
            assert_eq!(used_up.field("ratelimit"), Some("\"burst\";r=0;t=60"));
            let body = used_up.json();
            assert_eq!(body["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
            assert_eq!((&body["status"], &body["violated-policies"]), (&json!(429), &json!(["burst"])));
            let twice = gated.send(&question(gateway, "GET", "/v1/x").bearer(&routed).field("X-API-Key", "a"));
            assert_eq!((twice.status, twice.field("x-auth-status")), (two(400), Some("400")));
        }
    });
}

#[test]
fn the_environment_and_the_scope_that_a_gateway_wants_are_asked() {
    each(|database| {
        let gated = Gated::with(database, &[], burst(100), json!({"expose_reason": true}));
        let test = gated.key(json!({"environment": "test", "policy": {"v": 1, "ip": {"allow": ["192.0.2.0/24"]}}}));
        let live = gated.key(json!({}));
        let ask = |key: &str, wanted: &str| {
            gated.send(&Request::new("GET", &format!("/auth/traefik/docs{wanted}")).bearer(key))
        };
        assert_eq!(ask(&live, "?env=live&scope=docs.read").status, 200);
        assert_eq!(ask(&live, "?env=test").status, 401);
        assert_eq!(ask(&test, "?env=live").status, 401);
        let lacking = ask(&live, "?scope=docs.write");
        let challenge = "Bearer realm=\"docs\", error=\"insufficient_scope\", scope=\"docs.write\"";
        assert_eq!((lacking.status, lacking.field("www-authenticate")), (403, Some(challenge)));
        assert_eq!(ask(&live, "?evn=test").status, 400);
        // Where no address is said, a restriction by address refuses (A40), and tells why where the API wants it.
        let missing = ask(&test, "").json();
        assert_eq!((&missing["rule"], &missing["reason"]), (&json!("ip"), &json!("attribute_missing")));
        assert_eq!(gated.send(&Request::new("GET", "/auth/traefik/other").bearer(&live)).status, 404);
        assert_eq!(gated.send(&Request::new("GET", "/auth/kong/docs").bearer(&live)).status, 404);
        // A good refusal of a restricted key is by its own rule: an address that is allowed passes.
        let allowed = question("traefik", "GET", "/").bearer(&test);
        assert_eq!(gated.send(&allowed).status, 403);
    });
}

#[test]
fn r001_a_key_in_the_query_is_found_only_where_the_api_says_so_and_only_in_the_clients_address() {
    each(|database| {
        let gated = Gated::with(database, &[], burst(100), json!({"query_parameter": "api_key"}));
        let key = gated.key(json!({}));
        for (gateway, _) in GATEWAYS {
            let asked = |target: &str| gated.send(&question(gateway, "GET", target)).status;
            assert_eq!(asked(&format!("/v1?api_key={key}")), 200, "{gateway}");
            assert_eq!(asked(&format!("/v1?key={key}")), 401, "{gateway}");
        }
        let elsewhere = Request::new("GET", &format!("/auth/caddy/docs?api_key={key}"));
        assert_eq!(gated.send(&elsewhere.field("X-Forwarded-Uri", "/v1")).status, 401);
        let both = question("caddy", "GET", &format!("/v1?api_key={key}")).bearer(&key);
        assert_eq!(gated.send(&both).status, 400);
    });
}

#[test]
fn r082_whoever_uses_a_key_that_has_a_successor_is_told_until_when() {
    each(|database| {
        let gated = Gated::on(database);
        let old = gated.made(json!({}));
        let (text, id) = (old["key"].as_str().unwrap(), old["id"].as_str().unwrap());
        let rotate = format!("/v1/keys/{id}/rotate");
        let rotated = call(&gated.server, "POST", &rotate, &gated.keys.manager, Some(&json!({"overlap": "24h"})));
        assert!(rotated.status < 300, "{}", rotated.text());
        gated.server.advance(Span::seconds(1));
        let reply = gated.send(&question("traefik", "GET", "/v1").bearer(text));
        assert_eq!(reply.status, 200);
        assert_eq!(reply.field("deprecation"), Some("@1767225600"));
        assert_eq!(reply.field("sunset"), Some("Fri, 02 Jan 2026 00:00:00 GMT"));
        assert_eq!(reply.field("link").unwrap(), format!("<https://id.example/v1/keys/{id}>; rel=\"deprecation\""));
        let new = rotated.json()["new"]["key"].as_str().unwrap().to_owned();
        let reply = gated.send(&question("traefik", "GET", "/v1").bearer(&new));
        assert_eq!((reply.status, reply.field("deprecation")), (200, None));
    });
}

#[test]
fn a_fault_of_ours_lets_nothing_pass() {
    each(|database| {
        let gated = Gated::on(database);
        let key = gated.key(json!({}));
        database.backdoor().execute("ALTER TABLE api_keys RENAME TO api_keys_gone");
        for (gateway, status) in [("nginx", 403), ("caddy", 503), ("envoy", 503)] {
            let reply = gated.send(&question(gateway, "GET", "/v1").bearer(&key));
            assert_eq!((reply.status, reply.field("x-auth-status")), (status, Some("503")), "{}", reply.text());
            assert_eq!(reply.field("retry-after"), Some("1"));
        }
        database.backdoor().execute("ALTER TABLE api_keys_gone RENAME TO api_keys");
        assert_eq!(gated.send(&question("nginx", "GET", "/v1").bearer(&key)).status, 200);
    });
}
