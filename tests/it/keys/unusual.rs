//! A key that reads far more than it usually does: noticed within two minutes, told once, and over by itself (R16).

use super::{Keys, asked_by, call, token};
use crate::world::{Server, each};
use keywright::{base::moment::Span, flow::api_keys::unusual};
use serde_json::{Value, json};

/// Reports a call of so long ago.
fn report(server: &Server, keys: &Keys, made: &Value, calls: &[(Span, u64)]) {
    for batch in calls.chunks(500) {
        let items: Vec<Value> = batch
            .iter()
            .map(|(ago, bytes)| {
                let at = server.now() - *ago;
                let id = format!("{}-{}-{bytes}", made["id"].as_str().unwrap(), at.micros());
                json!({"id": id, "key_id": made["id"], "status": 200, "at": at.to_string(), "bytes_out": bytes})
            })
            .collect();
        let reply = asked_by(server, &keys.docs, "/v1/usage", &json!({ "items": items }));
        assert_eq!((reply.status, &reply.json()["counted"]), (200, &json!(batch.len())), "{}", reply.text());
    }
}

fn steady(server: &Server, keys: &Keys, made: &Value) {
    let calls: Vec<(Span, u64)> = (14..300).map(|n| (Span::minutes(5 * n), 100_000)).collect();
    report(server, keys, made, &calls);
}

fn look(server: &Server) {
    server.run(unusual::at_all(&server.world)).unwrap();
}

fn shown(server: &Server, made: &Value) -> Value {
    let target = format!("/v1/keys/{}", made["id"].as_str().unwrap());
    // Another token each time: time goes by.
    call(server, "GET", &target, &token(server, "keys:any keys:read"), None).json()["alerts"].clone()
}

#[test]
fn r016_fifty_times_the_usual_bytes_raise_one_alert_within_two_minutes_that_ends_by_itself() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let [stolen, busy, new] = [(); 3].map(|()| keys.key(&server, &app, json!({})));
        for made in [&stolen, &busy] {
            steady(&server, &keys, made);
        }
        look(&server);
        assert!(!server.recorded("anomaly.opened"));
        report(&server, &keys, &stolen, &[(Span::ZERO, 5_000_000)]);
        report(&server, &keys, &busy, &[(Span::ZERO, 500_000)]);
        report(&server, &keys, &new, &[(Span::ZERO, 5_000_000)]);
        // As it is done in the background: every half minute, and within some seconds of that.
        assert!(unusual::EVERY + Span::seconds(10) < Span::minutes(2));
        server.advance(unusual::EVERY);
        look(&server);
        let rows = server.events_of("anomaly.opened");
        assert_eq!(rows.len(), 1, "only of the one that reads more than itself: {rows:?}");
        let data = &rows[0].data;
        assert_eq!((&data["api_key"], &data["times"]), (&stolen["id"], &json!(50)));
        assert_eq!((&data["bytes"], &data["usual"]), (&json!(5_000_000), &json!(100_000)));
        assert_eq!(shown(&server, &stolen)[0]["times"], 50);
        assert_eq!(shown(&server, &busy), json!([]));

        for _ in 0..5 {
            server.advance(Span::minutes(1));
            report(&server, &keys, &stolen, &[(Span::ZERO, 6_000_000)]);
            look(&server);
        }
        assert_eq!(server.events_of("anomaly.opened").len(), 1, "one at a time");
        let most = shown(&server, &stolen)[0]["bytes"].as_u64().unwrap();
        assert!(most >= 29_000_000, "{most}");
        server.advance(Span::minutes(10));
        look(&server);
        assert!(!server.recorded("anomaly.closed"), "not before it has been quiet for a while");
        server.advance(Span::minutes(11));
        look(&server);
        assert_eq!(server.events_of("anomaly.closed").len(), 1);
        assert_eq!(shown(&server, &stolen), json!([]));
        report(&server, &keys, &stolen, &[(Span::ZERO, 6_000_000)]);
        look(&server);
        assert_eq!(server.events_of("anomaly.opened").len(), 2, "the next is another");
    });
}

#[test]
fn one_node_at_a_time_looks_and_another_goes_on() {
    each(|database| {
        let (one, two) = (Server::on(database), Server::on(database));
        let (keys, app) = (Keys::at(&one, json!({})), one.machine());
        let made = keys.key(&one, &app, json!({}));
        steady(&one, &keys, &made);
        report(&one, &keys, &made, &[(Span::ZERO, 5_000_000)]);
        one.advance(Span::minutes(1));
        for node in [&one, &two] {
            node.run(unusual::look(&node.world)).unwrap();
        }
        for node in [&one, &two] {
            node.run(unusual::at_all(&node.world)).unwrap();
        }
        assert_eq!(one.events_of("anomaly.opened").len(), 1, "however many see it");
    });
}
