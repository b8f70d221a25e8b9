//! `[secrets]`: the key above all keys.

use super::{section::section, setting::Setting};
use crate::base::secret::Secret;

section! {
    /// The key above all keys.
    Secrets = "secrets" {
        /// The key-encryption key, under which private signing keys and sign-ins in progress are sealed.
        /// Give it by `KEYWRIGHT_KEK_FILE` or `KEYWRIGHT_KEK`. Unset: the file `kek` in `server.data_dir`,
        /// made at the first start. Every node of one installation needs the same.
        kek: Option<Secret<[u8; 32]>>, Restart;
    }
}

impl Secrets {
    /// Reads the text of a key-encryption key, as it stands in the setting or in the key file.
    ///
    /// # Errors
    /// What is wrong with it; its text is not repeated.
    pub fn parse_kek(text: &str) -> Result<Secret<[u8; 32]>, String> {
        <Secret<[u8; 32]> as Setting>::from_text(text)
    }
}
