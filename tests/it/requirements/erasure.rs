//! R65: a person is erased, and what happened stays recorded without them.

use crate::{
    commands,
    keys::{Keys, call},
    world::{Browser, Database, Person, Server, each},
};
use keywright::{
    audit::Actor,
    base::moment::Span,
    flow::{api_keys::usage, erase_user, manage_users::Unmet, sweep},
    store::TABLES,
};
use serde_json::{Value, json};

const NAME: &str = "Adelheid Zwiebelturm";
const MAIL: &str = "adelheid@zwiebelturm.example";
const HOME: &str = "203.0.113.77";
const OFFICE: &str = "2001:db8:77::5";
const AGENT: &str = "Zwiebelbrowser/77";
/// What tells who she is, in lower case.
const TRACES: [&str; 9] = [
    "adelheid",
    "zwiebel",
    HOME,
    OFFICE,
    "203.0.113.78",
    "her laptop",
    "lost in the tram",
    "her tier",
    "198.51.100.77",
];

/// Everything that is stored, a line for each value, in lower case.
fn dump(database: &Database) -> String {
    let mut backdoor = database.backdoor();
    let mut all = String::new();
    for (table, columns) in TABLES {
        for column in *columns {
            // Bytes that are no text are shown as digits: there are hashes and sealed keys among them.
            let text = if database.is_sqlite() {
                format!("CASE typeof({column}) WHEN 'blob' THEN hex({column}) ELSE CAST({column} AS TEXT) END")
            } else {
                format!("CAST({column} AS TEXT)")
            };
            let values = backdoor.texts(&format!("SELECT {text} AS text FROM {table} WHERE {column} IS NOT NULL"));
            values.iter().for_each(|value| all.push_str(&format!("{table}.{column} {value}\n")));
        }
    }
    all.to_lowercase()
}

fn found(dump: &str) -> Vec<&str> {
    dump.lines().filter(|line| TRACES.iter().any(|trace| line.contains(trace))).collect()
}

fn browser(server: &Server, person: &Person, from: &str) -> Browser {
    let mut browser = server.browser().from(from);
    browser.always.push(("User-Agent".to_owned(), AGENT.to_owned()));
    browser.sign_in(person);
    browser
}

/// She signs in here and there, mistypes, uses an application, makes keys and uses them, and loses one.
fn live(server: &Server, keys: &Keys) -> (Person, Value) {
    let ada = server.person("Adelheid");
    let profile = json!({"name": NAME, "email": MAIL, "nickname": "Zwiebel"});
    let user = keywright::base::id::UserId::parse(&ada.id).unwrap();
    server
        .run(server.world.store.write("set_profile", move |tx| -> Result<bool, keywright::base::fault::Stop<()>> {
            Ok(tx.users().set_profile(&user, &serde_json::from_value(profile.clone()).unwrap())?)
        }))
        .unwrap();
    let app = server.web_app();
    let mut home = browser(server, &ada, HOME);
    let tokens = home.tokens(&app, &ada);
    assert_eq!(app.refresh(&tokens.refresh).status, 200);
    browser(server, &ada, OFFICE);
    let mut wrong = server.browser().from(HOME);
    let form = wrong.visit("/sign-in").form().fill("username", "adelheid").fill("password", "wrong wrong wrong");
    wrong.post(&form);
    let of_hers = json!({"owner": {"type": "user", "id": ada.id}, "name": "her laptop", "meta": {"tier": "her tier"},
        "policy": {"v": 1, "ip": {"allow": ["203.0.113.0/24", "198.51.100.77"]}}, "anywhere": false});
    let made = keys.key(server, &app, of_hers.clone());
    let lost = keys.key(server, &app, of_hers);
    let target = |made: &Value, what: &str| format!("/v1/keys/{}/{what}", made["id"].as_str().unwrap());
    call(server, "POST", &target(&made, "rotate"), &keys.manager, None);
    server.follow_now();
    let used = json!({"request": {"ip": "203.0.113.78", "user_agent": AGENT}});
    assert_eq!(keys.ask(server, made["key"].as_str().unwrap(), used)["code"], "ok");
    let refused = json!({"request": {"ip": "198.51.100.77", "user_agent": AGENT}, "scopes": ["docs.write"]});
    assert_eq!(keys.ask(server, made["key"].as_str().unwrap(), refused)["code"], "insufficient_scope");
    let why = json!({"reason": "lost in the tram"});
    assert_eq!(call(server, "POST", &target(&lost, "revoke"), &keys.manager, Some(&why)).status, 200);
    let link = json!({"key": {"api": "docs", "name": "her laptop", "anywhere": true, "owner": {"type": "user", "id": ada.id}}});
    let link = call(server, "POST", "/v1/keys/claims", &keys.manager, Some(&link));
    assert_eq!(link.status, 201, "{}", link.text());
    server.run(usage::flush(&server.world)).unwrap();
    server.run(sweep::flush(&server.world)).unwrap();
    (ada, made)
}

