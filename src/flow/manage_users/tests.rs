//! What an operator may do to people, over a database.

use super::*;
use crate::{
    base::{id::GrantId, id::SessionId, moment::Span},
    flow::{
        follow,
        sample::{Sample, in_sample},
    },
};

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

async fn ada(sample: &Sample, password: Option<&str>) -> Result<User, Stop<Unmet>> {
    let new = NewUser {
        username: "Ada".to_owned(),
        profile: Profile { email: Some("lovelace@example.com".to_owned()), ..Profile::default() },
        password: password.map(secret),
    };
    add(&sample.world, new, Actor::System).await
}

fn unmet<T: fmt::Debug>(outcome: Result<T, Stop<Unmet>>) -> Unmet {
    match outcome.unwrap_err() {
        Stop::Refusal(unmet) => unmet,
        Stop::Fault(fault) => panic!("{fault}"),
    }
}

#[test]
fn a_name_is_taken_whatever_its_case_and_found_by_name_and_identifier() {
    in_sample(async |sample| {
        let added = ada(&sample, Some("violin cello harp drum")).await.unwrap();
        assert_eq!(unmet(ada(&sample, None).await), Unmet::Taken("Ada".to_owned()));
        for named in ["ada", "ADA", added.id.as_str()] {
            assert_eq!(find(&sample.world, named).await.unwrap().id, added.id);
        }
        assert_eq!(unmet(find(&sample.world, "nobody").await), Unmet::Unknown("nobody".to_owned()));
        assert_eq!(list(&sample.world, None, 10).await.unwrap().len(), 1);
        assert_eq!(sample.events().await, ["user.added"]);
    });
}

#[test]
fn a_password_with_what_everybody_knows_of_a_person_is_refused() {
    in_sample(async |sample| {
        for weak in ["short", "lovelace-1815-violin", "passwordpassword"] {
            assert!(matches!(unmet(ada(&sample, Some(weak)).await), Unmet::Weak(_)), "{weak}");
        }
        assert!(sample.events().await.is_empty());
    });
}

/// Whether the session and the grant have ended, and this node knows.
async fn over(sample: &Sample, session: SessionId, grant: GrantId) -> bool {
    let id = grant.clone();
    let (session, row) = sample.write(move |tx| Ok((tx.sessions().find(&session)?, tx.grants().find(&id)?))).await;
    follow::now(&sample.world).await.unwrap();
    let heard = sample.world.revocations.includes("any", Some(&grant));
    session.is_none_or(|session| session.ended_at.is_some()) && row.unwrap().revoked.is_some() && heard
}

#[test]
fn who_is_disabled_is_signed_out_and_nothing_acts_for_them() {
    in_sample(async |sample| {
        let (user, session, grant) = sample.signed_in("https://app.example/logout").await;
        assert!(!over(&sample, session.clone(), grant.clone()).await);
        disable(&sample.world, "ada", Actor::System).await.unwrap();
        assert!(over(&sample, session, grant).await);
        assert!(sample.write(|tx| tx.outbox().any_due(&[])).await);
        assert_eq!(unmet(disable(&sample.world, "ada", Actor::System).await), Unmet::Already("disabled"));
        assert!(enable(&sample.world, user.as_str(), Actor::System).await.unwrap().enabled());
        assert_eq!(unmet(enable(&sample.world, "ada", Actor::System).await), Unmet::Already("enabled"));
        let ended = ["grant.revoked", "session.all_ended", "session.ended"];
        let expected = [&["client.added"][..], &ended, &["user.added", "user.disabled", "user.enabled"]].concat();
        assert_eq!(sample.events().await, expected);
    });
}

#[test]
fn a_new_password_ends_what_the_old_one_began() {
    in_sample(async |sample| {
        let (_, session, grant) = sample.signed_in("https://app.example/logout").await;
        sample.clock.advance(Span::seconds(1));
        set_password(&sample.world, "ada", secret("violin cello harp drum"), Actor::System).await.unwrap();
        assert!(over(&sample, session, grant).await);
        let name = Username::parse("ada").unwrap();
        let stored = sample.write(move |tx| tx.users().find_by_username(&name)).await.unwrap().password.unwrap();
        let typed = Password::parse("violin cello harp drum".to_owned()).unwrap();
        assert!(sample.world.hashing.verify(typed, stored).await.unwrap().matches);
    });
}
