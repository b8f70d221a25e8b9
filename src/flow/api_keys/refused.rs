//! Why something that somebody wants to do with keys is not done.

use crate::{
    apikey::{
        access::{Act, Caller, NotAllowed},
        family::Owner,
        policy::Invalid,
        wanted::Unfit,
    },
    base::{fault::Stop, id::ApiKeyId, moment::Moment},
    store::mac_keys::Known,
};
use std::fmt;

/// Why something is not done. Shown, it is a sentence for whoever asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is not theirs to do.
    NotAllowed(NotAllowed),
    /// There is no such thing, or it is somebody else's; its kind.
    NotFound(&'static str),
    /// A member of what was asked for cannot be.
    Unfit(Unfit),
    /// A policy cannot be read.
    Policy(Invalid),
    /// A name, an audience or a key is in use; which member.
    Taken(&'static str),
    /// It is not in a state in which this can be done.
    State(&'static str),
    /// It was used a short while ago, at this moment: somebody would be cut off.
    InUse(Moment),
    /// Somebody else changed it meanwhile.
    Changed,
    /// The request was answered before, with a secret that is shown once.
    AlreadyRevealed(ApiKeyId),
    /// An owner has so many keys for the API already, which is the most.
    TooMany(usize),
    /// An owner has made so many keys for the API within thirty days, which is the most, whatever has become of them.
    TooManyOfLate(usize),
    /// A link that was used, or whose time is over.
    Gone,
    /// API keys are known by a key of HMAC alone: so many.
    Known(Known),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed(NotAllowed::Lacks(scope)) => write!(f, "the access token lacks the scope {scope}"),
            Self::NotAllowed(NotAllowed::StepUp) => {
                f.write_str("sign in again first: the last sign-in is too long ago")
            }
            Self::NotAllowed(NotAllowed::NotHere) => f.write_str("this cannot be done at a person's own pages"),
            Self::NotAllowed(NotAllowed::NotTheirs) => f.write_str("there is no such thing"),
            Self::NotFound(what) => write!(f, "there is no such {what}"),
            Self::Unfit(unfit) => unfit.fmt(f),
            Self::Policy(invalid) => invalid.fmt(f),
            Self::Taken(member) => write!(f, "{member} is in use already"),
            Self::State(why) => f.write_str(why),
            Self::InUse(at) => write!(f, "the old key was used at {at}: insist, or wait for an hour without use"),
            Self::Changed => f.write_str("it was changed by somebody else meanwhile: look at it again"),
            Self::AlreadyRevealed(id) => {
                write!(f, "this request was answered before, and made {id}, whose text is shown once")
            }
            Self::TooMany(most) => {
                write!(f, "the owner has as many keys for this API as anybody may have ({most}): revoke one first")
            }
            Self::TooManyOfLate(most) => write!(
                f,
                "the owner has made as many keys for this API within 30 days as anybody may ({most}), those that have \
                 ended too: come again later, and rotate a key instead of making another"
            ),
            Self::Gone => f.write_str("this link was used, or its time is over"),
            Self::Known(Known { by_it, by_any: 0 }) => {
                write!(f, "by this key of HMAC alone {by_it} API keys are known: give them successors, or end them")
            }
            Self::Known(Known { by_it, by_any }) => write!(
                f,
                "by this key of HMAC alone {by_it} API keys are known, and {by_any} perhaps, which were brought before that \
                 was written down: bring those again, and give the others successors, or end them"
            ),
        }
    }
}

impl std::error::Error for Refused {}

impl From<Unfit> for Refused {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
}
impl From<Invalid> for Refused {
    fn from(invalid: Invalid) -> Self {
        Self::Policy(invalid)
    }
}
impl From<NotAllowed> for Refused {
    fn from(not: NotAllowed) -> Self {
        Self::NotAllowed(not)
    }
}

/// Ends with a refusal.
pub(super) fn refuse<T>(refused: impl Into<Refused>) -> Result<T, Stop<Refused>> {
    Err(Stop::Refusal(refused.into()))
}

/// Whether a caller may do this with what belongs to this owner; what is out of reach does not exist.
pub(super) fn allowed(caller: &Caller, act: Act, owner: &Owner, what: &'static str) -> Result<(), Stop<Refused>> {
    match caller.may_with(act, owner) {
        Ok(()) => Ok(()),
        Err(NotAllowed::NotTheirs) => refuse(Refused::NotFound(what)),
        Err(not) => refuse(not),
    }
}
