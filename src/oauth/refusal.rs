//! What a client is told when the answer is no.

use super::code::ErrorCode;
use std::{borrow::Cow, fmt};

/// An outcome for the client: a registered code, and a sentence that helps its developer
/// (`error_description`). The sentence never holds a secret, nor text that the client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The registered code.
    pub code: ErrorCode,
    /// What was wrong, and where it helps, what to send instead. Characters of RFC 6749 §5.2 only.
    pub because: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with its sentence.
    pub fn new(code: ErrorCode, because: impl Into<Cow<'static, str>>) -> Self {
        Self { code, because: because.into() }
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
