//! `[geo]`: where addresses are.

use super::section::section;
use std::path::PathBuf;

section! {
    /// Where addresses are.
    Geo = "geo" {
        /// A database of countries in MaxMind's format (`.mmdb`), such as GeoLite2 Country or DB-IP Country
        /// Lite, for restrictions of API keys by country. It is held in memory and read again with the
        /// settings; one that cannot be read then leaves the old one in use. It should be renewed at least
        /// monthly. Unset: no address has a country.
        database: Option<PathBuf>, Live;
    }
}
