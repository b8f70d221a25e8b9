//! Whether a key is good for a call: the one function that every way in calls (the verify
//! endpoint, introspection, gateways, exchange).
//!
//! A key in memory is judged, counted and metered without a query. The order is the judge's; what
//! a call costs is spent last, all of it or nothing.

mod short;

use self::short::{give_back, refusal, would_be_denied};
use super::{
    directory::Entry,
    egress,
    possession::{self, Sent},
    slices::{self, Meter},
    under_peppers,
};
use crate::{
    apikey::{
        call::Call,
        capacity::FULL,
        judge::{Permit, judge},
        key::State,
        policy::{Limit, quota::OnExceed, quota::Unit},
        verdict::Denied,
    },
    audit::{Event, Origin},
    base::{
        fault::{Fault, Stop},
        moment::{Moment, Span},
    },
    cluster::Take,
    flow::world::World,
    geo::Country,
    limit::{Outcome, Rule},
    oauth::dpop::Proof,
};
use std::{net::IpAddr, sync::Arc};

/// The fewest and the most bytes of a key that was brought from elsewhere.
pub const FOREIGN: std::ops::RangeInclusive<usize> = 16..=512;
/// Refusals of one key that are recorded, one by one; beyond it they are counted.
const RECORDED: (Span, u32) = (Span::seconds(6), 10);

/// Whether the call is made, or only asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is made: what it costs is spent.
    Real,
    /// It is tried: nothing is spent, counted or recorded.
    Dry,
}

/// A limit of rate, after the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitNow {
    /// Its name in its policy.
    pub name: String,
    /// Units in each period.
    pub limit: u32,
    /// The period.
    pub per: Span,
    /// What became of it.
    pub outcome: Outcome,
}

/// A quota, after the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaNow {
    /// Its name in its policy.
    pub name: String,
    /// What is counted.
    pub unit: Unit,
    /// Units in the period, with what was topped up.
    pub limit: u64,
    /// Units left.
    pub remaining: u64,
    /// Time until it starts anew; `None` if never.
    pub resets_in: Option<Span>,
}

/// What came of a call.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The key; none where there is no such key.
    pub entry: Option<Arc<Entry>>,
    /// Whether it is good.
    pub outcome: Result<(), Denied>,
    /// Its limits of rate, where they were asked.
    pub limits: Vec<LimitNow>,
    /// Its quotas, where they were asked.
    pub quotas: Vec<QuotaNow>,
}

impl Verdict {
    fn unknown(denied: Denied) -> Self {
        Self { entry: None, outcome: Err(denied), limits: Vec::new(), quotas: Vec::new() }
    }
    /// The word for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match &self.outcome {
            Ok(()) => "ok",
            Err(denied) => denied.told().code,
        }
    }
}

/// Says whether what was sent is a key that is good for this call, and spends what the call costs.
///
/// # Errors
/// A fault where it cannot be said or spent, which must end in a refusal: the store is away and
/// the key is not in memory, or this node has not heard of changes for too long.
pub async fn run(
    world: &World,
    sent: impl Into<Sent<'_>>,
    call: &Call<'_>,
    mode: Mode,
    origin: &Origin,
) -> Result<Verdict, Fault> {
    let sent = sent.into();
    match find(world, sent.text, whence(call.address, origin)).await? {
        Found::Key(entry) => possession::judged(world, entry, (sent, call), mode, origin).await,
        Found::Nothing => Ok(nothing(world, Denied::Unknown, mode)),
        Found::Unasked(retry_after) => Ok(unasked(world, retry_after, mode)),
    }
}

