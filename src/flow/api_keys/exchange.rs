//! Whether an API key may be exchanged for a token, and whether a token of one still stands.
//!
//! The key is judged by the one function that judges all calls, at the address it is exchanged
//! from. What restricts it and can be seen there is asked there, and what a resource server can
//! see travels in the token; a key that is restricted by what only a call has (its path, its
//! page) is not exchanged, for what a rule needs and nobody said is a refusal.

use super::{
    directory::{self, Entry},
    verify::{self, Found, Mode, Verdict},
};
use crate::{
    apikey::{
        api::Exchange,
        call::{Call, Possession},
        family::Owner,
        judge::stands,
        key::Kind,
        policy::Rule,
        verdict::Denied,
    },
    audit::Origin,
    base::{
        fault::Fault,
        id::{ApiKeyId, ClientId},
        moment::{Moment, Span},
        scope::Scope,
    },
    flow::{clients, dpop, world::World},
    oauth::{
        code::ErrorCode::{InvalidDpopProof, InvalidGrant, InvalidRequest, InvalidTarget},
        dpop::{Proof, Shown},
        engine::Ended,
        grant::token_exchange::{Request, not_good},
        refusal::{Exceeded, Refusal, refuse},
    },
};
use serde_json::Value;
use std::sync::Arc;

/// The members of a policy that a resource server can ask of a call itself.
const TRAVEL: [&str; 4] = ["ip", "geo", "time", "user_agent"];
/// Most bytes of them in a token: fields of a request have an end.
const MAX_TRAVEL: usize = 2048;

/// A key that may be exchanged.
#[derive(Debug)]
pub struct Exchangeable {
    /// The key.
    pub entry: Arc<Entry>,
    /// What the token may do.
    pub scope: Scope,
    /// What restricts the key and travels in the token.
    pub restrictions: Vec<Value>,
    /// The proof of possession, which is good and has yet to be used up; none where none was shown.
    pub proof: Option<Proof>,
}

/// What is known of whoever asks.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The field `User-Agent`.
    pub user_agent: Option<&'a str>,
    /// The proof of possession that was sent along, if one was.
    pub dpop: &'a Shown<'a>,
}

/// Judges a key that is to be exchanged, and spends what that costs.
///
/// # Errors
/// `invalid_grant` for a key that is not good, `invalid_dpop_proof`, `invalid_target`, `invalid_scope`; a limit that
/// is met; a fault, as of [`verify::run`].
pub async fn permit(
    world: &World,
    request: &Request,
    asking: Asking<'_>,
    origin: &Origin,
) -> Result<Exchangeable, Ended> {
    let entry = match verify::find(world, request.subject.expose(), origin.address).await? {
        Found::Key(entry) => entry,
        Found::Nothing => return Err(refusal(&verify::nothing(world, Denied::Unknown, Mode::Real)).into()),
        Found::Unasked(wait) => return Err(refusal(&verify::unasked(world, wait, Mode::Real)).into()),
    };
    let (api, now) = (Arc::clone(&entry.shared), world.now());
    if entry.key.kind != Kind::Server {
        verify::record(world, &entry, &Denied::Unknown, (now, origin.address), origin);
        return Err(not_good().into());
    }
    let address = origin.address.map(|address| address.to_canonical().to_string());
    let call = Call {
        address: address.as_deref(),
        user_agent: asking.user_agent,
        cost: api.api.settings.exchange_cost,
        ..Call::new(&api.api.id, now)
    };
    let (mut proof, mut wanted) = (None, None);
    // Of a key that is of no use nothing else is told; and what was asked wrongly costs nothing.
    if stands(&entry.known(), &call).is_ok() {
        proof = dpop::shown(world, asking.dpop)?;
        offered(&entry, &call)?;
        wanted = Some(asked(world, (&entry, travelling(&entry)?), request)?);
    }
    let shown = proof.as_ref().map_or(Possession::Unproven, |proof| Possession::Of(&proof.jkt));
    let call = Call { dpop: shown, ..call };
    let verdict = verify::known(world, entry, (&call, None), Mode::Real, origin).await?;
    match (&verdict.outcome, verdict.entry.clone(), wanted) {
        (Ok(()), Some(entry), Some((scope, restrictions))) => Ok(Exchangeable { entry, scope, restrictions, proof }),
        _ => Err(refusal(&verdict).into()),
    }
}

/// Whether a key like this is exchanged: calls with a token are not held against the page or the path
/// that they are for, nor counted, unless its API lets it.
fn offered(entry: &Entry, call: &Call<'_>) -> Result<(), Refusal> {
    // Also where a call that says nothing would pass: those with a token are not asked at all.
    let lost = [Rule::Referrer, Rule::Route];
    if let Some(rule) = lost.into_iter().find(|rule| entry.policy.findings(*rule, call).next().is_some()) {
        return Err(restricted(entry, rule));
    }
    let metered = !entry.policy.budgets().is_empty();
    match entry.api().settings.exchange {
        Exchange::Never => refuse(InvalidGrant, "keys of this API are not exchanged for tokens"),
        Exchange::Unmetered if metered => {
            refuse(InvalidGrant, "the API key has a quota, which a token would not count against")
        }
        Exchange::Unmetered | Exchange::Metered => Ok(()),
    }
}

