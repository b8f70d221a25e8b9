//! The API keys that have ended, for whatever reason, in the order in which they did.

use super::{
    api_keys::ApiKeys,
    column::{At, UtcTime},
    failure::illegal,
    statement::Statement,
    tx::sql,
};
use crate::{
    apikey::ended::{Ended, Ending},
    base::{
        fault::Fault,
        id::{ApiId, ApiKeyId},
        moment::{Moment, Span},
    },
};
use diesel::{
    prelude::*,
    sql_types::{Nullable, Text},
};

type Row = (String, String, Option<At>);

fn ended((id, api, at): Row, why: Ending) -> Result<Option<Ended>, Fault> {
    let Some(At(at)) = at else { return Ok(None) };
    let id = ApiKeyId::parse(&id).ok_or_else(|| illegal("api_keys", &id, "id"))?;
    let api = ApiId::parse(&api).ok_or_else(|| illegal("api_keys", &id, "api_id"))?;
    Ok(Some(Ended { at, id, api, why }))
}

/// What keys hang from, and how: three pieces of a statement, with the moment between them.
struct Hanging {
    from: &'static str,
    later: &'static str,
    order: &'static str,
    why: Ending,
}

/// Live keys that hang from something that was disabled since then. SQLite keeps to the order of a `CROSS JOIN`, so it
/// begins with what was disabled, which is little, and not with all keys; to Postgres it says no more than a comma.
macro_rules! hanging_from {
    ($table:literal, $through:literal, $why:expr) => {
        Hanging {
            from: concat!(
                "SELECT api_keys.id, api_keys.api_id, ",
                $table,
                ".disabled_at FROM ",
                $table,
                $through,
                " AND api_keys.state IN ('active', 'retiring') AND ",
                $table,
                ".disabled_at >= "
            ),
            later: concat!(" AND (", $table, ".disabled_at > "),
            order: concat!(") ORDER BY ", $table, ".disabled_at, api_keys.id LIMIT "),
            why: $why,
        }
    };
}

const HANGING: [Hanging; 4] = [
    hanging_from!(
        "users",
        " CROSS JOIN key_families CROSS JOIN api_keys WHERE key_families.owner_kind = 'user' \
         AND key_families.owner_id = users.id AND api_keys.family_id = key_families.id",
        Ending::OwnerDisabled
    ),
    hanging_from!(
        "clients",
        " CROSS JOIN key_families CROSS JOIN api_keys WHERE key_families.owner_kind = 'client' \
         AND key_families.owner_id = clients.id AND api_keys.family_id = key_families.id",
        Ending::OwnerDisabled
    ),
    // The application that uses them.
    hanging_from!(
        "clients",
        " CROSS JOIN key_families CROSS JOIN api_keys WHERE key_families.client_id = clients.id \
         AND api_keys.family_id = key_families.id",
        Ending::OwnerDisabled
    ),
    hanging_from!("apis", " CROSS JOIN api_keys WHERE api_keys.api_id = apis.id", Ending::ApiDisabled),
];

impl ApiKeys<'_, '_> {
    /// At most `n` keys of these APIs that have ended since `since` and have not begun again, in the order in which
    /// they did; of those at `since` itself only those after `after`, where that is given. As of
    /// [`ApiKeys::ended_since`], a reader has to look back.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn ends_since(
        &mut self,
        of: &[ApiId],
        (since, after): (Moment, Option<&ApiKeyId>),
        n: i64,
    ) -> Result<Vec<Ended>, Fault> {
        if of.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.tx.now();
        let own = self.ended_since(of, (since, after), n)?;
        let over = self.ending(of, (since, after), now + Span::micros(1), n)?;
        let of_state = own.into_iter().map(|key| (key.state_at, key.id, key.api, Ending::State(key.state)));
        let of_time = over.into_iter().filter_map(|key| Some((key.expires_at?, key.id, key.api, Ending::Expired)));
        let mut all: Vec<Ended> =
            of_state.chain(of_time).map(|(at, id, api, why)| Ended { at, id, api, why }).collect();
        let place = (since, after.map_or("", ApiKeyId::as_str), n);
        all.extend(self.of_owners(of, place)?);
        all.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        all.truncate(usize::try_from(n).unwrap_or(usize::MAX));
        Ok(all)
    }

    fn of_owners(&mut self, of: &[ApiId], (since, after, n): (Moment, &str, i64)) -> Result<Vec<Ended>, Fault> {
        let mut all = Vec::new();
        for Hanging { from, later, order, why } in HANGING {
            let mut statement: Statement<'_, (Text, Text, Nullable<UtcTime>)> = Statement::new(from)
                .at(since)
                .sql(later)
                .at(since)
                .sql(" OR api_keys.id > ")
                .text(after)
                // By no index of it: those that hang from what was disabled are few, all of an API many.
                .sql(") AND (api_keys.api_id || '') IN (");
            for (n, api) in of.iter().enumerate() {
                statement = statement.sql(if n == 0 { "" } else { ", " }).text(api.as_str());
            }
            let statement = statement.sql(order).count(n);
            let rows: Vec<Row> =
                sql!(self.tx, "listing rows of api_keys that hang from what was disabled", after, |c| statement
                    .load(c))?;
            for row in rows {
                all.extend(ended(row, why)?);
            }
        }
        Ok(all)
    }
}
