//! What the two databases say differently: the only file that asks which one it is talking to.

use super::{
    Tx,
    api_keys::Written as NewKey,
    audit::AuditRecord,
    column::{At, JsonDoc, UtcTime},
    grants::{GrantRecord, Rotation},
    key_families::Written as NewFamily,
    schema::{api_keys, audit_events, grants, key_families, outbox, users},
    tx::Conn,
    users::{Loaded as LoadedUser, WithPassword},
};
use crate::base::{fault::Fault, id::UserId, moment::Moment};
use diesel::{
    connection::SimpleConnection,
    dsl::{AsSelect, SqlTypeOf, case_when, exists},
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Binary, Integer, Nullable, Text},
};

/// Text and values by turns, in one list that reads like the statement.
macro_rules! statement {
    ($out:ident: $($sql:literal $(, $value:expr => $ty:ty)?;)*) => {
        $($out.push_sql($sql); $($out.push_bind_param::<$ty, _>($value)?;)?)*
    };
}
mod codes;

pub(super) use codes::{issue, redeem};

/// The number under which Postgres keeps a lock of ours: the first eight bytes of the hash of its name.
fn lock_number(name: &str) -> i64 {
    let hash = crate::base::digest::sha256(format!("keywright {name}").as_bytes());
    hash.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes))
}

/// The cheapest question there is.
pub(super) fn ping(tx: &mut Tx<'_>) -> Result<(), Fault> {
    super::tx::sql!(tx, "asking whether the database is there", "none", |c| diesel::select(
        diesel::dsl::sql::<Integer>("1")
    )
    .execute(c))?;
    Ok(())
}

/// Whether this database can have one node only.
pub(super) const fn has_one_node(tx: &Tx<'_>) -> bool {
    matches!(tx.conn, Conn::Sqlite(_))
}

/// Lets one transaction at a time past this point, until it ends. On SQLite a write transaction is
/// always alone.
pub(super) fn exclusive(tx: &mut Tx<'_>, name: &str) -> Result<(), Fault> {
    let Conn::Pg(c) = &mut tx.conn else { return Ok(()) };
    let asked = diesel::sql_query("SELECT pg_advisory_xact_lock($1)")
        .bind::<diesel::sql_types::BigInt, _>(lock_number(name))
        .execute(*c);
    asked.map(drop).map_err(|e| tx.fault("taking a lock", &name, e))
}

/// Runs `f` while no other node or process does, and on Postgres outside any transaction and without a time limit. Leaves
/// the connection with other settings than it had: whoever lent it sets them again.
pub(super) fn alone<T>(tx: &mut Tx<'_>, f: impl FnOnce(&mut Tx<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
    let begun = match &mut tx.conn {
        // In a statement of its own: the time limit of a statement is the one in force when it begins.
        Conn::Pg(c) => diesel::sql_query("SET statement_timeout = 0").execute(*c).and_then(|_| {
            diesel::sql_query("SELECT pg_advisory_lock($1)")
                .bind::<diesel::sql_types::BigInt, _>(lock_number("migrations"))
                .execute(*c)
                .map(drop)
        }),
        Conn::Sqlite(c) => super::sqlite::begin(c),
    };
    begun.map_err(|e| tx.fault("waiting for the lock of migrations", &"migrations", e))?;
    let done = f(tx);
    let ended = match &mut tx.conn {
        // The connection goes back to its pool and lives on, so the lock would too.
        Conn::Pg(c) => diesel::sql_query("SELECT pg_advisory_unlock_all()").execute(*c).map(drop),
        // What failed is rolled back by whoever lent the connection.
        Conn::Sqlite(c) if done.is_ok() => super::sqlite::end(c),
        Conn::Sqlite(_) => Ok(()),
    };
    ended.map_err(|e| tx.fault("giving back the lock of migrations", &"migrations", e))?;
    done
}

/// Listens to what the trigger on `change_feed` tells, and says which of it is ours: that with the
/// name of our schema.
pub(super) fn listen(c: &mut PgConnection) -> QueryResult<String> {
    c.batch_execute("LISTEN keywright_change_feed")?;
    diesel::select(diesel::dsl::sql::<Text>("current_schema()::text")).get_result(c)
}

/// A person with their password, held until the transaction ends: whoever changes them waits for it. On SQLite
/// everybody does, for there is one writer at a time.
pub(super) fn held_person(tx: &mut Tx<'_>, id: &UserId) -> Result<Option<WithPassword>, Fault> {
    macro_rules! one {
        () => {
            users::table.find(id.as_str()).select((
                LoadedUser::as_select(),
                users::password_hash,
                users::password_changed_at,
            ))
        };
    }
    let found = match &mut tx.conn {
        Conn::Pg(c) => one!().for_no_key_update().get_result(*c).optional(),
        Conn::Sqlite(c) => one!().get_result(*c).optional(),
    };
    found.map_err(|e| tx.fault("holding a row of users", id, e))
}

