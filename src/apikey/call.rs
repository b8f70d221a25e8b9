//! A call for which a key is shown: what the resource server or gateway says of it.
//!
//! Everything here was said by somebody else and is text until a restriction reads it. A
//! restriction that needs what was not said, or cannot read it, refuses.

use crate::base::{id::ApiId, moment::Moment, scope::Scope};

/// What the key is shown for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To call an API.
    #[default]
    Use,
    /// To ask about the keys of an API, as its resource server does.
    Ask,
}

/// What is known of the proof that whoever calls holds a private key (RFC 9449 §7.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Possession<'a> {
    /// None was shown.
    #[default]
    Unproven,
    /// One was shown that is good for this call and this key; the thumbprint (RFC 7638) of its private key.
    Of(&'a str),
    /// One was shown that is not good: such a call is refused, also where none was needed.
    Disproven,
}

/// What is said of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// When it is judged.
    pub at: Moment,
    /// The API that is called; `None` while that is not known, and such a call is good for no key.
    pub api: Option<&'a ApiId>,
    /// What the key is shown for.
    pub purpose: Purpose,
    /// The environment that the resource server serves; `None` where it serves all of its API's.
    pub environment: Option<&'a str>,
    /// What it must be allowed to do.
    pub scope: Scope,
    /// Units it costs.
    pub cost: u32,
    /// The address of the end client: never that of whoever asks.
    pub address: Option<&'a str>,
    /// The country of that address: two letters (ISO 3166-1).
    pub country: Option<&'a str>,
    /// The method (RFC 9110 §9).
    pub method: Option<&'a str>,
    /// The path as the client sent it, not decoded; a query behind it is not looked at.
    pub path: Option<&'a str>,
    /// The field `User-Agent`.
    pub user_agent: Option<&'a str>,
    /// The field `Referer`.
    pub referer: Option<&'a str>,
    /// The field `Origin` (RFC 6454 §7).
    pub origin: Option<&'a str>,
    /// What became of a `DPoP` proof.
    pub dpop: Possession<'a>,
    /// The SHA-256 of the client's certificate, in base64url (RFC 8705 §3.1), where the connection had one.
    pub certificate: Option<&'a str>,
}

impl<'a> Call<'a> {
    /// A call of which nothing is said: it costs one unit and wants no scope.
    #[must_use]
    pub const fn new(api: &'a ApiId, at: Moment) -> Self {
        let mut call = Self::of_some_api(at);
        call.api = Some(api);
        call
    }

    /// The same, of an API that is known only when the key is found.
    #[must_use]
    pub const fn of_some_api(at: Moment) -> Self {
        Self {
            at,
            api: None,
            purpose: Purpose::Use,
            environment: None,
            scope: Scope::none(),
            cost: 1,
            address: None,
            country: None,
            method: None,
            path: None,
            user_agent: None,
            referer: None,
            origin: None,
            dpop: Possession::Unproven,
            certificate: None,
        }
    }
}
