//! Keys from their making to their end, against a database.

use super::{
    apis::{self, ApiSpec, Done, PlanSpec},
    create::{Create, Created, create},
    life,
    refused::Refused,
    slices, upkeep, usage,
    verify::{self, Mode, Verdict},
};
use crate::{
    apikey::{
        access::Caller,
        api::{Api, Settings},
        call::Call,
        create::{Ending, From},
        family::Owner,
        key::{Kind, State},
        rotate::{Insist, Step},
        verdict::Denied,
        wanted::Wanted,
    },
    audit::{Actor, Origin},
    base::{
        fault::Stop,
        id::{ApiKeyId, ClientId},
        moment::Span,
        scope::Scope,
        uri::Resource,
    },
    flow::{
        follow,
        sample::{Sample, in_sample},
    },
    geo::sample::{country, database},
    store::key_lists::KeyFilter,
};
use serde_json::{Map, Value, json};

mod cold;
mod siblings;

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn done() -> Done {
    Done { by: Actor::System, origin: Origin::default() }
}

async fn api(sample: &Sample, plan: Value) -> Api {
    let world = &sample.world;
    sample.client("https://hears.example/").await;
    let plan = PlanSpec { name: "free".to_owned(), policy: map(plan) };
    apis::add_plan(world, &Caller::Operator, plan, done()).await.unwrap();
    let spec = ApiSpec {
        name: "weather".to_owned(),
        audience: Resource::parse("https://weather.example").unwrap(),
        prefix: Some("kw".to_owned()),
        environments: vec!["live".to_owned(), "test".to_owned()],
        plan: Some("free".to_owned()),
        policy: Map::new(),
        settings: Settings { scopes: Scope::parse("read write").unwrap(), ..Settings::default() },
    };
    let api = apis::add(world, &Caller::Operator, spec, done()).await.unwrap();
    follow::now(world).await.unwrap();
    api
}

fn wish(policy: Value) -> Create {
    Create {
        api: "weather".to_owned(),
        owner: Some(owner()),
        client: None,
        plan: None,
        family_policy: Map::new(),
        wanted: Wanted {
            name: "job".to_owned(),
            kind: Kind::Server,
            environment: None,
            scope: Scope::parse("read").unwrap(),
            policy: map(policy),
            meta: Map::new(),
            not_before: None,
            ending: Ending::Usual,
            from: From::Anywhere,
        },
        idempotency_key: None,
    }
}

fn owner() -> Owner {
    Owner::Client(ClientId::parse("cli_app").unwrap())
}

async fn made(sample: &Sample, policy: Value) -> Created {
    create(&sample.world, Caller::Operator, wish(policy), done()).await.unwrap()
}

async fn called(sample: &Sample, api: &Api, text: &str) -> Verdict {
    let call = Call { address: Some("203.0.113.9"), ..Call::new(&api.id, sample.world.now()) };
    verify::run(&sample.world, text, &call, Mode::Real, &Origin::default()).await.unwrap()
}

fn limits(rate: u32, quota: u64) -> Value {
    json!({"v": 1, "rate": [{"name": "burst", "by": "family", "limit": rate, "per": "60s", "burst": rate}],
           "quota": [{"name": "month", "limit": quota, "per": "month"}]})
}

#[test]
fn a_key_is_good_until_it_is_revoked_and_its_text_is_kept_nowhere() {
    in_sample(async |sample| {
        let api = api(&sample, limits(100, 100)).await;
        let key = made(&sample, json!({})).await;
        assert_eq!(called(&sample, &api, key.text.expose()).await.code(), "ok");
        assert_eq!(called(&sample, &api, &key.text.expose()[1..]).await.code(), "invalid_key");
        let step = (key.key.id.clone(), Step::Revoke, Some("over".to_owned()));
        life::take(&sample.world, Caller::Operator, step.clone(), done()).await.unwrap();
        assert_eq!(called(&sample, &api, key.text.expose()).await.code(), "key_revoked");
        life::take(&sample.world, Caller::Operator, step, done()).await.unwrap();
        let enable = (key.key.id.clone(), Step::Enable, None);
        let refused = life::take(&sample.world, Caller::Operator, enable, done()).await;
        assert!(matches!(refused, Err(Stop::Refusal(Refused::State(_)))));
        let events = sample.events().await;
        assert_eq!(events.iter().filter(|kind| *kind == "api_key.revoked").count(), 1);
    });
}

