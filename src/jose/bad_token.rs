//! Why a token was not accepted. The text is for developers; what a client is told besides the
//! code of its protocol is for the caller to say.

use super::{claims::Claim, verifying::BadKey};
use std::fmt;

/// Why a token was not accepted, in the order in which the rules are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadToken {
    /// More than 8 KiB.
    TooLong,
    /// Not three parts with two dots between them.
    NotCompact,
    /// A part is no base64url, or has padding or stray bits.
    NotBase64,
    /// The header is no JSON object, holds a member twice or is nested too deeply.
    Header,
    /// The header holds `crit`, `b64` or `zip`.
    Critical,
    /// The algorithm is absent, `none`, or not of this profile.
    Algorithm,
    /// `typ` is absent, no text or that of another kind of token.
    Typ,
    /// `kid` is no text.
    KeyId,
    /// The key set has no key, or more than one, for this `kid` and algorithm.
    UnknownKey,
    /// The key in its header is none to verify with.
    Embedded(BadKey),
    /// The signature has another length than this key's signatures have.
    SignatureLength,
    /// The signature is not by this key, or not over this text.
    Signature,
    /// The claims are no JSON object, hold a member twice or are nested too deeply.
    Claims,
    /// A claim that the profile requires is absent.
    Missing(&'static Claim),
    /// A claim has another type than it must have; `null` is another type.
    WrongType(&'static Claim),
    /// A claim that tokens of this kind must not have.
    Forbidden(&'static Claim),
    /// Another issuer.
    Issuer,
    /// None of the audiences is expected here.
    Audience,
    /// The audience is not exactly the one expected here.
    SoleAudience,
    /// A claim has another value than expected.
    Unequal(&'static Claim),
    /// Expired.
    Expired,
    /// Issued or valid only in the future.
    NotYet,
    /// It would live longer than tokens of this kind may.
    TooFarAhead,
}

impl BadToken {
    /// For developers: what is wrong, in a few words, with nothing of the token in it.
    #[must_use]
    pub const fn because(&self) -> &'static str {
        match self {
            Self::TooLong => "the token is longer than 8 KiB",
            Self::NotCompact => "the token is not a signed JWT in compact form: three parts between two dots",
            Self::NotBase64 => "a part of the token is not base64url without padding",
            Self::Header => "the header of the token is not a JSON object with each member once",
            Self::Critical => "the header of the token has crit, b64 or zip, which are not understood",
            Self::Algorithm => "the algorithm of the token is absent or not accepted here",
            Self::Typ => "the header `typ` of the token is absent or names another kind of token",
            Self::KeyId => "the header `kid` of the token is not text",
            Self::UnknownKey => "no one key is known for the token's kid and algorithm",
            Self::Embedded(key) => key.because(),
            Self::SignatureLength => "the signature of the token has a wrong length",
            Self::Signature => "the signature of the token is wrong",
            Self::Claims => "the claims of the token are not a JSON object with each member once",
            Self::Missing(claim) => claim.missing,
            Self::WrongType(claim) => claim.wrong_type,
            Self::Forbidden(claim) => claim.forbidden,
            Self::Issuer => "the token is by another issuer than expected here",
            Self::Audience => "the token is for another audience",
            Self::SoleAudience => {
                "the token must have one audience: the issuer identifier for a client assertion, the client for an ID token"
            }
            Self::Unequal(claim) => claim.unequal,
            Self::Expired => "the token has expired",
            Self::NotYet => "the token is from the future: compare the clocks",
            Self::TooFarAhead => "the token expires too far ahead: at most 5 minutes are accepted",
        }
    }
}

impl fmt::Display for BadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.because())
    }
}

impl std::error::Error for BadToken {}
