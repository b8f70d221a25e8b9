//! Signing out at a client's request (OpenID Connect RP-Initiated Logout 1.0): at once only
//! where the client shows an ID token of this very session; with a question in every other case,
//! so that no page can sign people out behind their backs (ASVS 10.6.2).

use crate::{
    base::id::{ClientId, SessionId, UserId},
    oauth::{
        authorize::respond::with_query,
        client::Client,
        params::Params,
        refusal::{Dead, Refusal},
    },
};

/// Most bytes of an `id_token_hint`, and of a `state`.
const MAX_TOKEN: usize = 8192;
const MAX_STATE: usize = 2048;

/// The request, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogoutRequest {
    /// `id_token_hint`, raw: for whoever holds the keys.
    pub id_token_hint: Option<String>,
    /// `client_id`.
    pub client_id: Option<ClientId>,
    /// `post_logout_redirect_uri`.
    pub post_logout_redirect_uri: Option<String>,
    /// `state`.
    pub state: Option<String>,
}

impl LogoutRequest {
    /// Reads the parameters. `logout_hint` and `ui_locales` are for the page.
    ///
    /// # Errors
    /// [`Dead`]: show a page, redirect nobody. Nothing of such a request is believed.
    pub fn parse(params: &Params) -> Result<Self, Dead> {
        let dead = |refusal: Refusal| Dead::new(refusal.because);
        params.refuse_repeats().map_err(dead)?;
        let text = |name: &str| params.once(name).map_err(dead);
        let client_id = match text("client_id")? {
            None => None,
            Some(id) => Some(ClientId::parse(id).ok_or_else(|| Dead::new("client_id is not one of ours"))?),
        };
        let bounded = |name: &'static str, most: usize| match text(name)? {
            Some(value) if value.len() > most || value.chars().any(char::is_control) => {
                Err(Dead::new(format!("{name} is too long, or has a control character")))
            }
            value => Ok(value.map(str::to_owned)),
        };
        Ok(Self {
            id_token_hint: bounded("id_token_hint", MAX_TOKEN)?,
            post_logout_redirect_uri: bounded("post_logout_redirect_uri", MAX_STATE)?,
            state: bounded("state", MAX_STATE)?,
            client_id,
        })
    }
}

/// What a verified `id_token_hint` says. It may have expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// To which client it was issued: its `aud`.
    pub client: ClientId,
    /// About whom.
    pub user: UserId,
    /// In which session: its `sid`.
    pub session: Option<SessionId>,
}

/// The signed-in browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Who.
    pub user: UserId,
    /// In which session.
    pub session: SessionId,
}

/// Where the person goes afterwards, if the client has registered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// To our own page that says so.
    OurPage,
    /// To this address of the client, `state` included.
    Redirect(String),
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutVerdict {
    /// End the session of this browser, then go on.
    SignOutAtOnce(Afterwards),
    /// Ask the person first; if they agree, end the session, then go on.
    Confirm(Afterwards),
    /// Nobody is signed in here: go on.
    NothingToEnd(Afterwards),
    /// Show a page that says what is wrong; end nothing.
    Refuse(Dead),
}

/// Which client asks: the one that `client_id` names, else the one that the hint was issued to.
///
/// # Errors
/// [`Dead`] where both are there and differ.
pub fn client_of<'a>(request: &'a LogoutRequest, hint: Option<&'a Hint>) -> Result<Option<&'a ClientId>, Dead> {
    match (&request.client_id, hint) {
        (Some(named), Some(hint)) if *named != hint.client => {
            Err(Dead::new("id_token_hint was issued to another client than client_id names"))
        }
        (Some(named), _) => Ok(Some(named)),
        (None, Some(hint)) => Ok(Some(&hint.client)),
        (None, None) => Ok(None),
    }
}

/// Decides. `client` is what [`client_of`] named, where it exists; `hint` is there only where it
/// verified.
#[must_use]
pub fn judge(
    request: &LogoutRequest,
    hint: Option<&Hint>,
    client: Option<&Client>,
    signed_in: Option<&SignedIn>,
) -> LogoutVerdict {
    if request.id_token_hint.is_some() && hint.is_none() {
        return LogoutVerdict::Refuse(Dead::new("id_token_hint is no ID token of this server"));
    }
    let afterwards = match afterwards(request, client) {
        Ok(afterwards) => afterwards,
        Err(dead) => return LogoutVerdict::Refuse(dead),
    };
    match (signed_in, hint) {
        (None, _) => LogoutVerdict::NothingToEnd(afterwards),
        (Some(here), Some(hint)) if hint.session.as_ref() == Some(&here.session) && hint.user == here.user => {
            LogoutVerdict::SignOutAtOnce(afterwards)
        }
        (Some(_), _) => LogoutVerdict::Confirm(afterwards),
    }
}

