//! Members of a person's own profile are changed (OpenID Connect Core §5.1).

use super::{Here, World, only_fault};
use crate::{
    account::user::{BadUser, Profile},
    audit::{Actor, Event, Origin},
    base::fault::{Fault, Stop},
    flow::world::note,
    store::Tx,
};
use std::{collections::BTreeMap, sync::Arc};

/// A member that people edit by themselves.
type Member = (&'static str, fn(&mut Profile) -> &mut Option<String>);

/// Those members, by their names.
pub const EDITABLE: &[Member] = &[
    ("name", |p| &mut p.name),
    ("given_name", |p| &mut p.given_name),
    ("family_name", |p| &mut p.family_name),
    ("nickname", |p| &mut p.nickname),
    ("email", |p| &mut p.email),
    ("website", |p| &mut p.website),
    ("zoneinfo", |p| &mut p.zoneinfo),
    ("locale", |p| &mut p.locale),
];

/// What was typed, by the name of the member; what is absent becomes empty.
pub type Edited = BTreeMap<&'static str, String>;

/// What is wrong with what was typed, by the name of the member.
pub type Wrongs = BTreeMap<&'static str, BadUser>;

/// Saves what a person typed about themselves. An address that has changed is no longer known to
/// be theirs.
///
/// # Errors
/// [`Wrongs`], none of them saved; a fault of the store.
pub async fn save_profile(
    world: &Arc<World>,
    here: &Here,
    edited: Edited,
    origin: &Origin,
) -> Result<(), Stop<Wrongs>> {
    let wrongs = judge(&edited);
    if !wrongs.is_empty() {
        return Err(Stop::Refusal(wrongs));
    }
    let (user, origin) = (here.user.id.clone(), origin.clone());
    let write = move |tx: &mut Tx<'_>| -> Result<(), Stop<std::convert::Infallible>> {
        let Some(found) = tx.users().find(&user)? else { return Ok(()) };
        let (profile, members) = edit(found.profile, &edited);
        if members.is_empty() {
            return Ok(());
        }
        profile.check().map_err(|e| Fault::new("changing a profile", e))?;
        tx.users().set_profile(&user, &profile)?;
        let event = Event::ProfileChanged { user: user.clone(), by: Actor::User(user.clone()), members };
        Ok(note(tx, &origin, event)?)
    };
    world.store.write("save_profile", write).await.map_err(only_fault)?;
    Ok(())
}

fn typed(edited: &Edited, name: &str) -> Option<String> {
    edited.get(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Each member is judged by itself, so that all that is wrong can be told at once.
fn judge(edited: &Edited) -> Wrongs {
    let alone = |(name, member): &Member| {
        let mut profile = Profile::default();
        *member(&mut profile) = typed(edited, name);
        profile.check().err().map(|bad| (*name, bad))
    };
    EDITABLE.iter().filter_map(alone).collect()
}

/// The profile with what was typed, and the names of what has changed.
fn edit(mut profile: Profile, edited: &Edited) -> (Profile, Vec<String>) {
    let mut changed = Vec::new();
    for (name, member) in EDITABLE {
        let (wanted, place) = (typed(edited, name), member(&mut profile));
        if *place != wanted {
            *place = wanted;
            changed.push((*name).to_owned());
        }
    }
    if changed.iter().any(|name| name == "email") {
        profile.email_verified = false;
    }
    (profile, changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann() -> Profile {
        Profile {
            name: Some("Ann".into()),
            email: Some("ann@shop.example".into()),
            email_verified: true,
            picture: Some("https://shop.example/ann.png".into()),
            ..Profile::default()
        }
    }

    #[test]
    fn a_changed_address_is_no_longer_verified_and_what_is_not_on_the_page_stays() {
        let edited = Edited::from([("name", " Ann ".into()), ("email", "ann@new.example".into())]);
        let (profile, changed) = edit(ann(), &edited);
        assert_eq!(changed, ["email"]);
        assert!(!profile.email_verified);
        assert_eq!(profile.picture, ann().picture);
        let (same, changed) =
            edit(ann(), &Edited::from([("name", "Ann".into()), ("email", "ann@shop.example".into())]));
        assert_eq!((same, changed), (ann(), vec![]));
    }

    #[test]
    fn what_is_emptied_is_gone() {
        let (profile, changed) = edit(ann(), &Edited::from([("name", "  ".into())]));
        assert_eq!(changed, ["name", "email"]);
        assert!(profile.check().is_ok() && profile.email.is_none());
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let edited = Edited::from([
            ("name", "Ann".into()),
            ("email", "ann".into()),
            ("website", "javascript:alert(1)".into()),
            ("nickname", "x".repeat(3000)),
        ]);
        assert_eq!(judge(&edited).into_keys().collect::<Vec<_>>(), ["email", "nickname", "website"]);
    }
}
