//! A client and a request to start tests from.

use super::{
    client::{ApplicationType, AuthMethod, AuthorizeDefaults, Client, ClientKeys, GrantType, Responses, Shown, Trust},
    params::Params,
};
use crate::{
    base::{
        id::ClientId,
        scope::Scope,
        uri::{Issuer, RedirectUri, Resource},
    },
    jose::Alg,
};

/// A web client that may do everything a third party may.
pub(crate) fn client() -> Client {
    Client {
        id: ClientId::parse("cli_app").unwrap(),
        shown: Shown { name: "App".to_owned(), ..Shown::default() },
        application_type: ApplicationType::Web,
        auth_method: AuthMethod::ClientSecretBasic,
        keys: ClientKeys::None,
        grant_types: GrantType::ALL.iter().copied().collect(),
        redirect_uris: vec![RedirectUri::parse("https://app.example/cb").unwrap()],
        post_logout_redirect_uris: vec![RedirectUri::parse("https://app.example/bye").unwrap()],
        scope: Scope::parse("openid profile email offline_access read write").unwrap(),
        resources: vec![
            Resource::parse("https://api.example").unwrap(),
            Resource::parse("https://other.example").unwrap(),
        ],
        protected_resources: Vec::new(),
        trust: Trust::ThirdParty,
        defaults: AuthorizeDefaults::default(),
        id_token_alg: Alg::Es256,
        responses: Responses::default(),
        access_token_lifetime: None,
        backchannel_logout: None,
    }
}

pub(crate) fn issuer() -> Issuer {
    Issuer::parse("https://id.example").unwrap()
}

/// A good authorization request of [`client`], with some parameters replaced; an empty value
/// leaves the parameter out.
pub(crate) fn request(changes: &[(&str, &str)]) -> Params {
    let good = [
        ("client_id", "cli_app"),
        ("redirect_uri", "https://app.example/cb"),
        ("response_type", "code"),
        ("scope", "openid read"),
        ("state", "xyz"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    let kept = good.into_iter().filter(|(name, _)| !changes.iter().any(|(n, _)| n == name));
    let added = changes.iter().copied().filter(|(_, value)| !value.is_empty());
    Params::from_pairs(kept.chain(added))
}
