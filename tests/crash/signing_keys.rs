//! Signing keys on several nodes of one Postgres: a key that has to go now; rotations while clocks are
//! wrong and a node sleeps.

use super::{
    busy::{LONG, at_best, within},
    check::SPREAD,
    http::Client,
    kills::seed,
    load::{Dice, Worker},
    node::{Installation, Registered, postgres},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

pub(crate) fn kid_of(token: &str) -> String {
    let header = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

fn own_token(client: &mut Client, machine: &Registered) -> String {
    let auth = [("Authorization", machine.basic.as_str())];
    let reply = client.post_form("/token", &auth, &[("grant_type", "client_credentials")]).unwrap();
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.member("access_token")
}

fn published(client: &mut Client) -> Vec<String> {
    let set = client.get("/jwks", &[]).unwrap().json();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Whether a node still has anything good to say of what the key signed.
fn trusts(client: &mut Client, by: &Registered, token: &str, kid: &str) -> bool {
    let auth = [("Authorization", by.basic.as_str())];
    let told = client.post_form("/introspect", &auth, &[("token", token)]).unwrap();
    assert_eq!(told.status, 200, "{}", told.body);
    told.json()["active"] == true || published(client).contains(&kid.to_owned())
}

/// One number that the database says.
fn number(installation: &Installation, sql: &str) -> u64 {
    installation.texts(sql)[0].parse().unwrap()
}

struct Lines<'i> {
    workers: Vec<Worker<'i>>,
    access: Vec<String>,
    refresh: Vec<String>,
}

/// Three people sign in at the application, each on one of the nodes.
fn lines<'i>(installation: &'i Installation, nodes: &[std::net::SocketAddr]) -> Lines<'i> {
    let mut lines = Lines { workers: Vec::new(), access: Vec::new(), refresh: Vec::new() };
    for n in 0..3 {
        let mut worker = Worker::new(installation, n, 1, nodes[n % nodes.len()]);
        let code = worker.code().unwrap().expect("a code");
        let reply = worker.redeem(&code).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.body);
        lines.access.push(reply.member("access_token"));
        lines.refresh.push(reply.member("refresh_token"));
        lines.workers.push(worker);
    }
    lines
}

fn userinfo(client: &mut Client, token: &str) -> u16 {
    client.get("/userinfo", &[("Authorization", &format!("Bearer {token}"))]).unwrap().status
}

/// Revokes the key of an access token while everybody waits for nothing else; how long each node took.
fn revoke(
    installation: &Installation,
    nodes: &[std::net::SocketAddr],
    token: &str,
    sign_out: bool,
) -> (Value, Duration) {
    let (kid, machine) = (kid_of(token), &installation.machine);
    thread::scope(|scope| {
        let report = scope.spawn(|| {
            let mut args = vec!["keys", "revoke", &kid, "--reason", "it was found in a ticket"];
            args.extend(sign_out.then_some("--sign-out"));
            installation.cli(&args, "")
        });
        let watch = |address| {
            let (kid, mut client) = (kid.clone(), Client::new(address));
            move || {
                while trusts(&mut client, machine, token, &kid) {
                    thread::sleep(Duration::from_millis(5));
                }
                chrono::Utc::now()
            }
        };
        let refused: Vec<_> = nodes.iter().map(|address| scope.spawn(watch(*address))).collect();
        let refused: Vec<_> = refused.into_iter().map(|one| one.join().unwrap()).collect();
        let report = report.join().unwrap();
        let at = installation.texts(
            &format!(
                "SELECT CAST(at AS text) AS text FROM audit_events WHERE kind = 'key.revoked' AND data LIKE '%{kid}%'"
            )
            .replace("data LIKE", "CAST(data AS text) LIKE"),
        );
        // On SQLite microseconds, on Postgres a timestamp.
        let at = at[0].parse::<i64>().map_or_else(
            |_| chrono::DateTime::parse_from_str(&format!("{}00", at[0]), "%Y-%m-%d %H:%M:%S%.f%z").unwrap().to_utc(),
            |micros| chrono::DateTime::from_timestamp_micros(micros).unwrap(),
        );
        let last = *refused.iter().max().unwrap();
        (report, (last - at).to_std().unwrap_or_default())
    })
}

