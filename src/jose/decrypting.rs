//! A key of ours that others encrypt for (RFC 7516 §5.2, RFC 7518 §4.3, §4.6, §5.3): RSA-OAEP-256, or ECDH-ES on
//! P-256; the content is in A256GCM. The private half is always here.
//!
//! A stranger reaches these few lines with numbers of their choice. So: a point that is not on our curve is
//! refused before the private half is touched (invalid-curve attacks); where OAEP does not unwrap, the content
//! is decrypted all the same, with a key that comes of the private half and of what was sent, and fails in the
//! same place as any other (RFC 7516 §11.5); and every failure is [`NotOpened::Undecryptable`].

use super::{
    encrypted::{Encrypted, NotOpened},
    encrypting::{CONTENT, KeyManagement},
    pem::point,
    signing::RSA_BITS,
    thumbprint::thumbprint,
};
use crate::base::{
    digest::{base64url, from_base64url, hmac, sha256},
    fault::Fault,
    id::KeyId,
    secret::Secret,
};
use openssl::{
    bn::{BigNum, BigNumContext},
    derive::Deriver,
    ec::{EcGroup, EcKey},
    encrypt::Decrypter,
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::{Id, PKey, Private},
    rsa::{Padding, Rsa},
    symm::{Cipher, decrypt_aead},
};
use serde_json::{Map, Value, json};
use std::fmt;

/// Bytes of the key of the content.
const KEY: usize = 32;
/// Bytes of the nonce and of the tag of the content (RFC 7518 §5.3).
const NONCE: usize = 12;
const TAG: usize = 16;
/// Bytes of a coordinate on P-256.
const COORDINATE: usize = 32;

/// A private key to decrypt with. Shared between threads.
pub struct DecryptingKey {
    kid: KeyId,
    way: KeyManagement,
    public_jwk: Value,
    private: PKey<Private>,
    /// What the key is made of that stands in where OAEP does not unwrap one.
    decoy: Secret<[u8; 32]>,
}

impl DecryptingKey {
    /// Makes a new private key: PKCS#8, DER; one of RSA has so many bits, 2048 at least. The randomness is
    /// OpenSSL's own.
    ///
    /// # Errors
    /// A [`Fault`] when OpenSSL cannot.
    pub fn generate(way: KeyManagement, rsa_bits: u32) -> Result<Secret<Vec<u8>>, Fault> {
        let made = (|| -> Result<Vec<u8>, ErrorStack> {
            let key = match way {
                KeyManagement::EcdhEs => PKey::from_ec_key(EcKey::generate(&*p256()?)?)?,
                KeyManagement::RsaOaep256 => PKey::from_rsa(Rsa::generate(rsa_bits.max(RSA_BITS))?)?,
            };
            key.private_key_to_pkcs8()
        })();
        made.map(Secret::new).map_err(|e| Fault::new("generating a key to decrypt with", e))
    }

    /// The name that a private key gets when it is new: the thumbprint of its public half (RFC 7638).
    ///
    /// # Errors
    /// As [`DecryptingKey::from_private`].
    pub fn name_of(way: KeyManagement, private: &Secret<Vec<u8>>) -> Result<KeyId, Fault> {
        let (_, public) = open(way, private)?;
        thumbprint(&public.into())
            .and_then(|text| KeyId::parse(&text))
            .ok_or_else(|| Fault::bare("a new key to decrypt with has no thumbprint"))
    }

    /// Takes a private key (PKCS#8, DER) under the name it already has.
    ///
    /// # Errors
    /// A [`Fault`] where it is no private key for this way.
    pub fn from_private(kid: KeyId, way: KeyManagement, private: &Secret<Vec<u8>>) -> Result<Self, Fault> {
        let (key, mut public) = open(way, private)?;
        public.insert("kid".to_owned(), kid.as_str().into());
        public.insert("alg".to_owned(), way.name().into());
        public.insert("use".to_owned(), "enc".into());
        let decoy = Secret::new(hmac(&Secret::new(sha256(private.expose())), &[b"keywright decoy of a content key"]));
        Ok(Self { kid, way, public_jwk: Value::Object(public), private: key, decoy })
    }