/// As [`run`], of a key that was found before. The proof of a key pair is good, if it is used here first.
///
/// # Errors
/// As [`run`].
pub async fn known(
    world: &World,
    entry: Arc<Entry>,
    (call, proof): (&Call<'_>, Option<&Proof>),
    mode: Mode,
    origin: &Origin,
) -> Result<Verdict, Fault> {
    let verdict = weigh(world, entry, (call, proof), mode).await?;
    if mode == Mode::Real {
        tell(world, &verdict, (call, whence(call.address, origin)), origin);
    }
    Ok(noted(world, verdict, mode))
}

/// The verdict where there is no such key, or where whoever asks must not know that there is.
#[must_use]
pub fn nothing(world: &World, denied: Denied, mode: Mode) -> Verdict {
    noted(world, Verdict::unknown(denied), mode)
}

/// The verdict for an address that has asked for too much that is not there.
#[must_use]
pub fn unasked(world: &World, retry_after: Span, mode: Mode) -> Verdict {
    nothing(world, Denied::Rate { names: vec!["guesses".to_owned()], retry_after }, mode)
}

/// Where a call comes from: its end client, where that is said and can be read.
#[must_use]
pub fn whence(address: Option<&str>, origin: &Origin) -> Option<IpAddr> {
    address.and_then(|text| text.parse().ok()).or(origin.address)
}

/// Judges a key that was found, and spends.
///
/// # Errors
/// As [`run`].
async fn weigh(
    world: &World,
    entry: Arc<Entry>,
    (call, proof): (&Call<'_>, Option<&Proof>),
    mode: Mode,
) -> Result<Verdict, Fault> {
    let mut verdict = Verdict { outcome: Ok(()), limits: Vec::new(), quotas: Vec::new(), entry: None };
    let country = country_of(world, &entry, call);
    let located = country.as_ref().map(|country| Call { country: Some(country.as_str()), ..call.clone() });
    match judge(&entry.known(), located.as_ref().unwrap_or(call)) {
        Ok(_) if !possession::used(world, proof, mode).await? => verdict.outcome = Err(Denied::Binding),
        Ok(permit) => spend(world, &entry, &permit, (call.at, mode), &mut verdict).await?,
        Err(denied) => verdict.outcome = Err(denied),
    }
    Ok(Verdict { entry: Some(entry), ..verdict })
}

/// The country of the call's address, where a policy asks for it and nobody who is trusted with it
/// has said it. Where no database knows, it stays unsaid, and the policy judges that.
fn country_of(world: &World, entry: &Entry, call: &Call<'_>) -> Option<Country> {
    if call.country.is_some() || !entry.policy.asks_country() {
        return None;
    }
    world.geo.country(call.address?.parse().ok()?)
}

/// What there is of a text.
#[derive(Debug)]
pub enum Found {
    /// This key.
    Key(Arc<Entry>),
    /// No key.
    Nothing,
    /// Nobody looked: this address has asked for too much that is not there. When to ask again.
    Unasked(Span),
}

/// Finds the key of a text. What has not its form costs no hash; what is not in memory costs one
/// query for all who ask for it at once, and those who ask for what does not exist soon get none.
///
/// # Errors
/// As [`run`].
pub async fn find(world: &World, text: &str, address: Option<IpAddr>) -> Result<Found, Fault> {
    under_peppers::found(world, text, address).await
}

/// Whom an address stands for where guesses and reports are counted: of IPv6 the network of 64 bits.
#[must_use]
pub fn network(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        None => "nowhere".to_owned(),
        Some(IpAddr::V4(v4)) => v4.to_string(),
        Some(IpAddr::V6(v6)) => std::net::Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).to_string(),
    }
}

/// Takes from every limit, then from every quota; all of it or nothing.
async fn spend(
    world: &World,
    entry: &Entry,
    permit: &Permit<'_>,
    (now, mode): (Moment, Mode),
    verdict: &mut Verdict,
) -> Result<(), Fault> {
    let cost = if mode == Mode::Real { permit.cost } else { 0 };
    let share = world.api_keys.capacity.share(entry, now);
    let rule = |limit: &Limit| if share < FULL { limit.rate.rule().slowed(share) } else { limit.rate.rule() };
    let wanted = permit.buckets.iter();
    let mut takes: Vec<Take<'_>> =
        wanted.map(|bucket| Take { key: &bucket.name, rule: rule(bucket.limit), cost, outcome: None }).collect();
    let taken = world.counters.take_all(&mut takes, now).await;
    verdict.limits =
        permit.buckets.iter().zip(&takes).filter_map(|(bucket, take)| now_of(bucket.limit, take)).collect();
    if let Err(exhausted) = taken {
        let exhausted_ones = verdict.limits.iter().filter(|limit| !limit.outcome.allowed);
        let names = exhausted_ones.map(|limit| limit.name.clone()).collect();
        verdict.outcome = Err(refusal(world, names, exhausted.retry_after, share));
        return Ok(());
    }
    if let Some((names, wait)) = would_be_denied(&verdict.limits, permit.cost).filter(|_| mode == Mode::Dry) {
        verdict.outcome = Err(refusal(world, names, wait, share));
        return Ok(());
    }
    verdict.outcome = match egress::check(world, entry, now, &mut verdict.quotas).await? {
        Ok(()) => meter(world, entry, (u64::from(permit.cost), now, mode), &mut verdict.quotas).await?,
        used_up => used_up,
    };
    if verdict.outcome.is_err() {
        world.counters.give_back_all(&takes, now).await;
    }
    Ok(())
}

