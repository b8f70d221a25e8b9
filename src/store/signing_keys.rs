//! Table `signing_keys`: the keys that sign, and those that others encrypt for, their private halves sealed. Whoever changes them
//! takes the lock first, so that two nodes that sweep at once make one successor.

use super::{
    Tx,
    column::{At, Json},
    dialect,
    failure::illegal,
    schema::{signing_key_uses, signing_keys},
    tx::sql,
};
use crate::{
    base::{fault::Fault, id::KeyId, moment::Moment},
    jose::{Outside, Purpose},
    keyring::{KeyRecord, State},
};
use diesel::prelude::*;
use serde_json::Value;

/// A signing key as stored.
#[derive(Clone, PartialEq)]
pub struct KeyRow {
    /// What the rules know of it.
    pub record: KeyRecord,
    /// Its private half, sealed; empty once the key is gone, and where it is not here.
    pub sealed: Vec<u8>,
    /// Where its private half is, where that is not here; of a key that is gone until it is destroyed there.
    pub outside: Option<Outside>,
    /// Its public half, as a JWK (RFC 7517 §4).
    pub public: Value,
    /// Where it came from.
    pub origin: Origin,
    /// When an operator ended it before its time, where one did.
    pub revoked: Option<Moment>,
    /// Since when it is in its state and why; keys from before this was written down lack it.
    pub standing: Option<Standing>,
}

/// Since when a key is in its state, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Since when.
    pub since: Moment,
    /// Why, for people.
    pub why: String,
}

/// Where a key came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// We made it.
    Made,
    /// An operator brought it from elsewhere.
    Imported,
}

impl Origin {
    /// The word that is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Imported => "imported",
        }
    }
    fn parse(word: &str) -> Option<Self> {
        [Self::Made, Self::Imported].into_iter().find(|origin| origin.as_str() == word)
    }
}

impl std::fmt::Debug for KeyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRow").field("record", &self.record).finish_non_exhaustive()
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = signing_keys)]
struct Loaded {
    kid: String,
    alg: String,
    epoch: i32,
    state: String,
    state_at: Option<At>,
    sealed: Vec<u8>,
    public: Json<Value>,
    created_at: At,
    known_at: Option<At>,
    changed_at: Option<At>,
    why: Option<String>,
    origin: String,
    revoked_at: Option<At>,
    outside: Option<String>,
}

impl Loaded {
    fn into_row(self, signed_at: Option<Moment>) -> Result<KeyRow, Fault> {
        let bad = |what| illegal("signing_keys", &self.kid, what);
        let record = KeyRecord {
            kid: KeyId::parse(&self.kid).ok_or_else(|| bad("kid"))?,
            alg: Purpose::parse(&self.alg).ok_or_else(|| bad("alg"))?,
            epoch: self.epoch,
            created_at: self.created_at.0,
            // Before this was written down, it was enough that a key had been published for a while.
            known_at: self.known_at.map_or(self.created_at.0, |at| at.0),
            signed_at,
            state: read_state(&self.state, self.state_at.map(|at| at.0)).ok_or_else(|| bad("state"))?,
        };
        let origin = Origin::parse(&self.origin).ok_or_else(|| bad("origin"))?;
        let outside = self.outside.as_deref().map(serde_json::from_str).transpose().map_err(|_| bad("outside"))?;
        let standing = self.changed_at.zip(self.why).map(|(since, why)| Standing { since: since.0, why });
        Ok(KeyRow {
            record,
            sealed: self.sealed,
            outside,
            public: self.public.0,
            origin,
            revoked: self.revoked_at.map(|at| at.0),
            standing,
        })
    }
}

const fn moment_of(state: State) -> Option<Moment> {
    match state {
        State::Active { since } => Some(since),
        State::Retiring { until } => Some(until),
        State::Pending | State::Gone => None,
    }
}

fn read_state(word: &str, at: Option<Moment>) -> Option<State> {
    match (word, at) {
        ("pending", None) => Some(State::Pending),
        ("active", Some(since)) => Some(State::Active { since }),
        ("retiring", Some(until)) => Some(State::Retiring { until }),
        ("gone", None) => Some(State::Gone),
        _ => None,
    }
}

