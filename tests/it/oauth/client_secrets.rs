//! Client secrets (RFC 6749 §2.3.1): their text, two of them during a change, the end of one, and
//! what is told of each.

use crate::world::{
    App, Database, Server,
    busy::{LONG, at_best, taken, within},
    each,
};
use keywright::{
    audit::Actor,
    base::{
        credential::{Kind, checksum, mint},
        entropy::SeededEntropy,
        fault::Stop,
        id::ClientId,
        moment::Span,
    },
    flow::{
        client_secrets::{self, Rotated, Seen, end_secret, remind},
        manage_clients::Unmet,
        secret_uses,
    },
    oauth::secret::Which,
    store::{
        Tx,
        clients::{ClientRow, Source},
    },
};
use serde_json::json;
use std::{thread, time::Duration};

fn id(app: &App) -> ClientId {
    ClientId::parse(&app.id).unwrap()
}

/// The refusal of what an operator wished for.
fn unmet<T: std::fmt::Debug>(done: Result<T, Stop<Unmet>>) -> Unmet {
    match done {
        Err(Stop::Refusal(unmet)) => unmet,
        other => panic!("{other:?}"),
    }
}

fn try_rotate(server: &Server, app: &App, overlap: Span) -> Result<Rotated, Stop<Unmet>> {
    server.run(client_secrets::rotate_secret(&server.world, &id(app), overlap, Actor::System))
}

/// The same application with a new secret.
fn rotate(server: &Server, app: &App, overlap: Span) -> App {
    let secret = try_rotate(server, app, overlap).unwrap().secret.expose().clone();
    app.with_secret(&secret)
}

fn end(server: &Server, app: &App, which: Which) -> Result<Seen, Stop<Unmet>> {
    server.run(end_secret(&server.world, &id(app), which, Actor::System))
}

/// The application as stored, after every node has written what its secrets were used for.
fn seen(nodes: &[&Server], app: &App) -> Seen {
    for node in nodes {
        node.run(secret_uses::flush(&node.world)).unwrap();
    }
    nodes[0].run(client_secrets::seen(&nodes[0].world, &id(app))).unwrap()
}

fn row(server: &Server, app: &App) -> ClientRow {
    seen(&[server], app).row
}

/// Lets every node hear of what has changed.
fn follow(nodes: &[&Server]) {
    nodes.iter().for_each(|node| node.follow_now());
}

fn status(app: &App, server: &Server) -> u16 {
    app.moved_to(server).own_token(&[]).status
}

#[test]
fn either_of_two_secrets_is_good_at_every_node_until_the_older_ends_by_itself() {
    each(|database| {
        let (one, two) = (Server::on(database), Server::on(database));
        let old = one.machine();
        assert_eq!((status(&old, &one), status(&old, &two)), (200, 200));
        let new = rotate(&one, &old, Span::hours(24));
        assert!(within(LONG, || status(&new, &one) == 200 && status(&new, &two) == 200));
        one.clock.advance(Span::seconds(86_399));
        follow(&[&one, &two]);
        for node in [&one, &two] {
            assert_eq!((status(&old, node), status(&new, node)), (200, 200));
        }
        one.clock.advance(Span::seconds(1));
        follow(&[&one, &two]);
        for node in [&one, &two] {
            assert_eq!((status(&old, node), status(&new, node)), (401, 200));
        }
        assert_eq!(row(&one, &old).secrets.len(), 1);
    });
}

#[test]
fn a_secret_that_is_ended_is_refused_at_every_node_within_a_second() {
    each(|database| {
        let (one, two) = (Server::on(database), Server::on(database));
        let (most, mut ends) = (Duration::from_secs(1), 0);
        let later = at_best(most, || {
            let old = one.machine();
            // Which of them is the older one is told by the clock.
            one.clock.advance(Span::seconds(1));
            let new = rotate(&one, &old, Span::days(30));
            follow(&[&one, &two]);
            assert_eq!((status(&old, &two), status(&new, &two)), (200, 200));
            let left = end(&one, &old, Which::Older).unwrap();
            assert_eq!(left.row.secrets.iter().map(|s| s.expires_at).collect::<Vec<_>>(), [None]);
            let later = taken(|| {
                assert!(within(LONG, || status(&old, &one) == 401 && status(&old, &two) == 401));
            });
            assert_eq!((status(&new, &one), status(&new, &two)), (200, 200));
            assert!(matches!(unmet(end(&one, &old, Which::Older)), Unmet::OneSecret(_)));
            ends += 1;
            assert_eq!(one.events_of("client.secret_ended").len(), ends);
            later
        });
        assert!(later < most, "{later:?}");
    });
}

