//! The nodes that are asked, each by itself, as a resource server asks.
//!
//! They may be named by addresses of an inner network without TLS: all that is sent to them is
//! thrown away with the drill.

use super::{PATIENCE, Told, stage::Stage};
use crate::{
    base::{secret::Secret, uri::Issuer},
    cli::Failure,
    remote::named::{Named, Sent},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use std::{
    thread,
    time::{Duration, Instant},
};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const API_KEY: &str = "urn:keywright:token-type:api-key";
/// How long to wait between two questions: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));
/// The verdicts on a key that is of no use any more.
const OF_NO_USE: [&str; 3] = ["key_revoked", "key_disabled", "key_expired"];

/// What a node says of a key or a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is good, or would be for another call.
    Good,
    /// It has ended.
    Ended,
    /// The node does not know it, or not who asks.
    Unknown,
}

/// Why a key is not exchanged.
#[derive(Debug)]
pub(super) struct Refused(pub(super) String);

/// The nodes.
#[derive(Debug)]
pub(super) struct Nodes {
    urls: Vec<String>,
    named: Named,
}

impl Nodes {
    /// # Errors
    /// Where an address is none.
    pub(super) fn at(urls: &[String], issuer: &Issuer) -> Result<Self, Failure> {
        for url in urls {
            let parsed = url::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            if parsed.is_none_or(|url| url.query().is_some() || url.fragment().is_some()) {
                return Err(Failure::Usage(format!("--nodes: {url} is no address of a node")));
            }
        }
        let urls = if urls.is_empty() { vec![issuer.as_str().to_owned()] } else { urls.to_vec() };
        let urls = urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        Ok(Self { urls, named: Named::default() })
    }

    fn post(&self, url: &str, authorization: Option<&str>, sent: Sent<'_>) -> Result<(u16, Value), Failure> {
        self.named.post(url, authorization, sent).map_err(|e| Failure::Failed(format!("{url}: {e}")))
    }

    /// What a node says of the key, or of its token.
    fn state(&self, node: &str, stage: &Stage, token: Option<&Secret<String>>) -> Result<State, Failure> {
        let pair = Secret::new(format!("{}:{}", stage.client, stage.secret.expose()));
        let basic = Secret::new(format!("Basic {}", BASE64_STANDARD.encode(pair.expose())));
        let (status, told) = match token {
            None => {
                let question = json!({"key": stage.key.text.expose(), "dry_run": true});
                self.post(&format!("{node}/v1/keys/verify"), Some(basic.expose()), Sent::Json(&question))?
            }
            Some(token) => {
                let fields = [("token", token.expose().as_str())];
                self.post(&format!("{node}/introspect"), Some(basic.expose()), Sent::Form(&fields))?
            }
        };
        let code = told.get("code").and_then(Value::as_str);
        Ok(match (status, told.get("active").and_then(Value::as_bool), code) {
            (200, Some(true), _) => State::Good,
            (200, Some(false), _) => State::Ended,
            (200, None, Some(code)) if OF_NO_USE.contains(&code) => State::Ended,
            (200, None, Some("invalid_key")) => State::Unknown,
            (200, None, Some(_)) => State::Good,
            _ => State::Unknown,
        })
    }

    /// Waits until every node says this.
    ///
    /// # Errors
    /// Where one does not in time.
    pub(super) fn expect(&self, wanted: State, stage: &Stage, token: Option<&Secret<String>>) -> Result<(), Failure> {
        for node in &self.urls {
            let (began, mut pause) = (Instant::now(), PAUSES.0);
            while self.state(node, stage, token)? != wanted {
                if began.elapsed() > PATIENCE {
                    return Err(Failure::Failed(format!("{node} does not take the key of the drill")));
                }
                wait(&mut pause);
            }
        }
        Ok(())
    }

    /// Exchanges the key for a token.
    ///
    /// # Errors
    /// Where the first node cannot be asked; inside, that it does not do so.
    pub(super) fn exchange(&self, stage: &Stage) -> Result<Result<Secret<String>, Refused>, Failure> {
        let fields = [
            ("grant_type", EXCHANGE),
            ("subject_token_type", API_KEY),
            ("subject_token", stage.key.text.expose().as_str()),
        ];
        let (status, told) = self.post(&format!("{}/token", self.first()), None, Sent::Form(&fields))?;
        let text = |name: &str| told.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(if status == 200 { Ok(Secret::new(text("access_token"))) } else { Err(Refused(text("error_description"))) })
    }

    /// Tells the first node of the key, as somebody who found it.
    ///
    /// # Errors
    /// Where it does not take the report.
    pub(super) fn tell(&self, stage: &Stage) -> Result<(), Failure> {
        let report = json!({"tokens": [stage.key.text.expose()], "found_at": "a drill"});
        match self.post(&format!("{}/v1/leaks", self.first()), None, Sent::Json(&report))? {
            (202, _) => Ok(()),
            (status, _) => Err(Failure::Failed(format!("the report is answered with status {status}"))),
        }
    }

    /// Asks all nodes until each has refused, and says how long after `began` that was.
    ///
    /// # Errors
    /// Where a node cannot be asked.
    pub(super) fn until_refused(
        &self,
        stage: &Stage,
        token: Option<&Secret<String>>,
        began: Instant,
    ) -> Result<Vec<Told>, Failure> {
        let what = if token.is_some() { "its token" } else { "the key" };
        let (mut told, mut left, mut pause) = (Vec::new(), self.urls.clone(), PAUSES.0);
        loop {
            let mut still = Vec::new();
            for node in left {
                if self.state(&node, stage, token)? == State::Ended {
                    told.push(Told { what: format!("{node} refuses {what}"), took: began.elapsed(), good: true });
                } else {
                    still.push(node);
                }
            }
            left = still;
            if left.is_empty() || began.elapsed() > PATIENCE {
                break;
            }
            wait(&mut pause);
        }
        let late = |node: String| Told { what: format!("{node} refuses {what}"), took: began.elapsed(), good: false };
        told.extend(left.into_iter().map(late));
        Ok(told)
    }

    fn first(&self) -> &str {
        self.urls.first().map_or("", String::as_str)
    }
}

fn wait(pause: &mut Duration) {
    thread::sleep(*pause);
    *pause = (*pause * 3 / 2).min(PAUSES.1);
}
