//! The keys above all others, over a database: made, opened, refused, rotated.

use super::{
    keks::proof_of,
    rewrap::{self, Done, Progress, Wanted},
    status::status,
    *,
};
use crate::{
    audit::Actor,
    base::{
        digest::base64,
        id::KeyId,
        moment::{ManualClock, Span},
    },
    flow::{
        rotate_keys,
        sample::{BEGIN, Sample, in_sample},
    },
    jose::{
        Alg, SigningKey,
        envelope::{MOST_USES, sealed_under},
    },
    keyring::{KeyRecord, Rotation, State},
    store::{
        sealed::Column,
        signing_keys::{KeyRow, Origin},
    },
};

const FIRST: [u8; 32] = [7; 32];

pub(super) fn keks<const N: usize>(bytes: [u8; N]) -> Keks {
    Keks::new(bytes.map(|byte| Secret::new([byte; 32])))
}

/// The world of a sample has the form before; now its database knows its key, as that of a server does.
async fn before(sample: &Sample) {
    sample.write(|tx| tx.meta().put(PROOF, &proof_of(Kind::Kek, &Secret::new(FIRST)))).await;
}

fn given(keks: Keks) -> Given {
    Given { keks, peppers: Vec::new() }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(BEGIN))
}

async fn rewrap(sample: &Sample, given: Keks, wanted: Wanted) -> Result<Done, Fault> {
    sample.world.secrets.envelope.give(given);
    rewrap::run(&sample.world, wanted, Actor::System, &mut |_| {}).await
}

async fn sealed(sample: &Sample) -> Vec<(String, Vec<u8>)> {
    let rows = sample.write(|tx| tx.signing_keys().list()).await;
    rows.into_iter().map(|row| (row.record.kid.to_string(), row.sealed)).collect()
}

async fn all(sample: &Sample) -> (Vec<KeyVersion>, Vec<(String, Vec<u8>)>) {
    (sample.write(|tx| tx.key_versions().list()).await, sealed(sample).await)
}

#[test]
fn a_database_of_the_release_before_opens_and_what_is_new_in_it_has_its_form() {
    in_sample(async |sample| {
        before(&sample).await;
        let opened = open(&sample.world.store, given(keks([7])), clock()).await.unwrap();
        for (row, value) in sealed(&sample).await {
            assert_eq!(sealed_under(&value), None, "a node of the release before reads it");
            opened.envelope.open(Column::SigningKeys, &row, &value).unwrap();
        }
        assert!(sample.write(|tx| tx.key_versions().list()).await.is_empty());
        assert_eq!(opened.pepper.hash("x"), sample.world.secrets.pepper.hash("x"));
        assert!(opened.forms.matches(sample.world.secrets.forms.expose()));
    });
}

