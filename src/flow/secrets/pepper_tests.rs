//! Peppers over a world: one takes the place of another, and every secret goes on being known.

use super::{peppers::LEAD, tests::keks, *};
use crate::{
    apikey::{
        access::Caller,
        api::Settings,
        create::{Ending, From},
        family::Owner,
        foreign::Strength,
        rotate::Step,
        wanted::Wanted,
    },
    audit::{Actor, Origin},
    base::{
        credential::{self, Kind as Credential},
        digest::base64,
        entropy::SeededEntropy,
        id::ClientId,
        moment::{ManualClock, Span},
        scope::Scope,
        uri::Resource,
    },
    flow::{
        api_keys::{
            apis::{self, ApiSpec, Done},
            bulk::{self, Brought, Import, Item, Outcome},
            create::Create,
            life,
        },
        declared_clients::{self, Change, Declared},
        manage_clients,
        sample::{BEGIN, Sample, in_sample},
        token::{self, Sent},
        world::World,
    },
    oauth::{dpop::Shown, params::Params, register::RegistrationPolicy},
};
use serde_json::{Map, json};

fn given<const N: usize>(peppers: [u8; N]) -> Given {
    Given { keks: keks([7]), peppers: peppers.map(|byte| Secret::new([byte; 32])).to_vec() }
}

async fn opened(sample: &Sample, given: Given) -> Result<Secrets, Fault> {
    open(&sample.world.store, given, Arc::new(ManualClock::at(BEGIN))).await
}

async fn token(world: &Arc<World>, id: &str, secret: &str) -> bool {
    let basic = format!("Basic {}", base64(format!("{id}:{secret}").as_bytes()));
    let shown = Shown::default();
    let sent = Sent { authorization: Some(&basic), user_agent: None, dpop: &shown };
    let params = Params::from_pairs([("grant_type", "client_credentials")]);
    token::run(world, sent, &params, &Origin::default()).await.is_ok()
}

/// The world of a sample has the form before; now its database has the form of today.
async fn today(sample: &Sample) {
    let proof = keks::proof_of(Kind::Kek, &Secret::new([7; 32]));
    sample.write(move |tx| tx.meta().put(PROOF, &proof)).await;
    rewrap::run(&sample.world, rewrap::Wanted::AsNeeded, Actor::System, &mut |_| {}).await.unwrap();
}

async fn versions(sample: &Sample) -> Vec<(i16, i64)> {
    sample.write(|tx| tx.hashes().by_pepper(crate::store::hashes::Table::ClientSecrets)).await
}

#[test]
fn a_new_pepper_hashes_what_is_new_after_everybody_has_heard_of_it_and_a_secret_anew_when_it_is_used() {
    in_sample(async |sample| {
        let world = &sample.world;
        let metadata = json!({
            "grant_types": ["client_credentials"], "response_types": [], "scope": "read",
        });
        let add = || {
            manage_clients::add(
                world,
                None,
                metadata.as_object().unwrap(),
                RegistrationPolicy::default(),
                Actor::System,
            )
        };
        let old = add().await.unwrap();
        let secret = old.secret.unwrap();
        assert!(peppers::rotate(world, Actor::System).await.unwrap_err().to_string().contains("secrets rewrap"));
        today(&sample).await;
        let made = peppers::rotate(world, Actor::System).await.unwrap();
        assert_eq!((made.version, made.elsewhere, made.begins_at), (2, false, world.now() + LEAD));
        assert_eq!(world.secrets.pepper.current().version(), 1, "others may not have heard of it");
        assert_eq!(world.secrets.pepper.hashes("x").len(), 2, "but it is known already");
        sample.clock.advance(LEAD);
        assert_eq!(world.secrets.pepper.current().version(), 2);
        let new = add().await.unwrap();
        assert_eq!(versions(&sample).await, [(1, 1), (2, 1)]);
        assert!(token(world, new.client.id.as_str(), new.secret.unwrap().expose()).await);
        assert!(token(world, old.client.id.as_str(), secret.expose()).await);
        assert_eq!(versions(&sample).await, [(2, 2)], "hashed anew by its use");
        crate::flow::follow::now(world).await.unwrap();
        assert!(token(world, old.client.id.as_str(), secret.expose()).await);
        assert!(!token(world, old.client.id.as_str(), "kw_cs_AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXCLDj9vj43bsjYX").await);
    });
}

#[test]
fn a_key_that_ended_is_not_brought_to_life_by_an_import_after_a_new_pepper() {
    in_sample(async |sample| {
        let world = &sample.world;
        today(&sample).await;
        sample.client("https://hears.example/").await;
        let done = || Done { by: Actor::System, origin: Origin::default() };
        let spec = ApiSpec {
            name: "weather".to_owned(),
            audience: Resource::parse("https://weather.example").unwrap(),
            prefix: Some("kw".to_owned()),
            environments: vec!["live".to_owned()],
            plan: None,
            policy: Map::new(),
            settings: Settings { scopes: Scope::parse("read").unwrap(), ..Settings::default() },
        };
        apis::add(world, &Caller::Operator, spec, done()).await.unwrap();
        let like = Create {
            api: "weather".to_owned(),
            owner: Some(Owner::Client(ClientId::parse("cli_app").unwrap())),
            client: None,
            plan: None,
            family_policy: Map::new(),
            wanted: Wanted {
                name: "old".to_owned(),
                kind: crate::apikey::key::Kind::Server,
                environment: None,
                scope: Scope::parse("read").unwrap(),
                policy: Map::new(),
                meta: Map::new(),
                not_before: None,
                ending: Ending::Usual,
                from: From::Anywhere,
            },
            idempotency_key: None,
        };
        let text = "sk_live_4eC39HqLyjWDarjtT1zdp7dc8Kq2Vb0N";
        let bring = |brought: Brought| {
            let items = vec![Item { brought, name: None }];
            let import = Import { like: like.clone(), strength: Strength::Vouched, mac_key: None, items };
            bulk::import(world, Caller::Operator, import, done())
        };
        let first = bring(Brought::Text(Secret::new(text.to_owned()))).await.unwrap();
        let [Outcome::Imported(id)] = first.as_slice() else { panic!("{first:?}") };
        life::take(world, Caller::Operator, (id.clone(), Step::Revoke, None), done()).await.unwrap();
        peppers::rotate(world, Actor::System).await.unwrap();
        sample.clock.advance(LEAD);
        assert_eq!(world.secrets.pepper.current().version(), 2);
        assert_eq!(bring(Brought::Text(Secret::new(text.to_owned()))).await.unwrap(), [Outcome::Duplicate]);
        let hash =
            bring(Brought::Sha256(crate::base::digest::sha256(b"another one that is long enough"))).await.unwrap();
        assert!(matches!(hash.as_slice(), [Outcome::Imported(_)]), "{hash:?}");
    });
}

