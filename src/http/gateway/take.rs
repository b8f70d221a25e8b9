//! What is read of a gateway's question: fields by their exact names, each at most once.
//!
//! Whatever could be read in two ways is refused: the gateway, the application behind it and we
//! must mean the same. No restriction is skipped because something could not be read.

use super::profile::{Profile, Query, Source};
use crate::{
    base::scope::Scope,
    http::take::{dpop, peer},
    oauth::dpop::Shown,
};
use actix_web::{
    HttpRequest,
    http::header::{HeaderMap, HeaderName},
};
use ipnet::IpNet;
use std::{borrow::Cow, net::IpAddr};
use url::form_urlencoded;

/// The field of a gateway's secret.
pub const SECRET: &str = "x-gateway-secret";
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Every field that is read for some gateway. `X-Forwarded-Prefix` is never among them.
const READ: [&str; 15] = [
    "host",
    "authorization",
    "x-api-key",
    "dpop",
    "x-forwarded-method",
    "x-forwarded-uri",
    "x-forwarded-host",
    "x-forwarded-proto",
    FORWARDED_FOR,
    "x-original-method",
    "x-original-uri",
    SECRET,
    "user-agent",
    "referer",
    "origin",
];

/// A question that is refused as it stands, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bad(pub &'static str);

/// The credential of the client's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    /// There is none.
    None,
    /// Text that may be a key.
    Key(Cow<'a, str>),
    /// Text that may be a key, under the scheme that promises a proof of possession (RFC 9449 §7.1).
    Bound(Cow<'a, str>),
}

/// What a gateway says of its client's request.
#[derive(Debug)]
pub struct Question<'a> {
    /// The environment that the gateway serves.
    pub environment: Option<String>,
    /// What the key must be allowed to do.
    pub scope: Scope,
    /// The client's address; `None` where nothing is said.
    pub address: Option<IpAddr>,
    /// The client's method.
    pub method: Option<&'a str>,
    /// The client's path and query.
    pub uri: Option<Cow<'a, str>>,
    /// `User-Agent`.
    pub user_agent: Option<&'a str>,
    /// `Referer`.
    pub referer: Option<&'a str>,
    /// `Origin`.
    pub origin: Option<&'a str>,
    authorization: Option<&'a str>,
    api_key: Option<&'a str>,
    proof: Option<&'a str>,
    scheme: Option<&'a str>,
    host: Option<&'a str>,
}

/// Reads a question. `rest` is what follows the API in its path.
///
/// # Errors
/// [`Bad`], where it could be read in two ways or not at all.
pub fn question<'a>(
    profile: &Profile,
    (request, rest): (&'a HttpRequest, &'a str),
    peers: &[IpNet],
) -> Result<Question<'a>, Bad> {
    let fields = request.headers();
    unambiguous(fields)?;
    let read = |name: &str| read(fields, name);
    let forwarded: Vec<&str> = read(FORWARDED_FOR)?.into_iter().collect();
    let address = peer::forwarded(&forwarded, peers).map_err(|_| Bad("X-Forwarded-For is not a list of addresses"))?;
    let method = match profile.method {
        Source::Field(name) => read(name)?,
        Source::RequestLine => Some(request.method().as_str()),
    };
    let uri = match profile.uri {
        Source::Field(name) => read(name)?.map(Cow::Borrowed),
        Source::RequestLine => {
            let path = if rest.is_empty() { "/" } else { rest };
            Some(request.uri().query().map_or(Cow::Borrowed(path), |query| Cow::Owned(format!("{path}?{query}"))))
        }
    };
    let (environment, scope) = wanted(profile.query, request.query_string())?;
    Ok(Question {
        environment,
        scope,
        address: address.map(|address| address.to_canonical()),
        method,
        uri,
        user_agent: read("user-agent")?,
        referer: read("referer")?,
        origin: read("origin")?,
        authorization: read("authorization")?,
        api_key: read("x-api-key")?,
        proof: read("dpop")?,
        scheme: read("x-forwarded-proto")?,
        host: match profile.host {
            Source::Field(name) => read(name)?,
            Source::RequestLine => read("host")?,
        },
    })
}

/// Whether no field is there twice, or under a name that some take for another: with `_` for `-`.
fn unambiguous(fields: &HeaderMap) -> Result<(), Bad> {
    if READ.iter().any(|name| fields.get_all(*name).count() > 1) {
        return Err(Bad("a field is there more than once"));
    }
    if fields.keys().any(is_alias) {
        return Err(Bad("a field has _ in its name, where some read -"));
    }
    Ok(())
}

