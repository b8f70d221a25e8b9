//! Table `users`: people.

use super::{
    Taken, Tx,
    column::{At, Json},
    dialect,
    failure::illegal,
    schema::users,
    tx::sql,
};
use crate::{
    account::{PasswordHash, Profile, User, Username},
    base::{fault::Fault, id::UserId, moment::Moment},
};
use diesel::prelude::*;

/// What a person's password is checked against. Loaded only where one is.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Who it is.
    pub user: User,
    /// Their password, where they have one.
    pub password: Option<PasswordHash>,
    /// When it was set.
    pub password_changed_at: Option<Moment>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = users)]
pub(super) struct Loaded {
    id: String,
    username: String,
    profile: Json<Profile>,
    disabled_at: Option<At>,
    created_at: At,
    updated_at: At,
}

impl Loaded {
    pub(super) fn into_user(self) -> Result<User, Fault> {
        let bad = |what| illegal("users", &self.id, what);
        Ok(User {
            id: UserId::parse(&self.id).ok_or_else(|| bad("id"))?,
            username: Username::parse(&self.username).map_err(|_| bad("username"))?,
            profile: self.profile.0,
            disabled_at: self.disabled_at.map(|at| at.0),
            created_at: self.created_at.0,
            updated_at: self.updated_at.0,
        })
    }
}

/// A row with the hash of the password and when that was set.
pub(super) type WithPassword = (Loaded, Option<String>, Option<At>);

/// Queries on this table.
#[derive(Debug)]
pub struct Users<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl Users<'_, '_> {
    /// Adds a person.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it; inside, [`Taken`] where identifier or user name are in use.
    pub fn insert(&mut self, user: &User, password: Option<&PasswordHash>) -> Result<Result<(), Taken>, Fault> {
        let changed_at = password.map(|_| At(self.tx.now()));
        let added = sql!(self.tx, "adding a row of users", user.id, |c| {
            diesel::insert_into(users::table)
                .values((
                    users::id.eq(user.id.as_str()),
                    users::username.eq(user.username.as_str()),
                    users::username_key.eq(user.username.key()),
                    users::profile.eq(Json(&user.profile)),
                    users::password_hash.eq(password.map(PasswordHash::to_phc)),
                    users::password_changed_at.eq(changed_at),
                    users::disabled_at.eq(user.disabled_at.map(At)),
                    users::created_at.eq(At(user.created_at)),
                    users::updated_at.eq(At(user.updated_at)),
                ))
                .on_conflict_do_nothing()
                .execute(c)
        })?;
        Ok(if added == 1 { Ok(()) } else { Err(Taken) })
    }

