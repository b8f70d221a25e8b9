//! What a client is told when the answer is no.

use super::code::ErrorCode;
use crate::base::moment::Span;
use std::{borrow::Cow, fmt};

/// An outcome for the client: a registered code, and a sentence that helps its developer
/// (`error_description`). The sentence never holds a secret, nor text that the client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The registered code.
    pub code: ErrorCode,
    /// What was wrong, and where it helps, what to send instead. Characters of RFC 6749 §5.2 only.
    pub because: Cow<'static, str>,
    /// The limit that was met, where it was one: the answer is 429 then (RFC 6585 §4).
    pub limit: Option<Box<Exceeded>>,
}

/// A limit that was met: what the client is told about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The name of its policy.
    pub policy: &'static str,
    /// How many requests it allows at once.
    pub quota: u32,
    /// In what time as many are there again.
    pub window: Span,
    /// When to try again.
    pub wait: Span,
}

impl Refusal {
    /// A refusal for now: too many requests. RFC 6749 has no code for it; this is the nearest.
    #[must_use]
    pub fn too_many(limit: Exceeded) -> Self {
        let because = Cow::Borrowed("too many requests: try again after the time in Retry-After");
        Self { code: ErrorCode::TemporarilyUnavailable, because, limit: Some(Box::new(limit)) }
    }

    /// A refusal with its sentence.
    pub fn new(code: ErrorCode, because: impl Into<Cow<'static, str>>) -> Self {
        Self { code, because: because.into(), limit: None }
    }
}

/// Ends a rule with a refusal.
///
/// # Errors
/// Always.
pub fn refuse<T>(code: ErrorCode, because: impl Into<Cow<'static, str>>) -> Result<T, Refusal> {
    Err(Refusal::new(code, because))
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.because)
    }
}
impl std::error::Error for Refusal {}

/// An authorization request for which nobody may be redirected, because client or redirection
/// URI are not proven (RFC 6749 §4.1.2.1, RFC 9700 §4.11): the person sees a page instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    /// What was wrong, for the developer of the application.
    pub because: Cow<'static, str>,
}

impl Dead {
    /// With its sentence.
    pub fn new(because: impl Into<Cow<'static, str>>) -> Self {
        Self { because: because.into() }
    }
}
