//! Why a step is taken, in words for people. A key that signs and one that others encrypt for live
//! alike, and are spoken of differently.

use crate::jose::Purpose;

/// The reasons of the steps of one use.
pub(super) struct Why {
    /// A successor takes over when its time has come.
    pub(super) waited: &'static str,
    /// A successor takes over early, because nothing else is there.
    pub(super) alone: &'static str,
    /// The key before it gives way.
    pub(super) succeeded: &'static str,
    /// It gives way to another that is there by mistake.
    pub(super) younger: &'static str,
    /// A successor is made.
    pub(super) due: &'static str,
    /// A successor that is there by mistake goes.
    pub(super) spare: &'static str,
    /// It goes for good.
    pub(super) over: &'static str,
}

/// The reasons for a key of this purpose.
pub(super) const fn why(purpose: Purpose) -> &'static Why {
    match purpose {
        Purpose::Signs(_) => &Why {
            waited: "it has been published for long enough that everybody can know it",
            alone: "no key of its algorithm signs, so waiting longer would stop all signing",
            succeeded: "its successor signs",
            younger: "a younger key of its algorithm signs",
            due: "the key that signs comes to the end of its period",
            spare: "a younger successor is published",
            over: "every token it signed has expired",
        },
        Purpose::Decrypts(_) => &Why {
            waited: "every node has held it for long enough to decrypt by it",
            alone: "no key of its algorithm is published, so nobody could encrypt",
            succeeded: "its successor is published",
            younger: "a younger key of its algorithm is published",
            due: "the key that is published comes to the end of its period",
            spare: "a younger successor is there",
            over: "nobody can have a copy of the set any more that holds it",
        },
    }
}
