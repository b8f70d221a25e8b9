//! `[sign_in]`: how people sign in, and what slows down those who guess.

use super::{
    section::section,
    setting::{Setting, echo, quoted},
};
use crate::base::moment::Span;

/// So many in so long: see [`Rate::allowance`] for how it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Span,
}

impl Setting for Rate {
    const WHAT: &'static str = "a number, a slash and a length of time, such as \"10/10m\"";
    fn from_text(text: &str) -> Result<Self, String> {
        let Some((count, per)) = text.split_once('/') else {
            return Err(format!("{} has no slash", echo(text)));
        };
        let rate = Self { count: u32::from_text(count)?, per: Span::from_text(per)? };
        match rate {
            Self { count: 0, .. } => Err("would let nobody in".into()),
            Self { per: Span::ZERO, .. } => Err("has no length of time".into()),
            Self { .. } => Ok(rate),
        }
    }
    fn to_toml(&self) -> Option<String> {
        let per = self.per.to_toml()?;
        Some(quoted(&format!("{}/{}", self.count, per.trim_matches('"'))))
    }
}

section! {
    /// How people sign in, and what slows down those who guess.
    SignIn = "sign_in" {
        /// The name of the service, as pages show it.
        display_name: String = "Keywright", Live;
        /// How long a browser session lasts without being used.
        session_idle: Span = "12h" in "1m" .. "365d", Live;
        /// How long a browser session lasts at all.
        session_absolute: Span = "14d" in "1m" .. "365d", Live;
        /// The fewest characters of a new password.
        password_min_length: usize = "12" in "8" .. "64", Live;
        /// Threads that hash passwords. 0: one less than there are cores, at least one.
        hash_threads: usize = "0" in "0" .. "256", Restart;
        /// How many sign-ins may wait for a thread; beyond it they are answered with 503.
        hash_queue: usize = "16" in "1" .. "4096", Restart;
        /// Failed attempts for one account from one address. As with the three below: so many at once, then
        /// one more each time its share of the time has gone by. It is counted for the pair, so that
        /// strangers elsewhere cannot lock anybody out. Where it is counted is for `limits.store` to say: in
        /// Redis by all nodes together, else by each node alone against its share, and anew after a restart.
        attempts_per_account: Rate = "10/10m", Live;
        /// Failed attempts from one address, whatever the account. An office or a carrier may be behind it.
        attempts_per_address: Rate = "50/10m", Live;
        /// Failed attempts for one account from all browsers that are new to it together: the ceiling for
        /// a guesser with many addresses. It does not bind a browser in which that person signed in before.
        attempts_everywhere: Rate = "30/5h", Live;
        /// Failed attempts for one account in a browser in which that person signed in before.
        attempts_known_browser: Rate = "10/10m", Live;
        /// Whether clients may register `http://localhost` as a redirect URI. The literals `127.0.0.1` and
        /// `[::1]` are always allowed, and are what RFC 8252 §8.3 recommends.
        allow_localhost_redirects: bool = "false", Live;
    }
}
