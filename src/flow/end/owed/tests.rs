//! Very many grants, over a database.

use super::*;
use crate::{
    audit::Origin,
    flow::{
        end,
        log_out::{self, Everywhere},
        sample::{Sample, in_sample},
    },
};

/// Adds this many grants like the one there is.
async fn many(sample: &Sample, like: &GrantId, n: u128) {
    let like = like.clone();
    sample
        .write(move |tx| {
            let first = tx.grants().find(&like)?.unwrap().grant;
            (0..n).try_for_each(|n| {
                let id = GrantId::from_u128(1000 + n);
                tx.grants().insert(&crate::oauth::grant::Grant { id, ..first.clone() }, None)
            })
        })
        .await;
}

async fn live(sample: &Sample, n: u128) -> usize {
    let count = move |tx: &mut Tx<'_>| {
        let mut live = 0;
        for n in 0..n {
            let row = tx.grants().find(&GrantId::from_u128(1000 + n))?.unwrap();
            live += usize::from(row.revoked.is_none());
        }
        Ok(live)
    };
    sample.write(count).await
}

#[test]
fn a_sign_out_everywhere_ends_very_many_grants_before_it_says_so() {
    in_sample(async |sample| {
        let (user, _, grant) = sample.signed_in("https://app.example/out").await;
        many(&sample, &grant, 2500).await;
        log_out::everywhere(&sample.world, Everywhere::asked_by(&user), &Origin::default()).await.unwrap();
        assert_eq!(live(&sample, 2500).await, 0);
        let debts = sample.write(|tx| tx.meta().starting_with(PREFIX)).await;
        assert!(debts.is_empty());
        let last = GrantId::from_u128(1000 + 2499);
        assert!(sample.world.revocations.includes("any", Some(&last)), "this node knows at once");
        assert_eq!(
            sample.write(|tx| tx.feed().live()).await.iter().filter(|row| row.id.starts_with("gr_")).count(),
            2501
        );
    });
}

#[test]
fn what_a_crash_left_alive_is_ended_by_whoever_comes_next_but_not_what_is_new() {
    in_sample(async |sample| {
        let (user, session, grant) = sample.signed_in("https://app.example/out").await;
        many(&sample, &grant, 2500).await;
        let by = Actor::Operator("eve: the \"first\"".to_owned());
        let decide =
            move |tx: &mut Tx<'_>| end::grants(tx, By::User(&user), GrantEnd::UserDisabled, &by, &Origin::default());
        assert_eq!(sample.write(decide).await.len(), 1000);
        let left = live(&sample, 2500).await;
        assert!(left >= 1500);
        sample.clock.advance(Span::seconds(11));
        let (like, new) = (grant, GrantId::from_u128(7));
        let added = new.clone();
        sample
            .write(move |tx| {
                let first = tx.grants().find(&like)?.unwrap().grant;
                let created_at = tx.now();
                tx.grants().insert(&crate::oauth::grant::Grant { id: added.clone(), created_at, ..first }, None)
            })
            .await;
        rest(&sample.world).await.unwrap();
        assert_eq!(live(&sample, 2500).await, 0);
        let row = sample.write(move |tx| tx.grants().find(&new)).await.unwrap();
        assert_eq!(row.revoked, None, "what was made long after goes on");
        drop(session);
    });
}

#[test]
fn what_is_owed_is_read_as_it_was_written() {
    let (user, client) = (UserId::from_u128(1), ClientId::parse("cli_app").unwrap());
    let session = SessionId::from_u128(1);
    let by = Actor::User(user.clone());
    let all = [By::User(&user), By::UserClient(&user, &client), By::Client(&client), By::Session(&session)];
    let names: Vec<_> = all
        .into_iter()
        .map(|of| {
            let debt = Debt::new(of, GrantEnd::SignedOut, &by, Moment::from_unix(5));
            let read: Debt = serde_json::from_slice(&serde_json::to_vec(&debt).unwrap()).unwrap();
            assert_eq!(read, debt);
            assert_eq!(format!("{:?}", read.of().unwrap()), format!("{of:?}"));
            debt.name()
        })
        .collect();
    assert!(names.iter().enumerate().all(|(n, name)| !names[..n].contains(name)), "{names:?}");
    for actor in [by, Actor::Client(client), Actor::Operator("a:b".to_owned()), Actor::System] {
        assert_eq!(Actor::parse(&actor.to_string()), Some(actor));
    }
    assert_eq!(Actor::parse("nobody"), None);
}
