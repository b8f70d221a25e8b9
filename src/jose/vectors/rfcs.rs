//! The examples of RFC 7515, 7516, 7517, 7518, 7519, 7520, 7797 and 8037 by their values: those that we
//! accept, and those that are good to others and that we refuse all the same, each for its reason.

use crate::{
    base::{moment::Moment, uri::Issuer},
    jose::{BadKey, BadKeySet, BadToken, KeySet, Profile, Scheme, VerifyingKey, thumbprint, verify, verify_embedded},
};
use serde_json::{Value, json};

/// RFC 7515 §3.1: the claims of most examples.
const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
/// RFC 7520 §4: the text of most examples.
const TEXT: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4";
/// RFC 7520 §3.4.
const BILBO_N: &str = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw";
/// RFC 7520 §4.1.3.
const BILBO_RS256: &str = "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg";

fn bilbo() -> Value {
    json!({"kty": "RSA", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "n": BILBO_N, "e": "AQAB"})
}

/// RFC 7520 §3.1.
fn bilbo_p521() -> Value {
    json!({
        "kty": "EC", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "crv": "P-521",
        "x": "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
        "y": "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1",
    })
}

/// What the most open of our profiles says of a token, with these keys.
fn told(keys: &[Value], token: &str) -> BadToken {
    let keys = KeySet::from_value(&json!({ "keys": keys })).unwrap();
    let issuer = Issuer::parse("https://as.example").unwrap();
    verify(&Profile::client_assertion(&issuer, "joe"), &keys, token, Moment::from_unix(1_300_819_300)).unwrap_err()
}

/// The signature is looked at and found good: what is refused is what was signed.
#[test]
fn the_rs256_example_of_rfc_7520_4_1_verifies_and_its_text_is_no_claims() {
    let token =
        format!("eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.{TEXT}.{BILBO_RS256}");
    assert_eq!(told(&[bilbo()], &token), BadToken::Claims);
    let other = token.replace(".MRjd", ".MRje");
    assert_eq!(told(&[bilbo()], &other), BadToken::Signature);
    let mut as_pss = bilbo();
    as_pss["alg"] = json!("PS256");
    assert_eq!(told(&[as_pss], &token), BadToken::UnknownKey, "the key fixes the algorithm");
}

#[test]
fn the_examples_in_algorithms_that_we_do_not_take_are_refused_whatever_keys_we_have() {
    let ps384 = "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw";
    let es512 = "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2";
    for (token, why) in [
        (format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{CLAIMS}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), "HS256: RFC 7515 A.1, RFC 7519 3.1"),
        ("eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn".to_owned(), "ES512: RFC 7515 A.4"),
        (format!("eyJhbGciOiJub25lIn0.{CLAIMS}."), "none: RFC 7515 A.5, RFC 7519 6.1"),
        (format!("eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.{TEXT}.{ps384}"), "PS384: RFC 7520 4.2"),
        (format!("eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.{TEXT}.{es512}"), "ES512: RFC 7520 4.3"),
        (format!("eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9.{TEXT}.s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0"), "HS256: RFC 7520 4.4"),
        ("eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9..s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0".to_owned(), "detached: RFC 7520 4.5"),
    ] {
        assert_eq!(told(&[bilbo(), bilbo_p521()], &token), BadToken::Algorithm, "{why}");
    }
}

#[test]
fn the_examples_with_unencoded_payload_of_rfc_7797_4_are_refused_for_their_crit() {
    let header = "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19";
    let detached = format!("{header}..A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY");
    assert_eq!(told(&[bilbo()], &detached), BadToken::Critical);
    let with_text = format!("{header}.$.02.A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY");
    assert_eq!(told(&[bilbo()], &with_text), BadToken::NotCompact, "a dot in the payload");
}

