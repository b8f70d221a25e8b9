//! The authorization request as typed values (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1):
//! whether each parameter can be read, never whether this client may send it.

use super::claims_parameter;
use crate::{
    base::{moment::Span, scope::Scope, uri::Resource},
    oauth::{
        code::ErrorCode::{
            self, InvalidRequest, RegistrationNotSupported, RequestNotSupported, RequestUriNotSupported,
            UnsupportedResponseType,
        },
        grant::ClaimsRequest,
        params::Params,
        pkce::CodeChallenge,
        refusal::{Refusal, refuse},
        resource::{resources_of, scope_of},
    },
};
use std::collections::BTreeSet;

/// Most bytes of a `state`; long enough for a signed or sealed one.
pub const MAX_STATE: usize = 2048;
/// Most bytes of a `nonce`, a `login_hint`, `acr_values`, `ui_locales`.
const MAX_TEXT: usize = 1024;
/// Most bytes of an `id_token_hint`: those of any token.
const MAX_TOKEN: usize = 8192;
/// Most entries in a list.
const MAX_LIST: usize = 16;

/// How the answer travels through the browser (OAuth 2.0 Multiple Response Types §2.1, Form Post §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of the redirection URI.
    #[default]
    Query,
    /// In a form that posts itself to the redirection URI.
    FormPost,
}

impl ResponseMode {
    /// Every mode that we have, as advertised.
    pub const ALL: &'static [Self] = &[Self::Query, Self::FormPost];

    /// The text on the wire.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::FormPost => "form_post",
        }
    }
    /// Reads the parameter `response_mode`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|mode| mode.wire() == text)
    }
}

/// One value of `prompt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Show no page whatever happens.
    None,
    /// Have the person sign in, though they are.
    Login,
    /// Have the person consent, though they did.
    Consent,
    /// Have the person choose an account.
    SelectAccount,
}

impl Prompt {
    /// Every value that we have, as advertised.
    pub const ALL: &'static [Self] = &[Self::None, Self::Login, Self::Consent, Self::SelectAccount];

    /// The text on the wire.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Login => "login",
            Self::Consent => "consent",
            Self::SelectAccount => "select_account",
        }
    }
}

/// The values of `prompt`; `none` stands alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Prompts(BTreeSet<Prompt>);

impl Prompts {
    /// Reads a space-delimited list.
    ///
    /// # Errors
    /// `invalid_request` for a value that we do not have, and for `none` beside another.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let mut found = BTreeSet::new();
        for word in text.split(' ').filter(|w| !w.is_empty()) {
            let Some(prompt) = Prompt::ALL.iter().find(|p| p.wire() == word) else {
                return refuse(InvalidRequest, "prompt must be of none, login, consent and select_account");
            };
            found.insert(*prompt);
        }
        if found.contains(&Prompt::None) && found.len() > 1 {
            return refuse(InvalidRequest, "prompt=none goes with no other value");
        }
        Ok(Self(found))
    }
    /// Whether the value was asked for.
    #[must_use]
    pub fn has(&self, prompt: Prompt) -> bool {
        self.0.contains(&prompt)
    }
}

impl FromIterator<Prompt> for Prompts {
    fn from_iter<I: IntoIterator<Item = Prompt>>(from: I) -> Self {
        Self(from.into_iter().collect())
    }
}

/// Everything of a request that is not about where the answer goes; that is
/// [`Destination`](super::destination::Destination).
#[derive(Clone, Debug)]
pub struct AuthorizationRequest {
    /// `scope`.
    pub scope: Option<Scope>,
    /// `resource`.
    pub resources: BTreeSet<Resource>,
    /// `code_challenge`, method S256.
    pub challenge: CodeChallenge,
    /// `nonce`, to be copied into the ID token.
    pub nonce: Option<String>,
    /// `prompt`.
    pub prompt: Prompts,
    /// `max_age`.
    pub max_age: Option<Span>,
    /// `login_hint`: what to write into the sign-in form.
    pub login_hint: Option<String>,
    /// `acr_values`, most wanted first.
    pub acr_values: Vec<String>,
    /// `claims`.
    pub claims: ClaimsRequest,
    /// `ui_locales`, most wanted first.
    pub ui_locales: Vec<String>,
}

