//! Keys that strangers bring: single ones, and with proofs that they sign.

use super::{NOW, Target, issuer, lines};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use keywright::{
    base::digest::{base64url, from_base64url, sha256},
    jose::{BadKey, BadKeySet, KeySet, Profile, VerifyingKey, json, thumbprint, verify},
    oauth::dpop::{Field, Shown, judge},
};
use openssl::{
    pkey::{Id, PKey, Private},
    sign::Signer,
};
use serde_json::{Value, json as object};
use std::sync::LazyLock;

const KEYS: [&str; 5] = [
    r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","kid":"a","use":"sig","alg":"ES256"}"#,
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","key_ops":["verify"]}"#,
    r#"{"kty":"OKP","crv":"Ed25519","x":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
    r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB"}"#,
    r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}"#,
];

/// What a key is that is taken: public, of a type that we know, strong, with a name that anybody computes; alone and in a
/// set it is judged alike; and no signature that needs no private key is good for it.
pub const JWK_DOCUMENTS: Target = Target {
    name: "jwk_documents",
    run: |input| {
        let Ok(jwk) = json::value(input) else { return "no JSON".to_owned() };
        let alone = VerifyingKey::from_jwk(&jwk);
        let set = KeySet::from_value(&object!({ "keys": [jwk] }));
        match (&alone, &set) {
            (Ok(_), Ok(set)) => assert_eq!(set.len(), 1),
            (Err(BadKey::Foreign), Ok(set)) => assert!(set.is_empty()),
            (Err(bad), Err(BadKeySet::Key(same))) => assert_eq!(bad, same),
            other => panic!("alone and in a set it is judged differently: {other:?}"),
        }
        let (key, set) = match (alone, set) {
            (Ok(key), Ok(set)) => (key, set),
            (Err(bad), _) => return format!("{bad:?}"),
            (Ok(_), Err(bad)) => panic!("{bad}"),
        };
        assert!(["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().all(|member| jwk.get(member).is_none()));
        assert!(thumbprint(&jwk).is_some());
        assert_eq!(key.kid(), jwk.get("kid").and_then(Value::as_str));
        if jwk["kty"] == "RSA" {
            let number = |name: &str| from_base64url(jwk[name].as_str().unwrap()).unwrap();
            let (n, e) = (number("n"), number("e"));
            assert!(n.iter().skip_while(|byte| **byte == 0).count() >= 256 && n.last().unwrap() % 2 == 1);
            assert!(e.iter().fold(0u64, |sum, byte| sum * 256 + u64::from(*byte)) >= 65_537);
        }
        for alg in ["ES256", "EdDSA", "RS256", "PS256"] {
            for signature in signatures_of_nobody() {
                let header = object!({ "alg": alg }).to_string();
                let claims = object!({"iss": "cli_app", "sub": "cli_app", "aud": "https://id.example", "exp": 1_800_000_060, "jti": "j"});
                let token = format!(
                    "{}.{}.{}",
                    base64url(header.as_bytes()),
                    base64url(claims.to_string().as_bytes()),
                    base64url(signature)
                );
                assert!(verify(&Profile::client_assertion(issuer(), "cli_app"), &set, &token, NOW).is_err());
            }
        }
        format!("a key, {} kid", if key.kid().is_some() { "with" } else { "without" })
    },
    seeds: || super::seeds(&KEYS),
    words: &[
        "\"kty\":\"EC\"",
        "\"kty\":\"RSA\"",
        "\"kty\":\"OKP\"",
        "\"kty\":\"oct\"",
        "\"crv\":\"P-384\"",
        "\"crv\":\"Ed25519\"",
        "\"crv\":\"X25519\"",
        "\"e\":\"AQ\"",
        "\"e\":\"Aw\"",
        "\"use\":\"enc\"",
        "\"key_ops\":[\"verify\"]",
        "\"alg\":\"PS256\"",
        "\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"",
        "\"x\":\"7P________________________________________38\"",
        "\"k\":\"AA\"",
        "\"x5c\":[\"AA\"]",
        "\"kid\":null",
    ],
};

/// Signatures that anybody can write down: zeros, ones, the identity with a zero.
fn signatures_of_nobody() -> &'static [Vec<u8>] {
    static ALL: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let identity = [&[1][..], &[0; 63]].concat();
        let ones = [&[0; 31][..], &[1], &[0; 31], &[1]].concat();
        vec![vec![0; 64], vec![0xff; 64], identity, ones, vec![0; 256], [&[0; 255][..], &[1]].concat(), vec![0xff; 256]]
    });
    &ALL
}