/// RFC 7515 A.6 and A.7, RFC 7520 4.1.3, 4.6 and 4.8: the signature in it is good.
#[test]
fn the_same_in_json_is_refused_unread() {
    let general = json!({"payload": TEXT, "signatures": [{
        "protected": "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9", "signature": BILBO_RS256,
    }]});
    let flat = json!({
        "payload": TEXT, "signature": BILBO_RS256,
        "protected": "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
    });
    assert_eq!(told(&[bilbo()], &general.to_string()), BadToken::NotCompact);
    assert_eq!(told(&[bilbo()], &flat.to_string()), BadToken::NotCompact);
    // Two dots by chance, as a kid of that name has them, make no compact form of it.
    let unprotected =
        json!({"payload": TEXT, "header": {"kid": "bilbo.baggins@hobbiton.example"}, "signature": BILBO_RS256});
    assert_eq!(told(&[bilbo()], &unprotected.to_string()), BadToken::NotBase64);
}

/// RFC 7516 A.3, RFC 7519 A.1: five parts.
#[test]
fn the_encrypted_examples_are_no_signed_tokens() {
    let token = "eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ.AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.U0m_YmjN04DJvceFICbCVQ";
    assert_eq!(told(&[bilbo()], token), BadToken::NotCompact);
    assert_eq!(verify_embedded("dpop+jwt", token), Err(BadToken::NotCompact));
}

#[test]
fn the_public_keys_of_rfc_7517_a_1_are_read_and_the_private_and_symmetric_ones_condemn_their_set() {
    let ec = json!({
        "kty": "EC", "crv": "P-256", "use": "enc", "kid": "1",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    });
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let rsa = json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
    let set = KeySet::from_value(&json!({"keys": [ec, rsa]})).unwrap();
    assert_eq!(set.len(), 1, "the first is to encrypt with");
    assert!(set.find(Some("2011-04-29"), Scheme::Rs256).is_some() && set.find(Some("1"), Scheme::Es256).is_none());
    // RFC 7638 §3.1: the thumbprint of the same key.
    assert_eq!(thumbprint(&rsa).as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
    // RFC 7517 A.2 and A.3.
    let private = json!({
        "kty": "EC", "crv": "P-256", "use": "enc", "kid": "1", "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    });
    let symmetric = [
        json!({"kty": "oct", "alg": "A128KW", "k": "GawgguFyGrWKav7AX4VKUg"}),
        json!({"kty": "oct", "kid": "HMAC key used in JWS spec Appendix A.1 example", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}),
    ];
    for (key, why) in [
        (private, BadKey::Private),
        (symmetric[0].clone(), BadKey::Symmetric),
        (symmetric[1].clone(), BadKey::Symmetric),
    ] {
        assert_eq!(KeySet::from_value(&json!({"keys": [rsa, key]})).unwrap_err(), BadKeySet::Key(why));
    }
    // RFC 7520 §3.1: a curve of others is passed over.
    assert_eq!(VerifyingKey::from_jwk(&bilbo_p521()).unwrap_err(), BadKey::Foreign);
}

#[test]
fn the_ed25519_key_of_rfc_8037_a_is_read_named_and_its_private_half_refused() {
    let public = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    assert!(VerifyingKey::from_jwk(&public).unwrap().fits(Scheme::EdDsa));
    // RFC 8037 A.3.
    assert_eq!(thumbprint(&public).as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
    let mut private = public;
    private["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    assert_eq!(VerifyingKey::from_jwk(&private).unwrap_err(), BadKey::Private);
    // RFC 8037 A.6: a key to agree with is none to verify with.
    let x25519 =
        json!({"kty": "OKP", "crv": "X25519", "kid": "Bob", "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"});
    assert_eq!(VerifyingKey::from_jwk(&x25519).unwrap_err(), BadKey::Foreign);
}

/// RFC 7518 §3.4 and §3.5 demand 256 bits of hash and salt; §6.3.1.1 that no zeros stand in front.
#[test]
fn the_rsa_key_of_rfc_7515_a_2_is_the_same_with_zeros_in_front_and_too_weak_when_cut_short() {
    let padded = format!("AAAA{BILBO_N}");
    let key = VerifyingKey::from_jwk(&json!({"kty": "RSA", "n": padded, "e": "AQAB"})).unwrap();
    assert_eq!(key.signature_len(), 256);
    let short = BILBO_N.get(..170).unwrap();
    assert!(VerifyingKey::from_jwk(&json!({"kty": "RSA", "n": short, "e": "AQAB"})).is_err());
}
