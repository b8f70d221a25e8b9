//! Keys that were made elsewhere are brought.

use super::{Keys, call, token};
use crate::world::{Server, each};
use keywright::base::digest::sha256;
use serde_json::{Value, json};

const STRONG: &str = "legacy-AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXC";
const OURS: &str = "kw_live_AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXCLDj9vj417cawd";
const UUID: &str = "018f4c1e-7b2a-7c3d-9e4f-0a1b2c3d4e5f";

fn hex(text: &str) -> String {
    sha256(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
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
