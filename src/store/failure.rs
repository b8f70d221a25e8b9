//! What a failed statement means for the work it was part of.

use crate::base::fault::Fault;
use diesel::result::{DatabaseErrorKind, Error};
use std::fmt::Display;

/// Kinds of failure, from the one that says least to the one that says most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    /// A bug or a broken row: trying again would fail again.
    Plain,
    /// The database cannot do it now: disk full, read-only, too slow, locked.
    Unable,
    /// Two transactions were in each other's way: the same work may be tried again.
    Conflict,
    /// The connection is gone.
    Broken,
}

impl Trouble {
    /// Reads diesel's error. Postgres' codes reach us for the common kinds only; the rest is told
    /// by the English text of the primary message. Where a server speaks another language, a
    /// deadlock is a fault instead of a retry, and nothing worse.
    pub(super) fn of(error: &Error) -> Self {
        use DatabaseErrorKind::{ClosedConnection, ReadOnlyTransaction, SerializationFailure, UnableToSendCommand};
        if matches!(error, Error::BrokenTransactionManager) {
            return Self::Broken;
        }
        let Error::DatabaseError(kind, about) = error else { return Self::Plain };
        if matches!(kind, ClosedConnection | UnableToSendCommand) {
            Self::Broken
        } else if matches!(kind, SerializationFailure) {
            Self::Conflict
        } else if matches!(kind, ReadOnlyTransaction) {
            Self::Unable
        } else {
            Self::by_message(about.message())
        }
    }

    fn by_message(message: &str) -> Self {
        const CONFLICT: &[&str] = &["deadlock detected", "could not serialize access"];
        const BROKEN: &[&str] = &["terminating connection", "the database system is", "server closed the connection"];
        const UNABLE: &[&str] = &[
            "canceling statement due to",
            "No space left on device",
            "could not extend file",
            "read-only transaction",
            "database or disk is full",
            "attempt to write a readonly database",
            "disk I/O error",
            "database is locked",
            "database table is locked",
            "unable to open database file",
        ];
        let has = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
        if has(BROKEN) {
            Self::Broken
        } else if has(CONFLICT) {
            Self::Conflict
        } else if has(UNABLE) {
            Self::Unable
        } else {
            Self::Plain
        }
    }

    /// Whether the same request may succeed a little later, so that the client is told 503.
    pub(super) const fn passes(self) -> bool {
        match self {
            Self::Unable | Self::Conflict | Self::Broken => true,
            Self::Plain => false,
        }
    }
}

/// The fault for a statement of the machinery itself, outside any piece of work.
pub(super) fn fault(doing: &str, error: Error) -> Fault {
    let passes = Trouble::of(&error).passes();
    let fault = Fault::new(doing, error);
    if passes { fault.passing() } else { fault }
}

/// The fault for a row that none of our code could have written.
pub(super) fn illegal(table: &str, key: impl Display, what: &str) -> Fault {
    Fault::bare(format!("an illegal row of {table}, key {key}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database_error(kind: DatabaseErrorKind, message: &str) -> Error {
        Error::DatabaseError(kind, Box::new(message.to_owned()))
    }

    #[test]
    fn conflicts_are_tried_again_and_outages_pass() {
        let cases = [
            (DatabaseErrorKind::SerializationFailure, "", Trouble::Conflict),
            (DatabaseErrorKind::Unknown, "deadlock detected", Trouble::Conflict),
            (DatabaseErrorKind::Unknown, "database or disk is full", Trouble::Unable),
            (DatabaseErrorKind::Unknown, "terminating connection due to administrator command", Trouble::Broken),
            (DatabaseErrorKind::UniqueViolation, "UNIQUE constraint failed: users.id", Trouble::Plain),
            (DatabaseErrorKind::ClosedConnection, "", Trouble::Broken),
        ];
        for (kind, message, expected) in cases {
            assert_eq!(Trouble::of(&database_error(kind, message)), expected, "{message}");
        }
        assert!(!Trouble::Plain.passes());
    }
}
