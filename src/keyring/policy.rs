//! How long keys live, and which are needed.

use crate::{base::moment::Span, jose::Alg};
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

/// How long keys live, and which are needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    algs: BTreeSet<Alg>,
    rotation_period: Span,
    publish_before_use: Span,
    retention: Span,
    jwks_max_age: Span,
}

impl Policy {
    /// A policy: for which algorithms a key is needed; for how long a key signs; for how long it
    /// is published before it signs; how long the longest token by it lives; and for how long
    /// others may keep a copy of the published set.
    ///
    /// # Errors
    /// [`BadPolicy`] where somebody could meet a signature by a key that their copy of the set
    /// does not have, or a key would be replaced before its successor could be known.
    pub fn new(
        algs: impl IntoIterator<Item = Alg>,
        rotation_period: Span,
        publish_before_use: Span,
        longest_token_life: Span,
        jwks_max_age: Span,
    ) -> Result<Self, BadPolicy> {
        let algs: BTreeSet<Alg> = algs.into_iter().collect();
        if algs.is_empty() {
            return Err(BadPolicy("at least one signature algorithm is needed"));
        }
        if jwks_max_age <= Span::ZERO || longest_token_life <= Span::ZERO {
            return Err(BadPolicy("the life of tokens and the max-age of the key set must be longer than nothing"));
        }
        if publish_before_use < jwks_max_age {
            return Err(BadPolicy(
                "a key must be published before its use for at least the max-age of the key set, or copies lack it",
            ));
        }
        if rotation_period <= publish_before_use {
            return Err(BadPolicy("a key must sign for longer than its successor is published before its use"));
        }
        let retention = longest_token_life + jwks_max_age;
        Ok(Self { algs, rotation_period, publish_before_use, retention, jwks_max_age })
    }

    /// The algorithms for which a key is needed.
    #[must_use]
    pub const fn algs(&self) -> &BTreeSet<Alg> {
        &self.algs
    }
    /// For how long a key signs.
    #[must_use]
    pub const fn rotation_period(&self) -> Span {
        self.rotation_period
    }
    /// For how long a key is published before it signs.
    #[must_use]
    pub const fn publish_before_use(&self) -> Span {
        self.publish_before_use
    }
    /// For how long a key is published after it signed last: the longest life of a token, and on
    /// top the max-age of the set, for a node that learns late of the rotation.
    #[must_use]
    pub const fn retention(&self) -> Span {
        self.retention
    }
    /// For how long others may keep a copy of the published set.
    #[must_use]
    pub const fn jwks_max_age(&self) -> Span {
        self.jwks_max_age
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_under_which_a_signature_could_outrun_its_key_is_refused() {
        let hours = |period, publish, life, age| {
            let span = Span::hours;
            Policy::new([Alg::Es256], span(period), span(publish), span(life), span(age))
                .map(|policy| policy.retention())
        };
        assert_eq!(hours(720, 24, 2, 1), Ok(Span::hours(3)));
        assert_eq!(hours(720, 1, 2, 1), Ok(Span::hours(3)));
        for (period, publish, life, age) in
            [(720, 1, 1, 2), (24, 24, 1, 1), (720, 24, 0, 1), (720, 24, 1, 0), (-1, -2, 1, 1)]
        {
            assert!(hours(period, publish, life, age).is_err(), "{period} {publish} {life} {age}");
        }
        let day = Span::days(1);
        assert!(Policy::new([], Span::days(90), day, day, day).is_err());
    }
}
