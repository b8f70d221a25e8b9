//! What rests sealed, in whatever table: counted by the key it is under, and moved to another.

use super::{
    Tx,
    schema::{mac_keys, signing_keys},
    tx::sql,
};
use crate::{
    base::fault::Fault,
    jose::{
        Place,
        envelope::{HEAD, head, sealed_under},
    },
};
use diesel::{
    define_sql_function,
    dsl::sql as raw,
    prelude::*,
    sql_types::{BigInt, Binary},
};

define_sql_function! {
    /// A part of a binary value, counted from 1: the same word in both databases.
    fn substr(value: diesel::sql_types::Binary, from: diesel::sql_types::Integer, bytes: diesel::sql_types::Integer) -> diesel::sql_types::Binary;
}

/// [`HEAD`] as the databases count.
const HEAD_BYTES: i32 = 5;
const _: () = assert!(HEAD == 5, "both are the bytes that tell the version");

/// The columns that hold sealed values: whoever adds one adds a row here, or nobody moves its values to a new key.
macro_rules! columns {
    ($($(#[doc = $doc:literal])+ $name:ident = $table:ident ($key:ident, $sealed:ident);)+) => {
        /// A column that holds sealed values.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Column { $($(#[doc = $doc])+ $name,)+ }

        impl Column {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Where the value of this row rests.
            #[must_use]
            pub const fn place(self, row: &str) -> Place<'_> {
                match self {
                    $(Self::$name => Place { table: stringify!($table), column: stringify!($sealed), row },)+
                }
            }
        }

        impl SealedValues<'_, '_> {
            /// How many values of a column are under which data key; `None` stands for the form
            /// before there were any.
            ///
            /// # Errors
            /// A [`Fault`] where the database could not do it.
            pub fn count(&mut self, column: Column) -> Result<Vec<(Option<i32>, i64)>, Fault> {
                let heads: Vec<(Vec<u8>, i64)> = match column {
                    $(Column::$name => sql!(self.tx, "counting sealed values", column.place("").table, |c| {
                        $table::table
                            .filter($table::$sealed.ne(Vec::new()))
                            // Word for word the same, with no parameters, or Postgres takes them for two.
                            .group_by(raw::<Binary>(concat!("substr(", stringify!($sealed), ", 1, 5)")))
                            .select((
                                raw::<Binary>(concat!("substr(", stringify!($sealed), ", 1, 5)")),
                                raw::<BigInt>("count(*)"),
                            ))
                            .load(c)
                    })?,)+
                };
                let mut counted = std::collections::BTreeMap::new();
                for (head, n) in heads {
                    // The head of the form before is a mark and four bytes by chance.
                    *counted.entry(sealed_under(&head)).or_insert(0) += n;
                }
                Ok(counted.into_iter().collect())
            }

            /// At most `n` values of a column that are not under this data key, with their rows, by
            /// row, of those after `after`.
            ///
            /// # Errors
            /// A [`Fault`] where the database could not do it.
            pub fn elsewhere(
                &mut self,
                column: Column,
                version: i32,
                after: &str,
                n: i64,
            ) -> Result<Vec<(String, Vec<u8>)>, Fault> {
                match column {
                    $(Column::$name => sql!(self.tx, "listing sealed values", column.place("").table, |c| {
                        $table::table
                            .filter($table::$sealed.ne(Vec::new()))
                            .filter(substr($table::$sealed, 1, HEAD_BYTES).ne(head(version).to_vec()))
                            .filter($table::$key.gt(after))
                            .order($table::$key)
                            .select(($table::$key, $table::$sealed))
                            .limit(n)
                            .load(c)
                    }),)+
                }
            }

            /// Replaces a sealed value; false, and nothing changed, where it is no longer the one that was read.
            ///
            /// # Errors
            /// A [`Fault`] where the database could not do it.
            pub fn replace(&mut self, column: Column, row: &str, before: &[u8], after: &[u8]) -> Result<bool, Fault> {
                let changed = match column {
                    $(Column::$name => sql!(self.tx, "replacing a sealed value", row, |c| {
                        diesel::update($table::table.find(row).filter($table::$sealed.eq(before)))
                            .set($table::$sealed.eq(after))
                            .execute(c)
                    })?,)+
                };
                Ok(changed == 1)
            }
        }
    };
}

/// Queries on these columns.
#[derive(Debug)]
pub struct SealedValues<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

columns! {
    /// The private halves of signing keys.
    SigningKeys = signing_keys (kid, sealed);
    /// Keys of HMAC under which others hashed what was brought from them.
    MacKeys = mac_keys (id, sealed);
}
