//! HashiCorp Vault, or OpenBao: one field of one secret of its key-value engine, version 1 or 2, after
//! signing in with a token or as a role (AppRole). Bounded in time and size, never redirected.
//!
//! The address is the operator's, not a stranger's, so the guard of other calls does not stand before it.

use crate::base::secret::Secret;
use serde_json::{Value, json};
use std::{fmt, time::Duration};
use ureq::{
    Agent,
    http::Response,
    tls::{RootCerts, TlsConfig, TlsProvider},
};

/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of an answer.
const MAX_BYTES: u64 = 256 * 1024;

/// How it is reached.
#[derive(Clone, Debug)]
pub struct Access {
    /// Its address, without a slash at its end.
    pub address: String,
    /// The namespace there, if any.
    pub namespace: Option<String>,
    /// How to sign in.
    pub login: Login,
}

/// How to sign in.
#[derive(Clone, Debug)]
pub enum Login {
    /// With a token.
    Token(Secret<String>),
    /// As a role.
    AppRole {
        /// The role.
        role_id: String,
        /// Its secret.
        secret_id: Secret<String>,
    },
}

/// Why there is no secret. The text has nothing of any secret in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultFailed {
    /// No answer: it is away, too slow, or TLS failed.
    Away(String),
    /// It refused to let us sign in, with this status.
    SignIn(u16),
    /// It refused what was asked, with this status.
    Refused(u16),
    /// The answer is not one of Vault.
    Garbage,
    /// There is no such field, or it is no text.
    NoField,
    /// The path is none.
    BadPath,
}

impl fmt::Display for VaultFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(why) => write!(f, "Vault does not answer: {why}"),
            Self::SignIn(status) => write!(f, "Vault does not let us sign in (status {status})"),
            Self::Refused(403) => f.write_str("Vault refuses it (status 403): may this token read that path?"),
            Self::Refused(404) => f.write_str("Vault has nothing there (status 404)"),
            Self::Refused(503) => f.write_str("Vault is sealed (status 503)"),
            Self::Refused(status) => write!(f, "Vault refuses it (status {status})"),
            Self::Garbage => f.write_str("the answer is not one of Vault"),
            Self::NoField => f.write_str("Vault has no text in that field"),
            Self::BadPath => f.write_str("is no path of Vault: write vault:secret/data/NAME#FIELD"),
        }
    }
}
impl std::error::Error for VaultFailed {}

/// Vault, with a token in hand.
pub struct Vault {
    agent: Agent,
    address: String,
    namespace: Option<String>,
    token: Secret<String>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault at {}", self.address)
    }
}

impl Vault {
    /// Signs in, where that takes more than a token.
    ///
    /// # Errors
    /// [`VaultFailed`].
    pub fn open(access: &Access) -> Result<Self, VaultFailed> {
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .user_agent("Keywright")
            .build();
        let agent = Agent::new_with_config(config);
        let (address, namespace) = (access.address.clone(), access.namespace.clone());
        let token = match &access.login {
            Login::Token(token) => token.clone(),
            Login::AppRole { role_id, secret_id } => {
                let mut call = agent.post(format!("{address}/v1/auth/approle/login"));
                if let Some(namespace) = &namespace {
                    call = call.header("x-vault-namespace", namespace);
                }
                let body = Secret::new(json!({ "role_id": role_id, "secret_id": secret_id.expose() }).to_string());
                let answer = call.content_type("application/json").send(body.expose()).map_err(away)?;
                let answer = json_of(answer).map_err(|failed| match failed {
                    VaultFailed::Refused(status) => VaultFailed::SignIn(status),
                    other @ (VaultFailed::Away(_)
                    | VaultFailed::SignIn(_)
                    | VaultFailed::Garbage
                    | VaultFailed::NoField
                    | VaultFailed::BadPath) => other,
                })?;
                let token = answer.pointer("/auth/client_token").and_then(Value::as_str);
                Secret::new(token.ok_or(VaultFailed::Garbage)?.to_owned())
            }
        };
        Ok(Self { agent, address, namespace, token })
    }

    /// The text in a field of the secret at this path of the API, such as `secret/data/keywright`.
    ///
    /// # Errors
    /// [`VaultFailed`].
    pub fn read(&self, path: &str, field: &str) -> Result<Secret<String>, VaultFailed> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
        if path.is_empty() || field.is_empty() || !path.chars().all(plain) || path.split('/').any(|part| part == "..") {
            return Err(VaultFailed::BadPath);
        }
        let path = path.trim_matches('/');
        let mut call =
            self.agent.get(format!("{}/v1/{path}", self.address)).header("x-vault-token", self.token.expose());
        if let Some(namespace) = &self.namespace {
            call = call.header("x-vault-namespace", namespace);
        }
        let answer = json_of(call.call().map_err(away)?)?;
        let data = answer.get("data").and_then(Value::as_object).ok_or(VaultFailed::Garbage)?;
        // Version 2 of the engine wraps the secret, and puts metadata beside it.
        let inner = data.get("data").and_then(Value::as_object).filter(|_| data.contains_key("metadata"));
        let text = inner.unwrap_or(data).get(field).and_then(Value::as_str);
        text.map(|text| Secret::new(text.to_owned())).ok_or(VaultFailed::NoField)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn away(error: ureq::Error) -> VaultFailed {
    VaultFailed::Away(error.to_string())
}

fn json_of(mut answer: Response<ureq::Body>) -> Result<Value, VaultFailed> {
    let status = answer.status().as_u16();
    if status != 200 {
        return Err(VaultFailed::Refused(status));
    }
    let body = answer.body_mut().with_config().limit(MAX_BYTES).read_to_string().map(Secret::new);
    let body = body.map_err(away)?;
    serde_json::from_str(body.expose()).map_err(|_| VaultFailed::Garbage)
}
