//! What the store asks the databases, listened to, and how they answer it.

use super::{
    keys::{api, key, keyed},
    *,
};
use crate::world::database::Backdoor;
use diesel::{
    RunQueryDsl,
    connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation},
};
use keywright::base::id::ApiKeyId;
use std::sync::Mutex;

/// One at a time listens.
static LISTENING: Mutex<()> = Mutex::new(());
/// What was asked over connections to databases whose address has this in it.
static HEARD: Mutex<(String, Asked)> = Mutex::new((String::new(), Asked { statements: Vec::new(), kept_ready: 0 }));

/// What was asked.
#[derive(Debug, Default)]
struct Asked {
    /// Without the values.
    statements: Vec<String>,
    /// How many of them the connection keeps prepared, so that asking again is one round trip.
    kept_ready: usize,
}

struct Listener(String);

impl Instrumentation for Listener {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        let mut heard = HEARD.lock().unwrap();
        let listens = !heard.0.is_empty() && self.0.contains(&heard.0);
        if let InstrumentationEvent::StartEstablishConnection { url, .. } = event {
            self.0 = url.to_owned();
        } else if let InstrumentationEvent::StartQuery { query, .. } = event
            && listens
        {
            let query = query.to_string();
            heard.1.statements.push(query.split(" -- binds").next().unwrap().to_owned());
        } else if let InstrumentationEvent::CacheQuery { .. } = event
            && listens
        {
            heard.1.kept_ready += 1;
        }
    }
}

/// What `f` asks.
fn asked<T: Send + 'static>(db: &Database, f: impl FnMut(&mut Tx<'_>) -> Result<T, Fault> + Send + 'static) -> Asked {
    let _alone = LISTENING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let address = db.settings.url.expose();
    let address = address.strip_prefix("sqlite:").unwrap_or(address).to_owned();
    set_default_instrumentation(|| Some(Box::new(Listener(String::new())))).unwrap();
    let store = db.another();
    // Whatever is said once for each connection is said before.
    read(&store, |tx| tx.meta().get("x"));
    *HEARD.lock().unwrap() = (address, Asked::default());
    let done: Plain<T> = store.read_blocking("listen", {
        let mut f = f;
        move |tx| Ok(f(tx)?)
    });
    done.unwrap();
    let heard = std::mem::take(&mut *HEARD.lock().unwrap()).1;
    store.close();
    set_default_instrumentation(|| None).unwrap();
    heard
}

#[derive(diesel::QueryableByName)]
struct PostgresLine {
    #[diesel(sql_type = diesel::sql_types::Text, column_name = "QUERY PLAN")]
    line: String,
}
#[derive(diesel::QueryableByName)]
struct SqliteLine {
    #[diesel(sql_type = diesel::sql_types::Text)]
    detail: String,
}

/// How the database goes about it, for whatever values: a line for each step.
fn explained(db: &Database, query: &str) -> Vec<String> {
    match &mut db.backdoor() {
        Backdoor::Sqlite(c) => {
            let lines: Vec<SqliteLine> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {query}")).load(c).unwrap();
            lines.into_iter().map(|line| line.detail).collect()
        }
        Backdoor::Pg(c) => {
            let values = query.matches('$').count();
            diesel::connection::SimpleConnection::batch_execute(
                c,
                &format!("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; PREPARE it AS {query}"),
            )
            .unwrap();
            let nulls = vec!["NULL"; values].join(", ");
            let lines: Vec<PostgresLine> = diesel::sql_query(format!("EXPLAIN EXECUTE it({nulls})")).load(c).unwrap();
            lines.into_iter().map(|line| line.line).collect()
        }
    }
}

