//! A real gateway between a client and an application that tells what it was sent.

use super::{
    Gated,
    possession::{bound, shows},
};
use crate::{
    oauth::dpop::jkt,
    world::{Key, Reply, Request, busy::LONG, ports::free_port},
};
use serde_json::json;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

/// What an application was sent: the head, in lower case, and the body.
type Sent = Arc<Mutex<Vec<(String, String)>>>;

/// A gateway, what is before it and what is behind it.
pub struct Real {
    pub at: SocketAddr,
    sent: Sent,
    child: Child,
    directory: tempfile::TempDir,
}

impl Real {
    /// Starts a program with a configuration of `deploy/gateways`, its three ports replaced. Where the
    /// program is not installed, the test says so and does nothing.
    pub fn start(gated: &Gated, file: &str, command: impl FnOnce(&Path, &str) -> Command) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let (app, sent) = application();
        let at = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/gateways").join(file);
        let mut text = std::fs::read_to_string(shipped).unwrap();
        for (shipped, own) in [(":8000", at), (":8081", gated.at), (":9000", app)] {
            assert!(text.contains(shipped), "{file} names {shipped}");
            text = text.replace(shipped, &format!(":{}", own.port()));
        }
        // This machine may be busy with other tests.
        let text = text.replace("proxy_connect_timeout 1s;", "proxy_connect_timeout 60s;");
        let text = text.replace("proxy_read_timeout 2s;", "proxy_read_timeout 60s;");
        let mut command = command(directory.path(), &text);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(mut child) = child else {
            eprintln!("not tested: {} is not installed", command.get_program().to_string_lossy());
            return None;
        };
        let begun = Instant::now();
        while TcpStream::connect(at).is_err() {
            let log = || std::fs::read_to_string(directory.path().join("error.log")).unwrap_or_default();
            assert!(child.try_wait().unwrap().is_none() && begun.elapsed() < LONG, "it does not start: {}", log());
            thread::sleep(Duration::from_millis(20));
        }
        Some(Self { at, sent, child, directory })
    }

    pub fn send(&self, request: &Request) -> Reply {
        request.send(self.at)
    }

    /// What the application was sent since the last time it was asked.
    pub fn arrived(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = std::fs::read_to_string(self.directory.path().join("error.log"));
            eprintln!("{}", log.unwrap_or_default());
        }
    }
}

/// An application that answers 200 to everything and remembers it.
fn application() -> (SocketAddr, Sent) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (at, sent) = (listener.local_addr().unwrap(), Sent::default());
    let into = Arc::clone(&sent);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let into = Arc::clone(&into);
            thread::spawn(move || answer(&stream, &into));
        }
    });
    (at, sent)
}

fn answer(mut stream: &TcpStream, into: &Sent) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length, mut line) = (String::new(), 0, String::new());
    while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
        let lower = line.to_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&lower);
        line.clear();
    }
    if head.is_empty() {
        return;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    into.lock().unwrap().push((head, String::from_utf8(body).unwrap()));
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone");
}

/// What must hold of every gateway: what passes, what is refused and how, and what the application is sent.
pub fn holds(gated: &Gated, real: &Real) {
    passes(gated, real);
    refuses(gated, real);
    keeps_clients_in_their_place(gated, real);
    wants_proof(gated, real);
}

/// A key that is bound to a key pair passes with a proof for the place that the client called, whatever it writes of that.
fn wants_proof(gated: &Gated, real: &Real) {
    let holder = Key::new();
    let key = bound(gated, json!({"jkt": jkt(&holder)}));
    let ask = || Request::new("GET", "/v1/docs?page=2").field("X-API-Key", &*key);
    let without = real.send(&ask());
    assert_eq!((without.status, without.field("www-authenticate")), (401, Some("DPoP error=\"invalid_dpop_proof\"")));
    let proof = |place: &str| shows(gated, &holder, &key, ("GET", place));
    let good = proof("http://id.example/v1/docs");
    let reply = real.send(&ask().field("DPoP", &*good));
    assert_eq!(reply.status, 200, "{}", reply.head());
    assert_eq!(real.send(&ask().field("DPoP", good)).status, 401, "replayed");
    let elsewhere = ask().field("DPoP", proof("https://evil.example/v1/docs"));
    let elsewhere = elsewhere.field("X-Forwarded-Proto", "https").field("X-Forwarded-Host", "evil.example");
    assert_eq!(real.send(&elsewhere).status, 401);
    let arrived = real.arrived();
    assert_eq!(arrived.len(), 1, "only what was good has arrived");
    assert!(!arrived[0].0.contains("\ndpop:"), "{}", arrived[0].0);
}

