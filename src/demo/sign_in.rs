//! Signing in: the authorization code flow with PKCE, from the button to a verified ID token
//! (OpenID Connect Core §3.1, RFC 7636, RFC 9207).

use super::{
    attempt::{self, Ask, Attempt},
    decode,
    proof::{self, Kind},
    provider::{Endpoints, Provider, told},
    sessions::Login,
    told::{Chapter, Check, End, Request, Section, Step, Way},
    wire::{self, Caller, Exchange},
};
use crate::base::{
    digest::{HalfHash, half_hash},
    moment::{Moment, Span},
    secret::same,
};
use serde_json::{Map, Value};

const CALLBACK: &str = "The person signed in at the issuer, on the issuer’s pages: this application never sees the \
     password. The browser came back with a short-lived code. It went through the address bar, so it is treated as \
     something that others may have seen; alone it is worth nothing.";
const EXCHANGE: &str = "Now the application’s server talks to the issuer’s, unseen by the browser. It proves two \
     things: that it is the registered client (by its secret), and that it is the one that began this sign-in (by \
     the verifier, whose SHA-256 was sent along as the challenge).";
const WRONG: &str = "This time the application sends another verifier than the one whose challenge it sent along: \
     just what a thief of the code would have to do, who never saw the verifier.";
const ID_TOKEN: &str = "The ID token says who signed in, when and how, to this application alone. It is a signed \
     statement; every part of it is checked before a word of it is believed.";
const USERINFO: &str = "The access token opens the userinfo endpoint, which answers with the claims that the person \
     agreed to share.";

/// What came back to the redirect URI.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub(super) struct Callback {
    code: Option<String>,
    pub(super) state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// A finished walk: what to tell, and who is signed in now, if anybody is.
pub(super) struct Outcome {
    pub(super) chapter: Chapter,
    pub(super) login: Option<Login>,
}

/// Sends a sign-in off: the address to go to, or the chapter that says why there is none.
pub(super) fn depart(provider: &Provider, attempt: &Attempt) -> Result<String, Chapter> {
    match provider.discover() {
        (_, Some(endpoints)) => {
            Ok(attempt::with_query(&endpoints.authorization_endpoint, &attempt.parameters(&provider.settings)))
        }
        (step, None) => Err(Chapter {
            title: "The issuer could not be reached".into(),
            lede: "Is Keywright running at the issuer’s address?",
            at: provider.now(),
            end: End::Badly,
            steps: vec![step],
        }),
    }
}

/// Takes an answer for which nothing is remembered with this browser: tells why it is refused.
pub(super) fn stranger(provider: &Provider, callback: &Callback) -> Chapter {
    let step = Step::new(Way::FrontBack, "An answer comes back that we did not ask for", CALLBACK)
        .asked(came(provider, callback))
        .checked(Check::new(
            false,
            "state is one that this browser was sent off with",
            "Somebody may have sent you a link with their own code in it, to sign you in as them (login CSRF). The \
             code is not even sent to the issuer. The same happens when you were away for more than half an hour.",
            Section::Rfc(6749, "10.12"),
        ));
    Chapter {
        title: "An answer that nobody here asked for".into(),
        lede: "The application refuses it before doing anything with it. Nothing of yours has changed.",
        at: provider.now(),
        end: End::Refused,
        steps: vec![step],
    }
}

/// Walks the whole way from the answer to a session.
pub(super) fn arrive(provider: &Provider, attempt: &Attempt, callback: &Callback) -> Outcome {
    let mut walk = Walk { provider, attempt, steps: Vec::new() };
    let login = walk.go(callback);
    let refused_on_purpose = attempt.ask == Ask::WrongVerifier;
    let end = match (&login, refused_on_purpose) {
        (Some(_), _) => End::Well,
        (None, true) => End::Refused,
        (None, false) => End::Badly,
    };
    let (title, lede) = words(attempt.ask, &login, callback);
    Outcome { chapter: Chapter { title, lede, at: provider.now(), end, steps: walk.steps }, login }
}

