//! Codes and refresh tokens over a world in memory: what a second use ends is known here at once.

use super::*;
use crate::{
    audit::{Actor, SignOutKind},
    base::{
        digest::{base64url, sha256},
        fault::Stop,
        id::{ClientId, SessionId, UserId},
        moment::Span,
        scope::Scope,
    },
    flow::{
        log_out, manage_clients,
        sample::{Sample, in_sample},
    },
    oauth::{
        grant::{Authentication, Code, Granted},
        register::RegistrationPolicy,
    },
};
use serde_json::json;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A public client, and a code for it of a person who is signed in.
async fn code(sample: &Sample, user: &UserId, session: &SessionId) -> String {
    let world = &sample.world;
    let metadata = json!({
        "redirect_uris": ["https://spa.example/cb"],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "id_token_signed_response_alg": "ES256",
    });
    let (id, policy) = (ClientId::parse("cli_spa").unwrap(), RegistrationPolicy::default());
    manage_clients::add(world, Some(id.clone()), metadata.as_object().unwrap(), policy, Actor::System).await.unwrap();
    let text = crate::base::credential::mint(crate::base::credential::Kind::Code, &*world.dice).unwrap();
    let code = Code {
        redirect_uri: "https://spa.example/cb".to_owned(),
        redirect_uri_was_sent: false,
        challenge: base64url(&sha256(VERIFIER.as_bytes())),
        expires_at: world.now() + Span::seconds(60),
        granted: Granted {
            client: id,
            user: user.clone(),
            session: session.clone(),
            scope: Scope::parse("openid").unwrap(),
            resources: Default::default(),
            claims: Default::default(),
            authentication: Authentication { at: world.now(), amr: Vec::new(), acr: None },
            nonce: None,
        },
    };
    let hash = world.secrets.pepper.hash(text.expose());
    sample.write(move |tx| tx.codes().add(&hash, &code)).await;
    text.expose().clone()
}

async fn send(sample: &Sample, grant_type: &str, name: &str, value: &str) -> Result<Issued, Ended> {
    let params = Params::from_pairs([
        ("client_id", "cli_spa"),
        ("grant_type", grant_type),
        (name, value),
        ("code_verifier", VERIFIER),
    ]);
    run(
        &sample.world,
        Sent { authorization: None, user_agent: None, dpop: &Shown::default() },
        &params,
        &Origin::default(),
    )
    .await
}

#[test]
fn without_offline_access_a_grant_ends_with_its_session_at_the_latest() {
    in_sample(async |sample| {
        let (user, session, _) = sample.signed_in("https://app.example/out").await;
        let code = code(&sample, &user, &session).await;
        let issued = send(&sample, "authorization_code", "code", &code).await.unwrap();
        let refresh = issued.refresh_token.unwrap();
        let id = crate::base::credential::RefreshToken::parse(refresh.expose()).unwrap().grant;
        let policy = sample.world.policy.load().sessions.clone();
        sample
            .write(move |tx| {
                let grant = tx.grants().find(&id)?.unwrap().grant;
                let session = tx.sessions().find(&session)?.unwrap();
                assert_eq!(grant.expires_at, session.auth_time + policy.absolute);
                Ok(())
            })
            .await;
    });
}

#[test]
fn a_code_gives_no_token_for_what_its_client_was_deprived_of_meanwhile() {
    in_sample(async |sample| {
        let (user, session, _) = sample.signed_in("https://app.example/out").await;
        let first = sample.world.secrets.pepper.hash(&code(&sample, &user, &session).await);
        let text = crate::base::credential::mint(crate::base::credential::Kind::Code, &*sample.world.dice).unwrap();
        let hash = sample.world.secrets.pepper.hash(text.expose());
        // As it would be had the client been registered for the resource when the person agreed.
        sample
            .write(move |tx| {
                let (mut code, _) = tx.codes().find(&first)?.unwrap();
                code.granted.resources = [crate::base::uri::Resource::parse("https://api.example").unwrap()].into();
                tx.codes().add(&hash, &code)
            })
            .await;
        let outcome = send(&sample, "authorization_code", "code", text.expose()).await;
        let Err(Stop::Refusal(refusal)) = outcome else { panic!("a token for a resource that is no longer allowed") };
        assert_eq!(refusal.code, crate::oauth::code::ErrorCode::InvalidTarget);
    });
}

