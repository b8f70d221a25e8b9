//! What the demonstration's application must know before it can start, and the metadata under
//! which it is registered (RFC 7591 §2).

use crate::base::{entropy::Entropy, id::ClientId, moment::Clock, secret::Secret, uri::Issuer};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc};

/// The audience of the weather API, which there are keys for.
pub const WEATHER: &str = "https://weather.example";
/// What the client may do that makes keys.
pub(super) const KEEPER_SCOPE: &str = "keys:create keys:read keys:rotate keys:revoke";
/// What the keys of the weather API may do.
pub const KEY_SCOPE: &str = "forecast.read";

/// The scope that the sample API asks for.
pub const API_SCOPE: &str = "demo.read";

/// What the relying application is told at its start.
#[derive(Clone)]
pub struct DemoSettings {
    /// The issuer to sign people in with; everything else is learned through discovery.
    pub issuer: Issuer,
    /// Where to listen; its text is also the host of the redirect URIs.
    pub listen: SocketAddr,
    /// The application's own client.
    pub client_id: ClientId,
    /// The secret of that client, for `client_secret_basic`.
    pub client_secret: Secret<String>,
    /// The name with which the person of the demonstration signs in, shown on the first page.
    pub username: String,
    /// Their password, shown on the first page.
    pub password: Secret<String>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for `state`, `nonce`, verifiers and the cookie.
    pub entropy: Arc<dyn Entropy>,
}

impl DemoSettings {
    /// Scheme, host and port of the application.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.listen)
    }
    /// Where the answer of the authorization endpoint comes back to.
    #[must_use]
    pub fn redirect_uri(&self) -> String {
        format!("{}/callback", self.origin())
    }
    /// Where the browser comes back to after signing out.
    #[must_use]
    pub fn post_logout_redirect_uri(&self) -> String {
        format!("{}/signed-out", self.origin())
    }
    /// Where the issuer posts logout tokens.
    #[must_use]
    pub fn backchannel_logout_uri(&self) -> String {
        format!("{}/backchannel-logout", self.origin())
    }
    /// The resource indicator of the sample API (RFC 8707): the audience of its tokens.
    #[must_use]
    pub fn resource(&self) -> String {
        format!("{}/api", self.origin())
    }
    /// The metadata under which the application must be registered at the issuer. It is not a
    /// first party, so that the person sees a consent page.
    #[must_use]
    pub fn client_metadata(&self) -> Value {
        json!({
            "client_name": "Keywright demo application",
            "client_uri": self.origin(),
            "application_type": "web",
            "redirect_uris": [self.redirect_uri()],
            "post_logout_redirect_uris": [self.post_logout_redirect_uri()],
            "backchannel_logout_uri": self.backchannel_logout_uri(),
            "backchannel_logout_session_required": true,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "client_secret_basic",
            "id_token_signed_response_alg": "ES256",
            "scope": format!("openid profile email {API_SCOPE}"),
            "resources": [self.resource()],
        })
    }
    /// The metadata for the machine client of the printed commands: client credentials only.
    #[must_use]
    pub fn machine_metadata(&self) -> Value {
        json!({
            "client_name": "Keywright demo machine",
            "grant_types": ["client_credentials"],
            "response_types": [],
            "redirect_uris": [],
            "token_endpoint_auth_method": "client_secret_basic",
            "scope": API_SCOPE,
            "resources": [self.resource()],
            "protected_resources": [self.resource()],
        })
    }
    /// The metadata for the client of the printed commands about API keys: it makes keys of its own, and it
    /// is the weather API that asks whether they are good.
    #[must_use]
    pub fn keeper_metadata(&self) -> Value {
        json!({
            "client_name": "Keywright demo weather API",
            "grant_types": ["client_credentials"],
            "response_types": [],
            "redirect_uris": [],
            "token_endpoint_auth_method": "client_secret_basic",
            "scope": KEEPER_SCOPE,
            "resources": [self.issuer.as_str()],
            "protected_resources": [WEATHER],
        })
    }
}

impl std::fmt::Debug for DemoSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DemoSettings")
            .field("issuer", &self.issuer)
            .field("listen", &self.listen)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) fn sample() -> DemoSettings {
    use crate::base::{
        entropy::SeededEntropy,
        moment::{ManualClock, Moment},
    };
    DemoSettings {
        issuer: Issuer::parse("http://127.0.0.1:8080").unwrap(),
        listen: "127.0.0.1:8090".parse().unwrap(),
        client_id: ClientId::parse("demo-app").unwrap(),
        client_secret: Secret::new("a secret of the demonstration".into()),
        username: "ada".into(),
        password: Secret::new("demo pass phrase".into()),
        clock: Arc::new(ManualClock::at(Moment::from_unix(1_800_000_000))),
        entropy: Arc::new(SeededEntropy::new(8)),
    }
}
