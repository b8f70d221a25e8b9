//! The list of keys that have ended, as pages and as events: for whoever verifies tokens of keys alone.

use super::{Keys, call};
use crate::world::{
    App, Server,
    busy::{LONG, within},
    each,
    http::connect,
    jwt::base64_standard,
};
use keywright::{
    apikey::key::{ApiKey, State},
    base::{
        digest::{TokenHash, sha256},
        fault::Stop,
        id::ApiKeyId,
        moment::Span,
    },
    store::Tx,
};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
};

fn basic(app: &App) -> String {
    format!("Basic {}", base64_standard(format!("{}:{}", app.id, app.secret())))
}

/// The keys that have ended since the beginning, each with why.
fn ended(server: &Server, app: &App) -> Vec<(String, String)> {
    let reply = server.send(&crate::world::get("/v1/revocations?since=0").field("authorization", basic(app)));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    reply.json()["ended"].as_array().unwrap().iter().map(|one| (text(&one["key_id"]), text(&one["state"]))).collect()
}

fn act(server: &Server, keys: &Keys, made: &Value, what: &str, body: &Value) {
    let target = format!("/v1/keys/{}/{what}", made["id"].as_str().unwrap());
    let reply = call(server, "POST", &target, &keys.manager, Some(body));
    assert_eq!(reply.status / 100, 2, "{}", reply.text());
}

#[test]
fn r055_whatever_ends_a_key_is_listed() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app, gone, used_by) =
            (Keys::at(&server, json!({})), server.machine(), server.machine(), server.machine());
        let ada = server.person("ada");
        let [revoked, disabled, rotated, live] = [(); 4].map(|()| keys.key(&server, &app, json!({})));
        let of_gone = keys.key(&server, &gone, json!({}));
        let of_ada = keys.key(&server, &app, json!({"owner": {"type": "user", "id": ada.id}}));
        let used = keys.key(&server, &app, json!({"client_id": used_by.id}));
        act(&server, &keys, &revoked, "revoke", &json!({}));
        act(&server, &keys, &disabled, "disable", &json!({}));
        act(&server, &keys, &rotated, "rotate", &json!({"overlap": "1h"}));
        assert_eq!(ended(&server, &keys.docs).len(), 2, "an overlap is no end");
        server.advance(Span::seconds(1));
        act(&server, &keys, &rotated, "finish", &json!({"force": true}));
        server.advance(Span::seconds(1));
        server.disable_client(&gone);
        server.disable_client(&used_by);
        server.disable(&ada);
        let told = ended(&server, &keys.docs);
        let why = |made: &Value| {
            told.iter().filter(|(id, _)| made["id"] == id.as_str()).map(|(_, why)| why.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(why(&revoked), ["revoked"]);
        assert_eq!(why(&disabled), ["disabled"]);
        assert_eq!(why(&rotated), ["expired"]);
        for made in [&of_gone, &of_ada, &used] {
            assert_eq!(why(made), ["owner_disabled"]);
        }
        assert!(why(&live).is_empty());
        act(&server, &keys, &disabled, "enable", &json!({}));
        assert!(!ended(&server, &keys.docs).iter().any(|(id, _)| disabled["id"] == id.as_str()));
        let other = server.resource_server(crate::world::MAIL);
        assert!(ended(&server, &other).is_empty(), "of another API nothing is told");
        let api = call(&server, "POST", "/v1/apis/docs/disable", &keys.manager, Some(&json!({})));
        assert_eq!(api.status, 200);
        assert!(
            ended(&server, &keys.docs).contains(&(live["id"].as_str().unwrap().to_owned(), "api_disabled".to_owned()))
        );
    });
}

#[test]
fn a_page_that_others_fill_names_none_of_theirs_and_leaves_out_none_of_ours() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let api = json!({"name": "mail", "audience": crate::world::MAIL, "settings": {"scopes": "mail.read"}});
        assert_eq!(call(&server, "POST", "/v1/apis", &keys.manager, Some(&api)).status, 201);
        let others = keys.key(&server, &app, json!({"api": "mail", "scope": "mail.read"}));
        let id = ApiKeyId::parse(others["id"].as_str().unwrap()).unwrap();
        let begin = server.now();
        let fill = move |tx: &mut Tx<'_>| -> Result<(), Stop<()>> {
            let like = tx.api_keys().facts(&id)?.unwrap().key;
            for n in 0..501u128 {
                let (id, digest) = (ApiKeyId::from_u128(n), sha256(&n.to_be_bytes()));
                let digest = TokenHash::from_slice(&digest).unwrap();
                let ended = ApiKey { id, digest, state: State::Revoked, state_at: begin, ..like.clone() };
                tx.api_keys().insert(&ended)?.unwrap();
            }
            Ok(())
        };
        server.run(server.world.store.write("test", fill)).unwrap();
        server.advance(Span::seconds(1));
        let ours = keys.key(&server, &app, json!({}));
        act(&server, &keys, &ours, "revoke", &json!({}));
        let reply =
            server.send(&crate::world::get("/v1/revocations?since=0").field("authorization", basic(&keys.docs))).json();
        assert_eq!(reply["ended"][0]["key_id"], ours["id"], "{reply}");
        assert_eq!(reply["next"].get("after"), None, "{reply}");
        let theirs = server.resource_server(crate::world::MAIL);
        let reply = server.send(&crate::world::get("/v1/revocations?since=0").field("authorization", basic(&theirs)));
        let reply = reply.json();
        assert_eq!(reply["ended"].as_array().unwrap().len(), 500);
        assert_eq!(reply["next"]["after"].as_str().unwrap().split_once('.').unwrap().1, reply["ended"][499]["key_id"]);
    });
}

