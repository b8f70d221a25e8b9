//! What a key of ours is for: an algorithm, and with it a use (RFC 7517 §4.2). A key signs, or others
//! encrypt for us with its public half; none does both.

use super::{alg::Alg, encrypting::KeyManagement};
use std::fmt;

/// What a key of ours is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// It signs with this algorithm.
    Signs(Alg),
    /// It decrypts what reaches it in this way.
    Decrypts(KeyManagement),
}

impl Purpose {
    /// All of them, in the order in which they are published.
    pub const ALL: [Self; 7] = [
        Self::Signs(Alg::Es256),
        Self::Signs(Alg::EdDsa),
        Self::Signs(Alg::Rs256),
        Self::Signs(Alg::Es384),
        Self::Signs(Alg::Ps256),
        Self::Decrypts(KeyManagement::RsaOaep256),
        Self::Decrypts(KeyManagement::EcdhEs),
    ];

    /// The registered name of its algorithm: the value of `alg`. No two purposes share one.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signs(alg) => alg.name(),
            Self::Decrypts(way) => way.name(),
        }
    }

    /// By the registered name of its algorithm, exactly; `None` for any other.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }

    /// The value of `use` in its public half.
    #[must_use]
    pub const fn public_use(self) -> &'static str {
        match self {
            Self::Signs(_) => "sig",
            Self::Decrypts(_) => "enc",
        }
    }

    /// Whether it signs.
    #[must_use]
    pub const fn signs(self) -> bool {
        match self {
            Self::Signs(_) => true,
            Self::Decrypts(_) => false,
        }
    }
}

impl From<Alg> for Purpose {
    fn from(alg: Alg) -> Self {
        Self::Signs(alg)
    }
}

impl From<KeyManagement> for Purpose {
    fn from(way: KeyManagement) -> Self {
        Self::Decrypts(way)
    }
}

impl PartialEq<Alg> for Purpose {
    fn eq(&self, alg: &Alg) -> bool {
        *self == Self::Signs(*alg)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_has_its_purpose_and_each_its_own_name() {
        let every = Alg::ALL.into_iter().map(Purpose::from).chain(KeyManagement::ALL.into_iter().map(Purpose::from));
        let every: Vec<Purpose> = every.collect();
        assert_eq!(every, Purpose::ALL);
        for purpose in every {
            assert_eq!(Purpose::parse(purpose.name()), Some(purpose), "no two have the same name");
        }
        assert!(Purpose::ALL.is_sorted_by(|a, b| a.signs() || !b.signs()), "those that sign come first");
        for name in ["RSA-OAEP", "RSA1_5", "dir", "ECDH-ES+A256KW", "A256GCMKW", "PBES2-HS256+A128KW", "none", ""] {
            assert_eq!(Purpose::parse(name), None, "{name:?}");
        }
    }
}