    /// Its name.
    #[must_use]
    pub const fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// How the key of the content reaches it.
    #[must_use]
    pub const fn way(&self) -> KeyManagement {
        self.way
    }

    /// The public half, as it stands in the published set (RFC 7517 §4).
    #[must_use]
    pub const fn public_jwk(&self) -> &Value {
        &self.public_jwk
    }

    /// Decrypts a token that names this key: what is inside is text, and not verified yet.
    ///
    /// # Errors
    /// [`NotOpened::Algorithm`] where the header names another algorithm than the key has;
    /// [`NotOpened::Undecryptable`] for every other reason.
    pub fn open(&self, token: &Encrypted<'_>) -> Result<String, NotOpened> {
        if token.alg() != Some(self.way.name()) {
            return Err(NotOpened::Algorithm);
        }
        let key = match self.way {
            KeyManagement::RsaOaep256 => Some(self.unwrapped(&token.key)),
            KeyManagement::EcdhEs => self.agreed(token),
        };
        let sealed = (token.content.as_slice(), token.tag.as_slice());
        let plain = key.and_then(|key| content(&key, token.protected, &token.iv, sealed));
        let plain = plain.ok_or(NotOpened::Undecryptable)?;
        String::from_utf8(plain).map_err(|_| NotOpened::Undecryptable)
    }

    /// RFC 7518 §4.3: the key that was encrypted with OAEP over SHA-256, or the one that stands in for it.
    fn unwrapped(&self, wrapped: &[u8]) -> Secret<[u8; KEY]> {
        let stand_in = hmac(&self.decoy, &[wrapped]);
        let found = oaep(&self.private, wrapped).ok().map(Secret::new);
        let found = found.and_then(|key| <[u8; KEY]>::try_from(key.expose().as_slice()).ok());
        Secret::new(found.unwrap_or(stand_in))
    }

    /// RFC 7518 §4.6, direct: the key that both agree on.
    fn agreed(&self, token: &Encrypted<'_>) -> Option<Secret<[u8; KEY]>> {
        // Nothing is wrapped where the agreement is the key itself.
        if !token.key.is_empty() {
            return None;
        }
        let (apu, apv) = (token.party("apu")?, token.party("apv")?);
        let shared = self.shared(token.header.get("epk")?.as_object()?)?;
        Some(concat_kdf(&shared, (CONTENT, 256), &apu, &apv))
    }

    /// What both halves of the agreement come to: the coordinate on which they meet.
    fn shared(&self, epk: &Map<String, Value>) -> Option<Secret<Vec<u8>>> {
        let peer = ephemeral(epk)?;
        let met = (|| -> Result<Vec<u8>, ErrorStack> {
            let mut deriver = Deriver::new(&self.private)?;
            deriver.set_peer(&peer)?;
            deriver.derive_to_vec()
        })();
        met.ok().map(Secret::new)
    }
}

impl fmt::Debug for DecryptingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecryptingKey({} {})", self.way.name(), self.kid)
    }
}

fn p256() -> Result<EcGroup, ErrorStack> {
    EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)
}

