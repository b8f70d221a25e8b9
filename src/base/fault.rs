//! What ends a piece of work early: a fault of ours, or a refusal that is an outcome.

use std::{error::Error, fmt};

/// Something of ours went wrong. It rolls back; it is logged once, at the edge, with its chain;
/// no client ever sees its text, only a reference id.
#[derive(Debug)]
pub struct Fault {
    doing: String,
    kind: FaultKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What the edge should make of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A defect or a broken row: 500.
    Broken,
    /// A dependency is away or full for now: 503 with `Retry-After`; a retry is safe.
    Unavailable,
}

impl Fault {
    /// `doing` says what was being done, in a gerund: "reading the client".
    pub fn new(doing: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { doing: doing.into(), kind: FaultKind::Broken, source: Some(source.into()) }
    }

    /// A fault with no cause beneath it, such as a row that should be impossible.
    pub fn bare(what: impl Into<String>) -> Self {
        Self { doing: what.into(), kind: FaultKind::Broken, source: None }
    }

    /// The same fault, known to be passing: see [`FaultKind::Unavailable`].
    #[must_use]
    pub fn passing(mut self) -> Self {
        self.kind = FaultKind::Unavailable;
        self
    }

    /// The same fault for somebody else whom it concerns: its text, with that of its causes, and its kind.
    #[must_use]
    pub fn retold(&self) -> Self {
        Self { doing: self.to_string(), kind: self.kind, source: None }
    }

    /// What the edge should make of it.
    #[must_use]
    pub const fn kind(&self) -> FaultKind {
        self.kind
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Some(error) => Some(error.as_ref()),
            None => None,
        }
    }
}

/// Why a transaction ends without its value. The law: a refusal commits what was decided
/// (say, a revocation), a fault rolls everything back.
#[derive(Debug)]
pub enum Stop<R> {
    /// An outcome, told to the client.
    Refusal(R),
    /// Ours.
    Fault(Fault),
}

impl<R> From<Fault> for Stop<R> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl<R> Stop<R> {
    /// The same stop with its refusal in another vocabulary.
    pub fn map<S>(self, f: impl FnOnce(R) -> S) -> Stop<S> {
        match self {
            Self::Refusal(r) => Stop::Refusal(f(r)),
            Self::Fault(fault) => Stop::Fault(fault),
        }
    }
}
