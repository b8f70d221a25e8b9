//! Encrypting for a client (RFC 7516, RFC 7518 §4.3, §4.6, §5.3): what was signed is sealed for the one
//! key of the client that says it is to encrypt with. What others encrypt for us is in [`super::decrypting`].
//!
//! As for verifying, josekit is handed a key built anew from checked numbers.

use super::verifying::{BadKey, modulus, point, text};
use crate::base::fault::Fault;
use josekit::{
    JoseError,
    jwe::{ECDH_ES, JweEncrypter, JweHeader, RSA_OAEP_256, serialize_compact},
    jwk::Jwk,
};
use serde_json::{Map, Value};
use std::fmt;

/// How the key of the content reaches its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyManagement {
    /// Encrypted under the reader's RSA key, with OAEP over SHA-256.
    RsaOaep256,
    /// Agreed upon with the reader's key on P-256.
    EcdhEs,
}

impl KeyManagement {
    /// All of them, in the order in which metadata lists them.
    pub const ALL: [Self; 2] = [Self::RsaOaep256, Self::EcdhEs];

    /// Its registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::EcdhEs => "ECDH-ES",
        }
    }

    /// By its registered name, exactly; `None` for any other.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }
}

/// How the content is encrypted: AES-256 in Galois/Counter Mode, and nothing else.
pub const CONTENT: &str = "A256GCM";

/// A public key to encrypt with. Shared between threads.
pub struct EncryptingKey {
    kid: Option<String>,
    way: KeyManagement,
    encrypter: Box<dyn JweEncrypter>,
}

impl EncryptingKey {
    /// Takes a public JWK that says it is to encrypt with, by its `use` or its `alg`: a key that says
    /// nothing is taken to verify with, and no key serves for both.
    ///
    /// # Errors
    /// [`BadKey`], which says why not; [`BadKey::Foreign`] for a key of another purpose.
    pub fn from_jwk(jwk: &Value) -> Result<Self, BadKey> {
        let jwk = jwk.as_object().ok_or(BadKey::Malformed)?;
        let way = purpose(jwk)?;
        let public = match way {
            KeyManagement::RsaOaep256 => modulus(jwk)?.1,
            KeyManagement::EcdhEs => point(jwk, ("P-256", 32), &["x", "y"])?,
        };
        let encrypter = encrypter(way, &public).map_err(|_| BadKey::Malformed)?;
        Ok(Self { kid: text(jwk, "kid")?.map(str::to_owned), way, encrypter })
    }

    /// How the key of the content reaches its holder.
    #[must_use]
    pub const fn way(&self) -> KeyManagement {
        self.way
    }

    /// A signed token, encrypted: nested, as RFC 7519 §5.2 and §11.2 have it.
    ///
    /// # Errors
    /// A [`Fault`] where OpenSSL fails.
    pub fn encrypt(&self, signed: &str) -> Result<String, Fault> {
        let mut header = JweHeader::new();
        header.set_token_type("JWT");
        header.set_content_type("JWT");
        header.set_content_encryption(CONTENT);
        if let Some(kid) = &self.kid {
            header.set_key_id(kid);
        }
        serialize_compact(signed.as_bytes(), &header, &*self.encrypter)
            .map_err(|e| Fault::new("encrypting a token for a client", e))
    }
}

impl fmt::Debug for EncryptingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptingKey({} {})", self.way.name(), self.kid.as_deref().unwrap_or("no kid"))
    }
}

/// What the key says it is for: to encrypt with, in a way that we know.
fn purpose(jwk: &Map<String, Value>) -> Result<KeyManagement, BadKey> {
    let (named, purpose) = (text(jwk, "alg")?, text(jwk, "use")?);
    if purpose.is_some_and(|purpose| purpose != "enc") || (purpose.is_none() && named.is_none()) {
        return Err(BadKey::Foreign);
    }
    let possible = match (text(jwk, "kty")?, text(jwk, "crv")?) {
        (Some("RSA"), _) => KeyManagement::RsaOaep256,
        (Some("EC"), Some("P-256")) => KeyManagement::EcdhEs,
        (Some(_) | None, _) => return Err(BadKey::Foreign),
    };
    if named.is_some_and(|name| KeyManagement::parse(name) != Some(possible)) {
        return Err(BadKey::Foreign);
    }
    if let Some(operations) = jwk.get("key_ops") {
        let operations = operations.as_array().ok_or(BadKey::Malformed)?;
        let fits = |operation: &str| match possible {
            KeyManagement::RsaOaep256 => matches!(operation, "encrypt" | "wrapKey"),
            // The public half of a key agreement has no operation of its own (RFC 7517 §4.3).
            KeyManagement::EcdhEs => matches!(operation, "deriveKey" | "deriveBits"),
        };
        if !operations.is_empty() && !operations.iter().filter_map(Value::as_str).any(fits) {
            return Err(BadKey::Foreign);
        }
    }
    Ok(possible)
}

