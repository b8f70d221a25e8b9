//! A code is issued, and later redeemed, each in one statement on Postgres: what must hold is its
//! condition, and what follows from it hangs from it. On SQLite the writer's transaction is around
//! several.

use super::recorded;
use crate::{
    base::{fault::Fault, moment::Moment},
    store::{
        Tx,
        audit::AuditRecord,
        codes::{Issuing, Redemption},
        column::{At, Json, JsonDoc, UtcTime},
        grants::GrantFacts,
        payload::CodeDoc,
        schema::{audit_events, codes, consents, grants, sessions, users},
        tx::Conn,
    },
};
use diesel::{
    dsl::exists,
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text},
};

/// Adds a code, unless its session has ended or is not as it was, or the consent that it stands on is
/// not; false then. Whoever ends the session or takes the consent back at this moment comes before,
/// and this sees it, or after, and finds the code.
pub(in crate::store) fn issue(tx: &mut Tx<'_>, issuing: &Issuing<'_>) -> Result<bool, Fault> {
    let granted = &issuing.code.granted;
    let row = AddCode {
        issuing,
        document: Json(CodeDoc::of(issuing.code)),
        expires_at: At(issuing.code.expires_at),
        auth_time: At(granted.authentication.at),
        agreed_at: issuing.agreed_at.map(At),
        audit: AuditRecord::of(issuing.audit),
    };
    let issued = match &mut tx.conn {
        Conn::Pg(c) => row.get_result::<i64>(*c).map(|n| n == 1),
        Conn::Sqlite(c) => row.on_sqlite(c),
    };
    issued.map_err(|e| tx.fault("adding a row of codes of a client", &granted.client, e))
}

struct AddCode<'r> {
    issuing: &'r Issuing<'r>,
    document: Json<CodeDoc>,
    expires_at: At,
    auth_time: At,
    agreed_at: Option<At>,
    audit: AuditRecord<'r>,
}

impl AddCode<'_> {
    fn on_sqlite(&self, c: &mut SqliteConnection) -> QueryResult<bool> {
        let granted = &self.issuing.code.granted;
        let session = sessions::table
            .find(granted.session.as_str())
            .filter(sessions::ended_at.is_null())
            .filter(sessions::auth_time.eq(self.auth_time));
        if !diesel::select(exists(session)).get_result::<bool>(c)? {
            return Ok(false);
        }
        if let Some(agreed_at) = self.agreed_at {
            let consent = consents::table
                .filter(consents::user_id.eq(granted.user.as_str()))
                .filter(consents::client_id.eq(granted.client.as_str()))
                .filter(consents::withdrawn_at.is_null())
                .filter(consents::given_at.eq(agreed_at));
            if !diesel::select(exists(consent)).get_result::<bool>(c)? {
                return Ok(false);
            }
        }
        diesel::insert_into(codes::table)
            .values((
                codes::hash.eq(self.issuing.hash.as_bytes().as_slice()),
                codes::client_id.eq(granted.client.as_str()),
                codes::user_id.eq(granted.user.as_str()),
                codes::session_id.eq(granted.session.as_str()),
                codes::payload.eq(&self.document),
                codes::expires_at.eq(self.expires_at),
            ))
            .execute(c)?;
        diesel::insert_into(audit_events::table).values(&self.audit).execute(c)?;
        Ok(true)
    }
}

impl QueryId for AddCode<'_> {
    type QueryId = AddCode<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}
impl Query for AddCode<'_> {
    type SqlType = BigInt;
}
impl<C> RunQueryDsl<C> for AddCode<'_> {}

impl QueryFragment<Pg> for AddCode<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let granted = &self.issuing.code.granted;
        // Sent again after a broken connection it finds its own rows, and that is as good. Its text is always
        // the same, whether a consent matters or not: where none does, that part is not carried out.
        statement! { out:
            "WITH signed_in AS (SELECT id FROM sessions WHERE id = ", granted.session.as_str() => Text;
            " AND ended_at IS NULL AND auth_time = ", &self.auth_time => UtcTime;
            " FOR SHARE), agreed AS (SELECT id FROM consents \
             WHERE EXISTS (SELECT 1 FROM signed_in) AND user_id = ", granted.user.as_str() => Text;
            " AND client_id = ", granted.client.as_str() => Text;
            " AND withdrawn_at IS NULL AND given_at = ", &self.agreed_at => Nullable<UtcTime>;
            " FOR SHARE), live AS (SELECT id FROM signed_in WHERE ", &self.agreed_at => Nullable<UtcTime>;
            " IS NULL OR EXISTS (SELECT 1 FROM agreed)), coded AS (INSERT INTO codes \
             (hash, client_id, user_id, session_id, payload, expires_at) SELECT ",
                self.issuing.hash.as_bytes().as_slice() => Binary;
            ", ", granted.client.as_str() => Text;
            ", ", granted.user.as_str() => Text;
            ", ", granted.session.as_str() => Text;
            ", ", &self.document => JsonDoc;
            ", ", &self.expires_at => UtcTime;
            " FROM live ON CONFLICT DO NOTHING), ";
        }
        recorded(&mut out, &self.audit)?;
        statement! { out: " FROM live ON CONFLICT DO NOTHING) SELECT count(*) FROM live"; }
        Ok(())
    }
}