fn words(ask: Ask, login: &Option<Login>, callback: &Callback) -> (String, &'static str) {
    let who = login.as_ref().map(|l| l.name.clone());
    match (ask, who) {
        (Ask::Plain, Some(who)) => (format!("{who} signed in"), "What happened between the button and this page."),
        (Ask::Again, Some(who)) => (
            format!("{who} proved once more who they are"),
            "An application asks for this before something that matters.",
        ),
        (Ask::More, Some(who)) => (
            format!("{who} let this application do more"),
            "The same walk with one more scope; the issuer asks for consent where it is new.",
        ),
        (Ask::WrongVerifier, None) if callback.error.is_none() => (
            "A code with the wrong verifier".into(),
            "A stolen code is worth nothing without the verifier: PKCE. You are still signed in with what you had before.",
        ),
        (Ask::WrongVerifier, Some(_)) => ("A wrong verifier was accepted".into(), "That must not happen."),
        (_, None) => ("Nobody signed in".into(), "The walk stopped where a check failed or the issuer said no."),
    }
}

fn came(provider: &Provider, callback: &Callback) -> Request {
    let list = [
        ("code", &callback.code),
        ("state", &callback.state),
        ("iss", &callback.iss),
        ("error", &callback.error),
        ("error_description", &callback.error_description),
    ];
    let parameters = list.into_iter().filter_map(|(name, value)| Some(wire::named(name, value.as_ref()?))).collect();
    Request { method: "GET", url: provider.settings.redirect_uri(), fields: Vec::new(), parameters }
}

struct Walk<'a> {
    provider: &'a Provider,
    attempt: &'a Attempt,
    steps: Vec<Step>,
}

