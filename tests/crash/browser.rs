//! A browser without scripts: cookies, redirects and plain HTML forms.

use super::http::{Client, NoAnswer, Reply, form};
use std::collections::BTreeMap;

/// Where our client waits for its codes; nothing listens there.
pub(crate) const CALLBACK: &str = "http://127.0.0.1:9/callback";
/// The pair of RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[derive(Default)]
pub(crate) struct Browser {
    pub cookies: BTreeMap<String, String>,
    pub username: String,
    pub password: String,
    /// How often a password was asked for.
    pub sign_ins: u32,
}

impl Browser {
    /// Asks for a code and does what the pages want, until the client has its answer. A page that is no form (a
    /// refusal, "come again") is handed back.
    pub(crate) fn code(&mut self, client: &mut Client, client_id: &str, origin: &str) -> Result<Arrived, NoAnswer> {
        let query = form(&[
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", CALLBACK),
            ("scope", "openid"),
            ("state", "s"),
            ("nonce", "n"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let mut reply = self.open(client, "GET", &format!("/authorize?{query}"), "", origin)?;
        for _ in 0..8 {
            if let Some(location) = reply.header("location").map(str::to_owned) {
                if let Some(answer) = location.strip_prefix(CALLBACK) {
                    return Ok(parameter(answer, "code").map_or(Arrived::Elsewhere(reply), Arrived::Code));
                }
                reply = self.open(client, "GET", path_of(&location), "", origin)?;
                continue;
            }
            let Some(page) = (reply.status == 200).then(|| Form::of(&reply.body)).flatten() else { break };
            let body = page.filled(&self.username, &self.password);
            reply = self.open(client, "POST", path_of(&page.action), &body, origin)?;
            // Only what was answered counts: an answer that was lost or "come again" left no session.
            self.sign_ins += u32::from(page.asks_for_a_password && reply.header("location").is_some());
        }
        Ok(Arrived::Elsewhere(reply))
    }

    fn open(
        &mut self,
        client: &mut Client,
        method: &str,
        target: &str,
        body: &str,
        origin: &str,
    ) -> Result<Reply, NoAnswer> {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let mut headers = vec![("Accept", "text/html")];
        if !cookies.is_empty() {
            headers.push(("Cookie", cookies.as_str()));
        }
        if method == "POST" {
            headers.extend([("Content-Type", "application/x-www-form-urlencoded"), ("Origin", origin)]);
        }
        let reply = client.send(method, target, &headers, body)?;
        for line in reply.headers("set-cookie") {
            let (name, value) = line.split(';').next().and_then(|pair| pair.split_once('=')).unwrap_or_default();
            if value.is_empty() || line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(reply)
    }
}

/// Where a request for a code ended.
pub(crate) enum Arrived {
    Code(String),
    Elsewhere(Reply),
}

struct Form {
    action: String,
    fields: Vec<(String, String)>,
    asks_for_a_password: bool,
}

impl Form {
    /// The first form of a page that posts.
    fn of(html: &str) -> Option<Self> {
        let form = html.split("<form").skip(1).find(|form| form.contains("method=\"post\""))?;
        let form = form.split("</form>").next()?;
        let open = form.split('>').next()?;
        let inputs = form.split("<input").skip(1).filter_map(|rest| rest.split('>').next());
        let fields = inputs
            .filter(|tag| attribute(tag, "type") != Some("checkbox".to_owned()) || tag.contains("checked"))
            .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default())));
        let mut fields: Vec<(String, String)> = fields.collect();
        if form.contains("name=\"decision\"") {
            fields.push(("decision".to_owned(), "allow".to_owned()));
        }
        let asks_for_a_password = fields.iter().any(|(name, _)| name == "password");
        Some(Self { action: attribute(open, "action").unwrap_or_default(), fields, asks_for_a_password })
    }

    fn filled(&self, username: &str, password: &str) -> String {
        let typed = |name: &str| match name {
            "username" => Some(username),
            "password" => Some(password),
            _ => None,
        };
        let fields = self.fields.iter().map(|(name, value)| (name.as_str(), typed(name).unwrap_or(value)));
        form(&fields.collect::<Vec<_>>())
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let from = tag.split_once(&format!(" {name}=\""))?.1;
    let value = from.split('"').next()?;
    Some(
        value
            .replace("&#34;", "\"")
            .replace("&#39;", "'")
            .replace("&lt;", "<")
            .replace("&#38;", "&")
            .replace("&amp;", "&"),
    )
}

fn path_of(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]))
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.trim_start_matches('?').split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(n, _)| *n == name).map(|(_, value)| value.to_owned())
}
