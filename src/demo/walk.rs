//! The walk of an API key, as commands to paste: made, used, exchanged, restricted, limited, rotated, revoked,
//! and what is known of its use. All calls go to the weather API.

use super::{
    banner::{Front, Opening, quoted},
    settings::{KEEPER_SCOPE, KEY_SCOPE, WEATHER},
};
use std::fmt::Write;

/// Asks for an answer with its header fields, and a line end after its body.
const SHOWN: &str = "curl -sS -i -w '\\n'";
/// Asks for the status alone.
const STATUS: &str = "curl -sS -o /dev/null -w '%{http_code}\\n'";
const JSON: &str = "-H 'Content-Type: application/json'";
const AS_KEEPER: &str = "-H \"Authorization: Bearer $KEEPER\"";

/// Writes it. Comments have no apostrophe and no parenthesis: an interactive zsh would read them as syntax.
///
/// # Errors
/// None: writing to a text cannot fail.
pub(super) fn write(out: &mut String, of: &Opening) -> std::fmt::Result {
    let front = match &of.front {
        Front::Nginx => "with nginx in front, which asks Keywright before each call",
        Front::Nothing(_) => "which asks Keywright about each call",
    };
    writeln!(out, "And an API key, of the free plan of a weather API {front}:\n")?;
    made(out, of)?;
    used(out, of)?;
    narrow(out, of)?;
    limited(out, of)?;
    ended(out, of)
}

/// The value of a member of the JSON that comes in.
fn member(name: &str) -> String {
    format!("sed -n 's/.*\"{name}\" *: *\"\\([^\"]*\\)\".*/\\1/p'")
}

fn forecast(of: &Opening, place: &str) -> String {
    quoted(&format!("{}/v1/forecast/{place}", of.weather))
}

fn made(out: &mut String, of: &Opening) -> std::fmt::Result {
    let user = quoted(&format!("{}:{}", of.keeper_id, of.keeper_secret.expose()));
    let at = |path| quoted(&of.issuer.at(path));
    // An owner has an `id` too: the key's own is the first member.
    let first = "sed -n 's/^{ *\"id\" *: *\"\\([^\"]*\\)\".*/\\1/p'";
    writeln!(out, "  # a token that may make keys, then a key for callers from here, whose text comes this once")?;
    writeln!(out, "  KEEPER=$(curl -sS -u {user} {} -d grant_type=client_credentials \\", at("/token"))?;
    writeln!(out, "    -d 'scope={KEEPER_SCOPE}' | {})", member("access_token"))?;
    writeln!(out, "  MADE=$(curl -sS {} {AS_KEEPER} {JSON} -d \\", at("/v1/keys"))?;
    writeln!(
        out,
        r#"    '{{"api":"weather","name":"demo","scope":"{KEY_SCOPE}","policy":{{"v":1,"ip":{{"allow":["127.0.0.1"]}}}}}}'); echo "$MADE""#
    )?;
    writeln!(out, "  KEY=$(echo \"$MADE\" | {}); KEY_ID=$(echo \"$MADE\" | {first})\n", member("key"))
}

fn used(out: &mut String, of: &Opening) -> std::fmt::Result {
    let (paris, token) = (forecast(of, "paris"), quoted(&of.issuer.at("/token")));
    writeln!(out, "  # without it the answer is 401, with it the weather, and what is left of its limits")?;
    writeln!(out, "  {SHOWN} {paris}")?;
    writeln!(out, "  {SHOWN} {paris} -H \"X-API-Key: $KEY\"\n")?;
    writeln!(out, "  # exchange it for a token of five minutes, RFC 8693, which the weather API takes as well")?;
    writeln!(out, "  SHORT=$(curl -sS {token} -d subject_token_type=urn:keywright:token-type:api-key \\")?;
    writeln!(out, "    -d grant_type=urn:ietf:params:oauth:grant-type:token-exchange -d scope={KEY_SCOPE} \\")?;
    writeln!(
        out,
        "    --data-urlencode \"subject_token=$KEY\" -d resource={WEATHER} | {}); echo \"$SHORT\"",
        member("access_token")
    )?;
    writeln!(out, "  {SHOWN} {paris} -H \"Authorization: Bearer $SHORT\"\n")
}

