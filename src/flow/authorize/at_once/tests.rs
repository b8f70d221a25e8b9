//! Who gets a code together with their session, over a database.

use super::*;
use crate::{
    account::user::Profile,
    audit::Actor,
    base::id::ClientId,
    flow::{
        consent, manage_clients,
        manage_users::{self, NewUser},
        sample::{Sample, in_sample},
        sign_in::{self, Form, SignedIn},
        visit::Visit,
    },
    oauth::{
        authorize::{checks, destination::Destination},
        register::RegistrationPolicy,
        sample::request,
    },
};

const PASSWORD: &str = "violin cello harp drum";

async fn register(sample: &Sample, id: &str, first_party: bool) {
    let metadata = serde_json::json!({
        "client_name": "App", "first_party": first_party, "scope": "openid read",
        "redirect_uris": ["https://app.example/cb"], "resources": ["https://api.example"],
    });
    let id = Some(ClientId::parse(id).unwrap());
    let (metadata, policy) = (metadata.as_object().unwrap(), RegistrationPolicy::default());
    manage_clients::add(&sample.world, id, metadata, policy, Actor::System).await.unwrap();
}

/// A browser that was sent to sign in for this application.
async fn sent(sample: &Sample, id: &str, changes: &[(&str, &str)]) -> (Visit, Interaction) {
    let named = clients::find(&sample.world, &ClientId::parse(id).unwrap()).await.unwrap().unwrap();
    let params = request(&[changes, &[("client_id", id)]].concat());
    let destination = Destination::prove(&params, named.client()).unwrap();
    let asked = checks::check(&params, named.client(), &destination, sample.world.now()).unwrap();
    let visit = Visit::new(&sample.world, None, None).unwrap();
    let interaction = Interaction::new(asked, &visit.browser);
    (visit, interaction)
}

async fn sign_in(sample: &Sample, password: &str, (visit, interaction): &(Visit, Interaction)) -> Option<SignedIn> {
    let waiting = AtOnce::of(&sample.world, interaction).await.unwrap();
    let form = Form { username: "ada".to_owned(), password: password.to_owned(), known: None, agent: None };
    sign_in::run(&sample.world, (form, waiting), visit, &Origin::default()).await.ok()
}

async fn codes(sample: &Sample) -> usize {
    sample.events().await.iter().filter(|kind| *kind == "code.issued").count()
}

#[test]
fn whoever_need_not_be_asked_anything_has_the_code_with_their_session_and_nobody_else() {
    in_sample(async |sample| {
        let password = Some(Secret::new(PASSWORD.to_owned()));
        let new = NewUser { username: "ada".to_owned(), profile: Profile::default(), password };
        manage_users::add(&sample.world, new, Actor::System).await.unwrap();
        register(&sample, "cli_ours", true).await;
        register(&sample, "cli_theirs", false).await;

        let ours = sent(&sample, "cli_ours", &[]).await;
        assert!(sign_in(&sample, "another one altogether", &ours).await.is_none());
        assert_eq!(codes(&sample).await, 0);
        let signed = sign_in(&sample, PASSWORD, &ours).await.unwrap();
        assert!(signed.code.is_some());
        assert_eq!(codes(&sample).await, 1);

        let theirs = sent(&sample, "cli_theirs", &[]).await;
        let signed = sign_in(&sample, PASSWORD, &theirs).await.unwrap();
        assert!(signed.code.is_none(), "they have not agreed to anything yet");
        consent::give(&sample.world, &theirs.1, &signed.here, &Origin::default()).await.unwrap();
        assert!(sign_in(&sample, PASSWORD, &theirs).await.unwrap().code.is_some());
        sample.clock.advance(crate::base::moment::Span::seconds(2));
        let asks_again = sent(&sample, "cli_theirs", &[("prompt", "consent")]).await;
        assert!(sign_in(&sample, PASSWORD, &asks_again).await.unwrap().code.is_none());
        assert_eq!(codes(&sample).await, 2);
    });
}

#[test]
fn an_application_that_is_gone_has_nothing_waiting() {
    in_sample(async |sample| {
        register(&sample, "cli_ours", true).await;
        let (_, mut interaction) = sent(&sample, "cli_ours", &[]).await;
        interaction.asked.client = ClientId::parse("cli_gone").unwrap();
        assert!(AtOnce::of(&sample.world, &interaction).await.unwrap().is_none());
    });
}