/// To whom a message is, as both say it: [`super::outbox::Message::to`].
pub(super) const MESSAGE_TO: &str = "COALESCE(payload ->> 'client', '')";

/// The messages that are due, to others than these clients, locked against other nodes until the transaction ends.
pub(super) fn due_messages(tx: &mut Tx<'_>, n: i64, but: &[String]) -> Result<Vec<String>, Fault> {
    let now = At(tx.now());
    let due = outbox::table
        .select(outbox::id)
        .filter(outbox::done_at.is_null())
        .filter(outbox::dead_at.is_null())
        .filter(outbox::due_at.le(now))
        .filter(outbox::locked_until.is_null().or(outbox::locked_until.le(now)))
        .filter(diesel::dsl::sql::<Text>(MESSAGE_TO).ne_all(but))
        .order((outbox::due_at, outbox::id))
        .limit(n);
    let found = match &mut tx.conn {
        Conn::Pg(c) => due.for_update().skip_locked().load(*c),
        Conn::Sqlite(c) => due.load(*c),
    };
    found.map_err(|e| tx.fault("looking for messages of outbox that are due", &"none", e))
}

/// Adds events that are not there yet. SQLite gains nothing from one statement for many rows, and
/// diesel has none for it with `ON CONFLICT`.
pub(super) fn add_events(tx: &mut Tx<'_>, rows: &[AuditRecord<'_>]) -> Result<(), Fault> {
    let added = match &mut tx.conn {
        Conn::Pg(c) => {
            diesel::insert_into(audit_events::table).values(rows).on_conflict_do_nothing().execute(*c).map(drop)
        }
        Conn::Sqlite(c) => rows.iter().try_for_each(|row| {
            diesel::insert_into(audit_events::table).values(row).on_conflict_do_nothing().execute(*c).map(drop)
        }),
    };
    added.map_err(|e| tx.fault("adding rows of audit_events", &"several", e))
}

/// Adds many rows, but not those that are there already: one statement on Postgres, and on SQLite
/// one for each row.
macro_rules! add_many {
    ($tx:ident, $table:ident, $rows:ident) => {
        match &mut $tx.conn {
            Conn::Pg(c) => diesel::insert_into($table::table)
                .values($rows)
                .on_conflict_do_nothing()
                .returning($table::id)
                .get_results(*c),
            Conn::Sqlite(c) => $rows
                .iter()
                .filter_map(|row| {
                    let added = diesel::insert_into($table::table).values(row).on_conflict_do_nothing();
                    added.returning($table::id).get_result(*c).optional().transpose()
                })
                .collect(),
        }
    };
}

/// Adds families that are not there yet; says which.
pub(super) fn add_families(tx: &mut Tx<'_>, rows: &[NewFamily<'_>]) -> Result<Vec<String>, Fault> {
    let added: QueryResult<Vec<String>> = add_many!(tx, key_families, rows);
    added.map_err(|e| tx.fault("adding rows of key_families", &"several", e))
}

/// Adds keys that are not there yet; says which.
pub(super) fn add_keys(tx: &mut Tx<'_>, rows: &[NewKey<'_>]) -> Result<Vec<String>, Fault> {
    let added: QueryResult<Vec<String>> = add_many!(tx, api_keys, rows);
    added.map_err(|e| tx.fault("adding rows of api_keys", &"several", e))
}

/// Rotates a refresh token and records it: one statement on Postgres, two on SQLite, where the
/// writer's transaction is around them.
pub(super) fn rotate(tx: &mut Tx<'_>, rotation: &Rotation<'_>) -> Result<Option<GrantRecord>, Fault> {
    let now = tx.now();
    let rotated = match &mut tx.conn {
        Conn::Pg(c) => RotateAndRecord::new(rotation, now).get_result(*c).optional(),
        Conn::Sqlite(c) => rotate_on_sqlite(c, rotation, now),
    };
    rotated.map_err(|e| tx.fault("rotating the refresh token of a row of grants", rotation.grant, e))
}

