//! A key that signs (RFC 7515 compact serialization): its private half in hand, or elsewhere.

use super::{
    Alg,
    outside::{Draft, Drafted, Outside, header},
    thumbprint::thumbprint,
    verifying::VerifyingKey,
};
use crate::base::{
    digest::{from_base64url, sha256, sha384},
    fault::Fault,
    id::KeyId,
    secret::Secret,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use josekit::{
    jwk::{Jwk, KeyPair},
    jws::{ES256, ES384, EdDSA, JwsSigner, RS256},
};
use openssl::{
    ec::{EcGroup, EcKey},
    ecdsa::EcdsaSig,
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::{Padding, Rsa},
    sign::{RsaPssSaltlen, Signer as Signature},
};
use serde::Serialize;
use serde_json::{Map, Value};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// How many bits a new RSA key has, unless somebody wants more.
pub const RSA_BITS: u32 = 2048;

/// What kind of token is signed: its `typ` keeps one kind from passing for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typ {
    /// RFC 9068.
    AccessToken,
    /// OpenID Connect Core §2.
    IdToken,
    /// OpenID Connect Back-Channel Logout §2.4.
    LogoutToken,
}

impl Typ {
    /// The value of the header parameter `typ`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::IdToken => "JWT",
            Self::LogoutToken => "logout+jwt",
        }
    }
}

/// A key with everything made ready that signing can have ready: the signer itself and
/// the encoded header of each kind of token. Shared between threads.
pub struct SigningKey {
    kid: KeyId,
    alg: Alg,
    public_jwk: Value,
    private: PrivateHalf,
    signature_len: usize,
    access_token: String,
    id_token: String,
    logout_token: String,
    signed: Arc<AtomicU64>,
}

/// Where the private half is.
enum PrivateHalf {
    /// Here.
    Here(Signer),
    /// Not here. What comes from there is held against the public half before it leaves.
    Elsewhere { at: Arc<Outside>, check: VerifyingKey },
}

impl SigningKey {
    /// Makes a new private key: PKCS#8, DER. The randomness is OpenSSL's own.
    ///
    /// # Errors
    /// A [`Fault`] when OpenSSL cannot.
    pub fn generate(alg: Alg) -> Result<Secret<Vec<u8>>, Fault> {
        Self::generate_sized(alg, RSA_BITS)
    }