#[test]
fn r065_of_a_person_who_was_erased_nothing_is_left_and_nothing_that_happened_is_forgotten() {
    each(|database| {
        let server = Server::start(database, |all| all.set("server.trusted_proxies", "127.0.0.1"));
        let keys = Keys::at(&server, json!({}));
        let bob = server.person("bob");
        server.browser().from("192.0.2.9").sign_in(&bob);
        let (ada, made) = live(&server, &keys);
        let before = dump(database);
        for trace in TRACES {
            assert!(before.contains(trace), "{trace} was not there before");
        }
        let events = server.events();
        let erased = server.run(erase_user::run(&server.world, &ada.name, Actor::System)).unwrap();
        assert_eq!((erased.user.as_str(), erased.keys), (ada.id.as_str(), 2));
        assert!(erased.events > 8, "{erased:?}");

        let after = dump(database);
        assert_eq!(found(&after), [""; 0]);
        assert!(after.contains("192.0.2.9") && after.contains("bob"), "of others everything is there");
        // The log has every event it had, under its identifier, of its kind and time, and says what was done.
        let now = server.events();
        let known =
            |row: &keywright::store::audit::AuditRow| (row.id.clone(), row.kind.clone(), row.at, row.user.clone());
        let kept: Vec<_> = now.iter().map(known).collect();
        assert!(events.iter().map(known).all(|event| kept.contains(&event)));
        assert!(now.len() > events.len());
        let said = server.events_of("user.erased");
        assert_eq!((said.len(), &said[0].data["keys"]), (1, &json!(2)));
        let attempts = server.events_of("session.refused");
        assert_eq!((attempts.len(), &attempts[0].data["username"]), (1, &json!("(erased)")));
        assert_eq!(server.events_of("api_key.revoked").len(), 3);

        // She is nobody here any more, and so is what acted for her.
        assert_eq!(keys.ask(&server, made["key"].as_str().unwrap(), json!({}))["code"], "key_revoked");
        let mut again = server.browser();
        let form = again.visit("/sign-in").form().fill("username", &ada.name).fill("password", &ada.password);
        assert!(again.post(&form).status != 303);
        let unknown = server.run(erase_user::run(&server.world, "nobody", Actor::System)).unwrap_err();
        assert!(matches!(unknown, keywright::base::fault::Stop::Refusal(Unmet::Unknown(_))));
        // What another node wrote down meanwhile is erased by her identifier.
        server.advance(Span::seconds(1));
        let mut nobody = server.browser().from("192.0.2.10");
        let form = nobody.visit("/sign-in").form().fill("username", " ").fill("password", "wrong wrong wrong");
        nobody.post(&form);
        server.run(sweep::flush(&server.world)).unwrap();
        assert!(server.run(erase_user::run(&server.world, &ada.id, Actor::System)).is_ok());
        let attempts = server.events_of("session.refused");
        let told = |row: &keywright::store::audit::AuditRow| row.address == "192.0.2.10".parse().ok();
        assert!(attempts.iter().any(told), "an attempt under no name is nobody's: {attempts:?}");
        assert_eq!(server.person("Adelheid").name, "Adelheid", "the name is free");
    });
}

#[test]
fn the_command_line_erases_after_a_question() {
    commands::each(|it| {
        let ada = it.json(&["user", "add", "ada", "--name", NAME, "--email", MAIL, "--without-password"], "");
        let id = ada["id"].as_str().unwrap();
        let (code, said) = it.failure(&["user", "erase", "ada"], "");
        assert!(code == 2 && said.contains("will be deleted"), "{said}");
        assert_eq!(it.json(&["user", "show", "ada"], "")["id"], ada["id"]);
        let told = it.json(&["user", "erase", "ada", "--yes"], "");
        assert_eq!((&told["id"], &told["erased"], &told["keys"]), (&ada["id"], &json!(true), &json!(0)));
        assert_eq!(it.failure(&["user", "show", id], "").0, 1);
        it.json(&["user", "erase", id, "--yes"], "");
        let kinds = String::from_utf8(it.run(&["audit", "list", "-o", "json"], "").stdout).unwrap();
        assert_eq!(kinds.matches("\"user.erased\"").count(), 2);
        assert!(kinds.contains("\"user.added\"") && !kinds.contains(NAME) && !kinds.contains(MAIL));
    });
}

#[test]
fn of_attempts_under_the_name_of_somebody_who_was_erased_no_address_is_left() {
    each(|database| {
        let server = Server::start(database, |all| {
            all.set("server.trusted_proxies", "127.0.0.1");
            all.set("sign_in.attempts_per_account", "1/10m");
        });
        let ada = server.person("Adelheid");
        server.person("bob");
        for name in ["adelheid", "bob"] {
            for status in [200, 429] {
                let mut stranger = server.browser().from(HOME);
                let form =
                    stranger.visit("/sign-in").form().fill("username", name).fill("password", "wrong wrong wrong");
                assert_eq!(stranger.post(&form).status, status);
            }
        }
        server.run(sweep::flush(&server.world)).unwrap();
        server.run(erase_user::run(&server.world, &ada.name, Actor::System)).unwrap();
        let throttled = server.events_of("session.throttled");
        let left: Vec<_> = throttled.iter().map(|row| (row.data["username"] == "(erased)", row.address)).collect();
        assert_eq!(left.len(), 2);
        assert!(left.contains(&(true, None)) && left.contains(&(false, HOME.parse().ok())), "{left:?}");
    });
}
