//! Table `api_keys`: API keys by the keyed hash of their text, and what must be known to judge a call.

use super::{
    Taken, Tx,
    column::{At, Json, from_version, to_version},
    dialect,
    failure::illegal,
    feed::{Change, Subject},
    key_facts::{self, KeyFacts},
    schema::api_keys,
    tx::sql,
};
use crate::{
    apikey::{
        PolicyText,
        key::{ApiKey, Kind, Origin, Side, State},
    },
    base::{
        digest::TokenHash,
        fault::Fault,
        id::{ApiId, ApiKeyId, FamilyId},
        moment::Moment,
        scope::Scope,
    },
};
use diesel::{dsl::sql as raw, prelude::*, sql_types::Bool};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Rows in one statement.
const BATCH: usize = 500;

/// Conditions as indexes have them, word for word: databases compare them as text.
pub(super) const LIVE: &str = "api_keys.state IN ('active', 'retiring')";
const ENDED: &str = "api_keys.state IN ('revoked', 'compromised', 'disabled', 'suspended')";

/// A key as its row is written.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = api_keys, treat_none_as_null = true)]
pub(super) struct Written<'r> {
    id: &'r str,
    family_id: &'r str,
    api_id: &'r str,
    environment: &'r str,
    digest: &'r [u8],
    pepper: i16,
    origin: &'r str,
    hint: &'r str,
    kind: &'r str,
    state: &'r str,
    scope: String,
    policy: Json<&'r PolicyText>,
    meta: Json<&'r Map<String, Value>>,
    not_before: Option<At>,
    expires_at: Option<At>,
    successor_id: Option<&'r str>,
    state_reason: Option<&'r str>,
    state_at: At,
    disabled_by: Option<&'r str>,
    reminded: i16,
    version: i32,
    created_at: At,
}

impl<'r> Written<'r> {
    fn of(key: &'r ApiKey) -> Self {
        Self {
            id: key.id.as_str(),
            family_id: key.family.as_str(),
            api_id: key.api.as_str(),
            environment: &key.environment,
            digest: key.digest.as_bytes(),
            pepper: key.pepper,
            origin: key.origin.as_str(),
            hint: &key.hint,
            kind: key.kind.as_str(),
            state: key.state.as_str(),
            scope: key.scope.to_string(),
            policy: Json(&key.policy),
            meta: Json(&key.meta),
            not_before: key.not_before.map(At),
            expires_at: key.expires_at.map(At),
            successor_id: key.successor.as_ref().map(ApiKeyId::as_str),
            state_reason: key.state_reason.as_deref(),
            state_at: At(key.state_at),
            disabled_by: key.disabled_by.map(Side::as_str),
            reminded: i16::from(key.reminded),
            version: to_version(key.version),
            created_at: At(key.created_at),
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys)]
pub(super) struct Loaded {
    id: String,
    family_id: String,
    api_id: String,
    environment: String,
    digest: Vec<u8>,
    pepper: i16,
    origin: String,
    hint: String,
    kind: String,
    state: String,
    scope: String,
    policy: Json<PolicyText>,
    meta: Json<Map<String, Value>>,
    not_before: Option<At>,
    expires_at: Option<At>,
    successor_id: Option<String>,
    state_reason: Option<String>,
    state_at: At,
    disabled_by: Option<String>,
    reminded: i16,
    version: i32,
    created_at: At,
}

impl Loaded {
    pub(super) fn into_key(self) -> Result<ApiKey, Fault> {
        let bad = |what| illegal("api_keys", &self.id, what);
        let successor = self.successor_id.as_deref().map(|id| ApiKeyId::parse(id).ok_or_else(|| bad("successor_id")));
        let off_by = self.disabled_by.as_deref().map(|word| Side::parse(word).ok_or_else(|| bad("disabled_by")));
        Ok(ApiKey {
            disabled_by: off_by.transpose()?,
            id: ApiKeyId::parse(&self.id).ok_or_else(|| bad("id"))?,
            family: FamilyId::parse(&self.family_id).ok_or_else(|| bad("family_id"))?,
            api: ApiId::parse(&self.api_id).ok_or_else(|| bad("api_id"))?,
            digest: TokenHash::from_slice(&self.digest).ok_or_else(|| bad("digest"))?,
            origin: Origin::parse(&self.origin).ok_or_else(|| bad("origin"))?,
            kind: Kind::parse(&self.kind).ok_or_else(|| bad("kind"))?,
            state: State::parse(&self.state).ok_or_else(|| bad("state"))?,
            scope: Scope::parse(&self.scope).map_err(|_| bad("scope"))?,
            successor: successor.transpose()?,
            reminded: u8::try_from(self.reminded).map_err(|_| bad("reminded"))?,
            version: from_version(self.version).ok_or_else(|| bad("version"))?,
            environment: self.environment,
            pepper: self.pepper,
            hint: self.hint,
            policy: self.policy.0,
            meta: self.meta.0,
            not_before: self.not_before.map(|at| at.0),
            expires_at: self.expires_at.map(|at| at.0),
            state_reason: self.state_reason,
            state_at: self.state_at.0,
            created_at: self.created_at.0,
        })
    }
}

/// Queries on this table.
#[derive(Debug)]
pub struct ApiKeys<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl ApiKeys<'_, '_> {
    /// Adds a key. Nobody is told: a node that looks for it finds it.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or there is no such family; inside,
    /// [`Taken`] where its text or its identifier are in use.
    pub fn insert(&mut self, key: &ApiKey) -> Result<Result<(), Taken>, Fault> {
        let row = Written::of(key);
        let added = sql!(self.tx, "adding a row of api_keys", key.id, |c| {
            diesel::insert_into(api_keys::table).values(&row).on_conflict_do_nothing().execute(c)
        })?;
        Ok(if added == 1 { Ok(()) } else { Err(Taken) })
    }

