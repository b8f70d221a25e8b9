//! Introspection of a key (RFC 7662): so that a resource server that knows only how to ask about
//! tokens can ask about keys too.
//!
//! It says nothing of the call, so a key that is restricted by what a call is, is not active
//! here: what a rule needs and nobody said is a refusal, as everywhere. The call is spent like any.

use super::{
    ask::{Asker, ask},
    verify::Mode,
};
use crate::{apikey::call::Call, audit::Origin, base::fault::Fault, flow::world::World};
use serde_json::{Map, Value, json};

/// The answer about this text; `None` where it is no key, or none that these may know to be good.
///
/// # Errors
/// As [`super::verify::run`].
pub async fn run(world: &World, asker: &Asker, text: &str, origin: &Origin) -> Result<Option<Value>, Fault> {
    let verdict = ask(world, asker, (text.into(), &Call::of_some_api(world.now())), Mode::Real, origin).await?;
    let (Ok(()), Some(entry)) = (&verdict.outcome, &verdict.entry) else { return Ok(None) };
    let (key, family) = (&entry.key, &entry.family);
    let mut answer = Map::new();
    let mut say = |name: &str, value: Value| answer.insert(name.to_owned(), value);
    say("active", json!(true));
    say("token_type", json!("api_key"));
    say("iss", json!(world.policy.load().tokens.issuer.as_str()));
    say("sub", json!(family.owner.id()));
    say("aud", json!([entry.api().audience]));
    say("scope", json!(key.scope));
    say("iat", json!(key.created_at.unix()));
    say("key_id", json!(key.id));
    if let Some(client) = &family.client {
        say("client_id", json!(client));
    }
    if let Some(expires_at) = key.expires_at {
        say("exp", json!(expires_at.unix()));
    }
    Ok(Some(Value::Object(answer)))
}
