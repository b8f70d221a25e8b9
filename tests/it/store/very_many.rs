//! Very many grants end, in transactions that stay short.

use super::*;
use crate::world::Server;
use keywright::audit::Actor;
use keywright::flow::manage_clients;
use std::time::Instant;

/// Adds this many grants of one client, each of another person, without a refresh token.
fn grants_of(db: &Database, client: &str, n: u32) {
    let payload = r#"{"scope":"openid offline_access","resources":[],"authenticated_at":0,"amr":["pwd"]}"#;
    let (numbers, time, offline) = if db.is_sqlite() {
        (format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n})"), "1", "1")
    } else {
        (format!("WITH n AS (SELECT generate_series(1, {n}) AS i)"), "'2025-12-01'", "true")
    };
    let later = if db.is_sqlite() { "1900000000000000" } else { "'2030-01-01'" };
    let pad = if db.is_sqlite() { "printf('%021d', i)" } else { "lpad(i::text, 21, '0')" };
    db.backdoor().execute(&format!(
        "{numbers} INSERT INTO grants (id, client_id, user_id, session_id, offline, payload, created_at, expires_at, \
         idle_expires_at, generation) SELECT 'gr_' || {pad}, '{client}', 'usr_' || i, 'ses_' || i, {offline}, \
         '{payload}', {time}, {later}, {later}, 0 FROM n"
    ));
}

fn a_client_of(n: u32, a_statement: &str) {
    each(|db| {
        let server = Server::start(db, |settings| settings.set("database.statement_timeout", a_statement));
        let app = server.web_app();
        grants_of(db, &app.id, n);
        let began = Instant::now();
        let id = ClientId::parse(&app.id).unwrap();
        server.run(manage_clients::disable(&server.world, &id, Actor::System)).unwrap();
        eprintln!("{n} grants ended in {:?}, sqlite: {}", began.elapsed(), db.is_sqlite());
        let count = |sql: &str| db.backdoor().texts(sql)[0].parse::<u32>().unwrap();
        let text = if db.is_sqlite() { "" } else { "::text" };
        assert_eq!(count(&format!("SELECT count(*){text} || '' AS text FROM grants WHERE revoked_at IS NULL")), 0);
        let told = format!("SELECT count(*){text} || '' AS text FROM change_feed WHERE kind = 'grant'");
        assert_eq!(count(&told), n);
        let noted = format!("SELECT count(*){text} || '' AS text FROM audit_events WHERE kind = 'grant.revoked'");
        assert_eq!(count(&noted), n);
    });
}

#[test]
fn a_client_with_very_many_grants_is_disabled() {
    a_client_of(5_000, "5s");
}

#[test]
#[ignore = "takes a minute"]
fn a_client_with_a_hundred_thousand_grants_is_disabled() {
    a_client_of(100_000, "1s");
}
