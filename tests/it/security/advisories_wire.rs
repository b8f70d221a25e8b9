//! What proxies and servers disagreed about: forwarded addresses, and where one request ends and
//! the next begins.

use crate::world::{
    Person, Server, each, get,
    http::{answer, connect},
    post,
};
use std::{io::Write, net::SocketAddr};

/// Everything that comes back for these bytes, until the server closes.
fn exchange(to: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(to);
    // The server may have refused and closed before it read everything.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut all = Vec::new();
    let _ = std::io::Read::read_to_end(&mut stream, &mut all);
    String::from_utf8_lossy(&all).into_owned()
}

fn statuses(text: &str) -> Vec<u16> {
    let lines = text.split("HTTP/1.1 ").skip(1);
    lines.filter_map(|rest| rest.get(..3)?.parse().ok()).collect()
}

#[test]
fn a03_a_forwarded_address_that_cannot_be_read_is_refused_on_every_path() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("server.trusted_proxies", "127.0.0.1"));
        let (ada, machine) = (server.person("ada"), server.machine());
        let mut browser = server.browser();
        let form = browser.visit("/sign-in").form().fill("username", &ada.name).fill("password", &ada.password);
        let many = vec!["10.1.1.1"; 5000].join(",");
        let garbage = [
            "a",
            "unknown",
            "_hidden",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "::g",
            "1.2.3.4, ",
            ",",
            "0x7f000001",
            "1.2.3.4;",
            "[::1",
            "\u{1}",
            "1.2.3.4 5.6.7.8",
            many.as_str(),
            "-1",
            "for=1.2.3.4",
            "1.2.3.4:99999",
            "١.٢.٣.٤",
        ];
        for value in garbage {
            let mut other = browser.clone().from(value);
            let reply = other.post(&form);
            assert!(matches!(reply.status, 400 | 431), "{value}: {} {}", reply.status, reply.text());
            assert!(reply.all("set-cookie").next().is_none(), "{value}");
            let request = machine.request("/token", &[("grant_type", "client_credentials")]);
            let reply = server.send(&request.field("X-Forwarded-For", value));
            assert!(matches!(reply.status, 400 | 431), "{value}: {}", reply.status);
        }
        let mut good = browser.clone().from("203.0.113.9, 127.0.0.1");
        assert_eq!(good.post(&form).status, 303);
    });
}

#[test]
fn a54_a_spoofed_forwarded_address_is_ignored_and_evades_no_limit() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("sign_in.attempts_per_account", "3/10m"));
        let ada = server.person("ada");
        let wrong = Person { password: "wrong wrong wrong".to_owned(), ..ada };
        let status = |n: usize| {
            let mut browser = server.browser().from(&format!("198.51.100.{n}"));
            browser.always.push(("X-Real-IP".to_owned(), format!("198.51.100.{n}")));
            browser.always.push(("Forwarded".to_owned(), format!("for=198.51.100.{n}")));
            browser.always.push(("X_Forwarded_For".to_owned(), format!("198.51.100.{n}")));
            let page = browser.visit("/sign-in");
            browser.type_in(&page, &wrong).status
        };
        let statuses: Vec<u16> = (1..=6).map(status).collect();
        assert_eq!(statuses, [200, 200, 200, 429, 429, 429]);
        let addresses: Vec<_> = server.events_of("session.refused").into_iter().map(|row| row.address).collect();
        assert!(!addresses.is_empty());
        assert!(addresses.iter().all(|a| a.is_some_and(|a| a.is_loopback())), "{addresses:?}");
    });
}

#[test]
fn a54_behind_a_trusted_proxy_the_last_address_that_is_not_the_proxys_counts() {
    each(|database| {
        let server = Server::start(database, |settings| {
            settings.set("server.trusted_proxies", "127.0.0.1,10.0.0.0/8");
            settings.set("sign_in.attempts_per_account", "3/10m");
        });
        let ada = server.person("ada");
        let wrong = Person { password: "wrong wrong wrong".to_owned(), ..ada };
        // What the client itself writes in front changes nothing.
        let status = |n: usize| {
            let mut browser = server.browser().from(&format!("198.51.100.{n}, 203.0.113.9, 10.0.0.7"));
            let page = browser.visit("/sign-in");
            browser.type_in(&page, &wrong).status
        };
        let statuses: Vec<u16> = (1..=5).map(status).collect();
        assert_eq!(statuses, [200, 200, 200, 429, 429]);
        let mut elsewhere = server.browser().from("203.0.113.10, 10.0.0.7");
        let page = elsewhere.visit("/sign-in");
        assert_eq!(elsewhere.type_in(&page, &wrong).status, 200, "another address has its own budget");
    });
}

