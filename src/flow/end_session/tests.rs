//! Requests to sign out, as applications and browsers send them.

use super::*;
use crate::{
    base::secret::Secret,
    flow::sample::{BEGIN, Sample, in_sample},
    jose::{Alg, Typ},
};
use serde_json::json;

/// The visit of somebody who is signed in, and an ID token of theirs that expired long ago.
async fn guest(sample: &Sample) -> (Visit, String) {
    let (user, session, _) = sample.signed_in("https://app.example/out").await;
    let cookie = crate::base::credential::mint(crate::base::credential::Kind::Session, &*sample.world.dice).unwrap();
    let hash = sample.world.secrets.pepper.hash(cookie.expose());
    let id = session.clone();
    sample
        .write(move |tx| {
            let found = tx.sessions().find(&id)?.unwrap();
            tx.sessions().authenticated_again(&found, &hash, BEGIN + Span::days(1))
        })
        .await;
    let claims = json!({
        "iss": "https://id.example", "aud": "cli_app", "sub": user, "sid": session, "iat": 1000, "exp": 1300,
    });
    let hint = sample.world.keyring.load().signer(Alg::Es256).unwrap().sign(Typ::IdToken, &claims).unwrap();
    (visit(sample, Some(cookie)), hint)
}

fn visit(sample: &Sample, cookie: Option<Secret<String>>) -> Visit {
    Visit::new(&sample.world, None, cookie).unwrap()
}

async fn ask(sample: &Sample, visit: &Visit, pairs: &[(&str, &str)]) -> Result<Outcome, Halt> {
    let params = Params::from_pairs(pairs.iter().copied());
    let asked = Asked::read(&sample.world, &params, &Origin::default()).map_err(Halt::Dead)?;
    begin(&sample.world, &asked, visit, &Origin::default()).await
}

async fn is_here(sample: &Sample, visit: &Visit) -> bool {
    visit::session(&sample.world, visit).await.unwrap().is_some()
}

#[test]
fn an_expired_hint_of_this_session_signs_out_at_once() {
    in_sample(async |sample| {
        let (visit, hint) = guest(&sample).await;
        let outcome = ask(&sample, &visit, &[("id_token_hint", &hint)]).await;
        assert!(matches!(outcome, Ok(Outcome::Left(Afterwards::OurPage))));
        assert!(!is_here(&sample, &visit).await);
        assert!(sample.events().await.contains(&"session.ended".to_owned()));
    });
}

#[test]
fn a106_without_a_good_hint_the_person_is_asked() {
    in_sample(async |sample| {
        let (visit, hint) = guest(&sample).await;
        let cut = hint.get(..hint.len() - 4).unwrap();
        for pairs in [&[][..], &[("client_id", "cli_app")], &[("id_token_hint", cut)], &[("id_token_hint", "a.b.c")]] {
            let outcome = ask(&sample, &visit, pairs).await;
            assert!(matches!(outcome, Ok(Outcome::Ask { .. })), "{pairs:?}");
        }
        assert!(is_here(&sample, &visit).await);
    });
}

#[test]
fn nobody_is_sent_to_an_address_that_is_not_registered() {
    in_sample(async |sample| {
        let (here, hint) = guest(&sample).await;
        let bye = ("post_logout_redirect_uri", "https://evil.example/bye");
        for visit in [&here, &visit(&sample, None)] {
            for pairs in [&[bye][..], &[bye, ("client_id", "cli_app")], &[bye, ("id_token_hint", hint.as_str())]] {
                assert!(matches!(ask(&sample, visit, pairs).await, Err(Halt::Dead(_))), "{pairs:?}");
            }
        }
        assert!(is_here(&sample, &here).await);
    });
}

#[test]
fn a_sealed_request_says_the_same_until_it_is_too_old_or_was_touched() {
    in_sample(async |sample| {
        let (visit, hint) = guest(&sample).await;
        let params = Params::from_pairs([("id_token_hint", hint.as_str()), ("state", "x")]);
        let asked = Asked::read(&sample.world, &params, &Origin::default()).unwrap();
        let sealed = asked.seal(&sample.world).unwrap();
        assert_eq!(Asked::open(&sample.world, &sealed).state.as_deref(), Some("x"));
        assert!(Asked::open(&sample.world, &format!("{sealed}A")).state.is_none());
        sample.clock.advance(LIFE + Span::seconds(1));
        let late = Asked::open(&sample.world, &sealed);
        let outcome = begin(&sample.world, &late, &visit, &Origin::default()).await;
        assert!(matches!(outcome, Ok(Outcome::Ask { .. })));
    });
}

#[test]
fn whoever_agrees_leaves_also_when_the_request_is_no_longer_right() {
    in_sample(async |sample| {
        let (visit, _) = guest(&sample).await;
        let here = visit::session(&sample.world, &visit).await.unwrap();
        let asked = Asked { to: Some("https://evil.example".to_owned()), ..Asked::BARE };
        let afterwards = agree(&sample.world, &asked, here.as_ref(), &Origin::default()).await.unwrap();
        assert_eq!(afterwards, Afterwards::OurPage);
        assert!(!is_here(&sample, &visit).await);
    });
}
