//! Statements written by hand, in words that mean the same in both databases: upserts of many rows
//! and of conditions, for which diesel has no words that fit both.

use super::column::{At, UtcTime};
use crate::base::moment::Moment;
use diesel::{
    RunQueryDsl,
    pg::Pg,
    prelude::QueryResult,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Binary, Nullable, Text},
    sqlite::Sqlite,
};
use std::marker::PhantomData;

enum Part<'p> {
    Sql(&'static str),
    Text(&'p str),
    Bytes(&'p [u8]),
    Maybe(Option<String>),
    At(At),
    Count(i64),
}

/// Text and values by turns. `Answer` is the SQL type of its rows.
pub(super) struct Statement<'p, Answer = ()> {
    parts: Vec<Part<'p>>,
    many: bool,
    answer: PhantomData<Answer>,
}

impl<'p, Answer> Statement<'p, Answer> {
    pub(super) fn new(sql: &'static str) -> Self {
        Self { parts: vec![Part::Sql(sql)], many: false, answer: PhantomData }
    }
    pub(super) fn sql(mut self, sql: &'static str) -> Self {
        self.parts.push(Part::Sql(sql));
        self
    }
    pub(super) fn text(mut self, text: &'p str) -> Self {
        self.parts.push(Part::Text(text));
        self
    }
    pub(super) fn bytes(mut self, bytes: &'p [u8]) -> Self {
        self.parts.push(Part::Bytes(bytes));
        self
    }
    pub(super) fn maybe(mut self, text: Option<String>) -> Self {
        self.parts.push(Part::Maybe(text));
        self
    }
    pub(super) fn at(mut self, at: Moment) -> Self {
        self.parts.push(Part::At(At(at)));
        self
    }
    pub(super) fn count(mut self, n: i64) -> Self {
        self.parts.push(Part::Count(n));
        self
    }
    /// `VALUES`, and a list for each row.
    pub(super) fn rows<'r, R: 'r>(
        mut self,
        rows: impl IntoIterator<Item = &'r R>,
        row: impl Fn(Self, &'r R) -> Self,
    ) -> Self {
        self.many = true;
        for (n, one) in rows.into_iter().enumerate() {
            self = row(self.sql(if n == 0 { "VALUES (" } else { "), (" }), one);
        }
        self.sql(")")
    }
    fn walk<'b, DB: Spoken>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        if self.many {
            // As many texts as there are numbers of rows: not worth a place among prepared ones.
            out.unsafe_to_cache_prepared();
        }
        self.parts.iter().try_for_each(|part| DB::say(part, &mut out))
    }
}

impl<Answer> QueryId for Statement<'_, Answer> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
impl<Answer> Query for Statement<'_, Answer> {
    type SqlType = Answer;
}
impl<C, Answer> RunQueryDsl<C> for Statement<'_, Answer> {}

/// A database that can be told every part.
trait Spoken: diesel::backend::Backend {
    fn say<'b>(part: &'b Part<'_>, out: &mut AstPass<'_, 'b, Self>) -> QueryResult<()>;
}

macro_rules! spoken {
    ($($database:ty)*) => {$(
        impl Spoken for $database {
            fn say<'b>(part: &'b Part<'_>, out: &mut AstPass<'_, 'b, Self>) -> QueryResult<()> {
                match part {
                    Part::Sql(sql) => {
                        out.push_sql(sql);
                        Ok(())
                    }
                    Part::Text(text) => out.push_bind_param::<Text, str>(text),
                    Part::Bytes(bytes) => out.push_bind_param::<Binary, [u8]>(bytes),
                    Part::Maybe(text) => out.push_bind_param::<Nullable<Text>, _>(text),
                    Part::At(at) => out.push_bind_param::<UtcTime, _>(at),
                    Part::Count(n) => out.push_bind_param::<BigInt, _>(n),
                }
            }
        }
        impl<Answer> QueryFragment<$database> for Statement<'_, Answer> {
            fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, $database>) -> QueryResult<()> {
                self.walk(out)
            }
        }
    )*};
}
spoken! { Pg Sqlite }