/// Queries on this table.
#[derive(Debug)]
pub struct SigningKeys<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl SigningKeys<'_, '_> {
    /// Lets one transaction at a time past this point, on all nodes, until it ends.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn lock(&mut self) -> Result<(), Fault> {
        dialect::exclusive(self.tx, "signing_keys")
    }

    /// All keys, also those that are gone, by algorithm and age.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn list(&mut self) -> Result<Vec<KeyRow>, Fault> {
        let rows: Vec<(Loaded, Option<At>)> = sql!(self.tx, "listing rows of signing_keys", "all", |c| {
            signing_keys::table
                .left_join(signing_key_uses::table)
                .select((Loaded::as_select(), signing_key_uses::signed_at.nullable()))
                .order((signing_keys::alg, signing_keys::epoch))
                .load(c)
        })?;
        rows.into_iter().map(|(row, signed)| row.into_row(signed.map(|at| at.0))).collect()
    }

    /// Adds a key; false where there is one of this name, or of this algorithm and number.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn insert(&mut self, key: &KeyRow) -> Result<bool, Fault> {
        let record = &key.record;
        let outside = key.outside.as_ref().map(serde_json::to_string).transpose();
        let outside = outside.map_err(|e| Fault::new("writing where a signing key is", e))?;
        let added = sql!(self.tx, "adding a row of signing_keys", record.kid, |c| {
            diesel::insert_into(signing_keys::table)
                .values((
                    signing_keys::kid.eq(record.kid.as_str()),
                    signing_keys::alg.eq(record.alg.name()),
                    signing_keys::epoch.eq(record.epoch),
                    signing_keys::state.eq(record.state.name()),
                    signing_keys::state_at.eq(moment_of(record.state).map(At)),
                    signing_keys::sealed.eq(&key.sealed),
                    signing_keys::public.eq(Json(&key.public)),
                    signing_keys::created_at.eq(At(record.created_at)),
                    signing_keys::known_at.eq(At(record.known_at)),
                    signing_keys::changed_at.eq(key.standing.as_ref().map(|standing| At(standing.since))),
                    signing_keys::why.eq(key.standing.as_ref().map(|standing| standing.why.as_str())),
                    signing_keys::origin.eq(key.origin.as_str()),
                    signing_keys::outside.eq(outside.as_deref()),
                ))
                .on_conflict_do_nothing()
                .execute(c)
        })?;
        Ok(added == 1)
    }

    /// Moves a key on in its life, and writes down why. One that is gone loses its private half here
    /// too.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or there is no such key.
    pub fn set_state(&mut self, kid: &KeyId, state: State, why: &str) -> Result<(), Fault> {
        let now = At(self.tx.now());
        let changed = sql!(self.tx, "changing a row of signing_keys", kid, |c| {
            diesel::update(signing_keys::table.find(kid.as_str()))
                .set((
                    signing_keys::state.eq(state.name()),
                    signing_keys::state_at.eq(moment_of(state).map(At)),
                    signing_keys::changed_at.eq(Some(now)),
                    signing_keys::why.eq(Some(why)),
                    (state == State::Gone).then(|| signing_keys::sealed.eq(Vec::new())),
                ))
                .execute(c)
        })?;
        if changed == 1 { Ok(()) } else { Err(illegal("signing_keys", kid, "it does not exist")) }
    }

    /// Ends a key before its time: it is gone, and it is remembered that an operator wanted that.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or there is no such key.
    pub fn revoke(&mut self, kid: &KeyId, reason: &str) -> Result<(), Fault> {
        let now = At(self.tx.now());
        self.set_state(kid, State::Gone, reason)?;
        sql!(self.tx, "changing a row of signing_keys", kid, |c| {
            diesel::update(signing_keys::table.find(kid.as_str()))
                .set(signing_keys::revoked_at.eq(Some(now)))
                .execute(c)
        })?;
        Ok(())
    }

    /// Notes that the private half of a key that is gone was destroyed where it was.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn destroyed(&mut self, kid: &KeyId) -> Result<(), Fault> {
        sql!(self.tx, "changing a row of signing_keys", kid, |c| {
            diesel::update(signing_keys::table.find(kid.as_str()).filter(signing_keys::state.eq(State::Gone.name())))
                .set(signing_keys::outside.eq(None::<String>))
                .execute(c)
        })?;
        Ok(())
    }
}
