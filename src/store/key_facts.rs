//! What must be known of an API key to judge a call, in one statement: the key and its family, API
//! and plan, whether its owner and the application that uses it are active, and when it was used last.

use super::{
    Tx,
    api_keys::Loaded as LoadedKey,
    apis::Loaded as LoadedApi,
    column::At,
    key_families::Loaded as LoadedFamily,
    plans::Loaded as LoadedPlan,
    schema::{api_keys, apis, clients, key_families, key_uses, plans, users},
    tx::sql,
};
use crate::{
    apikey::{api::Api, family::Family, key::ApiKey, plan::Plan},
    base::{digest::TokenHash, fault::Fault, id::ApiKeyId, moment::Moment},
};
use diesel::{
    prelude::*,
    sql_types::{Nullable, Text},
};

#[diesel::declare_sql_function]
extern "SQL" {
    /// The first that is there.
    fn coalesce(a: Nullable<Text>, b: Nullable<Text>) -> Nullable<Text>;
}

/// All that is known of a key.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyFacts {
    /// The key.
    pub key: ApiKey,
    /// Its family.
    pub family: Family,
    /// Its API.
    pub api: Api,
    /// The plan of its family, or of its API where that names none.
    pub plan: Option<Plan>,
    /// Whether its owner is known and not disabled.
    pub owner_active: bool,
    /// Whether the application that uses it, where one is named, is registered and not disabled.
    pub application_active: bool,
    /// When it was used last, as far as that has been written down.
    pub last_used: Option<Moment>,
}

/// The row of whom a key hangs from, where there is one, and since when they are disabled.
type PartyRow = (Option<String>, Option<At>);
/// Its owner, if a person, or if a client; the application that uses it.
type PartyRows = (PartyRow, PartyRow, PartyRow);
type Row = (LoadedKey, LoadedFamily, LoadedApi, Option<LoadedPlan>, PartyRows, Option<At>);

fn into_facts((key, family, api, plan, (user, client, application), last_used): Row) -> Result<KeyFacts, Fault> {
    let active = |(id, disabled_at): &PartyRow| id.is_some() && disabled_at.is_none();
    let family = family.into_family()?;
    Ok(KeyFacts {
        key: key.into_key()?,
        application_active: family.client.is_none() || active(&application),
        family,
        api: api.into_api()?,
        plan: plan.map(LoadedPlan::into_plan).transpose()?,
        owner_active: active(&user) || active(&client),
        last_used: last_used.map(|at| at.0),
    })
}

/// A key and everything around it, each found by an index of its own. Without text of SQL in it:
/// diesel keeps no statement ready that has some.
macro_rules! facts {
    () => {{
        let applications = diesel::alias!(clients as applications);
        api_keys::table
            .inner_join(key_families::table.on(key_families::id.eq(api_keys::family_id)))
            .inner_join(apis::table.on(apis::id.eq(api_keys::api_id)))
            .left_join(plans::table.on(plans::id.nullable().eq(coalesce(key_families::plan_id, apis::plan_id))))
            .left_join(users::table.on(users::id.eq(key_families::owner_id).and(key_families::owner_kind.eq("user"))))
            .left_join(
                clients::table.on(clients::id.eq(key_families::owner_id).and(key_families::owner_kind.eq("client"))),
            )
            .left_join(applications.on(applications.field(clients::id).nullable().eq(key_families::client_id)))
            .left_join(key_uses::table.on(key_uses::key_id.eq(api_keys::id)))
            .select((
                LoadedKey::as_select(),
                LoadedFamily::as_select(),
                LoadedApi::as_select(),
                Option::<LoadedPlan>::as_select(),
                (
                    (users::id.nullable(), users::disabled_at.nullable()),
                    (clients::id.nullable(), clients::disabled_at.nullable()),
                    (applications.field(clients::id).nullable(), applications.field(clients::disabled_at).nullable()),
                ),
                key_uses::at.nullable(),
            ))
    }};
}

pub(super) fn by_digest(tx: &mut Tx<'_>, digest: &TokenHash) -> Result<Option<KeyFacts>, Fault> {
    let found: Option<Row> = sql!(tx, "finding a row of api_keys", "a hash", |c| {
        facts!().filter(api_keys::digest.eq(digest.as_bytes().as_slice())).get_result(c).optional()
    })?;
    found.map(into_facts).transpose()
}

/// Those of these hashes that are there, in no order.
pub(super) fn by_digests(tx: &mut Tx<'_>, digests: &[TokenHash]) -> Result<Vec<KeyFacts>, Fault> {
    let wanted: Vec<&[u8]> = digests.iter().map(|digest| digest.as_bytes().as_slice()).collect();
    let found: Vec<Row> = sql!(tx, "finding a row of api_keys", "a few hashes", |c| {
        facts!().filter(api_keys::digest.eq_any(&wanted)).load(c)
    })?;
    found.into_iter().map(into_facts).collect()
}

pub(super) fn by_id(tx: &mut Tx<'_>, id: &ApiKeyId) -> Result<Option<KeyFacts>, Fault> {
    let found: Option<Row> = sql!(tx, "finding a row of api_keys", id, |c| {
        facts!().filter(api_keys::id.eq(id.as_str())).get_result(c).optional()
    })?;
    found.map(into_facts).transpose()
}
