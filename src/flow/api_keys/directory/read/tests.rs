//! What a key counts for in memory.

use super::*;
use serde_json::json;

#[test]
fn a_key_with_a_long_policy_counts_for_many() {
    let document = |value: serde_json::Value| value.as_object().unwrap().clone();
    let (none, short) = (document(json!({})), document(json!({"v": 1, "ip": {"allow": ["203.0.113.0/24"]}})));
    let ranges: Vec<String> = (0..10_000).map(|n| format!("10.{}.{}.0/24", n / 256, n % 256)).collect();
    let long = document(json!({"v": 1, "ip": {"allow": ranges}}));
    let of = |all: [&_; 3]| weight(all.into_iter().map(length));
    assert_eq!((of([&none, &none, &none]), of([&short, &none, &none])), (1, 1));
    assert!(of([&long, &none, &none]) > 300);
}
