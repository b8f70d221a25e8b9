//! What a signed-in person can do with the tokens: refresh, use, inspect and revoke them.

use super::{
    decode,
    provider::{Endpoints, Provider, told},
    sessions::Login,
    settings::API_SCOPE,
    sign_in,
    told::{Chapter, Check, End, Section, Step, Way},
    wire::{Caller, Exchange, shortened},
};
use std::time::Duration;

const REFRESH: &str = "Access tokens are short-lived on purpose. The refresh token gets new ones without asking the \
     person again, and is itself replaced each time (rotation): the one just used is spent.";
const CALL: &str = "The sample API (part of this program, but it could be anywhere) gets the access token in the \
     Authorization field. It verifies the signature through the issuer’s JWKS, without asking the issuer, and checks \
     that it is itself the audience and that the scope allows the call.";
const INTROSPECT: &str = "A resource server that cannot verify a token by itself, or wants to know whether it was \
     revoked, asks the issuer. It has to prove who it is: only the token’s own client and its audience are told anything.";
const REVOKE: &str = "An application that no longer needs its tokens gives them back. Revoking the refresh token ends \
     the whole grant: this refresh token, those before it, and every access token that came of it.";

/// Closes a chapter: it went well when every check of every step passed.
pub(super) fn chapter(provider: &Provider, title: impl Into<String>, lede: &'static str, steps: Vec<Step>) -> Chapter {
    let end = if steps.iter().all(Step::passed) { End::Well } else { End::Badly };
    Chapter { title: title.into(), lede, at: provider.now(), end, steps }
}

/// The endpoints, or a chapter that tells why there are none.
pub(super) fn endpoints(provider: &Provider) -> Result<Endpoints, Chapter> {
    let lede = "Is Keywright running at the issuer’s address?";
    provider.endpoints().map_err(|step| chapter(provider, "The issuer could not be reached", lede, vec![*step]))
}

/// Exchanges the refresh token.
pub(super) fn refresh(provider: &Provider, login: &mut Login) -> Result<Chapter, Chapter> {
    let endpoints = endpoints(provider)?;
    let old = login.refresh_token.clone().unwrap_or_default();
    let exchange = post_refresh(provider, &endpoints, &old);
    let mut step = told(Way::Server, "Exchange the refresh token", REFRESH, exchange.clone());
    if let (true, Some(access)) = (exchange.ok(), exchange.text("access_token")) {
        let new = exchange.text("refresh_token").unwrap_or(old.as_str());
        step = step
            .checked(Check::new(
                true,
                "a new access token came",
                "The old one stays good until it ends.",
                Section::Rfc(6749, "6"),
            ))
            .checked(Check::new(
                new != old,
                format!("the refresh token was replaced: {} → {}", shortened(&old), shortened(new)),
                "Should a thief and we both hold one, the second use of it shows that, and the issuer ends the grant.",
                Section::Rfc(9700, "4.14.2"),
            ))
            .showing(decode::decode("New access token", access));
        login.access_token = access.to_owned();
        login.access_expires = sign_in::expires(provider.now(), &exchange);
        login.spent = Some(old.clone()).filter(|old| old != new);
        login.refresh_token = Some(new.to_owned());
    } else {
        step = step.checked(refused(&exchange));
        if exchange.text("error") == Some("invalid_grant") {
            login.dead = Some("The issuer no longer knows this grant: it was revoked, it ended, or you signed out.");
        }
    }
    Ok(chapter(provider, "The tokens were refreshed", "New tokens without asking the person again.", vec![step])
        .or_titled("Refreshing was refused"))
}

/// Posts a refresh token to the token endpoint.
pub(super) fn post_refresh(provider: &Provider, endpoints: &Endpoints, token: &str) -> Exchange {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    provider.wire.post(&endpoints.token_endpoint, provider.ourselves(), &form)
}

fn refused(exchange: &Exchange) -> Check {
    let what = format!("the issuer agrees: {}", exchange.error());
    Check::new(false, what, "The answer says why it does not.", Section::Rfc(6749, "5.2"))
}

impl Chapter {
    /// The same, under another title where it went badly.
    fn or_titled(mut self, title: &str) -> Self {
        if self.end == End::Badly {
            title.clone_into(&mut self.title);
        }
        self
    }
}

/// Calls userinfo.
pub(super) fn userinfo(provider: &Provider, login: &mut Login) -> Result<Chapter, Chapter> {
    let endpoints = endpoints(provider)?;
    let (step, _) = sign_in::userinfo(provider, &endpoints, &login.access_token, Some(&login.subject));
    let lede = "Claims about the person, fresh from the issuer.";
    Ok(chapter(provider, "Userinfo was asked", lede, vec![step]).or_titled("Userinfo refused"))
}

