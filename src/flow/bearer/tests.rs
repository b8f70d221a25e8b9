//! Access tokens of many kinds, at the one check and at userinfo.

use super::*;
use crate::{
    base::moment::Moment,
    flow::{
        sample::{BEGIN, Sample, in_sample},
        userinfo,
    },
    jose::{Alg, Typ},
    oauth::code::ErrorCode,
};
use serde_json::{Value, json};

fn sign(world: &World, typ: Typ, claims: &Value) -> String {
    world.keyring.load().signer(Alg::Es256).unwrap().sign(typ, claims).unwrap()
}

/// The claims of a good token of this person and grant, with some of them changed.
fn claims(sub: &str, grant: &str, changed: Value) -> Value {
    let mut claims = json!({
        "iss": "https://id.example", "aud": ["https://api.example", "https://id.example"], "sub": sub,
        "client_id": "cli_app", "iat": BEGIN.unix(), "exp": BEGIN.unix() + 300, "jti": "j1",
        "scope": "openid email", "grant_id": grant,
    });
    for (name, value) in changed.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn field(world: &World, token: &str) -> Result<Bearer, Stop<Challenge>> {
    let (query, field) = (Params::default(), format!("Bearer {token}"));
    judge(
        world,
        Places { authorization: Some(&field), query: &query, body: None, dpop: &Shown::default() },
        Besides::Others,
    )
    .map(|(bearer, _)| bearer)
}

fn refused<T>(outcome: Result<T, Stop<Challenge>>) -> Option<ErrorCode> {
    match outcome {
        Ok(_) => panic!("accepted"),
        Err(Stop::Refusal(challenge)) => challenge.error().map(|refusal| refusal.code),
        Err(Stop::Fault(fault)) => panic!("{fault}"),
    }
}

async fn fresh(sample: &Sample) -> (String, String) {
    sample.world.revocations.looked(BEGIN);
    let (user, _, grant) = sample.signed_in("https://app.example/out").await;
    (user.to_string(), grant.to_string())
}

#[test]
fn only_a_good_token_for_this_issuer_passes() {
    in_sample(async |sample| {
        let (user, grant) = fresh(&sample).await;
        let (world, changed) = (&sample.world, |changed| claims(&user, &grant, changed));
        assert!(field(world, &sign(world, Typ::AccessToken, &changed(json!({})))).is_ok());
        for (typ, claims) in [
            (Typ::IdToken, changed(json!({}))),
            (Typ::AccessToken, changed(json!({"aud": "https://api.example"}))),
            (Typ::AccessToken, changed(json!({"iss": "https://other.example"}))),
            (Typ::AccessToken, changed(json!({"exp": BEGIN.unix()}))),
            (Typ::AccessToken, changed(json!({"cnf": {"jkt": "x"}}))),
        ] {
            assert_eq!(refused(field(world, &sign(world, typ, &claims))), Some(ErrorCode::InvalidToken), "{claims}");
        }
        let none = judge(
            world,
            Places { authorization: None, query: &Params::default(), body: None, dpop: &Shown::default() },
            Besides::Others,
        );
        assert_eq!(refused(none), None);
        let query = Params::from_pairs([("access_token", "x")]);
        let places = Places { authorization: None, query: &query, body: None, dpop: &Shown::default() };
        let in_query = judge(world, places, Besides::Others);
        assert_eq!(refused(in_query), Some(ErrorCode::InvalidRequest));
    });
}

#[test]
fn a_token_that_is_for_others_too_is_refused_where_they_could_do_harm_with_it() {
    in_sample(async |sample| {
        let (user, grant) = fresh(&sample).await;
        let world = &sample.world;
        let alone = |aud: Value| {
            let field =
                format!("Bearer {}", sign(world, Typ::AccessToken, &claims(&user, &grant, json!({"aud": aud}))));
            let (query, dpop) = (Params::default(), Shown::default());
            let places = Places { authorization: Some(&field), query: &query, body: None, dpop: &dpop };
            judge(world, places, Besides::Nobody)
        };
        assert!(alone(json!("https://id.example")).is_ok() && alone(json!(["https://id.example"])).is_ok());
        for others in [json!(["https://id.example", "https://api.example"]), json!("https://api.example")] {
            assert_eq!(refused(alone(others.clone())), Some(ErrorCode::InvalidToken), "{others}");
        }
    });
}

#[test]
fn a_revoked_token_is_refused_and_a_node_that_cannot_know_says_so() {
    in_sample(async |sample| {
        let (user, grant) = fresh(&sample).await;
        let world = &sample.world;
        let token = sign(world, Typ::AccessToken, &claims(&user, &grant, json!({})));
        world.revocations.token("j1".to_owned(), BEGIN + crate::base::moment::Span::hours(1));
        assert_eq!(refused(field(world, &token)), Some(ErrorCode::InvalidToken));
        let other = sign(world, Typ::AccessToken, &claims(&user, &grant, json!({"jti": "j2"})));
        assert!(field(world, &other).is_ok());
        world.revocations.looked(Moment::EPOCH);
        let Err(Stop::Fault(fault)) = field(world, &other) else { panic!("judged") };
        assert_eq!(fault.kind(), crate::base::fault::FaultKind::Unavailable);
    });
}

#[test]
fn userinfo_tells_of_the_person_while_what_they_granted_lasts() {
    in_sample(async |sample| {
        let (user, grant) = fresh(&sample).await;
        let world = &sample.world;
        let bearer = |changed| field(world, &sign(world, Typ::AccessToken, &claims(&user, &grant, changed))).unwrap();
        let told = userinfo::run(world, bearer(json!({}))).await.unwrap();
        let userinfo::Told::Claims(told) = told else { panic!("{told:?}") };
        assert_eq!(told["sub"], user);
        let lacking = userinfo::run(world, bearer(json!({"scope": "email"}))).await;
        assert_eq!(refused(lacking), Some(ErrorCode::InsufficientScope));
        for changed in [json!({"sub": "cli_app"}), json!({"sub": "usr_other"}), json!({"grant_id": "gr_unknown"})] {
            let outcome = userinfo::run(world, bearer(changed.clone())).await;
            assert_eq!(refused(outcome), Some(ErrorCode::InvalidToken), "{changed}");
        }
        let id = GrantId::parse(&grant).unwrap();
        let bearer = bearer(json!({}));
        sample.write(move |tx| tx.grants().revoke(&id, crate::audit::GrantEnd::Operator)).await;
        assert_eq!(refused(userinfo::run(world, bearer).await), Some(ErrorCode::InvalidToken));
    });
}
