//! A signing key whose private half somebody else holds: where that is, what is to be signed there, and its public half
//! in the forms in which it is handed over.

use super::{Alg, signing::Typ};
use crate::base::{digest::base64url, fault::Fault};
use openssl::{
    bn::{BigNum, BigNumContext},
    ec::EcGroup,
    nid::Nid,
    pkey::{Id, PKey},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;

/// Where the private half of a key is that we do not hold. Nothing of it is secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "in", rename_all = "snake_case")]
pub enum Outside {
    /// In a token that a PKCS#11 module opens.
    Pkcs11 {
        /// The label of the token.
        token: String,
        /// `CKA_ID` of the object, in hexadecimal digits.
        id: String,
    },
    /// In the engine Transit of Vault or OpenBao.
    Transit {
        /// Where the engine is mounted.
        mount: String,
        /// The name of the key there.
        name: String,
        /// Which version of it.
        version: u32,
    },
}

impl Outside {
    /// Where, in one word: `pkcs11` or `transit`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Pkcs11 { .. } => "pkcs11",
            Self::Transit { .. } => "transit",
        }
    }

    /// The name of the key there, which is of ASCII characters where we made it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Pkcs11 { id, .. } => id,
            Self::Transit { name, .. } => name,
        }
    }
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pkcs11 { token, id } => write!(f, "object {id} of the PKCS#11 token {token:?}"),
            Self::Transit { mount, name, version } => write!(f, "version {version} of {mount}/{name} in Transit"),
        }
    }
}

/// A token that lacks its signature only. It is no token: nothing but [`super::SigningKey::complete`] makes it one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub(super) text: String,
}

impl Draft {
    /// What is signed (RFC 7515 §5.1).
    #[must_use]
    pub const fn input(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// What became of claims that were to be signed.
#[derive(Clone, Debug)]
pub enum Drafted {
    /// A token: the key is here.
    Signed(String),
    /// What is to be signed where the key is.
    Unsigned(Draft),
}

/// The public half of an elliptic key, from the point as it is written uncompressed (SEC 1 §2.3.3), as a JWK without a name.
///
/// # Errors
/// A [`Fault`] where it is no such point.
pub fn elliptic(alg: Alg, point: &[u8]) -> Result<Value, Fault> {
    let no = || Fault::bare(format!("a public key for {alg} is no point of its curve"));
    match alg {
        Alg::Es256 | Alg::Es384 => {
            let (crv, size) = if alg == Alg::Es256 { ("P-256", 32) } else { ("P-384", 48) };
            let Some((4, coordinates)) = point.split_first() else { return Err(no()) };
            let (x, y) = coordinates.split_at_checked(size).filter(|(_, y)| y.len() == size).ok_or_else(no)?;
            Ok(json!({ "kty": "EC", "crv": crv, "x": base64url(x), "y": base64url(y) }))
        }
        Alg::EdDsa if point.len() == 32 => Ok(json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(point) })),
        Alg::EdDsa | Alg::Rs256 | Alg::Ps256 => Err(no()),
    }
}

/// The public half of an RSA key, from its numbers.
#[must_use]
pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Value {
    let number = |bytes: &[u8]| base64url(&bytes.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>());
    json!({ "kty": "RSA", "n": number(modulus), "e": number(exponent) })
}

/// The public half of a key for this algorithm, from PEM.
///
/// # Errors
/// A [`Fault`] where it is no such key.
pub fn from_pem(alg: Alg, pem: &str) -> Result<Value, Fault> {
    let wrong = |e| Fault::new(format!("reading a public key for {alg}"), e);
    let key = PKey::public_key_from_pem(pem.as_bytes()).map_err(wrong)?;
    match alg {
        Alg::Es256 | Alg::Es384 => {
            let curve = if alg == Alg::Es256 { Nid::X9_62_PRIME256V1 } else { Nid::SECP384R1 };
            let key = key.ec_key().map_err(wrong)?;
            if key.group().curve_name() != Some(curve) {
                return Err(Fault::bare(format!("a public key for {alg} is of another curve")));
            }
            let size = if alg == Alg::Es256 { 32 } else { 48 };
            let coordinates = || {
                let (mut x, mut y) = (BigNum::new()?, BigNum::new()?);
                let (group, mut numbers) = (EcGroup::from_curve_name(curve)?, BigNumContext::new()?);
                key.public_key().affine_coordinates(&group, &mut x, &mut y, &mut numbers)?;
                Ok([vec![4], x.to_vec_padded(size)?, y.to_vec_padded(size)?].concat())
            };
            elliptic(alg, &coordinates().map_err(wrong)?)
        }
        Alg::EdDsa if key.id() == Id::ED25519 => elliptic(alg, &key.raw_public_key().map_err(wrong)?),
        Alg::EdDsa => Err(Fault::bare("a public key for EdDSA is not of Ed25519")),
        Alg::Rs256 | Alg::Ps256 => {
            let key = key.rsa().map_err(wrong)?;
            Ok(rsa(&key.n().to_vec(), &key.e().to_vec()))
        }
    }
}

