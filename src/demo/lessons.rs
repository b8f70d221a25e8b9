//! What happens when something is used that should not be: each lesson does it and shows the refusal.

use super::{
    acts::{Expected, api_url, ask_about, endpoints, post_refresh},
    provider::{Provider, told},
    sessions::Login,
    told::{Chapter, Check, End, Section, Step, Way},
    wire::{Caller, Exchange},
};

const REPLAY: &str = "The code of your sign-in is sent once more, with the right verifier and the right secret. A code \
     is good once. A second use means that two parties hold it, and the issuer cannot tell which of them is the thief.";
const DIED: &str = "So it also ends everything that the code brought: the refresh token is refused from now on.";
const LATE: &str = "The issuer knows that the token’s grant is gone, and refuses it at its own endpoints at once.";
const OFFLINE: &str = "The sample API verifies signatures by itself and asks nobody: it cannot know of a revocation \
     before the token expires. That is the price of not asking, and why access tokens are short-lived. An API for \
     which this is too long introspects.";
const SPENT: &str = "The refresh token that was replaced is sent once more. Within a few seconds this is taken for an \
     answer that got lost on its way: the same successor comes again, and no second line of tokens begins. Later it is \
     taken for theft, and the whole grant ends.";
const TAMPER: &str = "One character of the access token’s claims is changed, as a bearer might who would like to be \
     somebody else or to have a wider scope.";
const NAKED: &str = "No token at all. The challenge says where a client that knows nothing yet can learn which issuer \
     this API trusts.";

/// Uses the code of the sign-in a second time.
pub(super) fn replay_code(provider: &Provider, login: &mut Login) -> Result<Chapter, Chapter> {
    let endpoints = endpoints(provider)?;
    let redirect_uri = provider.settings.redirect_uri();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", login.code.as_str()),
        ("redirect_uri", redirect_uri.as_str()),
        ("code_verifier", login.verifier.as_str()),
    ];
    let exchange = provider.wire.post(&endpoints.token_endpoint, provider.ourselves(), &form);
    let mut steps = vec![refused(
        told_code(exchange.clone()),
        &exchange,
        "A code is used at most once.",
        Section::Rfc(6749, "4.1.2"),
    )];
    if let Some(token) = &login.refresh_token {
        let exchange = post_refresh(provider, &endpoints, token);
        let step = told(Way::Server, "Then try to refresh", DIED, exchange.clone());
        steps.push(refused(step, &exchange, "The whole grant was revoked.", Section::Rfc(9700, "4.5")));
    }
    let exchange = provider.wire.get(&endpoints.userinfo_endpoint, Caller::Bearer(&login.access_token));
    let check = Check::new(
        exchange.status == 401,
        format!("refused: {}", exchange.answer.status),
        "",
        Section::Rfc(6750, "3.1"),
    );
    steps.push(told(Way::Server, "And the access token, at userinfo", LATE, exchange).checked(check));
    steps.push(ask_about(
        provider,
        &endpoints,
        "Ask the issuer about the access token",
        &login.access_token,
        Expected::Dead,
    ));
    let exchange = provider.wire.get(&api_url(provider), Caller::Bearer(&login.access_token));
    let what = match exchange.status {
        200 => "still accepted".to_owned(),
        403 => "still taken for genuine: only its scope is too narrow".to_owned(),
        _ => format!("refused: {}", exchange.answer.status),
    };
    let check = Check::new(true, what, "Until exp, unless the API asks.", Section::Rfc(7009, "3"));
    steps.push(told(Way::Api, "And at an API that asks nobody", OFFLINE, exchange).checked(check));
    login.dead = Some("The code was used twice, so the issuer revoked all that came of it.");
    Ok(lesson(provider, "A code was used twice", "Sign in again afterwards: the tokens are gone.", steps))
}

fn told_code(exchange: Exchange) -> Step {
    told(Way::Server, "Exchange the same code again", REPLAY, exchange)
}