/// Uses a code up for a grant, adds the grant and records it; false, and nothing changed, where
/// the code was used or taken away, its session has ended or its person is disabled.
pub(in crate::store) fn redeem(tx: &mut Tx<'_>, redemption: &Redemption<'_>) -> Result<bool, Fault> {
    let now = tx.now();
    let row = Redeem {
        redemption,
        now: At(now),
        facts: GrantFacts::of(redemption.grant, redemption.refresh).with_tokens(redemption.tokens_until),
        audit: AuditRecord::of(redemption.audit),
    };
    let redeemed = match &mut tx.conn {
        Conn::Pg(c) => row.get_result::<i64>(*c).map(|n| n == 1),
        Conn::Sqlite(c) => row.on_sqlite(c, now),
    };
    redeemed.map_err(|e| tx.fault("using a row of codes for a grant", &redemption.grant.id, e))
}

struct Redeem<'r> {
    redemption: &'r Redemption<'r>,
    now: At,
    facts: GrantFacts<'r>,
    audit: AuditRecord<'r>,
}

impl Redeem<'_> {
    fn on_sqlite(&self, c: &mut SqliteConnection, now: Moment) -> QueryResult<bool> {
        let person = users::table.filter(users::id.eq(codes::user_id)).filter(users::disabled_at.is_null());
        let session = sessions::table.filter(sessions::id.eq(codes::session_id)).filter(sessions::ended_at.is_null());
        let used = diesel::update(
            codes::table
                .find(self.redemption.hash.as_bytes().as_slice())
                .filter(codes::used_at.is_null())
                .filter(exists(person))
                .filter(exists(session)),
        )
        .set((codes::used_at.eq(Some(At(now))), codes::grant_id.eq(Some(self.redemption.grant.id.as_str()))))
        .execute(c)?;
        if used == 1 {
            diesel::insert_into(grants::table).values(&self.facts).execute(c)?;
            diesel::insert_into(audit_events::table).values(&self.audit).execute(c)?;
        }
        Ok(used == 1)
    }
}

impl QueryId for Redeem<'_> {
    type QueryId = Redeem<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}
impl Query for Redeem<'_> {
    type SqlType = BigInt;
}
impl<C> RunQueryDsl<C> for Redeem<'_> {}

impl QueryFragment<Pg> for Redeem<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let g = &self.facts;
        statement! { out:
            "WITH used AS (UPDATE codes SET used_at = ", &self.now => UtcTime;
            ", grant_id = ", g.id => Text;
            " WHERE hash = ", self.redemption.hash.as_bytes().as_slice() => Binary;
            " AND used_at IS NULL \
             AND EXISTS (SELECT 1 FROM users WHERE users.id = codes.user_id AND users.disabled_at IS NULL) \
             AND EXISTS (SELECT 1 FROM sessions WHERE sessions.id = codes.session_id AND sessions.ended_at IS NULL) \
             RETURNING hash), granted AS (INSERT INTO grants (id, client_id, user_id, session_id, offline, payload, \
             created_at, expires_at, idle_expires_at, generation, current_hash, tokens_until, tokens_generation) SELECT ", g.id => Text;
            ", ", g.client_id => Text;
            ", ", g.user_id => Text;
            ", ", g.session_id => Text;
            ", ", &g.offline => Bool;
            ", ", &g.payload => JsonDoc;
            ", ", &g.created_at => UtcTime;
            ", ", &g.expires_at => UtcTime;
            ", ", &g.idle_expires_at => UtcTime;
            ", ", &g.generation => Integer;
            ", ", &g.current_hash => Nullable<Binary>;
            ", ", &g.tokens_until => Nullable<UtcTime>;
            ", ", &g.tokens_generation => Nullable<Integer>;
            " FROM used), ";
        }
        recorded(&mut out, &self.audit)?;
        statement! { out: " FROM used) SELECT count(*) FROM used"; }
        Ok(())
    }
}