#[test]
fn a_new_secret_that_was_lost_is_ended_and_the_older_one_goes_on() {
    each(|database| {
        let server = Server::on(database);
        let old = server.machine();
        server.advance(Span::seconds(1));
        let lost = rotate(&server, &old, Span::days(30));
        assert!(matches!(unmet(try_rotate(&server, &old, Span::hours(1))), Unmet::TwoSecrets(_)));
        end(&server, &old, Which::Newer).unwrap();
        let new = rotate(&server, &old, Span::hours(24));
        server.follow_now();
        assert_eq!([&old, &lost, &new].map(|app| status(app, &server)), [200, 401, 200]);
        // Whoever fears that both are known to others needs no overlap.
        let last = rotate(&server, &old, Span::ZERO);
        server.follow_now();
        assert_eq!([&old, &lost, &new, &last].map(|app| status(app, &server)), [401, 401, 401, 200]);
    });
}

#[test]
fn a_secret_that_is_hashed_anew_while_it_is_ended_is_ended_all_the_same() {
    each(|database| {
        // SQLite has one writer at a time.
        if database.is_sqlite() {
            return;
        }
        let server = Server::on(database);
        let old = server.machine();
        server.advance(Span::seconds(1));
        rotate(&server, &old, Span::days(30));
        let (world, client) = (&server.world, id(&old));
        let mut other = database.backdoor();
        other.execute("BEGIN");
        other.execute(&format!(
            "UPDATE client_secrets SET hash = decode(repeat('ab', 32), 'hex') \
             WHERE client_id = '{}' AND expires_at IS NOT NULL",
            old.id
        ));
        let waiting = "SELECT pid::text AS text FROM pg_locks \
                       WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))";
        let left = thread::scope(|threads| {
            let ended = threads.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(end_secret(world, &client, Which::Older, Actor::System))
            });
            let waited = within(LONG, || !other.texts(waiting).is_empty());
            other.execute("COMMIT");
            assert!(waited, "nobody waits for the row");
            ended.join().unwrap().unwrap()
        });
        assert_eq!(left.row.secrets.iter().map(|secret| secret.expires_at).collect::<Vec<_>>(), [None]);
    });
}

#[test]
fn however_many_rotate_at_once_a_client_has_two_secrets_and_no_more() {
    each(|database| {
        let server = Server::on(database);
        let app = server.machine();
        let (world, client) = (&server.world, id(&app));
        let made = thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                        let rotate = client_secrets::rotate_secret(world, &client, Span::hours(24), Actor::System);
                        runtime.block_on(rotate).is_ok()
                    })
                })
                .collect();
            tries.into_iter().map(|one| one.join().unwrap()).filter(|made| *made).count()
        });
        assert_eq!((made, row(&server, &app).secrets.len()), (1, 2));
        assert_eq!(server.events_of("client.secret_rotated").len(), 1);
    });
}

#[test]
fn of_each_secret_it_is_told_when_it_was_used_last_and_from_where() {
    each(|database| {
        let (one, two) = (Server::on(database), Server::on(database));
        let old = one.machine();
        let new = rotate(&one, &old, Span::days(10));
        follow(&[&one, &two]);
        let told = |nodes: &[&Server]| {
            let seen = seen(nodes, &old);
            let of = |n: usize| seen.last_use(&seen.row.secrets[n]);
            let mut uses = [of(0), of(1)];
            // Made in the same moment of a clock that stands still, they are in no order.
            uses.sort_by_key(|one| one.map(|(at, _)| at));
            uses
        };
        assert_eq!(told(&[&one, &two]), [None, None]);
        let home = Some(std::net::IpAddr::from([127, 0, 0, 1]));
        let first = one.now();
        for _ in 0..20 {
            assert_eq!(status(&old, &one), 200);
        }
        one.clock.advance(Span::seconds(90));
        follow(&[&one, &two]);
        assert_eq!((status(&new, &two), status(&old, &one)), (200, 200));
        let now = one.now();
        one.clock.advance(Span::seconds(10));
        // An introspection is a use as well; and the newer use stays, whichever node writes it first.
        assert_eq!(new.moved_to(&one).post("/introspect", &[("token", "x")]).status, 200);
        let last = one.now();
        assert_eq!(told(&[&one, &two]), [Some((now, home)), Some((last, home))]);
        assert!(first < now);
        // A wrong secret is no use of any.
        one.clock.advance(Span::seconds(10));
        follow(&[&one, &two]);
        let wrong = mint(Kind::ClientSecret, &SeededEntropy::new(99)).unwrap().expose().clone();
        assert_eq!(status(&old.with_secret(&wrong), &one), 401);
        assert_eq!(told(&[&one, &two]), [Some((now, home)), Some((last, home))]);
    });
}

