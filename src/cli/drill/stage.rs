//! What a drill is played with: a client of its own, which owns a key and asks about it, and is off before and after.

use crate::{
    apikey::{
        access::Caller,
        create::{Ending, From},
        family::Owner,
        key::Kind,
        rotate::Step,
        wanted::Wanted,
    },
    base::{fault::Stop, id::ClientId, moment::Span, scope::Scope, secret::Secret},
    cli::{
        Failure,
        at_work::{done, operator},
    },
    flow::{
        api_keys::{
            apis,
            create::{self, Create, Created},
            life,
        },
        client_secrets,
        manage_clients::{self, Unmet},
        world::World,
    },
    oauth::register::RegistrationPolicy,
};
use serde_json::{Map, json};
use std::sync::Arc;

/// For how long the key of a drill would live if the drill died.
const LIFE: Span = Span::minutes(10);

/// A client and a key, for one drill.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) client: ClientId,
    pub(super) secret: Secret<String>,
    pub(super) key: Created,
}

impl Stage {
    /// Makes what is needed: the client is that of the drill before, with another secret.
    pub(super) async fn set(
        world: &Arc<World>,
        api: Option<&str>,
        policy: RegistrationPolicy,
    ) -> Result<Self, Failure> {
        let api = match api {
            Some(named) => apis::find(world, &Caller::Operator, named.to_owned()).await?,
            None => {
                let all = apis::list(world, &Caller::Operator, None, 100).await?;
                let first = all.into_iter().find(|api| api.disabled_at.is_none());
                first.ok_or_else(|| Failure::Failed("there is no API whose keys could be drilled".to_owned()))?
            }
        };
        let id = ClientId::parse(&format!("drill-{}", api.id));
        let client = id.ok_or_else(|| Failure::Failed("the API has no identifier of ours".to_owned()))?;
        let metadata = json!({
            "client_name": format!("Drills of {}", api.name),
            "grant_types": ["client_credentials"],
            "response_types": [],
            "token_endpoint_auth_method": "client_secret_basic",
            "protected_resources": [api.audience.as_str()],
        });
        let secret = enlisted(world, &client, metadata.as_object().cloned().unwrap_or_default(), policy).await?;
        let wanted = Wanted {
            name: "drill".to_owned(),
            kind: Kind::Server,
            environment: None,
            scope: Scope::none(),
            policy: Map::new(),
            meta: Map::new(),
            not_before: None,
            ending: Ending::At(world.now() + LIFE),
            from: From::Anywhere,
        };
        let create = Create {
            api: api.id.to_string(),
            owner: Some(Owner::Client(client.clone())),
            client: None,
            plan: None,
            family_policy: Map::new(),
            wanted,
            idempotency_key: None,
        };
        let key = create::create(world, Caller::Operator, create, done()).await?;
        Ok(Self { client, secret, key })
    }

    /// Ends all of it.
    pub(super) async fn strike(&self, world: &Arc<World>) -> Result<(), Failure> {
        let reason = Some("a drill".to_owned());
        life::take(world, Caller::Operator, (self.key.key.id.clone(), Step::Revoke, reason), done()).await?;
        match manage_clients::disable(world, &self.client, operator()).await {
            Ok(()) | Err(Stop::Refusal(Unmet::Already(_))) => Ok(()),
            Err(stop) => Err(stop.into()),
        }
    }
}

/// The secret of the client, which is registered, or on again.
async fn enlisted(
    world: &Arc<World>,
    client: &ClientId,
    metadata: Map<String, serde_json::Value>,
    policy: RegistrationPolicy,
) -> Result<Secret<String>, Failure> {
    match manage_clients::add(world, Some(client.clone()), &metadata, policy, operator()).await {
        Ok(added) => added.secret.ok_or_else(|| Failure::Failed("the client of drills has no secret".to_owned())),
        Err(Stop::Refusal(Unmet::Taken(_))) => {
            match manage_clients::enable(world, client, operator()).await {
                Ok(()) | Err(Stop::Refusal(Unmet::Already(_))) => {}
                Err(stop) => return Err(stop.into()),
            }
            Ok(client_secrets::rotate_secret(world, client, Span::ZERO, operator()).await?.secret)
        }
        Err(stop) => Err(stop.into()),
    }
}