    /// The same; one of RSA has so many bits, 2048 at least.
    ///
    /// # Errors
    /// As [`SigningKey::generate`].
    pub fn generate_sized(alg: Alg, rsa_bits: u32) -> Result<Secret<Vec<u8>>, Fault> {
        let on = |curve: Nid| PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(curve)?)?);
        let made = (|| -> Result<Vec<u8>, ErrorStack> {
            let key = match alg {
                Alg::Es256 => on(Nid::X9_62_PRIME256V1)?,
                Alg::Es384 => on(Nid::SECP384R1)?,
                Alg::EdDsa => PKey::generate_ed25519()?,
                Alg::Rs256 | Alg::Ps256 => PKey::from_rsa(Rsa::generate(rsa_bits.max(RSA_BITS))?)?,
            };
            key.private_key_to_pkcs8()
        })();
        made.map(Secret::new).map_err(|e| Fault::new("generating a signing key", e))
    }

    /// Takes a private key (PKCS#8, DER) under the name it already has.
    ///
    /// # Errors
    /// A [`Fault`] where it is no private key of this algorithm.
    pub fn from_private(kid: KeyId, alg: Alg, private: &Secret<Vec<u8>>) -> Result<Self, Fault> {
        let (signer, public) = open(alg, private.expose())?;
        let public_jwk = published(key_members(&public, alg)?, &kid, alg);
        Ok(Self::ready(kid, alg, public_jwk, PrivateHalf::Here(signer)))
    }

    /// Takes a key whose private half is elsewhere, by its public half: a JWK.
    ///
    /// # Errors
    /// A [`Fault`] where it is no public key of this algorithm.
    pub fn elsewhere(kid: KeyId, alg: Alg, public: &Value, at: Outside) -> Result<Self, Fault> {
        let mut own = Map::new();
        for name in members(alg) {
            let value = public.get(*name).ok_or_else(|| Fault::bare(format!("a public key lacks {name}")))?;
            own.insert((*name).to_owned(), value.clone());
        }
        let public_jwk = published(own, &kid, alg);
        let check = VerifyingKey::from_jwk(&public_jwk)
            .map_err(|e| Fault::new(format!("reading the public half of signing key {kid}"), e))?;
        Ok(Self::ready(kid, alg, public_jwk, PrivateHalf::Elsewhere { at: Arc::new(at), check }))
    }

    fn ready(kid: KeyId, alg: Alg, public_jwk: Value, private: PrivateHalf) -> Self {
        let signature_len = signature_len(alg, &public_jwk);
        let header = |typ| header(typ, alg, kid.as_str());
        let (access_token, id_token, logout_token) =
            (header(Typ::AccessToken), header(Typ::IdToken), header(Typ::LogoutToken));
        Self {
            kid,
            alg,
            public_jwk,
            private,
            signature_len,
            access_token,
            id_token,
            logout_token,
            signed: Arc::default(),
        }
    }

    /// Counts signatures here from now on.
    pub fn count(&mut self, signed: Arc<AtomicU64>) {
        self.signed = signed;
    }

    /// The name that a private key gets when it is new: the thumbprint of its public half
    /// (RFC 7638), so that two keys never share one.
    ///
    /// # Errors
    /// As [`SigningKey::from_private`].
    pub fn name_of(alg: Alg, private: &Secret<Vec<u8>>) -> Result<KeyId, Fault> {
        let (_, public) = open(alg, private.expose())?;
        thumbprint(&key_members(&public, alg)?.into())
            .and_then(|text| KeyId::parse(&text))
            .ok_or_else(|| Fault::bare("a new signing key has no thumbprint"))
    }

    /// Its name.
    #[must_use]
    pub const fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// Its algorithm.
    #[must_use]
    pub const fn alg(&self) -> Alg {
        self.alg
    }

    /// The public half, as it stands in the published set (RFC 7517 §4): the members of the
    /// key, then `kid`, `alg` and `use`, always in this order.
    #[must_use]
    pub const fn public_jwk(&self) -> &Value {
        &self.public_jwk
    }

    /// Where its private half is, where that is not here.
    #[must_use]
    pub const fn outside(&self) -> Option<&Arc<Outside>> {
        match &self.private {
            PrivateHalf::Here(_) => None,
            PrivateHalf::Elsewhere { at, .. } => Some(at),
        }
    }

    /// Makes of `claims` a token of the kind `typ`, or what is to be signed where the key is.
    ///
    /// # Errors
    /// A [`Fault`] where the claims do not serialise or OpenSSL fails.
    pub fn token(&self, typ: Typ, claims: &impl Serialize) -> Result<Drafted, Fault> {
        let header = match typ {
            Typ::AccessToken => &self.access_token,
            Typ::IdToken => &self.id_token,
            Typ::LogoutToken => &self.logout_token,
        };
        let mut payload = Vec::with_capacity(512);
        serde_json::to_writer(&mut payload, claims).map_err(|e| Fault::new("writing the claims of a token", e))?;
        let mut text = String::with_capacity(header.len() + encoded(payload.len()) + 1 + encoded(self.signature_len));
        text.push_str(header);
        BASE64_URL_SAFE_NO_PAD.encode_string(&payload, &mut text);
        match &self.private {
            PrivateHalf::Here(signer) => {
                let signature = signer.sign(text.as_bytes())?;
                Ok(Drafted::Signed(self.with(text, &signature)))
            }
            PrivateHalf::Elsewhere { .. } => Ok(Drafted::Unsigned(Draft { text })),
        }
    }

    /// Signs `claims` as a token of the kind `typ`, with a key that is here.
    ///
    /// # Errors
    /// As [`SigningKey::token`]; and where the private half is elsewhere.
    pub fn sign(&self, typ: Typ, claims: &impl Serialize) -> Result<String, Fault> {
        match self.token(typ, claims)? {
            Drafted::Signed(token) => Ok(token),
            Drafted::Unsigned(_) => Err(Fault::bare(format!("signing key {} is not here", self.kid))),
        }
    }

    /// Makes a token of a draft of this key and the signature that was made elsewhere, which is verified: no token
    /// leaves that nobody could use.
    ///
    /// # Errors
    /// A [`Fault`] where the signature is not good.
    pub fn complete(&self, draft: Draft, signature: &[u8]) -> Result<String, Fault> {
        let PrivateHalf::Elsewhere { at, check } = &self.private else {
            return Err(Fault::bare(format!("signing key {} is here", self.kid)));
        };
        if !check.accepts(self.alg.scheme(), draft.input(), signature) {
            return Err(Fault::bare(format!("what {at} signed is no signature of signing key {}", self.kid)));
        }
        Ok(self.with(draft.text, signature))
    }

    fn with(&self, mut text: String, signature: &[u8]) -> String {
        text.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        self.signed.fetch_add(1, Ordering::Relaxed);
        text
    }

    /// A signature over any text, as somebody makes one who signs tokens of other kinds.
    #[cfg(test)]
    pub fn signature(&self, message: &[u8]) -> Result<Vec<u8>, Fault> {
        match &self.private {
            PrivateHalf::Here(signer) => signer.sign(message),
            PrivateHalf::Elsewhere { .. } => Err(Fault::bare("not here")),
        }
    }
}

/// How many bytes a signature has; of an RSA key as many as its modulus.
fn signature_len(alg: Alg, public_jwk: &Value) -> usize {
    match alg {
        Alg::Es256 | Alg::EdDsa => 64,
        Alg::Es384 => 96,
        Alg::Rs256 | Alg::Ps256 => {
            let n = public_jwk.get("n").and_then(Value::as_str).and_then(from_base64url);
            n.map_or(0, |n| n.len())
        }
    }
}

