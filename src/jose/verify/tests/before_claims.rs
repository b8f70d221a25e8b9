//! Size, shape, header, key and signature: what comes before any claim.

use super::*;

#[test]
fn rule_1_size_and_shape_come_first() {
    assert_eq!(judge(&rs(), &"x".repeat(8193)), Err(BadToken::TooLong));
    assert_eq!(judge(&rs(), &"x".repeat(8192)), Err(BadToken::NotCompact));
    for text in ["", "a", "a.b", "a.b.c.d", "a.b.c.d.e"] {
        assert_eq!(judge(&rs(), text), Err(BadToken::NotCompact), "{text}");
    }
    for text in ["..", "!.!.!", "e30=.e30.e30", " e30.e30.e30"] {
        assert!(matches!(judge(&rs(), text), Err(BadToken::NotBase64 | BadToken::Header)), "{text}");
    }
}

#[test]
fn a45_millions_of_dots_are_refused_before_the_split() {
    assert_eq!(judge(&rs(), &".".repeat(5_000_000)), Err(BadToken::TooLong));
    assert_eq!(judge(&rs(), &".".repeat(8000)), Err(BadToken::NotCompact));
    assert_eq!(peek_subject(&".".repeat(5_000_000)), Err(BadToken::TooLong));
}

#[test]
fn a47_a_huge_header_is_refused_before_it_is_decoded() {
    let token = format!("{}.e30.AA", "A".repeat(9000));
    assert_eq!(judge(&rs(), &token), Err(BadToken::TooLong));
}

#[test]
fn rule_2_only_the_compact_form_is_accepted() {
    let (header, claims) = access_token();
    let token = signed(&header, &claims);
    let parts: Vec<&str> = token.split('.').collect();
    let flattened = json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]}).to_string();
    let general =
        json!({"payload": parts[1], "signatures": [{"protected": parts[0], "signature": parts[2]}]}).to_string();
    for text in [flattened, general] {
        assert_eq!(judge(&rs(), &text), Err(BadToken::NotCompact));
    }
}

