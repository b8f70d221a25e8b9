//! `keywright api-key hmac-keys` and `remove-hmac-key`: the keys under which others hashed what was brought from them.

use super::{
    Answer, Failure, Session,
    at_work::{done, in_world},
};
use crate::{apikey::access::Caller, flow::api_keys::mac_keys};
use clap::Args;
use serde_json::json;

#[derive(Args, Debug)]
pub(super) struct Named {
    /// Its handle, as `keywright api-key hmac-keys` lists it.
    #[arg(value_name = "ID")]
    id: String,
}

pub(super) fn list(session: &Session) -> Result<Answer, Failure> {
    in_world(session, async |_, world| {
        let keys = mac_keys::list(world, &Caller::Operator).await?;
        let row = |key: &mac_keys::HmacKey| {
            [key.id.clone(), key.created_at.clone(), key.api_keys.to_string(), key.perhaps.to_string()]
        };
        let rows: Vec<[String; 4]> = keys.iter().map(row).collect();
        Ok(Answer::table(["id", "since", "api keys known by it", "perhaps"], &rows, json!({ "hmac_keys": keys })))
    })
}

pub(super) fn remove(Named { id }: Named, session: &Session) -> Result<Answer, Failure> {
    in_world(session, async |_, world| {
        mac_keys::remove(world, &Caller::Operator, id.clone(), done()).await?;
        Ok(Answer::new(format!("the key of HMAC {id} is forgotten"), json!({ "id": id, "removed": true })))
    })
}
