//! A client's keys where it publishes them: `jwks_uri` (RFC 7591 §2, OpenID Connect Core §10.1.1),
//! fetched over real connections while the client proves itself with `private_key_jwt`.

use crate::world::{
    App, Database, Key, Server,
    busy::{at_best, taken},
    each,
};
use keywright::base::moment::Span;
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// The head of an answer, and its body.
type Answer = (String, String);

/// The client's server: it publishes what it was told to.
struct Publisher {
    address: String,
    asked: Arc<AtomicUsize>,
    answer: Arc<Mutex<Answer>>,
}

impl Publisher {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/jwks", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let answer = Arc::new(Mutex::new((String::from("404 Not Found"), String::new())));
        let (count, own) = (Arc::clone(&asked), Arc::clone(&answer));
        // It ends with the process: nothing waits for it.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let answer = own.lock().unwrap().clone();
                thread::spawn(move || serve(stream, &answer));
            }
        });
        Self { address, asked, answer }
    }

    fn says(&self, head: &str, body: &str) {
        *self.answer.lock().unwrap() = (head.to_owned(), body.to_owned());
    }

    fn publishes(&self, keys: &[&Key]) {
        let all: Vec<Value> = keys.iter().map(|key| key.jwks()["keys"][0].clone()).collect();
        self.says("200 OK\r\nCache-Control: max-age=600", &json!({ "keys": all }).to_string());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: TcpStream, (head, body): &Answer) {
    let (mut asked, mut buffer) = (Vec::new(), [0; 4096]);
    while !asked.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(n) if n > 0 => asked.extend_from_slice(&buffer[..n]),
            _ => return,
        }
    }
    if head == "silence" {
        // Until the caller has had enough.
        let _ = stream.read(&mut buffer);
        return;
    }
    let _ = write!(stream, "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
}

fn scene(database: &Database) -> (Server, Publisher, App) {
    scene_with(database, "60s")
}

/// With a server that waits so long for what it asks for.
fn scene_with(database: &Database, patience: &str) -> (Server, Publisher, App) {
    let server = Server::start(database, |settings| {
        settings.set("outbound.allow", "127.0.0.0/8");
        settings.set("outbound.timeout", patience);
    });
    let publisher = Publisher::open();
    let app = registered(&server, &publisher.address);
    (server, publisher, app)
}

fn registered(server: &Server, address: &str) -> App {
    server.machine_with(|m| {
        m["token_endpoint_auth_method"] = json!("private_key_jwt");
        m["jwks_uri"] = json!(address);
    })
}

fn status(app: &App, key: &Key) -> u16 {
    app.clone().with_key(key).own_token(&[]).status
}

#[test]
fn a_client_changes_its_key_and_is_proven_by_each_as_it_publishes_them() {
    each(|database| {
        let (server, publisher, app) = scene(database);
        let (old, new, thief) = (Key::new(), Key::new(), Key::new());
        publisher.publishes(&[&old]);
        assert_eq!([status(&app, &old), status(&app, &old)], [200, 200]);
        assert_eq!(publisher.asked(), 1, "the set is kept");
        // The next key is published beside the old one, and then signs.
        server.advance(Span::seconds(60));
        publisher.publishes(&[&old, &new]);
        assert_eq!([status(&app, &old), status(&app, &new)], [200, 200]);
        assert_eq!(publisher.asked(), 2, "an unknown kid has the set fetched again");
        // Somebody's invented kid does so once a minute at most.
        for _ in 0..20 {
            assert_eq!(status(&app, &thief), 401);
        }
        assert_eq!(publisher.asked(), 2);
        server.advance(Span::seconds(60));
        assert_eq!([status(&app, &thief), status(&app, &thief)], [401, 401]);
        assert_eq!(publisher.asked(), 3);
        // The old key leaves the set; it is refused as soon as the set has been fetched again.
        publisher.publishes(&[&new]);
        server.advance(Span::seconds(600));
        assert_eq!([status(&app, &new), status(&app, &old)], [200, 401]);
        assert_eq!(publisher.asked(), 4);
    });
}