impl AuthorizationRequest {
    /// Reads the request. `display` and whatever else we do not know is ignored, as both
    /// standards demand.
    ///
    /// # Errors
    /// A [`Refusal`] with the code of the parameter at fault. The order is that of the reader's
    /// trust: first what makes all other parameters doubtful (repeats, a request object that
    /// would override them), then what kind of answer is wanted, then the parameters.
    pub fn parse(params: &Params) -> Result<Self, Refusal> {
        params.refuse_repeats()?;
        refuse_unsupported(params)?;
        code_only(params)?;
        known_mode(params)?;
        text_of(params, "state", MAX_STATE)?;
        Ok(Self {
            challenge: CodeChallenge::of(params)?,
            scope: scope_of(params)?,
            resources: resources_of(params)?,
            nonce: text_of(params, "nonce", MAX_TEXT)?,
            prompt: params.once("prompt")?.map(Prompts::parse).transpose()?.unwrap_or_default(),
            max_age: params.once("max_age")?.map(seconds).transpose()?,
            login_hint: text_of(params, "login_hint", MAX_TEXT)?,
            acr_values: list_of(params, "acr_values")?,
            claims: params.once("claims")?.map(claims_parameter::parse).transpose()?.unwrap_or_default(),
            ui_locales: list_of(params, "ui_locales")?,
        })
    }
}

/// The raw `id_token_hint`, for whoever holds the keys to verify it.
///
/// # Errors
/// `invalid_request` where it is sent twice or is longer than any token of ours.
pub fn id_token_hint_of(params: &Params) -> Result<Option<&str>, Refusal> {
    match params.once("id_token_hint")? {
        Some(text) if text.len() > MAX_TOKEN => refuse(InvalidRequest, "id_token_hint is longer than 8192 bytes"),
        hint => Ok(hint),
    }
}

/// Whether a text may be echoed to the client: bounded, and without control characters.
pub(super) fn echoable(text: &str, most: usize) -> bool {
    text.len() <= most && !text.chars().any(char::is_control)
}

fn refuse_unsupported(params: &Params) -> Result<(), Refusal> {
    const UNSUPPORTED: [(&str, ErrorCode, &str); 3] = [
        ("request", RequestNotSupported, "the parameter request is not supported"),
        ("request_uri", RequestUriNotSupported, "the parameter request_uri is not supported"),
        ("registration", RegistrationNotSupported, "the parameter registration is not supported"),
    ];
    match UNSUPPORTED.iter().find(|(name, ..)| params.has(name)) {
        Some((_, code, because)) => refuse(*code, *because),
        None => Ok(()),
    }
}

fn code_only(params: &Params) -> Result<(), Refusal> {
    match params.once("response_type")? {
        Some("code") => Ok(()),
        Some(_) => refuse(UnsupportedResponseType, "response_type must be code"),
        None => refuse(InvalidRequest, "response_type is missing: send response_type=code"),
    }
}

fn known_mode(params: &Params) -> Result<(), Refusal> {
    match params.once("response_mode")? {
        Some(text) if ResponseMode::parse(text).is_none() => {
            refuse(InvalidRequest, "response_mode must be query or form_post")
        }
        _ => Ok(()),
    }
}

fn text_of(params: &Params, name: &str, most: usize) -> Result<Option<String>, Refusal> {
    match params.once(name)? {
        Some(text) if !echoable(text, most) => {
            refuse(InvalidRequest, format!("{name} has more than {most} bytes, or a control character"))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

fn list_of(params: &Params, name: &str) -> Result<Vec<String>, Refusal> {
    let text = text_of(params, name, MAX_TEXT)?.unwrap_or_default();
    Ok(text.split(' ').filter(|w| !w.is_empty()).take(MAX_LIST).map(str::to_owned).collect())
}

fn seconds(text: &str) -> Result<Span, Refusal> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u32>() {
        Ok(n) if digits => Ok(Span::seconds(i64::from(n))),
        _ => refuse(InvalidRequest, "max_age must be a whole number of seconds"),
    }
}
