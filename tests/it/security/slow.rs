//! Connections that are opened and then hardly used (F15, F16): each has a deadline, others are
//! served meanwhile, and their places are free again. The 64 connections for each address that
//! the design names are not built; the bound that there is holds for all addresses together.

use crate::world::{
    Server,
    busy::{at_best, taken},
    database::each,
    http::{answer, connect},
};
use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

const HEAD: &str = "POST /token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n";

/// Sends a byte each tenth of a second until the server has had enough: what it said, and when.
fn dribble(stream: &mut TcpStream, start: &str, byte: &[u8]) -> (Option<u16>, Duration) {
    let began = Instant::now();
    stream.write_all(start.as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut told = Vec::new();
    let mut some = [0; 1024];
    while began.elapsed() < Duration::from_secs(60) {
        match stream.read(&mut some) {
            Ok(0) => break,
            Ok(n) => told.extend_from_slice(&some[..n]),
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                if told.is_empty() && stream.write_all(byte).is_err() {
                    break;
                }
            }
            Err(_) => break,
        }
    }
    let status = String::from_utf8_lossy(&told).split(' ').nth(1).and_then(|s| s.parse().ok());
    (status, began.elapsed())
}

#[test]
fn f15_a_head_or_a_body_that_dribbles_is_ended_at_its_deadline_and_holds_up_nobody() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        let to = server.address;
        let slow = [
            ("a head", "GET /livez HTTP/1.1\r\nX: ".to_owned(), "x"),
            ("a form", format!("{HEAD}Content-Length: 60000\r\n\r\n"), "x"),
            ("chunks", format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n"), "1\r\nx\r\n"),
        ];
        let mut ends = Vec::new();
        let others = || {
            thread::scope(|scope| {
                let started: Vec<_> = slow
                    .iter()
                    .map(|(what, start, byte)| {
                        scope.spawn(move || (*what, dribble(&mut connect(to), start, byte.as_bytes())))
                    })
                    .collect();
                let one = |_| {
                    thread::sleep(Duration::from_millis(50));
                    taken(|| assert_eq!(machine.own_token(&[]).status, 200))
                };
                let slowest = (0..40).map(one).max().unwrap();
                ends.extend(started.into_iter().map(|one| one.join().unwrap()));
                slowest
            })
        };
        let most = Duration::from_secs(3);
        assert!(at_best(most, others) < most, "others are served meanwhile");
        for (what, (status, after)) in ends {
            let deadline = if what == "a head" { 5 } else { 10 };
            assert_eq!(status, Some(408), "{what} after {after:?}");
            let long = Duration::from_secs(deadline - 1)..Duration::from_secs(deadline + 40);
            assert!(long.contains(&after), "{what} after {after:?}");
        }
    });
}

#[test]
fn a_request_that_ends_halfway_does_nothing_at_any_point() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        let whole = machine.request("/token", &[("grant_type", "client_credentials")]).bytes();
        for end in (1..whole.len()).step_by(9) {
            let mut stream = connect(server.address);
            stream.write_all(&whole[..end]).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let reply = answer(&mut stream);
            assert!(reply.as_ref().is_none_or(|reply| (400..500).contains(&reply.status)), "{end}: {reply:?}");
        }
        for end in (1..whole.len()).step_by(31) {
            let mut stream = connect(server.address);
            stream.write_all(&whole[..end]).unwrap();
            drop(stream);
        }
        assert!(!server.recorded("token.issued"));
        assert_eq!(machine.own_token(&[]).status, 200);
    });
}

#[test]
fn f16_connections_that_say_nothing_give_their_places_back() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("server.max_connections", "16"));
        let idle: Vec<TcpStream> = (0..60).map(|_| connect(server.address)).collect();
        // All sixteen places are taken; each time their deadline passes there is room for others.
        assert_eq!(server.get("/livez").status, 200);
        drop(idle);
        assert_eq!(server.machine().own_token(&[]).status, 200);
    });
}

#[test]
fn f16_five_hundred_open_connections_leave_room_for_the_next() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        let most = Duration::from_secs(3);
        let took = at_best(most, || {
            let mut idle: Vec<TcpStream> = (0..500).map(|_| connect(server.address)).collect();
            for stream in idle.iter_mut().step_by(2) {
                let _ = stream.write_all(b"GET /livez HTTP/1.1\r\n");
            }
            taken(|| assert_eq!(machine.own_token(&[]).status, 200))
        });
        assert!(took < most, "{took:?}");
    });
}
