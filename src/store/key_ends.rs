//! The API keys that have ended, for whatever reason, in the order in which they did.

use super::{
    api_keys::{API, ApiKeys, LIVE},
    column::At,
    failure::illegal,
    schema::{api_keys, apis, clients, key_families, users},
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
    dsl::sql as raw,
    prelude::*,
    sql_types::{Bool, Text},
};

type Row = (String, String, Option<At>);

fn ended((id, api, at): Row, why: Ending) -> Result<Option<Ended>, Fault> {
    let Some(At(at)) = at else { return Ok(None) };
    let id = ApiKeyId::parse(&id).ok_or_else(|| illegal("api_keys", &id, "id"))?;
    let api = ApiId::parse(&api).ok_or_else(|| illegal("api_keys", &id, "api_id"))?;
    Ok(Some(Ended { at, id, api, why }))
}

/// Live keys whose family hangs from something that was disabled since then.
macro_rules! hanging_from {
    ($tx:expr, $table:ident, $on:expr, $of:expr, ($since:expr, $after:expr, $n:expr), $why:expr) => {{
        let rows: Vec<Row> = sql!($tx, "listing rows of api_keys that hang from what was disabled", $after, |c| {
            api_keys::table
                .inner_join(key_families::table.on(key_families::id.eq(api_keys::family_id)))
                .inner_join($table::table.on($on))
                .filter(raw::<Bool>(LIVE))
                .filter(raw::<Text>(API).eq_any($of))
                .filter($table::disabled_at.ge(At($since)))
                .filter($table::disabled_at.gt(At($since)).or(api_keys::id.nullable().gt($after)))
                .order(($table::disabled_at, api_keys::id))
                .limit($n)
                .select((api_keys::id, api_keys::api_id, $table::disabled_at))
                .load(c)
        })?;
        rows.into_iter().filter_map(|row| ended(row, $why).transpose()).collect::<Result<Vec<_>, Fault>>()?
    }};
}

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
        let of: Vec<&str> = of.iter().map(ApiId::as_str).collect();
        let owner = Ending::OwnerDisabled;
        let person = || users::id.eq(key_families::owner_id).and(key_families::owner_kind.eq("user"));
        all.extend(hanging_from!(self.tx, users, person(), &of, (since, after, n), owner));
        let client = || clients::id.eq(key_families::owner_id).and(key_families::owner_kind.eq("client"));
        all.extend(hanging_from!(self.tx, clients, client(), &of, (since, after, n), owner));
        let application = || clients::id.nullable().eq(key_families::client_id);
        all.extend(hanging_from!(self.tx, clients, application(), &of, (since, after, n), owner));
        let api = || apis::id.eq(api_keys::api_id);
        all.extend(hanging_from!(self.tx, apis, api(), &of, (since, after, n), Ending::ApiDisabled));
        Ok(all)
    }
}