/// Everything that is promised of a key that has to go, on these nodes.
fn a_key_goes(installation: &Installation, nodes: &[std::net::SocketAddr]) {
    let took = at_best(SPREAD, || one_key_goes(installation, nodes));
    assert!(took <= SPREAD, "{took:?}");
}

/// The same of one key; how long it took until all nodes refused it.
fn one_key_goes(installation: &Installation, nodes: &[std::net::SocketAddr]) -> Duration {
    let mut clients: Vec<Client> = nodes.iter().map(|address| Client::new(*address)).collect();
    let mut dice = Dice(seed());
    let lines = lines(installation, nodes);
    let count = 20 + dice.below(30);
    let machines: Vec<String> =
        (0..count).map(|n| own_token(&mut clients[n as usize % nodes.len()], &installation.machine)).collect();
    let kid = kid_of(&machines[0]);
    assert_eq!(kid_of(&lines.access[0]), kid);
    for client in &mut clients {
        assert!(lines.access.iter().all(|token| userinfo(client, token) == 200));
    }
    let (report, took) = revoke(installation, nodes, &machines[0], false);
    println!("refused by {} nodes within {took:?} of the commit: {report}", nodes.len());
    // The connections were idle, perhaps for longer than a server keeps one.
    clients = nodes.iter().map(|address| Client::new(*address)).collect();
    for client in &mut clients {
        assert!(lines.access.iter().all(|token| userinfo(client, token) == 401));
        assert!(machines.iter().all(|token| !trusts(client, &installation.machine, token, &kid)));
        let next = own_token(client, &installation.machine);
        assert_eq!(report["successor"], kid_of(&next).as_str(), "a successor signs at once");
        assert!(published(client).contains(&kid_of(&next)));
    }
    // What the report says is what the database says.
    let sqlite = installation.is_on_sqlite();
    let (own, also) = if sqlite {
        ("json_extract(data, '$.kid')", "json_array_length(data, '$.also')")
    } else {
        ("data->>'kid'", "jsonb_array_length(data->'also')")
    };
    let of = format!("FROM audit_events WHERE kind LIKE 'token.%' AND {own} = '{kid}'");
    let written = || number(installation, &format!("SELECT CAST(SUM(1 + COALESCE({also}, 0)) AS text) AS text {of}"));
    assert!(within(LONG, || written() == count + 3), "every token has its event: {} of {}", written(), count + 3);
    let tokens = written();
    // It waits two seconds for what nodes have not written yet, and is made anew where that took longer.
    let late = report["access_tokens"] != tokens;
    let report = if late { installation.cli(&["keys", "revoke", &kid, "--reason", "once more"], "") } else { report };
    let clients_of = number(installation, &format!("SELECT CAST(COUNT(DISTINCT client_id) AS text) AS text {of}"));
    let people = number(installation, &format!("SELECT CAST(COUNT(DISTINCT user_id) AS text) AS text {of}"));
    assert_eq!(people, 3);
    assert_eq!(report["access_tokens"], tokens, "{report}");
    assert_eq!(report["clients"].as_array().unwrap().len() as u64, clients_of, "{report}");
    assert_eq!(report["people"].as_array().unwrap().len() as u64, people, "{report}");
    assert_eq!(report["grants"], 3);
    // Lines of refresh tokens go on, with the next key.
    let Lines { mut workers, refresh, .. } = lines;
    for (worker, token) in workers.iter_mut().zip(&refresh) {
        // The connection was idle, perhaps for longer than the server keeps one.
        worker.turn_to(nodes[0]);
        let reply = worker.refresh(token).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_ne!(kid_of(&reply.member("access_token")), kid);
    }
    let listed = installation.cli(&["keys", "list", "--all"], "");
    let key = listed["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid.as_str()).unwrap();
    assert_eq!((key["state"].as_str(), key["why"].as_str()), (Some("revoked"), Some("it was found in a ticket")));
    took
}

#[test]
fn a_key_that_leaked_is_refused_by_both_nodes_within_a_second_and_the_report_says_what_the_database_says() {
    let Some(server) = postgres() else { return };
    let installation = Installation::on_postgres(&server);
    let nodes = [installation.serve(), installation.serve_elsewhere()];
    a_key_goes(&installation, &nodes.each_ref().map(|node| node.address));
}

#[test]
fn the_same_on_sqlite() {
    let installation = Installation::on_sqlite();
    let node = installation.serve();
    a_key_goes(&installation, &[node.address]);
}

#[test]
fn a_key_that_leaked_is_refused_within_a_second_also_where_no_notification_arrives_and_everybody_signs_in_again() {
    let Some(server) = postgres() else { return };
    let installation = Installation::on_postgres(&server);
    let nodes = [installation.serve(), installation.serve_elsewhere()];
    let addresses = nodes.each_ref().map(|node| node.address);
    installation.meddle("DROP TRIGGER tell_of_changes ON change_feed");
    let mut lines = lines(&installation, &addresses);
    let mut waits = Vec::new();
    for n in 0..4 {
        waits.push(at_best(SPREAD, || {
            let token = own_token(&mut Client::new(addresses[n % 2]), &installation.machine);
            revoke(&installation, &addresses, &token, false).1
        }));
    }
    println!("without notifications refused by both after {waits:?}");
    assert!(waits.iter().all(|took| *took <= SPREAD), "{waits:?}");
    let token = own_token(&mut Client::new(addresses[0]), &installation.machine);
    let (report, _) = revoke(&installation, &addresses, &token, true);
    assert_eq!((&report["signed_out"]["people"], &report["signed_out"]["sessions"]), (&3.into(), &3.into()));
    for (worker, token) in lines.workers.iter_mut().zip(&lines.refresh) {
        // The connection was idle for longer than the server keeps one.
        worker.turn_to(addresses[0]);
        assert_eq!(worker.refresh(token).unwrap().status, 400, "it ended with the session");
        let before = worker.browser.sign_ins;
        // The page that asks to sign in is what a person sees now.
        worker.browser.sign_ins = 0;
        worker.code().unwrap().expect("a code");
        assert_eq!((before, worker.browser.sign_ins), (1, 1), "asked for the password again");
    }
}

/// What one node was seen to do: when it had not published each key yet, the last time before it did, and when it first
/// signed with it.
#[derive(Default)]
struct Watched {
    published: BTreeMap<String, Instant>,
    signed: BTreeMap<String, Instant>,
    tokens: Vec<String>,
    /// Tokens that were held against a copy.
    held: usize,
}

/// Asks one node for its keys and for tokens until told to end. Each token is held against a copy of the
/// set that another node handed out up to two seconds before, which is what this policy allows.
fn watch(node: SocketAddr, other: SocketAddr, machine: &Registered, end: &AtomicBool) -> Watched {
    let (mut here, mut there) = (Client::new(node), Client::new(other));
    let mut seen = Watched::default();
    let copied = |there: &mut Client| {
        let asked = Instant::now();
        (published(there), asked)
    };
    let (mut copy, mut looked) = (copied(&mut there), Instant::now());
    while !end.load(Ordering::SeqCst) {
        let looks = Instant::now();
        for kid in published(&mut here) {
            seen.published.entry(kid).or_insert(looked);
        }
        looked = looks;
        if copy.1.elapsed() > Duration::from_millis(1900) {
            copy = copied(&mut there);
        }
        let token = own_token(&mut here, machine);
        let kid = kid_of(&token);
        // On a machine that is busy a copy may have become too old meanwhile.
        if copy.1.elapsed() <= Duration::from_secs(2) {
            assert!(copy.0.contains(&kid), "{node} signs with {kid}, which a copy from {other} lacks");
            seen.held += 1;
        }
        seen.signed.entry(kid).or_insert_with(Instant::now);
        seen.tokens.push(token);
        thread::sleep(Duration::from_millis(40));
    }
    seen
}

/// Tells whoever watches that it is over, also where a claim did not hold: they would go on for ever.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn every_node_publishes_a_key_before_any_signs_with_it_though_clocks_are_wrong_and_one_was_asleep() {
    let Some(server) = postgres() else { return };
    // From the beginning: what an earlier policy allowed to be kept for longer would be waited for.
    let mut installation = Installation::bare_on_postgres(&server);
    // A copy may be kept for two seconds; clocks may differ by twenty on top.
    installation.settings = vec![
        ("KEYWRIGHT_KEYS_JWKS_MAX_AGE", "1s".to_owned()),
        ("KEYWRIGHT_KEYS_LIBRARY_CACHE", "1s".to_owned()),
        ("KEYWRIGHT_KEYS_PUBLISH_BEFORE_USE", "23s".to_owned()),
    ];
    let installation = installation.peopled();
    let sleeper = installation.serve();
    let (Some(fast), Some(slow)) = (installation.serve_with_clock(10), installation.serve_with_clock(-10)) else {
        return;
    };
    let machine = &installation.machine;
    let end = AtomicBool::new(false);
    let running = &end;
    let first = kid_of(&own_token(&mut fast.client(), machine));
    thread::scope(|scope| {
        let _over = Over(&end);
        let pairs = [(fast.address, slow.address), (slow.address, fast.address)];
        let watching = pairs.map(|(node, other)| scope.spawn(move || watch(node, other, machine, running)));
        sleeper.stop();
        installation.cli_with(&["keys", "rotate"]);
        let asked = Instant::now();
        let mut client = fast.client();
        while kid_of(&own_token(&mut client, machine)) == first {
            assert!(asked.elapsed() < Duration::from_secs(180), "the successor never signs");
            thread::sleep(Duration::from_millis(100));
        }
        let second = kid_of(&own_token(&mut client, machine));
        println!("the successor signed {:?} after it was asked for", asked.elapsed());
        // Whoever slept through all of it knows the key in its first answer, and signs with it.
        sleeper.resume();
        let mut woken = sleeper.client();
        let (first_set, first_token) = (published(&mut woken), own_token(&mut woken, machine));
        // It looks for a second at most, and says so where that was too short: then it goes on with what it knows.
        if sleeper.said().contains("has not heard yet what has changed") {
            println!("not tested: this machine is too slow for a node to catch up within a second");
        } else {
            assert!(first_set.contains(&second), "the first set after the sleep lacks {second}");
            assert_eq!(kid_of(&first_token), second);
        }
        thread::sleep(Duration::from_secs(2));
        end.store(true, Ordering::SeqCst);
        let seen = watching.map(|one| one.join().unwrap());
        let signed = seen.iter().filter_map(|one| one.signed.get(&second)).min().unwrap();
        for one in &seen {
            let lead = signed.duration_since(one.published[&second]);
            println!(
                "published {lead:?} before anybody signed with it; {} of {} tokens held",
                one.held,
                one.tokens.len()
            );
            assert!(one.held > 0, "no token was held against a copy");
            assert!(lead >= Duration::from_secs(2), "copies may be two seconds old: {lead:?}");
        }
        let auth = [("Authorization", machine.basic.as_str())];
        for token in seen.iter().flat_map(|one| &one.tokens).step_by(10) {
            let told = client.post_form("/introspect", &auth, &[("token", token)]).unwrap();
            assert_eq!(told.json()["active"], true, "{}", told.body);
        }
    });
}
