//! Keys that are not in memory, when many come at once: those that are there are found, however many; those that are not
//! are looked for a few times.

use super::*;
use crate::{apikey::text::KeyText, flow::api_keys::ask, oauth::engine::Ended};
use std::sync::Arc;
use tokio::task::JoinSet;

/// What is said to each of these calls, which are all made from one address before the first is answered.
async fn at_once(sample: &Sample, api: &Api, texts: impl Iterator<Item = String>) -> Vec<Verdict> {
    let mut all = JoinSet::new();
    for text in texts {
        let (world, api) = (Arc::clone(&sample.world), api.id.clone());
        all.spawn(async move {
            let call = Call { address: Some("203.0.113.9"), ..Call::new(&api, world.now()) };
            verify::run(&world, &text, &call, Mode::Real, &Origin::default()).await.unwrap()
        });
    }
    all.join_all().await
}

fn codes(verdicts: &[Verdict], code: &str) -> usize {
    verdicts.iter().filter(|verdict| verdict.code() == code).count()
}

fn no_key(sample: &Sample) -> String {
    let text = KeyText::mint("kw", "live", sample.world.api_keys.random_length, &*sample.world.dice).unwrap();
    text.text().expose().clone()
}

#[test]
fn of_many_calls_with_one_key_that_is_not_in_memory_none_is_refused() {
    in_sample(async |sample| {
        let api = api(&sample, limits(1_000_000, 1_000_000)).await;
        let key = made(&sample, json!({})).await;
        for _ in 0..2 {
            let verdicts = at_once(&sample, &api, (0..300).map(|_| key.text.expose().clone())).await;
            assert_eq!(codes(&verdicts, "ok"), 300);
            sample.world.api_keys.directory.forget_all();
        }
        assert_eq!(codes(&at_once(&sample, &api, std::iter::once(no_key(&sample))).await, "invalid_key"), 1);
    });
}

#[test]
fn of_many_keys_of_one_address_that_are_not_in_memory_none_is_refused() {
    in_sample(async |sample| {
        let api = api(&sample, limits(1_000_000, 1_000_000)).await;
        let mut texts = Vec::new();
        for _ in 0..150 {
            texts.push(made(&sample, json!({})).await.text.expose().clone());
        }
        for nodes in [1, 50] {
            sample.world.counters.nodes_alive(nodes);
            sample.world.api_keys.directory.forget_all();
            assert_eq!(codes(&at_once(&sample, &api, texts.iter().cloned()).await, "ok"), 150, "{nodes}");
        }
    });
}

#[test]
fn of_many_texts_at_once_that_are_no_keys_some_sixty_are_looked_for_and_of_one_that_is_in_memory_nothing_is_asked() {
    in_sample(async |sample| {
        let api = api(&sample, limits(1_000_000, 1_000_000)).await;
        let [known, unknown] = [made(&sample, json!({})).await, made(&sample, json!({})).await];
        assert_eq!(called(&sample, &api, known.text.expose()).await.code(), "ok");
        let guesses: Vec<String> = (0..300).map(|_| no_key(&sample)).collect();
        let verdicts = at_once(&sample, &api, guesses.into_iter()).await;
        let looked_for = codes(&verdicts, "invalid_key");
        assert!((60..=67).contains(&looked_for), "{looked_for}");
        assert_eq!(codes(&verdicts, "rate_limited"), 300 - looked_for);
        // The same address, and one that has not guessed.
        assert_eq!(called(&sample, &api, known.text.expose()).await.code(), "ok");
        assert_eq!(called(&sample, &api, unknown.text.expose()).await.code(), "rate_limited");
        let call = Call { address: Some("203.0.113.10"), ..Call::new(&api.id, sample.world.now()) };
        let verdict = verify::run(&sample.world, unknown.text.expose(), &call, Mode::Real, &Origin::default()).await;
        assert_eq!(verdict.unwrap().code(), "ok");
    });
}

#[test]
fn whoever_is_not_looked_for_is_told_to_come_again_and_not_that_they_have_no_key() {
    in_sample(async |sample| {
        api(&sample, limits(1_000_000, 1_000_000)).await;
        let mut wish = wish(json!({}));
        (wish.wanted.kind, wish.wanted.scope) = (Kind::Verifier, Scope::default());
        let key = create(&sample.world, Caller::Operator, wish, done()).await.unwrap();
        let origin = Origin { address: "203.0.113.9".parse().ok(), ..Origin::default() };
        let asks = async |text: &str| ask::asker(&sample.world, None, Some(text), &origin).await;
        let limit = async |text: &str| match asks(text).await {
            Err(Ended::Refusal(refusal)) => refusal.limit.map(|limit| *limit),
            other => panic!("{other:?}"),
        };
        for _ in 0..60 {
            assert_eq!(limit(&no_key(&sample)).await, None, "invalid_client");
        }
        let told = limit(key.text.expose()).await.unwrap();
        assert_eq!((told.policy, told.wait), ("guesses", Span::millis(500)));
        sample.clock.advance(told.wait);
        assert!(asks(key.text.expose()).await.is_ok());
    });
}
