//! Signatures that some library has accepted once, each made for a good key or for a bad one: out of
//! range, of another length or form, with padding that is not what it must be (RFC 7518 §3.3 to §3.5,
//! RFC 8032 §5.1.7, RFC 8017 §8.2.2), and keys with which anybody could sign.

use crate::{
    base::digest::base64url,
    jose::{BadKey, Scheme, VerifyingKey},
};
use openssl::{
    bn::{BigNum, BigNumContext},
    ec::{EcGroup, EcKey},
    hash::{MessageDigest, hash},
    nid::Nid,
    pkey::{PKey, Private},
    rsa::{Padding, Rsa},
    sign::{RsaPssSaltlen, Signer},
};
use serde_json::json;

const MESSAGE: &[u8] = b"e30.e30";

/// The order of P-256.
const ORDER: &str = "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551";
/// The order of Ed25519's base point, least byte first.
const ED_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn assert_refused(key: &VerifyingKey, scheme: Scheme, signature: &[u8], why: &str) {
    assert!(!key.accepts(scheme, MESSAGE, signature), "{scheme:?}: {why}");
}

fn wide(n: &BigNum) -> Vec<u8> {
    n.to_vec_padded(32).unwrap()
}

fn number(hex: &str) -> BigNum {
    BigNum::from_hex_str(hex).unwrap()
}

struct Es256 {
    key: VerifyingKey,
    r: BigNum,
    s: BigNum,
    der: Vec<u8>,
}

fn es256() -> Es256 {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let pair = EcKey::generate(&group).unwrap();
    let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
    let mut context = BigNumContext::new().unwrap();
    pair.public_key().affine_coordinates(&group, &mut x, &mut y, &mut context).unwrap();
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": base64url(&wide(&x)), "y": base64url(&wide(&y))});
    let digest = hash(MessageDigest::sha256(), MESSAGE).unwrap();
    let signature = openssl::ecdsa::EcdsaSig::sign(&digest, &pair).unwrap();
    let own = |n: &openssl::bn::BigNumRef| n.to_owned().unwrap();
    Es256 {
        key: VerifyingKey::from_jwk(&jwk).unwrap(),
        r: own(signature.r()),
        s: own(signature.s()),
        der: signature.to_der().unwrap(),
    }
}

#[test]
fn a_signature_by_es256_out_of_range_or_of_another_form_is_refused() {
    let Es256 { key, r, s, der } = es256();
    let (zero, one, n) = (number("0"), number("1"), number(ORDER));
    let (mut less, mut more) = (number(ORDER), number(ORDER));
    less.sub_word(1).unwrap();
    more.add_word(1).unwrap();
    let all = number(&"FF".repeat(32));
    let pair = |r: &BigNum, s: &BigNum| [wide(r), wide(s)].concat();
    let good = pair(&r, &s);
    assert!(key.accepts(Scheme::Es256, MESSAGE, &good));
    for (a, b, why) in [
        (&zero, &zero, "both zero, which CVE-2022-21449 took for any message"),
        (&zero, &s, "r zero"),
        (&r, &zero, "s zero"),
        (&n, &s, "r the order"),
        (&r, &n, "s the order"),
        (&n, &n, "both the order"),
        (&more, &s, "r past the order"),
        (&r, &more, "s past the order"),
        (&all, &all, "all ones"),
        (&one, &one, "both one"),
        (&less, &less, "both one less than the order"),
        (&s, &r, "the halves exchanged"),
        (&one, &s, "r one"),
        (&r, &one, "s one"),
    ] {
        assert_refused(&key, Scheme::Es256, &pair(a, b), why);
    }
    for (bytes, why) in [
        (Vec::new(), "nothing"),
        (good[..63].to_vec(), "a byte short"),
        ([&good[..], &[0]].concat(), "a byte more"),
        ([&[0], &good[..]].concat(), "a byte in front"),
        (good[..32].to_vec(), "one half"),
        (der.clone(), "DER"),
        (der[..64].to_vec(), "DER cut to length"),
        ([&[0; 16][..], &good[..32], &[0; 16], &good[32..]].concat(), "the width of P-384"),
        ([&[0; 34][..], &good[..32], &[0; 34], &good[32..]].concat(), "the width of P-521"),
        ([&good[..], &good[..]].concat(), "twice"),
    ] {
        assert_refused(&key, Scheme::Es256, &bytes, why);
    }
    for bit in 0..512 {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_refused(&key, Scheme::Es256, &flipped, "a bit flipped");
    }
}

/// RFC 7518 §3.4 has no rule about the smaller s: so a token has two good texts, and nothing of ours
/// may be keyed by the text of a token.
#[test]
fn of_the_two_values_of_s_both_are_the_signature() {
    let Es256 { key, r, s, .. } = es256();
    let mut other = BigNum::new().unwrap();
    other.checked_sub(&number(ORDER), &s).unwrap();
    assert!(key.accepts(Scheme::Es256, MESSAGE, &[wide(&r), wide(&other)].concat()));
}

