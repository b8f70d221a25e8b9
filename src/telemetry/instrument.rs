//! The few shapes that metrics have. Labels have values fixed at compile time, so that nobody
//! outside can make series multiply; counting is a look-up in a small map and one atomic addition.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Upper bounds of buckets, in seconds.
const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// A shape that can be made from the names of its labels and put into a registry.
pub trait Instrument {
    /// As Prometheus calls it.
    const TYPE: &'static str;
    /// What the registry appends to the name.
    const SUFFIX: &'static str;
    /// A new one, at zero.
    fn new(labels: &'static [&'static str]) -> Self;
    /// Puts it into the registry.
    fn register(&self, registry: &mut Registry, name: &str, help: &str);
}

/// The label at this place; instruments are made from one table, whose test counts its labels.
fn label(labels: &'static [&'static str], at: usize) -> &'static str {
    labels.get(at).copied().unwrap_or("unnamed")
}

/// The help text as the registry wants it: it adds the full stop itself.
fn sentence(help: &str) -> String {
    help.trim().trim_end_matches('.').to_owned()
}

/// A number that only grows.
#[derive(Clone, Debug, Default)]
pub struct Count(Counter);

impl Count {
    /// Adds one.
    pub fn one(&self) {
        self.0.inc();
    }
    /// Adds several.
    pub fn add(&self, n: u64) {
        self.0.inc_by(n);
    }
    /// The number.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

impl Instrument for Count {
    const TYPE: &'static str = "counter";
    const SUFFIX: &'static str = "_total";
    fn new(_labels: &'static [&'static str]) -> Self {
        Self::default()
    }
    fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, sentence(help), self.0.clone());
    }
}

/// A number that goes up and down.
#[derive(Clone, Debug, Default)]
pub struct Level(Gauge);

impl Level {
    /// Sets it.
    pub fn set(&self, n: usize) {
        self.0.set(i64::try_from(n).unwrap_or(i64::MAX));
    }
    /// Adds one, until what is returned is dropped.
    #[must_use]
    pub fn enter(&self) -> Entered {
        self.0.inc();
        Entered(self.0.clone())
    }
}

/// One more on a [`Level`], as long as it lives.
#[derive(Debug)]
pub struct Entered(Gauge);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Instrument for Level {
    const TYPE: &'static str = "gauge";
    const SUFFIX: &'static str = "";
    fn new(_labels: &'static [&'static str]) -> Self {
        Self::default()
    }
    fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, sentence(help), self.0.clone());
    }
}

/// Counts by one label.
#[derive(Clone, Debug)]
pub struct Tally {
    label: &'static str,
    family: Family<Labels<1>, Counter>,
}

impl Tally {
    /// Adds one under this value.
    pub fn one(&self, value: &'static str) {
        self.add(value, 1);
    }
    /// Adds several under this value.
    pub fn add(&self, value: &'static str, n: u64) {
        self.family.get_or_create(&[(self.label, value)]).inc_by(n);
    }
    /// The count under this value.
    #[must_use]
    pub fn get(&self, value: &'static str) -> u64 {
        self.family.get(&[(self.label, value)]).map_or(0, |counter| counter.get())
    }
}

impl Instrument for Tally {
    const TYPE: &'static str = "counter";
    const SUFFIX: &'static str = "_total";
    fn new(labels: &'static [&'static str]) -> Self {
        Self { label: label(labels, 0), family: Family::default() }
    }
    fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, sentence(help), self.family.clone());
    }
}

/// Counts by two labels.
#[derive(Clone, Debug)]
pub struct CrossTally {
    labels: [&'static str; 2],
    family: Family<Labels<2>, Counter>,
}

impl CrossTally {
    /// Adds one under these values.
    pub fn one(&self, first: &'static str, second: &'static str) {
        self.counter(first, second).inc();
    }
    /// The count under these values.
    #[must_use]
    pub fn get(&self, first: &'static str, second: &'static str) -> u64 {
        let [a, b] = self.labels;
        self.family.get(&[(a, first), (b, second)]).map_or(0, |counter| counter.get())
    }
    fn counter(&self, first: &'static str, second: &'static str) -> Counter {
        let [a, b] = self.labels;
        self.family.get_or_create_owned(&[(a, first), (b, second)])
    }
}

impl Instrument for CrossTally {
    const TYPE: &'static str = "counter";
    const SUFFIX: &'static str = "_total";
    fn new(labels: &'static [&'static str]) -> Self {
        Self { labels: [label(labels, 0), label(labels, 1)], family: Family::default() }
    }
    fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, sentence(help), self.family.clone());
    }
}

/// How long something took, by one label, in seconds.
#[derive(Clone)]
pub struct Timer {
    label: &'static str,
    family: Family<Labels<1>, Histogram, fn() -> Histogram>,
}

impl Timer {
    /// Notes one duration under this value.
    pub fn note(&self, value: &'static str, took: Duration) {
        self.family.get_or_create(&[(self.label, value)]).observe(took.as_secs_f64());
    }
    fn histogram(&self, value: &'static str) -> Histogram {
        self.family.get_or_create_owned(&[(self.label, value)])
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timer by {}", self.label)
    }
}

impl Instrument for Timer {
    const TYPE: &'static str = "histogram";
    const SUFFIX: &'static str = "";
    fn new(labels: &'static [&'static str]) -> Self {
        Self { label: label(labels, 0), family: Family::new_with_constructor(|| Histogram::new(BUCKETS)) }
    }
    fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, sentence(help), self.family.clone());
    }
}

/// The statuses that are told apart; all others are `other`.
const STATUSES: [(u16, &str); 22] = [
    (200, "200"),
    (201, "201"),
    (204, "204"),
    (302, "302"),
    (303, "303"),
    (304, "304"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (406, "406"),
    (408, "408"),
    (409, "409"),
    (413, "413"),
    (414, "414"),
    (415, "415"),
    (422, "422"),
    (429, "429"),
    (431, "431"),
    (500, "500"),
    (503, "503"),
];

/// The meter of one route, made once: noting a request touches no map.
#[derive(Clone)]
pub struct RouteMeter {
    route: &'static str,
    requests: CrossTally,
    duration: Histogram,
    // A series exists only from its first request on; pages of zeros help nobody.
    by_status: Arc<[OnceLock<Counter>; STATUSES.len()]>,
}

impl RouteMeter {
    pub(super) fn new(route: &'static str, requests: &CrossTally, duration: &Timer) -> Self {
        Self {
            route,
            requests: requests.clone(),
            duration: duration.histogram(route),
            by_status: Arc::new([const { OnceLock::new() }; STATUSES.len()]),
        }
    }

    /// Notes one request that was answered.
    pub fn note(&self, status: u16, took: Duration) {
        self.duration.observe(took.as_secs_f64());
        let place = STATUSES.iter().position(|(known, _)| *known == status);
        let slot = place.and_then(|at| self.by_status.get(at).zip(STATUSES.get(at)));
        match slot {
            Some((slot, (_, text))) => slot.get_or_init(|| self.requests.counter(self.route, text)).inc(),
            None => self.requests.counter(self.route, "other").inc(),
        };
    }
}

impl fmt::Debug for RouteMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RouteMeter of {}", self.route)
    }
}
