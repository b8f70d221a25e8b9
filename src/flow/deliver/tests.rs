//! Logout tokens on their way, against a listener on loopback.

use super::*;
use crate::{
    audit::Actor,
    base::entropy::SeededEntropy,
    flow::{
        manage_clients,
        sample::{Sample, in_sample},
    },
};
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

#[test]
fn pauses_double_up_to_an_hour_and_differ() {
    let dice = SeededEntropy::new(1);
    for (attempts, longest) in [(1, 5), (2, 10), (5, 80), (10, 2560), (11, 3600), (40, 3600), (u32::MAX, 3600)] {
        let (a, b) = (pause(attempts, &dice).unwrap(), pause(attempts, &dice).unwrap());
        for one in [a, b] {
            let longest = Span::seconds(longest);
            assert!(one <= longest && one.as_micros() >= longest.as_micros() / 2, "{attempts} {one:?}");
        }
        assert_ne!(a, b, "{attempts}");
    }
}

/// Answers every request with this status, and keeps what was asked.
fn listen(status: &'static str) -> (String, flume::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://127.0.0.1:{}/logout", listener.local_addr().unwrap().port());
    let (tell, told) = flume::unbounded();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Told first: whoever has the answer may look at once for what was asked.
            if tell.send(request(&mut stream)).is_err() {
                return;
            }
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        }
    });
    (at, told)
}

fn request(stream: &mut TcpStream) -> String {
    let mut asked = String::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        asked.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        let Some((head, body)) = asked.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
        if read == 0 || length.and_then(|n| n.parse().ok()).is_some_and(|n: usize| body.len() >= n) {
            return asked;
        }
    }
}

/// A session with a client that hears of its end here, and the message that tells of it.
async fn ended(sample: &Sample, hears_at: &str) -> (UserId, SessionId) {
    let (user, session, _) = sample.signed_in("https://app.example/logout").await;
    let hears_at = hears_at.to_owned();
    // Registration takes https alone; a test has none.
    let (id, session_id) = (user.clone(), session.clone());
    sample
        .write(move |tx| {
            let client = ClientId::parse("cli_app").unwrap();
            let mut row = tx.clients().find(&client)?.unwrap();
            row.metadata.insert("backchannel_logout_uri".to_owned(), hears_at.clone().into());
            tx.clients().replace_metadata(&client, &row.metadata)?;
            enqueue(tx, &id, &session_id)
        })
        .await;
    (user, session)
}

async fn round_now(sample: &Sample) {
    let (_end, ending) = tokio::sync::watch::channel(false);
    round(&sample.world, &ending).await.unwrap();
}

