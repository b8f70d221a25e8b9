//! Resource servers report the calls that they served: each report counts once, for the key's
//! minute, its quotas of bytes, and what its API had to bear.

use super::{
    ask::Asker,
    directory::{self, Entry},
    slices,
};
use crate::{
    apikey::{
        latency,
        report::{AHEAD, LATEST, Report, Useless},
    },
    audit::Origin,
    base::{
        fault::{Fault, Stop},
        id::{ApiId, ApiKeyId},
        moment::{Moment, Span},
    },
    flow::{
        journal::own_work,
        world::{World, only_fault},
    },
    store::{
        Tx,
        quotas::{Counter, CounterId},
        usage::{Counts, UsageRow},
        usage_reports::Load,
    },
    telemetry::requests,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::Arc,
};

/// The outcome that reported calls had when they were verified.
const GOOD: &str = "ok";

/// What became of reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// How many count.
    pub counted: usize,
    /// How many had come before.
    pub repeated: usize,
    /// Which do not count, by their places, and why.
    pub useless: Vec<(usize, Useless)>,
}

/// A report that may count.
struct Admitted {
    report: Report,
    entry: Arc<Entry>,
}

/// Counts what this resource server reports; all of it is written together or nothing is.
///
/// # Errors
/// A fault of the store: then the same may be sent again.
pub async fn run(world: &World, asker: &Asker, reports: Vec<Report>) -> Result<Reported, Fault> {
    let now = world.now();
    let keys: BTreeSet<ApiKeyId> = reports.iter().map(|report| report.key.clone()).collect();
    let entries = directory::of_handles(world, keys).await?;
    let (mut admitted, mut told) = (Vec::new(), Reported::default());
    for (place, report) in reports.into_iter().enumerate() {
        let entry = entries.get(&report.key).filter(|entry| asker.serves(entry)).ok_or(Useless::UnknownKey);
        match entry.and_then(|entry| report.in_time(now).map(|()| Arc::clone(entry))) {
            Ok(entry) => admitted.push(Admitted { report, entry }),
            Err(useless) => told.useless.push((place, useless)),
        }
    }
    if admitted.is_empty() {
        return Ok(told);
    }
    let (admitted, origin) = (Arc::new(admitted), own_work(&world.node));
    let held = Arc::clone(&admitted);
    let write = move |tx: &mut Tx<'_>| -> Result<_, Stop<Infallible>> { Ok(written(tx, &held, &origin)?) };
    let (first, charged) = world.store.write("report_usage", write).await.map_err(only_fault)?;
    if requests::wanted() {
        first.iter().filter_map(|at| admitted.get(*at)).for_each(log);
    }
    for (slot, began, counter) in charged {
        world.api_keys.egress.heard(slot, (began, counter), now);
    }
    Ok(Reported { counted: first.len(), repeated: admitted.len() - first.len(), ..told })
}

type Charged = Vec<(u128, Moment, Counter)>;

/// Adds up those that come for the first time: their places, and what was charged.
fn written(tx: &mut Tx<'_>, admitted: &[Admitted], origin: &Origin) -> Result<(Vec<usize>, Charged), Fault> {
    let name = |one: &Admitted| (one.entry.api().id.clone(), one.report.id.clone());
    let names: BTreeSet<(ApiId, String)> = admitted.iter().map(name).collect();
    // Remembered for as long as one may come again.
    let until = tx.now() + LATEST + AHEAD + AHEAD;
    let mut first = tx.usage_reports().first_of(&names, until)?;
    let mut sums = Sums::default();
    let mut counted = Vec::new();
    for (at, one) in admitted.iter().enumerate() {
        let (api, id) = name(one);
        if first.remove(&(api.to_string(), id)) {
            sums.add(one);
            counted.push(at);
        }
    }
    Ok((counted, sums.write(tx, origin)?))
}

/// Writes down how a call ended. What its reporter calls it is, as a rule, the name of the verdict, so
/// that this line and that of the verification are found together.
fn log(Admitted { report, entry }: &Admitted) {
    tracing::info!(
        target: requests::TARGET,
        key_id = entry.key.id.as_str(),
        hint = entry.key.hint,
        api = entry.api().name,
        request_id = requests::shown(&report.id, ""),
        at = %report.at,
        status = report.status,
        duration_us = report.took.map(Span::as_micros),
        bytes_in = report.bytes_in,
        bytes_out = report.bytes_out,
        "reported"
    );
}

/// Bytes for a counter: which meter, its limit, and how many.
struct Bytes {
    slot: u128,
    limit: u64,
    n: u64,
}

#[derive(Default)]
struct Sums {
    minutes: Vec<UsageRow>,
    latencies: BTreeMap<(ApiKeyId, Moment, u8), u64>,
    loads: BTreeMap<(ApiId, Moment), Load>,
    bytes: BTreeMap<CounterId, Bytes>,
}

impl Sums {
    fn add(&mut self, Admitted { report, entry }: &Admitted) {
        let minute = report.minute();
        let millis = report.took.map_or(0, |took| u64::try_from(took.as_micros() / 1000).unwrap_or(0));
        let counts = Counts {
            calls: 0,
            errors_4: u64::from((400..500).contains(&report.status)),
            errors_5: u64::from(report.status >= 500),
            bytes_in: report.bytes_in,
            bytes_out: report.bytes_out,
            millis,
            reported: 1,
        };
        self.minutes.push(UsageRow { key: report.key.clone(), minute, outcome: GOOD.to_owned(), counts });
        if let Some(took) = report.took {
            *self.latencies.entry((report.key.clone(), minute, latency::bucket(took))).or_default() += 1;
        }
        let load = self.loads.entry((entry.api().id.clone(), minute)).or_default();
        load.reported += 1;
        load.rejected += u64::from(report.is_rejection());
        for (_, meter) in &entry.bytes {
            let counter = meter.counter_of(meter.per.start(report.at));
            let bytes = self.bytes.entry(counter).or_insert(Bytes { slot: meter.counted, limit: meter.limit, n: 0 });
            bytes.n = bytes.n.saturating_add(report.bytes_out);
        }
    }

    fn write(self, tx: &mut Tx<'_>, origin: &Origin) -> Result<Charged, Fault> {
        tx.usage().add(&self.minutes)?;
        tx.usage_reports().add_latencies(&self.latencies)?;
        tx.usage_reports().add_loads(&self.loads)?;
        let mut charged = Vec::new();
        for (counter, Bytes { slot, limit, n }) in self.bytes {
            let stands = tx.quotas().charge(&counter, n)?;
            slices::warn(tx, &counter, (stands.used, limit.saturating_add(stands.topped_up)), origin)?;
            charged.push((slot, counter.period_start, stands));
        }
        Ok(charged)
    }
}
