//! Client authentication (RFC 6749 §2.3, RFC 7523 §2.2, OpenID Connect Core §9): [`presented`]
//! reads what a request shows, [`prove`] judges it. Without a [`Proven`] client nothing is
//! issued, revoked or introspected.
//!
//! To the client every failure says the same, so that nobody learns which clients exist; the
//! reason is in [`Denied::why`], for the audit.

mod presented;
#[cfg(test)]
mod tests;

pub use presented::Presented;

use super::{
    client::{AuthMethod, Client},
    code::ErrorCode::InvalidClient,
    refusal::Refusal,
};
use crate::{
    base::{
        credential::{Kind, well_formed},
        digest::{Pepper, TokenHash},
        moment::Moment,
        uri::Issuer,
    },
    jose::{BadToken, KeySet, Profile, verify},
};
use std::borrow::Borrow;

/// A client secret as stored.
#[derive(Clone, Copy, Debug)]
pub struct StoredSecret {
    /// Its hash.
    pub hash: TokenHash,
    /// The version of the pepper that made the hash.
    pub pepper: i16,
    /// When it ends, where it does: a secret that was rotated away is good a while longer.
    pub expires_at: Option<Moment>,
}

/// What we hold about the client that a request names.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its secrets; most have one, during a rotation two.
    pub secrets: &'a [StoredSecret],
    /// Its keys, registered or fetched; `None` where it has none or they could not be had.
    pub keys: Option<&'a KeySet>,
}

/// What is needed to judge.
#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    /// Every pepper that stored hashes may be made with.
    pub peppers: &'a [Pepper],
    /// Who we are: the audience of assertions.
    pub issuer: &'a Issuer,
    /// Now.
    pub now: Moment,
}

/// Why a client was not proven, for the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyDenied {
    /// There is no such client.
    UnknownClient,
    /// The client is registered for another method.
    OtherMethod,
    /// The text has not the form of a secret of ours: mistyped, truncated, invented.
    Malformed,
    /// A well-formed secret that is not this client's, or not any more.
    WrongSecret,
    /// The secret was this client's and has ended.
    ExpiredSecret,
    /// The client's keys are not to be had.
    NoKeys,
    /// The assertion does not verify.
    Assertion(BadToken),
    /// The assertion was used before.
    Replayed,
}

impl WhyDenied {
    /// In words.
    #[must_use]
    pub const fn because(self) -> &'static str {
        match self {
            Self::UnknownClient => "no such client",
            Self::OtherMethod => "the client is registered for another authentication method",
            Self::Malformed => "the text is no secret of ours",
            Self::WrongSecret => "wrong secret",
            Self::ExpiredSecret => "the secret has expired",
            Self::NoKeys => "the client's keys are not available",
            Self::Assertion(bad) => bad.because(),
            Self::Replayed => "the assertion was used before",
        }
    }
}

/// A client that did not prove itself: what it is told, and why in truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// For the audit.
    pub why: WhyDenied,
    /// The `jti` of an assertion that was used before.
    pub replayed: Option<String>,
}

impl Denied {
    /// For this reason.
    #[must_use]
    pub const fn new(why: WhyDenied) -> Self {
        Self { why, replayed: None }
    }
}

/// One sentence for every failure, but for what is wrong with an assertion whose signature is
/// good: its sender has the client's key, and nobody else hears of it.
impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied.why {
            WhyDenied::Replayed => Self::new(InvalidClient, "the client assertion was used before: make one each time"),
            WhyDenied::Assertion(bad) if signed(bad) => {
                Self::new(InvalidClient, format!("client authentication failed: {bad}"))
            }
            WhyDenied::UnknownClient
            | WhyDenied::OtherMethod
            | WhyDenied::Malformed
            | WhyDenied::WrongSecret
            | WhyDenied::ExpiredSecret
            | WhyDenied::NoKeys
            | WhyDenied::Assertion(_) => Self::new(InvalidClient, "client authentication failed"),
        }
    }
}

/// Whether the signature was found good before this was found wrong.
const fn signed(bad: BadToken) -> bool {
    matches!(
        bad,
        BadToken::Claims
            | BadToken::Missing(_)
            | BadToken::WrongType(_)
            | BadToken::Forbidden(_)
            | BadToken::Issuer
            | BadToken::Audience
            | BadToken::SoleAudience
            | BadToken::Unequal(_)
            | BadToken::Expired
            | BadToken::NotYet
            | BadToken::TooFarAhead
    )
}

/// A client that has proven itself, or is public and has named itself. Made here only.
#[derive(Clone, Debug)]
pub struct Proven<C> {
    client: C,
    method: AuthMethod,
    secret: Option<TokenHash>,
}

impl<C: Borrow<Client>> Proven<C> {
    /// The client.
    pub fn client(&self) -> &Client {
        self.client.borrow()
    }
    /// How it was proven.
    pub const fn method(&self) -> AuthMethod {
        self.method
    }
    /// The stored hash of the secret that proved it, where one did.
    pub const fn secret(&self) -> Option<&TokenHash> {
        self.secret.as_ref()
    }
    /// The client, as it was handed in, to look at.
    pub const fn handed_in(&self) -> &C {
        &self.client
    }
    /// The client, as it was handed in.
    pub fn into_client(self) -> C {
        self.client
    }
}