/// Opens a stream; what comes before the first event has been read.
fn stream(server: &Server, app: &App, last: Option<&str>) -> BufReader<TcpStream> {
    let mut to = connect(server.address);
    let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
    let head = format!(
        "GET /v1/revocations HTTP/1.1\r\nHost: id.example\r\nAccept: text/event-stream\r\nConnection: close\r\nAuthorization: {}\r\n{last}\r\n",
        basic(app)
    );
    to.write_all(head.as_bytes()).unwrap();
    let mut reader = BufReader::new(to);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.contains("200"), "{line}");
    line_with(&mut reader, "retry:");
    reader
}

/// Reads up to a line that begins so, and gives what is behind.
fn line_with(reader: &mut BufReader<TcpStream>, begins: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).expect("in time") > 0, "the stream ended");
        if let Some(rest) = line.strip_prefix(begins) {
            return rest.trim().to_owned();
        }
    }
}

#[test]
fn a_hundred_read_at_once_one_more_is_told_to_come_again_and_after_ten_minutes_all_come_anew() {
    each(|database| {
        let server = Server::on(database);
        let keys = Keys::at(&server, json!({}));
        let mut readers: Vec<_> = (0..100).map(|_| stream(&server, &keys.docs, None)).collect();
        let one_more = || {
            let request = crate::world::get("/v1/revocations").field("authorization", basic(&keys.docs));
            server.send(&request.field("accept", "text/event-stream"))
        };
        let full = one_more();
        assert_eq!((full.status, full.field("retry-after")), (503, Some("30")), "{}", full.text());
        assert_eq!(ended(&server, &keys.docs), [], "pages are to be had");
        // The place of one who has gone is free as soon as something cannot be sent to them any more.
        drop(readers.pop());
        let app = server.machine();
        let until = std::time::Instant::now() + LONG;
        let mut again = loop {
            act(&server, &keys, &keys.key(&server, &app, json!({})), "revoke", &json!({}));
            std::thread::sleep(std::time::Duration::from_millis(400));
            if server.world.api_keys.streams.available_permits() > 0 {
                break stream(&server, &keys.docs, None);
            }
            assert!(std::time::Instant::now() < until, "the place of a reader who has gone stays taken");
        };
        server.advance(Span::minutes(10));
        let mut rest = String::new();
        for reader in readers.iter_mut().chain([&mut again]) {
            while reader.read_line(&mut rest).expect("it ends in time") > 0 {}
        }
        assert!(rest.contains("data:"), "the others heard meanwhile");
        assert!(within(LONG, || server.world.api_keys.streams.available_permits() == 100), "and every place is free");
    });
}

#[test]
fn r055_a_stream_tells_of_ends_as_they_come_and_goes_on_where_it_was_cut_off() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let [one, two] = [(); 2].map(|()| keys.key(&server, &app, json!({})));
        let mut reader = stream(&server, &keys.docs, None);
        act(&server, &keys, &one, "revoke", &json!({}));
        let id = line_with(&mut reader, "id:");
        let data: Value = serde_json::from_str(&line_with(&mut reader, "data:")).unwrap();
        assert_eq!((&data["key_id"], &data["state"]), (&one["id"], &json!("revoked")));
        drop(reader);
        server.advance(Span::minutes(1));
        act(&server, &keys, &two, "disable", &json!({}));
        let mut reader = stream(&server, &keys.docs, Some(&id));
        let heard: Vec<Value> =
            (0..2).map(|_| serde_json::from_str(&line_with(&mut reader, "data:")).unwrap()).collect();
        assert!(heard.iter().any(|one| one["key_id"] == two["id"]), "{heard:?}");
        server.disable_client(&keys.docs);
        let mut rest = String::new();
        while reader.read_line(&mut rest).expect("it ends, for its reader may know no more") > 0 {}
        let refused = server.send(&crate::world::get("/v1/revocations").field("accept", "text/event-stream"));
        assert_eq!(refused.status, 401);
    });
}
