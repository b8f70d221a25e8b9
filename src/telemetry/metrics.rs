//! The table of metrics: one row is the field, its shape and labels, its name and its meaning.

use super::instrument::{Count, CrossTally, Instrument, Level, RouteMeter, Tally, Timer};
use prometheus_client::{encoding::text, registry::Registry};

/// The content type of [`Metrics::render`]: OpenMetrics 1.0, which Prometheus reads.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The name as it is scraped.
    pub name: &'static str,
    /// What the registry appends to it.
    pub suffix: &'static str,
    /// Counter, gauge or histogram.
    pub shape: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it means, in a sentence.
    pub doc: &'static str,
}

macro_rules! metrics {
    ($($(#[doc = $doc:literal])* $field:ident: $shape:ident[$($label:literal),*] = $name:literal;)*) => {
        /// Every metric of this process. Owned by whoever starts the server; there are no globals.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            $($(#[doc = $doc])* pub $field: $shape,)*
        }

        /// The table of metrics.
        pub const METRICS: &[Metric] = &[$(Metric {
            name: $name,
            suffix: <$shape as Instrument>::SUFFIX,
            shape: <$shape as Instrument>::TYPE,
            labels: &[$($label),*],
            doc: concat!($($doc),*),
        },)*];

        impl Default for Metrics {
            fn default() -> Self {
                let mut registry = Registry::default();
                $(
                    let $field = <$shape as Instrument>::new(&[$($label),*]);
                    $field.register(&mut registry, $name, concat!($($doc),*));
                )*
                Self { registry, $($field),* }
            }
        }
    };
}

metrics! {
    /// Requests answered, by route and status.
    http_requests: CrossTally["route", "status"] = "keywright_http_requests";
    /// Time from a request's head to its answer, by route.
    http_duration: Timer["route"] = "keywright_http_request_duration_seconds";
    /// Token responses given, by grant type.
    tokens_issued: Tally["grant_type"] = "keywright_tokens_issued";
    /// Refusals told to clients, by error code.
    refusals: Tally["error"] = "keywright_refusals";
    /// Attempts to sign in, by result: ok, refused, throttled, busy.
    sign_ins: Tally["result"] = "keywright_sign_ins";
    /// Transactions ended, by name and outcome: committed, refused, fault.
    transactions: CrossTally["name", "outcome"] = "keywright_transactions";
    /// Time a transaction took, retries included, by name.
    transaction_duration: Timer["name"] = "keywright_transaction_duration_seconds";
    /// Transactions run again after a conflict, by name.
    transaction_retries: Tally["name"] = "keywright_transaction_retries";
    /// Time that work waited for a database thread or connection, by what it waited for.
    database_wait: Timer["for"] = "keywright_database_wait_seconds";
    /// Work that was turned away because the queue before the database was full.
    database_shed: Count[] = "keywright_database_shed";
    /// Passwords that wait to be hashed.
    hash_queue: Level[] = "keywright_hash_queue";
    /// Audit events written.
    audit_written: Count[] = "keywright_audit_events";
    /// Audit events lost because they could not be written in time.
    audit_lost: Count[] = "keywright_audit_events_lost";
    /// Revoked grants and tokens that this node knows of and still refuses.
    revocations: Level[] = "keywright_revocations_known";
    /// Requests turned away because a limit of our own endpoints was met, by its policy.
    held: Tally["policy"] = "keywright_requests_limited";
    /// 1 while this node counts limits alone though Redis is configured, else 0.
    limits_degraded: Level[] = "keywright_limits_degraded";
    /// Days since the database of addresses was made; 0 without one.
    geo_age: Level[] = "keywright_geo_database_age_days";
    /// Signing keys that are published.
    signing_keys: Level[] = "keywright_signing_keys";
    /// Signatures by keys that are elsewhere, by result: signed, or why not (busy, timed_out, away, refused, no_key, garbage,
    /// bad, unset).
    signatures_elsewhere: Tally["result"] = "keywright_signatures_elsewhere";
    /// Back-channel logout messages, by result: delivered, retried, abandoned.
    logout_deliveries: Tally["result"] = "keywright_logout_deliveries";
    /// Answers about API keys, by the code of the verdict.
    key_verdicts: Tally["code"] = "keywright_key_verdicts";
    /// APIs whose limits give less for now, because they had no room for most of their calls.
    apis_throttled: Level[] = "keywright_apis_throttled";
    /// Units of quotas debited ahead of their use.
    quota_debited: Count[] = "keywright_quota_units_debited";
    /// Units of quotas given back unused.
    quota_returned: Count[] = "keywright_quota_units_returned";
    /// Calls to other servers, by purpose and result: ok, refused, failed.
    outbound: CrossTally["purpose", "result"] = "keywright_outbound_requests";
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The meter of one route; make it once and keep it.
    #[must_use]
    pub fn route(&self, route: &'static str) -> RouteMeter {
        RouteMeter::new(route, &self.http_requests, &self.http_duration)
    }

    /// The text to be scraped; see [`CONTENT_TYPE`].
    #[must_use]
    pub fn render(&self) -> String {
        let mut page = String::with_capacity(16 * 1024);
        // Writing to a String cannot fail.
        let _ = text::encode(&mut page, &self.registry);
        page
    }
}

/// The reference page of metrics, in Markdown.
#[must_use]
pub fn docs_metrics() -> String {
    let mut page = String::from(
        "# Metrics\n\n<!-- Made by `keywright docs` from src/telemetry. Change the metrics there, not here. -->\n\nServed at `/metrics` on the listener for operators, in the OpenMetrics format.\n\n\
         | metric | kind | labels | meaning |\n|---|---|---|---|\n",
    );
    for Metric { name, suffix, shape, labels, doc } in METRICS {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        page.push_str(&format!("| `{name}{suffix}` | {shape} | {} | {} |\n", labels.join(", "), doc.trim()));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_counted_is_rendered() {
        let metrics = Metrics::new();
        let token = metrics.route("/token");
        token.note(200, Duration::from_millis(2));
        token.note(200, Duration::from_millis(2));
        token.note(418, Duration::from_millis(2));
        metrics.tokens_issued.one("refresh_token");
        metrics.transactions.one("token", "committed");
        metrics.audit_lost.add(3);
        let held = metrics.hash_queue.enter();
        let page = metrics.render();
        for line in [
            r#"keywright_http_requests_total{route="/token",status="200"} 2"#,
            r#"keywright_http_requests_total{route="/token",status="other"} 1"#,
            r#"keywright_http_request_duration_seconds_bucket{le="0.0025",route="/token"} 3"#,
            r#"keywright_tokens_issued_total{grant_type="refresh_token"} 1"#,
            r#"keywright_transactions_total{name="token",outcome="committed"} 1"#,
            "keywright_audit_events_lost_total 3",
            "keywright_hash_queue 1",
            "# HELP keywright_tokens_issued Token responses given, by grant type.",
            "# EOF",
        ] {
            assert!(page.lines().any(|l| l == line), "{line}\n{page}");
        }
        drop(held);
        assert!(metrics.render().contains("keywright_hash_queue 0"));
    }

    #[test]
    fn every_row_has_a_sentence_and_the_labels_of_its_shape() {
        for metric in METRICS {
            assert!(metric.name.starts_with("keywright_") && metric.doc.ends_with('.'), "{}", metric.name);
        }
        assert_eq!(docs_metrics().lines().filter(|l| l.starts_with("| `")).count(), METRICS.len());
    }
}
