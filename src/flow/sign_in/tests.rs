//! Who signs in over whom, over a database.

use super::*;
use crate::{
    account::user::Profile,
    audit::Actor,
    flow::{
        manage_users::{self, NewUser},
        sample::{Sample, in_sample},
    },
};

const PASSWORD: &str = "violin cello harp drum";

async fn enter(sample: &Sample, name: &str, visit: &Visit) -> Result<SignedIn, Stop<Denied>> {
    let password = Some(Secret::new(PASSWORD.to_owned()));
    let new = NewUser { username: name.to_owned(), profile: Profile::default(), password };
    let _ = manage_users::add(&sample.world, new, Actor::System).await;
    again(sample, name, visit).await
}

async fn again(sample: &Sample, name: &str, visit: &Visit) -> Result<SignedIn, Stop<Denied>> {
    let form = Form { username: name.to_owned(), password: PASSWORD.to_owned(), known: None, agent: None };
    run(&sample.world, (form, None), visit, &Origin::default()).await
}

/// The browser of a visit, with this session's cookie.
fn with(sample: &Sample, visit: &Visit, signed: &SignedIn) -> Visit {
    Visit::new(&sample.world, Some(visit.browser.cookie()), Some(signed.cookie.clone())).unwrap()
}

#[test]
fn the_same_person_goes_on_in_the_same_session_under_a_new_cookie() {
    in_sample(async |sample| {
        let visit = Visit::new(&sample.world, None, None).unwrap();
        let first = enter(&sample, "ada", &visit).await.unwrap();
        let visit = with(&sample, &visit, &first);
        sample.clock.advance(Span::hours(1));
        let second = again(&sample, "ada", &visit).await.unwrap();
        assert_eq!(second.here.session.id, first.here.session.id);
        assert_eq!(second.here.session.auth_time, first.here.session.auth_time + Span::hours(1));
        assert!(visit::session(&sample.world, &visit).await.unwrap().is_none());
        let renewed = visit::session(&sample.world, &with(&sample, &visit, &second)).await.unwrap().unwrap();
        assert_eq!(renewed.session, second.here.session);
    });
}

#[test]
fn another_person_ends_the_session_that_was_here() {
    in_sample(async |sample| {
        let visit = Visit::new(&sample.world, None, None).unwrap();
        let ada = enter(&sample, "ada", &visit).await.unwrap();
        let visit = with(&sample, &visit, &ada);
        let bob = enter(&sample, "bob", &visit).await.unwrap();
        assert_ne!(bob.here.session.id, ada.here.session.id);
        assert!(visit::session(&sample.world, &visit).await.unwrap().is_none());
        assert!(sample.events().await.contains(&"session.ended".to_owned()));
    });
}

#[test]
fn a_password_that_was_changed_while_it_was_checked_opens_nothing() {
    in_sample(async |sample| {
        let visit = Visit::new(&sample.world, None, None).unwrap();
        let user = enter(&sample, "ada", &visit).await.unwrap().here.user;
        let opening = Opening { user, set_at: Some(Moment::EPOCH), rehash: None, agent: None, waiting: None };
        assert!(open(&sample.world, opening, &visit, &Origin::default()).await.unwrap().is_none());
    });
}
