//! A page with the headers that every page of ours carries.
//!
//! Spec: RFC 9700 §4.16 (clickjacking), RFC 9700 §4.2.4 (no third-party content, referrer),
//! Content Security Policy Level 3.

use crate::base::{fault::Fault, uri::RedirectUri};
use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS},
    },
};
use askama::Template;
use url::Url;

/// Where the forms of a page may lead.
///
/// A browser applies `form-action` to the address of the form *and to every redirect after it*,
/// those of the client's own callback included. A list of exact origins would therefore end a
/// sign-in without a word as soon as a callback forwards its visitor to another host; so the
/// pages that lead back to a client allow its scheme, and only those pages.
#[derive(Clone, Copy, Debug)]
pub enum FormsLead<'a> {
    /// To our own addresses only.
    Home,
    /// Through our own addresses and then on to a client.
    OnTo(&'a RedirectUri),
}

impl FormsLead<'_> {
    /// The source list of `form-action`.
    #[must_use]
    pub fn sources(self) -> String {
        match self {
            Self::Home => "'self'".to_owned(),
            Self::OnTo(uri) => format!("'self' {}", beyond(uri)),
        }
    }
}

fn beyond(uri: &RedirectUri) -> String {
    let Ok(url) = Url::parse(uri.as_str()) else { return String::new() };
    match (url.scheme(), url.host_str()) {
        // An IPv6 literal has no spelling in a source list, so there the scheme must do.
        ("http", Some(host)) if !host.starts_with('[') => format!("http://{host}:*"),
        (scheme, _) => format!("{scheme}:"),
    }
}

/// The whole policy of a page: nothing but our own stylesheet, images and script files, no
/// frame around it, no `<base>`.
#[must_use]
pub fn content_security_policy(forms: FormsLead<'_>) -> String {
    format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; form-action {}; \
         frame-ancestors 'none'; base-uri 'none'",
        forms.sources()
    )
}

/// A page as a response: never stored, never framed, never sniffed.
///
/// The referrer policy is `same-origin` and not `no-referrer`: under the latter a browser sends
/// `Origin: null` with our own forms, and a check of `Origin` would refuse them. To other
/// origins it sends nothing, either way.
///
/// # Errors
/// A [`Fault`] where the template cannot be rendered, which no data of a page can cause.
pub fn page(status: StatusCode, body: &impl Template, forms: FormsLead<'_>) -> Result<HttpResponse, Fault> {
    let html = body.render().map_err(|e| Fault::new("rendering a page", e))?;
    Ok(HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_SECURITY_POLICY, content_security_policy(forms)))
        .insert_header((X_FRAME_OPTIONS, "DENY"))
        .insert_header((REFERRER_POLICY, "same-origin"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header(("Cross-Origin-Opener-Policy", "same-origin"))
        .insert_header(("Permissions-Policy", "camera=(), geolocation=(), microphone=()"))
        .body(html))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_may_lead_to_the_scheme_of_the_client_and_no_further() {
        for (uri, sources) in [
            ("https://app.example/cb", "'self' https:"),
            ("http://127.0.0.1:4711/cb", "'self' http://127.0.0.1:*"),
            ("http://[::1]:4711/cb", "'self' http:"),
            ("com.example.app:/cb", "'self' com.example.app:"),
            ("https://app.example/cb;script-src,'unsafe-inline'", "'self' https:"),
        ] {
            assert_eq!(FormsLead::OnTo(&RedirectUri::parse(uri).unwrap()).sources(), sources);
        }
        assert_eq!(FormsLead::Home.sources(), "'self'");
    }

    #[test]
    fn the_policy_allows_nothing_inline_and_no_frame() {
        let policy = content_security_policy(FormsLead::Home);
        assert!(policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"));
    }
}
