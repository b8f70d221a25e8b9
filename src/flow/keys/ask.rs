//! A resource server asks whether a key is good for a call that it was sent.
//!
//! Who asks proves themselves as a client that serves the key's API, or with a key of kind
//! `verifier`. Of keys of other APIs they learn nothing: not even that there are any.

use super::{
    directory::Entry,
    verify::{self, Found, Mode, Verdict},
};
use crate::{
    apikey::{
        call::{Call, Purpose},
        key::Kind,
        verdict::Denied,
    },
    audit::Origin,
    base::{
        fault::{Fault, Stop},
        id::ApiId,
        scope::Scope,
        uri::Resource,
    },
    flow::{authenticate, world::World},
    oauth::{
        code::ErrorCode::{InvalidClient, InvalidRequest, UnauthorizedClient},
        engine::Ended,
        params::Params,
        refusal::{Refusal, refuse},
    },
};
use std::{collections::BTreeSet, sync::Arc};

/// Who asks: what they may ask about.
#[derive(Clone, Debug)]
pub enum Asker {
    /// The resource server of these audiences.
    Client(BTreeSet<Resource>),
    /// The holder of a key that asks about the keys of one API.
    Verifier(ApiId),
}

impl Asker {
    fn serves(&self, entry: &Entry) -> bool {
        match self {
            Self::Client(audiences) => audiences.contains(&entry.api().audience),
            Self::Verifier(api) => entry.api().id == *api,
        }
    }
}

/// What is said of the call.
#[derive(Clone, Debug, Default)]
pub struct Said<'a> {
    /// What it must be allowed to do.
    pub scope: Scope,
    /// Units it costs; one where nothing is said.
    pub cost: Option<u32>,
    /// The environment that is served.
    pub environment: Option<&'a str>,
    /// The end client's address.
    pub address: Option<&'a str>,
    /// The country of that address, where the API lets it be said.
    pub country: Option<&'a str>,
    /// The method.
    pub method: Option<&'a str>,
    /// The path.
    pub path: Option<&'a str>,
    /// `User-Agent`.
    pub user_agent: Option<&'a str>,
    /// `Referer`.
    pub referer: Option<&'a str>,
    /// `Origin`.
    pub origin: Option<&'a str>,
}

impl<'a> Said<'a> {
    /// The call as it is judged. A country that is said counts only where the API trusts its
    /// resource servers with it.
    fn call(&'a self, world: &World, entry: &'a Entry) -> Call<'a> {
        let trusted = entry.api().settings.trust_country;
        Call {
            environment: self.environment,
            scope: self.scope.clone(),
            cost: self.cost.unwrap_or(1),
            address: self.address,
            country: self.country.filter(|_| trusted),
            method: self.method,
            path: self.path,
            user_agent: self.user_agent,
            referer: self.referer,
            origin: self.origin,
            ..Call::new(&entry.api().id, world.now())
        }
    }
}

/// Who asks, proven: by a key of kind `verifier`, or as a client.
///
/// # Errors
/// `invalid_client`; `unauthorized_client` where a client serves no API.
pub async fn asker(
    world: &Arc<World>,
    authorization: Option<&str>,
    api_key: Option<&str>,
    origin: &Origin,
) -> Result<Asker, Ended> {
    let bearer = authorization.and_then(|field| {
        let (scheme, rest) = field.split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then_some(rest.trim())
    });
    match (bearer, api_key) {
        (Some(_), Some(_)) => refuse(InvalidRequest, "two credentials were sent")?,
        (Some(text), None) | (None, Some(text)) => verifier(world, text, origin).await,
        (None, None) => {
            let proven = authenticate::run(world, authorization, &Params::from_pairs([]), origin).await?;
            let audiences = proven.client().protected_resources.clone();
            if audiences.is_empty() {
                refuse(UnauthorizedClient, "the client serves no API: see its protected_resources")?;
            }
            Ok(Asker::Client(audiences.into_iter().collect()))
        }
    }
}

async fn verifier(world: &World, text: &str, origin: &Origin) -> Result<Asker, Ended> {
    let unproven = || Stop::Refusal(Refusal::new(InvalidClient, "this is no key that may ask about keys"));
    let Found::Key(entry) = verify::find(world, text, origin.address).await? else { return Err(unproven()) };
    if entry.key.kind != Kind::Verifier {
        return Err(unproven());
    }
    let address = origin.address.map(|address| address.to_string());
    let call = Call { purpose: Purpose::Ask, address: address.as_deref(), ..Call::new(&entry.api().id, world.now()) };
    match crate::apikey::judge::judge(&entry.known(), &call).map(drop) {
        Ok(()) => {
            world.keys.tally.used(entry.number, call.at, origin.address, None);
            Ok(Asker::Verifier(entry.api().id.clone()))
        }
        Err(denied) => {
            verify::record(world, &entry, &denied, (call.at, origin.address), origin);
            Err(unproven())
        }
    }
}

/// Says whether this text is a key that is good for the call of which this is said.
///
/// # Errors
/// As [`verify::run`].
pub async fn ask(
    world: &World,
    asker: &Asker,
    (text, said): (&str, &Said<'_>),
    mode: Mode,
    origin: &Origin,
) -> Result<Verdict, Fault> {
    // Not the address of whoever asks: that is one for all of their clients.
    let client = said.address.and_then(|text| text.parse().ok());
    let entry = match verify::find(world, text, client).await? {
        Found::Key(entry) if asker.serves(&entry) => entry,
        Found::Key(_) | Found::Nothing => return Ok(verify::nothing(world, Denied::Unknown, mode)),
        Found::Unasked(retry_after) => return Ok(verify::unasked(world, retry_after, mode)),
    };
    let held = Arc::clone(&entry);
    verify::known(world, entry, &said.call(world, &held), mode, origin).await
}
