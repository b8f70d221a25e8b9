//! A person and their own account, over a database.

use super::*;
use crate::{
    account::rules::Weakness,
    audit::Actor,
    base::secret::Secret,
    flow::{
        manage_users::{self, NewUser},
        sample::{Sample, in_sample},
        sign_in::{self, SignedIn},
        visit::{self, Visit},
    },
};

const OLD: &str = "violin cello harp drum";
const NEW: &str = "granite otter lantern";

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

/// A person, signed in with a browser of their own.
async fn enter(sample: &Sample, name: &str) -> SignedIn {
    let password = Some(secret(OLD));
    let new = NewUser { username: name.to_owned(), profile: Profile::default(), password };
    let _ = manage_users::add(&sample.world, new, Actor::System).await;
    let form = sign_in::Form { username: name.to_owned(), password: OLD.to_owned(), known: None, agent: None };
    let visit = Visit::new(&sample.world, None, None).unwrap();
    sign_in::run(&sample.world, (form, None), &visit, &Origin::default()).await.unwrap()
}

/// Who this cookie signs in.
async fn at(sample: &Sample, cookie: &Secret<String>) -> Option<Here> {
    let visit = Visit::new(&sample.world, None, Some(cookie.clone())).unwrap();
    visit::session(&sample.world, &visit).await.unwrap()
}

async fn change(sample: &Sample, here: &Here, typed: [&str; 3]) -> Result<Changed, Wrong> {
    let [current, new, again] = typed.map(secret);
    let visit = Visit::new(&sample.world, None, None).unwrap();
    let change = Change { current, new, again, known: None };
    match change_password(&sample.world, here, change, &visit, &Origin::default()).await {
        Ok(changed) => Ok(changed),
        Err(Stop::Refusal(wrong)) => Err(wrong),
        Err(Stop::Fault(fault)) => panic!("{fault}"),
    }
}

#[test]
fn a_new_password_ends_every_other_session_and_every_cookie_from_before() {
    in_sample(async |sample| {
        let (mine, other) = (enter(&sample, "ada").await, enter(&sample, "ada").await);
        sample.clock.advance(crate::base::moment::Span::seconds(1));
        let Ok(Changed::Stays { cookie, .. }) = change(&sample, &mine.here, [OLD, NEW, NEW]).await else {
            panic!("left")
        };
        assert_eq!(at(&sample, &cookie).await.unwrap().session.id, mine.here.session.id);
        assert!(at(&sample, &mine.cookie).await.is_none());
        assert!(at(&sample, &other.cookie).await.is_none());
        assert_eq!(change(&sample, &mine.here, [OLD, NEW, NEW]).await.unwrap_err(), Wrong::Current);
    });
}

#[test]
fn a_password_that_will_not_do_changes_nothing() {
    in_sample(async |sample| {
        let mine = enter(&sample, "ada").await;
        for (typed, wrong) in [
            (["guess", NEW, NEW], Wrong::Current),
            ([OLD, NEW, "granite otter"], Wrong::Again),
            ([OLD, OLD, OLD], Wrong::New(Weakness::Unchanged)),
            ([OLD, "short", "short"], Wrong::New(Weakness::TooShort { min: 12 })),
        ] {
            assert_eq!(change(&sample, &mine.here, typed).await.unwrap_err(), wrong, "{typed:?}");
        }
        assert!(at(&sample, &mine.cookie).await.is_some());
    });
}

#[test]
fn guesses_at_the_present_password_are_slowed_down_like_those_at_the_sign_in() {
    in_sample(async |sample| {
        let mine = enter(&sample, "ada").await;
        let mut wrong = Wrong::Current;
        for _ in 0..40 {
            wrong = change(&sample, &mine.here, ["guess", NEW, NEW]).await.unwrap_err();
        }
        assert!(matches!(wrong, Wrong::Throttled(_)), "{wrong:?}");
    });
}

#[test]
fn nobody_ends_what_is_somebody_elses() {
    in_sample(async |sample| {
        let (ada, bob) = (enter(&sample, "ada").await, enter(&sample, "bob").await);
        let (world, origin) = (&sample.world, Origin::default());
        let refused = end_session(world, &bob.here, ada.here.session.id.clone(), &origin).await;
        assert!(matches!(refused, Err(Stop::Refusal(NotFound))));
        assert!(at(&sample, &ada.cookie).await.is_some());
        sample.client("https://app.example/out").await;
        let (user, client) = (ada.here.user.id.clone(), crate::base::id::ClientId::parse("cli_app").unwrap());
        let given = sample
            .write(move |tx| tx.consents().give(&user, &client, &Scope::parse("openid").unwrap(), &Default::default()))
            .await;
        let refused = withdraw(world, &bob.here, given.id.clone(), &origin).await;
        assert!(matches!(refused, Err(Stop::Refusal(NotFound))));
        assert_eq!(consents(world, &ada.here).await.unwrap().len(), 1);
        withdraw(world, &ada.here, given.id, &origin).await.unwrap();
        assert!(consents(world, &ada.here).await.unwrap().is_empty());
    });
}

#[test]
fn one_of_ones_own_sessions_is_ended_from_another() {
    in_sample(async |sample| {
        let (mine, lost) = (enter(&sample, "ada").await, enter(&sample, "ada").await);
        assert_eq!(sessions(&sample.world, &mine.here).await.unwrap()[0].id, mine.here.session.id);
        end_session(&sample.world, &mine.here, lost.here.session.id, &Origin::default()).await.unwrap();
        assert!(at(&sample, &lost.cookie).await.is_none());
        assert_eq!(sessions(&sample.world, &mine.here).await.unwrap().len(), 1);
    });
}
