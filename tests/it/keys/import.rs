//! Keys that were made elsewhere are brought.

use super::{Keys, call, token};
use crate::world::{Server, each};
use keywright::{
    audit::Actor,
    base::{
        digest::{ForeignMac, base64, sha256},
        moment::Span,
        secret::Secret,
    },
    flow::secrets::peppers,
};
use serde_json::{Value, json};

const STRONG: &str = "legacy-AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXC";
const OURS: &str = "kw_live_AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXCLDj9vj417cawd";
const UUID: &str = "018f4c1e-7b2a-7c3d-9e4f-0a1b2c3d4e5f";

fn hex(text: &str) -> String {
    digits(&sha256(text.as_bytes()))
}

fn digits(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What another system has kept of a key.
fn mac(key: &str, text: &str) -> [u8; 32] {
    ForeignMac::new(&Secret::new(key.as_bytes().to_vec())).of(text)
}

struct Importer {
    token: String,
    owner: String,
}

impl Importer {
    fn at(server: &Server) -> Self {
        Self { token: token(server, "keys:any keys:import keys:read"), owner: server.machine().id }
    }

    fn bring(&self, server: &Server, weak: bool, items: &Value) -> crate::world::Reply {
        let like = json!({"api": "docs", "name": "old", "scope": "docs.read", "anywhere": true,
            "owner": {"type": "client", "id": self.owner}});
        let body = json!({"like": like, "weak": weak, "items": items});
        call(server, "POST", "/v1/keys/import", &self.token, Some(&body))
    }

    /// Brings keys by their HMACs.
    fn bring_macs(&self, server: &Server, key: &Value, items: &Value) -> crate::world::Reply {
        let like = json!({"api": "docs", "name": "old", "scope": "docs.read", "anywhere": true,
            "owner": {"type": "client", "id": self.owner}});
        let body = json!({"like": like, "hmac_key": key, "items": items});
        call(server, "POST", "/v1/keys/import", &self.token, Some(&body))
    }
}

fn outcomes(reply: &crate::world::Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let told = reply.json();
    let items = told["items"].as_array().unwrap().iter();
    items.map(|item| item["outcome"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn keys_are_brought_by_their_text_or_its_digest_and_are_found_at_once() {
    each(|database| {
        let server = Server::on(database);
        let (keys, importer) = (Keys::at(&server, json!({})), Importer::at(&server));
        let before = keys.ask(&server, STRONG, json!({}));
        assert_eq!(before["code"], "invalid_key");
        let items = json!([
            {"key": STRONG, "name": "one"}, {"sha256": hex("another key of theirs, 0123456789")}, {"sha256": hex(OURS)},
            {"key": STRONG}, {"sha256": hex(STRONG)}, {"key": "short"}, {"key": UUID},
        ]);
        let brought = importer.bring(&server, false, &items);
        let expected = ["imported", "imported", "imported", "duplicate", "duplicate", "refused", "refused"];
        assert_eq!(outcomes(&brought), expected, "{}", brought.text());
        server.follow_now();
        server.advance(keywright::base::moment::Span::seconds(3));
        server.follow_now();
        for text in [STRONG, OURS] {
            let told = keys.ask(&server, text, json!({"scopes": ["docs.read"]}));
            assert_eq!(told["code"], "ok", "{text}: {told}");
        }
        let again = importer.bring(&server, false, &items);
        assert!(!outcomes(&again).contains(&"imported".to_owned()), "{}", again.text());
        let families = database.backdoor().texts("SELECT id AS text FROM key_families");
        assert_eq!(families.len(), 3, "no family without a key");
        assert_eq!(server.events_of("api_key.imported").len(), 1);
        let stored = database.backdoor().texts("SELECT hint AS text FROM api_keys").concat();
        assert!(!stored.contains(STRONG) && !stored.contains(&hex(OURS)), "{stored}");
    });
}

#[test]
fn a_key_with_dots_is_introspected_as_any_key() {
    each(|database| {
        let server = Server::on(database);
        let (keys, importer) = (Keys::at(&server, json!({})), Importer::at(&server));
        let dotted = ["sk.AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXC", "AwU75gCiOZHroBVV.sv7oWD2xu4QZ.MllVFsXC"];
        let items = dotted.map(|text| json!({"key": text}));
        assert_eq!(outcomes(&importer.bring(&server, false, &json!(items))), ["imported", "imported"]);
        server.follow_now();
        for text in dotted {
            let told = keys.docs.introspect(text);
            assert_eq!((&told["active"], &told["token_type"]), (&json!(true), &json!("api_key")), "{text}: {told}");
        }
        assert_eq!(keys.docs.introspect("e30.e30.AAAA"), json!({"active": false}), "what is a token is no key");
    });
}

#[test]
fn r052_what_may_be_easy_to_guess_is_brought_only_as_weak_and_lives_for_thirty_days() {
    each(|database| {
        let server = Server::on(database);
        let (keys, importer) = (Keys::at(&server, json!({})), Importer::at(&server));
        assert_eq!(outcomes(&importer.bring(&server, false, &json!([{"key": UUID}]))), ["refused"]);
        let brought = importer.bring(&server, true, &json!([{"key": UUID}]));
        assert_eq!(outcomes(&brought), ["imported"]);
        let id = brought.json()["items"][0]["id"].as_str().unwrap().to_owned();
        let shown = call(&server, "GET", &format!("/v1/keys/{id}"), &importer.token, None).json();
        assert_eq!((&shown["strength"], &shown["hint"]), (&json!("weak"), &json!("…")));
        server.follow_now();
        let told = keys.ask(&server, UUID, json!({}));
        assert_eq!(told["code"], "ok");
        assert!(told["limits"].as_array().unwrap().len() > 1, "it has a limit of its own: {told}");
        server.advance(keywright::base::moment::Span::days(31));
        server.follow_now();
        assert_eq!(keys.ask(&server, UUID, json!({}))["code"], "key_expired");
    });
}

#[test]
fn only_whoever_acts_for_everybody_brings_keys_and_only_so_many_at_once() {
    each(|database| {
        let server = Server::on(database);
        let (_keys, importer) = (Keys::at(&server, json!({})), Importer::at(&server));
        let own = Importer { token: token(&server, "keys:import keys:create"), ..Importer::at(&server) };
        assert_eq!(own.bring(&server, false, &json!([{"key": STRONG}])).status, 403);
        let makes = Importer { token: token(&server, "keys:any keys:create"), ..Importer::at(&server) };
        assert_eq!(makes.bring(&server, false, &json!([{"key": STRONG}])).status, 403);
        let many: Vec<Value> = (0..1001).map(|n| json!({"sha256": hex(&n.to_string())})).collect();
        assert_eq!(importer.bring(&server, false, &json!(many)).status, 422);
        for item in [json!({"key": STRONG, "sha256": hex("x")}), json!({}), json!({"sha256": "x"})] {
            assert_eq!(importer.bring(&server, false, &json!([item])).status, 422, "{item}");
        }
    });
}

#[test]
fn of_many_who_bring_one_key_at_once_one_does() {
    each(|database| {
        let server = Server::on(database);
        let (_keys, importer) = (Keys::at(&server, json!({})), Importer::at(&server));
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let bring = || importer.bring(&server, false, &json!([{"key": STRONG}])).status;
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(bring)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
        assert_eq!(database.backdoor().texts("SELECT id AS text FROM api_keys").len(), 1);
        assert_eq!(database.backdoor().texts("SELECT id AS text FROM key_families").len(), 1);
    });
}

const THEIR_KEY: &str = "their key of HMAC, longer than a block of SHA-256 is, which is hashed first then";
const ANOTHER: &str = "another-AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXC";

#[test]
fn keys_are_brought_by_their_hmac_and_two_nodes_know_them_at_once() {
    each(|database| {
        let (server, second) = (Server::on(database), Server::on(database));
        let (keys, importer) = (Keys::at(&server, json!({})), Importer::at(&server));
        second.follow_now();
        let code = |node: &Server, text: &str| keys.ask(node, text, json!({}))["code"].clone();
        assert_eq!(code(&second, STRONG), "invalid_key");
        // What every other program makes of these two.
        let known = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(digits(&mac("Jefe", "what do ya want for nothing?")), known);
        // Keys are known already that were brought otherwise: that alone lets nobody look for keys of HMAC.
        assert_eq!(outcomes(&importer.bring(&server, false, &json!([{"sha256": hex(ANOTHER)}]))), ["imported"]);
        second.follow_now();
        let under = json!({"value": THEIR_KEY});
        let items = json!([
            {"hmac": digits(&mac(THEIR_KEY, STRONG)), "name": "one"}, {"hmac": base64(&mac(THEIR_KEY, OURS))},
            {"hmac": base64(&mac(THEIR_KEY, STRONG))},
        ]);
        let brought = importer.bring_macs(&server, &under, &items);
        assert_eq!(outcomes(&brought), ["imported", "imported", "duplicate"], "{}", brought.text());
        for node in [&server, &second] {
            node.advance(Span::seconds(3));
            for text in [STRONG, OURS, ANOTHER] {
                assert_eq!(code(node, text), "ok", "{text}");
            }
            for text in [&digits(&mac(THEIR_KEY, OURS)), &base64(&mac(THEIR_KEY, OURS)), THEIR_KEY] {
                assert_eq!(code(node, text), "invalid_key", "what was brought is no key itself");
            }
        }
        let id = brought.json()["items"][1]["id"].as_str().unwrap().to_owned();
        let shown = call(&server, "GET", &format!("/v1/keys/{id}"), &importer.token, None).json();
        assert_eq!(shown["strength"], "normal");
        assert!(shown["hint"].as_str().unwrap().starts_with("hmac:"), "{shown}");
        let again = json!({"value": digits(THEIR_KEY.as_bytes()), "form": "hex"});
        let again = importer.bring_macs(&second, &again, &items);
        assert_eq!(outcomes(&again), ["duplicate", "duplicate", "duplicate"], "{}", again.text());
        assert_eq!(outcomes(&importer.bring(&second, false, &json!([{"key": OURS}]))), ["duplicate"]);
        assert_eq!(database.backdoor().texts("SELECT id AS text FROM mac_keys").len(), 1);
    });
}

#[test]
fn an_hmac_is_good_under_its_own_key_alone_and_there_are_four_keys_at_most() {
    each(|database| {
        let server = Server::on(database);
        let (keys, importer) = (Keys::at(&server, json!({})), Importer::at(&server));
        let stored = || database.backdoor().texts("SELECT id AS text FROM mac_keys").len();
        let items = json!([{"hmac": digits(&mac(THEIR_KEY, STRONG))}]);
        for n in 0..3 {
            let wrong = importer.bring_macs(&server, &json!({"value": format!("another key {n}")}), &items);
            assert_eq!(outcomes(&wrong), ["imported"]);
        }
        server.advance(Span::seconds(3));
        assert_eq!(keys.ask(&server, STRONG, json!({}))["code"], "invalid_key");
        // It may be brought again, now under the right one.
        assert_eq!(outcomes(&importer.bring_macs(&server, &json!({"value": THEIR_KEY}), &items)), ["imported"]);
        server.advance(Span::seconds(3));
        assert_eq!(keys.ask(&server, STRONG, json!({}))["code"], "ok");
        assert_eq!(keys.ask(&server, ANOTHER, json!({}))["code"], "invalid_key");
        let more = importer.bring_macs(&server, &json!({"value": "a fifth"}), &items);
        assert_eq!((more.status, stored()), (409, 4), "{}", more.text());
        let like_before = importer.bring_macs(&server, &json!({"value": "another key 0"}), &items);
        assert_eq!(outcomes(&like_before), ["duplicate"]);
        for (key, items) in [
            (json!(null), items.clone()),
            (json!({"value": ""}), items.clone()),
            (json!({"value": "0g", "form": "hex"}), items.clone()),
            (json!({"value": THEIR_KEY}), json!([{"hmac": "abc"}])),
            (json!({"value": THEIR_KEY}), json!([{"hmac": digits(&[1; 32]), "sha256": digits(&[1; 32])}])),
        ] {
            let reply = importer.bring_macs(&server, &key, &items);
            assert_eq!(reply.status, 422, "{key} {items}");
            assert!(!reply.text().contains(THEIR_KEY));
        }
        // A key of HMAC with which nothing is brought is not kept.
        let none = importer.bring_macs(&server, &json!({"value": "a sixth"}), &json!([{"key": ANOTHER}]));
        assert_eq!((outcomes(&none), stored()), (vec!["imported".to_owned()], 4));
    });
}

#[test]
fn where_a_key_of_hmac_does_not_open_its_keys_are_unknown_and_others_are_not() {
    each(|database| {
        let server = Server::on(database);
        let (keys, importer) = (Keys::at(&server, json!({})), Importer::at(&server));
        let items = json!([{"hmac": digits(&mac(THEIR_KEY, STRONG))}, {"key": ANOTHER}]);
        let brought = importer.bring_macs(&server, &json!({"value": THEIR_KEY}), &items);
        assert_eq!(outcomes(&brought), ["imported", "imported"]);
        // As somebody might who writes into the database: the sealed value of one row does not open in another.
        database.backdoor().execute("UPDATE mac_keys SET id = 'another'");
        let second = Server::on(database);
        let code = |text: &str| keys.ask(&second, text, json!({}))["code"].clone();
        assert_eq!((code(STRONG), code(ANOTHER)), (json!("invalid_key"), json!("ok")));
    });
}

#[test]
fn a_text_that_is_nothing_costs_one_read_however_many_forms_it_may_have() {
    each(|database| {
        let server = Server::on(database);
        let (keys, importer) = (Keys::at(&server, json!({})), Importer::at(&server));
        let items = json!([{"hmac": digits(&mac(THEIR_KEY, STRONG))}]);
        assert_eq!(outcomes(&importer.bring_macs(&server, &json!({"value": THEIR_KEY}), &items)), ["imported"]);
        server.follow_now();
        // Sixty may be looked for from one address: were each form looked for by itself, there were fewer.
        let guess = |n: usize| keys.ask(&server, &format!("{ANOTHER}{n}"), json!({"request": {"ip": "203.0.113.9"}}));
        let looked_for = (0..100).filter(|n| guess(*n)["code"] == "invalid_key").count();
        assert!((60..100).contains(&looked_for), "{looked_for}");
    });
}

/// The keys of HMAC: by how many API keys each is needed, and perhaps needed.
fn hmac_keys(server: &Server, importer: &Importer) -> Vec<(String, i64, i64)> {
    let told = call(server, "GET", "/v1/hmac-keys", &importer.token, None);
    assert_eq!(told.status, 200, "{}", told.text());
    let told = told.json();
    assert!(!told.to_string().contains(THEIR_KEY));
    let one = |key: &Value| {
        let n = |member: &str| key[member].as_i64().unwrap();
        (key["id"].as_str().unwrap().to_owned(), n("api_keys"), n("perhaps"))
    };
    told["hmac_keys"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn a_key_of_hmac_is_removed_once_no_api_key_is_known_by_it_any_more() {
    each(|database| {
        let server = Server::on(database);
        let (keys, importer) = (Keys::at(&server, json!({})), Importer::at(&server));
        let second = Server::on(database);
        let items = json!([{"hmac": digits(&mac(THEIR_KEY, STRONG))}, {"hmac": digits(&mac(THEIR_KEY, ANOTHER))}]);
        let brought = importer.bring_macs(&server, &json!({"value": THEIR_KEY}), &items);
        assert_eq!(outcomes(&brought), ["imported", "imported"]);
        let [first_id, second_id] = [0, 1].map(|n| brought.json()["items"][n]["id"].as_str().unwrap().to_owned());
        let other = importer.bring_macs(&server, &json!({"value": "another"}), &json!([{"hmac": digits(&[7; 32])}]));
        assert_eq!(outcomes(&other), ["imported"]);
        let (id, _, perhaps) = hmac_keys(&server, &importer).into_iter().find(|(_, known, _)| *known == 2).unwrap();
        assert_eq!(perhaps, 0);
        let remove = |node: &Server| call(node, "DELETE", &format!("/v1/hmac-keys/{id}"), &importer.token, None);
        let refused = |told: &str| {
            let reply = remove(&server);
            assert!(reply.status == 409 && reply.text().contains(told), "{}", reply.text());
        };
        refused("alone 2 API keys are known");
        // Hashed anew under the next pepper it is known by the same key still.
        server.run(peppers::rotate(&server.world, Actor::System)).unwrap();
        server.advance(peppers::LEAD + Span::seconds(1));
        assert_eq!(keys.ask(&server, STRONG, json!({}))["code"], "ok");
        assert_eq!(database.backdoor().texts("SELECT id AS text FROM api_keys WHERE pepper = 2").len(), 1);
        refused("alone 2 API keys are known");
        // One is ended, and the other gets a successor and ends by itself.
        let manager = token(&server, "keys:any keys:revoke keys:rotate");
        let revoked = call(&server, "POST", &format!("/v1/keys/{first_id}/revoke"), &manager, Some(&json!({})));
        assert_eq!(revoked.status, 200, "{}", revoked.text());
        refused("alone 1 API keys are known");
        let overlap = json!({"overlap": "1h"});
        let rotated = call(&server, "POST", &format!("/v1/keys/{second_id}/rotate"), &manager, Some(&overlap));
        assert_eq!(rotated.status, 201, "{}", rotated.text());
        refused("alone 1 API keys are known");
        server.advance(Span::minutes(61));
        second.follow_now();
        assert_eq!(keys.ask(&second, STRONG, json!({}))["code"], "key_revoked");
        let importer = Importer::at(&server);
        let remove = |node: &Server, token: &str| call(node, "DELETE", &format!("/v1/hmac-keys/{id}"), token, None);
        assert_eq!(remove(&server, &token(&server, "keys:import keys:read")).status, 403);
        assert_eq!(remove(&server, &importer.token).status, 204);
        assert_eq!(remove(&server, &importer.token).status, 404);
        assert_eq!(hmac_keys(&server, &importer).len(), 1);
        let told = server.events_of("api_key.hmac_key_removed");
        assert!(told.len() == 1 && told[0].data["hmac_key"] == id.as_str(), "{told:?}");
        // Every node has forgotten it: what it made known is unknown.
        second.follow_now();
        assert_eq!(keys.ask(&second, STRONG, json!({}))["code"], "invalid_key");
        let again = importer.bring_macs(&second, &json!({"value": THEIR_KEY}), &items);
        assert_eq!(outcomes(&again), ["imported", "imported"], "as if they had never been");
        assert_eq!(keys.ask(&second, STRONG, json!({}))["code"], "ok");
    });
}

#[test]
fn api_keys_of_before_it_was_written_down_hold_every_key_of_hmac_until_they_are_brought_again() {
    each(|database| {
        let server = Server::on(database);
        let (_, importer) = (Keys::at(&server, json!({})), Importer::at(&server));
        let items = json!([{"hmac": digits(&mac(THEIR_KEY, STRONG))}, {"hmac": digits(&mac(THEIR_KEY, ANOTHER))}]);
        let under = json!({"value": THEIR_KEY});
        assert_eq!(outcomes(&importer.bring_macs(&server, &under, &items)), ["imported", "imported"]);
        database.backdoor().execute("UPDATE api_keys SET mac_key = NULL");
        let (id, known, perhaps) = hmac_keys(&server, &importer).remove(0);
        assert_eq!((known, perhaps), (0, 2));
        let refused = call(&server, "DELETE", &format!("/v1/hmac-keys/{id}"), &importer.token, None);
        assert!(refused.status == 409 && refused.text().contains("2 perhaps"), "{}", refused.text());
        assert_eq!(outcomes(&importer.bring_macs(&server, &under, &items)), ["duplicate", "duplicate"]);
        assert_eq!(hmac_keys(&server, &importer), [(id, 2, 0)]);
    });
}