fn ed25519() -> (VerifyingKey, [u8; 64], PKey<Private>) {
    let pair = PKey::generate_ed25519().unwrap();
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(&pair.raw_public_key().unwrap())});
    let signature = Signer::new_without_digest(&pair).unwrap().sign_oneshot_to_vec(MESSAGE).unwrap();
    (VerifyingKey::from_jwk(&jwk).unwrap(), signature.try_into().unwrap(), pair)
}

/// A number of 32 bytes, least first, plus the order of the base point.
fn plus_order(s: &[u8]) -> Vec<u8> {
    let mut carry = 0u16;
    let sum = s.iter().zip(ED_ORDER).map(|(a, b)| {
        let n = u16::from(*a) + u16::from(b) + carry;
        carry = n >> 8;
        u8::try_from(n & 0xff).unwrap()
    });
    sum.collect()
}

#[test]
fn a_signature_by_ed25519_that_is_not_canonical_is_refused() {
    let (key, good, _) = ed25519();
    assert!(key.accepts(Scheme::EdDsa, MESSAGE, &good));
    let (r, s) = good.split_at(32);
    let identity = [&[1][..], &[0; 31]].concat();
    for (a, b, why) in [
        (r, plus_order(s).as_slice(), "S + L, the second text of the same signature"),
        (r, &plus_order(&plus_order(s)), "S + 2L"),
        (r, &ED_ORDER, "S the order"),
        (r, &[0xff; 32], "S all ones"),
        (r, &[0; 32], "S zero"),
        (&identity, &[0; 32], "R the identity and S zero"),
        (&[0; 32], &[0; 32], "nothing but zeros"),
        (&identity, s, "R the identity"),
        (&[0xff; 32], s, "R no point"),
        (s, r, "the halves exchanged"),
    ] {
        assert_refused(&key, Scheme::EdDsa, &[a, b].concat(), why);
    }
    for bytes in [&good[..63], &[&good[..], &[0]].concat(), &[], &good[..32]] {
        assert_refused(&key, Scheme::EdDsa, bytes, "another length");
    }
    for bit in 0..512 {
        let mut flipped = good;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_refused(&key, Scheme::EdDsa, &flipped, "a bit flipped");
    }
}

/// For such a key R the identity and S zero is good for one message in eight at least, and for the
/// identity for all: whoever registers one, or sends it along in a DPoP proof, lets anybody sign.
#[test]
fn a_point_of_small_order_or_one_that_is_not_canonical_is_no_ed25519_key() {
    let order_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
    let order_8_too = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
    let of =
        |hex: &str| -> Vec<u8> { (0..32).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect() };
    let ends = |first: u8, last: u8| [&[first][..], &[0xff; 30], &[last]].concat();
    let mut bad = vec![vec![0; 32], of(order_8), of(order_8_too), [&[1][..], &[0; 31]].concat()];
    // The order 2, and what is zero, one and so on once more, past the prime.
    bad.extend((0xec..=0xff).map(|first| ends(first, 0x7f)));
    for mut point in bad {
        for sign in [0, 0x80] {
            point[31] = (point[31] & 0x7f) | sign;
            let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(&point)});
            assert_eq!(VerifyingKey::from_jwk(&jwk).unwrap_err(), BadKey::Malformed, "{point:x?}");
        }
    }
}

struct RsaPair {
    key: VerifyingKey,
    pair: Rsa<Private>,
}

fn rsa() -> RsaPair {
    let pair = Rsa::generate(2048).unwrap();
    let jwk = json!({"kty": "RSA", "n": base64url(&pair.n().to_vec()), "e": base64url(&pair.e().to_vec())});
    RsaPair { key: VerifyingKey::from_jwk(&jwk).unwrap(), pair }
}

impl RsaPair {
    /// Signs these 256 bytes as they are.
    fn raw(&self, encoded: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; 256];
        self.pair.private_encrypt(encoded, &mut signature, Padding::NONE).unwrap();
        signature
    }
    /// Pads this as RFC 8017 §9.2 does, with so many bytes of padding, and something behind.
    fn padded(&self, info: &[u8], padding: usize, behind: usize) -> Vec<u8> {
        let front = [&[0, 1][..], &vec![0xff; padding], &[0], info].concat();
        assert_eq!(front.len() + behind, 256);
        self.raw(&[front, vec![0x41; behind]].concat())
    }
    fn pss(&self, salt: RsaPssSaltlen, mask: MessageDigest) -> Vec<u8> {
        let pair = PKey::from_rsa(self.pair.clone()).unwrap();
        let mut signer = Signer::new(MessageDigest::sha256(), &pair).unwrap();
        signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
        signer.set_rsa_pss_saltlen(salt).unwrap();
        signer.set_rsa_mgf1_md(mask).unwrap();
        signer.sign_oneshot_to_vec(MESSAGE).unwrap()
    }
}

/// The head of a `DigestInfo` of SHA-256 (RFC 8017 §9.2).
const INFO: [u8; 19] = [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];