fn key() -> &'static PKey<Private> {
    static KEY: LazyLock<PKey<Private>> =
        LazyLock::new(|| PKey::private_key_from_raw_bytes(&[9; 32], Id::ED25519).unwrap());
    &KEY
}

fn public() -> String {
    base64url(&key().raw_public_key().unwrap())
}

/// What goes with the proof.
const TOKEN: &str = "kw_live_of_somebody";

/// Header and claims, one to a line, under a good signature of the holder of one key. A proof is good only where a plain
/// reading finds all that RFC 9449 §4.3 asks for, and names the key that signed it and no other.
pub const SIGNED_PROOFS: Target = Target {
    name: "signed_proofs",
    run: |input| {
        let (header, claims) = lines(input);
        let encoded = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = Signer::new_without_digest(key()).unwrap().sign_oneshot_to_vec(signed.as_bytes()).unwrap();
        let text = format!("{signed}.{}", encoded(&signature));
        let shown = Shown { field: Field::One(&text), method: "POST", uri: "https://id.example/token".to_owned() };
        let proof = match judge(&shown, Some(TOKEN), NOW) {
            Ok(proof) => proof.unwrap(),
            Err(bad) => return format!("{bad:?}"),
        };
        let read = |part: &[u8]| serde_json::from_slice::<Value>(part).unwrap();
        let (header, claims) = (read(header), read(claims));
        assert_eq!((&header["alg"], &header["jwk"]["x"]), (&"EdDSA".into(), &public().into()));
        assert!(header["jwk"].get("d").is_none() && header.get("crit").is_none());
        assert_eq!(Some(proof.jkt), thumbprint(&header["jwk"]));
        assert_eq!(claims["htm"], "POST");
        assert_eq!(claims["ath"], base64url(&sha256(TOKEN.as_bytes())).as_str());
        let at = claims["iat"].as_f64().unwrap();
        let now = NOW.unix() as f64;
        assert!(at > now - 61.0 && at < now + 31.0 && proof.until > NOW);
        assert!(claims["jti"].as_str().is_some_and(|jti| !jti.is_empty() && jti.len() <= 256));
        "good".to_owned()
    },
    seeds: || {
        let jwk = object!({"kty": "OKP", "crv": "Ed25519", "x": public()});
        let header = object!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk});
        let ath = base64url(&sha256(TOKEN.as_bytes()));
        let claims =
            object!({"jti": "j", "htm": "POST", "htu": "https://id.example/token", "iat": NOW.unix(), "ath": ath});
        vec![format!("{header}\n{claims}").into_bytes()]
    },
    words: &[
        "\"typ\":\"JWT\"",
        "\"alg\":\"none\"",
        "\"alg\":\"ES256\"",
        "\"crit\":[\"htm\"]",
        "\"d\":\"AA\"",
        "\"jwk\":{}",
        "\"htm\":\"GET\"",
        "\"htu\":\"HTTPS://ID.example:443/token?x#y\"",
        "\"htu\":\"https://id.example/token/../token\"",
        "\"htu\":\"https://id.example@evil.example/token\"",
        "\"iat\":1799999939",
        "\"iat\":1800000031",
        "\"exp\":1",
        "\"ath\":null",
        "\"jti\":\"\"",
        "\n",
    ],
};
