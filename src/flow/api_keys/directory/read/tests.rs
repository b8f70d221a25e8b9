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

#[test]
fn long_policies_that_no_key_has_any_more_take_a_share_of_the_memory_for_keys() {
    let directory = Directory::new(400);
    for n in 0..100u8 {
        let ranges: Vec<String> = (0..200).map(|m| format!("10.{n}.{m}.0/24")).collect();
        let policy = json!({"v": 1, "ip": {"allow": ranges}});
        directory.document("key_1", policy.as_object().unwrap()).unwrap();
    }
    directory.documents.run_pending_tasks();
    let kept: usize = directory.documents.iter().map(|(text, _)| text.len()).sum();
    assert!((1..=100 * BYTES_OF_A_KEY).contains(&kept), "{kept} bytes");
}
