//! Bodies in chunks (RFC 9112 §7.1), when their answer comes before their end.
//!
//! The framework reads the rest of such a body so that the connection can be used again, with no
//! deadline: whoever sends a chunk now and then, or nothing more, would hold the connection for
//! ever. It does so only once nobody holds the body any more; so it is held until its answer is
//! sent, and then the framework ends the connection, as it does with bodies of a known length.

use actix_web::{
    HttpMessage,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Payload, ServiceRequest},
    error::PayloadError,
    http::header::{HeaderMap, TRANSFER_ENCODING},
    web::Bytes,
};
use futures_core::Stream;
use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// A body that its handler reads, and that stays when the handler has let go of it.
#[derive(Clone)]
pub struct Held(Rc<RefCell<Payload>>);

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held")
    }
}

impl Stream for Held {
    type Item = Result<Bytes, PayloadError>;
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}

impl Held {
    /// Takes hold of the body of a request, where it comes in chunks.
    pub fn of(request: &mut ServiceRequest) -> Option<Self> {
        is_chunked(request.headers()).then(|| {
            let held = Self(Rc::new(RefCell::new(request.take_payload())));
            let stream: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(held.clone());
            request.set_payload(Payload::from(stream));
            held
        })
    }
}

/// Whether a body comes in chunks.
#[must_use]
pub fn is_chunked(fields: &HeaderMap) -> bool {
    fields.contains_key(TRANSFER_ENCODING)
}

/// An answer that holds something until it is sent.
pub struct Holding<T> {
    answer: BoxBody,
    _held: T,
}

impl<T> std::fmt::Debug for Holding<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Holding")
    }
}

impl<T: Unpin + 'static> Holding<T> {
    /// This answer, holding this.
    pub fn boxed(answer: impl MessageBody + 'static, held: T) -> BoxBody {
        BoxBody::new(Self { answer: answer.boxed(), _held: held })
    }
}

impl<T: Unpin> MessageBody for Holding<T> {
    type Error = Box<dyn std::error::Error>;
    fn size(&self) -> BodySize {
        self.answer.size()
    }
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(cx)
    }
}
