//! Floor 5: builds the world from the settings, and runs the server in it.

pub mod backup;
pub mod backup_file;
pub mod declared;
pub mod demo;
pub mod drill;
mod folder;
mod kek;
pub mod observe;
pub mod open;
mod pg_tools;
pub mod process;
pub mod reload;
pub mod restore;
pub mod serve;
pub mod settings;
mod socket;
