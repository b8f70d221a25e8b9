//! The life of signing keys over a database.

use super::{in_hand::open, *};
use crate::{base::moment::Span, flow::sample::in_sample, keyring::Uses, store::sealed::Column};

fn states(world: &World) -> Vec<(&'static str, &'static str)> {
    world.keyring.load().records().map(|key| (key.alg.name(), key.state.name())).collect()
}

#[test]
fn a_world_begins_with_what_is_cheap_and_makes_the_rest_when_it_is_needed() {
    in_sample(async |sample| {
        let world = &sample.world;
        assert_eq!(states(world), [("ES256", "active"), ("EdDSA", "active")]);
        ensure(world, Alg::Rs256).await.unwrap();
        ensure(world, Alg::Rs256).await.unwrap();
        assert_eq!(states(world)[2..], [("RS256", "active")]);
        // Once made it is needed for good: a sweep does not abandon it.
        assert!(run(world, Rotation::OnSchedule, Actor::System).await.unwrap().is_empty());
        assert_eq!(sample.events().await, ["key.created"]);
    });
}

#[test]
fn a_rotation_publishes_first_signs_later_and_forgets_last() {
    in_sample(async |sample| {
        let world = &sample.world;
        let first = world.keyring.load().signer(Alg::Es256).unwrap().kid().clone();
        sample.clock.advance(Span::seconds(1));
        let asked = run(world, Rotation::Requested, Actor::System).await.unwrap();
        assert_eq!(asked.len(), 2);
        assert_eq!(world.keyring.load().signer(Alg::Es256).unwrap().kid(), &first);
        sample.clock.advance(Span::hours(1));
        run(world, Rotation::OnSchedule, Actor::System).await.unwrap();
        let second = world.keyring.load().signer(Alg::Es256).unwrap().kid().clone();
        assert_ne!(first, second);
        assert!(world.keyring.load().jwks().contains(first.as_str()));
        // The longest token that may be out lives for an hour.
        sample.clock.advance(Span::hours(1));
        run(world, Rotation::OnSchedule, Actor::System).await.unwrap();
        assert!(world.keyring.load().jwks().contains(first.as_str()));
        sample.clock.advance(Span::minutes(5));
        run(world, Rotation::OnSchedule, Actor::System).await.unwrap();
        assert!(!world.keyring.load().jwks().contains(first.as_str()));
        let rows = sample.write(|tx| tx.signing_keys().list()).await;
        let gone: Vec<_> = rows.iter().filter(|row| row.record.state == State::Gone).collect();
        assert_eq!(gone.len(), 2);
        assert!(gone.iter().all(|row| row.sealed.is_empty()));
        assert_eq!(sample.events().await.iter().filter(|kind| *kind == "key.deleted").count(), 2);
    });
}

#[test]
fn of_two_that_rotate_at_once_one_finds_nothing_to_do() {
    in_sample(async |sample| {
        sample.clock.advance(Span::seconds(1));
        let ask = |world: Arc<World>| {
            tokio::spawn(async move { run(&world, Rotation::Requested, Actor::System).await.unwrap().len() })
        };
        let (a, b) = (ask(Arc::clone(&sample.world)), ask(Arc::clone(&sample.world)));
        assert_eq!(a.await.unwrap() + b.await.unwrap(), 2);
        assert_eq!(sample.events().await, ["key.created", "key.created"]);
    });
}

#[test]
fn a_private_half_opens_only_in_its_own_row() {
    in_sample(async |sample| {
        let mut rows = sample.write(|tx| tx.signing_keys().list()).await;
        let sealed = rows[1].sealed.clone();
        rows[0].sealed = sealed;
        assert!(open(&sample.world.secrets.envelope, &rows[0], Uses::default()).is_err());
        assert!(open(&sample.world.secrets.envelope, &rows[1], Uses::default()).is_ok());
    });
}

