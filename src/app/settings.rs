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
    let VaultAccess { address, namespace, login } = access;
    let login = match login {
        VaultLogin::Token(token) => Login::Token(token),
        VaultLogin::AppRole { role_id, secret_id } => Login::AppRole { role_id, secret_id },
    };
    let vault = Vault::open(&Access { address, namespace, login }).map_err(|e| format!("is in Vault: {e}"))?;
    Ok(Box::new(Kept(vault)))
}

/// Secrets that Vault keeps, by `PATH#FIELD`.
struct Kept(Vault);

impl Source for Kept {
    fn fetch(&self, name: &str) -> Result<Secret<String>, String> {
        let (path, field) = name.split_once('#').ok_or("names no field: write PATH#FIELD")?;
        self.0.read(path, field).map_err(|e| e.to_string())
    }
}
