//! What is answered and put together member by member: the forms of those answers. What is told of
//! one key, API, plan or verdict is described by the type that is written.

use super::super::verify::told::QuotaTold;
use crate::{
    apikey::{
        key::State,
        words::{Identifier, Instant, KeyIdentifier, whole},
    },
    flow::api_keys::{links, mac_keys, told},
};
use schemars::JsonSchema;
use serde_json::Value;

macro_rules! told {
    ($($(#[doc = $doc:literal])* $name:ident { $($(#[$each:meta])* $member:ident: $form:ty,)* })*) => {$(
        $(#[doc = $doc])*
        #[derive(JsonSchema)]
        #[schemars(transform = whole)]
        #[expect(dead_code, reason = "only its form is of use")]
        pub(super) struct $name { $($(#[$each])* $member: $form,)* }
    )*};
}

told! {
    /// An API key that was made just now.
    KeyMade {
        /// The text of the key, which is shown this once.
        key: String,
        #[schemars(flatten)]
        told: told::Key<'static>,
    }
    /// An API key and what is left of its quotas.
    KeyShown {
        /// Its quotas.
        quota: Vec<QuotaTold<'static>>,
        /// What is unusual about its use now.
        alerts: Vec<told::Alert<'static>>,
        /// The keys of its line of rotation.
        #[schemars(with = "Vec<KeyIdentifier>")]
        line: Vec<KeyIdentifier>,
        #[schemars(flatten)]
        told: told::Key<'static>,
    }
    /// A page of API keys.
    Keys {
        /// The keys.
        keys: Vec<told::Key<'static>>,
        /// `after` of the next page; null where this is the last.
        next: Option<KeyIdentifier>,
    }
    /// A link with which a key is claimed, made just now.
    LinkMade {
        /// The link, which is shown this once.
        link: String,
        #[schemars(flatten)]
        told: links::Told,
    }
    /// A page of such links.
    Links {
        /// The links.
        claims: Vec<links::Told>,
        /// `after` of the next page; null where this is the last.
        next: Option<Identifier>,
    }
    /// A key and its successor.
    Rotated {
        /// The successor, with its text.
        new: KeyMade,
        /// The key that it follows, which lives on until `expires_at`.
        old: told::Key<'static>,
    }
    /// A key whose overlap has ended.
    Finished {
        /// Its identifier.
        id: KeyIdentifier,
        /// Since when it is not good any more.
        expires_at: Option<Instant>,
    }
    /// A key that has been switched off or on, or ended.
    Switched {
        /// Its identifier.
        id: KeyIdentifier,
        /// Where it is in its life now.
        state: State,
    }
    /// The keys that ended since a moment.
    Ended {
        /// Oldest first. A key may come again, and never is one left out.
        ended: Vec<EndedKey>,
        /// What to ask next.
        next: Next,
    }
    /// A key that ended.
    EndedKey {
        /// Its identifier.
        key_id: KeyIdentifier,
        /// `revoked`, `compromised`, `disabled`, `suspended`, `expired`, `owner_disabled` or `api_disabled`.
        state: String,
        /// When, in seconds since 1970.
        at: i64,
    }
    /// What became of keys that were brought.
    ImportedKeys {
        /// Each of them, in their order.
        items: Vec<super::super::wire::Imported>,
    }
    /// The keys of HMAC under which others hashed what was brought.
    HmacKeys {
        /// Each of them.
        hmac_keys: Vec<mac_keys::HmacKey>,
    }
    /// Keys that were ended, or would be.
    Many {
        /// Whether nothing was done.
        dry_run: bool,
        /// How many.
        count: u64,
        /// Whether there may be more: then to be asked again. Absent in a dry run.
        #[schemars(default)]
        more: Option<bool>,
    }
    /// The quotas of an API key.
    Quotas {
        /// Each of them.
        quotas: Vec<told::Quota<'static>>,
    }
    /// A page of APIs.
    Apis {
        /// The APIs.
        apis: Vec<told::Api<'static>>,
        /// `after` of the next page; null where this is the last.
        next: Option<Identifier>,
    }
    /// A page of plans.
    Plans {
        /// The plans.
        plans: Vec<told::Plan<'static>>,
        /// `after` of the next page; null where this is the last.
        next: Option<Identifier>,
    }
}

/// The parameters of the next question.
#[derive(JsonSchema)]
#[schemars(rename = "NextEnded")]
#[expect(dead_code, reason = "only its form is of use")]
struct Next {
    /// The moment to ask about next, in seconds since 1970.
    since: i64,
    /// Where there are more already: the place to go on from.
    #[schemars(default)]
    after: Option<String>,
}

/// Why not (RFC 9457). Some problems have more members than these.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its form is of use")]
pub(super) struct Problem {
    /// What kind of problem: `about:blank` where the status says all.
    r#type: String,
    /// The same in words.
    title: String,
    /// The status.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What is wrong here.
    detail: Option<String>,
    /// Of 422: the member that cannot be.
    member: Option<String>,
    /// Of 409, of a request that was sent again: the key that was made.
    key_id: Option<KeyIdentifier>,
    /// Of 500 and 503: what to quote to the operator of this server.
    request_id: Option<Identifier>,
    /// Where a proof was refused: the code of RFC 6749 or RFC 6750.
    error: Option<String>,
    /// Of 429: the names of the limits that are used up.
    #[schemars(rename = "violated-policies")]
    violated: Option<Vec<String>>,
}

/// Any JSON: this document itself.
#[derive(JsonSchema)]
#[schemars(transparent, inline)]
#[expect(dead_code, reason = "only its form is of use")]
pub(super) struct Document(serde_json::Map<String, Value>);