#[test]
fn a_key_that_signs_in_the_minute_it_is_published_waits_for_the_next_look_and_not_longer() {
    each(|database| {
        let (server, publisher, app) = scene(database);
        let (old, new) = (Key::new(), Key::new());
        publisher.publishes(&[&old]);
        assert_eq!(status(&app, &old), 200);
        publisher.publishes(&[&old, &new]);
        server.advance(Span::seconds(59));
        assert_eq!(status(&app, &new), 401);
        server.advance(Span::seconds(1));
        assert_eq!(status(&app, &new), 200);
    });
}

#[test]
fn while_the_clients_server_is_away_its_last_keys_serve_and_then_nobody_is_proven() {
    each(|database| {
        let (server, publisher, app) = scene(database);
        let key = Key::new();
        publisher.publishes(&[&key]);
        assert_eq!(status(&app, &key), 200);
        publisher.says("503 Service Unavailable", "");
        server.advance(Span::seconds(601));
        assert_eq!(status(&app, &key), 200);
        server.advance(Span::hours(1));
        assert_eq!(status(&app, &key), 401);
        publisher.publishes(&[&key]);
        server.advance(Span::seconds(10));
        assert_eq!(status(&app, &key), 200);
    });
}

#[test]
fn what_is_no_key_set_or_leads_elsewhere_proves_nobody_and_says_nothing_of_the_network() {
    each(|database| {
        let (server, publisher, app) = scene_with(database, "1s");
        let key = Key::new();
        let elsewhere = Publisher::open();
        elsewhere.publishes(&[&key]);
        let good = key.jwks().to_string();
        let private = json!({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": key.kid(), "alg": "HS256"}]}).to_string();
        let mut answers = Vec::new();
        for (head, body) in [
            (format!("302 Found\r\nLocation: {}", elsewhere.address), good.as_str()),
            (format!("307 Temporary Redirect\r\nLocation: {}", elsewhere.address), ""),
            ("404 Not Found".to_owned(), good.as_str()),
            ("200 OK".to_owned(), "<html>"),
            ("200 OK".to_owned(), private.as_str()),
            ("200 OK".to_owned(), &format!("{}{}", " ".repeat(70_000), good)),
            ("silence".to_owned(), ""),
        ] {
            publisher.says(&head, body);
            let most = Duration::from_secs(4);
            let took = at_best(most, || {
                server.advance(Span::seconds(61));
                taken(|| {
                    let reply = app.clone().with_key(&key).own_token(&[]);
                    assert_eq!(reply.refusal(), (401, "invalid_client".to_owned()), "{head}");
                    answers.push(reply.text());
                })
            });
            assert!(took < most, "{head}: {took:?}");
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(elsewhere.asked(), 0, "no redirect is followed");
    });
}

#[test]
fn an_address_inside_is_not_called_where_the_operator_has_not_allowed_it() {
    each(|database| {
        let server = Server::on(database);
        let (publisher, key) = (Publisher::open(), Key::new());
        publisher.publishes(&[&key]);
        let port = publisher.address.rsplit_once(':').unwrap().1;
        for address in [
            publisher.address.replace("http:", "https:"),
            format!("https://localhost:{port}"),
            format!("https://[::1]:{port}"),
            format!("https://[::ffff:127.0.0.1]:{port}"),
            "https://169.254.169.254/latest/meta-data".to_owned(),
            "https://10.0.0.1/jwks".to_owned(),
        ] {
            let app = registered(&server, &address);
            let most = Duration::from_secs(3);
            let took = at_best(most, || {
                server.advance(Span::seconds(61));
                taken(|| assert_eq!(status(&app, &key), 401, "{address}"))
            });
            assert!(took < most, "{address}: {took:?}");
        }
        assert_eq!(publisher.asked(), 0);
    });
}
