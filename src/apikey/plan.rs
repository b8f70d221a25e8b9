//! A plan: the rate and the quota that many families share by name.

use super::PolicyText;
use crate::base::{id::PlanId, moment::Moment};

/// A plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Its identifier.
    pub id: PlanId,
    /// What people call it; unique.
    pub name: String,
    /// Its rate and its quota: members `rate` and `quota` of a policy, and no other.
    pub policy: PolicyText,
    /// Raised with each change.
    pub version: u32,
    /// When it was added.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
}
