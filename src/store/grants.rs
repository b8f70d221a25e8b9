//! Table `grants`: one row for each grant, with the state of its line of refresh tokens.
//!
//! A rotation changes this row in place, under comparison of generation and hash: of all who
//! present the same token, one changes it. The row holds hashes and a salt, never a token.

mod revoke;

pub use revoke::{By, More};

use super::{
    Tx,
    column::{At, Json},
    dialect,
    failure::illegal,
    payload::{GrantedDoc, Parties},
    schema::grants,
    tx::sql,
};
use crate::{
    audit::{GrantEnd, Record},
    base::{
        digest::TokenHash,
        fault::Fault,
        id::{ClientId, GrantId, SessionId, UserId},
        moment::Moment,
    },
    oauth::grant::Grant,
};
use diesel::prelude::*;
use std::collections::BTreeSet;

/// The scope that lets a grant outlive its session (OpenID Connect Core §11).
const OFFLINE: &str = "offline_access";

/// The first refresh token of a grant, as stored.
#[derive(Clone, Debug)]
pub struct NewRefresh {
    /// Its keyed hash.
    pub hash: TokenHash,
    /// When it ends unless it is used.
    pub idle_expires_at: Moment,
}

/// The state of a line of refresh tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshState {
    /// The place of the current token in the line, from 1.
    pub generation: u32,
    /// The hash of the current token.
    pub current: TokenHash,
    /// The hash of the token before it.
    pub previous: Option<TokenHash>,
    /// What the current token was derived with from the one before.
    pub salt: Option<Vec<u8>>,
    /// When it took the place of the one before.
    pub rotated_at: Option<Moment>,
    /// When it ends unless it is used.
    pub idle_expires_at: Moment,
}

/// That a grant was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// When.
    pub at: Moment,
    /// Why.
    pub why: GrantEnd,
}

/// A grant as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRow {
    /// What was granted.
    pub grant: Grant,
    /// Its refresh tokens, where it has any.
    pub refresh: Option<RefreshState>,
    /// Whether it was revoked.
    pub revoked: Option<Revoked>,
}

/// Until when access tokens of a grant may be good anywhere, those that a rotation leads to and those before.
#[derive(Clone, Copy, Debug)]
pub struct TokensUntil {
    /// Those of this rotation.
    pub these: Moment,
    /// All that may have been issued before, where nothing was said of them.
    pub any: Moment,
}

/// A rotation: what must hold of the row, and what it becomes.
#[derive(Clone, Copy, Debug)]
pub struct Rotation<'r> {
    /// The grant that the presented token names.
    pub grant: &'r GrantId,
    /// The client that presents it, proven.
    pub client: &'r ClientId,
    /// The generation that the presented token names.
    pub generation: u32,
    /// The hash of the presented token.
    pub presented: &'r TokenHash,
    /// The hash of its successor.
    pub next: &'r TokenHash,
    /// What the successor was derived with.
    pub salt: &'r [u8],
    /// When the successor ends unless it is used.
    pub idle_expires_at: Moment,
    /// Until when access tokens may be good anywhere.
    pub tokens_until: TokensUntil,
    /// What is recorded where the rotation happens.
    pub audit: &'r Record,
}

impl Rotation<'_> {
    /// As stored; a generation beyond what the column holds matches no row.
    pub(super) fn generation(&self) -> i32 {
        i32::try_from(self.generation).unwrap_or(-1)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = grants)]
pub(super) struct GrantRecord {
    id: String,
    client_id: String,
    user_id: String,
    session_id: String,
    #[expect(dead_code, reason = "asked for by queries; the scope says the same")]
    offline: bool,
    payload: Json<GrantedDoc>,
    created_at: At,
    expires_at: At,
    idle_expires_at: At,
    generation: i32,
    current_hash: Option<Vec<u8>>,
    previous_hash: Option<Vec<u8>>,
    salt: Option<Vec<u8>>,
    rotated_at: Option<At>,
    revoked_at: Option<At>,
    revoked_why: Option<String>,
}

impl GrantRecord {
    fn into_row(self) -> Result<GrantRow, Fault> {
        let (refresh, revoked) = (self.refresh()?, self.revoked()?);
        let parties = Parties {
            table: "grants",
            key: &self.id,
            client: &self.client_id,
            user: &self.user_id,
            session: &self.session_id,
        };
        let grant = Grant {
            id: GrantId::parse(&self.id).ok_or_else(|| illegal("grants", &self.id, "id"))?,
            granted: self.payload.0.into_granted(&parties)?,
            created_at: self.created_at.0,
            expires_at: self.expires_at.0,
        };
        Ok(GrantRow { grant, refresh, revoked })
    }

    fn refresh(&self) -> Result<Option<RefreshState>, Fault> {
        let bad = |what| illegal("grants", &self.id, what);
        let Some(current) = &self.current_hash else { return Ok(None) };
        let previous = self.previous_hash.as_deref().map(|h| TokenHash::from_slice(h).ok_or_else(|| bad("hash")));
        Ok(Some(RefreshState {
            generation: u32::try_from(self.generation).map_err(|_| bad("generation"))?,
            current: TokenHash::from_slice(current).ok_or_else(|| bad("current_hash"))?,
            previous: previous.transpose()?,
            salt: self.salt.clone(),
            rotated_at: self.rotated_at.map(|at| at.0),
            idle_expires_at: self.idle_expires_at.0,
        }))
    }

