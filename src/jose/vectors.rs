//! The examples of the RFCs, and signing seen from outside.

mod agreement;
mod bad_signatures;
mod rfcs;

use super::{Alg, Audience, BadToken, KeySet, Profile, Scheme, SigningKey, Typ, VerifyingKey, thumbprint, verify};
use crate::base::{digest::from_base64url, id::KeyId, moment::Moment, uri::Issuer};
use serde_json::{Value, json};

/// The three parts of a token: what is signed, and the signature.
fn split(token: &str) -> (&[u8], Vec<u8>) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    (signed.as_bytes(), from_base64url(signature).unwrap())
}

fn assert_good(jwk: Value, scheme: Scheme, token: &str) {
    let key = VerifyingKey::from_jwk(&jwk).unwrap();
    let (signed, mut signature) = split(token);
    assert!(key.accepts(scheme, signed, &signature));
    signature[9] ^= 1;
    assert!(!key.accepts(scheme, signed, &signature));
}

#[test]
fn the_rs256_example_of_rfc_7515_a_2_verifies() {
    assert_good(
        json!({"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}),
        Scheme::Rs256,
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    );
}

#[test]
fn a_ps256_signature_made_step_by_step_as_rfc_8017_9_1_1_says_verifies() {
    // With the key of RFC 7515 A.2 and the salt 00 01 … 1f; the arithmetic was done by hand, not by OpenSSL.
    assert_good(
        json!({"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}),
        Scheme::Ps256,
        "eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.SHdbwC2HD3805O3W0NLTalEJlZuhQQDQmdZmm4Sh4Bm-OtmSht6GLzIUjtIjkBv5Ey3E74e6f9G_OXO3g1UC6W4jI4Xo6JmzK1wtY7YyQbDiiO9oVdfh5XFfX-i5NhZLD3ciP4x6tw7SiQuMXEfjCKKS8dbxqZsL0zU-OS4fj1zCFwv9thlunPSmOfYzfW0eTGtSemOMmfjFt5W9GR05OMdF90HlUpvKwBh5NwDFLwRJ92jIl5XNgp0E1a9GjFI-IyjeClmduHFKjmEF9UAPMHk8MrRzSaXngGKpagBnAGkBl1DR2JNN9-q5Zb4OhkeVPSYRW7HKeGdb1eT5tmdmPg",
    );
}

#[test]
fn the_p_384_example_of_rfc_6979_a_2_6_verifies() {
    let key = VerifyingKey::from_jwk(&json!({
        "kty": "EC", "crv": "P-384", "x": "7DpOQVtOGaRWhhgCn0J_pdqai8SukuAuBqrlKGswDGTe-PDqkFWGYGSiVFFUgLwT",
        "y": "gBXZty19VyROqO-awMYhiWcIpZNn-d-59UyoSz8cnbEoiyMcOuDU_nNE_SUzJkcg",
    }));
    let signature = "lO27kqXsuKrUc25WxpGRaz-IFAZmzp-nPWTE6pWtEzyBpkgVLkSs-W423R6A-r5Gme9K6xXxeM6h_kDbJgMTjxMOdAoZYkUmIDtjUdCjqU-jKcFFeG5nnnuCxxo4YorI";
    let signature = from_base64url(signature).unwrap();
    let key = key.unwrap();
    assert!(key.accepts(Scheme::Es384, b"sample", &signature));
    assert!(!key.accepts(Scheme::Es384, b"Sample", &signature));
    assert!(!key.accepts(Scheme::Es256, b"sample", &signature));
}

const A_3: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

fn a_3() -> Value {
    json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
}

#[test]
fn the_es256_example_of_rfc_7515_a_3_verifies() {
    assert_good(a_3(), Scheme::Es256, A_3);
}

#[test]
fn the_es256_example_passes_the_signature_and_then_lacks_an_audience() {
    let keys = KeySet::from_value(&json!({"keys": [a_3()]})).unwrap();
    let issuer = Issuer::parse("https://as.example").unwrap();
    let answer = verify(&Profile::client_assertion(&issuer, "joe"), &keys, A_3, Moment::from_unix(1_300_819_300));
    assert!(matches!(answer, Err(BadToken::Missing(claim)) if claim.name == "aud"), "{answer:?}");
}

#[test]
fn the_eddsa_example_of_rfc_8037_a_4_verifies() {
    assert_good(
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
        Scheme::EdDsa,
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    );
}

fn key(alg: Alg) -> SigningKey {
    let private = SigningKey::generate(alg).unwrap();
    let kid = SigningKey::name_of(alg, &private).unwrap();
    SigningKey::from_private(kid, alg, &private).unwrap()
}

#[test]
fn what_we_sign_we_accept_with_each_algorithm() {
    let issuer = Issuer::parse("https://as.example").unwrap();
    for alg in Alg::ALL {
        let key = key(alg);
        let keys: KeySet = [VerifyingKey::from_jwk(key.public_jwk()).unwrap()].into_iter().collect();
        let claims = json!({"iss": "https://as.example", "sub": "u", "aud": "rs", "exp": 200, "iat": 100, "jti": "j", "client_id": "c"});
        let token = key.sign(Typ::AccessToken, &claims).unwrap();
        let profile = Profile::access_token(&issuer, Audience::OneOf(vec!["rs".to_owned()]));
        let verified = verify(&profile, &keys, &token, Moment::from_unix(150)).unwrap();
        assert_eq!(Value::Object(verified.claims().clone()), claims);
        let as_id_token =
            verify(&Profile::id_token_hint(&issuer, Audience::Judged), &keys, &token, Moment::from_unix(150));
        assert_eq!(as_id_token, Err(BadToken::Typ));
    }
}

#[test]
fn the_header_names_algorithm_type_and_key() {
    let key = key(Alg::Es256);
    for typ in [Typ::AccessToken, Typ::IdToken, Typ::LogoutToken] {
        let token = key.sign(typ, &json!({})).unwrap();
        let header = from_base64url(token.split('.').next().unwrap()).unwrap();
        let expected = format!(r#"{{"alg":"ES256","typ":"{}","kid":"{}"}}"#, typ.name(), key.kid());
        assert_eq!(String::from_utf8(header).unwrap(), expected);
    }
}

#[test]
fn the_public_half_is_published_and_nothing_more() {
    for (alg, members) in [
        (Alg::Es256, &["kty", "crv", "x", "y", "kid", "alg", "use"][..]),
        (Alg::EdDsa, &["kty", "crv", "x", "kid", "alg", "use"]),
        (Alg::Rs256, &["kty", "n", "e", "kid", "alg", "use"]),
        (Alg::Es384, &["kty", "crv", "x", "y", "kid", "alg", "use"]),
        (Alg::Ps256, &["kty", "n", "e", "kid", "alg", "use"]),
    ] {
        let key = key(alg);
        let jwk = key.public_jwk();
        assert_eq!(jwk.as_object().unwrap().keys().collect::<Vec<_>>(), members, "{alg}");
        assert_eq!((jwk["alg"].as_str(), jwk["use"].as_str()), (Some(alg.name()), Some("sig")));
        assert_eq!(thumbprint(jwk).as_deref(), Some(key.kid().as_str()));
        assert_eq!(format!("{key:?}"), format!("SigningKey({alg} {})", key.kid()));
    }
}

#[test]
fn a_private_key_of_another_algorithm_is_a_fault() {
    let kid = || KeyId::parse("k").unwrap();
    for (made, taken) in [
        (Alg::Es256, Alg::EdDsa),
        (Alg::EdDsa, Alg::Es256),
        (Alg::Es256, Alg::Rs256),
        (Alg::Es256, Alg::Es384),
        (Alg::Es384, Alg::Es256),
        (Alg::EdDsa, Alg::Ps256),
    ] {
        let private = SigningKey::generate(made).unwrap();
        assert!(SigningKey::from_private(kid(), taken, &private).is_err(), "{made} as {taken}");
    }
    assert!(SigningKey::from_private(kid(), Alg::Es256, &b"no key at all".to_vec().into()).is_err());
}

#[test]
fn one_key_signs_on_two_threads_at_once() {
    let key = key(Alg::Es256);
    let public = VerifyingKey::from_jwk(key.public_jwk()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (key, public) = (&key, &public);
            scope.spawn(move || {
                for n in 0..100 {
                    let token = key.sign(Typ::IdToken, &json!({"thread": thread, "n": n})).unwrap();
                    let (signed, signature) = split(&token);
                    assert!(public.accepts(Scheme::Es256, signed, &signature));
                }
            });
        }
    });
}
