//! Table `apis`: the audiences that API keys are for.

use super::{
    Taken, Tx,
    column::{At, Json, from_version, to_version},
    dialect,
    failure::illegal,
    feed::{Change, Subject},
    schema::apis,
    tx::sql,
};
use crate::{
    apikey::{
        PolicyText,
        api::{Api, Settings},
    },
    base::{
        fault::Fault,
        id::{ApiId, PlanId},
        uri::Resource,
    },
};
use diesel::prelude::*;

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = apis, treat_none_as_null = true)]
struct Written<'r> {
    id: &'r str,
    name: &'r str,
    audience: &'r str,
    prefix: &'r str,
    environments: Json<&'r [String]>,
    plan_id: Option<&'r str>,
    policy: Json<&'r PolicyText>,
    settings: Json<&'r Settings>,
    version: i32,
    disabled_at: Option<At>,
    created_at: At,
    updated_at: At,
}

impl<'r> Written<'r> {
    fn of(api: &'r Api) -> Self {
        Self {
            id: api.id.as_str(),
            name: &api.name,
            audience: api.audience.as_str(),
            prefix: &api.prefix,
            environments: Json(&api.environments),
            plan_id: api.plan.as_ref().map(PlanId::as_str),
            policy: Json(&api.policy),
            settings: Json(&api.settings),
            version: to_version(api.version),
            disabled_at: api.disabled_at.map(At),
            created_at: At(api.created_at),
            updated_at: At(api.updated_at),
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = apis)]
pub(super) struct Loaded {
    id: String,
    name: String,
    audience: String,
    prefix: String,
    environments: Json<Vec<String>>,
    plan_id: Option<String>,
    policy: Json<PolicyText>,
    settings: Json<Settings>,
    version: i32,
    disabled_at: Option<At>,
    created_at: At,
    updated_at: At,
}

impl Loaded {
    pub(super) fn into_api(self) -> Result<Api, Fault> {
        let bad = |what| illegal("apis", &self.id, what);
        let plan = self.plan_id.as_deref().map(|id| PlanId::parse(id).ok_or_else(|| bad("plan_id")));
        Ok(Api {
            id: ApiId::parse(&self.id).ok_or_else(|| bad("id"))?,
            audience: Resource::parse(&self.audience).map_err(|_| bad("audience"))?,
            plan: plan.transpose()?,
            version: from_version(self.version).ok_or_else(|| bad("version"))?,
            name: self.name,
            prefix: self.prefix,
            environments: self.environments.0,
            policy: self.policy.0,
            settings: self.settings.0,
            disabled_at: self.disabled_at.map(|at| at.0),
            created_at: self.created_at.0,
            updated_at: self.updated_at.0,
        })
    }
}

/// Queries on this table.
#[derive(Debug)]
pub struct Apis<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl Apis<'_, '_> {
    /// Adds an API.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it or there is no such plan; inside, [`Taken`]
    /// where identifier, name or audience are in use.
    pub fn insert(&mut self, api: &Api) -> Result<Result<(), Taken>, Fault> {
        dialect::exclusive(self.tx, "names of APIs")?;
        let row = Written::of(api);
        let added = sql!(self.tx, "adding a row of apis", api.id, |c| {
            diesel::insert_into(apis::table).values(&row).on_conflict_do_nothing().execute(c)
        })?;
        Ok(if added == 1 { Ok(()) } else { Err(Taken) })
    }

    /// An API by identifier.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn find(&mut self, id: &ApiId) -> Result<Option<Api>, Fault> {
        let found: Option<Loaded> = sql!(self.tx, "finding a row of apis", id, |c| {
            apis::table.find(id.as_str()).select(Loaded::as_select()).get_result(c).optional()
        })?;
        found.map(Loaded::into_api).transpose()
    }

    /// An API by name.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn by_name(&mut self, name: &str) -> Result<Option<Api>, Fault> {
        let found: Option<Loaded> = sql!(self.tx, "finding a row of apis by name", name, |c| {
            apis::table.filter(apis::name.eq(name)).select(Loaded::as_select()).get_result(c).optional()
        })?;
        found.map(Loaded::into_api).transpose()
    }

    /// An API by its resource indicator.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn by_audience(&mut self, audience: &Resource) -> Result<Option<Api>, Fault> {
        let found: Option<Loaded> = sql!(self.tx, "finding a row of apis by audience", audience, |c| {
            apis::table
                .filter(apis::audience.eq(audience.as_str()))
                .select(Loaded::as_select())
                .get_result(c)
                .optional()
        })?;
        found.map(Loaded::into_api).transpose()
    }

    /// At most `n` APIs in the order of their identifiers, those after `after` where that is given.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn list(&mut self, after: Option<&ApiId>, n: i64) -> Result<Vec<Api>, Fault> {
        let rows: Vec<Loaded> = sql!(self.tx, "listing rows of apis", "none", |c| {
            let mut wanted = apis::table.select(Loaded::as_select()).into_boxed();
            if let Some(after) = after {
                wanted = wanted.filter(apis::id.gt(after.as_str()));
            }
            wanted.order(apis::id).limit(n).load(c)
        })?;
        rows.into_iter().map(Loaded::into_api).collect()
    }

    /// Replaces an API, also whether it is disabled, and tells every node; false, and nothing
    /// changed, unless the version that is stored is the one before this one's.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it or there is no such plan; inside, [`Taken`]
    /// where another has the name or the audience.
    pub fn replace(&mut self, api: &Api) -> Result<Result<bool, Taken>, Fault> {
        // Looked up under a lock: Postgres gives up a transaction in which a name turns out to be taken.
        dialect::exclusive(self.tx, "names of APIs")?;
        let row = Written::of(api);
        let taken = sql!(self.tx, "finding a row of apis by name or audience", api.name, |c| {
            let same = apis::name.eq(row.name).or(apis::audience.eq(row.audience));
            diesel::select(diesel::dsl::exists(apis::table.filter(same).filter(apis::id.ne(row.id)))).get_result(c)
        })?;
        if taken {
            return Ok(Err(Taken));
        }
        let before = row.version.saturating_sub(1);
        let changed = sql!(self.tx, "changing a row of apis", api.id, |c| {
            diesel::update(apis::table.find(api.id.as_str()).filter(apis::version.eq(before))).set(&row).execute(c)
        })?;
        if changed == 1 {
            self.tx.feed().add(&Change::about(Subject::Api, api.id.as_str()))?;
        }
        Ok(Ok(changed == 1))
    }
}
