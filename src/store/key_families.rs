//! Table `key_families`: the lines of rotation that API keys are of, and what their keys share.

use super::{
    Taken, Tx,
    column::{At, Json, from_version, to_version},
    dialect,
    failure::illegal,
    feed::{Change, Subject},
    schema::{api_keys, key_families},
    tx::sql,
};
use crate::{
    apikey::{
        PolicyText,
        family::{Family, Owner},
    },
    base::{
        fault::Fault,
        id::{ApiId, ClientId, FamilyId, PlanId},
        moment::Moment,
    },
};
use diesel::prelude::*;

/// Rows in one statement.
const BATCH: usize = 500;

/// Which families are wanted: those that fit everything that is given.
#[derive(Clone, Debug, Default)]
pub struct FamilyFilter {
    /// Only of this owner.
    pub owner: Option<Owner>,
    /// Only for this API.
    pub api: Option<ApiId>,
}

/// A family as its row is written.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = key_families, treat_none_as_null = true)]
pub(super) struct Written<'r> {
    id: &'r str,
    api_id: &'r str,
    owner_kind: &'r str,
    owner_id: &'r str,
    client_id: Option<&'r str>,
    name: &'r str,
    plan_id: Option<&'r str>,
    policy: Json<&'r PolicyText>,
    version: i32,
    created_at: At,
    updated_at: At,
}

impl<'r> Written<'r> {
    fn of(family: &'r Family) -> Self {
        Self {
            id: family.id.as_str(),
            api_id: family.api.as_str(),
            owner_kind: family.owner.kind(),
            owner_id: family.owner.id(),
            client_id: family.client.as_ref().map(ClientId::as_str),
            name: &family.name,
            plan_id: family.plan.as_ref().map(PlanId::as_str),
            policy: Json(&family.policy),
            version: to_version(family.version),
            created_at: At(family.created_at),
            updated_at: At(family.updated_at),
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = key_families)]
pub(super) struct Loaded {
    id: String,
    api_id: String,
    owner_kind: String,
    owner_id: String,
    client_id: Option<String>,
    name: String,
    plan_id: Option<String>,
    policy: Json<PolicyText>,
    version: i32,
    created_at: At,
    updated_at: At,
}

impl Loaded {
    pub(super) fn into_family(self) -> Result<Family, Fault> {
        let bad = |what| illegal("key_families", &self.id, what);
        let client = self.client_id.as_deref().map(|id| ClientId::parse(id).ok_or_else(|| bad("client_id")));
        let plan = self.plan_id.as_deref().map(|id| PlanId::parse(id).ok_or_else(|| bad("plan_id")));
        Ok(Family {
            id: FamilyId::parse(&self.id).ok_or_else(|| bad("id"))?,
            api: ApiId::parse(&self.api_id).ok_or_else(|| bad("api_id"))?,
            owner: Owner::parse(&self.owner_kind, &self.owner_id).ok_or_else(|| bad("owner_id"))?,
            client: client.transpose()?,
            plan: plan.transpose()?,
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
pub struct KeyFamilies<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl KeyFamilies<'_, '_> {
    /// Adds a family.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or there is no such API or plan; inside,
    /// [`Taken`] where the identifier is in use.
    pub fn insert(&mut self, family: &Family) -> Result<Result<(), Taken>, Fault> {
        let row = Written::of(family);
        let added = sql!(self.tx, "adding a row of key_families", family.id, |c| {
            diesel::insert_into(key_families::table).values(&row).on_conflict_do_nothing().execute(c)
        })?;
        Ok(if added == 1 { Ok(()) } else { Err(Taken) })
    }

    /// Adds many families, in as few statements as the database allows. Those whose identifiers
    /// are in use are left as they are, so the same batch may be sent again.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or there is no such API or plan.
    pub fn insert_many(&mut self, families: &[Family]) -> Result<(), Fault> {
        for batch in families.chunks(BATCH) {
            let rows: Vec<_> = batch.iter().map(Written::of).collect();
            dialect::add_families(self.tx, &rows)?;
        }
        Ok(())
    }

    /// A family by identifier.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn find(&mut self, id: &FamilyId) -> Result<Option<Family>, Fault> {
        let found: Option<Loaded> = sql!(self.tx, "finding a row of key_families", id, |c| {
            key_families::table.find(id.as_str()).select(Loaded::as_select()).get_result(c).optional()
        })?;
        found.map(Loaded::into_family).transpose()
    }

    /// At most `n` families in the order of their identifiers, those after `after` where that is given.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn list(&mut self, filter: &FamilyFilter, after: Option<&FamilyId>, n: i64) -> Result<Vec<Family>, Fault> {
        let rows: Vec<Loaded> = sql!(self.tx, "listing rows of key_families", "none", |c| {
            let mut wanted = key_families::table.select(Loaded::as_select()).into_boxed();
            if let Some(owner) = &filter.owner {
                wanted = wanted
                    .filter(key_families::owner_kind.eq(owner.kind()))
                    .filter(key_families::owner_id.eq(owner.id()));
            }
            if let Some(api) = &filter.api {
                wanted = wanted.filter(key_families::api_id.eq(api.as_str()));
            }
            if let Some(after) = after {
                wanted = wanted.filter(key_families::id.gt(after.as_str()));
            }
            wanted.order(key_families::id).limit(n).load(c)
        })?;
        rows.into_iter().map(Loaded::into_family).collect()
    }

    /// How many families an owner has begun for an API since a moment, and how many of their keys for it are good or may
    /// be again. Of two transactions that count the same, the second waits for the first to end.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn count(&mut self, (owner, api): (&Owner, &ApiId), since: Moment) -> Result<(usize, usize), Fault> {
        dialect::exclusive(self.tx, &format!("keys of {} {} for {api}", owner.kind(), owner.id()))?;
        let now = At(self.tx.now());
        let theirs = || {
            key_families::table
                .filter(key_families::owner_kind.eq(owner.kind()))
                .filter(key_families::owner_id.eq(owner.id()))
                .filter(key_families::api_id.eq(api.as_str()))
        };
        let begun: i64 = sql!(self.tx, "counting rows of key_families", owner.id(), |c| {
            theirs().filter(key_families::created_at.gt(At(since))).count().get_result(c)
        })?;
        let live: i64 = sql!(self.tx, "counting rows of api_keys of an owner", owner.id(), |c| {
            api_keys::table
                .filter(api_keys::family_id.eq_any(theirs().select(key_families::id)))
                .filter(api_keys::state.ne_all(["revoked", "compromised"]))
                .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now)))
                .count()
                .get_result(c)
        })?;
        Ok((usize::try_from(begun).unwrap_or(usize::MAX), usize::try_from(live).unwrap_or(usize::MAX)))
    }

    /// Replaces a family, and tells every node; false, and nothing changed, unless the version
    /// that is stored is the one before this one's.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or there is no such API or plan.
    pub fn replace(&mut self, family: &Family) -> Result<bool, Fault> {
        let row = Written::of(family);
        let before = row.version.saturating_sub(1);
        let changed = sql!(self.tx, "changing a row of key_families", family.id, |c| {
            diesel::update(key_families::table.find(family.id.as_str()).filter(key_families::version.eq(before)))
                .set(&row)
                .execute(c)
        })?;
        if changed == 1 {
            self.tx.feed().add(&Change::about(Subject::KeyFamily, family.id.as_str()))?;
        }
        Ok(changed == 1)
    }
}
