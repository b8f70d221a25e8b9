//! `[secrets]`: the keys above all keys, and where secrets are kept.

use super::{
    environment::{Environment, variable},
    section::section,
    setting::{Setting, quoted},
    source::{VaultAccess, VaultLogin, local},
};
use crate::base::secret::Secret;
use std::path::PathBuf;
use toml::Table;
use url::{Host, Url};

/// Where Vault or OpenBao is.
#[derive(Clone, Debug)]
pub struct VaultAddress(pub String);

impl Setting for VaultAddress {
    const WHAT: &'static str =
        "an https URL without a path, such as \"https://vault.example:8200\" (http for loopback hosts only)";
    fn from_text(text: &str) -> Result<Self, String> {
        let url = Url::parse(text.trim()).map_err(|_| "is not a URL".to_owned())?;
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return Err("names no host".into()),
        };
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            "http" => return Err("would send secrets over plain http to another machine".into()),
            _ => return Err("begins neither with https:// nor with http://".into()),
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || !url.username().is_empty() {
            return Err("has more than a host and a port".into());
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
    fn to_toml(&self) -> Option<String> {
        Some(quoted(&self.0))
    }
}

section! {
    /// The keys above all keys, and where secrets are kept. Any setting that may be a secret may name one instead:
    /// `env:NAME` or `${NAME}` a variable, `file:PATH` a file that not every user can read, `cmd:COMMAND` what a
    /// command prints (run by the shell, within 10 s), `vault:PATH#FIELD` a field of HashiCorp Vault or OpenBao,
    /// by the path of its API (`secret/data/keywright`), `transit:MOUNT/KEY#CIPHERTEXT` what its engine Transit decrypts.
    /// They are read at the start and on SIGHUP.
    Secrets = "secrets" {
        /// The key-encryption key, under which private signing keys and sign-ins in progress are sealed.
        /// Give it by `KEYWRIGHT_KEK_FILE` or `KEYWRIGHT_KEK`. Unset: the file `kek` in `server.data_dir`,
        /// made at the first start. Every node of one installation needs the same.
        kek: Option<Secret<[u8; 32]>>, Live;
        /// Key-encryption keys before that one, under which something in the database is sealed still. Needed
        /// from the day a new one is given until `keywright secrets rewrap` has run.
        older_keks: Vec<Secret<[u8; 32]>>, Live;
        /// The pepper, with which secrets are hashed. Unset: one that rests in the database, sealed. A new one
        /// takes hold when `keywright secrets rotate-pepper` is run. Without it no secret is known again.
        pepper: Option<Secret<[u8; 32]>>, Live;
        /// Peppers before that one, which some secrets are hashed with still.
        older_peppers: Vec<Secret<[u8; 32]>>, Live;
        /// Where HashiCorp Vault or OpenBao is, for settings that name a secret there.
        vault_address: Option<VaultAddress>, Live;
        /// The namespace there. Unset: none.
        vault_namespace: Option<String>, Live;
        /// The token to read with. A secret that cannot be in Vault itself: give it by
        /// `KEYWRIGHT_SECRETS_VAULT_TOKEN_FILE`. Unset: AppRole or Kubernetes is used, as below.
        vault_token: Option<Secret<String>>, Live;
        /// The role to sign in with (AppRole).
        vault_role_id: Option<String>, Live;
        /// The secret of the role. Give it by `KEYWRIGHT_SECRETS_VAULT_SECRET_ID_FILE`.
        vault_secret_id: Option<Secret<String>>, Live;
        /// The role to sign in with as a service account of Kubernetes.
        vault_kubernetes_role: Option<String>, Live;
        /// Where that method is mounted.
        vault_kubernetes_mount: String = "kubernetes", Live;
        /// The file with the token of the service account. It is read at each sign-in.
        vault_kubernetes_token: PathBuf = "/var/run/secrets/kubernetes.io/serviceaccount/token", Live;
    }
}

impl Secrets {
    /// How Vault is reached, where the settings say so wholly.
    #[must_use]
    pub fn vault(&self) -> Option<VaultAccess> {
        let login = match (&self.vault_token, &self.vault_role_id, &self.vault_secret_id, &self.vault_kubernetes_role) {
            (Some(token), _, _, _) => VaultLogin::Token(token.clone()),
            (None, Some(role_id), Some(secret_id), _) => {
                VaultLogin::AppRole { role_id: role_id.clone(), secret_id: secret_id.clone() }
            }
            (None, _, _, Some(role)) => VaultLogin::Kubernetes {
                mount: self.vault_kubernetes_mount.clone(),
                role: role.clone(),
                token: self.vault_kubernetes_token.clone(),
            },
            (None, _, _, None) => return None,
        };
        let address = self.vault_address.as_ref()?.0.clone();
        Some(VaultAccess { address, namespace: self.vault_namespace.clone(), login })
    }

    /// The peppers that are given, the newest first.
    #[must_use]
    pub fn peppers(&self) -> Vec<Secret<[u8; 32]>> {
        self.pepper.iter().chain(&self.older_peppers).cloned().collect()
    }

    /// Reads the text of a key-encryption key, as it stands in the setting or in the key file.
    ///
    /// # Errors
    /// What is wrong with it; its text is not repeated.
    pub fn parse_kek(text: &str) -> Result<Secret<[u8; 32]>, String> {
        <Secret<[u8; 32]> as Setting>::from_text(text)
    }
}

/// How Vault is reached, read before anything else is: from these settings alone, whose own secrets
/// cannot be in Vault.
pub(super) fn vault_access(root: &Table, environment: &Environment) -> Result<VaultAccess, String> {
    let section = root.get("secrets").and_then(toml::Value::as_table);
    let take = |name: &str| -> Result<Option<Secret<String>>, String> {
        let given = environment.get(&variable("secrets", name));
        let text = match given {
            Some(given) => Some(given.text.as_str()),
            None => section.and_then(|table| table.get(name)).and_then(toml::Value::as_str),
        };
        text.map(|text| match given.and_then(|given| given.file.as_ref()) {
            Some(_) => Ok(Secret::new(text.trim().to_owned())),
            None => local(text),
        })
        .transpose()
        .map_err(|wrong| format!("is in Vault, and secrets.{name} {wrong}"))
    };
    let plain = |name: &str| Ok::<_, String>(take(name)?.map(|text| text.expose().clone()));
    let address = plain("vault_address")?.ok_or("is in Vault, and secrets.vault_address is unset")?;
    let address = VaultAddress::from_text(&address).map_err(|wrong| format!("is in Vault, and its address {wrong}"))?;
    let own = |name: &str, default: &str| Ok::<_, String>(plain(name)?.unwrap_or_else(|| default.to_owned()));
    let approle = plain("vault_role_id")?.zip(take("vault_secret_id")?);
    let login = match (take("vault_token")?, approle, plain("vault_kubernetes_role")?) {
        (Some(token), _, _) => VaultLogin::Token(token),
        (None, Some((role_id, secret_id)), _) => VaultLogin::AppRole { role_id, secret_id },
        (None, None, Some(role)) => VaultLogin::Kubernetes {
            mount: own("vault_kubernetes_mount", "kubernetes")?,
            role,
            token: own("vault_kubernetes_token", "/var/run/secrets/kubernetes.io/serviceaccount/token")?.into(),
        },
        (None, None, None) => {
            return Err("is in Vault, and neither secrets.vault_token, nor secrets.vault_role_id with \
                        secrets.vault_secret_id, nor secrets.vault_kubernetes_role is given"
                .into());
        }
    };
    Ok(VaultAccess { address: address.0, namespace: plain("vault_namespace")?, login })
}