#[test]
fn a_client_is_told_once_of_a_session_that_ended() {
    in_sample(async |sample| {
        let (at, told) = listen("200 OK");
        let (user, session) = ended(&sample, &at).await;
        round_now(&sample).await;
        round_now(&sample).await;
        let asked: Vec<String> = told.drain().collect();
        assert_eq!(asked.len(), 1);
        let token = asked[0].rsplit_once("logout_token=").unwrap().1;
        let parts: Vec<Vec<u8>> =
            token.split('.').take(2).map(|part| crate::base::digest::from_base64url(part).unwrap()).collect();
        let (head, claims) = (String::from_utf8_lossy(&parts[0]), String::from_utf8_lossy(&parts[1]));
        assert!(head.contains(r#""typ":"logout+jwt""#) && head.contains("EdDSA"), "{head}");
        for part in ["https://id.example", "cli_app", user.as_str(), session.as_str(), "backchannel-logout"] {
            assert!(claims.contains(part), "{part} {claims}");
        }
        assert!(sample.events().await.contains(&"logout.delivered".to_owned()));
        assert_eq!(sample.world.metrics.logout_deliveries.get("delivered"), 1);
    });
}

#[test]
fn a_client_that_does_not_answer_well_is_told_again_and_at_last_given_up() {
    in_sample(async |sample| {
        let (at, told) = listen("503 Service Unavailable");
        ended(&sample, &at).await;
        for _ in 0..MOST_ATTEMPTS {
            round_now(&sample).await;
            // Not due yet.
            round_now(&sample).await;
            sample.clock.advance(Span::hours(1));
        }
        round_now(&sample).await;
        assert_eq!(told.drain().count(), 10);
        assert!(sample.events().await.contains(&"logout.failed".to_owned()));
        assert_eq!(sample.world.metrics.logout_deliveries.get("retried"), 9);
        assert_eq!(sample.world.metrics.logout_deliveries.get("abandoned"), 1);
    });
}

#[test]
fn who_was_granted_nothing_in_a_session_hears_nothing_of_its_end() {
    in_sample(async |sample| {
        let (user, _, _) = sample.signed_in("https://app.example/logout").await;
        let other = SessionId::from_u128(9);
        sample.write(move |tx| enqueue(tx, &user, &other)).await;
        assert!(!sample.write(|tx| tx.outbox().any_due(&[])).await);
    });
}

#[test]
fn a_client_that_was_disabled_in_the_meantime_hears_nothing() {
    in_sample(async |sample| {
        let (at, told) = listen("200 OK");
        ended(&sample, &at).await;
        sample.write(|tx| tx.clients().set_disabled(&ClientId::parse("cli_app").unwrap())).await;
        round_now(&sample).await;
        assert_eq!(told.drain().count(), 0);
        assert!(sample.events().await.contains(&"logout.failed".to_owned()));
    });
}

#[test]
fn a_client_that_never_answers_keeps_no_other_from_hearing() {
    in_sample(async |sample| {
        let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
        let (at, told) = listen("200 OK");
        let both = [("cli_mute", format!("http://{}/", hangs.local_addr().unwrap())), ("cli_well", at)];
        for (id, hears_at) in both {
            let metadata = serde_json::json!({
                "redirect_uris": ["https://app.example/cb"], "backchannel_logout_uri": "https://app.example/logout",
                "id_token_signed_response_alg": "EdDSA",
            });
            let (client, policy) = (ClientId::parse(id).unwrap(), Default::default());
            let metadata = metadata.as_object().unwrap();
            manage_clients::add(&sample.world, Some(client.clone()), metadata, policy, Actor::System).await.unwrap();
            sample
                .write(move |tx| {
                    let mut row = tx.clients().find(&client)?.unwrap();
                    row.metadata.insert("backchannel_logout_uri".to_owned(), hears_at.clone().into());
                    tx.clients().replace_metadata(&client, &row.metadata)?;
                    for n in 0..if id == "cli_mute" { 24 } else { 1 } {
                        let (sid, sub) = (SessionId::from_u128(n), UserId::from_u128(n));
                        let payload = Payload { client: client.clone(), sid, sub };
                        tx.outbox().add(KIND, &serde_json::to_value(&payload).unwrap())?;
                    }
                    Ok(())
                })
                .await;
        }
        // Those to the mute one come first. It takes connections, and says nothing for as long as it is there.
        let (end, ending) = tokio::sync::watch::channel(false);
        let world = Arc::clone(&sample.world);
        let delivering = tokio::spawn(async move { round(&world, &ending).await });
        let heard = async {
            while told.is_empty() {
                tokio::time::sleep(Span::millis(10).to_std()).await;
            }
        };
        // Sooner than any call to the mute one is given up, which is after a minute.
        tokio::time::timeout(Span::seconds(50).to_std(), heard).await.unwrap();
        end.send_replace(true);
        // Whoever waits for an answer of it hears now that there will be none.
        drop(hangs);
        delivering.await.unwrap().unwrap();
        let mute = sample.world.metrics.logout_deliveries.get("retried");
        assert_eq!((sample.world.metrics.logout_deliveries.get("delivered"), mute), (1, 2));
    });
}