#[test]
fn rule_3_a_member_twice_is_refused_in_header_and_claims_at_any_depth() {
    let signer = ES256.signer_from_der(private(Alg::Es256)).unwrap();
    let (header, claims) = access_token();
    let (header, claims) = (header.to_string(), claims.to_string());
    let twice = |text: &str, more: &str| format!("{},{more}}}", text.strip_suffix('}').unwrap());
    assert!(judge(&rs(), &assembled(&header, &claims, &signer)).is_ok());
    for (header, claims, expected) in [
        (twice(&header, r#""alg":"ES256""#), claims.clone(), BadToken::Header),
        (twice(&header, r#""x":{"a":1,"a":1}"#), claims.clone(), BadToken::Header),
        (header.clone(), twice(&claims, r#""sub":"usr_2""#), BadToken::Claims),
        (header.clone(), twice(&claims, r#""x":[{"a":1,"a":1}]"#), BadToken::Claims),
        (header.clone(), twice(&claims, &format!(r#""x":{}1{}"#, "[".repeat(16), "]".repeat(16))), BadToken::Claims),
        (header.clone(), "[]".to_owned(), BadToken::Claims),
        ("\"x\"".to_owned(), claims.clone(), BadToken::Header),
    ] {
        assert_eq!(judge(&rs(), &assembled(&header, &claims, &signer)), Err(expected), "{header} {claims}");
    }
}

#[test]
fn rule_4_the_algorithm_is_out_of_the_list_and_fits_the_key() {
    for (alg, expected) in [
        (json!("none"), BadToken::Algorithm),
        (json!("NONE"), BadToken::Algorithm),
        (json!("ES512"), BadToken::Algorithm),
        (json!("es256"), BadToken::Algorithm),
        (json!(["ES256"]), BadToken::Algorithm),
        (json!("ABSENT"), BadToken::Algorithm),
        // Known, but this key is not of it.
        (json!("ES384"), BadToken::UnknownKey),
        (json!("PS256"), BadToken::UnknownKey),
        (json!("RS256"), BadToken::UnknownKey),
        (json!("EdDSA"), BadToken::UnknownKey),
    ] {
        assert_eq!(at(json!({"h.alg": alg})), Err(expected), "{alg}");
    }
    let (mut header, claims) = access_token();
    header["alg"] = json!("none");
    let unsigned =
        format!("{}.{}.", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
    assert_eq!(judge(&rs(), &unsigned), Err(BadToken::Algorithm));
}

#[test]
fn a49_an_hmac_with_the_public_key_is_refused() {
    let public = RS256.key_pair_from_der(private(Alg::Rs256)).unwrap();
    for secret in [public.to_pem_public_key(), public.to_der_public_key()] {
        let signer = HS256.signer_from_bytes(&secret).unwrap();
        let (mut header, claims) = access_token();
        header["kid"] = json!("RS256");
        for (alg, expected) in [("HS256", BadToken::Algorithm), ("RS256", BadToken::SignatureLength)] {
            header["alg"] = json!(alg);
            assert_eq!(judge(&rs(), &assembled(&header.to_string(), &claims.to_string(), &signer)), Err(expected));
        }
    }
}

#[test]
fn rule_4_each_scheme_of_a_client_verifies() {
    let signers: [(&str, &str, Box<dyn JwsSigner>); 4] = [
        ("ES256", "ES256", Box::new(ES256.signer_from_der(private(Alg::Es256)).unwrap())),
        ("EdDSA", "EdDSA", Box::new(EdDSA.signer_from_der(private(Alg::EdDsa)).unwrap())),
        ("RS256", "RS256", Box::new(RS256.signer_from_der(private(Alg::Rs256)).unwrap())),
        ("RS256", "PS256", {
            let mut jwk = RS256.key_pair_from_der(private(Alg::Rs256)).unwrap().to_jwk_private_key();
            jwk.set_parameter("alg", None).unwrap(); // or it stays with RS256
            Box::new(PS256.signer_from_jwk(&jwk).unwrap())
        }),
    ];
    for (kid, alg, signer) in signers {
        let (mut header, claims) = assertion();
        (header["kid"], header["alg"]) = (json!(kid), json!(alg));
        let token = assembled(&header.to_string(), &claims.to_string(), &*signer);
        assert_eq!(judge(&client(), &token).map(|_| ()), Ok(()), "{alg}");
    }
}

#[test]
fn a46_rule_5_any_crit_is_refused_known_or_not_and_so_is_b64() {
    for (member, value) in [
        ("h.crit", json!(["exp"])),
        ("h.crit", json!(["b64"])),
        ("h.crit", json!([])),
        ("h.crit", json!(null)),
        ("h.b64", json!(true)),
        ("h.b64", json!(false)),
    ] {
        assert_eq!(at(json!({ member: value })), Err(BadToken::Critical), "{member}");
    }
}

#[test]
fn a43_a44_rule_11_password_based_and_compressed_encryption_are_refused() {
    assert_eq!(at(json!({"h.zip": "DEF"})), Err(BadToken::Critical));
    let bomb = json!({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 1_000_000, "p2s": "AAAA"}).to_string();
    let encrypted = format!("{}.AA.AA.AA.AA", base64url(bomb.as_bytes()));
    assert_eq!(judge(&rs(), &encrypted), Err(BadToken::NotCompact));
    assert_eq!(at(json!({"h.alg": "PBES2-HS256+A128KW", "h.p2c": 1_000_000})), Err(BadToken::Algorithm));
}

#[test]
fn a48_a_key_in_the_header_is_not_looked_at() {
    let stranger = SigningKey::generate(Alg::Es256).unwrap();
    let jwk =
        SigningKey::from_private(KeyId::parse("ES256").unwrap(), Alg::Es256, &stranger).unwrap().public_jwk().clone();
    let signer = ES256.signer_from_der(stranger.expose()).unwrap();
    let (mut header, claims) = access_token();
    for member in ["jwk", "jku", "x5u", "x5c"] {
        header[member] = if member == "jwk" { jwk.clone() } else { json!("https://evil.example/jwks") };
    }
    assert_eq!(judge(&rs(), &assembled(&header.to_string(), &claims.to_string(), &signer)), Err(BadToken::Signature));
    header.as_object_mut().unwrap().remove("kid");
    assert_eq!(judge(&rs(), &assembled(&header.to_string(), &claims.to_string(), &signer)), Err(BadToken::Signature));
    // And they do no harm beside a good signature.
    assert!(judge(&rs(), &signed(&header, &claims)).is_ok());
}

#[test]
fn a50_rule_6_the_key_is_named_by_the_header_out_of_our_own_set() {
    for kid in [json!(7), json!(null), json!(["ES256"]), json!({"ES256": 1})] {
        assert_eq!(at(json!({"h.kid": kid})), Err(BadToken::KeyId), "{kid}");
    }
    for kid in ["stranger", "", "../../dev/null", "ES256' OR 1=1"] {
        assert_eq!(at(json!({"h.kid": kid})), Err(BadToken::UnknownKey), "{kid}");
    }
    assert!(at(json!({"h.kid": "ABSENT"})).is_ok(), "one key fits ES256");
    // Whatever the claims say of keys changes nothing.
    assert!(at(json!({"kid": "stranger", "cnf": {"jwk": {"kty": "oct", "k": "AAAA"}}})).is_ok());
}

#[test]
fn a51_rule_7_a_signature_of_another_length_is_refused_before_it_is_verified() {
    let (header, claims) = access_token();
    let token = signed(&header, &claims);
    let (front, _) = token.rsplit_once('.').unwrap();
    for length in [0, 1, 63, 65, 70, 71, 72, 96, 132, 1000] {
        let token = format!("{front}.{}", base64url(&vec![0x30; length]));
        assert_eq!(judge(&rs(), &token), Err(BadToken::SignatureLength), "{length}");
    }
    for byte in [0, 0xff] {
        let token = format!("{front}.{}", base64url(&[byte; 64]));
        assert_eq!(judge(&rs(), &token), Err(BadToken::Signature), "r and s of {byte}");
    }
}

#[test]
fn rule_7_the_signature_comes_before_any_claim() {
    let (header, claims) = access_token();
    let expired = signed(&header, &json!({"exp": 1}));
    let good = signed(&header, &claims);
    let spliced = format!("{}.{}", expired.rsplit_once('.').unwrap().0, good.rsplit_once('.').unwrap().1);
    assert_eq!(judge(&rs(), &spliced), Err(BadToken::Signature));
}

#[test]
fn a31_every_truncation_and_extension_is_refused() {
    let (header, claims) = access_token();
    let token = signed(&header, &claims);
    assert!(judge(&rs(), &token).is_ok());
    for length in 0..token.len() {
        assert!(judge(&rs(), &token[..length]).is_err(), "{length}");
    }
    for more in ["A", "AA", "=", ".", " ", "\n", "\0"] {
        assert!(judge(&rs(), &format!("{token}{more}")).is_err(), "{more:?}");
        assert!(judge(&rs(), &format!("{more}{token}")).is_err(), "{more:?}");
    }
}