/// The header of each kind of token, encoded, with the dot after it.
pub(super) fn header(typ: Typ, alg: Alg, kid: &str) -> String {
    let header = json!({ "alg": alg.name(), "typ": typ.name(), "kid": kid });
    format!("{}.", base64url(header.to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::id::KeyId,
        jose::{SigningKey, public_pem, thumbprint},
    };

    /// A key that is here, and the same as one that is elsewhere.
    fn pair(alg: Alg) -> (SigningKey, SigningKey) {
        let private = SigningKey::generate(alg).unwrap();
        let kid = SigningKey::name_of(alg, &private).unwrap();
        let here = SigningKey::from_private(kid.clone(), alg, &private).unwrap();
        let at = Outside::Pkcs11 { token: "t".to_owned(), id: "00".to_owned() };
        let there = SigningKey::elsewhere(kid, alg, here.public_jwk(), at).unwrap();
        (here, there)
    }

    fn unsigned(key: &SigningKey) -> Draft {
        match key.token(Typ::AccessToken, &json!({ "sub": "a" })).unwrap() {
            Drafted::Unsigned(draft) => draft,
            Drafted::Signed(token) => panic!("{token} is signed"),
        }
    }

    #[test]
    fn a_key_elsewhere_has_the_public_half_and_the_name_of_the_same_key_here() {
        for alg in Alg::ALL {
            let (here, there) = pair(alg);
            assert_eq!(here.public_jwk().to_string(), there.public_jwk().to_string(), "the set looks the same");
            let read = from_pem(alg, &public_pem(here.public_jwk()).unwrap()).unwrap();
            assert_eq!(thumbprint(&read).as_deref(), Some(here.kid().as_str()), "{alg}");
        }
    }

    #[test]
    fn a_draft_becomes_a_token_by_a_good_signature_only() {
        for alg in Alg::ALL {
            let (here, there) = pair(alg);
            let draft = unsigned(&there);
            let good = here.signature(draft.input()).unwrap();
            let mut bad = good.clone();
            *bad.last_mut().unwrap() ^= 1;
            let others = pair(alg).0.signature(draft.input()).unwrap();
            for wrong in [bad.as_slice(), &others, &good[1..], &[], &here.signature(b"another text").unwrap()] {
                assert!(there.complete(draft.clone(), wrong).is_err(), "{alg}");
            }
            let token = there.complete(draft.clone(), &good).unwrap();
            assert!(token.as_bytes().starts_with(draft.input()) && token.split('.').count() == 3);
        }
    }

    #[test]
    fn a_key_elsewhere_signs_nothing_here() {
        let (_, there) = pair(Alg::Es256);
        assert!(there.sign(Typ::IdToken, &json!({})).is_err());
    }

    #[test]
    fn what_is_no_public_half_of_the_algorithm_is_refused() {
        let (p256, _) = pair(Alg::Es256);
        let pem = public_pem(p256.public_jwk()).unwrap();
        for alg in [Alg::Es384, Alg::EdDsa, Alg::Rs256, Alg::Ps256] {
            assert!(from_pem(alg, &pem).is_err(), "{alg}");
        }
        assert!(from_pem(Alg::Es256, "garbage").is_err());
        assert!(elliptic(Alg::Es256, &[4; 64]).is_err() && elliptic(Alg::Es256, &[2; 65]).is_err());
        // The right length, and no point of the curve.
        let off = elliptic(Alg::Es256, &[4; 65]).unwrap();
        let (kid, at) = (KeyId::parse("k").unwrap(), Outside::Pkcs11 { token: String::new(), id: String::new() });
        assert!(SigningKey::elsewhere(kid, Alg::Es256, &off, at).is_err());
    }

    #[test]
    fn where_a_key_is_is_written_and_read_the_same() {
        let all = [
            (Outside::Pkcs11 { token: "a".into(), id: "0f".into() }, r#"{"in":"pkcs11","token":"a","id":"0f"}"#),
            (
                Outside::Transit { mount: "transit".into(), name: "k".into(), version: 1 },
                r#"{"in":"transit","mount":"transit","name":"k","version":1}"#,
            ),
        ];
        for (at, text) in all {
            assert_eq!(serde_json::to_string(&at).unwrap(), text);
            assert_eq!(serde_json::from_str::<Outside>(text).unwrap(), at);
        }
    }
}
