//! Table `sessions`: signed-in browsers.

use super::{
    Tx,
    column::{At, Json},
    failure::illegal,
    schema::{sessions, users},
    tx::sql,
    users::Loaded as LoadedUser,
};
use crate::{
    account::{Amr, Session, User},
    base::{
        digest::TokenHash,
        fault::Fault,
        id::{SessionId, UserId},
        moment::Moment,
    },
};
use diesel::prelude::*;

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions)]
pub(super) struct Loaded {
    id: String,
    user_id: String,
    auth_time: At,
    amr: Json<Vec<String>>,
    seen_at: At,
    ended_at: Option<At>,
    agent: Option<String>,
    address: Option<String>,
}

impl Loaded {
    pub(super) fn into_session(self) -> Result<Session, Fault> {
        let bad = |what| illegal("sessions", &self.id, what);
        let amr: Option<Vec<Amr>> = self.amr.0.iter().map(|word| Amr::parse(word)).collect();
        Ok(Session {
            id: SessionId::parse(&self.id).ok_or_else(|| bad("id"))?,
            user: UserId::parse(&self.user_id).ok_or_else(|| bad("user_id"))?,
            auth_time: self.auth_time.0,
            seen_at: self.seen_at.0,
            amr: amr.ok_or_else(|| bad("amr"))?,
            address: self.address.as_deref().map(|text| text.parse().map_err(|_| bad("address"))).transpose()?,
            ended_at: self.ended_at.map(|at| at.0),
            agent: self.agent,
        })
    }
}