/// What signs.
enum Signer {
    /// Handed to OpenSSL's ECDSA without its general interface for all algorithms, by which josekit
    /// goes: that costs an eighth of a signature, in the busiest line of the server.
    P256(EcKey<Private>),
    /// The same over the larger curve.
    P384(EcKey<Private>),
    /// RSASSA-PSS, with a salt as long as the hash (RFC 7518 §3.5). josekit wants a key that is marked
    /// for PSS alone; ours are plain RSA keys.
    Pss(PKey<Private>),
    /// Everything else.
    Jws(Box<dyn JwsSigner>),
}

impl Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Fault> {
        match self {
            Self::P256(key) => ecdsa(key, &sha256(message), 32).map_err(|e| Fault::new("signing a token", e)),
            Self::P384(key) => ecdsa(key, &sha384(message), 48).map_err(|e| Fault::new("signing a token", e)),
            Self::Pss(key) => pss(key, message).map_err(|e| Fault::new("signing a token", e)),
            Self::Jws(signer) => signer.sign(message).map_err(|e| Fault::new("signing a token", e)),
        }
    }
}

/// R and S, so many bytes each, as JSON Web Algorithms want them (RFC 7518 §3.4).
fn ecdsa(key: &EcKey<Private>, hash: &[u8], bytes_each: i32) -> Result<Vec<u8>, ErrorStack> {
    let signature = EcdsaSig::sign(hash, key)?;
    let mut bytes = signature.r().to_vec_padded(bytes_each)?;
    bytes.extend(signature.s().to_vec_padded(bytes_each)?);
    Ok(bytes)
}

fn pss(key: &PKey<Private>, message: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let mut signature = Signature::new(MessageDigest::sha256(), key)?;
    signature.set_rsa_padding(Padding::PKCS1_PSS)?;
    signature.set_rsa_mgf1_md(MessageDigest::sha256())?;
    signature.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
    signature.sign_oneshot_to_vec(message)
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.alg, self.kid)
    }
}

/// The length of `n` bytes in base64url without padding.
const fn encoded(n: usize) -> usize {
    n.saturating_mul(4).div_ceil(3)
}

fn open(alg: Alg, private: &[u8]) -> Result<(Signer, Jwk), Fault> {
    let what = || format!("reading a private key for {alg}");
    let wrong = |e| Fault::new(what(), e);
    Ok(match alg {
        Alg::Es256 => {
            // josekit refuses every curve but P-256.
            let pair = ES256.key_pair_from_der(private).map_err(wrong)?;
            let key = PKey::private_key_from_der(private).and_then(|key| key.ec_key());
            (Signer::P256(key.map_err(|e| Fault::new(what(), e))?), pair.to_jwk_public_key())
        }
        Alg::Es384 => {
            let pair = ES384.key_pair_from_der(private).map_err(wrong)?;
            let key = PKey::private_key_from_der(private).and_then(|key| key.ec_key());
            (Signer::P384(key.map_err(|e| Fault::new(what(), e))?), pair.to_jwk_public_key())
        }
        Alg::Ps256 => {
            let pair = RS256.key_pair_from_der(private).map_err(wrong)?;
            let key = PKey::private_key_from_der(private).map_err(|e| Fault::new(what(), e))?;
            (Signer::Pss(key), pair.to_jwk_public_key())
        }
        Alg::EdDsa => {
            let pair = EdDSA.key_pair_from_der(private).map_err(wrong)?;
            (Signer::Jws(Box::new(EdDSA.signer_from_der(private).map_err(wrong)?)), pair.to_jwk_public_key())
        }
        Alg::Rs256 => {
            let pair = RS256.key_pair_from_der(private).map_err(wrong)?;
            (Signer::Jws(Box::new(RS256.signer_from_der(private).map_err(wrong)?)), pair.to_jwk_public_key())
        }
    })
}

/// The members that are the key, in an order of ours.
const fn members(alg: Alg) -> &'static [&'static str] {
    match alg {
        Alg::Es256 | Alg::Es384 => &["kty", "crv", "x", "y"],
        Alg::EdDsa => &["kty", "crv", "x"],
        Alg::Rs256 | Alg::Ps256 => &["kty", "n", "e"],
    }
}

fn key_members(public: &Jwk, alg: Alg) -> Result<Map<String, Value>, Fault> {
    let mut jwk = Map::new();
    for member in members(alg) {
        let value = public.parameter(member).ok_or_else(|| Fault::bare(format!("a public key lacks {member}")))?;
        jwk.insert((*member).to_owned(), value.clone());
    }
    // josekit also takes Ed448 for EdDSA; we publish and promise Ed25519.
    let curve = jwk.get("crv").and_then(Value::as_str);
    if alg == Alg::EdDsa && curve != Some("Ed25519") {
        return Err(Fault::bare("a signing key for EdDSA is not of Ed25519"));
    }
    Ok(jwk)
}

fn published(mut jwk: Map<String, Value>, kid: &KeyId, alg: Alg) -> Value {
    jwk.insert("kid".to_owned(), kid.as_str().into());
    jwk.insert("alg".to_owned(), alg.name().into());
    jwk.insert("use".to_owned(), "sig".into());
    Value::Object(jwk)
}
