//! Reading the settings with everything that they name: the one place where secrets are asked of Vault.

use crate::{
    base::secret::Secret,
    config::{Config, ConfigError, Source, VaultAccess, VaultLogin, environment},
    remote::vault::{Access, Login, Vault},
};
use std::path::Path;

/// The settings in force: the file, where there is one, the environment, and the secrets that they name. Blocks.
///
/// # Errors
/// [`ConfigError`] with everything that is wrong.
pub fn load(path: Option<&Path>) -> Result<Config, ConfigError> {
    Config::load_with(path, environment(), &open)
}

fn open(access: VaultAccess) -> Result<Box<dyn Source>, String> {
    let vault = Vault::open(&vault(access)).map_err(|e| format!("is in Vault: {e}"))?;
    Ok(Box::new(Kept(vault)))
}

/// How Vault is reached, as whoever calls it wants it.
pub(super) fn vault(access: VaultAccess) -> Access {
    let VaultAccess { address, namespace, login } = access;
    let login = match login {
        VaultLogin::Token(token) => Login::Token(token),
        VaultLogin::AppRole { role_id, secret_id } => Login::AppRole { role_id, secret_id },
        VaultLogin::Kubernetes { mount, role, token } => Login::Kubernetes { mount, role, token },
    };
    Access { address, namespace, login }
}

/// Secrets that Vault keeps, by `vault:PATH#FIELD`, and that its engine Transit decrypts, by `transit:MOUNT/KEY#CIPHERTEXT`.
struct Kept(Vault);

impl Source for Kept {
    fn fetch(&self, name: &str) -> Result<Secret<String>, String> {
        if let Some(name) = name.strip_prefix("transit:") {
            let (key, ciphertext) = name.split_once('#').ok_or("names no ciphertext: write MOUNT/KEY#CIPHERTEXT")?;
            return self.0.decrypt(key, ciphertext).map_err(|e| e.to_string());
        }
        let name = name.strip_prefix("vault:").unwrap_or(name);
        let (path, field) = name.split_once('#').ok_or("names no field: write PATH#FIELD")?;
        self.0.read(path, field).map_err(|e| e.to_string())
    }
}
