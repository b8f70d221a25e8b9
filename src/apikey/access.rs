//! Who may do what with whose keys: one table, asked by every way in.
//!
//! What is somebody else's is answered like what does not exist, so that nobody learns of it
//! (OWASP API1:2023). An API key itself may do none of this.

use super::family::Owner;
use crate::base::scope::Scope;

/// The scope that lets its holder act on what is not their own.
pub const ANY: &str = "keys:any";

macro_rules! acts {
    ($($(#[doc = $doc:literal])* $act:ident $scope:literal $step_up:ident;)*) => {
        /// Something that can be done with keys and with what they belong to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Act { $($(#[doc = $doc])* $act,)* }

        impl Act {
            /// Every act.
            pub const ALL: &'static [Self] = &[$(Self::$act),*];
            /// The scope that an access token needs for it.
            #[must_use]
            pub const fn scope(self) -> &'static str {
                match self { $(Self::$act => $scope,)* }
            }
            /// What it is, in a sentence.
            #[must_use]
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$act => concat!($($doc),*),)* }
            }
            const fn step_up(self) -> StepUp {
                match self { $(Self::$act => StepUp::$step_up,)* }
            }
        }
    };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StepUp {
    /// A person must have signed in just before (ASVS 5.0, 7.5.3).
    Fresh,
    /// Being signed in is enough.
    Any,
    /// No person may do it at their own pages.
    Never,
}

acts! {
    /// See keys, without their text.
    Read "keys:read" Any;
    /// Make keys.
    Create "keys:create" Fresh;
    /// Give a key a successor, and end their overlap.
    Rotate "keys:rotate" Fresh;
    /// End a key, or switch it off.
    Revoke "keys:revoke" Any;
    /// Switch a key on again.
    Enable "keys:revoke" Fresh;
    /// Change a key: its name, plan, policy, data and end.
    Change "keys:change" Fresh;
    /// Bring keys that were made elsewhere.
    Import "keys:import" Never;
    /// Let a key live until it is revoked: make one that never ends, or take the end of one away.
    Endless "keys:no-expiry" Never;
    /// Raise or lower what is left of a quota.
    GrantQuota "quotas:grant" Never;
    /// See APIs and plans.
    ReadApis "apis:read" Any;
    /// Add and change APIs and plans.
    ManageApis "apis:manage" Never;
}

/// What counts of the scope of an access token that acts for a person: nothing that no person may do
/// at their own pages, and nothing with what is somebody else's. People have no ranks here: whoever
/// can sign in at a client for administration would otherwise be everybody's administrator.
#[must_use]
pub fn of_person(scope: &Scope) -> Scope {
    let never = Act::ALL.iter().filter(|act| act.step_up() == StepUp::Never).map(|act| act.scope());
    let never: Vec<&str> = never.chain([ANY]).collect();
    Scope::parse(&never.join(" ")).map_or_else(|_| Scope::none(), |never| scope.minus(&never))
}

/// Who wants to do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Somebody at the command line of a node.
    Operator,
    /// A person at their own pages.
    Person {
        /// Who.
        owner: Owner,
        /// Whether they signed in within the last five minutes.
        fresh: bool,
    },
    /// The holder of an access token.
    Token {
        /// For whom it acts: a person, or a client that acts for itself.
        owner: Owner,
        /// What it allows.
        scope: Scope,
        /// Whether the person signed in within the last five minutes; of a client that acts for itself, always.
        fresh: bool,
    },
}

/// Why something may not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAllowed {
    /// The access token lacks this scope.
    Lacks(&'static str),
    /// It is somebody else's: to be answered like what does not exist.
    NotTheirs,
    /// The person has to sign in again first.
    StepUp,
    /// Not by a person at their own pages.
    NotHere,
}

impl Caller {
    /// Whether this caller may do this at all.
    ///
    /// # Errors
    /// [`NotAllowed`], never [`NotAllowed::NotTheirs`].
    pub fn may(&self, act: Act) -> Result<(), NotAllowed> {
        match self {
            Self::Operator => Ok(()),
            Self::Token { scope, .. } if !scope.has(act.scope()) => Err(NotAllowed::Lacks(act.scope())),
            Self::Token { fresh: false, .. } if act.step_up() == StepUp::Fresh => Err(NotAllowed::StepUp),
            Self::Token { .. } => Ok(()),
            Self::Person { fresh, .. } => match act.step_up() {
                StepUp::Any => Ok(()),
                StepUp::Fresh if *fresh => Ok(()),
                StepUp::Fresh => Err(NotAllowed::StepUp),
                StepUp::Never => Err(NotAllowed::NotHere),
            },
        }
    }