/// Queries on this table.
#[derive(Debug)]
pub struct Sessions<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl Sessions<'_, '_> {
    /// Adds a session, found again by the hash of its cookie. `expires_at` is when it ends though
    /// it is used: it is listed no longer and soon purged.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn insert(&mut self, session: &Session, hash: &TokenHash, expires_at: Moment) -> Result<(), Fault> {
        let amr: Vec<&str> = session.amr.iter().map(|a| a.as_str()).collect();
        sql!(self.tx, "adding a row of sessions", session.id, |c| {
            diesel::insert_into(sessions::table)
                .values((
                    sessions::id.eq(session.id.as_str()),
                    sessions::hash.eq(hash.as_bytes().as_slice()),
                    sessions::user_id.eq(session.user.as_str()),
                    sessions::auth_time.eq(At(session.auth_time)),
                    sessions::amr.eq(Json(&amr)),
                    sessions::seen_at.eq(At(session.seen_at)),
                    sessions::expires_at.eq(At(expires_at)),
                    sessions::ended_at.eq(session.ended_at.map(At)),
                    sessions::agent.eq(session.agent.as_deref()),
                    sessions::address.eq(session.address.map(|a| a.to_string())),
                ))
                .execute(c)
        })?;
        Ok(())
    }

    /// The session of this cookie, and whose it is, whether it may still be used or not.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn by_hash(&mut self, hash: &TokenHash) -> Result<Option<(Session, User)>, Fault> {
        let found: Option<(Loaded, LoadedUser)> = sql!(self.tx, "finding a row of sessions", "a hash", |c| {
            sessions::table
                .inner_join(users::table)
                .filter(sessions::hash.eq(hash.as_bytes().as_slice()))
                .select((Loaded::as_select(), LoadedUser::as_select()))
                .get_result(c)
                .optional()
        })?;
        found.map(|(session, user)| Ok((session.into_session()?, user.into_user()?))).transpose()
    }

    /// A session by its identifier.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn find(&mut self, id: &SessionId) -> Result<Option<Session>, Fault> {
        let found: Option<Loaded> = sql!(self.tx, "finding a row of sessions", id, |c| {
            sessions::table.find(id.as_str()).select(Loaded::as_select()).get_result(c).optional()
        })?;
        found.map(Loaded::into_session).transpose()
    }

    /// Writes down that the session is in use, at most once in [`Session::TOUCH_EVERY`]; true where it was written.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn touch(&mut self, id: &SessionId) -> Result<bool, Fault> {
        let now = self.tx.now();
        let touched = sql!(self.tx, "touching a row of sessions", id, |c| {
            diesel::update(
                sessions::table
                    .find(id.as_str())
                    .filter(sessions::ended_at.is_null())
                    .filter(sessions::seen_at.le(At(now - Session::TOUCH_EVERY))),
            )
            .set(sessions::seen_at.eq(At(now)))
            .execute(c)
        })?;
        Ok(touched == 1)
    }

    /// Writes down that the person proved themselves again in this session: everything but whose it
    /// is becomes new, the hash of its cookie too. False where it is unknown, or has ended.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn authenticated_again(
        &mut self,
        session: &Session,
        hash: &TokenHash,
        expires_at: Moment,
    ) -> Result<bool, Fault> {
        let amr: Vec<&str> = session.amr.iter().map(|a| a.as_str()).collect();
        let changed = sql!(self.tx, "changing a row of sessions", session.id, |c| {
            diesel::update(
                sessions::table
                    .find(session.id.as_str())
                    .filter(sessions::user_id.eq(session.user.as_str()))
                    .filter(sessions::ended_at.is_null()),
            )
            .set((
                sessions::hash.eq(hash.as_bytes().as_slice()),
                sessions::auth_time.eq(At(session.auth_time)),
                sessions::amr.eq(Json(&amr)),
                sessions::seen_at.eq(At(session.seen_at)),
                sessions::expires_at.eq(At(expires_at)),
                sessions::agent.eq(session.agent.as_deref()),
                sessions::address.eq(session.address.map(|a| a.to_string())),
            ))
            .execute(c)
        })?;
        Ok(changed == 1)
    }

    /// Ends a session; false where it is unknown, or had ended.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn end(&mut self, id: &SessionId) -> Result<bool, Fault> {
        let now = At(self.tx.now());
        let ended = sql!(self.tx, "ending a row of sessions", id, |c| {
            diesel::update(sessions::table.find(id.as_str()).filter(sessions::ended_at.is_null()))
                .set(sessions::ended_at.eq(Some(now)))
                .execute(c)
        })?;
        Ok(ended == 1)
    }

    /// Ends all sessions of a person, but this one where one is named; says which have ended.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn end_all(&mut self, user: &UserId, except: Option<&SessionId>) -> Result<Vec<SessionId>, Fault> {
        let now = At(self.tx.now());
        let spared = except.map_or("", SessionId::as_str);
        let ended: Vec<String> = sql!(self.tx, "ending rows of sessions of a person", user, |c| {
            diesel::update(
                sessions::table
                    .filter(sessions::user_id.eq(user.as_str()))
                    .filter(sessions::ended_at.is_null())
                    .filter(sessions::id.ne(spared)),
            )
            .set(sessions::ended_at.eq(Some(now)))
            .returning(sessions::id)
            .get_results(c)
        })?;
        let parse = |id: &String| SessionId::parse(id).ok_or_else(|| illegal("sessions", id, "id"));
        ended.iter().map(parse).collect()
    }

    /// At most `n` sessions of anybody that have not ended and are not too old, with whose they are, by
    /// identifier, after this one where one is given.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn page_live(&mut self, after: Option<&SessionId>, n: i64) -> Result<Vec<(SessionId, UserId)>, Fault> {
        let now = At(self.tx.now());
        let found: Vec<(String, String)> = sql!(self.tx, "listing rows of sessions", "a page", |c| {
            sessions::table
                .filter(sessions::id.gt(after.map_or("", SessionId::as_str)))
                .filter(sessions::ended_at.is_null())
                .filter(sessions::expires_at.gt(now))
                .order(sessions::id)
                .limit(n)
                .select((sessions::id, sessions::user_id))
                .load(c)
        })?;
        let parse = |(id, user): &(String, String)| {
            let bad = |what| illegal("sessions", id, what);
            let session = SessionId::parse(id).ok_or_else(|| bad("id"))?;
            Ok((session, UserId::parse(user).ok_or_else(|| bad("user_id"))?))
        };
        found.iter().map(parse).collect()
    }

    /// The sessions of a person that have not ended and are not too old, newest first. Idle ones are among them.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn list_live(&mut self, user: &UserId) -> Result<Vec<Session>, Fault> {
        let now = At(self.tx.now());
        let found: Vec<Loaded> = sql!(self.tx, "listing rows of sessions of a person", user, |c| {
            sessions::table
                .filter(sessions::user_id.eq(user.as_str()))
                .filter(sessions::ended_at.is_null())
                .filter(sessions::expires_at.gt(now))
                .order((sessions::auth_time.desc(), sessions::id.desc()))
                .select(Loaded::as_select())
                .load(c)
        })?;
        found.into_iter().map(Loaded::into_session).collect()
    }
}