    /// Adds many keys, in as few statements as the database allows; says which were not added
    /// because their text or their identifier are in use. A million are for several transactions
    /// of some thousands each: how far it has come is for the caller to remember.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or there is no such family.
    pub fn insert_many(&mut self, keys: &[ApiKey]) -> Result<Vec<ApiKeyId>, Fault> {
        let mut refused = Vec::new();
        for batch in keys.chunks(BATCH) {
            let rows: Vec<_> = batch.iter().map(Written::of).collect();
            let added: BTreeSet<String> = dialect::add_keys(self.tx, &rows)?.into_iter().collect();
            refused.extend(batch.iter().map(|key| &key.id).filter(|id| !added.contains(id.as_str())).cloned());
        }
        Ok(refused)
    }

    /// Which of these keyed hashes are those of keys.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn taken(&mut self, digests: &[TokenHash]) -> Result<BTreeSet<[u8; 32]>, Fault> {
        let mut found = BTreeSet::new();
        for batch in digests.chunks(BATCH) {
            let wanted: Vec<&[u8]> = batch.iter().map(|digest| digest.as_bytes().as_slice()).collect();
            let rows: Vec<Vec<u8>> = sql!(self.tx, "finding rows of api_keys by digest", "several", |c| {
                api_keys::table.filter(api_keys::digest.eq_any(&wanted)).select(api_keys::digest).load(c)
            })?;
            found.extend(rows.into_iter().filter_map(|digest| <[u8; 32]>::try_from(digest).ok()));
        }
        Ok(found)
    }

