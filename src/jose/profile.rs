//! What is demanded of each kind of token: one row, that is one constructor, for each kind.

use super::{
    alg::Scheme,
    claims::{self, Claim},
};
use crate::base::{moment::Span, uri::Issuer};

/// How far the clocks of others may be off.
pub const LEEWAY: Span = Span::seconds(60);

/// How far ahead the expiry of a client assertion may lie.
pub const ASSERTION_LIFE: Span = Span::minutes(5);

/// What `aud` must be. It must be there in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The caller judges it, from what [`super::Verified::list`] says: an introspection
    /// endpoint serves every audience.
    Judged,
    /// It must hold one of these.
    OneOf(Vec<String>),
    /// It must be exactly this one, as a text or as a list of one.
    Only(String),
}

/// What `typ` must be. Names are compared without case and with or without `application/`
/// in front (RFC 7515 §4.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TypRule {
    /// It must be there, and this.
    Exactly(&'static str),
    /// It may be absent, as tokens of this kind had none for years; if there, one of these.
    AbsentOr(&'static [&'static str]),
}

/// What `exp` means. It must be there in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// Accepted for so long after it.
    Late(Span),
    /// Accepted for so long after it, and refused where it lies further ahead than this.
    LateAndNear(Span, Span),
    /// Accepted for ever: the token only reminds us of something.
    Reminder,
}

/// What is demanded of one kind of token.
#[derive(Clone, Debug)]
pub struct Profile {
    pub(super) typ: TypRule,
    pub(super) schemes: &'static [Scheme],
    pub(super) required: &'static [Claim],
    pub(super) forbidden: &'static [Claim],
    pub(super) issuer: String,
    pub(super) audience: Audience,
    /// Claims that must have one value, if they are there.
    pub(super) equal: Vec<(&'static Claim, String)>,
    pub(super) expiry: Expiry,
    /// How far ahead `iat` and `nbf` may lie.
    pub(super) early: Span,
}

/// What we sign with.
const OURS: &[Scheme] = &[Scheme::Es256, Scheme::EdDsa, Scheme::Rs256, Scheme::Es384, Scheme::Ps256];

impl Profile {
    /// One of our own access tokens (RFC 9068 §4). Not accepted from the second of its expiry
    /// on. Clocks of our own nodes may differ, so `iat` has the usual leeway.
    #[must_use]
    pub fn access_token(issuer: &Issuer, audience: Audience) -> Self {
        Self {
            typ: TypRule::Exactly("at+jwt"),
            schemes: OURS,
            required: &[claims::EXP, claims::SUB, claims::CLIENT_ID, claims::IAT, claims::JTI],
            forbidden: &[],
            issuer: issuer.as_str().to_owned(),
            audience,
            equal: Vec::new(),
            expiry: Expiry::Late(Span::ZERO),
            early: LEEWAY,
        }
    }

    /// One of our own ID tokens, handed back as a hint (OpenID Connect Core §3.1.2.1, RP-Initiated
    /// Logout §4): it may have expired, as long as its key is still published.
    #[must_use]
    pub fn id_token_hint(issuer: &Issuer, audience: Audience) -> Self {
        Self {
            typ: TypRule::Exactly("JWT"),
            schemes: OURS,
            required: &[claims::EXP, claims::SUB, claims::IAT],
            forbidden: &[claims::EVENTS],
            issuer: issuer.as_str().to_owned(),
            audience,
            equal: Vec::new(),
            expiry: Expiry::Reminder,
            early: LEEWAY,
        }
    }

    /// A client's proof of itself (RFC 7523 §3, OpenID Connect Core §9): by and about the client,
    /// for this issuer alone, so that another server it was sent to cannot pass it on to us.
    #[must_use]
    pub fn client_assertion(issuer: &Issuer, client_id: &str) -> Self {
        Self {
            typ: TypRule::AbsentOr(&["JWT", "client-authentication+jwt"]),
            schemes: &Scheme::ALL,
            required: &[claims::EXP, claims::SUB, claims::JTI],
            forbidden: &[claims::EVENTS],
            issuer: client_id.to_owned(),
            audience: Audience::Only(issuer.as_str().to_owned()),
            equal: vec![(&claims::SUB, client_id.to_owned())],
            expiry: Expiry::LateAndNear(LEEWAY, ASSERTION_LIFE),
            early: LEEWAY,
        }
    }

    /// An ID token as its relying party sees it (OpenID Connect Core §3.1.3.7).
    #[must_use]
    pub fn id_token(issuer: &str, client_id: &str, nonce: &str) -> Self {
        Self {
            typ: TypRule::AbsentOr(&["JWT"]),
            schemes: &Scheme::ALL,
            required: &[claims::EXP, claims::SUB, claims::IAT, claims::NONCE],
            forbidden: &[claims::EVENTS],
            issuer: issuer.to_owned(),
            audience: Audience::Only(client_id.to_owned()),
            equal: vec![(&claims::NONCE, nonce.to_owned()), (&claims::AZP, client_id.to_owned())],
            expiry: Expiry::Late(LEEWAY),
            early: LEEWAY,
        }
    }

    /// A logout token as its relying party sees it (OpenID Connect Back-Channel Logout §2.6): the
    /// caller still looks at `events`, at `sub` or `sid`, and at `jti`.
    #[must_use]
    pub fn logout_token(issuer: &str, client_id: &str) -> Self {
        Self {
            typ: TypRule::Exactly("logout+jwt"),
            schemes: &Scheme::ALL,
            required: &[claims::EXP, claims::IAT, claims::JTI, claims::EVENTS],
            forbidden: &[claims::NONCE],
            issuer: issuer.to_owned(),
            audience: Audience::Only(client_id.to_owned()),
            equal: Vec::new(),
            expiry: Expiry::Late(LEEWAY),
            early: LEEWAY,
        }
    }
}
