//! What the steps of common requests cost by themselves, in process: `cargo bench`. See docs/performance.md.
#![expect(clippy::unwrap_used, reason = "a bench that cannot prepare its input has nothing to measure")]

use base64::{Engine, prelude::BASE64_STANDARD};
use divan::{Bencher, black_box};
use keywright::{
    base::{
        credential::{Kind, RefreshKeys, RefreshToken, mint, well_formed},
        digest::Pepper,
        entropy::OsEntropy,
        id::{ClientId, GrantId, KeyId},
        moment::{Moment, Span},
        secret::Secret,
        uri::Issuer,
    },
    flow::revocations::Revocations,
    jose::{self, Alg, KeySet, Profile, SigningKey, Typ, VerifyingKey, verify},
    oauth::{
        authorize::{Destination, check},
        client::Client,
        grant::TokenRequest,
        introspect,
        issue::{AccessToken, Audience, Policy, Terms, token_name},
        metadata::{Abilities, metadata},
        params::Params,
        proof::{Known, Means, Presented, StoredSecret, prove},
        register::parse_client,
    },
};
use serde_json::json;

/// Every algorithm that tokens are signed with.
const ALGS: [Alg; 5] = Alg::ALL;
const NOW: Moment = Moment::from_unix(1_800_000_000);

fn main() {
    divan::main();
}

fn policy() -> Policy {
    Policy {
        issuer: Issuer::parse("https://id.example").unwrap(),
        access_token_lifetime: Span::minutes(5),
        id_token_lifetime: Span::minutes(5),
        code_lifetime: Span::seconds(60),
        refresh_idle: Span::days(30),
        refresh_absolute: Span::days(90),
        refresh_grace: Span::seconds(30),
        access_token_alg: Alg::Es256,
        default_audience: None,
    }
}

fn client() -> Client {
    let members = json!({
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "redirect_uris": ["https://app.example/cb"],
        "scope": "openid read write",
        "resources": ["https://api.example"],
    });
    let id = ClientId::parse("cli_06ScM2Wv7S4Y3XJ3ZLq1f2").unwrap();
    parse_client(id, members.as_object().unwrap(), Default::default()).unwrap()
}

fn key(alg: Alg) -> SigningKey {
    let private = SigningKey::generate(alg).unwrap();
    SigningKey::from_private(KeyId::parse("k1").unwrap(), alg, &private).unwrap()
}

fn audience(policy: &Policy, client: &Client) -> Audience {
    Audience::of(&client.resources.iter().cloned().collect(), &client.scope, policy)
}

/// The claims of an access token of a client's own, with a fresh name, signed.
fn token(key: &SigningKey, policy: &Policy, client: &Client, audience: &Audience) -> String {
    let terms = Terms { client, scope: &client.scope, audience, jkt: None };
    let claims = AccessToken::own(terms, policy, token_name(&OsEntropy).unwrap(), NOW);
    key.sign(Typ::AccessToken, &claims).unwrap()
}

#[divan::bench(args = ALGS)]
fn mint_an_access_token(bencher: Bencher<'_, '_>, alg: Alg) {
    let (key, policy, client) = (key(alg), policy(), client());
    let audience = audience(&policy, &client);
    bencher.bench(|| token(&key, &policy, &client, &audience));
}

#[divan::bench(args = ALGS)]
fn verify_an_access_token(bencher: Bencher<'_, '_>, alg: Alg) {
    let (key, policy, client) = (key(alg), policy(), client());
    let keys: KeySet = [VerifyingKey::from_jwk(key.public_jwk()).unwrap()].into_iter().collect();
    let token = token(&key, &policy, &client, &audience(&policy, &client));
    let profile = Profile::access_token(&policy.issuer, jose::Audience::Judged);
    bencher.bench(|| verify(&profile, &keys, black_box(&token), NOW).unwrap());
}