#[test]
fn a60_a_request_whose_length_is_said_in_two_ways_is_refused_and_nothing_follows_it() {
    each(|database| {
        let server = Server::on(database);
        let head = "POST /token HTTP/1.1\r\nHost: id.example\r\nContent-Type: application/x-www-form-urlencoded\r\n";
        let hidden = "GET /livez HTTP/1.1\r\nHost: id.example\r\n\r\n";
        for (fields, body) in [
            ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: chunked\r\nContent-Length: 60\r\n", "0\r\n\r\n"),
            ("Content-Length: 0\r\nContent-Length: 44\r\n", ""),
            ("Content-Length: 0, 44\r\n", ""),
            ("Content-Length: +0\r\n", ""),
            ("Content-Length: -1\r\n", ""),
            ("Content-Length: 0x0\r\n", ""),
            ("Content-Length: 99999999999999999999\r\n", ""),
            ("Content-Length: zero\r\n", ""),
            ("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
            ("Content-Length : 0\r\n", ""),
            ("X: y\r\n Content-Length: 0\r\n", ""),
            ("X: y\r\n\tTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ] {
            let text = exchange(server.address, format!("{head}{fields}\r\n{body}{hidden}").as_bytes());
            let told = statuses(&text);
            assert!(told.len() <= 1, "{fields:?}: a second request was found: {told:?}");
            assert!(told.iter().all(|status| (400..500).contains(status)), "{fields:?}: {told:?}");
        }
        assert_eq!(server.get("/livez").status, 200);
    });
}

#[test]
fn a60_lines_that_do_not_end_as_they_should_make_no_request() {
    each(|database| {
        let server = Server::on(database);
        for bytes in [
            &b"GET /livez HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n"[..],
            b"GET /livez HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n",
            b"GET /livez HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n",
            b"GET /livez HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
            b"GET  /livez HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /li vez HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /livez HTTP/9.9\r\nHost: a\r\n\r\n",
            b"GET /livez\r\n\r\n",
            b"G\x00T /livez HTTP/1.1\r\nHost: a\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ] {
            let told = statuses(&exchange(server.address, bytes));
            let quiet = told.iter().all(|status| (400..506).contains(status) && *status != 500);
            assert!(told.len() <= 1 && quiet, "{:?}: {told:?}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(server.get("/livez").status, 200);
    });
}

#[test]
fn a60_a_bare_line_feed_hides_no_second_request() {
    each(|database| {
        let server = Server::on(database);
        // Whether a bare LF ends a line or not, all of this is one request, with one answer.
        for bytes in [
            "GET /livez HTTP/1.1\r\nHost: a\r\nX: y\nContent-Length: 44\r\nConnection: close\r\n\r\n",
            "GET /livez HTTP/1.1\nHost: a\nConnection: close\n\n",
            "POST /token HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\n\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /token HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\n\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /token HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\nb\r\nx\r\n0\r\n\r\n",
        ] {
            let told = statuses(&exchange(server.address, bytes.as_bytes()));
            assert!(told.len() <= 1, "{bytes:?}: {told:?}");
            assert!(!told.contains(&500), "{bytes:?}");
        }
        assert_eq!(server.get("/livez").status, 200);
    });
}

#[test]
fn a60_what_is_left_of_a_refused_body_is_not_taken_for_a_request() {
    each(|database| {
        let server = Server::on(database);
        let hidden = "GET /jwks HTTP/1.1\r\nHost: a\r\n\r\n";
        let heads = [
            format!(
                "POST /token HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n",
                hidden.len()
            ),
            format!("GET /token HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n", hidden.len()),
            format!("POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n", hidden.len()),
            format!("GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n", hidden.len()),
            format!(
                "POST /token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
                hidden.len()
            ),
        ];
        for head in heads {
            let told = exchange(server.address, format!("{head}\r\n{hidden}").as_bytes());
            assert_eq!(statuses(&told).len(), 1, "{head}: {told}");
            assert!(!told.contains("\"keys\""), "{head}");
        }
        // Two whole requests on one connection are two, in order.
        let two = "GET /livez HTTP/1.1\r\nHost: a\r\n\r\nGET /jwks HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let mut stream = connect(server.address);
        stream.write_all(two.as_bytes()).unwrap();
        assert_eq!(answer(&mut stream).unwrap().status, 200);
        assert_eq!(statuses(&exchange(server.address, two.as_bytes())), [200, 200]);
    });
}

#[test]
fn a40_a_field_that_is_named_in_connection_is_read_as_if_it_were_not() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("server.trusted_proxies", "127.0.0.1"));
        let connection = |request: crate::world::Request| request.field("Connection", "X-Forwarded-For, Authorization");
        let reply = server.send(&connection(get("/jwks").field("X-Forwarded-For", "a")));
        assert_eq!(reply.status, 400, "it is still read, and still refused");
        let reply = server.send(&connection(post("/token", &[("grant_type", "client_credentials")])));
        assert_eq!(reply.refusal(), (401, "invalid_client".to_owned()));
    });
}
