//! People, as an operator manages them: added, looked up, disabled and enabled, given a password.

use super::{
    end,
    journal::own_work,
    log_out::{self, Everywhere},
    world::{World, note, only_fault},
};
use crate::{
    account::{Password, Profile, User, Username, Weakness, user::BadUser},
    audit::{Actor, Event, GrantEnd, Origin},
    base::{
        fault::{Fault, Stop},
        id::UserId,
        secret::Secret,
    },
    hashing::Busy,
    store::{
        Tx,
        feed::{Change, Subject},
    },
};
use std::{convert::Infallible, fmt};

/// Why an operator's wish about a person is not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// Somebody has this name.
    Taken(String),
    /// Nobody has this name or identifier.
    Unknown(String),
    /// The user name or the profile cannot be.
    Bad(BadUser),
    /// The password is too weak.
    Weak(Weakness),
    /// The person is as they were wanted to be.
    Already(&'static str),
    /// Too much is hashed at this moment.
    Busy,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(name) => write!(f, "the user name {name:?} is taken"),
            Self::Unknown(name) => write!(f, "there is nobody with the user name or identifier {name:?}"),
            Self::Bad(bad) => bad.fmt(f),
            Self::Weak(weak) => write!(f, "the password is not good enough. {weak}"),
            Self::Already(how) => write!(f, "this person is {how} already"),
            Self::Busy => f.write_str("too many passwords are hashed just now: try again in a moment"),
        }
    }
}

impl std::error::Error for Unmet {}

/// A person to be added.
#[derive(Debug)]
pub struct NewUser {
    /// The name they sign in with.
    pub username: String,
    /// What is known of them.
    pub profile: Profile,
    /// Their password; without one they cannot sign in until they get one.
    pub password: Option<Secret<String>>,
}

/// Adds a person.
///
/// # Errors
/// [`Unmet`] for a name that is taken and for a name, profile or password that cannot be.
pub async fn add(world: &World, new: NewUser, by: Actor) -> Result<User, Stop<Unmet>> {
    let username = Username::parse(&new.username).map_err(|bad| Stop::Refusal(Unmet::Bad(bad)))?;
    new.profile.check().map_err(|bad| Stop::Refusal(Unmet::Bad(bad)))?;
    let now = world.now();
    let user = User {
        id: UserId::mint(now, &*world.dice)?,
        username,
        profile: new.profile,
        disabled_at: None,
        created_at: now,
        updated_at: now,
    };
    let password = match new.password {
        Some(typed) => Some(hash(world, &user, &typed).await?),
        None => None,
    };
    let origin = own_work(&world.node);
    let write = move |tx: &mut Tx<'_>| -> Result<User, Stop<Unmet>> {
        if tx.users().insert(&user, password.as_ref())?.is_err() {
            return Err(Stop::Refusal(Unmet::Taken(user.username.to_string())));
        }
        note(tx, &origin, Event::UserAdded { user: user.id.clone(), by: by.clone() })?;
        Ok(user.clone())
    };
    world.store.write("add_user", write).await
}

/// Judges a new password of this person and hashes it.
async fn hash(world: &World, user: &User, typed: &Secret<String>) -> Result<crate::account::PasswordHash, Stop<Unmet>> {
    let policy = world.policy.load();
    let profile = &user.profile;
    let known = [&profile.email, &profile.name, &profile.given_name, &profile.family_name, &profile.nickname];
    let mut context = vec![user.username.as_str(), policy.service_name.as_str()];
    context.extend(known.into_iter().flatten().map(String::as_str));
    let judged = policy.passwords.judge(typed.expose().clone(), &context);
    let password: Password = judged.map_err(|weak| Stop::Refusal(Unmet::Weak(weak)))?;
    world.hashing.hash(password).await.map_err(|stop| stop.map(|Busy { .. }| Unmet::Busy))
}

