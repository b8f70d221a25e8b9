//! Files of clients, applied over a database.

use super::*;
use crate::{
    base::{
        credential::{Kind, mint},
        entropy::SeededEntropy,
        moment::Span,
    },
    flow::{
        clients, follow, manage_clients,
        sample::{Sample, in_sample},
    },
};
use serde_json::json;

fn declared(id: &str, name: &str, secrets: Option<&[u64]>) -> Declared {
    let metadata = json!({"client_name": name, "redirect_uris": ["https://app.example/cb"]});
    let secret = |seed: &u64| mint(Kind::ClientSecret, &SeededEntropy::new(*seed)).unwrap();
    Declared {
        id: ClientId::parse(id).unwrap(),
        metadata: metadata.as_object().unwrap().clone(),
        secrets: secrets.map(|seeds| seeds.iter().map(secret).collect()),
    }
}

async fn applied(sample: &Sample, all: Vec<Declared>) -> Vec<(String, Change)> {
    sample.clock.advance(Span::seconds(1));
    let planned = plan(&sample.world, all.clone(), RegistrationPolicy::default()).await.unwrap();
    let done = apply(&sample.world, all, RegistrationPolicy::default(), Actor::System).await.unwrap();
    assert_eq!(planned, done);
    done.into_iter().map(|(id, change)| (id.to_string(), change)).collect()
}

fn change(members: &[&str]) -> Change {
    Change::Change { members: members.iter().map(|m| (*m).to_owned()).collect() }
}

#[test]
fn the_database_comes_to_say_what_the_file_says_and_a_second_time_changes_nothing() {
    in_sample(async |sample| {
        let (a, b) = (declared("a", "A", Some(&[1])), declared("b", "B", None));
        let told = |a, b| vec![("a".to_owned(), a), ("b".to_owned(), b)];
        assert_eq!(applied(&sample, vec![a.clone(), b.clone()]).await, told(Change::Add, Change::Add));
        assert_eq!(applied(&sample, vec![a.clone(), b.clone()]).await, told(Change::Same, Change::Same));
        let renamed = declared("b", "Bee", None);
        let two_secrets = declared("a", "A", Some(&[1, 2]));
        assert_eq!(
            applied(&sample, vec![two_secrets, renamed]).await,
            told(change(&["client_secret"]), change(&["client_name"]))
        );
        assert_eq!(applied(&sample, vec![a.clone()]).await, told(change(&["client_secret"]), Change::Disable));
        assert_eq!(applied(&sample, vec![a.clone()]).await, [("a".to_owned(), Change::Same)]);
        let back = declared("b", "Bee", None);
        assert_eq!(applied(&sample, vec![a, back]).await, told(Change::Same, change(&["disabled"])));
    });
}

#[test]
fn a_client_is_known_as_it_is_declared_once_this_node_has_heard() {
    in_sample(async |sample| {
        follow::now(&sample.world).await.unwrap();
        let id = ClientId::parse("a").unwrap();
        assert!(clients::find(&sample.world, &id).await.unwrap().is_none());
        applied(&sample, vec![declared("a", "A", Some(&[1, 2]))]).await;
        follow::now(&sample.world).await.unwrap();
        assert_eq!(clients::find(&sample.world, &id).await.unwrap().unwrap().secrets().len(), 2);
        applied(&sample, vec![declared("a", "A", Some(&[2]))]).await;
        follow::now(&sample.world).await.unwrap();
        assert_eq!(clients::find(&sample.world, &id).await.unwrap().unwrap().secrets().len(), 1);
        applied(&sample, Vec::new()).await;
        follow::now(&sample.world).await.unwrap();
        assert!(clients::find(&sample.world, &id).await.unwrap().is_none());
    });
}

#[test]
fn a_declaration_that_cannot_be_changes_nothing_at_all() {
    in_sample(async |sample| {
        let (policy, world) = (RegistrationPolicy::default(), &sample.world);
        let good = declared("good", "Good", Some(&[1]));
        let mut bad = declared("bad", "Bad", None);
        bad.metadata.insert("redirect_uris".to_owned(), json!([]));
        let mut public = declared("public", "Public", Some(&[2]));
        public.metadata.insert("token_endpoint_auth_method".to_owned(), json!("none"));
        let id = ClientId::parse("command");
        let metadata = declared("command", "C", None).metadata;
        manage_clients::add(world, id, &metadata, policy, Actor::System).await.unwrap();
        for (worse, told) in [
            (bad, "redirect_uris"),
            (public, "has no secret"),
            (good.clone(), "twice"),
            (declared("command", "C", None), "registered by command"),
            (declared("thief", "T", Some(&[1])), "in use"),
        ] {
            let outcome = apply(world, vec![good.clone(), worse], policy, Actor::System).await;
            let Err(Stop::Refusal(unmet)) = outcome else { panic!("{told}") };
            assert!(unmet.to_string().contains(told), "{unmet}");
        }
        assert_eq!(sample.events().await, ["client.added"]);
    });
}
