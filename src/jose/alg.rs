//! The signature algorithms: those we sign with, and those we verify (RFC 7518 §3.1, RFC 8037 §3.1).

use crate::base::digest::HalfHash;
use std::fmt;

/// What we sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alg {
    /// ECDSA over P-256 with SHA-256: the default.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256: what OpenID Connect expects of everybody (Core §15.1), at
    /// fifteen times the price of ES256.
    Rs256,
    /// ECDSA over P-384 with SHA-384.
    Es384,
    /// RSASSA-PSS with SHA-256.
    Ps256,
}

impl Alg {
    /// All of them, in the order in which they are published.
    pub const ALL: [Self; 5] = [Self::Es256, Self::EdDsa, Self::Rs256, Self::Es384, Self::Ps256];

    /// Its registered name: the value of `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Es384 => "ES384",
            Self::Ps256 => "PS256",
        }
    }

    /// By its registered name, exactly; `None` for any other.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.name() == name)
    }

    /// Which hash makes `at_hash` beside this signature (OpenID Connect Core §3.1.3.6). EdDSA
    /// with Ed25519 hashes with SHA-512 inside, and so the OpenID working group settled on it.
    #[must_use]
    pub const fn half_hash(self) -> HalfHash {
        match self {
            Self::Es256 | Self::Rs256 | Self::Ps256 => HalfHash::Sha256,
            Self::Es384 => HalfHash::Sha384,
            Self::EdDsa => HalfHash::Sha512,
        }
    }

    /// The same algorithm, as one that is verified.
    #[must_use]
    pub const fn scheme(self) -> Scheme {
        match self {
            Self::Es256 => Scheme::Es256,
            Self::EdDsa => Scheme::EdDsa,
            Self::Rs256 => Scheme::Rs256,
            Self::Es384 => Scheme::Es384,
            Self::Ps256 => Scheme::Ps256,
        }
    }
}

impl fmt::Display for Alg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What we verify. There is no `none` and no HMAC here, so neither can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA over P-384 with SHA-384.
    Es384,
}

impl Scheme {
    /// All of them, in the order in which metadata lists them.
    pub const ALL: [Self; 5] = [Self::Es256, Self::EdDsa, Self::Rs256, Self::Ps256, Self::Es384];

    /// Its registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es384 => "ES384",
        }
    }

    /// By its registered name, exactly; `None` for any other.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_exactly() {
        for alg in Alg::ALL {
            assert_eq!(Alg::parse(alg.name()), Some(alg));
            assert_eq!(Scheme::parse(alg.name()), Some(alg.scheme()));
        }
        for name in ["none", "None", "HS256", "es256", "ES256 ", "RS1", ""] {
            assert_eq!(Scheme::parse(name), None, "{name:?}");
        }
    }
}
