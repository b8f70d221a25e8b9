//! Opening what a client encrypted for us (RFC 7519 §5.2; OpenID Connect Core §3.1.2.1 for hints, RFC 7523 §7
//! for assertions): what is inside goes the way of every signed token, and nothing is believed because it was
//! encrypted, for anybody can do that.
//!
//! Decrypting costs about what signing does, and is asked for by strangers: what can be told without it is
//! looked at first, and how often an address may ask for it is limited.

use super::{
    guard::{self, Door},
    world::World,
};
use crate::{
    jose::{Encrypted, NotOpened, is_encrypted},
    oauth::{
        code::ErrorCode,
        params::Params,
        refusal::{Exceeded, Refusal},
    },
};
use std::{borrow::Cow, net::IpAddr, sync::atomic::Ordering};

/// Why there is nothing inside to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It was not opened.
    NotOpened(NotOpened),
    /// Its sender asks for too much of that.
    TooMany(Exceeded),
}

impl Closed {
    /// As a refusal with this code, but for a limit, which has its own.
    #[must_use]
    pub fn refusal(self, code: ErrorCode) -> Refusal {
        match self {
            Self::NotOpened(bad) => Refusal::new(code, bad.because()),
            Self::TooMany(limit) => Refusal::too_many(limit),
        }
    }
}

/// The signed token that is meant: the text itself, or what is inside where it is encrypted.
///
/// # Errors
/// [`Closed`], which says why not.
pub fn opened<'t>(world: &World, address: Option<IpAddr>, text: &'t str) -> Result<Cow<'t, str>, Closed> {
    if !is_encrypted(text) {
        return Ok(Cow::Borrowed(text));
    }
    let token = Encrypted::read(text).map_err(Closed::NotOpened)?;
    let keyring = world.keyring.load();
    let Some((key, uses)) = keyring.opener(token.kid()) else {
        keyring.keys().missed(Some(token.kid()));
        return Err(Closed::NotOpened(NotOpened::UnknownKey));
    };
    guard::pass(world, Door::Decrypt, address).map_err(Closed::TooMany)?;
    let inside = key.open(&token).map_err(Closed::NotOpened)?;
    uses.seen.fetch_add(1, Ordering::Relaxed);
    Ok(Cow::Owned(inside))
}

/// The parameters of a request, a client assertion among them opened.
///
/// # Errors
/// `invalid_client` where it is encrypted and is not opened; a limit; and as [`Params::once`].
pub fn assertion<'p>(world: &World, address: Option<IpAddr>, params: &'p Params) -> Result<Cow<'p, Params>, Refusal> {
    let Some(text) = params.once(ASSERTION)? else { return Ok(Cow::Borrowed(params)) };
    match opened(world, address, text).map_err(|closed| closed.refusal(ErrorCode::InvalidClient))? {
        Cow::Borrowed(_) => Ok(Cow::Borrowed(params)),
        Cow::Owned(inside) => Ok(Cow::Owned(params.clone().with(ASSERTION, inside))),
    }
}

/// RFC 7523 §2.2.
const ASSERTION: &str = "client_assertion";
