//! `[clients]`: clients declared in a file.

use super::section::section;
use std::path::PathBuf;

section! {
    /// Clients declared in a file, beside those registered by command.
    Clients = "clients" {
        /// A JSON or TOML file of declared clients, applied at every start and reload as by
        /// `keywright client apply`.
        file: Option<PathBuf>, Live;
    }
}