    /// Whether this caller may do this with what belongs to this owner.
    ///
    /// # Errors
    /// [`NotAllowed`].
    pub fn may_with(&self, act: Act, owned_by: &Owner) -> Result<(), NotAllowed> {
        self.may(act)?;
        if self.reaches(owned_by) { Ok(()) } else { Err(NotAllowed::NotTheirs) }
    }

    /// Whether what belongs to this owner is within this caller's reach.
    #[must_use]
    pub fn reaches(&self, owned_by: &Owner) -> bool {
        match self {
            Self::Operator => true,
            Self::Person { owner, .. } => owner == owned_by,
            Self::Token { owner, scope, .. } => owner == owned_by || scope.has(ANY),
        }
    }

    /// Whom the caller is or acts for; `None` for an operator.
    #[must_use]
    pub const fn own(&self) -> Option<&Owner> {
        match self {
            Self::Operator => None,
            Self::Person { owner, .. } | Self::Token { owner, .. } => Some(owner),
        }
    }

    /// The only owner within reach; `None` where everybody's things are.
    #[must_use]
    pub fn only(&self) -> Option<&Owner> {
        match self {
            Self::Operator => None,
            Self::Person { owner, .. } => Some(owner),
            Self::Token { scope, .. } if scope.has(ANY) => None,
            Self::Token { owner, .. } => Some(owner),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{ClientId, UserId};

    fn ann() -> Owner {
        Owner::User(UserId::from_u128(1))
    }
    fn bob() -> Owner {
        Owner::User(UserId::from_u128(2))
    }
    fn token(scope: &str) -> Caller {
        Caller::Token { owner: ann(), scope: Scope::parse(scope).unwrap(), fresh: true }
    }

    #[test]
    fn the_matrix_of_who_may_touch_what() {
        for &act in Act::ALL {
            let scope = act.scope();
            assert_eq!(token(scope).may_with(act, &ann()), Ok(()));
            assert_eq!(token(scope).may_with(act, &bob()), Err(NotAllowed::NotTheirs));
            assert_eq!(token(&format!("{scope} {ANY}")).may_with(act, &bob()), Ok(()));
            assert_eq!(token(ANY).may_with(act, &ann()), Err(NotAllowed::Lacks(scope)), "{act:?}");
            assert_eq!(Caller::Operator.may_with(act, &bob()), Ok(()));
            for others in Act::ALL.iter().filter(|other| other.scope() != scope) {
                assert_eq!(token(others.scope()).may(act), Err(NotAllowed::Lacks(scope)));
            }
        }
    }

    #[test]
    fn a_person_makes_rotates_and_switches_on_keys_only_after_signing_in_anew_and_never_those_of_others() {
        let at_home = |fresh| Caller::Person { owner: ann(), fresh };
        for act in [Act::Create, Act::Rotate, Act::Enable] {
            assert_eq!(at_home(true).may_with(act, &ann()), Ok(()));
            assert_eq!(at_home(false).may_with(act, &ann()), Err(NotAllowed::StepUp));
            assert_eq!(at_home(true).may_with(act, &bob()), Err(NotAllowed::NotTheirs));
        }
        assert_eq!(at_home(false).may_with(Act::Revoke, &ann()), Ok(()), "ending a key must be easy");
        assert_eq!(at_home(true).may(Act::ManageApis), Err(NotAllowed::NotHere));
    }

    #[test]
    fn a_token_for_a_person_reaches_nobody_elses_and_does_what_they_may_do_themselves() {
        let all: Vec<&str> = Act::ALL.iter().map(|act| act.scope()).chain([ANY]).collect();
        let left = of_person(&Scope::parse(&all.join(" ")).unwrap());
        assert_eq!(left, Scope::parse("keys:read keys:create keys:rotate keys:revoke keys:change apis:read").unwrap());
        let stale = Caller::Token { owner: ann(), scope: left, fresh: false };
        assert_eq!(stale.may(Act::Create), Err(NotAllowed::StepUp));
        assert_eq!(stale.may(Act::Revoke), Ok(()), "ending a key must be easy");
    }

    #[test]
    fn a_person_and_a_client_of_one_name_are_two() {
        let client = Owner::Client(ClientId::parse(ann().id()).unwrap());
        assert_eq!(token("keys:read").may_with(Act::Read, &client), Err(NotAllowed::NotTheirs));
    }
}