/// All that introspection of an access token does behind the proof of its caller: no query is among it.
#[divan::bench]
fn introspect_an_access_token(bencher: Bencher<'_, '_>) {
    let (key, policy, client, revoked) = (key(Alg::Es256), policy(), client(), Revocations::default());
    for _ in 0..10_000 {
        revoked.token(token_name(&OsEntropy).unwrap(), NOW + Span::minutes(5));
    }
    let keys: KeySet = [VerifyingKey::from_jwk(key.public_jwk()).unwrap()].into_iter().collect();
    let token = token(&key, &policy, &client, &audience(&policy, &client));
    bencher.bench(|| {
        let profile = Profile::access_token(&policy.issuer, jose::Audience::Judged);
        let verified = verify(&profile, &keys, black_box(&token), NOW).unwrap();
        let grant = verified.str("grant_id").and_then(GrantId::parse);
        assert!(!revoked.includes(verified.str("jti").unwrap_or_default(), grant.as_ref()));
        introspect::access_token(&client, &verified).to_string()
    });
}

fn refresh_keys() -> RefreshKeys {
    RefreshKeys { succession: Secret::new([1; 32]), mark: Secret::new([2; 32]) }
}

fn refresh_token() -> RefreshToken {
    RefreshToken::first(&GrantId::mint(NOW, &OsEntropy).unwrap(), &refresh_keys(), &OsEntropy).unwrap()
}

#[divan::bench]
fn read_and_hash_a_refresh_token(bencher: Bencher<'_, '_>) {
    let (keys, pepper, token) = (refresh_keys(), Pepper::new(1, &Secret::new([3; 32])), refresh_token());
    let text = token.text().expose();
    bencher.bench(|| {
        let token = RefreshToken::parse(black_box(text)).unwrap();
        assert!(token.authentic(&keys));
        pepper.hash(token.text().expose())
    });
}

#[divan::bench]
fn derive_the_next_refresh_token(bencher: Bencher<'_, '_>) {
    let (keys, token) = (refresh_keys(), refresh_token());
    bencher.bench(|| token.successor(&keys, black_box(&[7; 16])).unwrap());
}

#[divan::bench]
fn refuse_text_that_is_no_secret(bencher: Bencher<'_, '_>) {
    let text = mint(Kind::ClientSecret, &OsEntropy).unwrap();
    let text = text.expose().replace('a', "b") + "x";
    bencher.bench(|| well_formed(Kind::ClientSecret, black_box(&text)));
}

/// From the wire to a proven client: the body, the Basic field, the form of the secret, its hash.
#[divan::bench]
fn prove_a_client_by_its_secret(bencher: Bencher<'_, '_>) {
    let (client, policy, pepper) = (client(), policy(), Pepper::new(1, &Secret::new([3; 32])));
    let secret = mint(Kind::ClientSecret, &OsEntropy).unwrap();
    let field = format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", client.id, secret.expose())));
    let stored = [StoredSecret { hash: pepper.hash(secret.expose()), pepper: 1, expires_at: None }];
    bencher.bench(|| {
        let params = Params::parse(black_box(b"grant_type=client_credentials&scope=read")).unwrap();
        let presented = Presented::parse(Some(&field), &params).unwrap();
        let request = TokenRequest::parse(&params).unwrap();
        let known = Known { secrets: &stored, keys: None };
        let means = Means { peppers: std::slice::from_ref(&pepper), issuer: &policy.issuer, now: NOW };
        (request, prove(&presented, Some(&client), known, means).unwrap())
    });
}

#[divan::bench]
fn judge_an_authorization_request(bencher: Bencher<'_, '_>) {
    let client = client();
    let query =
        b"client_id=x&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&response_type=code&scope=openid+read&state=xyz\
                  &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&nonce=n";
    bencher.bench(|| {
        let params = Params::parse(black_box(query)).unwrap();
        let destination = Destination::prove(&params, &client).unwrap();
        check(&params, &client, &destination, NOW).unwrap()
    });
}

/// Made once, when the server starts; each request then copies a pointer to these bytes.
#[divan::bench]
fn write_the_discovery_document(bencher: Bencher<'_, '_>) {
    let (issuer, abilities) = (policy().issuer, Abilities::default());
    bencher.bench(|| metadata(black_box(&issuer), &abilities).to_string());
}
