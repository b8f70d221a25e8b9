//! Tables over client metadata.

use super::{
    RegistrationCode::{self, InvalidClientMetadata, InvalidRedirectUri},
    *,
};
use crate::base::{id::KeyId, moment::Moment};
use crate::{base::entropy::SeededEntropy, jose::SigningKey};
use proptest::prelude::*;
use serde_json::json;

fn id() -> ClientId {
    ClientId::parse("cli_app").unwrap()
}

fn read(metadata: &Value) -> Result<Client, RegistrationError> {
    parse_client(id(), metadata.as_object().unwrap(), RegistrationPolicy::default())
}

/// A good web client with some members replaced.
fn changed(changes: &Value) -> Value {
    let mut metadata = json!({"redirect_uris": ["https://app.example/cb"]});
    for (name, value) in changes.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    metadata
}

fn written_of(client: &Client) -> Value {
    Value::Object(to_metadata(client))
}

fn jwks() -> Value {
    let private = SigningKey::generate(Alg::Es256).unwrap();
    let key = SigningKey::from_private(KeyId::parse("k1").unwrap(), Alg::Es256, &private).unwrap();
    let to_encrypt = json!({
        "kty": "EC", "crv": "P-256", "use": "enc", "kid": "1",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    });
    json!({"keys": [key.public_jwk(), to_encrypt]})
}

#[test]
fn c24_the_defaults_are_those_of_the_standards() {
    let client = read(&changed(&json!({}))).unwrap();
    assert_eq!(client.auth_method, AuthMethod::ClientSecretBasic);
    assert_eq!(client.grant_types, [GrantType::AuthorizationCode].into());
    assert_eq!((client.application_type, client.id_token_alg), (ApplicationType::Web, Alg::Rs256));
    assert_eq!((client.scope.to_string().as_str(), client.trust), ("openid", Trust::ThirdParty));
}

fn everything() -> Value {
    json!({
        "client_id": "cli_app",
        "client_name": "Café",
        "client_uri": "https://app.example/",
        "policy_uri": "https://app.example/privacy",
        "tos_uri": "https://app.example/terms",
        "application_type": "native",
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": jwks(),
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types": ["code"],
        "redirect_uris": ["https://app.example/cb?x=1", "http://127.0.0.1/cb", "com.example.app:/cb"],
        "post_logout_redirect_uris": ["https://app.example/bye"],
        "scope": "offline_access openid profile read",
        "resources": ["https://b.example", "https://a.example"],
        "protected_resources": ["https://b.example"],
        "first_party": true,
        "default_max_age": 3600,
        "require_auth_time": true,
        "default_acr_values": ["urn:a"],
        "id_token_signed_response_alg": "EdDSA",
        "id_token_encrypted_response_alg": "ECDH-ES",
        "id_token_encrypted_response_enc": "A256GCM",
        "userinfo_signed_response_alg": "RS256",
        "userinfo_encrypted_response_alg": "ECDH-ES",
        "userinfo_encrypted_response_enc": "A256GCM",
        "access_token_lifetime": 600,
        "backchannel_logout_uri": "https://app.example/logout",
        "backchannel_logout_session_required": true,
    })
}

#[test]
fn what_is_registered_is_read_back_as_it_was() {
    let metadata = everything();
    let written = written_of(&read(&metadata).unwrap());
    assert_eq!(written, metadata);
    let fetched = changed(&json!({"jwks_uri": "https://app.example/jwks", "scope": ""}));
    let written = written_of(&read(&fetched).unwrap());
    assert_eq!(written_of(&read(&written).unwrap()), written);
    assert_eq!((written["jwks_uri"].clone(), written["scope"].clone()), (fetched["jwks_uri"].clone(), json!("")));
}

