//! Tests of outgoing calls, against servers that lie, dribble and redirect.

use super::*;
use crate::base::moment::Span;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

const NOW: Moment = Moment::from_unix(1_700_000_000);
const ONE_KEY: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// A server on loopback that answers by path, counts requests and keeps the last.
struct Server {
    at: SocketAddr,
    seen: Arc<AtomicUsize>,
    last: Arc<std::sync::Mutex<String>>,
}

impl Server {
    fn start(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (seen, last) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let (count, keep, answer) = (Arc::clone(&seen), Arc::clone(&last), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let (keep, answer): (Arc<std::sync::Mutex<String>>, _) = (Arc::clone(&keep), Arc::clone(&answer));
                thread::spawn(move || {
                    let request = read_request(&mut stream);
                    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                    *keep.lock().unwrap() = request;
                    answer(&path, &mut stream);
                });
            }
        });
        Self { at, seen, last }
    }
    fn uri(&self, path: &str) -> WebUri {
        WebUri::parse(&format!("http://{}{path}", self.at)).unwrap()
    }
    fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

fn read_request(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let (mut text, mut block) = (String::new(), [0; 4096]);
    loop {
        let n = stream.read(&mut block).unwrap_or(0);
        text.push_str(&String::from_utf8_lossy(&block[..n]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else { if n == 0 { return text } else { continue } };
        let head = head.to_lowercase();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).and_then(|v| v.parse().ok());
        if n == 0 || body.len() >= length.unwrap_or(0) {
            return text;
        }
    }
}

fn reply(stream: &mut TcpStream, head: &str, body: &str) {
    let _ = write!(stream, "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
}

/// Who waits for a server that answers waits longer than any machine needs for it.
fn local() -> OutboundPolicy {
    let allow = vec![Allowed::Network("127.0.0.0/8".parse().unwrap())];
    OutboundPolicy { allow, timeout: Span::seconds(60), ..OutboundPolicy::default() }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn fetch(outbound: &Outbound, uri: &WebUri) -> Result<Arc<KeySet>, CallFailed> {
    run(outbound.fetch_jwks(uri, None, NOW))
}

#[test]
fn nothing_inside_is_called_unless_it_is_listed() {
    let server = Server::start(|_, stream| reply(stream, "200 OK", ONE_KEY));
    let port = server.at.port();
    let outbound = Outbound::new(&OutboundPolicy::default());
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "169.254.169.254",
        "10.0.0.1",
        "0.0.0.0",
        "2130706433",
        "0x7f.1",
        "017700000001",
        "localhost.",
    ] {
        let uri = WebUri::parse(&format!("https://{host}:{port}/jwks")).unwrap();
        let failed = fetch(&outbound, &uri).unwrap_err();
        // Some spellings are no name at all to some systems; what counts is that nothing was called.
        assert!(
            matches!(failed, CallFailed::Forbidden(Forbidden::Private) | CallFailed::NoSuchHost),
            "{host}: {failed}"
        );
    }
    assert!(matches!(fetch(&outbound, &server.uri("/jwks")), Err(CallFailed::Forbidden(_))));
    assert_eq!(server.seen(), 0);
    outbound.apply(&local());
    assert_eq!(run(outbound.fetch_jwks(&server.uri("/other"), None, NOW)).unwrap().len(), 1);
}

#[test]
fn a_redirect_is_an_answer_and_not_an_instruction() {
    let target = Server::start(|_, stream| reply(stream, "200 OK", ONE_KEY));
    let to = target.uri("/jwks");
    let server = Server::start(move |_, stream| reply(stream, &format!("302 Found\r\nLocation: {}", to.as_str()), ""));
    let outbound = Outbound::new(&local());
    assert!(matches!(fetch(&outbound, &server.uri("/")), Err(CallFailed::Status(302))));
    assert_eq!(
        run(outbound.post_logout_token(&server.uri("/"), Secret::new("t".into()))),
        Err(CallFailed::Status(302))
    );
    assert_eq!(target.seen(), 0);
}

#[test]
fn an_answer_that_is_too_long_is_cut_off() {
    let server = Server::start(|path, stream| match path {
        "/long" => reply(stream, "200 OK", &" ".repeat(64 * 1024 + 1)),
        "/endless" => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            while stream.write_all(&[b' '; 4096]).is_ok() {}
        }
        _ => reply(stream, &format!("200 OK\r\nX: {}", "x".repeat(32 * 1024)), ""),
    });
    let outbound = Outbound::new(&local());
    for path in ["/long", "/endless", "/head"] {
        assert_eq!(fetch(&outbound, &server.uri(path)).unwrap_err(), CallFailed::TooLong, "{path}");
    }
}

#[test]
fn an_answer_that_dribbles_or_never_comes_times_out() {
    let server = Server::start(|path, stream| {
        if path == "/dribble" {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n");
            while stream.write_all(b" ").is_ok() {
                thread::sleep(Duration::from_millis(50));
            }
        } else {
            // Until the caller has had enough.
            let _ = stream.read(&mut [0; 16]);
        }
    });
    let outbound = Outbound::new(&OutboundPolicy { timeout: Span::millis(700), ..local() });
    for path in ["/dribble", "/silent"] {
        let start = Instant::now();
        assert_eq!(fetch(&outbound, &server.uri(path)).unwrap_err(), CallFailed::TimedOut, "{path}");
        // Either would go on for a minute.
        assert!(start.elapsed() < Duration::from_secs(30), "{path} took {:?}", start.elapsed());
    }
}

#[test]
fn a_set_is_fetched_once_and_again_when_it_is_old_or_lacks_a_key() {
    let server = Server::start(|_, stream| reply(stream, "200 OK\r\nCache-Control: max-age=600", ONE_KEY));
    let (outbound, uri) = (Outbound::new(&local()), server.uri("/jwks"));
    let get = |kid: Option<&str>, after: i64| {
        assert!(run(outbound.fetch_jwks(&uri, kid, NOW + Span::seconds(after))).is_ok());
        server.seen()
    };
    assert_eq!(get(Some("a"), 0), 1);
    assert_eq!(get(Some("a"), 599), 1);
    assert_eq!(get(Some("new"), 59), 1, "an unknown key, but the set is younger than a minute");
    assert_eq!(get(Some("new"), 60), 2);
    assert_eq!(get(Some("other"), 100), 2);
    assert_eq!(get(Some("a"), 659), 2);
    assert_eq!(get(Some("a"), 660), 3);
}

#[test]
fn many_at_once_cause_one_call() {
    let server = Server::start(|_, stream| {
        thread::sleep(Duration::from_millis(100));
        reply(stream, "200 OK", ONE_KEY);
    });
    let (outbound, uri) = (Arc::new(Outbound::new(&local())), server.uri("/jwks"));
    run(async {
        let mut crowd = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (outbound, uri) = (Arc::clone(&outbound), uri.clone());
            crowd.spawn(async move { outbound.fetch_jwks(&uri, Some("a"), NOW).await.unwrap().len() });
        }
        assert!(crowd.join_all().await.into_iter().all(|n| n == 1));
    });
    assert_eq!(server.seen(), 1);
}

