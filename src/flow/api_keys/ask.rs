//! A resource server asks whether a key is good for a call that it was sent.
//!
//! Who asks proves themselves as a client that serves the key's API, or with a key of kind
//! `verifier`. Of keys of other APIs they learn nothing: not even that there are any.

use super::{
    directory::Entry,
    guesses,
    possession::{self, Sent},
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
    /// Whether it may know of this key.
    pub(super) fn serves(&self, entry: &Entry) -> bool {
        match self {
            Self::Client(audiences) => audiences.contains(&entry.api().audience),
            Self::Verifier(api) => entry.api().id == *api,
        }
    }
}

/// Who asks, proven: by a key of kind `verifier`, or as a client.
///
/// # Errors
/// `invalid_client`; `unauthorized_client` where a client serves no API; a limit, where nobody looked for the key.
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
    let entry = match verify::find(world, text, origin.address).await? {
        Found::Key(entry) => entry,
        Found::Nothing => return Err(unproven()),
        // It may well be one: whoever is told that it is none may throw it away.
        Found::Unasked(wait) => return Err(Stop::Refusal(Refusal::too_many(guesses::exceeded(wait)))),
    };
    if entry.key.kind != Kind::Verifier {
        return Err(unproven());
    }
    let address = origin.address.map(|address| address.to_string());
    let call = Call { purpose: Purpose::Ask, address: address.as_deref(), ..Call::new(&entry.api().id, world.now()) };
    match crate::apikey::judge::judge(&entry.known(), &call).map(drop) {
        Ok(()) => {
            world.api_keys.tally.used(entry.number, call.at, origin.address, None);
            Ok(Asker::Verifier(entry.api().id.clone()))
        }
        Err(denied) => {
            verify::record(world, &entry, &denied, (call.at, origin.address), origin);
            Err(unproven())
        }
    }
}

/// Says whether what was sent is a key that is good for this call, whose API is that of the key. A
/// country that is said counts only where that API trusts its resource servers with it.
///
/// # Errors
/// As [`verify::run`].
pub async fn ask(
    world: &World,
    asker: &Asker,
    (sent, call): (Sent<'_>, &Call<'_>),
    mode: Mode,
    origin: &Origin,
) -> Result<Verdict, Fault> {
    // Not the address of whoever asks: that is one for all of their clients.
    let client = call.address.and_then(|text| text.parse().ok());
    let entry = match verify::find(world, sent.text, client).await? {
        Found::Key(entry) if asker.serves(&entry) => entry,
        Found::Key(_) | Found::Nothing => return Ok(verify::nothing(world, Denied::Unknown, mode)),
        Found::Unasked(retry_after) => return Ok(verify::unasked(world, retry_after, mode)),
    };
    let api = Arc::clone(&entry.shared);
    let country = call.country.filter(|_| api.api.settings.trust_country);
    let call = Call { api: Some(&api.api.id), country, ..call.clone() };
    possession::judged(world, entry, (sent, &call), mode, origin).await
}