#[test]
fn every_known_member_is_written_by_a_client_that_has_it() {
    let mut written: BTreeSet<String> =
        written_of(&read(&everything()).unwrap()).as_object().unwrap().keys().cloned().collect();
    written.extend(["jwks_uri", "subject_type"].map(str::to_owned));
    written.remove("client_id");
    assert_eq!(written, members::KNOWN.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn a11_b20_a_redirect_uri_that_could_run_code_or_be_read_on_the_way_is_refused() {
    for bad in [
        "javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///x",
        "http://app.example/cb",
        "http://localhost/cb",
        "https://app.example/cb#x",
        "https://u:p@app.example/cb",
        "/cb",
        "myapp:/cb",
        "https://app.example/cb?code=1",
        "https://app.example/cb?a=b&%73tate=1",
        "com.example.app:/cb",
    ] {
        let error = read(&changed(&json!({"redirect_uris": [bad]}))).unwrap_err();
        assert_eq!((error.code, error.member.as_str()), (InvalidRedirectUri, "redirect_uris"), "{bad}");
    }
    assert!(read(&changed(&json!({"redirect_uris": ["com.example.app:/cb"], "application_type": "native"}))).is_ok());
    let local = json!({"redirect_uris": ["http://localhost:3000/cb"]});
    assert!(read_stored(id(), local.as_object().unwrap()).is_ok());
}

#[test]
fn what_does_not_go_together_is_refused_by_its_member() {
    for (changes, member) in [
        (json!({"redirect_uris": []}), "redirect_uris"),
        (json!({"grant_types": ["client_credentials"]}), "redirect_uris"),
        (json!({"grant_types": []}), "grant_types"),
        (json!({"grant_types": ["password"]}), "grant_types"),
        (json!({"grant_types": ["implicit"]}), "grant_types"),
        (json!({"grant_types": ["refresh_token"], "redirect_uris": []}), "grant_types"),
        (
            json!({"grant_types": ["authorization_code", "client_credentials"], "token_endpoint_auth_method": "none"}),
            "grant_types",
        ),
        (json!({"response_types": ["token"]}), "response_types"),
        (json!({"response_types": []}), "response_types"),
        (json!({"token_endpoint_auth_method": "private_key_jwt"}), "token_endpoint_auth_method"),
        (json!({"token_endpoint_auth_method": "client_secret_jwt"}), "token_endpoint_auth_method"),
        (json!({"jwks": jwks(), "jwks_uri": "https://app.example/jwks"}), "jwks"),
        (json!({"jwks": {"keys": []}}), "jwks"),
        (json!({"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}}), "jwks"),
        (json!({"jwks_uri": "http://app.example/jwks"}), "jwks_uri"),
        (json!({"subject_type": "pairwise"}), "subject_type"),
        (json!({"id_token_signed_response_alg": "none"}), "id_token_signed_response_alg"),
        (json!({"id_token_signed_response_alg": "HS256"}), "id_token_signed_response_alg"),
        (json!({"application_type": "spa"}), "application_type"),
        (json!({"backchannel_logout_session_required": true}), "backchannel_logout_session_required"),
        (json!({"access_token_lifetime": 5}), "access_token_lifetime"),
        (json!({"access_token_lifetime": "600"}), "access_token_lifetime"),
        (json!({"default_max_age": -1}), "default_max_age"),
        (json!({"scope": "a\"b"}), "scope"),
        (json!({"scope": ["a"]}), "scope"),
        (json!({"resources": ["relative"]}), "resources"),
        (json!({"resources": ["https://a.example", "https://a.example"]}), "resources"),
        (json!({"first_party": "yes"}), "first_party"),
        (json!({"client_name": "a\u{7}"}), "client_name"),
        (json!({"client_id": "cli_other"}), "client_id"),
        (json!({"client_secret": "hunter2"}), "client_secret"),
        (json!({"logo_uri": "https://app.example/logo"}), "logo_uri"),
        (json!({"redirect_uri": ["https://app.example/cb"]}), "redirect_uri"),
    ] {
        let error = read(&changed(&changes)).unwrap_err();
        assert_eq!(error.member, member, "{changes} {error}");
        let code: RegistrationCode = error.code;
        assert_eq!(code == InvalidClientMetadata, member != "redirect_uris", "{changes}");
    }
}

#[test]
fn an_unknown_member_is_answered_with_the_nearest_known_one() {
    let error = read(&changed(&json!({"redirect_uri": "x"}))).unwrap_err();
    assert_eq!(error.to_string(), "redirect_uri is unknown: did you mean redirect_uris?");
    let error = read(&changed(&json!({"zzz_completely_other": 1}))).unwrap_err();
    assert_eq!(error.because, "is unknown");
}

#[test]
fn a_machine_needs_no_redirect_uri() {
    let metadata = json!({"grant_types": ["client_credentials"], "response_types": [], "scope": "read"});
    let client = read(&metadata).unwrap();
    assert!(client.redirect_uris.is_empty());
    assert_eq!(read(&json!({"grant_types": ["client_credentials"]})).unwrap().scope, Scope::none());
}

#[test]
fn b16_an_identifier_of_ours_is_never_a_persons() {
    let dice = SeededEntropy::new(1);
    assert!(ClientId::mint(Moment::EPOCH, &dice).unwrap().as_str().starts_with("cli_"));
    assert!(crate::base::id::UserId::mint(Moment::EPOCH, &dice).unwrap().as_str().starts_with("usr_"));
}

proptest! {
    #[test]
    fn what_is_accepted_reads_back_the_same(
        uri in "https://[a-z]{1,8}[.]example/[a-z]{0,8}([?][a-z=&]{0,10})?",
        scope in "[a-z ]{0,20}",
        grants in proptest::sample::subsequence(vec!["authorization_code", "refresh_token", "client_credentials"], 0..=3),
        lifetime in proptest::option::of(0i64..200_000),
    ) {
        let metadata = json!({
            "redirect_uris": [uri], "scope": scope, "grant_types": grants, "access_token_lifetime": lifetime,
        });
        if let Ok(client) = read(&metadata) {
            let written = written_of(&client);
            prop_assert_eq!(written_of(&read(&written).unwrap()), written);
        }
    }
}