/// A person by identifier or by user name.
///
/// # Errors
/// [`Unmet::Unknown`].
pub async fn find(world: &World, named: &str) -> Result<User, Stop<Unmet>> {
    let named = named.to_owned();
    world.store.read("find_user", move |tx: &mut Tx<'_>| found(tx, &named)).await
}

fn found(tx: &mut Tx<'_>, named: &str) -> Result<User, Stop<Unmet>> {
    if let Some(id) = UserId::parse(named).filter(|id| id.to_u128().is_some())
        && let Some(user) = tx.users().find(&id)?
    {
        return Ok(user);
    }
    let unknown = || Stop::Refusal(Unmet::Unknown(named.to_owned()));
    let username = Username::parse(named).map_err(|_| unknown())?;
    tx.users().find_by_username(&username)?.map(|credentials| credentials.user).ok_or_else(unknown)
}

/// At most `n` people in the order in which they were added, those after `after` where given.
///
/// # Errors
/// A fault of the store.
pub async fn list(world: &World, after: Option<UserId>, n: i64) -> Result<Vec<User>, Fault> {
    let list = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.users().list(after.as_ref(), n)?);
    world.store.read("list_users", list).await.map_err(only_fault)
}

/// Disables a person: they cannot sign in, they are signed out, and nothing acts for them.
///
/// # Errors
/// [`Unmet`] where there is no such person, or they are disabled.
pub async fn disable(world: &World, named: &str, by: Actor) -> Result<User, Stop<Unmet>> {
    let (named, origin) = (named.to_owned(), own_work(&world.node));
    let write = move |tx: &mut Tx<'_>| -> Result<User, Stop<Unmet>> {
        let user = found(tx, &named)?;
        if !tx.users().set_disabled(&user.id)? {
            return Err(Stop::Refusal(Unmet::Already("disabled")));
        }
        note(tx, &origin, Event::UserDisabled { user: user.id.clone(), by: by.clone() })?;
        end_everything(tx, &user.id, GrantEnd::UserDisabled, &by, &origin)?;
        Ok(User { disabled_at: Some(tx.now()), ..user })
    };
    let user = world.store.write("disable_user", write).await?;
    end::rest(world).await?;
    Ok(user)
}

/// Enables a person again.
///
/// # Errors
/// [`Unmet`] where there is no such person, or they are not disabled.
pub async fn enable(world: &World, named: &str, by: Actor) -> Result<User, Stop<Unmet>> {
    let (named, origin) = (named.to_owned(), own_work(&world.node));
    let write = move |tx: &mut Tx<'_>| -> Result<User, Stop<Unmet>> {
        let user = found(tx, &named)?;
        if !tx.users().set_enabled(&user.id)? {
            return Err(Stop::Refusal(Unmet::Already("enabled")));
        }
        note(tx, &origin, Event::UserEnabled { user: user.id.clone(), by: by.clone() })?;
        tx.feed().add(&Change::about(Subject::User, user.id.as_str()))?;
        Ok(User { disabled_at: None, ..user })
    };
    world.store.write("enable_user", write).await
}

/// Gives a person a new password. Whoever knew the old one may have signed in with it: every
/// session and every grant ends.
///
/// # Errors
/// [`Unmet`] where there is no such person, or the password is too weak.
pub async fn set_password(
    world: &World,
    named: &str,
    password: Secret<String>,
    by: Actor,
) -> Result<User, Stop<Unmet>> {
    let user = find(world, named).await?;
    let hash = hash(world, &user, &password).await?;
    let origin = own_work(&world.node);
    let write = move |tx: &mut Tx<'_>| -> Result<User, Stop<Unmet>> {
        if !tx.users().set_password(&user.id, &hash)? {
            return Err(Stop::Refusal(Unmet::Unknown(user.id.to_string())));
        }
        note(tx, &origin, Event::PasswordChanged { user: user.id.clone(), by: by.clone() })?;
        end_everything(tx, &user.id, GrantEnd::PasswordChanged, &by, &origin)?;
        Ok(user.clone())
    };
    let user = world.store.write("set_password", write).await?;
    end::rest(world).await?;
    Ok(user)
}

/// Ends every session and every grant of a person; clients are told, and so is every node.
///
/// # Errors
/// A fault of the store, which rolls everything back.
pub fn end_everything(tx: &mut Tx<'_>, user: &UserId, why: GrantEnd, by: &Actor, origin: &Origin) -> Result<(), Fault> {
    let ending = Everywhere { user: user.clone(), by: by.clone(), why, keep: None };
    log_out::all(tx, &ending, origin)?;
    tx.feed().add(&Change::about(Subject::User, user.as_str()))
}

#[cfg(test)]
mod tests;