#[test]
fn the_second_call_of_a_key_asks_the_database_nothing() {
    in_sample(async |sample| {
        let api = api(&sample, json!({"v": 1, "rate": [{"name": "a", "by": "key", "limit": 9, "per": "1s"}]})).await;
        let key = made(&sample, json!({})).await;
        assert_eq!(called(&sample, &api, key.text.expose()).await.code(), "ok");
        sample.world.store.close();
        assert_eq!(called(&sample, &api, key.text.expose()).await.code(), "ok");
        let call = Call::new(&api.id, sample.world.now());
        let other = key.text.expose().replace("live", "test");
        verify::run(&sample.world, &other, &call, Mode::Real, &Origin::default()).await.unwrap();
        sample.clock.advance(Span::seconds(12));
        let call = Call::new(&api.id, sample.world.now());
        let late = verify::run(&sample.world, key.text.expose(), &call, Mode::Real, &Origin::default()).await;
        assert!(late.is_err(), "a node that hears of no changes vouches for nothing");
    });
}

#[test]
fn a_rate_and_a_quota_are_spent_together_or_not_at_all() {
    in_sample(async |sample| {
        let api = api(&sample, limits(5, 3)).await;
        let key = made(&sample, json!({})).await;
        let mut codes = Vec::new();
        for _ in 0..6 {
            codes.push(called(&sample, &api, key.text.expose()).await.code());
        }
        // What the quota refuses is given back to the rate, so the rate never runs out.
        assert_eq!(codes, ["ok", "ok", "ok", "quota_exceeded", "quota_exceeded", "quota_exceeded"]);
        let verdict = called(&sample, &api, key.text.expose()).await;
        assert_eq!(verdict.limits[0].outcome.remaining, 1, "after the take that was given back");
        assert_eq!((verdict.quotas[0].limit, verdict.quotas[0].remaining), (3, 0));
        sample.clock.advance(Span::days(31));
        follow::now(&sample.world).await.unwrap();
        assert_eq!(called(&sample, &api, key.text.expose()).await.code(), "ok", "a new month");
        assert!(sample.events().await.contains(&"quota.warned".to_owned()));
    });
}

#[test]
fn a_dry_run_spends_nothing() {
    in_sample(async |sample| {
        let api = api(&sample, limits(1, 1)).await;
        let key = made(&sample, json!({})).await;
        for _ in 0..3 {
            let call = Call::new(&api.id, sample.world.now());
            let tried = verify::run(&sample.world, key.text.expose(), &call, Mode::Dry, &Origin::default()).await;
            assert_eq!(tried.unwrap().code(), "ok");
        }
        assert_eq!(called(&sample, &api, key.text.expose()).await.code(), "ok");
        assert_eq!(called(&sample, &api, key.text.expose()).await.code(), "rate_limited");
        let counted = sample.world.api_keys.tally.take();
        assert_eq!(counted.calls.iter().map(|(_, n)| n).sum::<u64>(), 2);
    });
}

#[test]
fn a_rotation_leaves_two_keys_that_share_limits_and_then_one() {
    in_sample(async |sample| {
        let (api, world) = (api(&sample, limits(100, 4)).await, &sample.world);
        let first = made(&sample, json!({})).await;
        let rotated = life::rotate(world, Caller::Operator, (first.key.id.clone(), None), done()).await.unwrap();
        assert_eq!(rotated.old.state, State::Retiring);
        follow::now(world).await.unwrap();
        for text in [&first.text, &rotated.new.text, &first.text, &rotated.new.text] {
            assert_eq!(called(&sample, &api, text.expose()).await.code(), "ok");
        }
        assert_eq!(called(&sample, &api, rotated.new.text.expose()).await.code(), "quota_exceeded");
        let finish = |insist| life::finish(world, Caller::Operator, (first.key.id.clone(), insist), done());
        assert!(matches!(finish(Insist::No).await, Err(Stop::Refusal(Refused::InUse(_)))));
        finish(Insist::Yes).await.unwrap();
        follow::now(world).await.unwrap();
        assert_eq!(called(&sample, &api, first.text.expose()).await.code(), "key_expired");
        let again = life::rotate(world, Caller::Operator, (first.key.id.clone(), None), done()).await;
        assert!(matches!(again, Err(Stop::Refusal(Refused::State(_)))));
    });
}

#[test]
fn slices_go_back_when_nobody_spends_and_at_the_end() {
    in_sample(async |sample| {
        let api = api(&sample, limits(1000, 1_000_000)).await;
        let key = made(&sample, json!({})).await;
        assert_eq!(called(&sample, &api, key.text.expose()).await.code(), "ok");
        let held = sample.world.api_keys.slices.in_hand();
        assert!(held > 0, "a busy family is debited ahead");
        sample.clock.advance(Span::seconds(31));
        slices::give_back_idle(&sample.world).await.unwrap();
        assert_eq!(sample.world.api_keys.slices.in_hand(), 0);
        follow::now(&sample.world).await.unwrap();
        assert_eq!(called(&sample, &api, key.text.expose()).await.code(), "ok");
        upkeep::end(&sample.world).await;
        let entry = super::show::entry(&sample.world, &Caller::Operator, &key.key.id).await.unwrap();
        let left = slices::counted(&sample.world, &entry).await.unwrap();
        assert_eq!(left[0].remaining, 999_998, "two calls, and nothing lost");
    });
}