    fn revoked(&self) -> Result<Option<Revoked>, Fault> {
        match (self.revoked_at, self.revoked_why.as_deref().map(GrantEnd::parse)) {
            (None, None) => Ok(None),
            (Some(at), Some(Some(why))) => Ok(Some(Revoked { at: at.0, why })),
            (None, Some(_)) | (Some(_), None | Some(None)) => Err(illegal("grants", &self.id, "revoked_why")),
        }
    }
}

/// A grant as its row is written.
#[derive(Insertable)]
#[diesel(table_name = grants)]
pub(super) struct GrantFacts<'g> {
    pub(super) id: &'g str,
    pub(super) client_id: &'g str,
    pub(super) user_id: &'g str,
    pub(super) session_id: &'g str,
    pub(super) offline: bool,
    pub(super) payload: Json<GrantedDoc>,
    pub(super) created_at: At,
    pub(super) expires_at: At,
    pub(super) idle_expires_at: At,
    pub(super) generation: i32,
    pub(super) current_hash: Option<&'g [u8]>,
    pub(super) tokens_until: Option<At>,
    pub(super) tokens_generation: Option<i32>,
}

impl<'g> GrantFacts<'g> {
    pub(super) fn of(grant: &'g Grant, refresh: Option<&'g NewRefresh>) -> Self {
        let granted = &grant.granted;
        Self {
            id: grant.id.as_str(),
            client_id: granted.client.as_str(),
            user_id: granted.user.as_str(),
            session_id: granted.session.as_str(),
            offline: granted.scope.has(OFFLINE),
            payload: Json(GrantedDoc::of(granted)),
            created_at: At(grant.created_at),
            expires_at: At(grant.expires_at),
            idle_expires_at: At(refresh.map_or(grant.expires_at, |r| r.idle_expires_at)),
            generation: i32::from(refresh.is_some()),
            current_hash: refresh.map(|r| r.hash.as_bytes().as_slice()),
            tokens_until: None,
            tokens_generation: None,
        }
    }
    /// With an access token that may be good until then.
    pub(super) fn with_tokens(self, until: Moment) -> Self {
        Self { tokens_until: Some(At(until)), tokens_generation: Some(self.generation), ..self }
    }
}

/// Queries on this table.
#[derive(Debug)]
pub struct Grants<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl Grants<'_, '_> {
    /// Adds a grant, with its first refresh token where it gets one.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn insert(&mut self, grant: &Grant, refresh: Option<&NewRefresh>) -> Result<(), Fault> {
        let row = GrantFacts::of(grant, refresh);
        sql!(self.tx, "adding a row of grants", grant.id, |c| {
            diesel::insert_into(grants::table).values(&row).execute(c)
        })?;
        Ok(())
    }

    /// A grant, revoked or not, expired or not, for as long as it is kept.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn find(&mut self, id: &GrantId) -> Result<Option<GrantRow>, Fault> {
        let found: Option<GrantRecord> = sql!(self.tx, "finding a row of grants", id, |c| {
            grants::table.find(id.as_str()).select(GrantRecord::as_select()).get_result(c).optional()
        })?;
        found.map(GrantRecord::into_row).transpose()
    }

    /// The clients that were granted anything in this session, whether that has ended or not.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn clients_of_session(&mut self, session: &SessionId) -> Result<Vec<ClientId>, Fault> {
        let ids: Vec<String> = sql!(self.tx, "listing rows of grants of a session", session, |c| {
            grants::table
                .filter(grants::session_id.eq(session.as_str()))
                .select(grants::client_id)
                .distinct()
                .order(grants::client_id)
                .load(c)
        })?;
        ids.iter().map(|id| ClientId::parse(id).ok_or_else(|| illegal("grants", id, "client_id"))).collect()
    }

    /// Whose these grants are, those that are still kept.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn owners(&mut self, grants: &[GrantId]) -> Result<BTreeSet<UserId>, Fault> {
        let mut owners = BTreeSet::new();
        for batch in grants.chunks(500) {
            let ids: Vec<&str> = batch.iter().map(GrantId::as_str).collect();
            let users: Vec<String> = sql!(self.tx, "listing rows of grants", "several", |c| {
                grants::table.filter(grants::id.eq_any(&ids)).select(grants::user_id).distinct().load(c)
            })?;
            for user in users {
                owners.insert(UserId::parse(&user).ok_or_else(|| illegal("grants", &user, "user_id"))?);
            }
        }
        Ok(owners)
    }

    /// Rotates a refresh token and records it, as one statement: the row as it is afterwards, or
    /// `None`, and nothing changed, unless the presented token is the current one of a live grant
    /// to this client by a person who is not disabled (RFC 6749 §6, RFC 9700 §4.14.2).
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn rotate(&mut self, rotation: &Rotation<'_>) -> Result<Option<GrantRow>, Fault> {
        dialect::rotate(self.tx, rotation)?.map(GrantRecord::into_row).transpose()
    }

    /// Lets one transaction at a time past this point, until it ends.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn one_at_a_time(&mut self) -> Result<(), Fault> {
        dialect::exclusive(self.tx, "grants")
    }
}