/// Uses the refresh token before this one.
pub(super) fn spent_refresh(provider: &Provider, login: &mut Login) -> Result<Chapter, Chapter> {
    let endpoints = endpoints(provider)?;
    let spent = login.spent.clone().unwrap_or_default();
    let exchange = post_refresh(provider, &endpoints, &spent);
    let step = told(Way::Server, "Send the spent refresh token", SPENT, exchange.clone());
    let section = Section::Rfc(9700, "4.14.2");
    let step = if exchange.ok() {
        let same = exchange.text("refresh_token") == login.refresh_token.as_deref();
        let why = "Two windows that refresh at once, or a lost answer, do not sign you out.";
        step.checked(Check::new(same, "within the grace time: the very same successor came back", why, section))
    } else {
        login.dead = Some("A spent refresh token came back late, so the issuer revoked the grant.");
        let why = "Somebody holds an old token. The issuer ends the grant; both have to sign in again.";
        step.checked(Check::new(true, format!("after the grace time: {}", exchange.error()), why, section))
    };
    let mut steps = vec![step];
    if login.dead.is_some() {
        steps.push(ask_about(
            provider,
            &endpoints,
            "Ask about the newest access token",
            &login.access_token,
            Expected::Dead,
        ));
    }
    Ok(lesson(provider, "A spent refresh token came back", "Rotation with reuse detection.", steps))
}

/// Changes a character of the access token; then uses none at all.
pub(super) fn tampered(provider: &Provider, login: &mut Login) -> Result<Chapter, Chapter> {
    let url = api_url(provider);
    let exchange = provider.wire.get(&url, Caller::Bearer(&altered(&login.access_token)));
    let why = "The signature no longer fits. Without the issuer’s private key nobody can make one that does.";
    let check = Check::new(
        exchange.status == 401,
        format!("refused: {}", exchange.answer.status),
        why,
        Section::Rfc(6750, "3.1"),
    );
    let changed = told(Way::Api, "Call the API with a changed token", TAMPER, exchange).checked(check);
    let exchange = provider.wire.get(&url, Caller::Anyone);
    let named =
        exchange.answer.fields.iter().any(|f| f.name == "www-authenticate" && f.value.contains("resource_metadata"));
    let why = "resource_metadata in the challenge is the beginning of discovery for APIs.";
    let check = Check::new(exchange.status == 401 && named, "refused, with directions", why, Section::Rfc(9728, "5.1"));
    let naked = told(Way::Api, "Call the API without a token", NAKED, exchange).checked(check);
    Ok(lesson(provider, "A changed token", "Yours is untouched and stays good.", vec![changed, naked]))
}

/// The token with one character in the middle of its claims changed.
fn altered(token: &str) -> String {
    let at = token.find('.').map_or(0, |dot| dot.saturating_add(9));
    let change = |(n, c): (usize, char)| match (n == at, c) {
        (true, 'A') => 'B',
        (true, _) => 'A',
        (false, c) => c,
    };
    token.chars().enumerate().map(change).collect()
}

fn refused(step: Step, exchange: &Exchange, why: &'static str, section: Section) -> Step {
    let ok = exchange.text("error") == Some("invalid_grant");
    step.checked(Check::new(ok, format!("refused: {}", exchange.error()), why, section))
}

fn lesson(provider: &Provider, title: &str, lede: &'static str, steps: Vec<Step>) -> Chapter {
    let end = if steps.iter().all(Step::passed) { End::Refused } else { End::Badly };
    Chapter { title: title.into(), lede, at: provider.now(), end, steps }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_character_of_the_claims_changes() {
        let token = "aaaaaaaa.AAAAAAAAAAAAAAAA.cccccccc";
        let other = altered(token);
        let differ: Vec<usize> =
            token.chars().zip(other.chars()).enumerate().filter(|(_, (a, b))| a != b).map(|(n, _)| n).collect();
        assert_eq!((other.len(), differ), (token.len(), vec![17]));
    }
}
