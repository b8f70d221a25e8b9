//! How long keys live, and which are needed.

use crate::{base::moment::Span, jose::Purpose};
use std::{collections::BTreeSet, fmt};

/// Why a policy cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPolicy(&'static str);

impl fmt::Display for BadPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadPolicy {}

/// The lengths of time that a policy is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// For how long a key signs, or is published to encrypt with.
    pub rotation_period: Span,
    /// For how long it is published before it signs; one to encrypt with is held for as long before it is published.
    pub publish_before_use: Span,
    /// How long the longest token by it lives.
    pub longest_token_life: Span,
    /// For how long others may keep a copy of the published set: its HTTP max-age.
    pub jwks_max_age: Span,
    /// For how long libraries keep the set on top of that, whatever its max-age says.
    pub library_cache: Span,
}

/// How long keys live, and which are needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    algs: BTreeSet<Purpose>,
    times: Times,
}

impl Policy {
    /// A policy: for which algorithms a key is needed, and how long everything takes.
    ///
    /// # Errors
    /// [`BadPolicy`] where somebody could meet a signature by a key that their copy of the set
    /// does not have, or a key would be replaced before its successor could be known.
    pub fn new(algs: impl IntoIterator<Item = impl Into<Purpose>>, times: Times) -> Result<Self, BadPolicy> {
        let algs: BTreeSet<Purpose> = algs.into_iter().map(Into::into).collect();
        if !algs.iter().any(|alg| alg.signs()) {
            return Err(BadPolicy("at least one signature algorithm is needed"));
        }
        if times.jwks_max_age <= Span::ZERO || times.longest_token_life <= Span::ZERO {
            return Err(BadPolicy("the life of tokens and the max-age of the key set must be longer than nothing"));
        }
        if times.library_cache < Span::ZERO {
            return Err(BadPolicy("no library keeps the key set for less than nothing"));
        }
        if times.publish_before_use < times.jwks_max_age + times.library_cache {
            return Err(BadPolicy(
                "a key must be published before its use for at least the max-age of the key set and the cache of \
                 libraries together, or copies lack it",
            ));
        }
        if times.rotation_period <= times.publish_before_use {
            return Err(BadPolicy("a key must sign for longer than its successor is published before its use"));
        }
        Ok(Self { algs, times })
    }

    /// What keys are needed for.
    #[must_use]
    pub const fn algs(&self) -> &BTreeSet<Purpose> {
        &self.algs
    }
    /// For how long a key signs.
    #[must_use]
    pub const fn rotation_period(&self) -> Span {
        self.times.rotation_period
    }
    /// For how long a key is published before it signs.
    #[must_use]
    pub const fn publish_before_use(&self) -> Span {
        self.times.publish_before_use
    }
    /// How long the longest token lives.
    #[must_use]
    pub const fn longest_token_life(&self) -> Span {
        self.times.longest_token_life
    }
    /// For how long a key is published after it signed last: the longest life of a token, and on
    /// top the max-age of the set, for a node that learns late of the rotation.
    #[must_use]
    pub fn retention(&self) -> Span {
        self.times.longest_token_life + self.times.jwks_max_age
    }
    /// For how long others may keep a copy of the published set: its HTTP max-age.
    #[must_use]
    pub const fn jwks_max_age(&self) -> Span {
        self.times.jwks_max_age
    }
    /// For how long anybody may go by a copy: a library may be handed one that lay in an HTTP cache
    /// for its whole max-age, and keep it for its own time.
    #[must_use]
    pub fn cache(&self) -> Span {
        self.times.jwks_max_age + self.times.library_cache
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{Alg, KeyManagement};

    #[test]
    fn a_policy_under_which_a_signature_could_outrun_its_key_is_refused() {
        let hours = |period, publish, life, age, library| {
            let times = Times {
                rotation_period: Span::hours(period),
                publish_before_use: Span::hours(publish),
                longest_token_life: Span::hours(life),
                jwks_max_age: Span::hours(age),
                library_cache: Span::hours(library),
            };
            Policy::new([Alg::Es256], times).map(|policy| (policy.retention(), policy.cache()))
        };
        assert_eq!(hours(720, 24, 2, 1, 0), Ok((Span::hours(3), Span::hours(1))));
        assert_eq!(hours(720, 3, 2, 1, 2), Ok((Span::hours(3), Span::hours(3))));
        for (period, publish, life, age, library) in [
            (720, 1, 1, 2, 0),
            (720, 2, 1, 1, 2),
            (24, 24, 1, 1, 0),
            (720, 24, 0, 1, 0),
            (720, 24, 1, 0, 0),
            (720, 24, 1, 1, -1),
            (-1, -2, 1, 1, 0),
        ] {
            assert!(hours(period, publish, life, age, library).is_err(), "{period} {publish} {life} {age} {library}");
        }
        let day = Span::days(1);
        let times = Times {
            rotation_period: Span::days(90),
            publish_before_use: day,
            longest_token_life: day,
            jwks_max_age: Span::hours(1),
            library_cache: Span::ZERO,
        };
        assert!(Policy::new(Vec::<Alg>::new(), times).is_err());
        assert!(Policy::new([KeyManagement::EcdhEs], times).is_err(), "none of them signs");
    }
}
