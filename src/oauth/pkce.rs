//! Proof Key for Code Exchange (RFC 7636), method S256 only: whoever redeems a code must know
//! the secret whose hash the authorization request carried.

use super::{
    code::ErrorCode::{InvalidGrant, InvalidRequest},
    params::Params,
    refusal::{Refusal, refuse},
};
use crate::base::{
    digest::{base64url, from_base64url, sha256},
    secret::same,
};

/// The methods that we have, as advertised. `plain` protects nobody whose request is read.
pub const METHODS: &[&str] = &["S256"];

/// A `code_challenge` of method S256: 32 bytes in base64url (RFC 7636 §4.2).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct CodeChallenge(String);

impl CodeChallenge {
    /// Takes text as a challenge; `None` unless it is exactly 32 bytes in base64url.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == 43 && from_base64url(text).is_some_and(|bytes| bytes.len() == 32);
        fits.then(|| Self(text.to_owned()))
    }

    /// Reads the challenge of an authorization request. It is demanded of every client: a request
    /// without one is how the protection was stripped elsewhere (RFC 9700 §2.1.1, §4.8.2).
    ///
    /// # Errors
    /// `invalid_request` where it is missing or malformed, or the method is not S256.
    pub fn of(params: &Params) -> Result<Self, Refusal> {
        let Some(text) = params.once("code_challenge")? else {
            return refuse(
                InvalidRequest,
                "code_challenge is missing: every client must use PKCE, with code_challenge_method=S256",
            );
        };
        match params.once("code_challenge_method")? {
            Some("S256") => {}
            Some("plain") => {
                return refuse(InvalidRequest, "code_challenge_method plain is not accepted: send S256");
            }
            // RFC 7636 §4.3: what is not said means plain.
            None => {
                return refuse(InvalidRequest, "code_challenge_method is missing, which means plain: send S256");
            }
            Some(_) => return refuse(InvalidRequest, "code_challenge_method must be S256"),
        }
        let wrong = "code_challenge must be the SHA-256 of the verifier in base64url without padding: 43 characters";
        Self::parse(text).ok_or_else(|| Refusal::new(InvalidRequest, wrong))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether the verifier is the one behind the challenge (RFC 7636 §4.6). Both must be there:
/// a code without a challenge, or a redemption without a verifier, fails.
///
/// # Errors
/// `invalid_grant`.
pub fn verify(challenge: &str, verifier: Option<&str>) -> Result<(), Refusal> {
    let Some(verifier) = verifier else {
        return refuse(InvalidGrant, "code_verifier is missing");
    };
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
        return refuse(InvalidGrant, "code_verifier must have 43 to 128 of the characters A-Z a-z 0-9 - . _ ~");
    }
    if CodeChallenge::parse(challenge).is_none() {
        return refuse(InvalidGrant, "code_verifier was sent for a code that has no challenge");
    }
    let computed = base64url(&sha256(verifier.as_bytes()));
    if same(computed.as_bytes(), challenge.as_bytes()) {
        return Ok(());
    }
    refuse(InvalidGrant, "code_verifier does not match the code_challenge")
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn sent(pairs: &[(&str, &str)]) -> Result<CodeChallenge, Refusal> {
        CodeChallenge::of(&Params::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn the_example_of_rfc_7636_verifies() {
        assert!(verify(CHALLENGE, Some(VERIFIER)).is_ok());
    }

    #[test]
    fn a01_b03_a_missing_verifier_is_invalid_grant() {
        assert_eq!(verify(CHALLENGE, None).unwrap_err().code, InvalidGrant);
    }

    #[test]
    fn a02_b04_a_verifier_without_a_challenge_is_invalid_grant() {
        assert_eq!(verify("", Some(VERIFIER)).unwrap_err().code, InvalidGrant);
    }

    #[test]
    fn any_other_verifier_is_invalid_grant() {
        let altered = VERIFIER.replace('d', "e");
        let (short, long) = ("a".repeat(42), "a".repeat(129));
        for verifier in [altered.as_str(), &short, &long, "", "é", &VERIFIER.replace('-', "+"), CHALLENGE] {
            assert_eq!(verify(CHALLENGE, Some(verifier)).unwrap_err().code, InvalidGrant, "{verifier}");
        }
    }

    #[test]
    fn a02_a_request_must_carry_an_s256_challenge() {
        assert_eq!(
            sent(&[("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]).unwrap().as_str(),
            CHALLENGE
        );
        for pairs in [
            &[][..],
            &[("code_challenge_method", "S256")],
            &[("code_challenge", CHALLENGE)],
            &[("code_challenge", CHALLENGE), ("code_challenge_method", "plain")],
            &[("code_challenge", CHALLENGE), ("code_challenge_method", "s256")],
            &[("code_challenge", CHALLENGE), ("code_challenge_method", "none")],
            &[("code_challenge", VERIFIER.split_at(42).0), ("code_challenge_method", "S256")],
            &[("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"), ("code_challenge_method", "S256")],
            &[("code_challenge", CHALLENGE), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")],
        ] {
            assert_eq!(sent(pairs).unwrap_err().code, InvalidRequest, "{pairs:?}");
        }
    }
}
