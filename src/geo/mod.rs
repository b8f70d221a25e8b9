//! In which country an address is, as a database in MaxMind's format says (GeoLite2 Country,
//! DB-IP Country Lite and others); it is the operator's file, held in memory.
//!
//! It is a guess of whoever made the database: good enough to restrict, never to identify.

use crate::base::{
    fault::Fault,
    moment::{Moment, Span},
};
use arc_swap::ArcSwapOption;
use maxminddb::{PathElement, Reader};
use std::{fmt, fs, net::IpAddr, path::Path, sync::Arc};

/// Beyond this age a database is worth a warning: addresses move, and good ones are made anew each week.
const OLD: Span = Span::days(45);

/// A country: two capital letters (ISO 3166-1 alpha-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Country([u8; 2]);

impl Country {
    fn parse(text: &str) -> Option<Self> {
        let code: [u8; 2] = text.as_bytes().try_into().ok()?;
        code.iter().all(u8::is_ascii_uppercase).then_some(Self(code))
    }

    /// Its two letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // They are ASCII: nothing else is let in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Where addresses are: of no address, where no database is open.
#[derive(Default)]
pub struct Geo(ArcSwapOption<Reader<Vec<u8>>>);

impl fmt::Debug for Geo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.load().is_some() { "Geo" } else { "Geo, without a database" })
    }
}

impl Geo {
    /// Reads a database into memory.
    ///
    /// # Errors
    /// A fault where the file cannot be read or is no such database.
    pub fn open(path: &Path, now: Moment) -> Result<Self, Fault> {
        let geo = Self::default();
        geo.reload(Some(path), now)?;
        Ok(geo)
    }

    /// Reads a database in place of the one in use; with `None`, uses none from now on.
    ///
    /// # Errors
    /// As [`Geo::open`]; the one in use stays.
    pub fn reload(&self, path: Option<&Path>, now: Moment) -> Result<(), Fault> {
        let Some(path) = path else {
            self.0.store(None);
            return Ok(());
        };
        let doing = || format!("reading the database of addresses {} (geo.database)", path.display());
        let bytes = fs::read(path).map_err(|e| Fault::new(doing(), e))?;
        let reader = Reader::from_source(bytes).map_err(|e| Fault::new(doing(), e))?;
        let (kind, built) = (&reader.metadata().database_type, built(&reader));
        if now.since(built) > OLD {
            let days = now.since(built).as_seconds() / 86400;
            tracing::warn!(geo.kind = %kind, geo.built = %built, geo.days = days, "the database of addresses is old");
        } else {
            tracing::info!(geo.kind = %kind, geo.built = %built, "the database of addresses was read");
        }
        self.0.store(Some(Arc::new(reader)));
        Ok(())
    }

    /// The country of this address; `None` where the database, or whoever reads it, does not know.
    #[must_use]
    pub fn country(&self, address: IpAddr) -> Option<Country> {
        let reader = self.0.load();
        let found = reader.as_ref()?.lookup(address.to_canonical()).ok()?;
        // Where an address is, before where the network that it belongs to is registered.
        ["country", "registered_country"].iter().find_map(|of| {
            let path = [PathElement::Key(of), PathElement::Key("iso_code")];
            Country::parse(found.decode_path::<&str>(&path).ok()??)
        })
    }

    /// How old the database in use is.
    #[must_use]
    pub fn age(&self, now: Moment) -> Option<Span> {
        self.0.load().as_ref().map(|reader| now.since(built(reader)))
    }
}

fn built(reader: &Reader<Vec<u8>>) -> Moment {
    Moment::from_unix(i64::try_from(reader.metadata().build_epoch).unwrap_or(0))
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
