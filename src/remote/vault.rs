//! HashiCorp Vault, or OpenBao: one field of one secret of its key-value engine, version 1 or 2, what its engine Transit
//! decrypts, and whatever else of its API somebody here needs; after signing in with a token, as a role (AppRole), or as
//! a service account of Kubernetes. Bounded in time and size, never redirected.
//!
//! The address is the operator's, not a stranger's, so the guard of other calls does not stand before it.

use crate::base::secret::Secret;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use std::{fmt, fs, path::PathBuf, time::Duration};
use ureq::{
    Agent,
    http::Response,
    tls::{RootCerts, TlsConfig, TlsProvider},
};
use zeroize::Zeroizing;

/// How long one call may take, unless somebody says otherwise.
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
    /// As a service account of Kubernetes.
    Kubernetes {
        /// Where the method is mounted.
        mount: String,
        /// The role there.
        role: String,
        /// The file with the token of the account. Kubernetes replaces it, so it is read at each sign-in.
        token: PathBuf,
    },
}

/// Why there is no secret. The text has nothing of any secret in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultFailed {
    /// No answer: it is away, too slow, or TLS failed.
    Away(String),
    /// It refused to let us sign in, with this status.
    SignIn(u16),
    /// What we would sign in with cannot be read.
    NoAccount(String),
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
            Self::NoAccount(why) => write!(f, "the token of the service account cannot be read: {why}"),
            Self::Refused(403) => f.write_str("Vault refuses it (status 403): may this token read that path?"),
            Self::Refused(404) => f.write_str("Vault has nothing there (status 404)"),
            Self::Refused(503) => f.write_str("Vault is sealed (status 503)"),
            Self::Refused(status) => write!(f, "Vault refuses it (status {status})"),
            Self::Garbage => f.write_str("the answer is not one of Vault"),
            Self::NoField => f.write_str("Vault has no text in that field"),
            Self::BadPath => {
                f.write_str("is no path of Vault: write vault:secret/data/NAME#FIELD, or transit:MOUNT/KEY#CIPHERTEXT")
            }
        }
    }
}
impl std::error::Error for VaultFailed {}

