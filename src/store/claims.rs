//! Table `key_claims`: links with which an API key is made, once, by whoever opens them.

use super::{
    Taken, Tx,
    column::{At, Json},
    failure::illegal,
    schema::key_claims,
    tx::sql,
};
use crate::{
    apikey::family::Owner,
    base::{
        digest::TokenHash,
        fault::Fault,
        id::{ApiId, ApiKeyId, ClaimId},
        moment::Moment,
    },
};
use diesel::prelude::*;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// A claim as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Its identifier.
    pub id: ClaimId,
    /// The keyed hash of the secret in its link.
    pub digest: TokenHash,
    /// The API that the key is for.
    pub api: ApiId,
    /// Whose the key will be; `None` where that is whoever claims it.
    pub owner: Option<Owner>,
    /// What the key will be like.
    pub spec: Map<String, Value>,
    /// Until when it may be claimed.
    pub expires_at: Moment,
    /// When it was.
    pub claimed_at: Option<Moment>,
    /// From where it was, as far as that is known.
    pub address: Option<IpAddr>,
    /// In which browser, by the mark of that.
    pub browser: Option<String>,
    /// The key that was made.
    pub key: Option<ApiKeyId>,
    /// When the link was made.
    pub created_at: Moment,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = key_claims)]
struct Loaded {
    id: String,
    digest: Vec<u8>,
    api_id: String,
    spec: Json<Map<String, Value>>,
    expires_at: At,
    claimed_at: Option<At>,
    address: Option<String>,
    key_id: Option<String>,
    created_at: At,
    owner_kind: Option<String>,
    owner_id: Option<String>,
    browser: Option<String>,
}

impl Loaded {
    fn into_claim(self) -> Result<Claim, Fault> {
        let bad = |what| illegal("key_claims", &self.id, what);
        let owner = match (&self.owner_kind, &self.owner_id) {
            (Some(kind), Some(id)) => Some(Owner::parse(kind, id).ok_or_else(|| bad("owner"))?),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(bad("owner")),
        };
        Ok(Claim {
            owner,
            browser: self.browser.clone(),
            id: ClaimId::parse(&self.id).ok_or_else(|| bad("id"))?,
            digest: TokenHash::from_slice(&self.digest).ok_or_else(|| bad("digest"))?,
            api: ApiId::parse(&self.api_id).ok_or_else(|| bad("api_id"))?,
            address: self.address.as_deref().map(|text| text.parse().map_err(|_| bad("address"))).transpose()?,
            key: self.key_id.as_deref().map(|id| ApiKeyId::parse(id).ok_or_else(|| bad("key_id"))).transpose()?,
            spec: self.spec.0,
            expires_at: self.expires_at.0,
            claimed_at: self.claimed_at.map(|at| at.0),
            created_at: self.created_at.0,
        })
    }
}

/// Queries on this table.
#[derive(Debug)]
pub struct Claims<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl Claims<'_, '_> {
    /// Adds a claim.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or there is no such API; inside, [`Taken`]
    /// where its secret or its identifier are in use.
    pub fn insert(&mut self, claim: &Claim) -> Result<Result<(), Taken>, Fault> {
        let added = sql!(self.tx, "adding a row of key_claims", claim.id, |c| {
            diesel::insert_into(key_claims::table)
                .values((
                    key_claims::id.eq(claim.id.as_str()),
                    key_claims::digest.eq(claim.digest.as_bytes().as_slice()),
                    key_claims::api_id.eq(claim.api.as_str()),
                    key_claims::spec.eq(Json(&claim.spec)),
                    key_claims::expires_at.eq(At(claim.expires_at)),
                    key_claims::claimed_at.eq(claim.claimed_at.map(At)),
                    key_claims::address.eq(claim.address.map(|a| a.to_string())),
                    key_claims::key_id.eq(claim.key.as_ref().map(ApiKeyId::as_str)),
                    key_claims::created_at.eq(At(claim.created_at)),
                    key_claims::owner_kind.eq(claim.owner.as_ref().map(Owner::kind)),
                    key_claims::owner_id.eq(claim.owner.as_ref().map(Owner::id)),
                    key_claims::browser.eq(claim.browser.as_deref()),
                ))
                .on_conflict_do_nothing()
                .execute(c)
        })?;
        Ok(if added == 1 { Ok(()) } else { Err(Taken) })
    }

    /// A claim by the keyed hash of its secret, whether it may still be claimed or not.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn by_digest(&mut self, digest: &TokenHash) -> Result<Option<Claim>, Fault> {
        let found: Option<Loaded> = sql!(self.tx, "finding a row of key_claims", "a hash", |c| {
            let known = key_claims::table.filter(key_claims::digest.eq(digest.as_bytes().as_slice()));
            known.select(Loaded::as_select()).get_result(c).optional()
        })?;
        found.map(Loaded::into_claim).transpose()
    }

    /// A claim by its identifier.
    ///
    /// # Errors
    /// As [`Claims::by_digest`].
    pub fn find(&mut self, id: &ClaimId) -> Result<Option<Claim>, Fault> {
        let found: Option<Loaded> = sql!(self.tx, "finding a row of key_claims", id, |c| {
            key_claims::table.find(id.as_str()).select(Loaded::as_select()).get_result(c).optional()
        })?;
        found.map(Loaded::into_claim).transpose()
    }

    /// At most `n` claims in the order in which they were made, those after `after`; of this owner
    /// alone where one is given.
    ///
    /// # Errors
    /// As [`Claims::by_digest`].
    pub fn list(&mut self, owner: Option<&Owner>, after: Option<&ClaimId>, n: i64) -> Result<Vec<Claim>, Fault> {
        let found: Vec<Loaded> = sql!(self.tx, "listing rows of key_claims", "none", |c| {
            let mut wanted = key_claims::table.select(Loaded::as_select()).into_boxed();
            if let Some(owner) = owner {
                wanted = wanted
                    .filter(key_claims::owner_kind.eq(Some(owner.kind())))
                    .filter(key_claims::owner_id.eq(Some(owner.id())));
            }
            if let Some(after) = after {
                wanted = wanted.filter(key_claims::id.gt(after.as_str()));
            }
            wanted.order(key_claims::id).limit(n).load(c)
        })?;
        found.into_iter().map(Loaded::into_claim).collect()
    }

    /// Takes it away, where it was not claimed; whether that was so.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn withdraw(&mut self, id: &ClaimId) -> Result<bool, Fault> {
        let gone = sql!(self.tx, "deleting a row of key_claims", id, |c| {
            diesel::delete(key_claims::table.find(id.as_str()).filter(key_claims::claimed_at.is_null())).execute(c)
        })?;
        Ok(gone == 1)
    }

    /// Claims it for this key; false, and nothing changed, where it was claimed before, has
    /// expired or is unknown. Of several at once exactly one hears yes.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn claim(
        &mut self,
        id: &ClaimId,
        (address, browser): (Option<IpAddr>, &str),
        key: &ApiKeyId,
    ) -> Result<bool, Fault> {
        let now = At(self.tx.now());
        let claimed = sql!(self.tx, "claiming a row of key_claims", id, |c| {
            diesel::update(
                key_claims::table
                    .find(id.as_str())
                    .filter(key_claims::claimed_at.is_null())
                    .filter(key_claims::expires_at.gt(now)),
            )
            .set((
                key_claims::claimed_at.eq(Some(now)),
                key_claims::address.eq(address.map(|a| a.to_string())),
                key_claims::browser.eq(Some(browser)),
                key_claims::key_id.eq(Some(key.as_str())),
            ))
            .execute(c)
        })?;
        Ok(claimed == 1)
    }
}