fn encrypter(way: KeyManagement, public: &Jwk) -> Result<Box<dyn JweEncrypter>, JoseError> {
    Ok(match way {
        KeyManagement::RsaOaep256 => Box::new(RSA_OAEP_256.encrypter_from_jwk(public)?),
        KeyManagement::EcdhEs => Box::new(ECDH_ES.encrypter_from_jwk(public)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use josekit::{
        jwe::deserialize_compact,
        jwk::alg::{ec::EcCurve, rsa::RsaKeyPair},
    };
    use serde_json::json;

    fn public(pair: &Jwk) -> Value {
        let mut public = serde_json::to_value(pair.to_public_key().unwrap().as_ref()).unwrap();
        public["use"] = json!("enc");
        public["kid"] = json!("k");
        public
    }

    fn rsa() -> Jwk {
        RsaKeyPair::generate(2048).unwrap().to_jwk_key_pair()
    }

    fn ec() -> Jwk {
        Jwk::generate_ec_key(EcCurve::P256).unwrap()
    }

    #[test]
    fn what_is_encrypted_its_holder_reads_and_nobody_else() {
        let (rsa, ec) = (rsa(), ec());
        let sealed = |pair: &Jwk| EncryptingKey::from_jwk(&public(pair)).unwrap().encrypt("a.b.c").unwrap();
        let (by_rsa, by_ec) = (sealed(&rsa), sealed(&ec));
        for (token, alg) in [(&by_rsa, "RSA-OAEP-256"), (&by_ec, "ECDH-ES")] {
            assert_eq!(token.split('.').count(), 5);
            let head = crate::base::digest::from_base64url(token.split('.').next().unwrap()).unwrap();
            let head: Value = serde_json::from_slice(&head).unwrap();
            assert_eq!(
                [&head["alg"], &head["enc"], &head["cty"], &head["kid"]],
                [&json!(alg), &json!("A256GCM"), &json!("JWT"), &json!("k")]
            );
            assert!(head.get("zip").is_none());
        }
        let opened = deserialize_compact(&by_rsa, &RSA_OAEP_256.decrypter_from_jwk(&rsa).unwrap()).unwrap().0;
        assert_eq!(opened, b"a.b.c");
        let opened = deserialize_compact(&by_ec, &ECDH_ES.decrypter_from_jwk(&ec).unwrap()).unwrap().0;
        assert_eq!(opened, b"a.b.c");
        let other = self::ec();
        assert!(deserialize_compact(&by_ec, &ECDH_ES.decrypter_from_jwk(&other).unwrap()).is_err());
        assert_ne!(sealed(&ec), by_ec, "each has a key of its own");
    }

    #[test]
    fn a_key_is_to_encrypt_with_only_where_it_says_so() {
        let (rsa, ec) = (public(&rsa()), public(&ec()));
        let with = |jwk: &Value, changes: Value| {
            let mut jwk = jwk.clone();
            for (name, value) in changes.as_object().unwrap() {
                jwk[name] = value.clone();
            }
            jwk.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            EncryptingKey::from_jwk(&jwk).map(|key| key.way())
        };
        for (jwk, changes, expected) in [
            (&rsa, json!({}), Ok(KeyManagement::RsaOaep256)),
            (&rsa, json!({"use": null, "alg": "RSA-OAEP-256"}), Ok(KeyManagement::RsaOaep256)),
            (&rsa, json!({"key_ops": ["wrapKey"]}), Ok(KeyManagement::RsaOaep256)),
            (&ec, json!({"alg": "ECDH-ES"}), Ok(KeyManagement::EcdhEs)),
            (&ec, json!({"key_ops": []}), Ok(KeyManagement::EcdhEs)),
            (&rsa, json!({"use": null}), Err(BadKey::Foreign)),
            (&rsa, json!({"use": "sig"}), Err(BadKey::Foreign)),
            (&rsa, json!({"alg": "RSA1_5"}), Err(BadKey::Foreign)),
            (&rsa, json!({"alg": "RSA-OAEP"}), Err(BadKey::Foreign)),
            (&rsa, json!({"alg": "RS256", "use": null}), Err(BadKey::Foreign)),
            (&rsa, json!({"key_ops": ["verify"]}), Err(BadKey::Foreign)),
            (&rsa, json!({"e": "AQ"}), Err(BadKey::Weak)),
            (&ec, json!({"alg": "ECDH-ES+A256KW"}), Err(BadKey::Foreign)),
            (&ec, json!({"crv": "P-521"}), Err(BadKey::Foreign)),
            (&ec, json!({"x": "AAAA"}), Err(BadKey::Malformed)),
            // A point that is on no curve: with it, an agreement could leak what it is made with.
            (&ec, json!({"x": crate::base::digest::base64url(&[7; 32])}), Err(BadKey::Malformed)),
        ] {
            assert_eq!(with(jwk, changes.clone()), expected, "{changes}");
        }
    }
}
