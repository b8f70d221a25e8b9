//! `keywright api-key rotation`: how far a rotation is.

use super::{Answer, Failure, Session, at_work::in_world};
use crate::{
    apikey::access::Caller,
    base::id::ApiKeyId,
    flow::api_keys::{
        rotation::{self, Place, Rotation, Told},
        show::Listed,
    },
};
use serde_json::json;

/// Shows whether the new key is used, and from where the old one was of late.
pub(super) fn show(id: ApiKeyId, session: &Session) -> Result<Answer, Failure> {
    in_world(session, async |_, world| {
        let found = rotation::of(world, Caller::Operator, id).await?;
        let lines = lines(&found, found.overlaps(world.now()));
        Ok(Answer::new(lines.join("\n"), json!(Told::of(&found, world.now()))))
    })
}

fn used(one: &Listed) -> String {
    let Some(last) = &one.last_use else { return "never used, as far as is known".to_owned() };
    let address = last.address.map_or_else(String::new, |address| format!(" from {address}"));
    let agent = last.agent.as_ref().map_or_else(String::new, |agent| format!(" by {agent}"));
    format!("first used {}, last {}{address}{agent}", last.first, last.at)
}

fn lines(rotation: &Rotation, overlaps: bool) -> Vec<String> {
    let ends = rotation.old.key.expires_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    let now = if overlaps { "both are good" } else { "they are not good side by side" };
    let mut lines = vec![
        format!("new  {}  {}  {}", rotation.new.key.id, rotation.new.key.hint, used(&rotation.new)),
        format!("old  {}  {}  {}", rotation.old.key.id, rotation.old.key.hint, used(&rotation.old)),
        format!("now  {now}; the old key ends {ends}"),
        format!("the old key since {}:", rotation.since),
    ];
    for (place, seen) in &rotation.places {
        if let Place::Of { address, agent } = place {
            let address = address.map_or_else(|| "no address said".to_owned(), |address| address.to_string());
            let agent = agent.as_deref().unwrap_or("no program said");
            lines.push(format!("  {} calls, last {}  {address}  {agent}", seen.calls, seen.last));
        }
    }
    if rotation.others > 0 {
        lines.push(format!("  {} calls from elsewhere", rotation.others));
    }
    if rotation.places.is_empty() && rotation.others == 0 {
        lines.push("  not used".to_owned());
    }
    lines
}
