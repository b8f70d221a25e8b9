//! Erasing a person: what is known of them is deleted, and what tells of what happened keeps that it
//! happened and loses who they were. What is left of them is their identifier, a number of ours.

use super::{
    Tx,
    audit::AuditEvents,
    column::Json,
    schema::{
        api_keys, audit_events, codes, grants, idempotency, key_claims, key_families, key_places, key_uses,
        quota_grants, users,
    },
    statement::Statement,
    tx::sql,
    users::Users,
};
use crate::{
    apikey::PolicyText,
    base::{fault::Fault, id::UserId},
};
use diesel::{prelude::*, sql_types::Text};
use serde_json::{Map, Value};

/// What stands where a word of a person's or about them stood.
pub const ERASED: &str = "(erased)";
/// The members of events that hold such words.
const WORDS: [&str; 2] = ["username", "reason"];

/// The families of a person.
macro_rules! families {
    ($id:expr) => {
        key_families::table
            .filter(key_families::owner_kind.eq("user"))
            .filter(key_families::owner_id.eq($id.as_str()))
            .select(key_families::id)
    };
}

/// Their keys.
macro_rules! keys {
    ($id:expr) => {
        api_keys::table.filter(api_keys::family_id.eq_any(families!($id))).select(api_keys::id)
    };
}

impl Users<'_, '_> {
    /// Deletes a person with their sessions, consents, codes and grants, and of their API keys, which
    /// must have ended before, every word and every place; false where nobody has this identifier.
    /// The keys, their families and what they were used for stay, for whoever counts.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn erase(&mut self, id: &UserId) -> Result<bool, Fault> {
        keys_of(self.tx, id)?;
        let whose = format!("user {id}");
        sql!(self.tx, "deleting rows of idempotency of a person", id, |c| {
            diesel::delete(idempotency::table.filter(idempotency::caller.eq(whose.as_str()))).execute(c)
        })?;
        sql!(self.tx, "deleting rows of codes of a person", id, |c| {
            diesel::delete(codes::table.filter(codes::user_id.eq(id.as_str()))).execute(c)
        })?;
        sql!(self.tx, "deleting rows of grants of a person", id, |c| {
            diesel::delete(grants::table.filter(grants::user_id.eq(id.as_str()))).execute(c)
        })?;
        // Their sessions and consents go with the row.
        let gone = sql!(self.tx, "deleting a row of users", id, |c| {
            diesel::delete(users::table.find(id.as_str())).execute(c)
        })?;
        Ok(gone == 1)
    }
}

fn keys_of(tx: &mut Tx<'_>, id: &UserId) -> Result<(), Fault> {
    let none = PolicyText::new();
    sql!(tx, "deleting rows of key_uses of a person", id, |c| {
        diesel::delete(key_uses::table.filter(key_uses::key_id.eq_any(keys!(id)))).execute(c)
    })?;
    sql!(tx, "deleting rows of key_places of a person", id, |c| {
        diesel::delete(key_places::table.filter(key_places::key_id.eq_any(keys!(id)))).execute(c)
    })?;
    sql!(tx, "deleting rows of key_claims of a person", id, |c| {
        let theirs = key_claims::owner_kind.eq("user").and(key_claims::owner_id.eq(id.as_str()));
        let made = key_claims::key_id.eq_any(keys!(id).select(api_keys::id.nullable()));
        diesel::delete(key_claims::table.filter(theirs.or(made))).execute(c)
    })?;
    sql!(tx, "erasing words in rows of quota_grants", id, |c| {
        diesel::update(quota_grants::table.filter(quota_grants::family_id.eq_any(families!(id))))
            .set(quota_grants::reason.eq(None::<&str>))
            .execute(c)
    })?;
    sql!(tx, "erasing words in rows of api_keys", id, |c| {
        diesel::update(api_keys::table.filter(api_keys::family_id.eq_any(families!(id))))
            .set((
                api_keys::policy.eq(Json(&none)),
                api_keys::meta.eq(Json(&none)),
                api_keys::state_reason.eq(None::<&str>),
            ))
            .execute(c)
    })?;
    sql!(tx, "erasing words in rows of key_families", id, |c| {
        let theirs = key_families::owner_kind.eq("user").and(key_families::owner_id.eq(id.as_str()));
        diesel::update(key_families::table.filter(theirs))
            .set((key_families::name.eq(ERASED), key_families::policy.eq(Json(&none))))
            .execute(c)
    })?;
    Ok(())
}

/// Adds which events are about a person, by them, under a grant of theirs or about a key of theirs.
fn concerning<'p, A>(statement: Statement<'p, A>, id: &'p UserId, by: &'p str) -> Statement<'p, A> {
    let id = id.as_str();
    statement
        .sql("(user_id = ")
        .text(id)
        .sql(" OR data ->> 'by' = ")
        .text(by)
        .sql(" OR grant_id IN (SELECT grant_id FROM audit_events WHERE grant_id IS NOT NULL AND user_id = ")
        .text(id)
        .sql(") OR grant_id IN (SELECT id FROM grants WHERE user_id = ")
        .text(id)
        .sql(
            ") OR api_key_id IN (SELECT api_keys.id FROM api_keys JOIN key_families \
             ON key_families.id = api_keys.family_id WHERE owner_kind = 'user' AND owner_id = ",
        )
        .text(id)
        .sql("))")
}

/// Adds attempts to sign in under one of these names, if there are any.
fn in_name<'p, A>(statement: Statement<'p, A>, names: Option<&'p [String; 2]>) -> Statement<'p, A> {
    let Some([one, other]) = names else { return statement };
    statement.sql(" OR data ->> 'username' IN (").text(one).sql(", ").text(other).sql(")")
}

impl AuditEvents<'_, '_> {
    /// Takes the addresses and the words of a person out of what was recorded: of events about them
    /// and by them, of their grants and keys, and of attempts to sign in under one of these names, where they have any.
    /// Every event stays, with its kind, its time and its identifiers. How many were changed.
    ///
    /// To be called before their grants are deleted.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn erase(&mut self, id: &UserId, names: Option<&[String; 2]>) -> Result<usize, Fault> {
        let by = format!("user:{id}");
        // First, while it can be seen which attempts were in their name.
        let placed = Statement::<'_, ()>::new("UPDATE audit_events SET address = NULL WHERE address IS NOT NULL AND (");
        let placed = in_name(concerning(placed, id, &by), names).sql(")");
        let placed = sql!(self.tx, "erasing addresses in rows of audit_events", id, |c| placed.execute(c))?;
        let worded: Statement<'_, (Text, Text)> = Statement::new(
            "SELECT id, CAST(data AS text) FROM audit_events \
             WHERE (data ->> 'username' IS NOT NULL OR data ->> 'reason' IS NOT NULL) AND (",
        );
        let worded = in_name(concerning(worded, id, &by), names).sql(")");
        let rows: Vec<(String, String)> =
            sql!(self.tx, "listing rows of audit_events of a person", id, |c| worded.load(c))?;
        for (event, data) in &rows {
            let mut data: Map<String, Value> =
                serde_json::from_str(data).map_err(|e| Fault::new("reading a row of audit_events", e))?;
            for (_, value) in data.iter_mut().filter(|(name, _)| WORDS.contains(&name.as_str())) {
                *value = Value::from(ERASED);
            }
            sql!(self.tx, "erasing words in a row of audit_events", event, |c| {
                diesel::update(audit_events::table.find(event)).set(audit_events::data.eq(Json(&data))).execute(c)
            })?;
        }
        Ok(placed.max(rows.len()))
    }
}