/// What the judgement leaves to do.
#[derive(Clone, Debug)]
pub enum Proof<C> {
    /// Nothing.
    Done(Proven<C>),
    /// The assertion verifies; it proves the client only if it was not used before.
    OnceOnly(Unused<C>),
}

/// A verified assertion whose `jti` has yet to be entered into the list of those used.
#[derive(Clone, Debug)]
pub struct Unused<C> {
    proven: Proven<C>,
    jti: String,
    until: Moment,
}

impl<C> Unused<C> {
    /// What must not have been seen before from this client.
    pub fn jti(&self) -> &str {
        &self.jti
    }
    /// Until when it must be remembered; never more than minutes away.
    pub const fn until(&self) -> Moment {
        self.until
    }
    /// To be called with the answer of the list of those used: whether this was the first use.
    ///
    /// # Errors
    /// [`Denied`] where it was not.
    pub fn judged(self, seen: Seen) -> Result<Proven<C>, Denied> {
        match seen {
            Seen::FirstTime => Ok(self.proven),
            Seen::Before => Err(Denied { why: WhyDenied::Replayed, replayed: Some(self.jti) }),
        }
    }
}

/// What the list of used assertions says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Not seen, and now entered.
    FirstTime,
    /// Seen before.
    Before,
}

/// Judges what a request presents against what we hold about the client it names. The cheap
/// comparisons come first: nothing is hashed or verified for text that cannot be right.
///
/// # Errors
/// [`Denied`], which every caller turns into the same refusal.
pub fn prove<C: Borrow<Client>>(
    presented: &Presented,
    client: Option<C>,
    known: Known<'_>,
    with: Means<'_>,
) -> Result<Proof<C>, Denied> {
    let client = client.filter(|c| c.borrow().id == *presented.client_id());
    let client = client.ok_or(Denied::new(WhyDenied::UnknownClient))?;
    let method = presented.method();
    if !fits(client.borrow().auth_method, method) {
        return Err(Denied::new(WhyDenied::OtherMethod));
    }
    let secret = match presented {
        Presented::Nothing { .. } => None,
        Presented::Basic { secret, .. } | Presented::Post { secret, .. } => {
            Some(good_secret(secret.expose(), known.secrets, with)?)
        }
        Presented::Assertion { jwt, .. } => return assertion_is_good(client, jwt.expose(), known, with),
    };
    Ok(Proof::Done(Proven { client, method, secret }))
}

/// Refuses what no client could be proven by, so that neither hash nor look-up is spent on it: a
/// secret that is mistyped, cut off or made up has not the form of ours.
///
/// # Errors
/// [`Denied`], which is told in the same words as every other.
pub fn plausible(presented: &Presented) -> Result<(), Denied> {
    match presented {
        Presented::Basic { secret, .. } | Presented::Post { secret, .. }
            if !well_formed(Kind::ClientSecret, secret.expose()) =>
        {
            Err(Denied::new(WhyDenied::Malformed))
        }
        Presented::Basic { .. } | Presented::Post { .. } | Presented::Assertion { .. } | Presented::Nothing { .. } => {
            Ok(())
        }
    }
}

/// Whoever is registered for one way of sending a secret may use the other (OAuth 2.1 §2.4.1);
/// every other method stands for itself, so that no weaker one can be chosen.
fn fits(registered: AuthMethod, shown: AuthMethod) -> bool {
    registered == shown || (registered.by_secret() && shown.by_secret())
}

/// The stored hash that the text has. Every secret of the client is compared, each in constant
/// time, also after one was found: how long it takes does not tell which of them it was.
fn good_secret(text: &str, secrets: &[StoredSecret], with: Means<'_>) -> Result<TokenHash, Denied> {
    if !well_formed(Kind::ClientSecret, text) {
        return Err(Denied::new(WhyDenied::Malformed));
    }
    let mut found = Err(WhyDenied::WrongSecret);
    for stored in secrets {
        let pepper = with.peppers.iter().find(|pepper| pepper.version() == stored.pepper);
        if pepper.is_some_and(|pepper| pepper.hash(text) == stored.hash) {
            let live = stored.expires_at.is_none_or(|end| with.now < end);
            found = if live { Ok(stored.hash) } else { found.or(Err(WhyDenied::ExpiredSecret)) };
        }
    }
    found.map_err(Denied::new)
}

fn assertion_is_good<C: Borrow<Client>>(
    client: C,
    jwt: &str,
    known: Known<'_>,
    with: Means<'_>,
) -> Result<Proof<C>, Denied> {
    let keys = known.keys.ok_or(Denied::new(WhyDenied::NoKeys))?;
    let profile = Profile::client_assertion(with.issuer, client.borrow().id.as_str());
    let verified = verify(&profile, keys, jwt, with.now).map_err(|bad| Denied::new(WhyDenied::Assertion(bad)))?;
    let jti = verified.str("jti").unwrap_or_default();
    // The list of those used keeps it for minutes: an endless one would fill the list.
    if jti.is_empty() || jti.len() > MAX_JTI {
        return Err(Denied::new(WhyDenied::Malformed));
    }
    let (jti, until) = (jti.to_owned(), verified.until());
    Ok(Proof::OnceOnly(Unused {
        proven: Proven { client, method: AuthMethod::PrivateKeyJwt, secret: None },
        jti,
        until,
    }))
}

/// Most bytes of the `jti` of an assertion.
const MAX_JTI: usize = 256;
