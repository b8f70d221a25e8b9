//! Requirements that are seen through a gateway: R1, R66, R128, R129.

use super::{Gated, burst, question};
use crate::world::each;
use serde_json::json;

#[test]
fn r001_a_key_travels_in_a_field_and_in_the_address_only_where_the_api_says_so() {
    each(|database| {
        let gated = Gated::on(database);
        let key = gated.key(json!({}));
        for (gateway, _) in super::GATEWAYS {
            let ask = || question(gateway, "GET", "/v1/docs");
            assert_eq!(gated.send(&ask().bearer(&key)).status, 200, "{gateway}");
            assert_eq!(gated.send(&ask().field("X-API-Key", &*key)).status, 200, "{gateway}");
            assert_eq!(gated.send(&question(gateway, "GET", &format!("/v1/docs?api_key={key}"))).status, 401);
        }
        let told = gated.keys.ask(&gated.server, &key, json!({}));
        assert_eq!((&told["valid"], &told["owner"]["id"]), (&json!(true), &json!(gated.owner.id)));
    });
}

#[test]
fn r066_a_key_is_sent_found_good_and_opens_and_a_wrong_one_does_not() {
    each(|database| {
        let gated = Gated::on(database);
        let key = gated.key(json!({}));
        let ask = |key: &str| gated.send(&question("nginx", "GET", "/v1/docs?page=1").field("X-API-Key", key));
        let good = ask(&key);
        assert_eq!(good.status, 200, "found in the store, and its limits known");
        assert_eq!(good.field("x-key-owner"), Some(&*gated.owner.id));
        assert_eq!(good.field("x-key-scopes"), Some("docs.read"));
        let last = key.chars().last().unwrap();
        let wrong = format!("{}{}", &key[..key.len() - 1], if last == 'a' { 'b' } else { 'a' });
        assert_eq!(ask(&wrong).status, 401);
    });
}

#[test]
fn r128_r129_five_a_minute_pass_then_one_is_told_to_wait_and_all_are_told_what_is_left() {
    each(|database| {
        let gated = Gated::with(database, &[], burst(5), json!({}));
        let key = gated.key(json!({}));
        let ask = || question("traefik", "GET", "/v1/docs");
        let missing = gated.send(&ask());
        assert_eq!(missing.status, 401);
        assert!(missing.field("www-authenticate").unwrap().starts_with("Bearer"));
        for left in (0..5).rev() {
            let reply = gated.send(&ask().field("X-API-Key", &*key));
            assert_eq!(reply.status, 200);
            let told = reply.field("ratelimit").unwrap();
            assert!(told.starts_with(&format!("\"burst\";r={left}")), "{told}");
        }
        let refused = gated.send(&ask().field("X-API-Key", &*key));
        assert_eq!((refused.status, refused.field("retry-after")), (429, Some("60")));
    });
}
