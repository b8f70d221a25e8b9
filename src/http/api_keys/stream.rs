//! The keys that end, as server-sent events (HTML Living Standard §9.2): whoever reads them hears of
//! each within a second of its end; of one that nobody made, because a key has expired, within five.

use super::ended::{placed, told};
use crate::{
    apikey::ended::Ended,
    audit::Origin,
    base::moment::{Moment, Span},
    flow::api_keys::{
        ask::asker,
        ended::{Place, Reader},
    },
    http::{give::details, site::Here},
};
use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
    web::Bytes,
};
use futures_core::Stream;
use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::sync::{
    OwnedSemaphorePermit,
    mpsc::{Receiver, Sender, channel},
};

/// How often it is asked whether anything has changed, which costs no query.
const PACE: Duration = Duration::from_millis(250);
/// How often the store is asked though nothing was heard: nobody tells of keys that expire.
const ANYWAY: Duration = Duration::from_secs(5);
/// How often something is sent, so that proxies and readers see that the stream lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a stream lasts: then its reader comes again, with the last event's identifier.
const LASTS: Span = Span::minutes(10);
/// Events that wait for a slow reader.
const WAITING: usize = 64;
/// How long a reader may take none: then its place is for somebody who reads.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a reader shows of itself: it is asked again before each look.
pub(super) struct Shown {
    pub(super) authorization: Option<String>,
    pub(super) api_key: Option<String>,
    pub(super) origin: Origin,
}

struct Events(Receiver<Bytes>);

impl Stream for Events {
    type Item = Result<Bytes, Infallible>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(Ok))
    }
}

/// Begins a stream, if there is room for one more.
pub(super) fn begin(here: &Here, shown: Shown, from: Place) -> HttpResponse {
    let Ok(permit) = std::sync::Arc::clone(&here.world.api_keys.streams).try_acquire_owned() else {
        let mut full = details::plain(StatusCode::SERVICE_UNAVAILABLE, "too many streams are open: ask for pages");
        full.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("30"));
        return full;
    };
    let (send, events) = channel(WAITING);
    actix_web::rt::spawn(run(here.clone(), shown, Reader::from(from), (send, permit)));
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .content_type("text/event-stream")
        .streaming(Events(events))
}

/// Tells of what ends until the reader goes, may not read any more, or the server ends.
async fn run(here: Here, shown: Shown, mut reader: Reader, (send, permit): (Sender<Bytes>, OwnedSemaphorePermit)) {
    let world = &here.world;
    let until: Moment = world.now() + LASTS;
    let (mut seen, mut looked, mut spoke) = (None, Instant::now(), Instant::now());
    // Something is sent at once, so that whoever waits for the head has it.
    let mut alive = hand(&send, Bytes::from_static(b"retry: 1000\n\n"), PATIENCE).await;
    while alive && !send.is_closed() && !world.draining() && world.now() < until {
        let changes = world.api_keys.directory.changes();
        if seen != Some(changes) || looked.elapsed() >= ANYWAY {
            let Some(texts) = look(&here, &shown, &mut reader).await else { break };
            (seen, looked) = (Some(changes), Instant::now());
            for text in texts {
                alive = alive && hand(&send, text, PATIENCE).await;
                spoke = Instant::now();
            }
        }
        if spoke.elapsed() >= HEARTBEAT {
            (alive, spoke) = (hand(&send, Bytes::from_static(b": alive\n\n"), PATIENCE).await, Instant::now());
        }
        tokio::time::sleep(PACE).await;
    }
    drop(permit);
}

/// Hands an event over; false where the reader is gone, or takes none for so long.
async fn hand(send: &Sender<Bytes>, event: Bytes, patience: Duration) -> bool {
    matches!(tokio::time::timeout(patience, send.send(event)).await, Ok(Ok(())))
}

/// What has ended; `None` where the reader may not know any more, or that cannot be said.
async fn look(here: &Here, shown: &Shown, reader: &mut Reader) -> Option<Vec<Bytes>> {
    let world = &here.world;
    let who = asker(world, shown.authorization.as_deref(), shown.api_key.as_deref(), &shown.origin).await.ok()?;
    match reader.next(world, &who).await {
        Ok(ended) => {
            let text = |one: &Ended| format!("id: {}\nevent: ended\ndata: {}\n\n", placed(one.at, &one.id), told(one));
            Some(ended.iter().map(|one| Bytes::from(text(one))).collect())
        }
        Err(fault) => {
            tracing::debug!(error = %fault, "a stream of ended keys ends early");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_who_takes_nothing_is_waited_for_and_then_given_up() {
        actix_web::rt::System::new().block_on(async {
            let (send, mut events) = channel::<Bytes>(2);
            let event = || Bytes::from_static(b"x");
            let short = Duration::from_millis(20);
            assert!(hand(&send, event(), short).await && hand(&send, event(), short).await, "two wait");
            assert!(!hand(&send, event(), short).await, "no room, and nobody takes any");
            let slow = actix_web::rt::spawn(async move {
                tokio::time::sleep(short).await;
                events.recv().await;
                events
            });
            assert!(hand(&send, event(), PATIENCE).await, "a slow reader is not a dead one");
            drop(slow.await.unwrap());
            assert!(!hand(&send, event(), PATIENCE).await, "the reader is gone");
        });
    }
}