/// The key, and the members of its public half in an order of ours.
fn open(way: KeyManagement, private: &Secret<Vec<u8>>) -> Result<(PKey<Private>, Map<String, Value>), Fault> {
    let what = || format!("reading a private key for {}", way.name());
    let key = PKey::private_key_from_der(private.expose()).map_err(|e| Fault::new(what(), e))?;
    let public = match (way, key.id()) {
        (KeyManagement::RsaOaep256, Id::RSA) => {
            let rsa = key.rsa().map_err(|e| Fault::new(what(), e))?;
            json!({ "kty": "RSA", "n": base64url(&rsa.n().to_vec()), "e": base64url(&rsa.e().to_vec()) })
        }
        (KeyManagement::EcdhEs, Id::EC) => {
            let (x, y) = coordinates(&key).map_err(|e| Fault::new(what(), e))?;
            json!({ "kty": "EC", "crv": "P-256", "x": base64url(&x), "y": base64url(&y) })
        }
        (KeyManagement::RsaOaep256 | KeyManagement::EcdhEs, _) => {
            return Err(Fault::bare(format!("{}: it is of another kind", what())));
        }
    };
    match public {
        Value::Object(public) => Ok((key, public)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(Fault::bare("a public key that is no object"))
        }
    }
}

/// Where the public half of a key on P-256 lies.
fn coordinates(key: &PKey<Private>) -> Result<(Vec<u8>, Vec<u8>), ErrorStack> {
    let (key, group) = (key.ec_key()?, p256()?);
    let (mut x, mut y) = (BigNum::new()?, BigNum::new()?);
    // A point of another curve is not on this one, and is refused here.
    key.public_key().affine_coordinates(&group, &mut x, &mut y, &mut *BigNumContext::new()?)?;
    Ok((x.to_vec_padded(32)?, y.to_vec_padded(32)?))
}

fn oaep(key: &PKey<Private>, wrapped: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let mut decrypter = Decrypter::new(key)?;
    decrypter.set_rsa_padding(Padding::PKCS1_OAEP)?;
    decrypter.set_rsa_oaep_md(MessageDigest::sha256())?;
    decrypter.set_rsa_mgf1_md(MessageDigest::sha256())?;
    let mut out = vec![0; decrypter.decrypt_len(wrapped)?];
    let n = decrypter.decrypt(wrapped, &mut out)?;
    out.truncate(n);
    Ok(out)
}

/// The sender's half of the agreement (RFC 7518 §4.6.1.1): public, on P-256, and a point of that curve.
fn ephemeral(epk: &Map<String, Value>) -> Option<PKey<openssl::pkey::Public>> {
    let text = |name: &str| epk.get(name).and_then(Value::as_str);
    if text("kty") != Some("EC") || text("crv") != Some("P-256") || epk.contains_key("d") {
        return None;
    }
    let coordinate = |name| text(name).and_then(from_base64url).filter(|bytes| bytes.len() == COORDINATE);
    // OpenSSL refuses here what is not on the curve.
    point(Nid::X9_62_PRIME256V1, &coordinate("x")?, &coordinate("y")?).ok()
}

/// The Concat KDF (RFC 7518 §4.6.2) over SHA-256, of which one round is enough: a key of so many bits, 256 at
/// most, for one algorithm; where it is shorter, the rest is to be left.
fn concat_kdf(shared: &Secret<Vec<u8>>, (alg, bits): (&str, u32), apu: &[u8], apv: &[u8]) -> Secret<[u8; KEY]> {
    let mut input = 1u32.to_be_bytes().to_vec();
    input.extend_from_slice(shared.expose());
    for part in [alg.as_bytes(), apu, apv] {
        input.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        input.extend_from_slice(part);
    }
    input.extend_from_slice(&bits.to_be_bytes());
    Secret::new(sha256(Secret::new(input).expose()))
}

/// RFC 7518 §5.3: what is inside, where it is whole and its header is too.
fn content(key: &Secret<[u8; KEY]>, protected: &str, iv: &[u8], (sealed, tag): (&[u8], &[u8])) -> Option<Vec<u8>> {
    // A tag that is cut short would be accepted as one.
    if iv.len() != NONCE || tag.len() != TAG {
        return None;
    }
    decrypt_aead(Cipher::aes_256_gcm(), key.expose(), Some(iv), protected.as_bytes(), sealed, tag).ok()
}

#[cfg(test)]
mod tests;