fn passes(gated: &Gated, real: &Real) {
    let made = gated.made(json!({}));
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    let post = Request::new("POST", "/v1/docs?x=1&env=none").bearer(key).body("text/plain", "seven bytes and more");
    let reply = real.send(&post);
    assert_eq!((reply.status, reply.text().as_str()), (200, "done"), "{}", reply.head());
    let by_field = Request::new("GET", "/v1/docs").field("X-API-Key", key);
    assert_eq!(real.send(&by_field).status, 200);
    let arrived = real.arrived();
    assert_eq!(arrived.len(), 2);
    assert!(arrived[0].0.starts_with("post /v1/docs?x=1&env=none "), "{}", arrived[0].0);
    assert_eq!(arrived[0].1, "seven bytes and more");
    for (head, _) in &arrived {
        assert!(head.contains(&format!("x-key-id: {}", id.to_lowercase())), "{head}");
        assert!(head.contains(&format!("x-key-owner: {}", gated.owner.id.to_lowercase())), "{head}");
        assert!(head.contains("x-key-scopes: docs.read") && head.contains("x-request-id: req_"), "{head}");
        assert!(!head.contains(&key.to_lowercase()), "the application saw the key: {head}");
    }
}

fn refuses(gated: &Gated, real: &Real) {
    let get = |key: &str| real.send(&Request::new("GET", "/v1/docs").bearer(key));
    let none = real.send(&Request::new("GET", "/v1/docs"));
    assert_eq!((none.status, none.field("www-authenticate")), (401, Some("Bearer realm=\"docs\"")));
    let unknown = get("kw_live_nothing");
    assert_eq!(unknown.status, 401);
    assert!(unknown.field("www-authenticate").unwrap().contains("invalid_token"));
    let elsewhere = gated.key(json!({"policy": {"v": 1, "ip": {"allow": ["203.0.113.0/24"]}}}));
    assert_eq!(get(&elsewhere).status, 403);
    let few = gated.key(json!({}));
    assert_eq!([get(&few).status, get(&few).status, get(&few).status], [200; 3]);
    let used_up = get(&few);
    assert_eq!((used_up.status, used_up.field("retry-after")), (429, Some("60")), "{}", used_up.head());
    assert!(used_up.field("ratelimit").unwrap().starts_with("\"burst\";r=0"));
    let both = Request::new("GET", "/v1/docs").bearer(&few).field("X-API-Key", &few);
    assert_eq!(real.send(&both).status, 400);
    assert_eq!(real.arrived().len(), 3, "only what was good has arrived");
}

fn keeps_clients_in_their_place(gated: &Gated, real: &Real) {
    let key = gated.key(json!({}));
    let mut forged = Request::new("GET", "/v1/docs").bearer(&key);
    for name in ["X-Key-Id", "X-Key-Owner", "X-Key-Client", "X-Key-Scopes", "X-Key-Plan", "X-Key-JWT", "X-Request-Id"] {
        forged = forged.field(name, "mallory");
    }
    let forged = forged.field("X-Auth-Status", "mallory").field("X-Gateway-Secret", "mallory");
    assert_eq!(real.send(&forged).status, 200);
    // Under an alias: dropped or refused, never handed on.
    let alias = Request::new("GET", "/v1/docs").bearer(&key).field("X_Key_Owner", "mallory");
    assert!([200, 400].contains(&real.send(&alias).status));
    for (head, _) in real.arrived() {
        assert!(!head.contains("mallory"), "{head}");
        assert!(!head.contains("kw_live_"), "{head}");
    }
    // The address is the gateway's word, the path is the client's, and neither is what the client writes of it.
    let restricted = gated.key(json!({"policy": {"v": 1, "ip": {"allow": ["203.0.113.9"]},
        "routes": [{"methods": ["GET"], "path": "/v1/open"}]}}));
    let here = gated.key(json!({"policy": {"v": 1, "ip": {"allow": ["127.0.0.1"]},
        "routes": [{"methods": ["GET"], "path": "/v1/open"}]}}));
    let forwarded = |target: &str, key: &str| {
        let request = Request::new("GET", target).bearer(key).field("X-Forwarded-For", "203.0.113.9");
        let request = request.field("X-Forwarded-Uri", "/v1/open").field("X-Original-URI", "/v1/open");
        request.field("X-Forwarded-Method", "GET").field("X-Original-Method", "GET")
    };
    assert_eq!(real.send(&forwarded("/v1/open", &restricted)).status, 403);
    let strips = forwarded("/v1/open", &restricted).field("Connection", "X-Forwarded-For");
    assert!(real.send(&strips).status >= 400);
    assert_eq!(real.send(&Request::new("GET", "/v1/open").bearer(&here)).status, 200);
    for target in ["/v1/closed", "/v1//open", "/v1/%2e%2e/v1/open", "/v1/x/..%2fopen", "/v1/open;a", "/v1/%6fpen%2f"] {
        assert_eq!(real.send(&forwarded(target, &here)).status, 403, "{target}");
    }
    let posted = Request::new("POST", "/v1/open").bearer(&here).field("X-HTTP-Method-Override", "GET");
    assert_eq!(real.send(&posted).status, 403);
    assert_eq!(real.arrived().len(), 1, "only what was good has arrived");
}