fn narrow(out: &mut String, of: &Opening) -> std::fmt::Result {
    let (paris, lima) = (forecast(of, "paris"), forecast(of, "lima"));
    let key = "-H \"X-API-Key: $NARROW\"";
    writeln!(
        out,
        "  # another key, to read the weather of Paris only: 200, then 403 for Lima and 403 for another method"
    )?;
    writeln!(out, "  NARROW=$(curl -sS {} {AS_KEEPER} {JSON} -d \\", quoted(&of.issuer.at("/v1/keys")))?;
    writeln!(
        out,
        r#"    '{{"api":"weather","name":"paris","scope":"{KEY_SCOPE}","policy":{{"v":1,"ip":{{"allow":["127.0.0.1"]}},"routes":[{{"methods":["GET"],"path":"/v1/forecast/paris"}}]}}}}' \"#
    )?;
    writeln!(out, "    | {})", member("key"))?;
    writeln!(out, "  {STATUS} {paris} {key}")?;
    writeln!(out, "  {STATUS} {lima} {key}")?;
    writeln!(out, "  {STATUS} -X POST {paris} {key}\n")
}

fn limited(out: &mut String, of: &Opening) -> std::fmt::Result {
    let many = quoted(&format!("{}/v1/forecast/paris?n=[1-24]", of.weather));
    writeln!(
        out,
        "  # its plan lets ten calls through at once and five a second: the rest is 429, with a time to wait"
    )?;
    writeln!(out, "  curl -sS -D - -o /dev/null {many} -H \"X-API-Key: $KEY\" | grep -iE '^(http|retry-after)'\n")
}

fn ended(out: &mut String, of: &Opening) -> std::fmt::Result {
    let paris = forecast(of, "paris");
    let at = |rest: &str| format!("{}\"$KEY_ID{rest}\"", quoted(&of.issuer.at("/v1/keys/")));
    let head = "curl -sS -D - -o /dev/null";
    writeln!(out, "  # a moment later, give it a successor: both are good, and the old one is told when it ends")?;
    writeln!(out, "  sleep 2; NEXT=$(curl -sS -X POST {} {AS_KEEPER} | {})", at("/rotate"), member("key"))?;
    writeln!(out, "  {head} {paris} -H \"X-API-Key: $KEY\"")?;
    writeln!(out, "  {head} {paris} -H \"X-API-Key: $NEXT\"\n")?;
    writeln!(
        out,
        "  # end the old one for good: 401 at once, for the token that it was exchanged for too, not for the new one"
    )?;
    writeln!(out, "  {STATUS} -X POST {} {AS_KEEPER}", at("/revoke"))?;
    writeln!(out, "  {STATUS} {paris} -H \"X-API-Key: $KEY\"")?;
    writeln!(out, "  {STATUS} {paris} -H \"Authorization: Bearer $SHORT\"")?;
    writeln!(out, "  {STATUS} {paris} -H \"X-API-Key: $NEXT\"\n")?;
    writeln!(
        out,
        "  # some seconds later, what it was used for: calls by verdict, and how those that passed were served"
    )?;
    writeln!(out, "  sleep 6; curl -sS -w '\\n' {} {AS_KEEPER}\n", at("/usage"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::banner::{Start, tests::opening};

    #[test]
    fn the_commands_of_the_readme_are_those_that_are_printed() {
        let mut printed = String::new();
        write(&mut printed, &opening(Start::First)).unwrap();
        let readme = include_str!("../../README.md");
        let block = readme.split("<!-- the walk of a key -->\n```sh\n").nth(1).unwrap().split("```").next().unwrap();
        let commands: Vec<&str> = block.lines().filter(|line| line.starts_with("curl")).collect();
        assert!(commands.len() >= 5, "{commands:?}");
        for command in commands {
            let command = command.split(" # ").next().unwrap().trim_end();
            assert!(printed.contains(&format!("  {command}\n")), "{command} is not in\n{printed}");
        }
    }
}
