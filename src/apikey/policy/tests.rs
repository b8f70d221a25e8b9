//! Tests of whole policies: the published example, what is refused, and intersection.

use super::{sample::*, *};
use crate::base::moment::Span;
use proptest::prelude::*;
use std::sync::Arc;

const EXAMPLE: &str = r#"{"v":1,
 "ip":{"allow":["203.0.113.0/24","2001:db8::/48"],"deny":["203.0.113.66"]},
 "geo":{"allow":["US","CA"],"unknown":"deny"},
 "referrer":{"allow":["https://app.example.com"],"missing":"deny"},
 "user_agent":{"require":true,"allow":["partner-sync/*"],"deny":["*sqlmap*"]},
 "time":{"windows":[{"days":"mon-fri","from":"07:00","to":"19:00","tz":"Europe/Berlin"}]},
 "routes":[{"methods":["GET"],"path":"/v1/docs/**"},{"methods":["POST"],"path":"/v1/docs"}],
 "rate":[{"name":"burst","by":"family","limit":20,"per":"1s","burst":40},{"name":"minute","by":"ip","limit":300,"per":"60s"}],
 "quota":[{"name":"month","limit":1000000,"per":"month","unit":"requests"},{"name":"egress","limit":1073741824,"per":"month","unit":"content-bytes","on_exceed":"deny"}],
 "binding":{"dpop":"optional"}}"#;

fn good() -> Call<'static> {
    Call {
        address: Some("203.0.113.9"),
        country: Some("US"),
        method: Some("GET"),
        path: Some("/v1/docs/7"),
        user_agent: Some("partner-sync/2"),
        origin: Some("https://app.example.com"),
        ..call()
    }
}

fn layer(level: Level, of: &str, json: &str) -> Layer {
    Layer { level, of: of.into(), document: Arc::new(document(json).unwrap()) }
}

fn refusal(policy: &Compiled, call: &Call<'_>) -> Option<(Rule, Level, Reason)> {
    Rule::ORDER.iter().find_map(|rule| {
        policy.findings(*rule, call).find_map(|(level, found)| found.err().map(|reason| (*rule, level, reason)))
    })
}

#[test]
fn the_example_is_read_and_each_of_its_rules_refuses_what_it_should() {
    let policy = Compiled::of(vec![layer(Level::Key, "key_1", EXAMPLE)]);
    assert_eq!(refusal(&policy, &good()), None);
    let at = |text: &str| crate::base::moment::Moment::from_utc(text.parse().unwrap());
    let cases = [
        (Call { address: Some("198.51.100.7"), ..good() }, Rule::Ip),
        (Call { country: Some("RU"), ..good() }, Rule::Geo),
        (Call { at: at("2026-01-01T03:00:00Z"), ..good() }, Rule::Time),
        (Call { origin: None, referer: Some("https://evil.example"), ..good() }, Rule::Referrer),
        (Call { user_agent: Some("sqlmap/1.8"), ..good() }, Rule::UserAgent),
        (Call { user_agent: None, ..good() }, Rule::UserAgent),
        (Call { method: Some("DELETE"), ..good() }, Rule::Route),
    ];
    for (call, rule) in cases {
        assert_eq!(refusal(&policy, &call).map(|(rule, ..)| rule), Some(rule), "{call:?}");
    }
    assert_eq!((policy.limits().len(), policy.budgets().len(), policy.counts()), (2, 2, true));
}

#[test]
fn a_call_of_which_nothing_is_said_is_refused_by_every_rule_that_needs_something() {
    let policy = Compiled::of(vec![layer(Level::Key, "key_1", EXAMPLE)]);
    for rule in Rule::ORDER {
        let found: Vec<_> = policy.findings(*rule, &call()).map(|(_, found)| found).collect();
        let wanted = if *rule == Rule::Time { Ok(()) } else { Err(Reason::Missing) };
        assert_eq!(found, [wanted], "{rule:?}");
    }
}

