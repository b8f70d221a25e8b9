//! Calls to a server that somebody at the command line named: theirs to choose, so no list of
//! places guards it. It may not lead elsewhere.

use super::CallFailed;
use serde_json::Value;
use std::{fmt, time::Duration};
use ureq::{
    Agent,
    tls::{RootCerts, TlsConfig, TlsProvider},
};
use zeroize::Zeroizing;

const TIMEOUT: Duration = Duration::from_secs(20);
/// The most bytes of an answer that are read.
const MOST: u64 = 256 * 1024;

/// A server that is called.
pub struct Named(Agent);

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub enum Sent<'s> {
    /// A JSON document.
    Json(&'s Value),
    /// A form.
    Form(&'s [(&'s str, &'s str)]),
}

impl Default for Named {
    fn default() -> Self {
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .user_agent("Keywright")
            .build();
        Self(Agent::new_with_config(config))
    }
}

impl Named {
    /// Posts to it, with this value of `Authorization` where one is given. The status of the answer, and
    /// the document in it; null where there is none. A redirect is a status.
    ///
    /// # Errors
    /// [`CallFailed`] where there was no answer.
    pub fn post(&self, url: &str, authorization: Option<&str>, sent: Sent<'_>) -> Result<(u16, Value), CallFailed> {
        let post = self.0.post(url);
        let post = match authorization {
            Some(value) => post.header("authorization", value),
            None => post,
        };
        let mut answer = match sent {
            Sent::Json(document) => {
                let text = Zeroizing::new(document.to_string());
                post.content_type("application/json").send(text.as_bytes())?
            }
            Sent::Form(fields) => post.send_form(fields.iter().copied())?,
        };
        let body = answer.body_mut().with_config().limit(MOST).read_to_vec()?;
        Ok((answer.status().as_u16(), serde_json::from_slice(&body).unwrap_or_default()))
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Named")
    }
}
