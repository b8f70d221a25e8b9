//! Tokens that a client got on its own account right after another: they stand in the event of the
//! first, so that a machine that asks a thousand times a second does not write a thousand rows.
//!
//! What an auditor asks stays answered for each token: its name, its request, its time, and in the
//! event around it whose it was, from where, for what and with which key it was signed (decision 14).

use super::{Event, Origin, Record};
use crate::base::{
    id::{ClientId, RequestId},
    moment::{Moment, Span},
};
use serde::Serialize;
use std::net::IpAddr;

/// How long after the first a token still stands in its event.
const WITHIN: Span = Span::seconds(1);
/// The most that stand in one event beside the first: a row stays a few kilobytes.
const MOST: usize = 99;

/// Tokens issued after the one that an event names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Also(Vec<Later>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Later {
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<RequestId>,
    after_ms: i64,
}

impl Also {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whose own tokens, and from where they were asked for.
pub type Asker = (ClientId, Option<IpAddr>);

impl Event {
    /// How many things it tells of.
    #[must_use]
    pub fn weight(&self) -> usize {
        let Self::TokensIssued { also, .. } = self else { return 1 };
        also.0.len().saturating_add(1)
    }

    /// Who got tokens on their own account, where it tells of that.
    #[must_use]
    pub fn asker(&self, address: Option<IpAddr>) -> Option<Asker> {
        let Self::TokensIssued { client, grant: None, .. } = self else { return None };
        Some((client.clone(), address))
    }

    /// Whether both tell of a client's own tokens that differ in nothing but their names.
    fn is_like(&self, other: &Self) -> bool {
        let Self::TokensIssued { client, grant: None, grant_type, scope, audience, kid, .. } = self else {
            return false;
        };
        let Self::TokensIssued { client: c, grant: None, grant_type: t, scope: s, audience: a, kid: k, .. } = other
        else {
            return false;
        };
        (client, grant_type, scope, audience, kid) == (c, t, s, a, k)
    }
}

impl Record {
    /// Takes in the token of `event`, where it differs from the one recorded here in nothing but its
    /// name, its request and its time, and came within a second; else gives the event back.
    #[must_use]
    pub fn take_in(&mut self, event: Event, origin: &Origin, now: Moment) -> Option<Event> {
        let after = now.since(self.at);
        let near = self.address == origin.address && (Span::ZERO..WITHIN).contains(&after);
        if !near || !self.event.is_like(&event) {
            return Some(event);
        }
        match (&mut self.event, event) {
            (Event::TokensIssued { also, .. }, Event::TokensIssued { jti, .. }) if also.0.len() < MOST => {
                let after_ms = after.as_micros() / 1000;
                also.0.push(Later { jti, request: origin.request.clone(), after_ms });
                None
            }
            (_, event) => Some(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{entropy::SeededEntropy, id::KeyId, scope::Scope};

    fn issued(client: &str, jti: &str) -> Event {
        Event::TokensIssued {
            client: ClientId::parse(client).unwrap(),
            user: None,
            grant: None,
            grant_type: "client_credentials",
            scope: Scope::parse("api").unwrap(),
            audience: vec!["https://api.example".to_owned()],
            jti: jti.to_owned(),
            kid: KeyId::parse("k").unwrap(),
            also: Also::default(),
        }
    }

    fn recorded(event: Event) -> Record {
        Origin::default().record(event, Moment::EPOCH, &SeededEntropy::new(1)).unwrap()
    }

    #[test]
    fn a_token_that_differs_in_its_name_only_is_taken_in_with_its_time() {
        let mut first = recorded(issued("shop", "a"));
        let request = RequestId::parse("req_2");
        let origin = Origin { request, ..Origin::default() };
        assert_eq!(first.take_in(issued("shop", "b"), &origin, Moment::EPOCH + Span::millis(40)), None);
        assert_eq!(first.event.weight(), 2);
        assert_eq!(first.event.fields()["jti"], "a");
        let also = serde_json::json!([{"jti": "b", "request": "req_2", "after_ms": 40}]);
        assert_eq!(first.event.fields()["also"], also);
    }

    #[test]
    fn what_differs_otherwise_or_comes_later_gets_an_event_of_its_own() {
        let mut first = recorded(issued("shop", "a"));
        let (here, now) = (Origin::default(), Moment::EPOCH);
        let elsewhere = Origin { address: "192.0.2.1".parse().ok(), ..Origin::default() };
        let other_key = |mut event: Event| {
            if let Event::TokensIssued { kid, .. } = &mut event {
                *kid = KeyId::parse("k2").unwrap();
            }
            event
        };
        for (event, origin, at) in [
            (issued("till", "b"), &here, now),
            (other_key(issued("shop", "b")), &here, now),
            (issued("shop", "b"), &elsewhere, now),
            (issued("shop", "b"), &here, now + Span::seconds(1)),
            (Event::AuditLost { count: 1 }, &here, now),
        ] {
            assert_eq!(first.take_in(event.clone(), origin, at), Some(event));
        }
        assert_eq!(first, recorded(issued("shop", "a")));
    }

    #[test]
    fn an_event_stays_of_a_bounded_size() {
        let mut first = recorded(issued("shop", "a"));
        for _ in 0..MOST {
            assert_eq!(first.take_in(issued("shop", "b"), &Origin::default(), Moment::EPOCH), None);
        }
        assert!(first.take_in(issued("shop", "b"), &Origin::default(), Moment::EPOCH).is_some());
    }
}