#[test]
fn what_is_no_policy_is_refused_and_the_member_named() {
    let long = format!(r#"{{"v":1,"user_agent":{{"deny":["{}"]}}}}"#, "a".repeat(70_000));
    let deep = format!(r#"{{"v":1,"routes":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    let cases = [
        (r#"{"ip":{"allow":["10.0.0.0/8"]}}"#, "v", "must be 1"),
        (r#"{"v":2}"#, "v", "must be 1"),
        (r#"{"v":"1"}"#, "v", "must be 1"),
        (r#"{"v":1,"cel":"true"}"#, "cel", "is not a member"),
        (r#"{"v":1,"ip":null}"#, "ip", "must be an object"),
        (r#"{"v":1,"geo":[]}"#, "geo", "must be an object"),
        (&long, "", "bytes beside ip"),
        (&deep, "routes[0]", "must be an object"),
    ];
    for (json, member, why) in cases {
        let invalid = document(json).unwrap_err();
        assert_eq!(invalid.member(), member, "{invalid}");
        assert!(invalid.why().contains(why), "{invalid}");
    }
    assert!(document("{}").is_ok() && document(r#"{"v":1}"#).is_ok());
    let printed = document(r#"{"v":1,"ip":{"allow":["10.0.0.1/8"]}}"#).unwrap_err().to_string();
    assert_eq!(printed, r#"policy member ip.allow[0] has bits beyond its prefix: "10.0.0.1/8"; is 10.0.0.0/8 meant?"#);
}

#[test]
fn a_plan_has_rate_and_quota_and_nothing_else() {
    let read =
        |json: &str| Document::read_plan(&serde_json::from_str(json).unwrap()).map_err(|e| e.member().to_owned());
    assert!(read(r#"{"v":1,"rate":[{"name":"a","by":"family","limit":1,"per":"1s"}]}"#).is_ok());
    assert!(read("{}").is_ok());
    assert_eq!(read(r#"{"v":1,"ip":{"allow":["10.0.0.0/8"]}}"#).unwrap_err(), "ip");
    assert!(Document::read_plan(&serde_json::from_str(r#"{"guaranteed":true}"#).unwrap()).unwrap().guaranteed);
    assert_eq!(read(r#"{"guaranteed":1}"#).unwrap_err(), "guaranteed");
}

#[test]
fn policies_of_all_levels_are_intersected() {
    let policy = Compiled::of(vec![
        layer(
            Level::Api,
            "api_1",
            r#"{"v":1,"ip":{"deny":["10.0.0.66"]},"rate":[{"name":"burst","by":"api","limit":100,"per":"1s"}],"quota":[{"name":"month","limit":500,"per":"month"}]}"#,
        ),
        layer(
            Level::Plan,
            "plan_1",
            r#"{"v":1,"rate":[{"name":"burst","by":"family","limit":20,"per":"1s","burst":40}],"quota":[{"name":"month","limit":100,"per":"month"},{"name":"day","limit":10,"per":"day"}]}"#,
        ),
        layer(Level::Family, "fam_1", r#"{"v":1,"ip":{"allow":["10.0.0.0/8"]}}"#),
        layer(
            Level::Key,
            "key_1",
            r#"{"v":1,"ip":{"allow":["10.0.0.0/24","192.0.2.1"]},"quota":[{"name":"month","limit":900,"per":"month"}]}"#,
        ),
    ]);
    let cases = [
        ("10.0.0.1", None),
        ("10.0.0.66", Some((Level::Api, Reason::Denied))),
        ("192.0.2.1", Some((Level::Family, Reason::NotAllowed))),
        ("10.0.1.1", Some((Level::Key, Reason::NotAllowed))),
    ];
    for (address, wanted) in cases {
        let found = refusal(&policy, &Call { address: Some(address), ..call() });
        assert_eq!(found, wanted.map(|(level, reason)| (Rule::Ip, level, reason)), "{address}");
    }
    let buckets: Vec<&str> = policy.limits().iter().map(|limit| limit.bucket.as_str()).collect();
    assert_eq!(buckets, ["api_1/burst", "plan_1/burst"]);
    let budgets: Vec<_> = policy.budgets().iter().map(|b| (b.counter.as_str(), b.level, b.quota.limit)).collect();
    assert_eq!(budgets, [("month.month.requests", Level::Plan, 100), ("day.day.requests", Level::Plan, 10)]);
}

#[test]
fn one_more_limit_can_be_put_on_top() {
    let policy = Compiled::of(Vec::new());
    assert!(!policy.counts());
    let policy =
        policy.within(Level::Key, "key_1", rate::Rate::weak()).within(Level::Plan, "plan_1", rate::Rate::usual());
    let limits: Vec<_> = policy.limits().iter().map(|l| (l.bucket.as_str(), l.rate.rule().interval())).collect();
    assert_eq!(limits, [(".key.given/weak", Span::millis(200)), ("plan_1.given/default", Span::millis(50))]);
}

/// Any JSON at all.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z0-9./:*@-]{0,12}".prop_map(Value::from),
        Just(Value::from("10.0.0.0/8")),
        Just(Value::from("/v1/**")),
    ];
    let key = prop_oneof!["allow", "deny", "require", "windows", "methods", "path", "name", "by", "limit", "per", "x"];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(key.clone(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn reading_is_total_and_so_is_asking(
        member in prop_oneof!["ip", "geo", "referrer", "user_agent", "time", "routes", "rate", "quota", "binding"], value in json(),
        said in proptest::option::of("\\PC{0,30}"),
    ) {
        let text = serde_json::json!({ "v": 1, member.clone(): value });
        match Document::read(text.as_object().unwrap()) {
            Err(invalid) => prop_assert!(invalid.member().starts_with(&member), "{}", invalid),
            Ok(document) => {
                let said = said.as_deref();
                let call = Call { address: said, country: said, path: said, method: said, user_agent: said, origin: said, ..call() };
                for rule in Rule::ORDER {
                    let _ = document.finding(*rule, &call);
                }
            }
        }
    }
}