fn now_of(limit: &Limit, take: &Take<'_>) -> Option<LimitNow> {
    let outcome = take.outcome?;
    Some(LimitNow { name: limit.rate.name.clone(), limit: limit.rate.limit, per: limit.rate.per, outcome })
}

/// Spends from every quota of calls. One that only raises an alarm lets the call pass.
async fn meter(
    world: &World,
    entry: &Entry,
    (cost, now, mode): (u64, Moment, Mode),
    quotas: &mut Vec<QuotaNow>,
) -> Result<Result<(), Denied>, Fault> {
    let mut taken: Vec<(&Meter, Moment)> = Vec::new();
    for (at, meter) in &entry.meters {
        let Some(budget) = entry.policy.budgets().get(*at) else { continue };
        let spent = match mode {
            Mode::Real => slices::spend(world, meter, cost).await,
            Mode::Dry => Ok(world.api_keys.slices.peek(meter, now)),
        };
        let alarms = budget.quota.on_exceed == OnExceed::Alert;
        let (left, enough) = match spent {
            Ok(left) if mode == Mode::Real => {
                taken.push((meter, left.began));
                (left, true)
            }
            Ok(left) => (left, left.remaining >= cost || alarms),
            Err(Stop::Refusal(slices::Exceeded(left))) => (left, alarms),
            Err(Stop::Fault(fault)) => {
                give_back(world, &taken, cost);
                return Err(fault);
            }
        };
        let resets_in = left.ends.map(|end| end.since(now));
        let name = budget.quota.name.clone();
        let (unit, limit, remaining) = (budget.quota.unit, left.limit, left.remaining);
        quotas.push(QuotaNow { name: name.clone(), unit, limit, remaining, resets_in });
        if !enough {
            give_back(world, &taken, cost);
            return Ok(Err(Denied::Quota { name, retry_after: resets_in }));
        }
    }
    Ok(Ok(()))
}

/// Counts the call, notes the use, and records a refusal: the first few of a key.
fn tell(world: &World, verdict: &Verdict, (call, address): (&Call<'_>, Option<IpAddr>), origin: &Origin) {
    let Some(entry) = &verdict.entry else { return };
    world.api_keys.tally.call(entry.number, verdict.code(), call.at);
    match &verdict.outcome {
        Ok(()) => {
            world.api_keys.tally.used(entry.number, call.at, address, call.user_agent);
            if entry.key.state == State::Retiring {
                world.api_keys.tally.placed(entry.number, call.at, address, call.user_agent);
            }
        }
        Err(denied) => record(world, entry, denied, (call.at, address), origin),
    }
}

/// Records that a key was refused: the first few times of each key.
pub(super) fn record(
    world: &World,
    entry: &Entry,
    denied: &Denied,
    (at, address): (Moment, Option<IpAddr>),
    origin: &Origin,
) {
    let (every, burst) = RECORDED;
    let bucket = format!("key refusals/{}", entry.key.id);
    if !world.counters.take_here(&bucket, Rule::every(every, burst), at).allowed {
        return;
    }
    let api_key = entry.key.id.clone();
    let event = if *denied == Denied::Revoked {
        Event::ApiKeyUsedAfterEnd { api_key }
    } else {
        let rule = if let Denied::Restricted { rule, .. } = denied { Some(rule.as_str()) } else { None };
        Event::ApiKeyRefused { api_key, code: denied.told().code, rule }
    };
    world.note(&Origin { address, ..origin.clone() }, event);
}

fn noted(world: &World, verdict: Verdict, mode: Mode) -> Verdict {
    if mode == Mode::Real {
        world.metrics.key_verdicts.one(verdict.code());
    }
    verdict
}