#[test]
fn what_is_refused_counts_and_only_what_is_good_is_a_use() {
    in_sample(async |sample| {
        let api = api(&sample, limits(100, 100)).await;
        let key = made(&sample, json!({"v": 1, "ip": {"allow": ["198.51.100.0/24"]}})).await;
        let verdict = called(&sample, &api, key.text.expose()).await;
        assert!(matches!(verdict.outcome, Err(Denied::Restricted { .. })));
        usage::flush(&sample.world).await.unwrap();
        let all = KeyFilter::default();
        let listed = super::show::list(&sample.world, &Caller::Operator, all, (None, 10)).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].last_use, None);
        let (from, to) = (sample.world.now() - Span::hours(1), sample.world.now() + Span::hours(1));
        let within = (from, to);
        let series = super::series::run(&sample.world, &Caller::Operator, key.key.id, within, Span::hours(1)).await;
        assert_eq!(series.unwrap().total.outcomes, [("restricted".to_owned(), 1)].into());
    });
}

#[test]
fn somebody_elses_key_does_not_exist_and_a_repeated_request_makes_one_key() {
    in_sample(async |sample| {
        api(&sample, limits(100, 100)).await;
        let key = made(&sample, json!({})).await;
        let stranger = Caller::Token {
            owner: Owner::Client(ClientId::parse("cli_other").unwrap()),
            scope: Scope::parse("keys:read keys:revoke keys:rotate keys:create").unwrap(),
            fresh: true,
        };
        let step = (key.key.id.clone(), Step::Revoke, None);
        let refused = life::take(&sample.world, stranger.clone(), step, done()).await;
        assert!(matches!(refused, Err(Stop::Refusal(Refused::NotFound(_)))));
        let none = ApiKeyId::from_u128(7);
        let absent = life::take(&sample.world, stranger.clone(), (none, Step::Revoke, None), done()).await;
        assert!(matches!(absent, Err(Stop::Refusal(Refused::NotFound(_)))));
        let others = create(&sample.world, stranger, wish(json!({})), done()).await;
        assert!(matches!(others, Err(Stop::Refusal(Refused::NotAllowed(_)))));
        let once = || Create { idempotency_key: Some("w".to_owned()), ..wish(json!({})) };
        let made = create(&sample.world, Caller::Operator, once(), done()).await.unwrap();
        let again = create(&sample.world, Caller::Operator, once(), done()).await;
        assert!(matches!(again, Err(Stop::Refusal(Refused::AlreadyRevealed(id))) if id == made.key.id));
    });
}

#[test]
fn r039_people_are_reminded_of_each_step_once() {
    in_sample(async |sample| {
        api(&sample, limits(100, 100)).await;
        let mut soon = wish(json!({}));
        soon.wanted.ending = Ending::At(sample.world.now() + Span::days(20));
        create(&sample.world, Caller::Operator, soon, done()).await.unwrap();
        for (days, expected) in [(1, 0), (6, 1), (1, 1), (10, 2), (1, 3), (9, 3)] {
            sample.clock.advance(Span::days(days));
            upkeep::remind(&sample.world).await.unwrap();
            let told = sample.events().await.iter().filter(|kind| *kind == "api_key.expiring").count();
            assert_eq!(told, expected);
        }
    });
}

#[test]
fn what_a_quota_refuses_gives_nothing_back_that_was_not_taken() {
    in_sample(async |sample| {
        let quotas = json!([{"name": "alarm", "limit": 1, "per": "month", "on_exceed": "alert"},
                            {"name": "month", "limit": 2, "per": "month"}]);
        let api = api(&sample, json!({"v": 1, "quota": quotas})).await;
        let key = made(&sample, json!({})).await;
        for expected in ["ok", "ok", "quota_exceeded", "quota_exceeded"] {
            assert_eq!(called(&sample, &api, key.text.expose()).await.code(), expected);
        }
        assert_eq!(sample.world.api_keys.slices.in_hand(), 0, "an alarm that was over is not filled up by refusals");
    });
}

