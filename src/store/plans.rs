//! Table `plans`: rates and quotas that many families share by name.

use super::{
    Taken, Tx,
    column::{At, Json, from_version, to_version},
    dialect,
    failure::illegal,
    feed::{Change, Subject},
    schema::plans,
    tx::sql,
};
use crate::{
    apikey::{PolicyText, plan::Plan},
    base::{fault::Fault, id::PlanId},
};
use diesel::prelude::*;

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = plans)]
struct Written<'r> {
    id: &'r str,
    name: &'r str,
    policy: Json<&'r PolicyText>,
    version: i32,
    created_at: At,
    updated_at: At,
}

impl<'r> Written<'r> {
    fn of(plan: &'r Plan) -> Self {
        Self {
            id: plan.id.as_str(),
            name: &plan.name,
            policy: Json(&plan.policy),
            version: to_version(plan.version),
            created_at: At(plan.created_at),
            updated_at: At(plan.updated_at),
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = plans)]
pub(super) struct Loaded {
    id: String,
    name: String,
    policy: Json<PolicyText>,
    version: i32,
    created_at: At,
    updated_at: At,
}

impl Loaded {
    pub(super) fn into_plan(self) -> Result<Plan, Fault> {
        let bad = |what| illegal("plans", &self.id, what);
        Ok(Plan {
            id: PlanId::parse(&self.id).ok_or_else(|| bad("id"))?,
            version: from_version(self.version).ok_or_else(|| bad("version"))?,
            name: self.name,
            policy: self.policy.0,
            created_at: self.created_at.0,
            updated_at: self.updated_at.0,
        })
    }
}

/// Queries on this table.
#[derive(Debug)]
pub struct Plans<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl Plans<'_, '_> {
    /// Adds a plan.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it; inside, [`Taken`] where identifier or name are in use.
    pub fn insert(&mut self, plan: &Plan) -> Result<Result<(), Taken>, Fault> {
        dialect::exclusive(self.tx, "names of plans")?;
        let row = Written::of(plan);
        let added = sql!(self.tx, "adding a row of plans", plan.id, |c| {
            diesel::insert_into(plans::table).values(&row).on_conflict_do_nothing().execute(c)
        })?;
        Ok(if added == 1 { Ok(()) } else { Err(Taken) })
    }

    /// A plan by identifier.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn find(&mut self, id: &PlanId) -> Result<Option<Plan>, Fault> {
        let found: Option<Loaded> = sql!(self.tx, "finding a row of plans", id, |c| {
            plans::table.find(id.as_str()).select(Loaded::as_select()).get_result(c).optional()
        })?;
        found.map(Loaded::into_plan).transpose()
    }

    /// A plan by name.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn by_name(&mut self, name: &str) -> Result<Option<Plan>, Fault> {
        let found: Option<Loaded> = sql!(self.tx, "finding a row of plans by name", name, |c| {
            plans::table.filter(plans::name.eq(name)).select(Loaded::as_select()).get_result(c).optional()
        })?;
        found.map(Loaded::into_plan).transpose()
    }

    /// At most `n` plans in the order of their identifiers, those after `after` where that is given.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn list(&mut self, after: Option<&PlanId>, n: i64) -> Result<Vec<Plan>, Fault> {
        let rows: Vec<Loaded> = sql!(self.tx, "listing rows of plans", "none", |c| {
            let mut wanted = plans::table.select(Loaded::as_select()).into_boxed();
            if let Some(after) = after {
                wanted = wanted.filter(plans::id.gt(after.as_str()));
            }
            wanted.order(plans::id).limit(n).load(c)
        })?;
        rows.into_iter().map(Loaded::into_plan).collect()
    }

    /// Replaces a plan, and tells every node; false, and nothing changed, unless the version that
    /// is stored is the one before this one's.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it; inside, [`Taken`] where another has the name.
    pub fn replace(&mut self, plan: &Plan) -> Result<Result<bool, Taken>, Fault> {
        // Looked up under a lock: Postgres gives up a transaction in which a name turns out to be taken.
        dialect::exclusive(self.tx, "names of plans")?;
        let row = Written::of(plan);
        let taken = sql!(self.tx, "finding a row of plans by name", plan.name, |c| {
            let others = plans::table.filter(plans::name.eq(row.name)).filter(plans::id.ne(row.id));
            diesel::select(diesel::dsl::exists(others)).get_result(c)
        })?;
        if taken {
            return Ok(Err(Taken));
        }
        let before = row.version.saturating_sub(1);
        let changed = sql!(self.tx, "changing a row of plans", plan.id, |c| {
            diesel::update(plans::table.find(plan.id.as_str()).filter(plans::version.eq(before))).set(&row).execute(c)
        })?;
        if changed == 1 {
            self.tx.feed().add(&Change::about(Subject::Plan, plan.id.as_str()))?;
        }
        Ok(Ok(changed == 1))
    }
}
