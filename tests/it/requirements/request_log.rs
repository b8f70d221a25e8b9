//! R95: each request with a key leaves a line in the log, with everything but the key.

use crate::{
    commands::{Installation, each},
    world::ports::free_port,
};
use serde_json::{Value, json};

struct Made {
    key: String,
    id: String,
    asks: String,
}

fn made(it: &Installation) -> Made {
    it.json(&["api", "add", "--name", "docs", "--audience", "https://docs.example", "--scope", "docs.read"], "");
    let client = it.json(&["client", "add", "--name", "partner", "--grant", "client_credentials"], "");
    let owner = format!("client:{}", client["client_id"].as_str().unwrap());
    let make = |more: &[&str]| {
        it.json(&[&["api-key", "create", "--api", "docs", "--owner", &owner, "--name", "job"], more].concat(), "")
    };
    let key = make(&["--anywhere", "--scope", "docs.read"]);
    let text = |made: &Value, member: &str| made[member].as_str().unwrap().to_owned();
    Made { key: text(&key, "key"), id: text(&key, "id"), asks: text(&make(&["--kind", "verifier"]), "key") }
}

fn post(it: &Installation, path: &str, made: &Made, body: &Value) -> Value {
    let ask = ureq::post(it.at(path)).header("X-API-Key", &made.asks).header("Content-Type", "application/json");
    serde_json::from_str(&ask.send(body.to_string()).unwrap().into_body().read_to_string().unwrap()).unwrap()
}

/// The lines of the log of requests; every line of the log must be JSON.
fn lines(it: &Installation) -> Vec<Value> {
    let all = it.log();
    let all = all.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{e}: {line}")));
    all.filter(|line| line["target"] == "keywright::requests").collect()
}

/// Verifications of every kind, by a resource server and by a gateway, and a report of the first.
fn calls(it: &Installation, made: &Made, gateway: &str) -> Value {
    let request = json!({"ip": "203.0.113.9", "method": "GET", "user_agent": format!("sync/2 {}", made.key),
        "path": format!("/v1/docs/{}?page=2&api_key={}&q=my%20salary", made.key, made.key)});
    let told =
        post(it, "/v1/keys/verify", made, &json!({"key": made.key, "scopes": ["docs.read"], "request": request}));
    assert_eq!(told["code"], "ok");
    let refused = json!({"items": [{"key": made.key, "scopes": ["docs.write"]}, {"key": "kw_live_nonsense"}]});
    post(it, "/v1/keys/verify/batch", made, &refused);
    post(it, "/v1/keys/verify", made, &json!({"key": made.key, "dry_run": true}));
    let passed = ureq::get(format!("http://{gateway}/auth/nginx/docs"))
        .header("Authorization", format!("Bearer {}", made.key))
        .header("X-Original-Method", "DELETE")
        .header("X-Original-URI", "/v1/docs/7?secret=1")
        .header("X-Forwarded-For", "2001:db8::7")
        .header("User-Agent", "curl/8")
        .call();
    assert_eq!(passed.unwrap().status().as_u16(), 200);
    let report =
        json!({"id": told["request_id"], "key_id": made.id, "status": 503, "duration_ms": 41.5, "bytes_out": 7});
    assert_eq!(post(it, "/v1/usage", made, &json!({"items": [report]}))["counted"], 1);
    assert_eq!(post(it, "/v1/usage", made, &json!({"items": [report]}))["repeated"], 1);
    told
}

#[test]
fn r095_each_request_with_a_key_is_logged_with_everything_but_the_key() {
    each(|it| {
        let made = made(it);
        let gateway = format!("127.0.0.1:{}", free_port());
        let serving = it.serve_with(&[
            ("KEYWRIGHT_LOG_REQUESTS", "on"),
            ("KEYWRIGHT_LOG_LEVEL", "warn"),
            ("KEYWRIGHT_GATEWAY_LISTEN", &gateway),
            ("KEYWRIGHT_GATEWAY_TRUSTED_PEERS", "127.0.0.1"),
        ]);
        let told = calls(it, &made, &gateway);
        serving.end();

        let lines = lines(it);
        let seen = |member: &str| lines.iter().map(|line| line[member].clone()).collect::<Vec<Value>>();
        assert_eq!(lines.len(), 5, "a line for each, none for what was only tried or came again: {lines:?}");
        for line in &lines {
            for member in ["key_id", "hint", "timestamp", "request_id", "api"] {
                assert!(line[member].is_string(), "{member}: {line}");
            }
            assert!(line.get("apiKey").is_none() && line.get("key").is_none(), "{line}");
        }
        let id = json!(made.id);
        assert_eq!(seen("key_id"), [id.clone(), id.clone(), json!(""), id.clone(), id]);
        let codes = ["ok", "insufficient_scope", "invalid_key", "ok"];
        assert_eq!(seen("code")[..4], codes.map(|code| json!(code)));
        assert_eq!(seen("via")[..4], ["verify", "verify", "verify", "nginx"].map(|via| json!(via)));
        let (first, by_gateway, report) = (&lines[0], &lines[3], &lines[4]);
        for (member, is) in [
            ("ip", json!("203.0.113.9")),
            ("user_agent", json!("sync/2 [hidden]")),
            ("method", json!("GET")),
            ("path", json!("/v1/docs/[hidden]")),
            ("query", json!("page api_key q")),
            ("hint", json!(format!("{}…", &made.key[..12]))),
            ("request_id", told["request_id"].clone()),
        ] {
            assert_eq!(first[member], is, "{member}");
        }
        assert!(first["duration_us"].is_u64() && by_gateway["duration_us"].is_u64());
        assert_eq!(
            (&by_gateway["method"], &by_gateway["path"], &by_gateway["query"], &by_gateway["ip"]),
            (&json!("DELETE"), &json!("/v1/docs/7"), &json!("secret"), &json!("2001:db8::7"))
        );
        assert_eq!(
            (&report["status"], &report["duration_us"], &report["bytes_out"], &report["request_id"]),
            (&json!(503), &json!(41_500), &json!(7), &told["request_id"])
        );
        let log = it.log();
        for secret in [&made.key[12..], &made.asks[12..], "salary"] {
            assert!(!log.contains(secret), "{secret}");
        }
    });
}

#[test]
fn r095_nothing_of_requests_is_logged_unless_somebody_wants_it() {
    each(|it| {
        let made = made(it);
        let serving = it.serve();
        assert_eq!(post(it, "/v1/keys/verify", &made, &json!({"key": made.key}))["code"], "ok");
        serving.end();
        assert!(lines(it).is_empty() && it.log().lines().count() > 1);
    });
}
