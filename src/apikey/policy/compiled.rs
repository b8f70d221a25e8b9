//! All that restricts one key: the policies of its API, plan, family and key together.

use super::{Call, Document, Level, Reason, Rule, quota::Quota, rate::Rate};
use std::sync::Arc;

/// A policy and where it stands.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The level.
    pub level: Level,
    /// The identifier of the API, plan, family or key whose policy it is.
    pub of: Arc<str>,
    /// The policy; shared by all keys that it restricts.
    pub document: Arc<Document>,
}

/// A limit of rate and the name of its buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The level of the policy that it is in.
    pub level: Level,
    /// What the names of its buckets begin with: whose policy it is in, and its name there. For that of a key stands
    /// `.key`, behind the family, which whoever judges knows: a successor goes on where the key before it stopped.
    pub bucket: String,
    /// The limit.
    pub rate: Rate,
}

/// A quota and the name of its counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The level of the policy whose limit it is.
    pub level: Level,
    /// See [`Quota::counter`].
    pub counter: String,
    /// The quota, with the lowest limit of all that count in this counter.
    pub quota: Quota,
}

/// What restricts one key.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    layers: Vec<Layer>,
    limits: Vec<Limit>,
    budgets: Vec<Budget>,
}

impl Compiled {
    /// The intersection of these policies: what all allow and none denies, within every limit.
    #[must_use]
    pub fn of(layers: Vec<Layer>) -> Self {
        let mut limits = Vec::new();
        let mut budgets: Vec<Budget> = Vec::new();
        for Layer { level, of, document } in &layers {
            limits.extend(document.rate.iter().map(|rate| Limit {
                level: *level,
                bucket: format!("{}/{}", whose(*level, of), rate.name),
                rate: rate.clone(),
            }));
            for quota in &document.quota {
                add(&mut budgets, Budget { level: *level, counter: quota.counter(), quota: quota.clone() });
            }
        }
        // Thousands of these are kept in memory, most with one limit and one quota: no room for more.
        limits.shrink_to_fit();
        budgets.shrink_to_fit();
        Self { layers, limits, budgets }
    }

    /// The same, within one more limit, which has buckets of its own: in those of a limit that its owner wrote they
    /// could make room.
    #[must_use]
    pub fn within(mut self, level: Level, of: &str, rate: Rate) -> Self {
        self.limits.reserve_exact(1);
        self.limits.push(Limit { level, bucket: format!("{}.given/{}", whose(level, of), rate.name), rate });
        self
    }

    /// The policies, in the order given.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }
    /// Every limit of rate.
    #[must_use]
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }
    /// Every quota.
    #[must_use]
    pub fn budgets(&self) -> &[Budget] {
        &self.budgets
    }
    /// Whether calls are counted: then each must be asked about.
    #[must_use]
    pub fn counts(&self) -> bool {
        !self.limits.is_empty() || !self.budgets.is_empty()
    }

    /// Whether any policy asks for the country of a call, which costs a look-up.
    #[must_use]
    pub fn asks_country(&self) -> bool {
        self.layers.iter().any(|layer| layer.document.asks_country())
    }

    /// Whether the call proves what every policy wants proven.
    #[must_use]
    pub fn binding_holds(&self, call: &Call<'_>) -> bool {
        self.layers.iter().filter_map(|layer| layer.document.binding()).all(|binding| binding.holds(call))
    }

    /// What a restriction finds at each level that has one.
    pub fn findings<'a>(
        &'a self,
        rule: Rule,
        call: &'a Call<'_>,
    ) -> impl Iterator<Item = (Level, Result<(), Reason>)> + 'a {
        self.layers.iter().filter_map(move |layer| Some((layer.level, layer.document.finding(rule, call)?)))
    }
}

/// Whose policy a limit is in, for the names of its buckets.
fn whose(level: Level, of: &str) -> &str {
    match level {
        Level::Api | Level::Plan | Level::Family => of,
        Level::Key => ".key",
    }
}

/// Adds a quota; where one counts in the same counter, the lower limit stands.
fn add(budgets: &mut Vec<Budget>, new: Budget) {
    match budgets.iter_mut().find(|one| one.counter == new.counter) {
        Some(one) if one.quota.limit <= new.quota.limit => {}
        Some(one) => *one = new,
        None => budgets.push(new),
    }
}