#[test]
fn a_quota_that_is_used_up_is_asked_about_once_a_second_and_no_more() {
    in_sample(async |sample| {
        let api = api(&sample, limits(5, 1)).await;
        let key = made(&sample, json!({})).await;
        assert_eq!(called(&sample, &api, key.text.expose()).await.code(), "ok");
        assert_eq!(called(&sample, &api, key.text.expose()).await.code(), "quota_exceeded");
        sample.world.store.close();
        assert_eq!(called(&sample, &api, key.text.expose()).await.code(), "quota_exceeded", "without the database");
        sample.clock.advance(Span::seconds(1));
        let call = Call::new(&api.id, sample.world.now());
        let later = verify::run(&sample.world, key.text.expose(), &call, Mode::Real, &Origin::default()).await;
        assert!(later.is_err(), "it is asked again, for somebody may have topped it up");
    });
}

#[test]
fn what_was_spent_in_a_period_that_is_over_does_not_fill_the_next() {
    in_sample(async |sample| {
        let api = api(&sample, limits(5, 3)).await;
        let key = made(&sample, json!({})).await;
        assert_eq!(called(&sample, &api, key.text.expose()).await.code(), "ok");
        let entry = super::show::entry(&sample.world, &Caller::Operator, &key.key.id).await.unwrap();
        let (_, meter) = &entry.meters[0];
        let left = slices::spend(&sample.world, meter, 1).await.unwrap();
        sample.clock.advance(Span::days(31));
        slices::refund(&sample.world, meter, 1, left.began);
        assert_eq!(sample.world.api_keys.slices.in_hand(), 0);
    });
}

#[test]
fn a_dry_run_says_what_the_call_would_be_told() {
    in_sample(async |sample| {
        let api = api(&sample, limits(3, 2)).await;
        let key = made(&sample, json!({})).await;
        let tried = async |cost| {
            let call = Call { cost, ..Call::new(&api.id, sample.world.now()) };
            verify::run(&sample.world, key.text.expose(), &call, Mode::Dry, &Origin::default()).await.unwrap().code()
        };
        assert_eq!((tried(2).await, tried(3).await), ("ok", "quota_exceeded"));
        assert_eq!(called(&sample, &api, key.text.expose()).await.code(), "ok");
        assert_eq!((tried(1).await, tried(3).await), ("ok", "rate_limited"));
    });
}

#[test]
fn a_key_that_was_suspended_is_not_switched_on_by_its_owner_on_any_way() {
    in_sample(async |sample| {
        api(&sample, limits(100, 100)).await;
        let key = made(&sample, json!({})).await;
        let take = |caller: Caller, step| life::take(&sample.world, caller, (key.key.id.clone(), step, None), done());
        let own = || Caller::Token { owner: owner(), scope: Scope::parse("keys:revoke").unwrap(), fresh: true };
        take(Caller::Operator, Step::Suspend).await.unwrap();
        for step in [Step::Enable, Step::Disable] {
            let refused = take(own(), step).await;
            assert!(matches!(refused, Err(Stop::Refusal(Refused::State(_)))), "{step:?}");
        }
        assert_eq!(take(Caller::Operator, Step::Enable).await.unwrap().state, State::Active);
        take(Caller::Operator, Step::Suspend).await.unwrap();
        assert_eq!(take(own(), Step::Revoke).await.unwrap().state, State::Revoked, "ending a key is always theirs");
    });
}

#[test]
fn a_country_is_looked_up_where_a_policy_asks_for_it_and_what_nobody_knows_is_refused() {
    in_sample(async |sample| {
        let api = api(&sample, limits(100, 100)).await;
        let key = made(&sample, json!({"v": 1, "geo": {"allow": ["DE"]}})).await;
        let text = key.text.expose();
        assert!(matches!(called(&sample, &api, text).await.outcome, Err(Denied::Restricted { .. })), "no database");
        let known = [("203.0.113.0/24", country("DE")), ("198.51.100.0/24", country("FR"))];
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), database(sample.world.now(), &known)).unwrap();
        sample.world.geo.reload(Some(file.path()), sample.world.now()).unwrap();
        assert_eq!(called(&sample, &api, text).await.code(), "ok");
        for elsewhere in ["198.51.100.7", "192.0.2.1", "nonsense"] {
            let call = Call { address: Some(elsewhere), ..Call::new(&api.id, sample.world.now()) };
            let verdict = verify::run(&sample.world, text, &call, Mode::Real, &Origin::default()).await.unwrap();
            assert_eq!(verdict.code(), "restricted", "{elsewhere}");
        }
        let said =
            Call { address: Some("198.51.100.7"), country: Some("DE"), ..Call::new(&api.id, sample.world.now()) };
        let verdict = verify::run(&sample.world, text, &said, Mode::Real, &Origin::default()).await.unwrap();
        assert_eq!(verdict.code(), "ok", "a country that was let be said counts");
    });
}
