//! Consent: who asks, for what, until when.
//!
//! Spec: OpenID Connect Core §3.1.2.4; RFC 6749 §10.2 and RFC 8252 §8.6 (a name can be claimed
//! by anyone, so the host stands first).

use super::{Shell, Who, initial};
use crate::base::uri::{self, RedirectUri, WebUri};
use askama::Template;
use url::Url;

/// The consent form. Its buttons post `decision`: `allow`, `deny` or `not_me`; with
/// `interaction` and `csrf`.
#[derive(Template)]
#[template(path = "portal/consent.html")]
pub struct Consent {
    /// Around the page.
    pub shell: Shell,
    /// Who asks.
    pub client: ClientCard,
    /// Who is being asked.
    pub who: Who,
    /// What they ask for.
    pub scopes: Vec<ScopeLine>,
    /// The services at which it will count (RFC 8707), as their indicators.
    pub resources: Vec<String>,
    /// How long it lasts, as the end of "This lasts": `until you withdraw it, at most 90 days`.
    pub lifetime: String,
    /// Sealed state of the authorization request.
    pub interaction: String,
    /// Token against forged forms.
    pub csrf: String,
    /// Where the form goes.
    pub action: String,
}

/// One scope, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeLine {
    /// The scope token.
    pub name: String,
    /// What it lets the application do, as the end of "It will be able to": `see your email address`.
    pub description: String,
    /// Whether it goes beyond what was allowed to this application before.
    pub is_new: bool,
}

/// An application, as a person should see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCard {
    /// The name it gave itself.
    pub name: String,
    /// Host of the redirect URI, or the private-use scheme: the part that was proven.
    pub host: String,
    /// Where that is.
    pub place: Place,
    /// Its home page.
    pub uri: Option<WebUri>,
    /// Its privacy policy.
    pub policy_uri: Option<WebUri>,
    /// Its terms of service.
    pub tos_uri: Option<WebUri>,
}

/// Where an application receives its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At a web site.
    Website,
    /// At a loopback address: any program on this computer may be listening.
    ThisComputer,
    /// At a private-use scheme: an application that is installed on this device.
    InstalledApp,
}

impl ClientCard {
    /// A card with host and place taken from the redirect URI; the links are left out.
    #[must_use]
    pub fn new(name: &str, redirect_uri: &RedirectUri) -> Self {
        let (host, place) = whereabouts(redirect_uri);
        Self { name: name.to_owned(), host, place, uri: None, policy_uri: None, tos_uri: None }
    }
    /// Whether the name is only the host again.
    pub(super) fn has_own_name(&self) -> bool {
        !self.name.trim().is_empty() && self.name != self.host
    }
    fn is_on_this_computer(&self) -> bool {
        self.place == Place::ThisComputer
    }
    fn is_installed(&self) -> bool {
        self.place == Place::InstalledApp
    }
    fn initial(&self) -> String {
        initial(if self.has_own_name() { &self.name } else { &self.host })
    }
}

fn whereabouts(redirect_uri: &RedirectUri) -> (String, Place) {
    let Ok(url) = Url::parse(redirect_uri.as_str()) else { return (String::new(), Place::Website) };
    let host = url.host_str().unwrap_or_default();
    match url.scheme() {
        "http" if uri::is_loopback_literal(&url) || host == "localhost" => (host.to_owned(), Place::ThisComputer),
        "https" | "http" => {
            (url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")), Place::Website)
        }
        scheme => (scheme.to_owned(), Place::InstalledApp),
    }
}
