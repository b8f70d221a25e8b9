//! Lists of API keys: for people, and of those that a change concerns.

use super::{
    api_keys::{ApiKeys, LIVE, Loaded as LoadedKey},
    column::{At, UtcTime},
    failure::illegal,
    key_families::Loaded as LoadedFamily,
    key_uses::{KeyUse, Loaded as LoadedUse},
    schema::{api_keys, apis, key_families, key_uses},
    tx::sql,
};
use crate::{
    apikey::{
        family::{Family, Owner},
        key::{ApiKey, State},
    },
    base::{
        fault::Fault,
        id::{ApiId, ApiKeyId, FamilyId, PlanId},
        moment::Moment,
    },
};
use diesel::{
    dsl::sql as raw,
    prelude::*,
    sql_types::{Bool, Nullable},
};

/// The states out of which nothing leads.
const OVER: [&str; 2] = [State::Revoked.as_str(), State::Compromised.as_str()];

/// Which keys are wanted: those that fit everything that is given.
#[derive(Clone, Debug, Default)]
pub struct KeyFilter {
    /// Only of this owner.
    pub owner: Option<Owner>,
    /// Only for this API.
    pub api: Option<ApiId>,
    /// Only of this family.
    pub family: Option<FamilyId>,
    /// Only in this state.
    pub state: Option<State>,
    /// Only made before then.
    pub created_before: Option<Moment>,
    /// Only those made before then, and not used from then on, as far as that has been written down.
    pub unused_since: Option<Moment>,
    /// Only active and retiring ones that end before then.
    pub expiring_before: Option<Moment>,
    /// Only those that are live and have no end.
    pub endless: bool,
}

/// A key as it is listed.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedKey {
    /// The key.
    pub key: ApiKey,
    /// Its family.
    pub family: Family,
    /// Its last use, as far as that has been written down.
    pub last_use: Option<KeyUse>,
}

/// What has changed, so that its keys are no longer what they were.
#[derive(Clone, Copy, Debug)]
pub enum KeysOf<'k> {
    /// All keys of an owner.
    Owner(&'k Owner),
    /// All of a family.
    Family(&'k FamilyId),
    /// All for an API.
    Api(&'k ApiId),
    /// All whose family names this plan, or names none while its API does.
    Plan(&'k PlanId),
}

#[diesel::declare_sql_function]
extern "SQL" {
    /// The first that is there.
    #[sql_name = "coalesce"]
    fn this_or(a: Nullable<UtcTime>, b: UtcTime) -> UtcTime;
}

impl ApiKeys<'_, '_> {
    /// At most `n` keys in the order of their handles, which is that of their making, those after
    /// `after` where that is given.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn list(&mut self, filter: &KeyFilter, after: Option<&ApiKeyId>, n: i64) -> Result<Vec<ListedKey>, Fault> {
        type Row = (LoadedKey, LoadedFamily, Option<LoadedUse>);
        let rows: Vec<Row> = sql!(self.tx, "listing rows of api_keys", "none", |c| {
            let mut wanted = api_keys::table
                .inner_join(key_families::table.on(key_families::id.eq(api_keys::family_id)))
                .left_join(key_uses::table.on(key_uses::key_id.eq(api_keys::id)))
                .select((LoadedKey::as_select(), LoadedFamily::as_select(), Option::<LoadedUse>::as_select()))
                .into_boxed();
            if let Some(owner) = &filter.owner {
                wanted = wanted
                    .filter(key_families::owner_kind.eq(owner.kind()))
                    .filter(key_families::owner_id.eq(owner.id()));
            }
            if let Some(api) = &filter.api {
                wanted = wanted.filter(api_keys::api_id.eq(api.as_str()));
            }
            if let Some(family) = &filter.family {
                wanted = wanted.filter(api_keys::family_id.eq(family.as_str()));
            }
            if let Some(state) = filter.state {
                wanted = wanted.filter(api_keys::state.eq(state.as_str()));
            }
            if let Some(before) = filter.created_before {
                wanted = wanted.filter(api_keys::created_at.lt(At(before)));
            }
            if let Some(since) = filter.unused_since {
                wanted = wanted.filter(this_or(key_uses::at.nullable(), api_keys::created_at).lt(At(since)));
            }
            if let Some(before) = filter.expiring_before {
                wanted = wanted.filter(raw::<Bool>(LIVE)).filter(api_keys::expires_at.lt(At(before)));
            }
            if filter.endless {
                wanted = wanted.filter(api_keys::expires_at.is_null()).filter(api_keys::state.ne_all(OVER));
            }
            if let Some(after) = after {
                wanted = wanted.filter(api_keys::id.gt(after.as_str()));
            }
            wanted.order(api_keys::id).limit(n).load(c)
        })?;
        rows.into_iter()
            .map(|(key, family, last_use)| {
                Ok(ListedKey {
                    key: key.into_key()?,
                    family: family.into_family()?,
                    last_use: last_use.map(LoadedUse::into_use).transpose()?,
                })
            })
            .collect()
    }

    /// At most `n` handles, in order, of the keys that a change concerns, in whatever state they
    /// are, those after `after` where that is given.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn ids_of(&mut self, of: KeysOf<'_>, after: Option<&ApiKeyId>, n: i64) -> Result<Vec<ApiKeyId>, Fault> {
        let after = after.map_or("", ApiKeyId::as_str);
        let ids: Vec<String> = sql!(self.tx, "listing handles of api_keys", after, |c| {
            let wanted = api_keys::table.filter(api_keys::id.gt(after)).select(api_keys::id).into_boxed();
            let wanted = match of {
                KeysOf::Family(family) => wanted.filter(api_keys::family_id.eq(family.as_str())),
                KeysOf::Api(api) => wanted.filter(api_keys::api_id.eq(api.as_str())),
                KeysOf::Owner(owner) => wanted.filter(
                    api_keys::family_id.eq_any(
                        key_families::table
                            .filter(key_families::owner_kind.eq(owner.kind()))
                            .filter(key_families::owner_id.eq(owner.id()))
                            .select(key_families::id),
                    ),
                ),
                KeysOf::Plan(plan) => wanted.filter(
                    api_keys::family_id.eq_any(
                        key_families::table
                            .inner_join(apis::table.on(apis::id.eq(key_families::api_id)))
                            .filter(
                                key_families::plan_id
                                    .eq(plan.as_str())
                                    .or(key_families::plan_id.is_null().and(apis::plan_id.eq(plan.as_str()))),
                            )
                            .select(key_families::id),
                    ),
                ),
            };
            wanted.order(api_keys::id).limit(n).load(c)
        })?;
        ids.iter().map(|id| ApiKeyId::parse(id).ok_or_else(|| illegal("api_keys", id, "id"))).collect()
    }
}