#[test]
fn a_node_that_cannot_read_what_is_new_drops_a_key_that_was_revoked_all_the_same() {
    in_sample(async |sample| {
        let world = &sample.world;
        let signer = |alg| world.keyring.load().signer(alg).map(|key| key.kid().clone());
        let (leaked, other) = (signer(Alg::Es256).unwrap(), signer(Alg::EdDsa).unwrap());
        // As another node leaves it that has a key-encryption key which this one was not given.
        let (kid, spoilt) = (leaked.clone(), other.clone());
        let write = move |tx: &mut Tx<'_>| {
            let rows = tx.signing_keys().list()?;
            let before = &rows.iter().find(|row| row.record.kid == spoilt).unwrap().sealed;
            assert!(tx.sealed().replace(Column::SigningKeys, spoilt.as_str(), before, b"under another key")?);
            tx.signing_keys().revoke(&kid, "it leaked")
        };
        sample.write(write).await;
        // Told of as what may pass: whoever wanted a token may come again.
        assert_eq!(reload(world).await.unwrap_err().kind(), FaultKind::Unavailable);
        let keyring = world.keyring.load_full();
        assert!(!keyring.jwks().contains(leaked.as_str()) && !keyring.keys().names(leaked.as_str()));
        assert!(signer(Alg::Es256).is_none(), "nothing is signed with it");
        assert_eq!(signer(Alg::EdDsa), Some(other), "what is in hand and stands goes on");
    });
}

#[test]
fn a_clock_that_cannot_be_right_makes_and_ends_no_key() {
    in_sample(async |sample| {
        let world = &sample.world;
        sample.clock.advance(Span::seconds(1));
        run(world, Rotation::Requested, Actor::System).await.unwrap();
        let before = sample.write(|tx| tx.signing_keys().list()).await;
        // A machine without a battery begins in 1970. What it made would sign at once on the others: it is old there.
        let years = world.now().since(Moment::EPOCH + Span::days(1));
        sample.clock.advance(Span::micros(-years.as_micros()));
        assert!(run(world, Rotation::OnSchedule, Actor::System).await.is_err());
        assert!(sample.write(|tx| tx.signing_keys().list()).await == before);
        sample.clock.advance(years);
        assert!(run(world, Rotation::OnSchedule, Actor::System).await.unwrap().is_empty());
    });
}

#[test]
fn keys_that_others_encrypt_for_are_made_when_the_settings_want_them_and_sealed_like_the_others() {
    in_sample(async |sample| {
        let world = &sample.world;
        let mut policy = world.policy.load().as_ref().clone();
        policy.keys.encryption = vec![crate::jose::KeyManagement::EcdhEs];
        world.policy.store(Arc::new(policy.clone()));
        policy_changed(world).await.unwrap();
        assert_eq!(states(world)[2..], [("ECDH-ES", "active")]);
        let rows = sample.write(|tx| tx.signing_keys().list()).await;
        let row = rows.iter().find(|row| !row.record.alg.signs()).unwrap();
        assert_eq!(row.sealed.first(), rows[0].sealed.first(), "in the same form as those that sign");
        assert!(open(&world.secrets.envelope, row, Uses::default()).is_ok());
        assert!(!row.public.to_string().contains("\"d\""));
        sample.clock.advance(Span::seconds(1));
        assert_eq!(run(world, Rotation::Requested, Actor::System).await.unwrap().len(), 3);
        let published = |world: &World| world.keyring.load().jwks().matches("\"enc\"").count();
        assert_eq!((states(world).len(), published(world)), (6, 1));
        policy.keys.encryption.clear();
        world.policy.store(Arc::new(policy));
        policy_changed(world).await.unwrap();
        assert_eq!(published(world), 1);
        run(world, Rotation::Requested, Actor::System).await.unwrap();
        assert_eq!(published(world), 0);
        let both: Vec<_> = states(world).into_iter().filter(|(alg, _)| *alg == "ECDH-ES").collect();
        assert_eq!(both, [("ECDH-ES", "retiring")], "the one that waited is gone");
    });
}
