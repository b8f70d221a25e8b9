//! Table `outbox`: messages to the outside, stored with what caused them and delivered after.

use super::{
    Tx,
    column::{At, Json},
    dialect,
    failure::illegal,
    schema::outbox,
    tx::sql,
};
use crate::base::{
    fault::Fault,
    id::OutboxId,
    moment::{Moment, Span},
};
use diesel::{dsl::sql, prelude::*, sql_types::Text};
use serde_json::Value;

/// Longest text of an error that is kept, in characters.
const MAX_ERROR: usize = 500;

/// A message that was claimed.
#[derive(Clone, PartialEq)]
pub struct Message {
    /// Its identifier: the same at every attempt.
    pub id: OutboxId,
    /// What kind of message, such as `backchannel_logout`.
    pub kind: String,
    /// What it says, in the words of its kind.
    pub payload: Value,
    /// When it was written.
    pub created_at: Moment,
    /// Which attempt this is, from 1.
    pub attempts: i32,
}

impl Message {
    /// The client that it is for; empty where it names none.
    #[must_use]
    pub fn to(&self) -> &str {
        self.payload.get("client").and_then(Value::as_str).unwrap_or_default()
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message {} of kind {}, attempt {}", self.id, self.kind, self.attempts)
    }
}

type Loaded = (String, String, Json<Value>, At, i32);

/// Queries on this table.
#[derive(Debug)]
pub struct Outbox<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl Outbox<'_, '_> {
    /// Adds a message, due at once; it is sent after this transaction has committed.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn add(&mut self, kind: &str, payload: &Value) -> Result<OutboxId, Fault> {
        let now = self.tx.now();
        let id = OutboxId::mint(now, self.tx.dice())?;
        sql!(self.tx, "adding a row of outbox", id, |c| {
            diesel::insert_into(outbox::table)
                .values((
                    outbox::id.eq(id.as_str()),
                    outbox::kind.eq(kind),
                    outbox::payload.eq(Json(payload)),
                    outbox::created_at.eq(At(now)),
                    outbox::due_at.eq(At(now)),
                    outbox::attempts.eq(0),
                ))
                .execute(c)
        })?;
        Ok(id)
    }

    /// Whether any message is due, to others than these clients: cheaper than to claim none.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn any_due(&mut self, but: &[String]) -> Result<bool, Fault> {
        let now = At(self.tx.now());
        sql!(self.tx, "looking into outbox", "due", |c| {
            let due = outbox::table
                .filter(outbox::done_at.is_null())
                .filter(outbox::dead_at.is_null())
                .filter(outbox::due_at.le(now))
                .filter(outbox::locked_until.is_null().or(outbox::locked_until.le(now)))
                .filter(sql::<Text>(dialect::MESSAGE_TO).ne_all(but));
            diesel::select(diesel::dsl::exists(due)).get_result(c)
        })
    }

    /// Takes at most `n` messages that are due, to others than these clients ([`Message::to`]). They are not given to anybody else for the length
    /// of the lease; one that is neither done nor put off by then is due again.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn claim_due(&mut self, n: i64, but: &[String], lease: Span) -> Result<Vec<Message>, Fault> {
        let ids = dialect::due_messages(self.tx, n, but)?;
        let until = At(self.tx.now() + lease);
        let mut rows: Vec<Loaded> = sql!(self.tx, "claiming rows of outbox", "several", |c| {
            diesel::update(outbox::table.filter(outbox::id.eq_any(&ids)))
                .set((outbox::locked_until.eq(Some(until)), outbox::attempts.eq(outbox::attempts + 1)))
                .returning((outbox::id, outbox::kind, outbox::payload, outbox::created_at, outbox::attempts))
                .get_results(c)
        })?;
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        let read = |(id, kind, payload, created_at, attempts): Loaded| {
            let id = OutboxId::parse(&id).ok_or_else(|| illegal("outbox", &id, "id"))?;
            Ok(Message { id, kind, payload: payload.0, created_at: created_at.0, attempts })
        };
        rows.into_iter().map(read).collect()
    }

    /// The message was delivered.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn done(&mut self, id: &OutboxId) -> Result<(), Fault> {
        let now = At(self.tx.now());
        sql!(self.tx, "finishing a row of outbox", id, |c| {
            diesel::update(outbox::table.find(id.as_str())).set(outbox::done_at.eq(Some(now))).execute(c)
        })?;
        Ok(())
    }

    /// The message could not be delivered, and is due again at `at`.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn retry(&mut self, id: &OutboxId, at: Moment, error: &str) -> Result<(), Fault> {
        let error: String = error.chars().filter(|c| *c != '\0').take(MAX_ERROR).collect();
        sql!(self.tx, "putting off a row of outbox", id, |c| {
            diesel::update(outbox::table.find(id.as_str()))
                .set((
                    outbox::due_at.eq(At(at)),
                    outbox::locked_until.eq(None::<At>),
                    outbox::last_error.eq(Some(&error)),
                ))
                .execute(c)
        })?;
        Ok(())
    }

    /// The message could not be delivered and will not be tried again.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn dead(&mut self, id: &OutboxId, error: &str) -> Result<(), Fault> {
        let now = At(self.tx.now());
        let error: String = error.chars().filter(|c| *c != '\0').take(MAX_ERROR).collect();
        sql!(self.tx, "giving up a row of outbox", id, |c| {
            diesel::update(outbox::table.find(id.as_str()))
                .set((outbox::dead_at.eq(Some(now)), outbox::last_error.eq(Some(&error))))
                .execute(c)
        })?;
        Ok(())
    }
}
