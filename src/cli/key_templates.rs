//! What we suggest for keys of a purpose, and keys that are only tried: `keywright api-key create`
//! with `--template` and `--dry-run`.

use super::{
    Answer, Failure, Session,
    api_keys::{Make, wish},
    at_work::in_world,
};
use crate::{
    apikey::{PolicyText, access::Caller, key::Kind},
    base::moment::Span,
    flow::api_keys::{
        create::{self, Planned},
        told::Owner,
    },
};
use clap::ValueEnum;
use serde_json::{Map, json};

/// A purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Template {
    /// The server of a partner, who calls from addresses that they have named: a plan, and those addresses.
    PartnerServer,
}

impl Template {
    /// Its plan, by name: one of those that `keywright plan add --template` makes.
    pub(super) const fn plan(self) -> &'static str {
        match self {
            Self::PartnerServer => "basic",
        }
    }
    /// How long a key lives: as long as it may before it should be rotated.
    pub(super) const fn lives(self) -> Span {
        match self {
            Self::PartnerServer => Span::days(90),
        }
    }
    const fn kind(self) -> Kind {
        match self {
            Self::PartnerServer => Kind::Server,
        }
    }
    const fn word(self) -> &'static str {
        match self {
            Self::PartnerServer => "partner-server",
        }
    }
}

/// The policy of a key that is used from these addresses.
pub(super) fn from_addresses(ips: &[String]) -> PolicyText {
    Map::from_iter([("v".to_owned(), json!(1)), ("ip".to_owned(), json!({ "allow": ips }))])
}

/// Shows what would be made; of a template without an API, what is in it.
pub(super) fn tried(make: Make, session: &Session) -> Result<Answer, Failure> {
    match (make.what.template, &make.what.api) {
        (Some(template), None) => Ok(alone(template)),
        (Some(_) | None, _) => in_world(session, async |_, world| {
            let wish = wish(world, make).await?;
            let (scope, policy, kind) = (wish.wanted.scope.clone(), wish.wanted.policy.clone(), wish.wanted.kind);
            let Planned { api, family, admitted } = create::plan(world, Caller::Operator, wish).await?;
            let ends = admitted.expires_at.map(|at| at.to_string());
            let text = format!(
                "a key for {} in {}, of {}:{}, ends {}: it could be made, and was not",
                api.name,
                admitted.environment,
                family.owner.kind(),
                family.owner.id(),
                ends.as_deref().unwrap_or("never"),
            );
            let json = json!({
                "dry_run": true, "name": family.name, "api": api.id, "owner": Owner::of(&family.owner),
                "client_id": family.client, "plan": family.plan, "kind": kind, "environment": admitted.environment,
                "scope": scope, "policy": policy, "expires_at": ends,
            });
            Ok(Answer::new(text, json))
        }),
    }
}

fn alone(template: Template) -> Answer {
    let days = template.lives().as_seconds() / 86_400;
    let text = format!(
        "{}: a {} key with the plan {}, from the addresses of --ip alone, for {days} days",
        template.word(),
        template.kind().as_str(),
        template.plan(),
    );
    let json = json!({
        "dry_run": true, "template": template.word(), "kind": template.kind(), "plan": template.plan(),
        "policy": from_addresses(&[]), "expires_in": format!("{days}d"),
    });
    Answer::new(text, json)
}