#[test]
fn while_a_server_is_away_its_last_set_serves_and_it_is_not_hammered() {
    let away = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let switch = Arc::clone(&away);
    let server = Server::start(move |_, stream| match switch.load(Ordering::SeqCst) {
        true => reply(stream, "503 Service Unavailable", ""),
        false => reply(stream, "200 OK", ONE_KEY),
    });
    let (outbound, uri) = (Outbound::new(&local()), server.uri("/jwks"));
    let get = |after: i64| run(outbound.fetch_jwks(&uri, None, NOW + Span::seconds(after)));
    assert_eq!(get(0).unwrap_err(), CallFailed::Status(503));
    assert_eq!(get(9).unwrap_err(), CallFailed::Status(503));
    assert_eq!(server.seen(), 1);
    away.store(false, Ordering::SeqCst);
    assert!(get(10).is_ok());
    away.store(true, Ordering::SeqCst);
    assert!(get(10 + 301).is_ok(), "stale, and its server is away");
    assert_eq!(server.seen(), 3);
    assert!(get(10 + 300 + 3601).is_err());
}

#[test]
fn what_is_no_key_set_is_none() {
    let server = Server::start(|path, stream| match path {
        "/html" => reply(stream, "200 OK", "<html>"),
        _ => reply(stream, "200 OK", r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#),
    });
    let outbound = Outbound::new(&local());
    for path in ["/html", "/secret"] {
        assert!(matches!(fetch(&outbound, &server.uri(path)), Err(CallFailed::NotAKeySet(_))), "{path}");
    }
}

#[test]
fn a_logout_token_is_posted_as_a_form() {
    let server = Server::start(|path, stream| match path {
        "/ok" => reply(stream, "200 OK", ""),
        "/none" => reply(stream, "204 No Content", ""),
        _ => reply(stream, "400 Bad Request", r#"{"error":"invalid_request"}"#),
    });
    let outbound = Outbound::new(&local());
    let post = |path: &str| run(outbound.post_logout_token(&server.uri(path), Secret::new("e30.e30.c2ln".into())));
    assert_eq!(post("/ok"), Ok(()));
    let request = server.last.lock().unwrap().clone();
    assert!(request.starts_with("POST /ok HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("content-type: application/x-www-form-urlencoded"), "{request}");
    assert!(request.ends_with("\r\n\r\nlogout_token=e30.e30.c2ln"), "{request}");
    assert_eq!(post("/none"), Ok(()));
    assert_eq!(post("/bad"), Err(CallFailed::Status(400)));
}
