//! Where an answer may be sent (RFC 6749 §3.1.2, RFC 9700 §4.1 and §4.11): proven before
//! anything else is looked at, because an error may travel only to a proven place.

use super::request::{MAX_STATE, ResponseMode, echoable};
use crate::{
    base::id::ClientId,
    oauth::{
        client::Client,
        code::ErrorCode::InvalidRequest,
        params::Params,
        refusal::{Dead, Refusal, refuse},
    },
};

/// A redirection URI that is registered for the client of the request, and what the answer
/// echoes. Whoever holds one may redirect a browser. Made by [`Destination::prove`] only, or
/// read back from where it was sealed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Destination {
    uri: String,
    named: Named,
    mode: ResponseMode,
    state: Option<String>,
}

/// Whether the request named its redirection URI; the redemption of the code must then repeat
/// it (RFC 6749 §4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Named {
    ByTheRequest,
    ByRegistration,
}

/// Who asks, before it is known whether there is such a client.
///
/// # Errors
/// [`Dead`] where `client_id` is missing, repeated, or cannot be one.
pub fn client_id_of(params: &Params) -> Result<ClientId, Dead> {
    let text = params.required("client_id").map_err(dead)?;
    ClientId::parse(text).ok_or_else(|| Dead::new("client_id is not the identifier of any client"))
}

impl Destination {
    /// Proves the redirection URI of a request against those of its client: byte for byte, but
    /// for the port of a loopback literal. It may be left out only where the client has exactly
    /// one that needs no port filled in, and the request is not one of OpenID Connect, which
    /// demands it (Core §3.1.2.1).
    ///
    /// A `state` or `response_mode` that cannot be read does not kill the request: the
    /// refusal of it travels, without the state, in the default mode.
    ///
    /// # Errors
    /// [`Dead`]: show a page, redirect nobody.
    pub fn prove(params: &Params, client: &Client) -> Result<Self, Dead> {
        let (uri, named) = match params.once("redirect_uri").map_err(dead)? {
            Some(asked) if client.redirect_uris.iter().any(|mine| mine.admits(asked)) => {
                (asked.to_owned(), Named::ByTheRequest)
            }
            Some(_) => {
                return Err(Dead::new("redirect_uri is not registered for this client: it must match byte for byte"));
            }
            None => (the_only_one(params, client)?, Named::ByRegistration),
        };
        let state = params.once("state").ok().flatten().filter(|s| echoable(s, MAX_STATE)).map(str::to_owned);
        let mode = params.once("response_mode").ok().flatten().and_then(ResponseMode::parse).unwrap_or_default();
        Ok(Self { uri, named, mode, state })
    }

    /// The redirection URI, byte for byte as it was asked for.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }
    /// Whether the request named it.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        self.named == Named::ByTheRequest
    }
    /// How the answer travels.
    #[must_use]
    pub const fn mode(&self) -> ResponseMode {
        self.mode
    }
    /// `state`, to be returned unchanged.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Refuses a destination that the client no longer has: for requests that waited for a
    /// person while the client was changed.
    ///
    /// # Errors
    /// `invalid_request`; the caller should show a page, since the destination is not proven
    /// any more.
    pub fn still_registered(&self, client: &Client) -> Result<(), Refusal> {
        if client.redirect_uris.iter().any(|mine| mine.admits(&self.uri)) {
            return Ok(());
        }
        refuse(InvalidRequest, "redirect_uri is no longer registered for this client")
    }
}

fn the_only_one(params: &Params, client: &Client) -> Result<String, Dead> {
    let openid = params.all("scope").any(|scope| scope.split(' ').any(|token| token == "openid"));
    match client.redirect_uris.as_slice() {
        [] => Err(Dead::new("this client has no redirection URI: it cannot sign people in")),
        [only] if !only.any_port() && !openid => Ok(only.as_str().to_owned()),
        _ => Err(Dead::new("redirect_uri is missing")),
    }
}

fn dead(refusal: Refusal) -> Dead {
    Dead::new(refusal.because)
}
