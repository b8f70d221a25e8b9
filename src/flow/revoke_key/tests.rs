//! A key that has to go now, over a database.

use super::*;
use crate::{
    audit::{Event, Origin},
    base::{id::ClientId, moment::Span, scope::Scope},
    flow::sample::{Sample, in_sample},
    jose::{Alg, Audience, Profile, Typ, verify},
};
use serde_json::json;

fn signer(world: &World) -> KeyId {
    world.keyring.load().signer(Alg::Es256).unwrap().kid().clone()
}

/// An event as the token endpoint notes it.
async fn issued(sample: &Sample, client: &str, user: Option<&UserId>, jti: &str) {
    let event = Event::TokensIssued {
        client: ClientId::parse(client).unwrap(),
        user: user.cloned(),
        grant: None,
        grant_type: "client_credentials",
        scope: Scope::parse("read").unwrap(),
        audience: Vec::new(),
        jti: jti.to_owned(),
        kid: signer(&sample.world),
        also: Default::default(),
    };
    sample.world.note(&Origin::default(), event);
    crate::flow::sweep::flush(&sample.world).await.unwrap();
}

#[test]
fn a_revoked_key_verifies_nothing_and_another_signs_at_once() {
    in_sample(async |sample| {
        let world = &sample.world;
        let first = signer(world);
        let claims = json!({
            "iss": "https://id.example", "sub": "a", "aud": "x", "exp": world.now().unix() + 60,
            "iat": world.now().unix(), "jti": "j", "client_id": "c",
        });
        let token = world.keyring.load().signer(Alg::Es256).unwrap().sign(Typ::AccessToken, &claims).unwrap();
        let issuer = world.policy.load().tokens.issuer.clone();
        let profile = Profile::access_token(&issuer, Audience::Judged);
        let good = || verify(&profile, world.keyring.load().keys(), &token, world.now()).is_ok();
        assert!(good());
        let revoked = run(world, &first, "it was in a ticket", Actor::System).await.unwrap();
        assert!(!good());
        assert_eq!(revoked.done, Done::Now);
        assert_eq!(revoked.successor, Some(signer(world)));
        assert_ne!(signer(world), first);
        assert!(!world.keyring.load().jwks().contains(first.as_str()));
        let report = report(world, &revoked).await.unwrap();
        assert_eq!((report.signed, report.seen), (1, 2), "also the one that was refused names it");
        // Its private half is wiped, and once more changes nothing, not even the reason.
        let again = run(world, &first, "another", Actor::System).await.unwrap();
        assert_eq!((again.done, again.reason.as_str(), again.at), (Done::Before, "it was in a ticket", revoked.at));
        let rows = sample.write(|tx| tx.signing_keys().list()).await;
        assert!(rows.iter().find(|row| row.record.kid == first).unwrap().sealed.is_empty());
        assert_eq!(sample.events().await, ["key.created", "key.revoked"]);
    });
}

#[test]
fn a_published_successor_takes_over_and_what_is_not_there_is_said_so() {
    in_sample(async |sample| {
        let world = &sample.world;
        sample.clock.advance(Span::seconds(1));
        rotate_keys::run(world, crate::keyring::Rotation::Requested, Actor::System).await.unwrap();
        let first = signer(world);
        let records: Vec<_> = world.keyring.load().records().cloned().collect();
        let pending = records.iter().find(|key| key.alg == Alg::Es256 && key.state == State::Pending).unwrap();
        let revoked = run(world, &first, "leaked", Actor::System).await.unwrap();
        assert_eq!(revoked.successor.as_ref(), Some(&pending.kid));
        let unknown = run(world, &KeyId::parse("nothing").unwrap(), "x", Actor::System).await.unwrap_err();
        assert!(matches!(unknown, Stop::Refusal(NotRevoked::Unknown)));
        // One whose time was over is no longer anybody's to revoke.
        let gone = pending.kid.clone();
        sample.write(move |tx| tx.signing_keys().set_state(&gone, State::Gone, "its time was over")).await;
        let over = run(world, &pending.kid, "x", Actor::System).await.unwrap_err();
        assert!(matches!(over, Stop::Refusal(NotRevoked::GoneBefore)));
    });
}

#[test]
fn the_report_counts_tokens_that_had_not_expired_and_whose_they_are() {
    in_sample(async |sample| {
        let (user, _, _) = sample.signed_in("http://127.0.0.1:9/").await;
        issued(&sample, "cli_app", None, "old").await;
        sample.clock.advance(Span::minutes(4));
        issued(&sample, "cli_app", Some(&user), "a").await;
        issued(&sample, "cli_app", None, "b").await;
        sample.world.note(&Origin::default(), Event::ChallengeReused { client: ClientId::parse("c").unwrap() });
        // Within a second of the one before, and so in the same event.
        issued(&sample, "cli_other", None, "c").await;
        sample.clock.advance(Span::minutes(1));
        let revoked = run(&sample.world, &signer(&sample.world), "leaked", Actor::System).await.unwrap();
        let touched = report(&sample.world, &revoked).await.unwrap().touched;
        assert_eq!(touched.tokens, 3, "the first has expired");
        assert_eq!(touched.clients.len(), 2);
        assert_eq!(touched.people, [user].into());
        assert_eq!(touched.until, Some(sample.world.now() + Span::minutes(4)));
    });
}

#[test]
fn everybody_is_signed_out_by_choice_and_applications_are_told() {
    in_sample(async |sample| {
        let (user, session, grant) = sample.signed_in("http://127.0.0.1:9/").await;
        let out = sign_out(&sample.world).await.unwrap();
        assert_eq!(out, SignedOut { people: 1, sessions: 1 });
        assert_eq!(sign_out(&sample.world).await.unwrap(), SignedOut::default());
        let ended = sample.write(move |tx| Ok((tx.sessions().find(&session)?, tx.grants().find(&grant)?))).await;
        assert!(ended.0.unwrap().ended_at.is_some());
        assert!(ended.1.unwrap().revoked.is_some());
        assert!(sample.write(move |tx| tx.sessions().list_live(&user)).await.is_empty());
    });
}