#[test]
fn a_signature_by_rs256_whose_padding_is_not_exactly_right_is_refused() {
    let it = rsa();
    let digest = hash(MessageDigest::sha256(), MESSAGE).unwrap();
    let info = [&INFO[..], &digest].concat();
    let good = it.padded(&info, 202, 0);
    assert!(it.key.accepts(Scheme::Rs256, MESSAGE, &good));
    let without_null = [&[0x30, 0x2f, 0x30, 0x0b], &INFO[4..15], &[4, 0x20], &digest[..]].concat();
    let long_form = [&[0x30, 0x81, 0x31], &INFO[2..], &digest[..]].concat();
    let sha1 = hash(MessageDigest::sha1(), MESSAGE).unwrap();
    let sha1 = [&[0x30, 0x21, 0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0, 4, 0x14][..], &sha1].concat();
    let sha512_head = [0x30, 0x51, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3, 5, 0, 4, 0x40];
    let sha512 = [&sha512_head[..], &hash(MessageDigest::sha512(), MESSAGE).unwrap()].concat();
    for (signature, why) in [
        (it.padded(&info, 8, 194), "short padding and something behind, as CVE-2006-4339 took it"),
        (it.padded(&info, 201, 1), "a byte behind"),
        (it.padded(&without_null, 204, 0), "no parameters of the hash"),
        (it.padded(&long_form, 201, 0), "a length in the long form"),
        (it.padded(&sha1, 218, 0), "SHA-1"),
        (it.padded(&sha512, 170, 0), "SHA-512"),
        (it.padded(&digest, 221, 0), "the bare hash"),
        (it.raw(&[&[0, 2][..], &[0xff; 202], &[0], &info].concat()), "the padding of encryption"),
        (it.raw(&[&[0, 0][..], &[0; 202], &[0], &info].concat()), "padding of zeros"),
        (it.raw(&[&[0, 1][..], &[0xff; 100], &[0xfe], &[0xff; 101], &[0], &info].concat()), "a byte in the padding"),
        (it.pss(RsaPssSaltlen::DIGEST_LENGTH, MessageDigest::sha256()), "PSS"),
        (vec![0; 256], "zero"),
        ([&[0; 255][..], &[1]].concat(), "one"),
        (vec![0xff; 256], "more than the modulus"),
        (it.pair.n().to_vec(), "the modulus"),
        (good[1..].to_vec(), "a byte short"),
        ([&good[..], &[0]].concat(), "a byte more"),
        ([&[0], &good[..]].concat(), "a zero in front"),
        (Vec::new(), "nothing"),
    ] {
        assert_refused(&it.key, Scheme::Rs256, &signature, why);
    }
}

#[test]
fn a_signature_by_ps256_with_another_salt_or_mask_is_refused() {
    let it = rsa();
    let sha256 = MessageDigest::sha256;
    assert!(it.key.accepts(Scheme::Ps256, MESSAGE, &it.pss(RsaPssSaltlen::DIGEST_LENGTH, sha256())));
    let digest = hash(sha256(), MESSAGE).unwrap();
    for (signature, why) in [
        (it.pss(RsaPssSaltlen::custom(0), sha256()), "no salt"),
        (it.pss(RsaPssSaltlen::custom(20), sha256()), "a short salt"),
        (it.pss(RsaPssSaltlen::MAXIMUM_LENGTH, sha256()), "the longest salt"),
        (it.pss(RsaPssSaltlen::DIGEST_LENGTH, MessageDigest::sha1()), "a mask by SHA-1"),
        (it.pss(RsaPssSaltlen::DIGEST_LENGTH, MessageDigest::sha512()), "a mask by SHA-512"),
        (it.padded(&[&INFO[..], &digest].concat(), 202, 0), "PKCS #1 version 1.5"),
        (vec![0; 256], "zero"),
        (vec![0xff; 256], "more than the modulus"),
    ] {
        assert_refused(&it.key, Scheme::Ps256, &signature, why);
    }
}

/// With the exponent one, a signature is the padded hash itself: anybody can write it.
#[test]
fn an_rsa_key_with_which_anybody_can_sign_is_no_key() {
    let n = rsa().pair.n().to_vec();
    let short = Rsa::generate(1024).unwrap().n().to_vec();
    for (n, e, why) in [
        (&n, &[1][..], "the exponent one"),
        (&n, &[0], "the exponent zero"),
        (&n, &[3], "the exponent three"),
        (&n, &[2], "an even exponent"),
        (&n, &[1, 0, 0], "an even exponent that is large"),
        (&short, &[1, 0, 1], "1024 bits"),
        (&n[..255].to_vec(), &[1, 0, 1], "2040 bits"),
    ] {
        let jwk = json!({"kty": "RSA", "n": base64url(n), "e": base64url(e)});
        assert_eq!(VerifyingKey::from_jwk(&jwk).unwrap_err(), BadKey::Weak, "{why}");
    }
    let even = [&n[..255], &[n[255] & 0xfe]].concat();
    let jwk = json!({"kty": "RSA", "n": base64url(&even), "e": "AQAB"});
    assert_eq!(VerifyingKey::from_jwk(&jwk).unwrap_err(), BadKey::Malformed, "a modulus that is even");
}
