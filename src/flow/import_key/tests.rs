//! Keys from elsewhere, over a database.

use super::*;
use crate::flow::{
    revoke_key,
    sample::{Sample, in_sample},
};

fn key(alg: Alg) -> Import {
    Import { private: SigningKey::generate(alg).unwrap(), alg, kid: KeyId::parse("old-1"), retiring_until: None }
}

fn state(sample: &Sample, kid: &str) -> Option<&'static str> {
    let keyring = sample.world.keyring.load();
    keyring.records().find(|key| key.kid.as_str() == kid).map(|key| key.state.name())
}

fn signer(sample: &Sample, alg: Alg) -> Option<KeyId> {
    sample.world.keyring.load().signer(alg).map(|key| key.kid().clone())
}

async fn sweep(sample: &Sample) {
    rotate_keys::run(&sample.world, Rotation::OnSchedule, Actor::System).await.unwrap();
}

#[test]
fn it_is_published_first_and_signs_when_everybody_can_know_it() {
    in_sample(async |sample| {
        let before = signer(&sample, Alg::Es256);
        assert_eq!(run(&sample.world, key(Alg::Es256), Actor::System).await.unwrap().as_str(), "old-1");
        assert_eq!((state(&sample, "old-1"), signer(&sample, Alg::Es256)), (Some("pending"), before.clone()));
        assert!(sample.world.keyring.load().jwks().contains("old-1"));
        sample.clock.advance(Span::minutes(59));
        sweep(&sample).await;
        assert_eq!(signer(&sample, Alg::Es256), before);
        sample.clock.advance(Span::minutes(1));
        sweep(&sample).await;
        assert_eq!(signer(&sample, Alg::Es256).unwrap().as_str(), "old-1");
        assert!(sample.events().await.contains(&"key.imported".to_owned()));
    });
}

#[test]
fn the_first_of_its_algorithm_waits_too_unless_somebody_needs_it() {
    in_sample(async |sample| {
        run(&sample.world, key(Alg::Es384), Actor::System).await.unwrap();
        sweep(&sample).await;
        assert_eq!((state(&sample, "old-1"), signer(&sample, Alg::Es384)), (Some("pending"), None));
        rotate_keys::ensure(&sample.world, Alg::Es384).await.unwrap();
        assert_eq!(signer(&sample, Alg::Es384).unwrap().as_str(), "old-1");
    });
    in_sample(async |sample| {
        run(&sample.world, key(Alg::Es384), Actor::System).await.unwrap();
        sample.clock.advance(Span::hours(1));
        sweep(&sample).await;
        assert_eq!(signer(&sample, Alg::Es384).unwrap().as_str(), "old-1");
    });
}

#[test]
fn one_that_only_verifies_is_published_until_then_and_never_signs() {
    in_sample(async |sample| {
        let until = sample.world.now() + Span::hours(3);
        let one = Import { retiring_until: Some(until), ..key(Alg::Es384) };
        run(&sample.world, one, Actor::System).await.unwrap();
        sample.clock.advance(Span::hours(2));
        sweep(&sample).await;
        assert_eq!((state(&sample, "old-1"), signer(&sample, Alg::Es384)), (Some("retiring"), None));
        sample.clock.advance(Span::hours(1));
        sweep(&sample).await;
        assert_eq!(state(&sample, "old-1"), None);
        let over = Import { retiring_until: Some(until), ..key(Alg::Es256) };
        let refused = run(&sample.world, Import { kid: None, ..over }, Actor::System).await.unwrap_err();
        assert!(matches!(refused, Stop::Refusal(NotImported::BadEnd)));
    });
}

#[test]
fn a_name_is_taken_once_and_a_key_that_was_revoked_does_not_come_back() {
    in_sample(async |sample| {
        let (world, one) = (&sample.world, key(Alg::Es256));
        run(world, one.clone(), Actor::System).await.unwrap();
        let other = run(world, key(Alg::Es256), Actor::System).await.unwrap_err();
        assert!(matches!(other, Stop::Refusal(NotImported::Taken(_))));
        revoke_key::run(world, &KeyId::parse("old-1").unwrap(), "leaked", Actor::System).await.unwrap();
        let again = run(world, Import { kid: KeyId::parse("new-name"), ..one }, Actor::System).await.unwrap_err();
        assert!(matches!(again, Stop::Refusal(NotImported::Known(kid)) if kid.as_str() == "old-1"));
    });
}
