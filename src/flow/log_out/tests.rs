//! What ends with a session, over a database.

use super::*;
use crate::{
    base::moment::Span,
    flow::sample::{BEGIN, Sample, in_sample},
    oauth::grant::Code,
};

/// Who is here, the grant that they gave, and a code that nobody has used yet.
async fn here(sample: &Sample) -> (Here, GrantId) {
    let (user, session, grant) = sample.signed_in("https://app.example/out").await;
    let (hash, id) = (sample.world.secrets.pepper.hash("a code"), grant.clone());
    let here = sample
        .write(move |tx| {
            let granted = tx.grants().find(&id)?.unwrap().grant.granted;
            let code = Code {
                granted,
                redirect_uri: "https://app.example/cb".to_owned(),
                redirect_uri_was_sent: true,
                challenge: String::new(),
                expires_at: BEGIN + Span::seconds(60),
            };
            tx.codes().add(&hash, &code)?;
            Ok(Here { session: tx.sessions().find(&session)?.unwrap(), user: tx.users().find(&user)?.unwrap() })
        })
        .await;
    (here, grant)
}

/// Whether session, grant, code and everybody's belief in its access tokens are gone, and how many are to be told.
async fn left(sample: &Sample, here: &Here, grant: &GrantId) -> (bool, usize) {
    let (session, id, hash) = (here.session.id.clone(), grant.clone(), sample.world.secrets.pepper.hash("a code"));
    let (ended, told) = sample
        .write(move |tx| {
            let session = tx.sessions().find(&session)?.unwrap().ended_at.is_some();
            let grant = tx.grants().find(&id)?.unwrap().revoked.is_some();
            let code = tx.codes().find(&hash)?.is_none();
            let told = tx.outbox().claim_due(10, &[], Span::minutes(1))?.len();
            Ok((session && grant && code, told))
        })
        .await;
    (ended && sample.world.revocations.includes("any", Some(grant)), told)
}

#[test]
fn with_a_session_end_its_grants_and_codes_and_the_client_is_to_be_told() {
    in_sample(async |sample| {
        let (here, grant) = here(&sample).await;
        session(&sample.world, &here, SignOutKind::Page, &Origin::default()).await.unwrap();
        assert_eq!(left(&sample, &here, &grant).await, (true, 1));
        session(&sample.world, &here, SignOutKind::Page, &Origin::default()).await.unwrap();
        let events = sample.events().await;
        assert_eq!(events.iter().filter(|kind| *kind == "session.ended").count(), 1);
        assert!(events.contains(&"grant.revoked".to_owned()));
    });
}

#[test]
fn everywhere_is_everything_and_is_told_once() {
    in_sample(async |sample| {
        let (here, grant) = here(&sample).await;
        let ending = Everywhere::asked_by(&here.user.id);
        everywhere(&sample.world, ending.clone(), &Origin::default()).await.unwrap();
        assert_eq!(left(&sample, &here, &grant).await, (true, 1));
        everywhere(&sample.world, ending, &Origin::default()).await.unwrap();
        assert_eq!(sample.events().await.iter().filter(|kind| *kind == "session.all_ended").count(), 1);
    });
}

#[test]
fn a_session_that_is_kept_goes_on_but_what_was_granted_in_it_does_not() {
    in_sample(async |sample| {
        let (here, grant) = here(&sample).await;
        let ending = Everywhere { keep: Some(here.session.id.clone()), ..Everywhere::asked_by(&here.user.id) };
        everywhere(&sample.world, ending, &Origin::default()).await.unwrap();
        let (session, id) = (here.session.id.clone(), grant.clone());
        let (session, row) = sample.write(move |tx| Ok((tx.sessions().find(&session)?, tx.grants().find(&id)?))).await;
        assert!(session.unwrap().ended_at.is_none() && row.unwrap().revoked.is_some());
    });
}
