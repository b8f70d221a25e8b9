//! What a server is asked about keys that were found, and told of them.

use crate::{
    apikey::scan::{What, patch::Placed},
    base::{
        digest::{base64url, sha256},
        uri::Issuer,
    },
    cli::Failure,
    remote::named::{Named, Sent},
};
use serde_json::json;
use std::collections::BTreeMap;

/// The most tokens of one report.
const MOST: usize = 1000;

/// What became of keys, by a hash of their text.
pub(super) type States = BTreeMap<String, &'static str>;

/// A server that was named on the command line.
#[derive(Debug)]
pub(super) struct Server {
    issuer: Issuer,
    named: Named,
}

/// What a finding is called among [`States`].
pub(super) fn name(placed: &Placed) -> String {
    base64url(&sha256(placed.found.text.expose().as_bytes()))
}

/// The keys among what was found, each once.
fn keys(found: &[Placed]) -> BTreeMap<String, &Placed> {
    let keys = found.iter().filter(|placed| placed.found.what == What::ApiKey);
    keys.map(|placed| (name(placed), placed)).collect()
}

impl Server {
    /// # Errors
    /// Where it is no issuer, as one that would be asked in the clear is not.
    pub(super) fn at(url: &str) -> Result<Self, Failure> {
        let issuer = Issuer::parse(url).map_err(|e| Failure::Usage(format!("the URL {url} {e}")))?;
        Ok(Self { issuer, named: Named::default() })
    }

    fn post(&self, path: &str, body: &serde_json::Value) -> Result<u16, Failure> {
        let to = self.issuer.at(path);
        let answer = self.named.post(&to, None, Sent::Json(body));
        answer.map(|(status, _)| status).map_err(|e| Failure::Failed(format!("{to}: {e}")))
    }

    /// Whether each key is still good.
    ///
    /// # Errors
    /// Where the server cannot be asked.
    pub(super) fn states(&self, found: &[Placed]) -> Result<States, Failure> {
        let mut states = States::new();
        for (name, placed) in keys(found) {
            let body = json!({"keywright": {"token": [placed.found.text.expose()]}});
            let state = match self.post("/v1/leaks/trufflehog", &body)? {
                200 => "live",
                403 => "dead",
                429 => return Err(Failure::Failed("the server was asked too often: try again later".to_owned())),
                status => return Err(Failure::Failed(format!("the server answers with status {status}"))),
            };
            states.insert(name, state);
        }
        Ok(states)
    }

    /// Tells of all keys; how many.
    ///
    /// # Errors
    /// Where the server does not take it.
    pub(super) fn report(&self, found: &[Placed]) -> Result<usize, Failure> {
        let all: Vec<&Placed> = keys(found).into_values().collect();
        for batch in all.chunks(MOST) {
            let tokens: Vec<&str> = batch.iter().map(|placed| placed.found.text.expose().as_str()).collect();
            match self.post("/v1/leaks", &json!({ "tokens": tokens }))? {
                202 => {}
                status => return Err(Failure::Failed(format!("the server answers the report with status {status}"))),
            }
        }
        Ok(all.len())
    }
}