fn rotate_on_sqlite(
    c: &mut SqliteConnection,
    rotation: &Rotation<'_>,
    now: Moment,
) -> QueryResult<Option<GrantRecord>> {
    let tokens = rotation.tokens_until;
    let owner = users::table.filter(users::id.eq(grants::user_id)).filter(users::disabled_at.is_null());
    let row = diesel::update(
        grants::table
            .find(rotation.grant.as_str())
            .filter(grants::client_id.eq(rotation.client.as_str()))
            .filter(grants::generation.eq(rotation.generation()))
            .filter(grants::current_hash.eq(rotation.presented.as_bytes().as_slice()))
            .filter(grants::revoked_at.is_null())
            .filter(grants::expires_at.gt(At(now)))
            .filter(grants::idle_expires_at.gt(At(now)))
            .filter(exists(owner)),
    )
    .set((
        grants::generation.eq(grants::generation + 1),
        grants::previous_hash.eq(grants::current_hash),
        grants::current_hash.eq(Some(rotation.next.as_bytes().as_slice())),
        grants::salt.eq(Some(rotation.salt)),
        grants::rotated_at.eq(Some(At(now))),
        grants::idle_expires_at.eq(At(rotation.idle_expires_at)),
        // As the row was: what earlier tokens have left counts too, and where that was not said it is the most.
        grants::tokens_until.eq(case_when(
            grants::tokens_generation.eq(grants::generation.nullable()).and(grants::tokens_until.gt(At(tokens.these))),
            grants::tokens_until,
        )
        .when(
            grants::tokens_generation.eq(grants::generation.nullable()),
            Some(At(tokens.these)).into_sql::<Nullable<UtcTime>>(),
        )
        .otherwise(Some(At(tokens.any)).into_sql::<Nullable<UtcTime>>())),
        grants::tokens_generation.eq((grants::generation + 1).nullable()),
    ))
    .returning(GrantRecord::as_returning())
    .get_result(c)
    .optional()?;
    if row.is_some() {
        diesel::insert_into(audit_events::table).values(AuditRecord::of(rotation.audit)).execute(c)?;
    }
    Ok(row)
}

/// The rotation as Postgres is told it, written by hand because diesel has no `WITH`. Its text is
/// always the same, so it is prepared once per connection.
struct RotateAndRecord<'r> {
    rotation: &'r Rotation<'r>,
    generation: i32,
    idle_expires_at: At,
    these_until: At,
    any_until: At,
    now: At,
    audit: AuditRecord<'r>,
}

impl<'r> RotateAndRecord<'r> {
    fn new(rotation: &'r Rotation<'r>, now: Moment) -> Self {
        Self {
            rotation,
            generation: rotation.generation(),
            idle_expires_at: At(rotation.idle_expires_at),
            these_until: At(rotation.tokens_until.these),
            any_until: At(rotation.tokens_until.any),
            now: At(now),
            audit: AuditRecord::of(rotation.audit),
        }
    }
}

impl QueryId for RotateAndRecord<'_> {
    type QueryId = RotateAndRecord<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}
impl Query for RotateAndRecord<'_> {
    type SqlType = SqlTypeOf<AsSelect<GrantRecord, Pg>>;
}
impl<C> RunQueryDsl<C> for RotateAndRecord<'_> {}

impl QueryFragment<Pg> for RotateAndRecord<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let r = self.rotation;
        statement! { out:
            "WITH rotated AS (UPDATE grants SET generation = generation + 1, previous_hash = current_hash, \
             current_hash = ", r.next.as_bytes().as_slice() => Binary;
            ", salt = ", r.salt => Binary;
            ", rotated_at = ", &self.now => UtcTime;
            ", idle_expires_at = ", &self.idle_expires_at => UtcTime;
            ", tokens_generation = generation + 1, tokens_until = CASE WHEN tokens_generation = generation THEN \
             GREATEST(tokens_until, ", &self.these_until => UtcTime;
            ") ELSE ", &self.any_until => UtcTime;
            " END WHERE id = ", r.grant.as_str() => Text;
            " AND client_id = ", r.client.as_str() => Text;
            " AND generation = ", &self.generation => Integer;
            " AND current_hash = ", r.presented.as_bytes().as_slice() => Binary;
            " AND revoked_at IS NULL AND expires_at > ", &self.now => UtcTime;
            " AND idle_expires_at > ", &self.now => UtcTime;
            " AND EXISTS (SELECT 1 FROM users WHERE users.id = grants.user_id AND users.disabled_at IS NULL) \
             RETURNING grants.*), ";
        }
        recorded(&mut out, &self.audit)?;
        statement! { out:
            " FROM rotated) SELECT id, client_id, user_id, session_id, offline, payload, created_at, expires_at, \
             idle_expires_at, generation, current_hash, previous_hash, salt, rotated_at, revoked_at, revoked_why \
             FROM rotated";
        }
        Ok(())
    }
}

/// The part of a statement that records an event, up to what it hangs from.
fn recorded<'b>(out: &mut AstPass<'_, 'b, Pg>, a: &'b AuditRecord<'_>) -> QueryResult<()> {
    statement! { out:
        "recorded AS (INSERT INTO audit_events \
         (id, at, node, kind, client_id, user_id, grant_id, api_key_id, address, request_id, data) SELECT ", a.id => Text;
        ", ", &a.at => UtcTime;
        ", ", a.node => Text;
        ", ", a.kind => Text;
        ", ", &a.client_id => Nullable<Text>;
        ", ", &a.user_id => Nullable<Text>;
        ", ", &a.grant_id => Nullable<Text>;
        ", ", &a.api_key_id => Nullable<Text>;
        ", ", &a.address => Nullable<Text>;
        ", ", &a.request_id => Nullable<Text>;
        ", ", &a.data => JsonDoc;
    }
    Ok(())
}