#[test]
fn tokens_cost_no_write_each_but_one_for_all_of_a_few_seconds() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        assert_eq!(status(&machine, &server), 200);
        seen(&[&server], &machine);
        let rows = || database.backdoor().texts("SELECT CAST(count(*) AS text) AS text FROM client_secret_uses");
        assert_eq!(rows(), ["1"]);
        // With the database gone, tokens go on: their uses wait in memory.
        server.advance(Span::seconds(1));
        assert_eq!(status(&machine, &server), 200);
        server.world.store.close();
        for _ in 0..50 {
            assert_eq!(status(&machine, &server), 200);
        }
        assert!(server.run(secret_uses::flush(&server.world)).is_err(), "they are kept until they can be written");
        assert!(server.run(secret_uses::flush(&server.world)).is_err(), "also after they could not be");
    });
}

#[test]
fn it_is_told_a_week_a_day_and_an_hour_before_a_secret_ends_and_once_by_all_nodes() {
    each(|database| {
        let (one, two) = (Server::on(database), Server::on(database));
        let (long, short) = (one.machine(), one.machine());
        let moved = rotate(&one, &long, Span::days(30));
        rotate(&one, &short, Span::hours(24));
        follow(&[&one, &two]);
        assert_eq!(status(&long, &one), 200);
        assert_eq!(status(&moved, &one), 200);
        one.run(secret_uses::flush(&one.world)).unwrap();
        let told = |after: Span| {
            one.clock.advance(after);
            for node in [&one, &two, &one] {
                node.run(remind(&node.world)).unwrap();
            }
            let events = one.events_of("client.secret_expiring");
            let of =
                |app: &App| events.iter().filter(|e| e.client.as_ref().is_some_and(|c| c.as_str() == app.id)).count();
            (of(&long), of(&short))
        };
        assert_eq!(told(Span::ZERO), (0, 0), "a day's overlap begins with a day left: nobody needs to hear that");
        assert_eq!(told(Span::hours(23)), (0, 1));
        assert_eq!(told(Span::days(22)), (0, 1), "what has ended is told of no more");
        assert_eq!(told(Span::hours(2)), (1, 1));
        assert_eq!(told(Span::days(3)), (1, 1));
        assert_eq!(told(Span::days(3)), (2, 1));
        assert_eq!(told(Span::minutes(22 * 60 + 30)), (3, 1));
        let event = &one.events_of("client.secret_expiring").into_iter().rfind(|_| true).unwrap().data;
        assert_eq!((event["last_used_from"].clone(), event["last_used_at"].is_string()), (json!("127.0.0.1"), true));
        assert_eq!(told(Span::hours(1)), (3, 1));
    });
}

#[test]
fn a_secret_that_a_file_declares_is_changed_there_and_not_by_command() {
    use keywright::{
        base::secret::Secret,
        flow::declared_clients::{Declared, apply},
    };
    each(|database| {
        let server = Server::on(database);
        let secret = mint(Kind::ClientSecret, &SeededEntropy::new(7)).unwrap().expose().clone();
        let shop = |secrets: Option<Vec<Secret<String>>>| {
            let metadata = json!({"grant_types": ["client_credentials"], "response_types": [], "scope": "docs.read"});
            let metadata = metadata.as_object().unwrap().clone();
            let declared = Declared { id: ClientId::parse("shop").unwrap(), metadata, secrets };
            server
                .run(apply(&server.world, vec![declared], server.config.registration_policy(), Actor::System))
                .unwrap();
            server.follow_now();
        };
        shop(Some(vec![Secret::new(secret.clone())]));
        let app = server.machine().called("shop").with_secret(&secret);
        assert_eq!(status(&app, &server), 200);
        assert!(matches!(unmet(try_rotate(&server, &app, Span::ZERO)), Unmet::DeclaredSecret(_)));
        assert!(matches!(unmet(end(&server, &app, Which::Older)), Unmet::DeclaredSecret(_)));
        assert_eq!(status(&app, &server), 200, "it is left as it is");
        let row = row(&server, &app);
        assert_eq!((row.source, row.secrets[0].declared), (Source::Declared, true));
        // A file that no longer speaks of secrets leaves them to the operator.
        shop(None);
        let new = rotate(&server, &app, Span::hours(1));
        server.follow_now();
        assert_eq!((status(&app, &server), status(&new, &server)), (200, 200));
    });
}