/// An address that is not registered byte for byte is not gone to, and the request is not
/// believed otherwise either (RP-Initiated Logout §3).
fn afterwards(request: &LogoutRequest, client: Option<&Client>) -> Result<Afterwards, Dead> {
    let Some(asked) = &request.post_logout_redirect_uri else { return Ok(Afterwards::OurPage) };
    let Some(client) = client else {
        return Err(Dead::new("post_logout_redirect_uri needs an id_token_hint or a client_id, to know whose it is"));
    };
    if !client.post_logout_redirect_uris.iter().any(|mine| mine.admits(asked)) {
        return Err(Dead::new(
            "post_logout_redirect_uri is not registered for this client: it must match byte for byte",
        ));
    }
    let state = request.state.iter().map(|state| ("state", state.as_str()));
    Ok(Afterwards::Redirect(with_query(asked, state)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::sample;

    fn request(pairs: &[(&str, &str)]) -> LogoutRequest {
        LogoutRequest::parse(&Params::from_pairs(pairs.iter().copied())).unwrap()
    }

    fn hint(session: &str) -> Hint {
        Hint {
            client: ClientId::parse("cli_app").unwrap(),
            user: UserId::parse("usr_ada").unwrap(),
            session: SessionId::parse(session),
        }
    }

    fn ada() -> SignedIn {
        SignedIn { user: UserId::parse("usr_ada").unwrap(), session: SessionId::parse("ses_1").unwrap() }
    }

    const BYE: (&str, &str) = ("post_logout_redirect_uri", "https://app.example/bye");
    const HINT: (&str, &str) = ("id_token_hint", "x.y.z");

    #[test]
    fn c37_a_hint_of_this_session_signs_out_at_once_and_goes_back_with_the_state() {
        let client = sample::client();
        let verdict =
            judge(&request(&[HINT, BYE, ("state", "a b")]), Some(&hint("ses_1")), Some(&client), Some(&ada()));
        let back = Afterwards::Redirect("https://app.example/bye?state=a+b".to_owned());
        assert_eq!(verdict, LogoutVerdict::SignOutAtOnce(back));
    }

    #[test]
    fn whatever_else_asks_the_person_first() {
        let client = sample::client();
        let other = SignedIn { user: UserId::parse("usr_bob").unwrap(), ..ada() };
        for (pairs, hint, here) in [
            (&[][..], None, ada()),
            (&[("client_id", "cli_app")], None, ada()),
            (&[HINT], Some(hint("ses_old")), ada()),
            (&[HINT], Some(Hint { session: None, ..hint("ses_1") }), ada()),
            (&[HINT], Some(hint("ses_1")), other),
        ] {
            let verdict = judge(&request(pairs), hint.as_ref(), Some(&client), Some(&here));
            assert_eq!(verdict, LogoutVerdict::Confirm(Afterwards::OurPage), "{pairs:?}");
        }
        let nobody = judge(&request(&[("client_id", "cli_app"), BYE]), None, Some(&client), None);
        assert_eq!(nobody, LogoutVerdict::NothingToEnd(Afterwards::Redirect(BYE.1.to_owned())));
    }

    #[test]
    fn b02_only_a_registered_address_of_a_known_client_is_gone_to() {
        let client = sample::client();
        for uri in ["https://app.example/BYE", "https://app.example/bye?x", "https://app.example/cb", "//evil", "x"] {
            let asked = request(&[("post_logout_redirect_uri", uri), ("client_id", "cli_app")]);
            assert!(matches!(judge(&asked, None, Some(&client), Some(&ada())), LogoutVerdict::Refuse(_)), "{uri}");
        }
        assert!(matches!(judge(&request(&[BYE]), None, None, Some(&ada())), LogoutVerdict::Refuse(_)));
    }

    #[test]
    fn a_hint_that_does_not_verify_or_is_another_clients_is_refused() {
        assert!(matches!(judge(&request(&[HINT]), None, None, Some(&ada())), LogoutVerdict::Refuse(_)));
        let both = request(&[HINT, ("client_id", "cli_other")]);
        assert!(client_of(&both, Some(&hint("ses_1"))).is_err());
        assert_eq!(client_of(&request(&[HINT]), Some(&hint("ses_1"))).unwrap().unwrap().as_str(), "cli_app");
    }

    #[test]
    fn a26_a_repeated_parameter_ends_nothing() {
        let twice = Params::from_pairs([BYE, ("post_logout_redirect_uri", "https://evil.example")]);
        assert!(LogoutRequest::parse(&twice).is_err());
    }
}