/// What is asked of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask<'a> {
    Get,
    Post(&'a Value),
    Delete,
}

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
        Self::open_patient(access, PATIENCE)
    }

    /// The same; no call takes longer than this.
    pub(super) fn open_patient(access: &Access, patience: Duration) -> Result<Self, VaultFailed> {
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(patience))
            .user_agent("Keywright")
            .build();
        let agent = Agent::new_with_config(config);
        let (address, namespace) = (access.address.clone(), access.namespace.clone());
        let nobody = Self { agent, address, namespace, token: Secret::new(String::new()) };
        let (path, body) = match &access.login {
            Login::Token(token) => return Ok(Self { token: token.clone(), ..nobody }),
            Login::AppRole { role_id, secret_id } => (
                "auth/approle/login".to_owned(),
                Secret::new(json!({ "role_id": role_id, "secret_id": secret_id.expose() }).to_string()),
            ),
            Login::Kubernetes { mount, role, token } => {
                let account = fs::read_to_string(token).map(Secret::new);
                let account = account.map_err(|e| VaultFailed::NoAccount(format!("{}: {e}", token.display())))?;
                let body = json!({ "role": role, "jwt": account.expose().trim() }).to_string();
                (format!("auth/{}/login", plain(mount)?), Secret::new(body))
            }
        };
        let token = nobody.sign_in(&path, &body)?;
        Ok(Self { token, ..nobody })
    }

    fn sign_in(&self, path: &str, body: &Secret<String>) -> Result<Secret<String>, VaultFailed> {
        let mut call = self.agent.post(format!("{}/v1/{path}", self.address));
        if let Some(namespace) = &self.namespace {
            call = call.header("x-vault-namespace", namespace);
        }
        let answer = call.content_type("application/json").send(body.expose()).map_err(away)?;
        let answer = json_of(answer).map_err(|failed| match failed {
            VaultFailed::Refused(status) => VaultFailed::SignIn(status),
            other @ (VaultFailed::Away(_)
            | VaultFailed::SignIn(_)
            | VaultFailed::NoAccount(_)
            | VaultFailed::Garbage
            | VaultFailed::NoField
            | VaultFailed::BadPath) => other,
        })?;
        let token = answer.pointer("/auth/client_token").and_then(Value::as_str);
        Ok(Secret::new(token.ok_or(VaultFailed::Garbage)?.to_owned()))
    }

    /// One call of its API; null where the answer has no body.
    pub(super) fn call(&self, ask: Ask<'_>, path: &str) -> Result<Value, VaultFailed> {
        let url = format!("{}/v1/{}", self.address, plain(path)?);
        let namespace = self.namespace.as_ref().map(|namespace| ("x-vault-namespace", namespace.as_str()));
        let headers = [Some(("x-vault-token", self.token.expose().as_str())), namespace];
        let answer = match ask {
            Ask::Get => {
                headers.into_iter().flatten().fold(self.agent.get(url), |call, (n, v)| call.header(n, v)).call()
            }
            Ask::Delete => {
                headers.into_iter().flatten().fold(self.agent.delete(url), |call, (n, v)| call.header(n, v)).call()
            }
            Ask::Post(body) => headers
                .into_iter()
                .flatten()
                .fold(self.agent.post(url), |call, (n, v)| call.header(n, v))
                .content_type("application/json")
                .send(body.to_string()),
        };
        json_of(answer.map_err(away)?)
    }

    /// The text in a field of the secret at this path of the API, such as `secret/data/keywright`.
    ///
    /// # Errors
    /// [`VaultFailed`].
    pub fn read(&self, path: &str, field: &str) -> Result<Secret<String>, VaultFailed> {
        if field.is_empty() {
            return Err(VaultFailed::BadPath);
        }
        let answer = self.call(Ask::Get, path)?;
        let data = answer.get("data").and_then(Value::as_object).ok_or(VaultFailed::Garbage)?;
        // Version 2 of the engine wraps the secret, and puts metadata beside it.
        let inner = data.get("data").and_then(Value::as_object).filter(|_| data.contains_key("metadata"));
        let text = inner.unwrap_or(data).get(field).and_then(Value::as_str);
        text.map(|text| Secret::new(text.to_owned())).ok_or(VaultFailed::NoField)
    }

    /// What the engine Transit makes of a ciphertext (`vault:v1:…`) with a key, by `MOUNT/KEY`. What is no text is given as
    /// base64url: that is what its `datakey` wraps.
    ///
    /// # Errors
    /// [`VaultFailed`].
    pub fn decrypt(&self, key: &str, ciphertext: &str) -> Result<Secret<String>, VaultFailed> {
        let (mount, name) = key.rsplit_once('/').ok_or(VaultFailed::BadPath)?;
        let answer = self.call(Ask::Post(&json!({ "ciphertext": ciphertext })), &format!("{mount}/decrypt/{name}"))?;
        let plaintext = answer.pointer("/data/plaintext").and_then(Value::as_str).ok_or(VaultFailed::Garbage)?;
        let bytes = Zeroizing::new(BASE64_STANDARD.decode(plaintext).map_err(|_| VaultFailed::Garbage)?);
        Ok(Secret::new(match std::str::from_utf8(&bytes) {
            Ok(text) => text.trim_end_matches('\n').to_owned(),
            Err(_) => crate::base::digest::base64url(&bytes),
        }))
    }
}

/// A path of the API, as it may stand in a URL.
fn plain(path: &str) -> Result<&str, VaultFailed> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
    if path.is_empty() || !path.chars().all(plain) || path.split('/').any(|part| part == "..") {
        return Err(VaultFailed::BadPath);
    }
    Ok(path.trim_matches('/'))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn away(error: ureq::Error) -> VaultFailed {
    VaultFailed::Away(error.to_string())
}

fn json_of(mut answer: Response<ureq::Body>) -> Result<Value, VaultFailed> {
    match answer.status().as_u16() {
        200 => {}
        204 => return Ok(Value::Null),
        status => return Err(VaultFailed::Refused(status)),
    }
    let body = answer.body_mut().with_config().limit(MAX_BYTES).read_to_string().map(Secret::new);
    let body = body.map_err(away)?;
    serde_json::from_str(body.expose()).map_err(|_| VaultFailed::Garbage)
}