#[test]
fn what_a_code_used_twice_had_given_is_revoked_on_this_node_before_the_answer() {
    in_sample(async |sample| {
        let (user, session, _) = sample.signed_in("https://app.example/out").await;
        let code = code(&sample, &user, &session).await;
        let issued = send(&sample, "authorization_code", "code", &code).await.unwrap();
        let refresh = issued.refresh_token.unwrap();
        let grant = crate::base::credential::RefreshToken::parse(refresh.expose()).unwrap().grant;
        assert!(!sample.world.revocations.includes("", Some(&grant)));
        assert!(matches!(send(&sample, "authorization_code", "code", &code).await, Err(Stop::Refusal(_))));
        assert!(sample.world.revocations.includes("", Some(&grant)));
        assert!(send(&sample, "refresh_token", "refresh_token", refresh.expose()).await.is_err());
    });
}

#[test]
fn a_used_code_shown_over_and_over_fills_no_audit() {
    in_sample(async |sample| {
        let (user, session, _) = sample.signed_in("https://app.example/out").await;
        let code = code(&sample, &user, &session).await;
        send(&sample, "authorization_code", "code", &code).await.unwrap();
        for _ in 0..50 {
            assert!(matches!(send(&sample, "authorization_code", "code", &code).await, Err(Stop::Refusal(_))));
        }
        crate::flow::sweep::flush(&sample.world).await.unwrap();
        let events = sample.events().await;
        let of = |kind: &str| events.iter().filter(|e| *e == kind).count();
        assert_eq!((of("grant.revoked"), of("code.replayed")), (1, 31), "the one that ended something, and a budget");
    });
}

#[test]
fn what_a_refresh_token_used_again_had_given_is_revoked_on_this_node_before_the_answer() {
    in_sample(async |sample| {
        let (user, session, _) = sample.signed_in("https://app.example/out").await;
        let code = code(&sample, &user, &session).await;
        let first = send(&sample, "authorization_code", "code", &code).await.unwrap().refresh_token.unwrap();
        let next = send(&sample, "refresh_token", "refresh_token", first.expose()).await.unwrap();
        sample.clock.advance(Span::seconds(31));
        let grant = crate::base::credential::RefreshToken::parse(first.expose()).unwrap().grant;
        assert!(send(&sample, "refresh_token", "refresh_token", first.expose()).await.is_err());
        assert!(sample.world.revocations.includes("", Some(&grant)));
        let next = next.refresh_token.unwrap();
        assert!(send(&sample, "refresh_token", "refresh_token", next.expose()).await.is_err());
    });
}

#[test]
fn a_code_that_was_made_while_its_session_ended_gives_nothing() {
    in_sample(async |sample| {
        let (user, session, _) = sample.signed_in("https://app.example/out").await;
        let (of, id) = (user.clone(), session.clone());
        sample.write(move |tx| log_out::one(tx, &of, &id, SignOutKind::Page, &Origin::default())).await;
        let code = code(&sample, &user, &session).await;
        assert!(matches!(send(&sample, "authorization_code", "code", &code).await, Err(Stop::Refusal(_))));
    });
}

#[test]
fn a_token_of_a_client_that_was_disabled_is_not_active() {
    in_sample(async |sample| {
        let world = &sample.world;
        let add = async |id: &str, metadata: serde_json::Value| {
            let (id, policy) = (ClientId::parse(id).unwrap(), RegistrationPolicy::default());
            let added = manage_clients::add(world, Some(id), metadata.as_object().unwrap(), policy, Actor::System);
            added.await.unwrap().secret.unwrap()
        };
        let api = "https://api.example";
        let machine = json!({ "grant_types": ["client_credentials"], "resources": [api] });
        let machine = add("cli_machine", machine).await;
        let server = json!({ "grant_types": ["client_credentials"], "protected_resources": [api] });
        let server = add("cli_api", server).await;
        let origin = Origin::default();
        crate::flow::follow::now(world).await.unwrap();
        let params = Params::from_pairs([
            ("client_id", "cli_machine"),
            ("client_secret", machine.expose()),
            ("grant_type", "client_credentials"),
        ]);
        let issued =
            run(world, Sent { authorization: None, user_agent: None, dpop: &Shown::default() }, &params, &origin)
                .await
                .unwrap();
        assert!(!format!("{issued:?}").contains(&issued.access_token));
        let ask = Params::from_pairs([
            ("client_id", "cli_api"),
            ("client_secret", server.expose()),
            ("token", &issued.access_token),
        ]);
        let told = crate::flow::introspect::run(world, None, &ask, &origin).await.unwrap();
        assert_eq!(told["active"], true);
        manage_clients::disable(world, &ClientId::parse("cli_machine").unwrap(), Actor::System).await.unwrap();
        crate::flow::follow::now(world).await.unwrap();
        let told = crate::flow::introspect::run(world, None, &ask, &origin).await.unwrap();
        assert_eq!(told["active"], false);
    });
}
