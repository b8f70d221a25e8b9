//! What `keywright demo` prints: where to go, how to sign in, and commands to paste.

use super::{settings::API_SCOPE, walk};
use crate::base::{id::ClientId, secret::Secret, uri::Issuer};
use std::fmt::Write;

/// Whether the data folder was made by this start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Everything was created just now.
    First,
    /// It was here already and is used as it is.
    Again,
}

/// What stands before the weather API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Front {
    /// nginx, which asks the issuer before each call.
    Nginx,
    /// Nothing, for this reason: the API asks by itself.
    Nothing(String),
}

/// Everything that the demonstration tells the person who started it.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The issuer that is being served.
    pub issuer: Issuer,
    /// Scheme, host and port of the relying application.
    pub application: String,
    /// The name with which the person of the demonstration signs in.
    pub username: String,
    /// Their password.
    pub password: Secret<String>,
    /// The machine client, for `client_credentials`.
    pub machine_id: ClientId,
    /// Its secret.
    pub machine_secret: Secret<String>,
    /// The client that makes API keys and asks about them.
    pub keeper_id: ClientId,
    /// Its secret.
    pub keeper_secret: Secret<String>,
    /// Scheme, host and port of the weather API.
    pub weather: String,
    /// What asks whether calls of it are good.
    pub front: Front,
    /// Where the data is, as the person would type it.
    pub data: String,
    /// Whether this is the first start.
    pub start: Start,
}

/// The text, with a line end after its last line. It holds the secrets of the demonstration on
/// purpose: they are worth nothing elsewhere, and must be at hand here.
#[must_use]
pub fn banner(of: &Opening) -> String {
    let mut out = String::with_capacity(6000);
    // Writing to a String cannot fail.
    let _ = write_places(&mut out, of);
    let _ = write_commands(&mut out, of);
    let _ = walk::write(&mut out, of);
    let _ = writeln!(out, "Stop with Ctrl-C. Delete {} to begin anew.", of.data);
    out
}

fn write_places(out: &mut String, of: &Opening) -> std::fmt::Result {
    let Opening { issuer, application, username, password, data, weather, .. } = of;
    let state = match of.start {
        Start::First => format!("created in {data}"),
        Start::Again => format!("{data} (the same as last time)"),
    };
    writeln!(out, "\nKeywright demonstration. NOT for production: the secrets below are printed,")?;
    writeln!(out, "traffic is plain http, and it listens on this machine only.\n")?;
    writeln!(out, "  Start here      {application}/    signs you in and explains each step")?;
    writeln!(out, "  Sign in as      {username}")?;
    writeln!(out, "  with password   {}\n", password.expose())?;
    writeln!(out, "  Issuer          {issuer}")?;
    writeln!(out, "  Your account    {}", issuer.at("/account"))?;
    writeln!(out, "  Discovery       {}", issuer.at("/.well-known/openid-configuration"))?;
    writeln!(out, "  Weather API     {weather}    takes API keys; {}", front(&of.front))?;
    writeln!(out, "  Data            {state}")
}

fn front(front: &Front) -> String {
    match front {
        Front::Nginx => "nginx in front of it asks Keywright before each call".to_owned(),
        Front::Nothing(why) => format!("it asks Keywright itself, for {why}"),
    }
}

/// Comments have no apostrophe and no parenthesis: an interactive zsh would read them as syntax.
fn write_commands(out: &mut String, of: &Opening) -> std::fmt::Result {
    let user = quoted(&format!("{}:{}", of.machine_id, of.machine_secret.expose()));
    let at = |path| quoted(&of.issuer.at(path));
    let resource = quoted(&format!("resource={}/api", of.application));
    let api = quoted(&format!("{}/api/hello", of.application));
    let curl = "curl -sS -w '\\n'";
    writeln!(out, "\nThe same for a machine. Paste into another terminal, one by one or all at once:\n")?;
    writeln!(out, "  # an access token by client credentials, RFC 6749 section 4.4")?;
    writeln!(out, "  TOKEN=$(curl -sS -u {user} {} \\", at("/token"))?;
    writeln!(out, "    -d grant_type=client_credentials -d scope={API_SCOPE} \\")?;
    writeln!(out, "    --data-urlencode {resource} \\")?;
    writeln!(out, "    | sed -n 's/.*\"access_token\" *: *\"\\([^\"]*\\)\".*/\\1/p'); echo \"$TOKEN\"\n")?;
    writeln!(out, "  # use it at the sample API, which verifies it through JWKS, RFC 9068")?;
    writeln!(out, "  {curl} -H \"Authorization: Bearer $TOKEN\" {api}\n")?;
    writeln!(out, "  # ask the issuer about it, RFC 7662")?;
    writeln!(out, "  {curl} -u {user} -d \"token=$TOKEN\" {}\n", at("/introspect"))?;
    writeln!(out, "  # revoke it, RFC 7009, and ask again: active is false")?;
    writeln!(out, "  {curl} -u {user} -d \"token=$TOKEN\" {}", at("/revoke"))?;
    writeln!(out, "  {curl} -u {user} -d \"token=$TOKEN\" {}\n", at("/introspect"))
}

/// The text as one word of a POSIX shell.
pub(super) fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._/:=@%+,".contains(&b);
    if text.bytes().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::demo) fn opening(start: Start) -> Opening {
        Opening {
            issuer: Issuer::parse("http://127.0.0.1:8080").unwrap(),
            application: "http://127.0.0.1:8090".into(),
            username: "ada".into(),
            password: Secret::new("pass phrase".into()),
            machine_id: ClientId::parse("demo-machine").unwrap(),
            machine_secret: Secret::new("it's$secret".into()),
            keeper_id: ClientId::parse("demo-keeper").unwrap(),
            keeper_secret: Secret::new("other".into()),
            weather: "http://127.0.0.1:8091".into(),
            front: Front::Nginx,
            data: "./keywright-data".into(),
            start,
        }
    }

    #[test]
    fn it_names_every_address_and_says_that_it_is_a_demonstration() {
        let text = banner(&opening(Start::First));
        for needle in [
            "NOT for production",
            "http://127.0.0.1:8090/",
            "http://127.0.0.1:8080/account",
            "http://127.0.0.1:8091    takes API keys; nginx",
            "created in ./keywright-data",
            "pass phrase",
            "/introspect",
            "/revoke",
        ] {
            assert!(text.contains(needle), "{needle} in\n{text}");
        }
        assert!(banner(&opening(Start::Again)).contains("the same as last time"));
    }

    #[test]
    fn comments_hold_nothing_that_an_interactive_shell_would_take_for_syntax() {
        let text = banner(&opening(Start::First));
        let comments: Vec<&str> = text.lines().filter(|l| l.trim_start().starts_with('#')).collect();
        assert_eq!(comments.len(), 12);
        assert!(
            comments.iter().all(|c| !c.contains(['\'', '"', '(', ')', '`', '$', ';', '&', '|', '!'])),
            "{comments:?}"
        );
    }

    #[test]
    fn a_secret_with_shell_characters_stays_one_word() {
        assert_eq!(quoted("it's$x"), r"'it'\''s$x'");
        assert_eq!(quoted("http://127.0.0.1:8080/token"), "http://127.0.0.1:8080/token");
        assert!(banner(&opening(Start::First)).contains(r"'demo-machine:it'\''s$secret'"));
    }
}