#[test]
fn a_row_of_an_earlier_release_is_marked_when_its_file_is_applied_again() {
    use keywright::{
        base::secret::Secret,
        flow::declared_clients::{Declared, apply},
    };
    each(|database| {
        let server = Server::on(database);
        let secret = mint(Kind::ClientSecret, &SeededEntropy::new(8)).unwrap().expose().clone();
        let shop = || {
            let metadata = json!({"grant_types": ["client_credentials"], "response_types": [], "scope": "docs.read"});
            let (id, secrets) = (ClientId::parse("shop").unwrap(), Some(vec![Secret::new(secret.clone())]));
            let declared = Declared { id, metadata: metadata.as_object().unwrap().clone(), secrets };
            server
                .run(apply(&server.world, vec![declared], server.config.registration_policy(), Actor::System))
                .unwrap()
        };
        shop();
        database.backdoor().execute("UPDATE client_secrets SET declared = NULL");
        let app = server.machine().called("shop");
        assert!(!row(&server, &app).secrets[0].declared);
        assert!(shop().values().all(|change| *change == keywright::flow::declared_clients::Change::Same));
        assert!(row(&server, &app).secrets[0].declared);
    });
}

/// The text with one character replaced by another of the alphabet.
fn mistyped(text: &str, at: usize) -> String {
    let other = if text.as_bytes()[at] == b'x' { 'y' } else { 'x' };
    text.char_indices().map(|(n, c)| if n == at { other } else { c }).collect()
}

#[test]
fn a_mistyped_secret_is_refused_without_a_look_into_the_database_in_the_words_of_a_wrong_one() {
    each(|database: &Database| {
        let server = Server::on(database);
        let machine = server.machine();
        let wrong = mint(Kind::ClientSecret, &SeededEntropy::new(9)).unwrap().expose().clone();
        let stranger = machine.called("cli_stranger");
        let show = |app: &App, secret: &str| app.with_secret(secret).own_token(&[]);
        let told = show(&machine, &wrong);
        assert_eq!(told.refusal(), (401, "invalid_client".to_owned()));
        let good = machine.secret();
        server.world.store.close();
        for secret in [
            mistyped(good, 3),
            mistyped(good, 20),
            mistyped(good, good.len() - 1),
            good[..good.len() - 1].to_owned(),
            format!("{good}0"),
            good.replace("kw_cs_", "kw_rt_"),
            good.to_uppercase(),
            format!(" {good}"),
            "hunter2".to_owned(),
            mint(Kind::Session, &SeededEntropy::new(9)).unwrap().expose().clone(),
        ] {
            for app in [&machine, &stranger] {
                let reply = show(app, &secret);
                assert_eq!((reply.status, reply.text()), (told.status, told.text()), "{secret}");
            }
        }
        assert_eq!(show(&stranger, &wrong).status, 503, "what may be right has to be looked up");
    });
}

#[test]
fn a_mistyped_refresh_token_or_code_is_refused_without_a_look_into_the_database() {
    each(|database: &Database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.public_app().scope("openid offline_access"));
        let mut browser = server.browser();
        let good = browser.tokens(&app, &ada).refresh;
        let attempt = app.begin();
        let code = browser.approve(&attempt, &ada).code().to_owned();
        server.follow_now();
        assert_eq!(app.refresh("x").status, 400, "the client is known to this node");
        server.world.store.close();
        // With a checksum that fits, but a mark that is not ours.
        let front = mistyped(&good[..good.len() - 6], good.len() - 8 - 43);
        let made_up = format!("{front}{}", checksum(&front));
        for token in [mistyped(&good, 10), mistyped(&good, good.len() - 3), good[1..].to_owned(), made_up] {
            assert_eq!(app.refresh(&token).refusal(), (400, "invalid_grant".to_owned()), "{token}");
        }
        assert_eq!(app.redeem(&attempt, &mistyped(&code, 12)).refusal(), (400, "invalid_grant".to_owned()));
        assert_eq!(app.refresh(&good).status, 503, "what may be right has to be looked up");
        assert_eq!(app.redeem(&attempt, &code).status, 503);
    });
}

#[test]
fn every_secret_that_is_handed_out_has_the_form_that_scanners_know() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let tokens = server.browser().tokens(&app, &ada);
        let secret = try_rotate(&server, &app, Span::ZERO).unwrap().secret.expose().clone();
        for (text, head) in [(app.secret(), "kw_cs_"), (&secret, "kw_cs_"), (&tokens.refresh, "kw_rt_")] {
            let (front, sum) = text.split_at(text.len() - 6);
            assert!(text.starts_with(head) && checksum(front) == sum, "{head}");
        }
        let stored = |tx: &mut Tx<'_>| -> Result<_, Stop<()>> { Ok(tx.clients().list(None, 10)?) };
        let rows = server.run(server.world.store.read("list", stored)).unwrap();
        assert!(!format!("{rows:?}").contains("kw_cs_"), "and is not kept");
    });
}
