//! Floor 5: builds the world from the settings, and runs the server in it.

pub mod declared;
pub mod demo;
mod kek;
pub mod observe;
pub mod open;
pub mod process;
pub mod reload;
pub mod serve;
pub mod settings;