#[test]
fn a_session_outlives_the_pepper_that_hashed_it_and_takes_on_the_next() {
    in_sample(async |sample| {
        let world = &sample.world;
        let (_, session, _) = sample.signed_in("https://app.example/out").await;
        let cookie = credential::mint(Credential::Session, &*world.dice).unwrap();
        let (hash, id) = (world.secrets.pepper.hash(cookie.expose()), session.clone());
        let old = world.secrets.pepper.hash("a cookie");
        sample.write(move |tx| tx.hashes().renew_session(&id, &old, &hash)).await;
        today(&sample).await;
        peppers::rotate(world, Actor::System).await.unwrap();
        sample.clock.advance(LEAD);
        assert_eq!(rehash::session(world, &cookie).await.unwrap().unwrap().0.id, session);
        let newest = world.secrets.pepper.hash(cookie.expose());
        let found = sample.write(move |tx| tx.sessions().by_hash(&newest)).await;
        assert_eq!(found.unwrap().0.id, session);
    });
}

#[test]
fn a_pepper_kept_elsewhere_that_is_missing_or_wrong_is_noticed_at_the_start_with_the_way_back() {
    in_sample(async |sample| {
        let made = opened(&sample, given([1])).await.unwrap();
        assert_eq!(opened(&sample, given([1])).await.unwrap().pepper.hash("x"), made.pepper.hash("x"));
        for wrong in [given([]), given([])] {
            let told = opened(&sample, wrong).await.unwrap_err().to_string();
            assert!(told.contains("pepper of version 1 is missing") && told.contains("keywright backup"), "{told}");
        }
        let told = opened(&sample, given([2])).await.unwrap_err().to_string();
        assert!(told.contains("secrets.older_peppers") && told.contains("Nothing was changed"), "{told}");
        // One that is new is used for nothing until it is asked for.
        let both = opened(&sample, given([2, 1])).await.unwrap();
        assert_eq!((both.pepper.current().version(), both.pepper.hash("x")), (1, made.pepper.hash("x")));
        assert_eq!(both.pepper.hashes("x").len(), 1);
    });
}

#[test]
fn a_pepper_by_the_operator_follows_one_of_the_database_and_a_key_rotation_leaves_both() {
    in_sample(async |sample| {
        let world = &sample.world;
        today(&sample).await;
        let before = world.secrets.pepper.hash("x");
        world.secrets.pepper.give(vec![Secret::new([5; 32])]);
        let made = peppers::rotate(world, Actor::System).await.unwrap();
        assert!(made.elsewhere);
        assert!(peppers::rotate(world, Actor::System).await.unwrap_err().to_string().contains("version 2 already"));
        sample.clock.advance(LEAD + Span::seconds(1));
        assert_eq!(world.secrets.pepper.hashes("x")[1], before);
        world.secrets.envelope.give(keks([8, 7]));
        rewrap::run(world, rewrap::Wanted::AsNeeded, Actor::System, &mut |_| {}).await.unwrap();
        let again =
            open(&world.store, Given { keks: keks([8]), ..given([5]) }, Arc::clone(&world.clock)).await.unwrap();
        assert_eq!(again.pepper.hashes("x"), world.secrets.pepper.hashes("x"));
        let status = status::status(world).await.unwrap();
        assert!(status.versions.iter().filter(|one| one.kind == Kind::Pepper).all(|one| one.in_hand));
    });
}

#[test]
fn a_declared_secret_that_an_older_pepper_has_hashed_is_the_same_and_is_nobody_elses() {
    in_sample(async |sample| {
        today(&sample).await;
        let world = &sample.world;
        let apply = async |id: &str| {
            let secret = credential::mint(Credential::ClientSecret, &SeededEntropy::new(1)).unwrap();
            let metadata = json!({ "redirect_uris": ["https://app.example/cb"] }).as_object().unwrap().clone();
            let one = Declared { id: ClientId::parse(id).unwrap(), metadata, secrets: Some(vec![secret]) };
            let plan = declared_clients::apply(world, vec![one], RegistrationPolicy::default(), Actor::System).await;
            plan.ok().and_then(|plan| plan.get(&ClientId::parse(id).unwrap()).cloned())
        };
        assert_eq!(apply("a").await, Some(Change::Add));
        super::peppers::rotate(world, Actor::System).await.unwrap();
        sample.clock.advance(LEAD + Span::seconds(1));
        assert_eq!(apply("b").await, None, "it is another client's");
        assert_eq!(apply("a").await, Some(Change::Same));
        assert!(!sample.events().await.contains(&"client.secret_rotated".to_owned()));
    });
}
