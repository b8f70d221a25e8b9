//! The log of requests with API keys: what a verification says of its call goes through here to be
//! written down, whoever asked.

use crate::{
    apikey::call::Call,
    audit::Origin,
    flow::api_keys::verify::Verdict,
    telemetry::requests::{self, Verified, names, shown},
};
use std::{net::IpAddr, time::Instant};

/// Writes down that a key was verified, where anybody wants that: `target` is the path and query
/// that the client asked for, `via` who put the question, and `began` when that was.
pub(super) fn note(
    verdict: &Verdict,
    (key, call, target): (&str, &Call<'_>, &str),
    (via, origin): (&str, &Origin),
    began: Instant,
) {
    if !requests::wanted() {
        return;
    }
    let entry = verdict.entry.as_deref();
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let said = |text: &str| shown(text, key);
    let address = call.address.and_then(|text| text.parse::<IpAddr>().ok());
    Verified {
        key_id: entry.map_or("", |entry| entry.key.id.as_str()),
        hint: entry.map_or("", |entry| &entry.key.hint),
        api: entry.map_or("", |entry| &entry.api().name),
        via,
        code: verdict.code(),
        ip: address.map(|address| address.to_canonical().to_string()),
        user_agent: call.user_agent.map(said),
        method: call.method.map(said),
        path: (!path.is_empty()).then(|| said(path)),
        query: query.map(|query| names(query, key)),
        took: began.elapsed(),
        request: origin.request.as_ref().map_or("", |id| id.as_str()),
    }
    .write();
}
