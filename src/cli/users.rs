//! `keywright user`: people.

use super::{
    Answer, Failure, Session,
    at_work::{in_world, moment, operator},
    key_changes::confirm,
    secret_input::PasswordSource,
};
use crate::{
    account::{Profile, User},
    base::id::UserId,
    flow::{
        erase_user::{self, Erased},
        manage_users::{self as manage, NewUser},
    },
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a person.
    Add(Add),
    /// List people, in the order in which they were added.
    List(List),
    /// Show a person.
    Show(Named),
    /// Disable a person: they are signed out everywhere, and nothing acts for them any more.
    Disable(Named),
    /// Enable a person again.
    Enable(Named),
    /// Erase a person: all that is known of them is deleted, also in what was recorded. There is no way back.
    Erase(Erase),
    /// Give a person a new password, and sign them out everywhere.
    SetPassword(SetPassword),
}

#[derive(Args, Debug)]
pub(super) struct Add {
    /// The name they sign in with.
    #[arg(value_name = "USERNAME")]
    username: String,
    /// Their full name.
    #[arg(long)]
    name: Option<String>,
    /// Their given name.
    #[arg(long)]
    given_name: Option<String>,
    /// Their family name.
    #[arg(long)]
    family_name: Option<String>,
    /// Their e-mail address.
    #[arg(long)]
    email: Option<String>,
    /// The e-mail address is known to be theirs.
    #[arg(long, requires = "email")]
    email_verified: bool,
    /// Members of their profile as a JSON object of OpenID Connect's standard claims; the options beat it.
    #[arg(long, value_name = "JSON")]
    profile: Option<String>,
    /// Add them without a password: they cannot sign in before they get one.
    #[arg(long)]
    without_password: bool,
    #[command(flatten)]
    password: PasswordSource,
}

#[derive(Args, Debug)]
pub(super) struct List {
    /// Begin after the person with this identifier.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// The most people to list.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10000))]
    limit: u16,
}

#[derive(Args, Debug)]
pub(super) struct Named {
    /// Their user name or identifier.
    #[arg(value_name = "USER")]
    user: String,
}

#[derive(Args, Debug)]
pub(super) struct Erase {
    #[command(flatten)]
    named: Named,
    /// Do not ask before.
    #[arg(long)]
    yes: bool,
}

#[derive(Args, Debug)]
pub(super) struct SetPassword {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    password: PasswordSource,
}

pub(super) fn run(command: Command, session: &Session) -> Result<Answer, Failure> {
    match command {
        Command::Add(args) => add(args, session),
        Command::List(args) => list(&args, session),
        Command::Show(Named { user }) => {
            in_world(session, async |_, world| Ok(shown(&manage::find(world, &user).await?)))
        }
        Command::Disable(Named { user }) => {
            in_world(session, async |_, world| Ok(shown(&manage::disable(world, &user, operator()).await?)))
        }
        Command::Enable(Named { user }) => {
            in_world(session, async |_, world| Ok(shown(&manage::enable(world, &user, operator()).await?)))
        }
        Command::Erase(Erase { named, yes }) => erase(&named.user, yes, session),
        Command::SetPassword(SetPassword { named, password }) => {
            let password = password.read()?;
            in_world(session, async |_, world| {
                Ok(shown(&manage::set_password(world, &named.user, password, operator()).await?))
            })
        }
    }
}

fn erase(named: &str, yes: bool, session: &Session) -> Result<Answer, Failure> {
    if !yes {
        confirm(&format!("all that is known of {named} will be deleted. Type yes to go on: "))?;
    }
    in_world(session, async |_, world| {
        let Erased { user, keys, events } = erase_user::run(world, named, operator()).await?;
        let text = format!("{user} was erased: {keys} API keys ended, {events} events told who they were");
        Ok(Answer::new(text, json!({"id": user, "erased": true, "keys": keys, "events": events})))
    })
}

