//! The pages of a link with which a key is claimed.

use super::{Field, Shell, Snippet, When, Who};
use crate::base::secret::Secret;
use askama::Template;

/// `/claim`. Posts `code` and `csrf`.
#[derive(Template)]
#[template(path = "portal/claim.html")]
pub struct Claim {
    /// Around the page.
    pub shell: Shell,
    /// Token against forged forms.
    pub csrf: String,
    /// What stands in the link, where it is known already.
    pub code: Field,
}

/// What a link offers. Posts `code`, `step` and `csrf`.
#[derive(Template)]
#[template(path = "portal/claim_offer.html")]
pub struct ClaimOffer {
    /// Around the page.
    pub shell: Shell,
    /// Token against forged forms.
    pub csrf: String,
    /// What stands in the link.
    pub code: String,
    /// What the key will be called.
    pub name: String,
    /// Its API.
    pub api: String,
    /// Its environment.
    pub environment: String,
    /// What it will be allowed.
    pub scopes: Vec<String>,
    /// What will restrict it, in words.
    pub restrictions: Vec<(String, String)>,
    /// Until when the link is good.
    pub expires: When,
    /// Who is signed in.
    pub who: Option<Who>,
}

/// The answer to a post that claimed a key: shows its text, this once.
#[derive(Template)]
#[template(path = "portal/claim_made.html")]
pub struct ClaimMade {
    /// Around the page.
    pub shell: Shell,
    /// What it is called.
    pub name: String,
    /// Its text.
    pub text: Secret<String>,
    /// The variable it is to stand in.
    pub variable: String,
    /// How it is used.
    pub snippets: Vec<Snippet>,
    /// None: a claimed key takes nobody's place.
    pub instead_of: Option<(String, When)>,
    /// The page of the key, below the issuer's path; empty where it is not the reader's.
    pub onward: String,
}

/// Why no key is made.
#[derive(Template)]
#[template(path = "portal/claim_over.html")]
pub struct ClaimOver {
    /// Around the page.
    pub shell: Shell,
    /// In a few words.
    pub title: String,
    /// What happened.
    pub what: String,
    /// What to do.
    pub next: String,
}