#[test]
fn a_key_with_all_that_is_known_of_it_is_one_statement_that_reads_no_table_from_end_to_end() {
    each(|db| {
        keyed(db);
        let by_text = asked(db, |tx| tx.api_keys().by_digest(&key(1, 1).digest));
        let by_handle = asked(db, |tx| tx.api_keys().facts(&ApiKeyId::from_u128(1)));
        for asked in [by_text, by_handle] {
            assert_eq!((asked.statements.len(), asked.kept_ready), (1, 1), "{asked:#?}");
            let steps = explained(db, &asked.statements[0]);
            assert!(!steps.iter().any(|step| step.contains("SCAN") || step.contains("Seq Scan")), "{steps:#?}");
            assert!(steps.len() >= 7, "{steps:#?}");
        }
    });
}

#[test]
fn the_key_of_a_text_that_may_have_several_digests_is_one_statement_too() {
    each(|db| {
        keyed(db);
        let digests = [key(1, 1).digest, key(2, 2).digest, hash("none"), hash("neither")];
        let asked = asked(db, move |tx| {
            let found = tx.api_keys().by_digests(&digests)?;
            assert_eq!(found.len(), 2);
            Ok(())
        });
        assert_eq!(asked.statements.len(), 1, "{asked:#?}");
        let steps = explained(db, &asked.statements[0]);
        assert!(!steps.iter().any(|step| step.contains("SCAN") || step.contains("Seq Scan")), "{steps:#?}");
    });
}

#[test]
fn what_has_ended_and_what_will_end_of_an_api_is_found_by_an_index_of_its_own_in_its_order() {
    each(|db| {
        keyed(db);
        let ended = asked(db, |tx| tx.api_keys().ended_since(&[api(1).id], (START, None), 10));
        let ending = asked(db, |tx| tx.api_keys().ending(&[api(1).id], (START, None), START + Span::days(30), 10));
        for (asked, index) in [(ended, "api_keys_ended_of_api"), (ending, "api_keys_ending_of_api")] {
            let steps = explained(db, &asked.statements[0]);
            assert!(steps.iter().any(|step| step.contains(index)), "{steps:#?}");
            assert!(!steps.iter().any(|step| step.contains("Sort") || step.contains("B-TREE")), "{steps:#?}");
        }
    });
}

#[test]
fn what_hangs_from_what_was_disabled_is_found_from_that_and_reads_no_table_of_keys_from_end_to_end() {
    each(|db| {
        keyed(db);
        let asked = asked(db, |tx| tx.api_keys().ends_since(&[api(1).id, api(2).id], (START, None), 10));
        let hanging = asked.statements.iter().filter(|statement| statement.contains("CROSS JOIN"));
        let found: Vec<Vec<String>> = hanging.map(|statement| explained(db, statement)).collect();
        assert_eq!(found.len(), 4, "{asked:#?}");
        // Postgres goes by what is in the tables, and here next to nothing is.
        for (steps, begin) in found.iter().zip(["users", "clients", "clients", "apis"]).filter(|_| db.is_sqlite()) {
            let scans: Vec<&String> = steps.iter().filter(|step| step.starts_with("SCAN")).collect();
            assert!(steps[0].contains(begin), "{steps:#?}");
            assert!(scans.iter().all(|step| *step == "SCAN apis"), "{steps:#?}");
        }
    });
}

#[test]
fn a_debit_is_one_statement() {
    use keywright::{
        base::id::FamilyId,
        store::quotas::{CounterId, Debit},
    };
    each(|db| {
        let counter = CounterId { family: FamilyId::from_u128(1), name: "a".into(), period_start: START };
        let one = counter.clone();
        if db.is_sqlite() {
            // What reads may not write there, and what writes is told to begin and to commit as well.
            return;
        }
        let asked_for_one = asked(db, move |tx| tx.quotas().debit(&one, 1, 10));
        assert_eq!((asked_for_one.statements.len(), asked_for_one.kept_ready), (1, 1), "{asked_for_one:#?}");
        let many: Vec<_> = (0..300)
            .map(|n| Debit { counter: CounterId { name: n.to_string(), ..counter.clone() }, n: 1, limit: 1 })
            .collect();
        assert_eq!(asked(db, move |tx| tx.quotas().debit_many(&many)).statements.len(), 2);
    });
}