fn add(args: Add, session: &Session) -> Result<Answer, Failure> {
    let mut profile = match &args.profile {
        None => Profile::default(),
        Some(text) => read_profile(text)?,
    };
    profile.name = args.name.or(profile.name);
    profile.given_name = args.given_name.or(profile.given_name);
    profile.family_name = args.family_name.or(profile.family_name);
    profile.email = args.email.or(profile.email);
    profile.email_verified |= args.email_verified;
    let password = if args.without_password { None } else { Some(args.password.read()?) };
    let new = NewUser { username: args.username, profile, password };
    in_world(session, async |_, world| Ok(shown(&manage::add(world, new, operator()).await?)))
}

/// A profile, with every member understood: a misspelt one would be lost without a word.
fn read_profile(text: &str) -> Result<Profile, Failure> {
    let bad = |why: String| Failure::Usage(format!("--profile {why}"));
    let given: Value = serde_json::from_str(text).map_err(|e| bad(format!("is not JSON: {e}")))?;
    let profile: Profile = serde_json::from_value(given.clone()).map_err(|e| bad(format!("is refused: {e}")))?;
    let understood = serde_json::to_value(&profile).unwrap_or_default();
    let names = given.as_object().ok_or_else(|| bad("is no object".into()))?.iter();
    match names.filter(|(_, value)| !value.is_null()).find(|(name, _)| understood.get(name).is_none()) {
        Some((unknown, _)) => Err(bad(format!("has the member {unknown}, which is no standard claim that is kept"))),
        None => Ok(profile),
    }
}

fn list(args: &List, session: &Session) -> Result<Answer, Failure> {
    let after = args
        .after
        .as_deref()
        .map(|text| UserId::parse(text).ok_or_else(|| Failure::Usage(format!("--after {text:?} is no identifier"))));
    let after = after.transpose()?;
    let users = in_world(session, async |_, world| Ok(manage::list(world, after, args.limit.into()).await?))?;
    let full = users.len() >= usize::from(args.limit);
    let next = users.last().filter(|_| full).map(|user| user.id.to_string());
    let rows: Vec<[String; 5]> = users
        .iter()
        .map(|user| {
            let profile = &user.profile;
            [
                user.id.to_string(),
                user.username.to_string(),
                profile.name.clone().unwrap_or_default(),
                profile.email.clone().unwrap_or_default(),
                state(user).to_owned(),
            ]
        })
        .collect();
    let json = json!({ "users": users.iter().map(as_json).collect::<Vec<_>>(), "next": next });
    let mut answer = Answer::table(["id", "username", "name", "email", "state"], &rows, json);
    if let Some(next) = next {
        answer.text.push_str(&format!("\nthere may be more: --after {next}"));
    }
    Ok(answer)
}

const fn state(user: &User) -> &'static str {
    if user.enabled() { "enabled" } else { "disabled" }
}

fn as_json(user: &User) -> Value {
    json!({
        "id": user.id,
        "username": user.username.as_str(),
        "profile": user.profile,
        "state": state(user),
        "disabled_at": moment(user.disabled_at),
        "created_at": moment(Some(user.created_at)),
        "updated_at": moment(Some(user.updated_at)),
    })
}

fn shown(user: &User) -> Answer {
    let mut lines = vec![
        format!("id        {}", user.id),
        format!("username  {}", user.username),
        format!("state     {}", state(user)),
        format!("added     {}", user.created_at),
    ];
    let profile = serde_json::to_value(&user.profile).unwrap_or_default();
    for (name, value) in profile.as_object().into_iter().flatten().filter(|(_, value)| **value != json!(false)) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        lines.push(format!("{name}: {value}"));
    }
    Answer::new(lines.join("\n"), as_json(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_member_of_a_profile_is_refused() {
        assert_eq!(read_profile(r#"{"nickname": "ada"}"#).unwrap().nickname.as_deref(), Some("ada"));
        for bad in [r#"{"nick": "ada"}"#, "[]", "{", r#"{"name": 3}"#] {
            assert!(matches!(read_profile(bad), Err(Failure::Usage(_))), "{bad}");
        }
    }
}
