//! What clients bring to be believed: their requests to the token endpoint, and access tokens.

use super::{NOW, Target, client, issuer, lines, seeds, text};
use base64::{Engine, prelude::BASE64_STANDARD};
use keywright::{
    base::{
        credential::{Kind, mint},
        digest::Pepper,
        entropy::SeededEntropy,
        secret::Secret,
    },
    oauth::{
        bearer::{NoToken, token_of},
        client::AuthMethod,
        dpop::{Field, Shown, judge},
        grant::TokenRequest,
        params::Params,
        proof::{Known, Means, Presented, StoredSecret, prove},
    },
};

/// The secret that the client has.
fn secret() -> String {
    mint(Kind::ClientSecret, &SeededEntropy::new(1)).unwrap().expose().clone()
}

/// One method of authentication is seen or none; the client is proven by its secret and by nothing else; and what was
/// presented never prints. First line: the field `Authorization`; then the body.
pub const TOKEN_REQUESTS: Target = Target {
    name: "token_requests",
    run: |input| {
        let (field, body) = lines(input);
        let field = text(field);
        let field = (!field.is_empty()).then_some(field.as_str());
        let Ok(params) = Params::parse(body) else { return "no parameters".to_owned() };
        let request = match TokenRequest::parse(&params) {
            Ok(request) => format!("{:?}", request.grant_type()),
            Err(refusal) => refusal.to_string(),
        };
        let presented = match Presented::parse(field, &params) {
            Ok(presented) => presented,
            Err(refusal) => return format!("{request}; {refusal}"),
        };
        let ways = [field.is_some(), params.has("client_secret"), params.has("client_assertion")];
        let seen = ways.iter().filter(|way| **way).count();
        assert_eq!(seen, usize::from(presented.method() != AuthMethod::None));
        let named = params.once("client_id").unwrap();
        assert!(named.is_none_or(|named| named == presented.client_id().as_str()));
        format!("{request}; {:?}; {}", presented.method(), judged(&presented))
    },
    seeds: || {
        let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("cli_app:{}", secret())));
        let texts = [
            format!("{basic}\ngrant_type=client_credentials&scope=read&resource=https%3A%2F%2Fapi.example"),
            format!("{basic}\ngrant_type=authorization_code&code=kw_code_x&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            format!("{basic}\ngrant_type=refresh_token&refresh_token=kw_rt_x&scope=openid&client_id=cli_app"),
            format!("\ngrant_type=client_credentials&client_id=cli_app&client_secret={}", secret()),
            "\ngrant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=e30.eyJpc3MiOiJjbGlfYXBwIiwic3ViIjoiY2xpX2FwcCJ9.AAAA".to_owned(),
            "\ntoken=kw_rt_x&token_type_hint=refresh_token&client_id=cli_app".to_owned(),
        ];
        texts.map(String::into_bytes).into()
    },
    words: &[
        "Basic ",
        "basic  ",
        "Bearer ",
        "Y2xpX2FwcDo=",
        "client_id=cli_app",
        "&client_secret=",
        "&grant_type=",
        "&code=",
        "cli_app:",
    ],
};

fn judged(presented: &Presented) -> String {
    static PEPPER: std::sync::LazyLock<Pepper> = std::sync::LazyLock::new(|| Pepper::new(1, &Secret::new([7; 32])));
    let stored = StoredSecret { hash: PEPPER.hash(&secret()), pepper: 1, expires_at: None };
    let known = Known { secrets: &[stored], keys: None };
    let with = Means { peppers: std::slice::from_ref(&*PEPPER), issuer: issuer(), now: NOW };
    let shown = match presented {
        Presented::Basic { secret, .. } | Presented::Post { secret, .. } | Presented::Assertion { jwt: secret, .. } => {
            let printed = format!("{presented:?}").replace(presented.client_id().as_str(), "");
            assert!(secret.expose().len() < 20 || !printed.contains(secret.expose()), "a secret prints");
            secret.expose().clone()
        }
        Presented::Nothing { .. } => String::new(),
    };
    match prove(presented, Some(client()), known, with) {
        Ok(_) => {
            assert_eq!((presented.client_id(), shown), (&client().id, secret()), "proven by something else");
            "proven".to_owned()
        }
        Err(denied) => format!("{:?}", denied.why),
    }
}

/// A token comes from one place, never from the query, and has a token's characters. Lines: the field `Authorization`, the
/// query, the body. The challenge that answers anything else is one header line whose quotes close.
pub const BEARER_TOKENS: Target = Target {
    name: "bearer_tokens",
    run: |input| {
        let (field, rest) = lines(input);
        let (query, body) = lines(rest);
        let (Ok(query), Ok(body)) = (Params::parse(query), Params::parse(body)) else {
            return "no parameters".to_owned();
        };
        let field = text(field);
        let field = (!field.is_empty()).then_some(field.as_str());
        match token_of(field, &query, Some(&body)).map(|(token, _)| token) {
            Ok(token) => {
                assert!(!query.has("access_token") && !token.is_empty() && token.len() <= 8192);
                assert!(token.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\,;:".contains(&b)), "{token:?}");
                let in_field = field.is_some_and(|field| field.ends_with(token) || field.trim_end().ends_with(token));
                let in_body = body.once("access_token").unwrap() == Some(token);
                assert!(in_field || in_body, "from nowhere");
                format!("field {in_field}, body {in_body}")
            }
            Err(no) => {
                let challenge = no.challenge(issuer());
                let printed = challenge.to_string();
                assert!(printed.bytes().all(|b| (b' '..=b'~').contains(&b)) && printed.matches('"').count() % 2 == 0);
                assert_eq!(challenge.error().is_none(), no == NoToken::Absent);
                printed
            }
        }
    },
    seeds: || {
        seeds(&[
            "Bearer a.b.c\n\n",
            "\n\naccess_token=abc",
            "Bearer abc==\nx=1\ny=2",
            "bearer  x\naccess_token=a\n",
            "Basic eA==\n\n",
        ])
    },
    words: &["Bearer ", "access_token=", "\n", "Bearer", "==", "b64token"],
};

/// Nobody has signed what is tried here, so no proof is good, whatever its header and claims are and
/// whatever key it brings along. Lines: a whole proof, or else a header and claims.
pub const DPOP_PROOFS: Target = Target {
    name: "dpop_proofs",
    run: |input| {
        let (header, claims) = lines(input);
        let encoded = |part: &[u8]| base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(part);
        let built = format!("{}.{}.{}", encoded(header), encoded(claims), encoded(&[7; 64]));
        let whole = text(input);
        let mut ends = String::new();
        for text in [whole.as_str(), &built] {
            let shown = Shown { field: Field::One(text), method: "POST", uri: "https://id.example/token".to_owned() };
            let Err(bad) = judge(&shown, None, NOW) else { panic!("a proof that nobody made") };
            assert!(!bad.because().is_empty());
            ends.push_str(&format!("{bad:?} "));
        }
        ends
    },
    seeds: || {
        seeds(&[
            "a.b.c",
            concat!(
                r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}}"#,
                "\n",
                r#"{"jti":"-BwC3ESc6acc2lTc","htm":"POST","htu":"https://id.example/token","iat":1800000000}"#
            ),
            r#"{"typ":"dpop+jwt","alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}"#,
            r#"{"typ":"dpop+jwt","alg":"none","jwk":{"kty":"oct","k":"AAAA","d":"AA"}}"#,
        ])
    },
    words: &["dpop+jwt", "jwk", "\"alg\":", "none", "ES256", "htm", "htu", "iat", "jti", "ath", "\n", "."],
};
