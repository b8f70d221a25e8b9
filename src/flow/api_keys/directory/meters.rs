//! The counters of quotas, from what restricts a key.

use crate::{
    apikey::policy::{Budget, Compiled, quota::Unit, rate::Rate},
    base::id::FamilyId,
    flow::api_keys::slices::Meter,
};

/// The counters of the quotas of this unit.
pub(super) fn meters(policy: &Compiled, family: &FamilyId, unit: Unit) -> Box<[(usize, Meter)]> {
    let per_second = |rate: &Rate| {
        let micros = u64::try_from(rate.per.as_micros()).unwrap_or(u64::MAX).max(1);
        u64::from(rate.limit).saturating_mul(1_000_000).div_ceil(micros)
    };
    let quickest = policy.limits().iter().map(|limit| per_second(&limit.rate)).min().unwrap_or(1);
    let counted = policy.budgets().iter().enumerate().filter(|(_, budget)| budget.quota.unit == unit);
    counted
        .map(|(at, Budget { counter, quota, .. })| {
            (at, Meter::new(family, counter, (quota.limit, quota.per), quickest))
        })
        .collect()
}
