//! `keywright api-key claim-link` and its like: links with which a key is made by whoever gets them.

use super::{
    Answer, Failure, Session,
    api_keys::{What, owner},
    at_work::{done, in_world},
};
use crate::{
    apikey::{
        access::Caller,
        claim::{Claimant, LONGEST},
    },
    base::{fault::Fault, id::ClaimId, moment::Span},
    config::span,
    flow::api_keys::links,
};
use clap::Args;
use serde_json::{Value, json};

#[derive(Args, Debug)]
pub(super) struct Make {
    /// Whose the key will be: user:NAME or client:ID. Unset: whoever signs in with the link.
    #[arg(long, value_name = "OWNER")]
    owner: Option<String>,
    /// Only its owner, a person, may claim it, signed in. Unset: whoever has the link.
    #[arg(long, requires = "owner")]
    sign_in: bool,
    /// How long the link is good: at most 24h.
    #[arg(long, value_name = "TIME", value_parser = span)]
    link_expires_in: Option<Span>,
    #[command(flatten)]
    what: What,
}

#[derive(Args, Debug)]
pub(super) struct List {
    /// Begin after the link with this identifier.
    #[arg(long, value_name = "ID", value_parser = claim_id)]
    after: Option<ClaimId>,
    /// The most links to list.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10000))]
    limit: u16,
}

#[derive(Args, Debug)]
pub(super) struct Named {
    /// Its identifier.
    #[arg(value_name = "ID", value_parser = claim_id)]
    id: ClaimId,
}

fn claim_id(text: &str) -> Result<ClaimId, String> {
    ClaimId::parse(text).ok_or_else(|| "is no identifier of a claim link".to_owned())
}

pub(super) fn make(args: Make, session: &Session) -> Result<Answer, Failure> {
    in_world(session, async |config, world| {
        let claimant = match (&args.owner, args.sign_in) {
            (None, _) => Claimant::Anybody,
            (Some(_), true) => Claimant::Owner,
            (Some(_), false) => Claimant::Holder,
        };
        let whose = match &args.owner {
            Some(text) => Some(owner(world, text).await?),
            None => None,
        };
        let after = args.what.expires_in;
        let create = args.what.wish(whose, world.now())?;
        let lives = args.link_expires_in.unwrap_or(LONGEST);
        let made = links::make(world, Caller::Operator, links::Link { create, after, claimant, lives }, done()).await?;
        let issuer = config.server.issuer.as_str();
        let (link, json) = (made.link(issuer), links::revealed(issuer, &made)?);
        let text = format!(
            "{link}\n\n{}  good once, until {}; this is shown once: send it now",
            made.claim.id, made.claim.expires_at
        );
        Ok(Answer::new(text, json))
    })
}

pub(super) fn list(args: &List, session: &Session) -> Result<Answer, Failure> {
    in_world(session, async |_, world| {
        let found = links::list(world, &Caller::Operator, (args.after.clone(), i64::from(args.limit))).await?;
        let told: Result<Vec<Value>, Fault> =
            found.iter().map(|one| links::told(one, world.now()).map(|told| json!(told))).collect();
        let told = told?;
        let word = |one: &Value, member: &str| one.get(member).and_then(Value::as_str).unwrap_or("-").to_owned();
        let rows: Vec<[String; 5]> = told
            .iter()
            .map(|one| ["id", "name", "state", "expires_at", "key_id"].map(|member| word(one, member)))
            .collect();
        Ok(Answer::table(["id", "name", "state", "good until", "key"], &rows, json!({ "claims": told })))
    })
}

pub(super) fn withdraw(Named { id }: Named, session: &Session) -> Result<Answer, Failure> {
    in_world(session, async |_, world| {
        links::withdraw(world, Caller::Operator, id.clone(), done()).await?;
        Ok(Answer::new(format!("{id} is taken back"), json!({ "id": id, "state": "withdrawn" })))
    })
}