fn is_alias(name: &HeaderName) -> bool {
    let name = name.as_str();
    let meant = name.replace('_', "-");
    meant != name && (meant.starts_with("x-") || READ.contains(&meant.as_str()))
}

fn read<'a>(fields: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Bad> {
    let value = fields.get(name).map(|value| std::str::from_utf8(value.as_bytes()));
    value.transpose().map_err(|_| Bad("a field is not text"))
}

/// What the gateway's operator wrote behind the path: the environment it serves, the scope it wants.
fn wanted(whose: Query, query: &str) -> Result<(Option<String>, Scope), Bad> {
    if query.is_empty() || whose == Query::Client {
        return Ok((None, Scope::none()));
    }
    let known = |(name, _): (Cow<'_, str>, Cow<'_, str>)| matches!(&*name, "env" | "scope");
    if whose == Query::Operator && !form_urlencoded::parse(query.as_bytes()).all(known) {
        return Err(Bad("the query of the question has a parameter that is neither env nor scope"));
    }
    let twice = Bad("a parameter of the question is there twice");
    let environment = once("env", query).map_err(|Twice| twice)?.map(Cow::into_owned);
    let scope = once("scope", query).map_err(|Twice| twice)?.map(|text| Scope::parse(&text)).transpose();
    Ok((environment, scope.map_err(|_| Bad("scope is no scope"))?.unwrap_or_default()))
}

/// A parameter is there more than once.
struct Twice;

/// The value of a parameter of a query; `None` where it is not there.
fn once<'a>(name: &str, query: &'a str) -> Result<Option<Cow<'a, str>>, Twice> {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(found, _)| found == name);
    let first = values.next().map(|(_, value)| value);
    if values.next().is_none() { Ok(first) } else { Err(Twice) }
}

impl Question<'_> {
    /// The client's path, without its query.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        let uri = self.uri.as_deref()?;
        Some(uri.split_once('?').map_or(uri, |(path, _)| path))
    }

    /// What the client shows as its proof of possession (RFC 9449 §4.3): for its method, and for where it sent its
    /// request, as the gateway says. Where the gateway does not say that, no proof is good.
    #[must_use]
    pub fn shown(&self, credential: &Credential<'_>) -> Shown<'_> {
        let promised = matches!(credential, Credential::Bound(_));
        if promised && self.proof.is_none() {
            dpop::unreadable()
        } else {
            dpop::told(self.proof, self.method, self.place())
        }
    }

    /// Scheme, host and path of the client's request; `None` where they are not said or are none.
    fn place(&self) -> Option<String> {
        let scheme = self.scheme.filter(|scheme| matches!(*scheme, "https" | "http"))?;
        let of_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
        let host = self.host.filter(|host| !host.is_empty() && host.bytes().all(of_host))?;
        let path = self.path().filter(|path| path.starts_with('/'))?;
        Some(format!("{scheme}://{host}{path}"))
    }

    /// The credential. `parameter` is the one of the client's query in which a key may be, where the API allows it.
    ///
    /// # Errors
    /// [`Bad`] where there are two, or the query cannot be read.
    pub fn credential(&self, parameter: Option<&str>) -> Result<Credential<'_>, Bad> {
        let proven = self.authorization.and_then(|field| field.split_once(' ')).and_then(|(scheme, rest)| {
            let is = |word| scheme.eq_ignore_ascii_case(word);
            let text = Cow::Borrowed(rest.trim());
            if is("Bearer") { Some(Credential::Key(text)) } else { is("DPoP").then_some(Credential::Bound(text)) }
        });
        let bare = self.api_key.map(str::trim).filter(|text| !text.is_empty());
        let bare = bare.map(|text| Credential::Key(Cow::Borrowed(text)));
        let query = self.uri.as_deref().and_then(|uri| uri.split_once('?')).map(|(_, query)| query);
        let two = Bad("two credentials were sent");
        let in_query = parameter.zip(query).map(|(name, query)| once(name, query)).transpose();
        let in_query = in_query.map_err(|Twice| two)?.flatten().map(Credential::Key);
        let mut all = [proven, bare, in_query].into_iter().flatten();
        match (all.next(), all.next()) {
            (None, _) => Ok(Credential::None),
            (Some(one), None) => Ok(one),
            (Some(_), Some(_)) => Err(two),
        }
    }
}

#[cfg(test)]
mod tests;
