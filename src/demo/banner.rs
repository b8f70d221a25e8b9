//! What `keywright demo` prints: where to go, how to sign in, and commands to paste.

use super::settings::{API_SCOPE, KEEPER_SCOPE, KEY_SCOPE, WEATHER};
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
    /// Where the data is, as the person would type it.
    pub data: String,
    /// Whether this is the first start.
    pub start: Start,
}

/// The text, with a line end after its last line. It holds the secrets of the demonstration on
/// purpose: they are worth nothing elsewhere, and must be at hand here.
#[must_use]
pub fn banner(of: &Opening) -> String {
    let mut out = String::with_capacity(2600);
    // Writing to a String cannot fail.
    let _ = write_places(&mut out, of);
    let _ = write_commands(&mut out, of);
    let _ = write_keys(&mut out, of);
    let _ = writeln!(out, "Stop with Ctrl-C. Delete {} to begin anew.", of.data);
    out
}

fn write_places(out: &mut String, of: &Opening) -> std::fmt::Result {
    let Opening { issuer, application, username, password, data, .. } = of;
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
    writeln!(out, "  Data            {state}")
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

/// The walk of an API key: made, good, restricted, exchanged, limited, rotated, revoked.
fn write_keys(out: &mut String, of: &Opening) -> std::fmt::Result {
    let user = quoted(&format!("{}:{}", of.keeper_id, of.keeper_secret.expose()));
    let at = |path| quoted(&of.issuer.at(path));
    let json = "-H 'Content-Type: application/json'";
    let member = |name: &str| format!("sed -n 's/.*\"{name}\" *: *\"\\([^\"]*\\)\".*/\\1/p'");
    // An owner has an `id` too: the key's own is the first member.
    let first = |name: &str| format!("sed -n 's/^{{ *\"{name}\" *: *\"\\([^\"]*\\)\".*/\\1/p'");
    let verify = |address: &str| {
        let question = format!(r#"'{{"key":"'"$KEY"'","scopes":["{KEY_SCOPE}"],"request":{{"ip":"{address}"}}}}'"#);
        format!("curl -sS -w '\\n' -u {user} {} {json} -d {question}", at("/v1/keys/verify"))
    };
    writeln!(out, "And an API key, of a free plan of a weather API:\n")?;
    writeln!(
        out,
        "  # a token that may make keys, then a key for callers from one network and from here, whose text comes this once"
    )?;
    writeln!(out, "  KEEPER=$(curl -sS -u {user} {} -d grant_type=client_credentials \\", at("/token"))?;
    writeln!(out, "    -d 'scope={KEEPER_SCOPE}' | {})", member("access_token"))?;
    writeln!(out, "  MADE=$(curl -sS {} -H \"Authorization: Bearer $KEEPER\" {json} -d \\", at("/v1/keys"))?;
    writeln!(
        out,
        r#"    '{{"api":"weather","name":"demo","scope":"{KEY_SCOPE}","policy":{{"v":1,"ip":{{"allow":["203.0.113.0/24","127.0.0.1"]}}}}}}'); echo "$MADE""#
    )?;
    writeln!(out, "  KEY=$(echo \"$MADE\" | {}); KEY_ID=$(echo \"$MADE\" | {})\n", member("key"), first("id"))?;
    writeln!(out, "  # the weather API asks whether it is good: it is from that network, and from another it is not")?;
    writeln!(out, "  {}", verify("203.0.113.9"))?;
    writeln!(out, "  {}\n", verify("198.51.100.1"))?;
    let told = format!("curl -sS -w '\\n' -u {user} {} -d \"token=$SHORT\"", at("/introspect"));
    writeln!(out, "  # exchange it for a token of five minutes, RFC 8693, that any resource server can verify")?;
    writeln!(out, "  SHORT=$(curl -sS {} -d subject_token_type=urn:keywright:token-type:api-key \\", at("/token"))?;
    writeln!(out, "    -d grant_type=urn:ietf:params:oauth:grant-type:token-exchange -d scope={KEY_SCOPE} \\")?;
    writeln!(
        out,
        "    --data-urlencode \"subject_token=$KEY\" -d resource={WEATHER} | {}); echo \"$SHORT\"",
        member("access_token")
    )?;
    writeln!(out, "  {told}\n")?;
    writeln!(out, "  # its plan lets ten calls through at once and five a second: the rest is rate_limited")?;
    writeln!(
        out,
        "  for n in 1 2 3 4 5 6 7 8 9 10 11 12; do {}; done | grep -o '\"code\":\"[a-z_]*\"'\n",
        verify("203.0.113.9")
    )?;
    writeln!(
        out,
        "  # give it a successor, then end the old one for good, and ask again: key_revoked, and its token is not active"
    )?;
    let act = |act: &str| {
        format!("curl -sS -w '\\n' -X POST {}$KEY_ID/{act} -H \"Authorization: Bearer $KEEPER\"", at("/v1/keys/"))
    };
    writeln!(out, "  {}", act("rotate"))?;
    writeln!(out, "  {}", act("revoke"))?;
    writeln!(out, "  {}", verify("203.0.113.9"))?;
    writeln!(out, "  {told}\n")
}

/// The text as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._/:=@%+,".contains(&b);
    if text.bytes().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(start: Start) -> Opening {
        Opening {
            issuer: Issuer::parse("http://127.0.0.1:8080").unwrap(),
            application: "http://127.0.0.1:8090".into(),
            username: "ada".into(),
            password: Secret::new("pass phrase".into()),
            machine_id: ClientId::parse("demo-machine").unwrap(),
            machine_secret: Secret::new("it's$secret".into()),
            keeper_id: ClientId::parse("demo-keeper").unwrap(),
            keeper_secret: Secret::new("other".into()),
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
        assert_eq!(comments.len(), 9);
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