    /// A person by identifier.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn find(&mut self, id: &UserId) -> Result<Option<User>, Fault> {
        let found: Option<Loaded> = sql!(self.tx, "finding a row of users", id, |c| {
            users::table.find(id.as_str()).select(Loaded::as_select()).get_result(c).optional()
        })?;
        found.map(Loaded::into_user).transpose()
    }

    /// Whether tokens may be issued under this person's grants: they exist and are not disabled.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn find_for_grant(&mut self, id: &UserId) -> Result<bool, Fault> {
        sql!(self.tx, "finding a row of users", id, |c| {
            let enabled = users::table.find(id.as_str()).filter(users::disabled_at.is_null());
            diesel::select(diesel::dsl::exists(enabled)).get_result(c)
        })
    }

    /// A person by the name they sign in with, upper and lower case alike, and their password.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn find_by_username(&mut self, name: &Username) -> Result<Option<Credentials>, Fault> {
        let found: Option<WithPassword> = sql!(self.tx, "finding a row of users by name", "a user name", |c| {
            users::table
                .filter(users::username_key.eq(name.key()))
                .select((Loaded::as_select(), users::password_hash, users::password_changed_at))
                .get_result(c)
                .optional()
        })?;
        found.map(into_credentials).transpose()
    }

    /// A person by identifier, with their password.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn credentials(&mut self, id: &UserId) -> Result<Option<Credentials>, Fault> {
        let found: Option<WithPassword> = sql!(self.tx, "finding a row of users", id, |c| {
            users::table
                .find(id.as_str())
                .select((Loaded::as_select(), users::password_hash, users::password_changed_at))
                .get_result(c)
                .optional()
        })?;
        found.map(into_credentials).transpose()
    }

    /// As [`Users::credentials`], held until the transaction ends: whoever disables the person or sets their
    /// password waits for it, so what is concluded here still holds when it is written.
    ///
    /// # Errors
    /// As [`Users::credentials`].
    pub fn held(&mut self, id: &UserId) -> Result<Option<Credentials>, Fault> {
        dialect::held_person(self.tx, id)?.map(into_credentials).transpose()
    }

    /// Replaces the profile; false where there is no such person.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn set_profile(&mut self, id: &UserId, profile: &Profile) -> Result<bool, Fault> {
        let now = At(self.tx.now());
        let changed = sql!(self.tx, "changing a row of users", id, |c| {
            diesel::update(users::table.find(id.as_str()))
                .set((users::profile.eq(Json(profile)), users::updated_at.eq(now)))
                .execute(c)
        })?;
        Ok(changed == 1)
    }

    /// Sets the password; false where there is no such person.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn set_password(&mut self, id: &UserId, password: &PasswordHash) -> Result<bool, Fault> {
        let now = At(self.tx.now());
        let changed = sql!(self.tx, "changing the password of a row of users", id, |c| {
            diesel::update(users::table.find(id.as_str()))
                .set((users::password_hash.eq(Some(password.to_phc())), users::password_changed_at.eq(Some(now))))
                .execute(c)
        })?;
        Ok(changed == 1)
    }

    /// Replaces the hash of a password that has not changed, because costs have; false where it
    /// was changed meanwhile.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn rehash_password(&mut self, id: &UserId, old: &PasswordHash, new: &PasswordHash) -> Result<bool, Fault> {
        let changed = sql!(self.tx, "changing the password hash of a row of users", id, |c| {
            diesel::update(users::table.find(id.as_str()).filter(users::password_hash.eq(Some(old.to_phc()))))
                .set(users::password_hash.eq(Some(new.to_phc())))
                .execute(c)
        })?;
        Ok(changed == 1)
    }

    /// Disables a person; false where they are unknown, or disabled already.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn set_disabled(&mut self, id: &UserId) -> Result<bool, Fault> {
        let now = At(self.tx.now());
        let changed = sql!(self.tx, "disabling a row of users", id, |c| {
            diesel::update(users::table.find(id.as_str()).filter(users::disabled_at.is_null()))
                .set(users::disabled_at.eq(Some(now)))
                .execute(c)
        })?;
        Ok(changed == 1)
    }

    /// Enables a person again; false where they are unknown, or were not disabled.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn set_enabled(&mut self, id: &UserId) -> Result<bool, Fault> {
        let changed = sql!(self.tx, "enabling a row of users", id, |c| {
            diesel::update(users::table.find(id.as_str()).filter(users::disabled_at.is_not_null()))
                .set(users::disabled_at.eq(None::<At>))
                .execute(c)
        })?;
        Ok(changed == 1)
    }

    /// At most `n` people in the order of their identifiers, those after `after` where that is given.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn list(&mut self, after: Option<&UserId>, n: i64) -> Result<Vec<User>, Fault> {
        let rows: Vec<Loaded> = sql!(self.tx, "listing rows of users", "none", |c| {
            let mut wanted = users::table.select(Loaded::as_select()).into_boxed();
            if let Some(after) = after {
                wanted = wanted.filter(users::id.gt(after.as_str()));
            }
            wanted.order(users::id).limit(n).load(c)
        })?;
        rows.into_iter().map(Loaded::into_user).collect()
    }
}

fn into_credentials((user, password, changed_at): WithPassword) -> Result<Credentials, Fault> {
    Ok(Credentials {
        user: user.into_user()?,
        password: password.as_deref().map(PasswordHash::parse).transpose()?,
        password_changed_at: changed_at.map(|at| at.0),
    })
}
