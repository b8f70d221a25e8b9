//! Table `codes`: authorization codes, by their hashes (RFC 6749 §4.1.2).

use super::{
    Tx,
    column::{At, Json},
    dialect,
    failure::illegal,
    grants::{By, NewRefresh},
    payload::{CodeDoc, Parties},
    schema::{codes, sessions, users},
    sessions::Loaded as LoadedSession,
    tx::sql,
    users::Loaded as LoadedUser,
};
use crate::{
    account::{Session, User},
    audit::Record,
    base::{
        digest::TokenHash,
        fault::Fault,
        id::GrantId,
        moment::{CLOCKS, Moment},
    },
    oauth::grant::{Code, Grant},
};
use diesel::prelude::*;

/// That a code was used, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedBy {
    /// The grant that its first use made: a second use revokes it.
    pub grant: GrantId,
}

/// A code to be added.
#[derive(Clone, Copy, Debug)]
pub struct Issuing<'r> {
    /// The hash of the code.
    pub hash: &'r TokenHash,
    /// What it stands for.
    pub code: &'r Code,
    /// When the person last agreed, where they had to be asked.
    pub agreed_at: Option<Moment>,
    /// What is recorded where it is added.
    pub audit: &'r Record,
}

/// A code with whom and what it was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeemable {
    /// The code.
    pub code: Code,
    /// That it was used, where it was.
    pub used: Option<UsedBy>,
    /// The person.
    pub user: Option<User>,
    /// The session.
    pub session: Option<Session>,
}

/// What becomes of a code.
#[derive(Clone, Copy, Debug)]
pub struct Redemption<'r> {
    /// The hash of the code.
    pub hash: &'r TokenHash,
    /// The grant it becomes.
    pub grant: &'r Grant,
    /// The first refresh token of it, where it gets one.
    pub refresh: Option<&'r NewRefresh>,
    /// Until when its access token may be good anywhere.
    pub tokens_until: Moment,
    /// What is recorded where it happens.
    pub audit: &'r Record,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = codes)]
struct Loaded {
    client_id: String,
    user_id: String,
    session_id: String,
    payload: Json<CodeDoc>,
    expires_at: At,
    grant_id: Option<String>,
}

