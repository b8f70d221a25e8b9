//! Our three cookies: the signed-in session, the browser that an interaction belongs to, and its
//! memory of who signed in with it.

use crate::base::{secret::Secret, uri::Issuer};
use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite, time::Duration},
};

/// Which cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jar {
    /// The session's secret.
    Session,
    /// A random name of the browser, without meaning of its own.
    Browser,
    /// Marks of the people who signed in with this browser; no name can be read from them.
    Known,
}

/// How cookies are named and marked for an issuer. On https they carry `__Host-`, so that no
/// other host or path can plant them; browsers take that prefix only with `Secure`, which plain
/// http on loopback cannot have everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookies {
    secure: bool,
}

impl Cookies {
    /// For this issuer.
    #[must_use]
    pub fn of(issuer: &Issuer) -> Self {
        Self { secure: issuer.is_https() }
    }

    const fn name(self, jar: Jar) -> &'static str {
        match (self.secure, jar) {
            (true, Jar::Session) => "__Host-kw_session",
            (true, Jar::Browser) => "__Host-kw_browser",
            (true, Jar::Known) => "__Host-kw_known",
            (false, Jar::Session) => "kw_session",
            (false, Jar::Browser) => "kw_browser",
            (false, Jar::Known) => "kw_known",
        }
    }

    /// What the browser sent.
    #[must_use]
    pub fn read(self, request: &HttpRequest, jar: Jar) -> Option<Secret<String>> {
        request.cookie(self.name(jar)).map(|c| Secret::new(c.value().to_owned()))
    }

    /// A cookie to set: `Jar::Session` for as long as the browser runs, the others for a year.
    #[must_use]
    pub fn set(self, jar: Jar, value: &Secret<String>) -> Cookie<'static> {
        let mut cookie = self.bare(jar, value.expose().clone());
        match jar {
            Jar::Session => {}
            Jar::Browser | Jar::Known => cookie.set_max_age(Duration::days(365)),
        }
        cookie
    }

    /// A cookie that removes itself.
    #[must_use]
    pub fn clear(self, jar: Jar) -> Cookie<'static> {
        let mut cookie = self.bare(jar, String::new());
        cookie.make_removal();
        cookie
    }

    fn bare(self, jar: Jar, value: String) -> Cookie<'static> {
        Cookie::build(self.name(jar), value)
            .path("/")
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Lax)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_https_a_cookie_is_bound_to_the_host() {
        let issuer = Issuer::parse("https://id.example").unwrap();
        let text = Cookies::of(&issuer).set(Jar::Session, &Secret::new("x".to_owned())).to_string();
        assert_eq!(text, "__Host-kw_session=x; HttpOnly; SameSite=Lax; Secure; Path=/");
        let text = Cookies::of(&issuer).set(Jar::Known, &Secret::new("x".to_owned())).to_string();
        assert_eq!(text, "__Host-kw_known=x; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=31536000");
    }
}
