//! Grants end: their refresh tokens at once, and their access tokens as soon as every node has heard.
//! The word that they are revoked is kept until the last of them has expired by itself.

use super::Grants;
use crate::{
    audit::GrantEnd,
    base::{
        fault::Fault,
        id::{ClientId, GrantId, SessionId, UserId},
        moment::Moment,
    },
    store::{
        column::At,
        failure::illegal,
        feed::{Change, Subject},
        schema::grants,
        tx::sql,
    },
};
use diesel::prelude::*;

/// Which grants.
#[derive(Clone, Copy, Debug)]
pub enum By<'b> {
    /// All of a person.
    User(&'b UserId),
    /// All of a person to a client.
    UserClient(&'b UserId, &'b ClientId),
    /// All to a client.
    Client(&'b ClientId),
    /// Those of a session that end with it: all without `offline_access`.
    Session(&'b SessionId),
}

/// Whether there may be more of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// There may be.
    Yes,
    /// These were all.
    No,
}

/// What is known of a grant that has just ended.
#[derive(Queryable)]
struct Ended {
    id: String,
    generation: i32,
    tokens_until: Option<At>,
    tokens_generation: Option<i32>,
}

const ENDED: (grants::id, grants::generation, grants::tokens_until, grants::tokens_generation) =
    (grants::id, grants::generation, grants::tokens_until, grants::tokens_generation);

impl Ended {
    /// What every node is told. Where a program rotated that does not say until when tokens are good,
    /// it matters for as long as any.
    fn told(&self) -> Change {
        match self.tokens_until {
            Some(At(until)) if self.tokens_generation == Some(self.generation) => {
                Change::until(Subject::Grant, &self.id, until)
            }
            Some(_) | None => Change::about(Subject::Grant, &self.id),
        }
    }
}

impl Grants<'_, '_> {
    /// Revokes a grant, and tells every node, so that its access tokens die too; false where it is
    /// unknown, or was revoked before.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn revoke(&mut self, id: &GrantId, why: GrantEnd) -> Result<bool, Fault> {
        let now = At(self.tx.now());
        let revoked = sql!(self.tx, "revoking a row of grants", id, |c| {
            diesel::update(grants::table.find(id.as_str()).filter(grants::revoked_at.is_null()))
                .set((grants::revoked_at.eq(Some(now)), grants::revoked_why.eq(Some(why.as_str()))))
                .returning(ENDED)
                .get_result::<Ended>(c)
                .optional()
        })?;
        if let Some(ended) = &revoked {
            self.tx.feed().add(&ended.told())?;
        }
        Ok(revoked.is_some())
    }

    /// Revokes at most so many grants and tells every node; says which, and whether there are more.
    /// Of those made until then only, where it is said.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn revoke_some(
        &mut self,
        by: By<'_>,
        made_until: Option<Moment>,
        why: GrantEnd,
        most: u16,
    ) -> Result<(Vec<GrantId>, More), Fault> {
        let now = At(self.tx.now());
        let found: Vec<String> = sql!(self.tx, "finding rows of grants to revoke", "several", |c| {
            let live = grants::table.filter(grants::revoked_at.is_null()).select(grants::id).into_boxed();
            let live = match by {
                By::User(user) => live.filter(grants::user_id.eq(user.as_str())),
                By::UserClient(user, client) => {
                    live.filter(grants::user_id.eq(user.as_str())).filter(grants::client_id.eq(client.as_str()))
                }
                By::Client(client) => live.filter(grants::client_id.eq(client.as_str())),
                By::Session(session) => {
                    live.filter(grants::session_id.eq(session.as_str())).filter(grants::offline.eq(false))
                }
            };
            let live = match made_until {
                Some(until) => live.filter(grants::created_at.le(At(until))),
                None => live,
            };
            live.limit(i64::from(most)).load(c)
        })?;
        if found.is_empty() {
            return Ok((Vec::new(), More::No));
        }
        let ended: Vec<Ended> = sql!(self.tx, "revoking rows of grants", "several", |c| {
            diesel::update(grants::table.filter(grants::id.eq_any(&found)).filter(grants::revoked_at.is_null()))
                .set((grants::revoked_at.eq(Some(now)), grants::revoked_why.eq(Some(why.as_str()))))
                .returning(ENDED)
                .get_results(c)
        })?;
        let changes: Vec<_> = ended.iter().map(Ended::told).collect();
        self.tx.feed().add_many(&changes)?;
        let ids: Result<Vec<_>, _> =
            ended.iter().map(|one| GrantId::parse(&one.id).ok_or_else(|| illegal("grants", &one.id, "id"))).collect();
        // By what was found, and not by what was changed: another may have changed some of it meanwhile.
        Ok((ids?, if found.len() < usize::from(most) { More::No } else { More::Yes }))
    }

    /// Says that an access token was issued once more at the same place of the line, good until then.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn issued_again(&mut self, id: &GrantId, until: Moment) -> Result<(), Fault> {
        sql!(self.tx, "changing a row of grants", id, |c| {
            diesel::update(grants::table.find(id.as_str()).filter(grants::tokens_until.lt(At(until))))
                .set(grants::tokens_until.eq(Some(At(until))))
                .execute(c)
        })?;
        Ok(())
    }
}