/// Queries on this table.
#[derive(Debug)]
pub struct Codes<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl Codes<'_, '_> {
    /// Adds a code.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn add(&mut self, hash: &TokenHash, code: &Code) -> Result<(), Fault> {
        let document = CodeDoc::of(code);
        sql!(self.tx, "adding a row of codes of a client", code.granted.client, |c| {
            diesel::insert_into(codes::table)
                .values((
                    codes::hash.eq(hash.as_bytes().as_slice()),
                    codes::client_id.eq(code.granted.client.as_str()),
                    codes::user_id.eq(code.granted.user.as_str()),
                    codes::session_id.eq(code.granted.session.as_str()),
                    codes::payload.eq(Json(&document)),
                    codes::expires_at.eq(At(code.expires_at)),
                ))
                .execute(c)
        })?;
        Ok(())
    }

    /// A code, used or not, expired or not, for as long as it is kept.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn find(&mut self, hash: &TokenHash) -> Result<Option<(Code, Option<UsedBy>)>, Fault> {
        let found: Option<Loaded> = sql!(self.tx, "finding a row of codes", "a hash", |c| {
            codes::table.find(hash.as_bytes().as_slice()).select(Loaded::as_select()).get_result(c).optional()
        })?;
        found.map(into_code).transpose()
    }

    /// Adds a code and records it, as one statement, unless its session has ended, or somebody proved
    /// themselves in it again since, or the consent that it stands on was taken back or given again:
    /// false then. A session that is being ended at this moment, and a consent that is being taken
    /// back, take the code along.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn issue(&mut self, issuing: &Issuing<'_>) -> Result<bool, Fault> {
        dialect::issue(self.tx, issuing)
    }

    /// A code, used or not, expired or not, with the person and the session it was made in.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn redeemable(&mut self, hash: &TokenHash) -> Result<Option<Redeemable>, Fault> {
        type Found = (Loaded, Option<LoadedUser>, Option<LoadedSession>);
        let found: Option<Found> = sql!(self.tx, "finding a row of codes", "a hash", |c| {
            codes::table
                .left_join(users::table.on(users::id.eq(codes::user_id)))
                .left_join(sessions::table.on(sessions::id.eq(codes::session_id)))
                .filter(codes::hash.eq(hash.as_bytes().as_slice()))
                .select((Loaded::as_select(), Option::<LoadedUser>::as_select(), Option::<LoadedSession>::as_select()))
                .get_result(c)
                .optional()
        })?;
        let Some((code, user, session)) = found else { return Ok(None) };
        let (code, used) = into_code(code)?;
        let user = user.map(LoadedUser::into_user).transpose()?;
        let session = session.map(LoadedSession::into_session).transpose()?;
        Ok(Some(Redeemable { code, used, user, session }))
    }

    /// Uses a code up for a grant, adds the grant and records it, as one statement: of all who try,
    /// exactly one hears true. False too, and nothing changed, where the code was taken away, its
    /// session has ended or its person is disabled.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn redeem(&mut self, redemption: &Redemption<'_>) -> Result<bool, Fault> {
        dialect::redeem(self.tx, redemption)
    }

    /// Uses a code up for the grant it becomes: of all who try, exactly one hears true.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn consume(&mut self, hash: &TokenHash, grant: &GrantId) -> Result<bool, Fault> {
        let now = At(self.tx.now());
        let used = sql!(self.tx, "using a row of codes for a grant", grant, |c| {
            diesel::update(codes::table.find(hash.as_bytes().as_slice()).filter(codes::used_at.is_null()))
                .set((codes::used_at.eq(Some(now)), codes::grant_id.eq(Some(grant.as_str()))))
                .execute(c)
        })?;
        Ok(used == 1)
    }

    /// Takes away the codes that nobody has used yet; says how many. Those of a session go with it
    /// whatever their scope: nobody waits for them any more.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn void(&mut self, of: By<'_>) -> Result<usize, Fault> {
        // By another node's clock one that has just expired may still be good.
        let since = At(self.tx.now() - CLOCKS);
        sql!(self.tx, "deleting rows of codes", "several", |c| {
            // Few are unexpired at any time; the index on their end finds them.
            let unused =
                diesel::delete(codes::table.filter(codes::expires_at.gt(since)).filter(codes::used_at.is_null()))
                    .into_boxed();
            let unused = match of {
                By::User(user) => unused.filter(codes::user_id.eq(user.as_str())),
                By::UserClient(user, client) => {
                    unused.filter(codes::user_id.eq(user.as_str())).filter(codes::client_id.eq(client.as_str()))
                }
                By::Client(client) => unused.filter(codes::client_id.eq(client.as_str())),
                By::Session(session) => unused.filter(codes::session_id.eq(session.as_str())),
            };
            unused.execute(c)
        })
    }
}

fn into_code(row: Loaded) -> Result<(Code, Option<UsedBy>), Fault> {
    let parties =
        Parties { table: "codes", key: "a hash", client: &row.client_id, user: &row.user_id, session: &row.session_id };
    let document = row.payload.0;
    let code = Code {
        granted: document.granted.into_granted(&parties)?,
        redirect_uri: document.redirect_uri,
        redirect_uri_was_sent: document.redirect_uri_was_sent,
        challenge: document.challenge,
        expires_at: row.expires_at.0,
    };
    let used = row.grant_id.as_deref().map(|id| {
        GrantId::parse(id).map(|grant| UsedBy { grant }).ok_or_else(|| illegal("codes", "a hash", "grant_id"))
    });
    Ok((code, used.transpose()?))
}