    /// A key by its handle.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn find(&mut self, id: &ApiKeyId) -> Result<Option<ApiKey>, Fault> {
        let found: Option<Loaded> = sql!(self.tx, "finding a row of api_keys", id, |c| {
            api_keys::table.find(id.as_str()).select(Loaded::as_select()).get_result(c).optional()
        })?;
        found.map(Loaded::into_key).transpose()
    }

    /// A key by the keyed hash of its text, with all that is known of it: one statement.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn by_digest(&mut self, digest: &TokenHash) -> Result<Option<KeyFacts>, Fault> {
        key_facts::by_digest(self.tx, digest)
    }

    /// Those of a few keyed hashes that are of keys, each with all that is known of it, in no order: one statement.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn by_digests(&mut self, digests: &[TokenHash]) -> Result<Vec<KeyFacts>, Fault> {
        key_facts::by_digests(self.tx, digests)
    }

    /// A key by its handle, with all that is known of it: one statement.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn facts(&mut self, id: &ApiKeyId) -> Result<Option<KeyFacts>, Fault> {
        key_facts::by_id(self.tx, id)
    }

    /// Whether there is any key that was not minted here.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn any_foreign(&mut self) -> Result<bool, Fault> {
        let minted = Origin::Minted.as_str();
        sql!(self.tx, "looking for a row of api_keys", "none", |c| {
            let foreign = api_keys::table.filter(api_keys::origin.ne(minted)).select(api_keys::id).limit(1);
            foreign.first::<String>(c).optional()
        })
        .map(|found| found.is_some())
    }

    /// All keys of a family, oldest first.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn in_family(&mut self, family: &FamilyId) -> Result<Vec<ApiKey>, Fault> {
        let rows: Vec<Loaded> = sql!(self.tx, "listing rows of api_keys of a family", family, |c| {
            api_keys::table
                .filter(api_keys::family_id.eq(family.as_str()))
                .order(api_keys::id)
                .select(Loaded::as_select())
                .load(c)
        })?;
        rows.into_iter().map(Loaded::into_key).collect()
    }

    /// Replaces a key, and tells every node; false, and nothing changed, unless the version that
    /// is stored is the one before this one's.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn replace(&mut self, key: &ApiKey) -> Result<bool, Fault> {
        let row = Written::of(key);
        let before = row.version.saturating_sub(1);
        let changed = sql!(self.tx, "changing a row of api_keys", key.id, |c| {
            diesel::update(api_keys::table.find(key.id.as_str()).filter(api_keys::version.eq(before)))
                .set(&row)
                .execute(c)
        })?;
        if changed == 1 {
            self.tx.feed().add(&Change::about(Subject::ApiKey, key.id.as_str()))?;
        }
        Ok(changed == 1)
    }

    /// At most `n` keys that have been revoked, compromised, disabled or suspended since `at`, and
    /// are so still, in the order in which that happened; those at `at` itself only after `after`,
    /// where that is given; those of some APIs alone. A transaction that takes long shows its key later than others with a
    /// later time: whoever reads on and on has to look back for as long as one may take.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn ended_since(
        &mut self,
        of: &[ApiId],
        (at, after): (Moment, Option<&ApiKeyId>),
        n: i64,
    ) -> Result<Vec<ApiKey>, Fault> {
        let (after, mut all) = (after.map_or("", ApiKeyId::as_str), Vec::new());
        for api in of {
            let rows: Vec<Loaded> = sql!(self.tx, "listing rows of api_keys that have ended", after, |c| {
                api_keys::table
                    .filter(raw::<Bool>(ENDED))
                    .filter(api_keys::api_id.eq(api.as_str()))
                    .filter(api_keys::state_at.ge(At(at)))
                    .filter(api_keys::state_at.gt(At(at)).or(api_keys::id.gt(after)))
                    .order((api_keys::state_at, api_keys::id))
                    .limit(n)
                    .select(Loaded::as_select())
                    .load(c)
            })?;
            all.extend(rows.into_iter().map(Loaded::into_key).collect::<Result<Vec<_>, Fault>>()?);
        }
        Ok(first(all, n, |key| Some(key.state_at)))
    }

    /// At most `n` active and retiring keys that end from `from` on and before `before`, in the
    /// order in which they do; those that end at `from` itself only after `after`, where that is given; those
    /// of some APIs alone.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn ending(
        &mut self,
        of: &[ApiId],
        (from, after): (Moment, Option<&ApiKeyId>),
        before: Moment,
        n: i64,
    ) -> Result<Vec<ApiKey>, Fault> {
        let (after, mut all) = (after.map_or("", ApiKeyId::as_str), Vec::new());
        for api in of {
            let rows: Vec<Loaded> = sql!(self.tx, "listing rows of api_keys that end", after, |c| {
                api_keys::table
                    .filter(raw::<Bool>(LIVE))
                    .filter(api_keys::api_id.eq(api.as_str()))
                    .filter(api_keys::expires_at.ge(At(from)))
                    .filter(api_keys::expires_at.lt(At(before)))
                    .filter(api_keys::expires_at.gt(At(from)).or(api_keys::id.nullable().gt(after)))
                    .order((api_keys::expires_at, api_keys::id))
                    .limit(n)
                    .select(Loaded::as_select())
                    .load(c)
            })?;
            all.extend(rows.into_iter().map(Loaded::into_key).collect::<Result<Vec<_>, Fault>>()?);
        }
        Ok(first(all, n, |key| key.expires_at))
    }
}

/// The first `n` of keys of several APIs, each of which gave its own in that order.
fn first(mut keys: Vec<ApiKey>, n: i64, at: fn(&ApiKey) -> Option<Moment>) -> Vec<ApiKey> {
    keys.sort_by(|a, b| (at(a), &a.id).cmp(&(at(b), &b.id)));
    keys.truncate(usize::try_from(n).unwrap_or(usize::MAX));
    keys
}