/// The scope that was asked for, and what travels along.
fn asked(
    world: &World,
    (entry, restrictions): (&Entry, Vec<Value>),
    request: &Request,
) -> Result<(Scope, Vec<Value>), Refusal> {
    let api = entry.api();
    request.targets(&api.audience, [&api.name, api.id.as_str()])?;
    if api.audience.as_str() == world.policy.load().tokens.issuer.as_str() {
        return refuse(InvalidTarget, "a token for this server itself is not had for an API key");
    }
    let scope = request.narrowed(&entry.key.scope)?;
    let bytes: usize = restrictions.iter().map(|one| one.to_string().len()).sum();
    if bytes > MAX_TRAVEL {
        return refuse(InvalidGrant, "the restrictions of the API key are too long to travel in a token");
    }
    Ok((scope, restrictions))
}

/// The restrictions that travel in the token.
fn travelling(entry: &Entry) -> Result<Vec<Value>, Fault> {
    let mut policies = vec![entry.api().policy.clone()];
    for text in &entry.written {
        policies.push(serde_json::from_str(text).map_err(|e| Fault::new("reading a policy", e))?);
    }
    for policy in &mut policies {
        policy.retain(|name, _| TRAVEL.contains(&name.as_str()));
    }
    Ok(policies.into_iter().filter(|members| !members.is_empty()).map(Value::Object).collect())
}

/// Whether the key that a token hangs from may still be used, and whoever the token was issued to then is
/// still there and was not disabled since: a token ends with them, and for good (RFC 7662 §4).
///
/// # Errors
/// A fault where that cannot be found out.
pub async fn still_stands(world: &World, key: &str, client: &str, issued: Moment) -> Result<bool, Fault> {
    let Some(id) = ApiKeyId::parse(key) else { return Ok(false) };
    let Some(entry) = directory::of(world, &id).await? else { return Ok(false) };
    if stands(&entry.known(), &Call::of_some_api(world.now())).is_err() {
        return Ok(false);
    }
    match ClientId::parse(client) {
        Some(client) if client.as_str() != key => {
            Ok(clients::find(world, &client).await?.is_some_and(|client| client.stands_by(issued)))
        }
        Some(_) => Ok(true),
        None => Ok(false),
    }
}

/// Who a token of this key is issued to; see [`crate::oauth::grant::token_exchange::KeyToken`].
#[must_use]
pub fn issued_to<'a>(entry: &'a Entry, proven: Option<&'a ClientId>) -> Option<&'a ClientId> {
    let owner = if let Owner::Client(client) = &entry.family.owner { Some(client) } else { None };
    proven.or(entry.family.client.as_ref()).or(owner)
}

/// The refusal of an exchange. The reasons that are the key's own are told alike.
fn refusal(verdict: &Verdict) -> Refusal {
    let Err(denied) = &verdict.outcome else { return not_good() };
    if let Denied::Rate { retry_after, .. } | Denied::Reduced { retry_after, .. } = denied {
        let met = verdict.limits.iter().find(|limit| !limit.outcome.allowed);
        let (quota, window) = met.map_or((1, *retry_after), |limit| (limit.limit, limit.per));
        return Refusal::too_many(Exceeded { policy: "api_key", quota, window, wait: *retry_after });
    }
    if let Denied::Quota { name, retry_after } = denied {
        let quota = verdict.quotas.iter().find(|quota| quota.name == *name).map_or(0, |quota| quota.limit);
        let wait = retry_after.unwrap_or(Span::days(365));
        let quota = u32::try_from(quota).unwrap_or(u32::MAX);
        return Refusal::too_many(Exceeded { policy: "api_key_quota", quota, window: wait, wait });
    }
    if let Denied::Restricted { rule, .. } = denied {
        return verdict.entry.as_ref().map_or_else(not_good, |entry| restricted(entry, *rule));
    }
    if let Denied::TooCostly { .. } = denied {
        return Refusal::new(InvalidRequest, "an exchange costs more than a limit of the API key ever lets through");
    }
    if *denied == Denied::Binding {
        return Refusal::new(InvalidDpopProof, "the API key needs a proof of possession that was not shown");
    }
    not_good()
}

/// The refusal of a restriction, which is named where the API says so.
fn restricted(entry: &Entry, rule: Rule) -> Refusal {
    if entry.api().settings.expose_reason {
        return Refusal::new(InvalidGrant, format!("the rule {} of the API key refuses this request", rule.as_str()));
    }
    Refusal::new(InvalidGrant, "a restriction of the API key refuses this request")
}