impl Walk<'_> {
    fn go(&mut self, callback: &Callback) -> Option<Login> {
        let (step, endpoints) = self.provider.discover();
        self.steps.push(step);
        let endpoints = endpoints?;
        self.tell_departure(&endpoints);
        let code = self.judge_answer(&endpoints, callback)?;
        let exchange = self.exchange(&endpoints, &code);
        if !exchange.ok() {
            return None;
        }
        let id_token = exchange.text("id_token")?.to_owned();
        let access_token = exchange.text("access_token")?.to_owned();
        let claims = self.verify(&id_token, &access_token)?;
        let profile = self.userinfo(&endpoints, &access_token, &claims)?;
        let text = |from: &Value, name: &str| from.get(name).and_then(Value::as_str).map(str::to_owned);
        let subject = claims.get("sub").and_then(Value::as_str)?.to_owned();
        Some(Login {
            name: ["name", "preferred_username", "email"]
                .iter()
                .find_map(|n| text(&profile, n))
                .unwrap_or_else(|| subject.clone()),
            subject,
            sid: claims.get("sid").and_then(Value::as_str).map(str::to_owned),
            scope: exchange.text("scope").unwrap_or_default().to_owned(),
            access_expires: expires(self.provider.now(), &exchange),
            refresh_token: exchange.text("refresh_token").map(str::to_owned),
            spent: None,
            verifier: self.attempt.verifier.clone(),
            dead: None,
            id_token,
            access_token,
            code,
        })
    }

    fn tell_departure(&mut self, endpoints: &Endpoints) {
        let parameters = self.attempt.parameters(&self.provider.settings);
        let made = "Before the browser leaves, the application makes three random values and keeps them with your cookie: \
             state, nonce and the PKCE verifier. Only the verifier’s SHA-256 leaves the house.";
        let verifier = &self.attempt.verifier;
        let challenge = attempt::challenge(verifier);
        let mut step = Step::new(Way::Inside, "Make state, nonce and a PKCE verifier", made).checked(Check::new(
            true,
            "code_challenge = BASE64URL(SHA-256(code_verifier))",
            "The challenge does not tell the verifier, which has 256 random bits.",
            Section::Rfc(7636, "4.2"),
        ));
        let (state, nonce) = (&self.attempt.state, &self.attempt.nonce);
        let made = [("state", state), ("nonce", nonce), ("code_verifier", verifier), ("code_challenge", &challenge)];
        step.values = made.iter().map(|(name, value)| wire::named(name, value)).collect();
        self.steps.push(step);
        let why = "A redirect sends the browser to the issuer. Everything here is seen by the browser, so nothing here is secret.";
        self.steps.push(Step::new(Way::FrontOut, "Send the browser to the issuer", why).asked(Request {
            method: "GET",
            url: endpoints.authorization_endpoint.clone(),
            fields: Vec::new(),
            parameters: attempt::shown(&parameters),
        }));
    }

    /// The code, where the answer stands every test.
    fn judge_answer(&mut self, endpoints: &Endpoints, callback: &Callback) -> Option<String> {
        let issuer = self.provider.settings.issuer.as_str();
        let right_issuer = match callback.iss.as_deref() {
            Some(iss) => iss == issuer,
            None => !endpoints.authorization_response_iss_parameter_supported,
        };
        let mut step = Step::new(Way::FrontBack, "The browser comes back with a code", CALLBACK)
            .asked(came(self.provider, callback))
            .checked(Check::new(
                true,
                "state is the one that this browser was sent off with",
                "Somebody else’s answer cannot be slipped to you (login CSRF).",
                Section::Rfc(6749, "10.12"),
            ))
            .checked(Check::new(
                right_issuer,
                format!("iss = {issuer}"),
                "The answer comes from the issuer that was asked, so the code will not be carried to another (mix-up attack).",
                Section::Rfc(9207, "2.4"),
            ));
        if let Some(error) = &callback.error {
            let description = callback.error_description.as_deref().unwrap_or_default();
            let why = "The issuer answered with an error, for instance because the person said no.";
            step.title = "The browser comes back with a refusal".into();
            step = step.checked(Check::new(
                false,
                format!("no error: {error}. {description}"),
                why,
                Section::Rfc(6749, "4.1.2.1"),
            ));
        } else {
            let why = "It is what we came for.";
            step =
                step.checked(Check::new(callback.code.is_some(), "a code is there", why, Section::Rfc(6749, "4.1.2")));
        }
        let passed = step.passed();
        self.steps.push(step);
        callback.code.clone().filter(|_| passed)
    }

    fn exchange(&mut self, endpoints: &Endpoints, code: &str) -> Exchange {
        let wrong = self.attempt.ask == Ask::WrongVerifier;
        let other: String = self.attempt.verifier.chars().rev().collect();
        let verifier = if wrong { other.as_str() } else { self.attempt.verifier.as_str() };
        let redirect_uri = self.provider.settings.redirect_uri();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri.as_str()),
            ("code_verifier", verifier),
        ];
        let exchange = self.provider.wire.post(&endpoints.token_endpoint, self.provider.ourselves(), &form);
        let (title, why) = if wrong {
            ("Exchange the code, with a wrong verifier", WRONG)
        } else {
            ("Exchange the code for tokens", EXCHANGE)
        };
        let mut step = told(Way::Server, title, why, exchange.clone());
        step = if wrong {
            let refused = exchange.text("error") == Some("invalid_grant");
            let why = "The issuer hashed what it was sent, and it is not the challenge that came with the request.";
            step.checked(Check::new(
                refused,
                format!("refused with invalid_grant: {}", exchange.error()),
                why,
                Section::Rfc(7636, "4.6"),
            ))
        } else {
            let bearer = exchange.text("token_type").is_some_and(|t| t.eq_ignore_ascii_case("bearer"));
            let why = "Whoever holds the access token may use it, so it stays on the server and is never shown to the browser whole.";
            let said = if exchange.ok() {
                "token_type is Bearer".to_owned()
            } else {
                format!("tokens came: {}", exchange.error())
            };
            step.checked(Check::new(exchange.ok() && bearer, said, why, Section::Rfc(6749, "5.1")))
                .showing(exchange.text("access_token").and_then(|t| decode::decode("Access token", t)))
        };
        self.steps.push(step);
        exchange
    }

    /// The claims of the ID token, where it stands every test (OpenID Connect Core §3.1.3.7).
    fn verify(&mut self, id_token: &str, access_token: &str) -> Option<Map<String, Value>> {
        let settings = &self.provider.settings;
        let kid = proof::kid(id_token);
        let (fetched, keys) = self.provider.keys(kid.as_deref());
        self.steps.extend(fetched);
        let proven =
            proof::prove(&keys, id_token, Kind::Id(settings.client_id.as_str(), &self.attempt.nonce), self.provider);
        let step =
            Step::new(Way::Inside, "Verify the ID token", ID_TOKEN).showing(decode::decode("ID token", id_token));
        let claims = match proven {
            Ok(claims) => claims,
            Err(why) => {
                let check = Check::new(
                    false,
                    format!("it holds: {why}"),
                    "Nothing in it is believed.",
                    Section::Core("3.1.3.7"),
                );
                self.steps.push(step.checked(check));
                return None;
            }
        };
        let step = self.told_of_id_token(step, &claims, access_token);
        let passed = step.passed();
        self.steps.push(step);
        passed.then_some(claims)
    }

    fn told_of_id_token(&self, step: Step, claims: &Map<String, Value>, access_token: &str) -> Step {
        let core = Section::Core("3.1.3.7");
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let nonce = same(text("nonce").as_bytes(), self.attempt.nonce.as_bytes());
        let bound = [HalfHash::Sha256, HalfHash::Sha512].iter().any(|h| half_hash(*h, access_token) == text("at_hash"));
        let mut step = step
            .checked(Check::new(true, "the signature holds, by a key of the issuer’s JWKS", "The issuer said this and nobody changed it. The algorithm is one that we expect, whatever the token says.", Section::Rfc(7515, "5.2")))
            .checked(Check::new(true, "iss, aud and exp are right", "It comes from our issuer, is meant for this application (our client id is its audience) and has not expired.", core))
            .checked(Check::new(nonce, "nonce is the one that we sent", "It was made for this very sign-in: one from elsewhere cannot be slipped in.", core))
            .checked(Check::new(bound, "at_hash fits the access token", "The two tokens belong together.", Section::Core("3.1.3.6")));
        if self.attempt.ask == Ask::Again {
            let at = claims.get("auth_time").and_then(Value::as_i64).map(Moment::from_unix);
            let fresh = at.is_some_and(|at| at.unix() >= self.attempt.begun.unix());
            let why = "We asked for prompt=login; this proves that it happened, rather than trusting that it did.";
            step = step.checked(Check::new(fresh, "auth_time is after we asked", why, Section::Core("3.1.2.1")));
        }
        step
    }

    fn userinfo(&mut self, endpoints: &Endpoints, access_token: &str, claims: &Map<String, Value>) -> Option<Value> {
        let step = userinfo(self.provider, endpoints, access_token, claims.get("sub").and_then(Value::as_str));
        let (step, profile) = step;
        self.steps.push(step);
        profile
    }
}

/// Calls userinfo; the profile where it is about the same person.
pub(super) fn userinfo(
    provider: &Provider,
    endpoints: &Endpoints,
    token: &str,
    subject: Option<&str>,
) -> (Step, Option<Value>) {
    let exchange = provider.wire.get(&endpoints.userinfo_endpoint, Caller::Bearer(token));
    let right = exchange.ok() && exchange.text("sub") == subject;
    let profile = right.then(|| exchange.json.clone());
    let what =
        if exchange.ok() { "sub is that of the ID token".into() } else { format!("answered: {}", exchange.error()) };
    let why = "Otherwise the claims could be about somebody else (token substitution).";
    let check = Check::new(right, what, why, Section::Core("5.3.2"));
    (told(Way::Server, "Ask userinfo about the person", USERINFO, exchange).checked(check), profile)
}

/// When an access token ends, by the answer that brought it.
pub(super) fn expires(now: Moment, exchange: &Exchange) -> Moment {
    now + Span::seconds(exchange.json.get("expires_in").and_then(Value::as_i64).unwrap_or(0))
}
