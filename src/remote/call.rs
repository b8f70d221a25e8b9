//! One outgoing call: guarded, bounded in time and size, and never led elsewhere.

use super::egress::{Allowed, Carrier, Forbidden, admit};
use crate::{
    base::{moment::Span, uri::WebUri},
    jose::BadKeySet,
};
use std::{fmt, sync::Arc};
use ureq::{
    Agent,
    config::Config,
    http::Uri,
    tls::{RootCerts, TlsConfig, TlsProvider},
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{DefaultConnector, NextTimeout},
    },
};

/// Most bytes of the head of an answer.
const MAX_HEAD: usize = 16 * 1024;

/// What an operator decides about outgoing calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundPolicy {
    /// Places inside that may be called all the same.
    pub allow: Vec<Allowed>,
    /// How long one call may take, from looking up its name to the last byte.
    pub timeout: Span,
    /// Most bytes of an answer.
    pub max_bytes: u64,
}

impl Default for OutboundPolicy {
    fn default() -> Self {
        Self { allow: Vec::new(), timeout: Span::seconds(5), max_bytes: 64 * 1024 }
    }
}

/// Why a call came to nothing. The text is for logs and for operators: told to a client, it would
/// let them explore the network that the server stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallFailed {
    /// It was not made.
    Forbidden(Forbidden),
    /// The host has no address, or its name could not be looked up.
    NoSuchHost,
    /// It took too long.
    TimedOut,
    /// No connection, or it broke, or TLS failed.
    Unreachable(String),
    /// The answer has another status; a redirect is one.
    Status(u16),
    /// The answer is too long.
    TooLong,
    /// The answer is no key set.
    NotAKeySet(BadKeySet),
    /// Too many calls wait already.
    Busy,
}

impl CallFailed {
    /// A word for events and metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Forbidden(_) => "forbidden",
            Self::NoSuchHost => "no_such_host",
            Self::TimedOut => "timed_out",
            Self::Unreachable(_) => "unreachable",
            Self::Status(_) => "status",
            Self::TooLong => "too_long",
            Self::NotAKeySet(_) => "not_a_key_set",
            Self::Busy => "busy",
        }
    }
}

impl fmt::Display for CallFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden(why) => why.fmt(f),
            Self::NoSuchHost => f.write_str("the host has no address that could be looked up"),
            Self::TimedOut => f.write_str("it took too long"),
            Self::Unreachable(why) => write!(f, "no connection: {why}"),
            Self::Status(status) => write!(f, "the answer has status {status}"),
            Self::TooLong => f.write_str("the answer is too long"),
            Self::NotAKeySet(why) => why.fmt(f),
            Self::Busy => f.write_str("too many calls wait already"),
        }
    }
}
impl std::error::Error for CallFailed {}

impl From<ureq::Error> for CallFailed {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other errors of ureq differ in nothing that matters here")]
    fn from(error: ureq::Error) -> Self {
        match error {
            ureq::Error::Other(cause) => match cause.downcast::<Forbidden>() {
                Ok(forbidden) => Self::Forbidden(*forbidden),
                Err(other) => Self::Unreachable(other.to_string()),
            },
            ureq::Error::HostNotFound => Self::NoSuchHost,
            ureq::Error::Timeout(_) => Self::TimedOut,
            ureq::Error::BodyExceedsLimit(_) | ureq::Error::LargeResponseHeader(..) => Self::TooLong,
            other => Self::Unreachable(other.to_string()),
        }
    }
}

/// Looks names up, and hands on only addresses that may be connected to. What is checked here is
/// what is connected to: a name that resolves differently the next time gains nothing.
struct Guard {
    names: DefaultResolver,
    allow: Vec<Allowed>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

impl Resolver for Guard {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other errors of ureq differ in nothing that matters here")]
    fn resolve(&self, uri: &Uri, config: &Config, within: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let carrier = if uri.scheme_str() == Some("https") { Carrier::Https } else { Carrier::Http };
        let found = self.names.resolve(uri, config, within).map_err(|error| match error {
            // The system says in its own words, of each platform, that there is no such name.
            ureq::Error::Io(_) => ureq::Error::HostNotFound,
            error => error,
        })?;
        let admitted = admit(&self.allow, carrier, uri.host().unwrap_or_default(), &found)
            .map_err(|why| ureq::Error::Other(Box::new(why)))?;
        let mut kept = self.empty();
        for address in admitted {
            // It cannot overflow: these are some of those that fitted before.
            let _ = kept.try_push(address);
        }
        Ok(kept)
    }
}

/// An answer of status 200.
pub(super) struct Answer {
    /// The `Cache-Control` field.
    pub(super) cache_control: Option<String>,
    /// The body, within the bound.
    pub(super) body: Vec<u8>,
}

/// Makes calls. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    agent: Agent,
    max_bytes: u64,
}

impl Caller {
    pub(super) fn new(policy: &OutboundPolicy) -> Self {
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            // A proxy would look names up by itself, behind the guard's back.
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(policy.timeout.to_std()))
            .max_response_header_size(MAX_HEAD)
            // Each call is judged by the list of its own time, so none travels on an older connection.
            .max_idle_connections(0)
            .user_agent("Keywright")
            .build();
        let guard = Guard { names: DefaultResolver::default(), allow: policy.allow.clone() };
        Self { agent: Agent::with_parts(config, DefaultConnector::default(), guard), max_bytes: policy.max_bytes }
    }

    pub(super) fn get(&self, uri: &WebUri, accept: &str) -> Result<Answer, CallFailed> {
        let mut answer = self.agent.get(uri.as_str()).header("accept", accept).call()?;
        if answer.status().as_u16() != 200 {
            return Err(CallFailed::Status(answer.status().as_u16()));
        }
        let cache_control = answer.headers().get("cache-control").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let body = answer.body_mut().with_config().limit(self.max_bytes).read_to_vec()?;
        Ok(Answer { cache_control, body })
    }

    /// Posts a form of one field. The body of the answer is not read.
    pub(super) fn post_form(&self, uri: &WebUri, name: &str, value: &str) -> Result<u16, CallFailed> {
        Ok(self.agent.post(uri.as_str()).send_form([(name, value)])?.status().as_u16())
    }
}

/// A caller that can be exchanged while calls are under way.
pub(super) type Shared = Arc<arc_swap::ArcSwap<Caller>>;
