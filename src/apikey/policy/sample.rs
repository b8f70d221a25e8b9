//! Policies and calls for tests.

use super::{Call, Document, Invalid, Reason, Rule};
use crate::base::{id::ApiId, moment::Moment};
use std::sync::LazyLock;

static API: LazyLock<ApiId> = LazyLock::new(|| ApiId::from_u128(1));

/// A Thursday in May, 10:00 UTC.
pub(in crate::apikey) const NOW: Moment = Moment::from_unix(1_778_752_800);

/// A call of which nothing is said.
pub(in crate::apikey) fn call() -> Call<'static> {
    Call::new(&API, NOW)
}

/// A policy, read.
pub(in crate::apikey) fn document(json: &str) -> Result<Document, Invalid> {
    Document::read(&serde_json::from_str(json).unwrap())
}

/// What the restriction that is written in this member finds.
pub(super) fn found(member: &str, written: &str, call: &Call<'_>) -> Result<(), Reason> {
    let rule = match member {
        "routes" => Rule::Route,
        _ => *Rule::ORDER.iter().find(|rule| rule.as_str() == member).unwrap(),
    };
    let document = document(&format!(r#"{{"v":1,"{member}":{written}}}"#)).unwrap();
    document.finding(rule, call).unwrap()
}

/// The member that is named when this is refused.
pub(super) fn refused(member: &str, written: &str) -> String {
    document(&format!(r#"{{"v":1,"{member}":{written}}}"#)).unwrap_err().member().to_owned()
}
