//! `keywright keys revoke`: a key that has to go now, and what that touches.

use super::key_id;
use crate::{
    base::{fault::Stop, id::KeyId},
    cli::{
        Answer, Failure, Session,
        at_work::{in_world, moment, operator},
    },
    flow::revoke_key::{self, Done, Report, Revoked, SignedOut},
};
use clap::Args;
use serde_json::{Value, json};
use std::time::Duration;

/// How long the report waits, so that every node has heard and has written what it had issued until
/// then. The key is gone before.
const SETTLING: Duration = Duration::from_secs(2);
/// The longest reason, in characters.
const MAX_REASON: usize = 500;

#[derive(Args, Debug)]
pub(in crate::cli) struct Revoke {
    /// Its name, as `keywright keys list` shows it. Of a key that was revoked before, only the report is made anew.
    #[arg(value_name = "KID", value_parser = key_id, allow_hyphen_values = true)]
    kid: KeyId,
    /// Why, for the audit log and whoever looks at the key later.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    /// End every session too: everybody has to sign in again.
    #[arg(long)]
    sign_out: bool,
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > MAX_REASON || text.chars().any(char::is_control) {
        return Err(format!("must be a line of 1 to {MAX_REASON} characters"));
    }
    Ok(text.to_owned())
}

pub(super) fn run(args: &Revoke, session: &Session) -> Result<Answer, Failure> {
    in_world(session, async |_, world| {
        let revoked = revoke_key::run(world, &args.kid, &args.reason, operator()).await.map_err(|stop| match stop {
            Stop::Refusal(not) => Failure::Failed(not.to_string()),
            Stop::Fault(fault) => fault.into(),
        })?;
        let out = if args.sign_out { Some(revoke_key::sign_out(world).await?) } else { None };
        if revoked.done == Done::Now {
            tokio::time::sleep(SETTLING).await;
        }
        let report = revoke_key::report(world, &revoked).await?;
        Ok(Answer::new(in_words(&revoked, &report, out), as_json(&revoked, &report, out)))
    })
}

fn in_words(revoked: &Revoked, report: &Report, out: Option<SignedOut>) -> String {
    let touched = &report.touched;
    let mut lines = vec![match revoked.done {
        Done::Now => format!("{} is revoked: {}", revoked.kid, revoked.reason),
        Done::Before => format!("{} was revoked at {}: {}", revoked.kid, revoked.at, revoked.reason),
    }];
    lines.push(match &revoked.successor {
        Some(kid) if revoked.alg.signs() => format!("{kid} signs with {} now", revoked.alg),
        None if revoked.alg.signs() => format!("nothing signs with {} now, for nothing needs to", revoked.alg),
        Some(kid) => format!("{kid} is published for {} now; what was encrypted for the other is lost", revoked.alg),
        None => format!("nothing is published for {} now, for nothing needs to be", revoked.alg),
    });
    lines.push(match touched.until {
        Some(until) => format!(
            "{} access tokens by it had not expired, of {} clients and {} people; the last would have ended at {until}",
            touched.tokens,
            touched.clients.len(),
            touched.people.len()
        ),
        None => "no access token by it had not expired".to_owned(),
    });
    lines.push(format!("{} grants go on: their next access token is by another key", touched.grants.len()));
    lines.push(if revoked.alg.signs() {
        format!("it made {} signatures in its life", report.signed)
    } else {
        format!("it decrypted {} tokens in its life", report.seen)
    });
    if let Some(out) = out {
        lines.push(format!("{} sessions of {} people were ended", out.sessions, out.people));
    }
    lines.push(format!("{} have fetched the published keys since", report.fetched_since.len()));
    for ((address, agent), _, until) in &report.may_still_trust {
        lines.push(format!("{address} ({agent}) has not, and may accept its tokens until {until}"));
    }
    lines.join("\n")
}

fn as_json(revoked: &Revoked, report: &Report, out: Option<SignedOut>) -> Value {
    let touched = &report.touched;
    let since = report
        .fetched_since
        .iter()
        .map(|((address, agent), n)| json!({ "address": address, "agent": agent, "last_at": moment(Some(n.last)) }));
    let not = report.may_still_trust.iter().map(|((address, agent), n, until)| {
        let (last, until) = (moment(Some(n.last)), moment(Some(*until)));
        json!({ "address": address, "agent": agent, "last_at": last, "may_trust_it_until": until })
    });
    json!({
        "kid": revoked.kid,
        "alg": revoked.alg.name(),
        "revoked_at": moment(Some(revoked.at)),
        "revoked_now": revoked.done == Done::Now,
        "reason": revoked.reason,
        "successor": revoked.successor,
        "access_tokens": touched.tokens,
        "access_tokens_until": moment(touched.until),
        "clients": touched.clients,
        "people": touched.people,
        "grants": touched.grants.len(),
        "signatures": report.signed,
        "seen": report.seen,
        "signed_out": out.map(|out| json!({ "people": out.people, "sessions": out.sessions })),
        "fetched_since": since.collect::<Vec<_>>(),
        "may_still_trust_it": not.collect::<Vec<_>>(),
    })
}