#[test]
fn what_the_release_before_has_written_opens() {
    // Written by that program: its key, its proof and one of its signing keys.
    const KEK: &str = "479811080ec24a14b4bf28a35eabf7975f102c52088d94ddfedb36db70c8ae33";
    const PROVEN: &str = "1B1D638DDBAB8755B5BF8099090B5357A1A44373C5FB6D747FC4EAAF1565965E";
    const KID: &str = "lCMsqCXoZsxurxw-bHgzKnD6kXetVtCWXgb4leHOVdk";
    const SEALED: &str = "01839ECAFD3973CB849C017D9711389A288333632AACA670D889A3D231018701CE0B47DFAFB64096CA4A1C82D5449AB1\
                          5C319B7651A6FE9AF3F71CF822CCBC2985E268ED9CA7D6DB33B5270E37";
    let kek: [u8; 32] = hex(KEK).try_into().unwrap();
    let own = Keks::new([Secret::new(kek)]);
    assert!(own.proven_by(&hex(PROVEN)).is_some());
    let secrets = Secrets::from(&Secret::new(kek), clock());
    let private = secrets.envelope.open(Column::SigningKeys, KID, &hex(SEALED)).unwrap();
    let kid = KeyId::parse(KID).unwrap();
    assert_eq!(SigningKey::name_of(Alg::EdDsa, &private).unwrap(), kid);
    assert!(secrets.envelope.open(Column::SigningKeys, "another", &hex(SEALED)).is_err());
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

#[test]
fn a_new_database_gets_keys_by_chance_and_another_key_changes_nothing_and_hears_which_is_expected() {
    in_sample(async |sample| {
        let store = &sample.world.store;
        let made = open(store, given(keks([1])), clock()).await.unwrap();
        let again = open(store, given(keks([9, 1])), clock()).await.unwrap();
        assert_eq!(made.pepper.hash("x"), again.pepper.hash("x"));
        assert!(made.forms.matches(again.forms.expose()));
        assert!(!made.forms.matches(Secrets::from(&Secret::new([1; 32]), clock()).forms.expose()), "by chance");
        let rows = sample.write(|tx| tx.key_versions().list()).await;
        let told = open(store, given(keks([2])), clock()).await.unwrap_err().to_string();
        assert!(told.contains("version 1 of it") && told.contains("Nothing was changed"), "{told}");
        assert!(told.contains("another key-encryption key") && told.contains("one that is unknown here"), "{told}");
        assert_eq!(sample.write(|tx| tx.key_versions().list()).await, rows);
        // A program that knows only the form before refuses it too.
        let proof = sample.write(|tx| tx.meta().get(PROOF)).await.unwrap();
        assert_ne!(proof, proof_of(Kind::Kek, &Secret::new([1; 32])));
    });
}

#[test]
fn the_key_of_another_database_of_the_form_before_is_told_and_changes_nothing() {
    in_sample(async |sample| {
        before(&sample).await;
        let told = open(&sample.world.store, given(keks([8])), clock()).await.unwrap_err().to_string();
        assert!(told.contains("expects version 1") && told.contains("Nothing was changed"), "{told}");
        let unchanged = all(&sample).await;
        assert!(rewrap(&sample, keks([8]), Wanted::AsNeeded).await.is_err());
        assert_eq!(all(&sample).await, unchanged);
    });
}

#[test]
fn a_rewrap_replaces_the_key_and_nothing_that_was_handed_out_becomes_void() {
    in_sample(async |sample| {
        before(&sample).await;
        let (store, world) = (&sample.world.store, &sample.world);
        let first = open(store, given(keks([7])), clock()).await.unwrap();
        let values = sealed(&sample).await;
        let done = rewrap(&sample, keks([8, 7]), Wanted::AsNeeded).await.unwrap();
        assert_eq!((done.kek_before, done.kek, done.data_key, done.moved), (1, 2, 2, 2));
        // The old key alone opens nothing now, and says which is needed; the new one is enough.
        let told = open(store, given(keks([7])), clock()).await.unwrap_err().to_string();
        assert!(told.contains("version 2 of it") && told.contains("given is version 1"), "{told}");
        let second = open(store, given(keks([8])), clock()).await.unwrap();
        assert_eq!(first.pepper.hash("x"), second.pepper.hash("x"));
        assert!(first.forms.matches(second.forms.expose()));
        for ((row, before), (_, after)) in values.iter().zip(sealed(&sample).await) {
            assert_eq!(sealed_under(&after), Some(2));
            let (a, b) = (
                first.envelope.open(Column::SigningKeys, row, before),
                second.envelope.open(Column::SigningKeys, row, &after),
            );
            assert_eq!(a.unwrap().expose(), b.unwrap().expose());
        }
        // The running world reads its keys again, and makes new ones under the new data key.
        rotate_keys::reload(world).await.unwrap();
        rotate_keys::run(world, Rotation::Requested, Actor::System).await.unwrap();
        assert!(sealed(&sample).await.iter().all(|(_, value)| sealed_under(value) == Some(2)));
        assert_eq!(status(world).await.unwrap().waiting(), 0);
        // Done twice it does nothing.
        let again = rewrap(&sample, keks([8]), Wanted::AsNeeded).await.unwrap();
        assert_eq!((again.kek_before, again.kek, again.moved), (2, 2, 0));
        let told = rewrap(&sample, keks([7, 8]), Wanted::AsNeeded).await.unwrap_err().to_string();
        assert!(told.contains("version 1") && told.contains("Nothing was changed"), "{told}");
    });
}

#[test]
fn a_rewrap_that_was_cut_off_goes_on_where_it_was_and_both_keys_open_meanwhile() {
    in_sample(async |sample| {
        before(&sample).await;
        fill(&sample, 250).await;
        let mut seen = Vec::new();
        sample.world.secrets.envelope.give(keks([8, 7]));
        let mut stop_after_one = |progress: Progress| seen.push(progress);
        let whole = rewrap::run(&sample.world, Wanted::AsNeeded, Actor::System, &mut stop_after_one);
        // Dropped after the first batch: as killed.
        let cut = tokio::time::timeout(std::time::Duration::ZERO, whole).await;
        let _ = cut;
        let opened = open(&sample.world.store, given(keks([8, 7])), clock()).await.unwrap();
        for (row, value) in sealed(&sample).await {
            opened.envelope.open(Column::SigningKeys, &row, &value).unwrap();
        }
        let done = rewrap(&sample, keks([8, 7]), Wanted::AsNeeded).await.unwrap();
        assert_eq!(done.kek, 2);
        assert!(sealed(&sample).await.iter().all(|(_, value)| sealed_under(value) == Some(done.data_key)));
        let status = status(&sample.world).await.unwrap();
        assert_eq!(status.values, [(Column::SigningKeys, Some(done.data_key), 252)]);
        assert_eq!(status.waiting(), 0);
    });
}

/// Rows of keys that are gone but for their sealed halves: a rewrap does not ask what a value is.
async fn fill(sample: &Sample, n: i32) {
    let envelope = sample.world.secrets.envelope.clone();
    sample
        .write(move |tx| {
            for epoch in 100..100 + n {
                let kid = KeyId::parse(&format!("filler-{epoch:05}")).unwrap();
                let sealed = envelope.seal(tx, Column::SigningKeys, kid.as_str(), b"a private half")?;
                let (created_at, known_at, state) = (tx.now(), tx.now(), State::Gone);
                let record =
                    KeyRecord { kid, alg: Alg::Rs256.into(), epoch, created_at, known_at, signed_at: None, state };
                let (public, origin) = (serde_json::json!({}), Origin::Made);
                let row = KeyRow { record, sealed, outside: None, public, origin, revoked: None, standing: None };
                assert!(tx.signing_keys().insert(&row)?);
            }
            Ok(())
        })
        .await;
}

#[test]
fn a_ciphertext_moved_to_another_row_does_not_open_and_a_rewrap_says_so_and_leaves_it() {
    in_sample(async |sample| {
        before(&sample).await;
        rewrap(&sample, keks([7]), Wanted::AsNeeded).await.unwrap();
        let rows = sealed(&sample).await;
        let (from, to) = (rows[0].clone(), rows[1].clone());
        let opened = open(&sample.world.store, given(keks([7])), clock()).await.unwrap();
        assert!(opened.envelope.open(Column::SigningKeys, &to.0, &from.1).is_err());
        let (row, stolen) = (to.0.clone(), from.1.clone());
        assert!(sample.write(move |tx| tx.sealed().replace(Column::SigningKeys, &row, &to.1, &stolen)).await);
        assert!(rotate_keys::reload(&sample.world).await.is_err());
        let done = rewrap(&sample, keks([7]), Wanted::NewDataKey).await.unwrap();
        assert_eq!((done.moved, done.stuck), (1, vec![format!("signing_keys {}", to.0)]));
        let left = sealed(&sample).await;
        assert_eq!(left.iter().find(|(row, _)| *row == to.0).unwrap().1, from.1, "as it was");
    });
}

#[test]
fn a_data_key_is_followed_by_another_long_before_it_has_sealed_2_to_the_32_values() {
    in_sample(async |sample| {
        before(&sample).await;
        rewrap(&sample, keks([7]), Wanted::AsNeeded).await.unwrap();
        let spend = |n: i64| move |tx: &mut Tx<'_>| tx.key_versions().spend(Kind::Data, 1, n, MOST_USES);
        assert!(sample.write(spend(MOST_USES / 2)).await);
        fill(&sample, 1).await;
        let filler = sealed(&sample).await.into_iter().find(|(row, _)| row.starts_with("filler")).unwrap();
        assert_eq!(sealed_under(&filler.1), Some(2));
        assert!(!sample.write(spend(MOST_USES)).await, "more than it may have");
        let uses = sample.write(|tx| tx.key_versions().list()).await;
        assert!(uses.iter().all(|row| row.uses <= MOST_USES));
    });
}

#[test]
fn an_empty_data_key_is_dropped_a_day_after_it_was_replaced() {
    in_sample(async |sample| {
        before(&sample).await;
        rewrap(&sample, keks([7]), Wanted::AsNeeded).await.unwrap();
        let done = rewrap(&sample, keks([7]), Wanted::NewDataKey).await.unwrap();
        assert_eq!((done.data_key, done.dropped), (2, vec![]));
        sample.clock.advance(Span::days(1) + Span::seconds(1));
        let done = rewrap(&sample, keks([7]), Wanted::AsNeeded).await.unwrap();
        assert_eq!(done.dropped, [1]);
        open(&sample.world.store, given(keks([7])), clock()).await.unwrap();
    });
}

#[test]
fn events_and_rows_hold_no_key() {
    in_sample(async |sample| {
        before(&sample).await;
        rewrap(&sample, keks([8, 7]), Wanted::AsNeeded).await.unwrap();
        let events = sample.events().await;
        for kind in ["secret.data_key_made", "secret.kek_replaced", "secret.rewrapped"] {
            assert!(events.iter().any(|event| event == kind), "{events:?}");
        }
        let rows = sample.write(|tx| tx.key_versions().list()).await;
        for row in rows {
            let bytes = [row.sealed, row.proof].concat();
            for key in [[7u8; 32], [8; 32]] {
                assert!(!bytes.windows(32).any(|part| part == key), "{}", base64(&bytes));
            }
        }
    });
}

#[test]
fn a_key_that_was_made_while_the_one_above_it_was_replaced_is_sealed_anew_by_the_next_rewrap() {
    in_sample(async |sample| {
        before(&sample).await;
        rewrap(&sample, keks([7]), Wanted::AsNeeded).await.unwrap();
        rewrap(&sample, keks([8, 7]), Wanted::AsNeeded).await.unwrap();
        // By somebody who had read before what they were to seal it under.
        let add = |tx: &mut Tx<'_>| {
            let rows = tx.key_versions().list()?;
            let older = rows.iter().find(|row| row.kind == Kind::Kek && row.version == 1).unwrap();
            let now = tx.now();
            made::add(tx, &keks([8, 7]), older, (Kind::Data, 3), (&Secret::new([5; 32]), now))
        };
        sample.write(add).await;
        let done = rewrap(&sample, keks([8, 7]), Wanted::AsNeeded).await.unwrap();
        assert_eq!((done.kek, done.data_key), (2, 3));
        open(&sample.world.store, given(keks([8])), clock()).await.unwrap();
    });
}

#[test]
fn what_is_taken_in_hand_at_once_is_all_in_hand_afterwards() {
    in_sample(async |sample| {
        before(&sample).await;
        rewrap(&sample, keks([7]), Wanted::NewDataKey).await.unwrap();
        let rows = sample.write(|tx| tx.key_versions().list()).await;
        let root = Secret::new([7; 32]);
        for _ in 0..2000 {
            let envelope = Envelope::held(&[], keks([7]), &root).unwrap();
            let both = std::sync::Barrier::new(2);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    both.wait();
                    envelope.take(&rows).unwrap();
                });
                both.wait();
                envelope.give(keks([8, 7]));
            });
            assert_eq!(envelope.keks().newest().unwrap(), keks([8]).newest().unwrap());
            assert!(envelope.holds_all(&rows));
        }
    });
}
