//! Leaving: RP-Initiated Logout from our side, Back-Channel Logout from the issuer's.

use super::{
    acts::endpoints,
    attempt, decode,
    proof::{self, Kind},
    provider::Provider,
    sessions::{Login, Sessions},
    told::{Chapter, Check, End, Request, Section, Step, Way},
    wire,
};
use serde_json::{Map, Value};

const AWAY: &str = "The application drops its own session, then sends the browser to the issuer to end the one there. \
     Otherwise “Sign in” would let the next person at this machine straight in.";
const BACK: &str = "The issuer ended its session and sent the browser to the address that was registered for this.";
const TOLD: &str = "The session at the issuer ended, perhaps on the account page or from another application. The issuer \
     tells every application that took part, from server to server, so that a closed browser does not matter.";
/// The event that makes a logout token one (Back-Channel Logout §2.4).
pub(super) const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The address that ends the session at the issuer.
pub(super) fn depart(provider: &Provider, login: &Login, state: &str) -> Result<String, Chapter> {
    Ok(attempt::with_query(&endpoints(provider)?.end_session_endpoint, &parameters(provider, login, state)))
}

fn parameters(provider: &Provider, login: &Login, state: &str) -> Vec<(&'static str, String)> {
    vec![
        ("id_token_hint", login.id_token.clone()),
        ("client_id", provider.settings.client_id.to_string()),
        ("post_logout_redirect_uri", provider.settings.post_logout_redirect_uri()),
        ("state", state.to_owned()),
    ]
}

/// What is told of having left.
pub(super) fn departure(provider: &Provider, login: &Login, state: &str) -> Step {
    Step::new(Way::FrontOut, "Send the browser to the issuer to sign out", AWAY)
        .asked(Request {
            method: "GET",
            url: provider.endpoints().map(|e| e.end_session_endpoint).unwrap_or_default(),
            fields: Vec::new(),
            parameters: attempt::shown(&parameters(provider, login, state)),
        })
        .checked(Check::new(
            true,
            "id_token_hint names the session and the client",
            "The issuer sees that we may ask this, and need not ask the person whether they mean it.",
            Section::Logout("2"),
        ))
}

/// The browser is back: whether `state` is the one it left with.
pub(super) fn arrival(provider: &Provider, came: &str, expected: Option<&str>) -> Chapter {
    let right = expected.is_some_and(|e| !came.is_empty() && crate::base::secret::same(e.as_bytes(), came.as_bytes()));
    let step = Step::new(Way::FrontBack, "The browser comes back", BACK)
        .asked(Request {
            method: "GET",
            url: provider.settings.post_logout_redirect_uri(),
            fields: Vec::new(),
            parameters: vec![wire::named("state", came)],
        })
        .checked(Check::new(
            right,
            "state is the one that the browser left with",
            "It is our sign-out that was finished.",
            Section::Logout("3"),
        ));
    let (title, end) =
        if right { ("Signed out", End::Well) } else { ("A sign-out that nobody here began", End::Refused) };
    let lede = "Both sessions are over. The refresh token ended with them.";
    Chapter { title: title.into(), lede, at: provider.now(), end, steps: vec![step] }
}

/// Takes a logout token of the issuer: drops the sessions that it names and tells their people.
///
/// # Errors
/// A sentence for the issuer's operator where the token does not hold.
pub(super) fn told_by_issuer(provider: &Provider, sessions: &Sessions, token: &str) -> Result<usize, String> {
    let (_, keys) = provider.keys(proof::kid(token).as_deref());
    let client = provider.settings.client_id.as_str();
    let claims = proof::prove(&keys, token, Kind::Logout(client), provider)?;
    right_shape(&claims)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let (sid, sub) = (text("sid"), text("sub"));
    let step = Step::new(Way::Called, "The issuer posts a logout token", TOLD)
        .asked(Request {
            method: "POST",
            url: provider.settings.backchannel_logout_uri(),
            fields: Vec::new(),
            parameters: vec![wire::named("logout_token", token)],
        })
        .showing(decode::decode("Logout token", token))
        .checked(Check::new(
            true,
            "signature, iss, aud, iat and exp are right",
            "Only the issuer can sign somebody out.",
            Section::BackChannel("2.6"),
        ))
        .checked(Check::new(
            true,
            "events names a logout, and there is no nonce",
            "An ID token can never be used as a logout token.",
            Section::BackChannel("2.6"),
        ))
        .checked(Check::new(
            true,
            "sid or sub is that of your session",
            "Your local session is dropped.",
            Section::BackChannel("2.6"),
        ));
    let chapter = Chapter {
        title: "The issuer signed you out here".into(),
        lede: "Back-channel logout: this arrived while you were elsewhere.",
        at: provider.now(),
        end: End::Well,
        steps: vec![step],
    };
    Ok(sessions.each_login(|local| {
        let named = local.login.as_ref().is_some_and(|l| match (sid, sub) {
            (Some(sid), _) => l.sid.as_deref() == Some(sid),
            (None, sub) => sub == Some(l.subject.as_str()),
        });
        if named {
            local.login = None;
            local.tell(chapter.clone());
        }
        named
    }))
}

/// What a logout token must and must not have beyond any token (Back-Channel Logout §2.6).
fn right_shape(claims: &Map<String, Value>) -> Result<(), String> {
    if !claims.get("events").and_then(|e| e.get(EVENT)).is_some_and(Value::is_object) {
        return Err("events does not name a logout".into());
    }
    if claims.contains_key("nonce") {
        return Err("it has a nonce, which a logout token must not have".into());
    }
    if !claims.contains_key("sid") && !claims.contains_key("sub") {
        return Err("it names neither sid nor sub".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_id_token_is_no_logout_token() {
        for (claims, good) in [
            (json!({"events": {EVENT: {}}, "sid": "ses_1"}), true),
            (json!({"events": {EVENT: {}}, "sub": "usr_1"}), true),
            (json!({"events": {EVENT: {}}, "sub": "usr_1", "nonce": "n"}), false),
            (json!({"events": {"other": {}}, "sub": "usr_1"}), false),
            (json!({"events": EVENT, "sub": "usr_1"}), false),
            (json!({"events": {EVENT: {}}}), false),
            (json!({"sub": "usr_1"}), false),
        ] {
            assert_eq!(right_shape(claims.as_object().unwrap()).is_ok(), good, "{claims}");
        }
    }

    #[test]
    fn a_sign_out_counts_only_with_the_state_it_left_with() {
        let provider = Provider::new(crate::demo::settings::sample());
        assert_eq!(arrival(&provider, "abc", Some("abc")).end, End::Well);
        for (came, expected) in [("abd", Some("abc")), ("abc", None), ("", Some("")), ("", None)] {
            assert_eq!(arrival(&provider, came, expected).end, End::Refused, "{came:?}");
        }
    }
}
