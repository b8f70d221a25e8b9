//! Column types that mean the same in both databases: [`At`] for moments, [`Json`] for documents.

use crate::base::moment::Moment;
use diesel::{
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    pg::{Pg, PgValue, data_types::PgTimestamp},
    query_builder::QueryId,
    serialize::{self, IsNull, Output, ToSql},
    sql_types::{self, SqlType},
    sqlite::{Sqlite, SqliteValue},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, io::Write};

/// A point in time: `timestamptz` on Postgres, integer microseconds since the Unix epoch on SQLite.
#[derive(Debug, Clone, Copy, SqlType, QueryId)]
#[diesel(postgres_type(oid = 1184, array_oid = 1185))]
#[diesel(sqlite_type(name = "Long"))]
pub struct UtcTime;

/// A [`Moment`] in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = UtcTime)]
pub(super) struct At(pub(super) Moment);

/// Postgres counts microseconds from the year 2000: this is that moment in ours.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

impl ToSql<UtcTime, Pg> for At {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let micros = self.0.micros().checked_sub(POSTGRES_EPOCH).ok_or("a moment beyond what Postgres can hold")?;
        ToSql::<sql_types::Timestamptz, Pg>::to_sql(&PgTimestamp(micros), &mut out.reborrow())
    }
}
impl FromSql<UtcTime, Pg> for At {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let PgTimestamp(micros) = FromSql::<sql_types::Timestamptz, Pg>::from_sql(value)?;
        let micros = micros.checked_add(POSTGRES_EPOCH).ok_or("a moment at infinity")?;
        Ok(Self(Moment::from_micros(micros)))
    }
}
impl ToSql<UtcTime, Sqlite> for At {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.micros());
        Ok(IsNull::No)
    }
}
impl FromSql<UtcTime, Sqlite> for At {
    fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        <i64 as FromSql<sql_types::BigInt, Sqlite>>::from_sql(value).map(|micros| Self(Moment::from_micros(micros)))
    }
}

/// A version as a column holds it; one beyond that is no other's neighbour.
pub(super) fn to_version(version: u32) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}
/// A version as a column held it.
pub(super) fn from_version(version: i32) -> Option<u32> {
    u32::try_from(version).ok()
}
/// A count as a column holds it; the column's end stands for everything beyond.
pub(super) fn to_count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
/// A count as a column held it.
pub(super) fn from_count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// A JSON document: `jsonb` on Postgres, checked text on SQLite.
#[derive(Debug, Clone, Copy, SqlType, QueryId)]
#[diesel(postgres_type(oid = 3802, array_oid = 3807))]
#[diesel(sqlite_type(name = "Text"))]
pub struct JsonDoc;

/// Any serde type in a column. A document that does not fit the type fails the query. Its `Debug`
/// shows nothing: documents may hold what is personal.
#[derive(Clone, AsExpression, FromSqlRow)]
#[diesel(sql_type = JsonDoc)]
pub(super) struct Json<T>(pub(super) T);

impl<T> fmt::Debug for Json<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[json]")
    }
}

/// The version of the binary format of `jsonb`: the text follows.
const JSONB_VERSION: u8 = 1;

impl<T: Serialize> ToSql<JsonDoc, Pg> for Json<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(&[JSONB_VERSION])?;
        serde_json::to_writer(out, &self.0)?;
        Ok(IsNull::No)
    }
}
impl<T: DeserializeOwned> FromSql<JsonDoc, Pg> for Json<T> {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match value.as_bytes().split_first() {
            Some((&JSONB_VERSION, text)) => Ok(Self(serde_json::from_slice(text)?)),
            Some(_) | None => Err("a version of jsonb that is not 1".into()),
        }
    }
}
impl<T: Serialize> ToSql<JsonDoc, Sqlite> for Json<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(serde_json::to_string(&self.0)?);
        Ok(IsNull::No)
    }
}
impl<T: DeserializeOwned> FromSql<JsonDoc, Sqlite> for Json<T> {
    fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        let text = <String as FromSql<sql_types::Text, Sqlite>>::from_sql(value)?;
        Ok(Self(serde_json::from_str(&text)?))
    }
}