/// Calls the sample API.
pub(super) fn call_api(provider: &Provider, login: &mut Login) -> Result<Chapter, Chapter> {
    let exchange = provider.wire.get(&api_url(provider), Caller::Bearer(&login.access_token));
    let status = exchange.status;
    let step = told(Way::Api, "Call the sample API", CALL, exchange);
    let step = match status {
        403 => step.checked(Check::new(
            true,
            format!("403, insufficient_scope: the token does not have {API_SCOPE}"),
            "The token is genuine, but you have not allowed this yet. The challenge names the missing scope; \
             “Ask for more” gets it.",
            Section::Rfc(6750, "3.1"),
        )),
        _ => step.checked(Check::new(
            status == 200,
            "the API answers",
            "Signature, typ at+jwt, issuer, audience, time and scope were right.",
            Section::Rfc(9068, "4"),
        )),
    };
    let (title, end) = match status {
        200 => ("The sample API answered", End::Well),
        403 => ("The sample API wants a wider scope", End::Refused),
        _ => ("The sample API refused the token", End::Badly),
    };
    let lede = "An API decides by the token alone: who issued it, for whom, until when, for what.";
    Ok(Chapter { end, ..chapter(provider, title, lede, vec![step]) })
}

/// The sample API's address.
pub(super) fn api_url(provider: &Provider) -> String {
    format!("{}/hello", provider.settings.resource())
}

/// Asks the issuer about both tokens.
pub(super) fn introspect(provider: &Provider, login: &mut Login) -> Result<Chapter, Chapter> {
    let endpoints = endpoints(provider)?;
    let mut steps =
        vec![ask_about(provider, &endpoints, "Ask about the access token", &login.access_token, Expected::Either)];
    if let Some(token) = &login.refresh_token {
        steps.push(ask_about(provider, &endpoints, "Ask about the refresh token", token, Expected::Either));
    }
    Ok(chapter(provider, "The issuer was asked about the tokens", "Introspection: one answer, active or not.", steps))
}

/// What an introspection must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Whatever is the case.
    Either,
    /// That the token is dead, because it was just revoked.
    Dead,
}

/// One introspection (RFC 7662 §2).
pub(super) fn ask_about(
    provider: &Provider,
    endpoints: &Endpoints,
    title: &'static str,
    token: &str,
    expected: Expected,
) -> Step {
    let ask = || provider.wire.post(&endpoints.introspection_endpoint, provider.ourselves(), &[("token", token)]);
    let mut exchange = ask();
    // A revocation may take up to a second to be known to every node of the issuer.
    for _ in 0..if expected == Expected::Dead { 4 } else { 0 } {
        if exchange.json.get("active").and_then(serde_json::Value::as_bool) != Some(true) {
            break;
        }
        std::thread::sleep(Duration::from_millis(300));
        exchange = ask();
    }
    let active = exchange.json.get("active").and_then(serde_json::Value::as_bool);
    let right = match expected {
        Expected::Either => active.is_some(),
        Expected::Dead => active == Some(false),
    };
    let what = match active {
        Some(true) => "active is true: it is good now".to_owned(),
        Some(false) => "active is false: it is not good, and nothing more is told".to_owned(),
        None => format!("an answer came: {}", exchange.error()),
    };
    let why = "For a token that is unknown, expired, revoked or none of the caller’s business the answer is the same.";
    told(Way::Server, title, INTROSPECT, exchange).checked(Check::new(right, what, why, Section::Rfc(7662, "2.2")))
}

/// Revokes the grant and looks what is left.
pub(super) fn revoke(provider: &Provider, login: &mut Login) -> Result<Chapter, Chapter> {
    let endpoints = endpoints(provider)?;
    let (token, hint) = match &login.refresh_token {
        Some(token) => (token.as_str(), "refresh_token"),
        None => (login.access_token.as_str(), "access_token"),
    };
    let form = [("token", token), ("token_type_hint", hint)];
    let exchange = provider.wire.post(&endpoints.revocation_endpoint, provider.ourselves(), &form);
    let ok = exchange.ok();
    let why = "200 says that it is stored. A server that could not store it must not say so.";
    let step = told(Way::Server, "Revoke", REVOKE, exchange).checked(Check::new(
        ok,
        "the issuer answered 200",
        why,
        Section::Rfc(7009, "2.2"),
    ));
    let mut steps = vec![step];
    if ok {
        login.dead = Some("You revoked them.");
        steps.push(ask_about(
            provider,
            &endpoints,
            "Ask about the access token afterwards",
            &login.access_token,
            Expected::Dead,
        ));
    }
    let lede = "You are still signed in at this application and at the issuer; only the tokens are gone.";
    Ok(chapter(provider, "The tokens were revoked", lede, steps))
}
