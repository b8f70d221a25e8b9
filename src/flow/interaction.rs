//! The state of an authorization request while a page is open: sealed, so that the browser
//! carries it but cannot read or change it, and bound to that browser.
//!
//! Nothing is stored for a page that nobody answers. Replaying the state is harmless: it is the
//! request, seen again, in the same browser.

use super::world::World;
use crate::{
    base::{
        digest::{base64url, hmac, sha256},
        entropy::{self},
        fault::Fault,
        id::SessionId,
        moment::{Moment, Span},
        secret::{Secret, same},
    },
    oauth::authorize::checks::Asked,
};

/// How long a page may stay open.
const LIFE: Span = Span::hours(1);
/// The longest sealed text that is looked at, so that it fits into a URL of 8 KiB.
pub const MAX_TEXT: usize = 7 * 1024;
/// What the seal is bound to besides its key.
const CONTEXT: &[u8] = b"interaction";

/// The account that was chosen on the page for it.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Chosen {
    /// The session of that account.
    pub session: SessionId,
    /// When.
    pub at: Moment,
}

/// An authorization request that waits for a person.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Interaction {
    /// The request, checked.
    pub asked: Asked,
    /// The account that was chosen, where the client wants a choice.
    pub chosen: Option<Chosen>,
    browser: String,
}

/// Why a sealed text could not be used: it is broken, of another browser, or too old. Which of
/// them is no one's business; the way on is the same: back to the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// A browser, by the value of its cookie.
#[derive(Debug)]
pub struct Browser(Secret<String>);

impl Browser {
    /// The browser that sent this cookie; `None` where it sent none that could be ours.
    #[must_use]
    pub fn known(cookie: Option<&Secret<String>>) -> Option<Self> {
        let cookie = cookie?;
        let ours = cookie.expose().len() == 22 && cookie.expose().bytes().all(|b| b.is_ascii_alphanumeric());
        ours.then(|| Self(cookie.clone()))
    }

    /// A browser that has not been here before.
    ///
    /// # Errors
    /// As [`entropy::Entropy::fill`].
    pub fn new(dice: &dyn entropy::Entropy) -> Result<Self, Fault> {
        crate::base::base62::random(22, dice).map(|name| Self(Secret::new(name)))
    }

    /// For its cookie.
    #[must_use]
    pub const fn cookie(&self) -> &Secret<String> {
        &self.0
    }

    /// What it is known by to those who must not learn its cookie.
    pub(super) fn mark(&self) -> String {
        base64url(&sha256(self.0.expose().as_bytes()))
    }

    /// The token that a form of ours must bring back: bound to this browser, and to the session
    /// that it was shown in, so that what one person was shown no other can answer.
    #[must_use]
    pub fn form_token(&self, world: &World, session: Option<&SessionId>) -> String {
        let session = session.map_or("", SessionId::as_str);
        base64url(&hmac(&world.secrets.forms, &[b"form", self.0.expose().as_bytes(), session.as_bytes()]))
    }

    /// Whether a form brought back its token.
    #[must_use]
    pub fn sent(&self, world: &World, session: Option<&SessionId>, token: &str) -> bool {
        same(self.form_token(world, session).as_bytes(), token.as_bytes())
    }
}

impl Interaction {
    /// A request in a browser.
    #[must_use]
    pub fn new(asked: Asked, browser: &Browser) -> Self {
        Self { asked, chosen: None, browser: browser.mark() }
    }

    /// As the text that the browser carries.
    ///
    /// # Errors
    /// A fault of randomness or of the cipher.
    pub fn seal(&self, world: &World) -> Result<String, Fault> {
        let plain = serde_json::to_vec(self).map_err(|e| Fault::new("writing an interaction", e))?;
        world.secrets.interactions.seal_text(CONTEXT, &plain, &*world.dice)
    }

    /// From the text, in the browser that it was made for, while it is not too old.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn open(world: &World, text: &str, browser: Option<&Browser>) -> Result<Self, Lost> {
        if text.len() > MAX_TEXT {
            return Err(Lost);
        }
        let plain = world.secrets.interactions.open_text(CONTEXT, text).map_err(|_| Lost)?;
        let read: Self = serde_json::from_slice(plain.expose()).map_err(|_| Lost)?;
        let here = browser.is_some_and(|b| same(b.mark().as_bytes(), read.browser.as_bytes()));
        let young = world.now().since(read.asked.first_seen) <= LIFE;
        if here && young { Ok(read) } else { Err(Lost) }
    }
}
