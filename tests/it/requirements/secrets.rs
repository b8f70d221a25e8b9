//! The key-encryption key on a running installation: rotated, cut off, missing, wrong (R24).

use crate::{
    commands::{Installation, each},
    world::{
        Server,
        busy::{LONG, within},
        database::{self, Backdoor},
        each as each_database,
    },
};
use keywright::{
    base::{entropy::OsEntropy, fault::Stop, id::KeyId, moment::SystemClock, secret::Secret},
    flow::secrets::{self, Given, Keks},
    jose::{
        Alg,
        envelope::{MOST_USES, sealed_under},
    },
    keyring::{KeyRecord, State},
    store::{
        Store, Tx,
        key_versions::Kind,
        sealed::Column,
        signing_keys::{KeyRow, Origin},
    },
};
use serde_json::json;
use std::{
    convert::Infallible,
    fs,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const FIRST: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const SECOND: &str = "2222222222222222222222222222222222222222222222222222222222222222";
/// How often what rewraps is killed.
const KILLS: i32 = 5;

/// A client of its own account.
fn machine(it: &Installation) -> serde_json::Value {
    let metadata = json!({
        "client_name": "machine", "grant_types": ["client_credentials"], "response_types": [], "scope": "read",
    });
    it.json(&["client", "add", "--metadata", "-"], &metadata.to_string())
}

#[test]
fn r024_the_key_encryption_key_is_rotated_while_the_server_runs_and_no_request_fails() {
    each(|it| {
        it.set("KEYWRIGHT_KEK", FIRST);
        let client = machine(it);
        // The new key beside the old one; nothing is sealed under it yet.
        it.set("KEYWRIGHT_KEK", SECOND);
        it.set("KEYWRIGHT_SECRETS_OLDER_KEKS", FIRST);
        let serving = it.serve();
        it.has_all_keys();
        let (over, served) = (AtomicBool::new(false), AtomicU32::new(0));
        let (at, over_there, counted) = (it.at("/token"), &over, &served);
        thread::scope(|scope| {
            scope.spawn(move || {
                while !over_there.load(Ordering::Relaxed) {
                    ask(&at, &client);
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
            let _over = Over(&over);
            let done = it.json(&["secrets", "rewrap"], "");
            assert_eq!(
                (done["kek_before"].as_i64(), done["kek"].as_i64(), done["moved"].as_i64()),
                (Some(1), Some(2), Some(3))
            );
            let again = it.json(&["secrets", "rewrap"], "");
            assert_eq!(again["moved"], 0);
            // The running server takes the new keys in hand and signs with what it makes.
            it.json(&["keys", "rotate"], "");
            assert!(within(LONG, || served.load(Ordering::Relaxed) > 20));
        });
        let status = it.json(&["secrets", "status"], "");
        assert_eq!(status["waiting"], 0);
        let keks: Vec<_> = status["versions"].as_array().unwrap().iter().filter(|key| key["kind"] == "kek").collect();
        assert!(keks.len() == 2 && keks[0]["retired_at"].is_string() && keks[1]["in_hand"] == true, "{keks:?}");
        serving.end();
        // The new key alone is enough; the old one alone is not, and changes nothing.
        it.unset("KEYWRIGHT_SECRETS_OLDER_KEKS");
        it.serve().end();
        let before = it.json(&["keys", "list"], "");
        it.set("KEYWRIGHT_KEK", FIRST);
        let (code, told) = it.failure(&["serve"], "");
        assert_eq!(code, 1);
        assert!(told.contains("version 2 of it") && told.contains("given is version 1"), "{told}");
        assert!(!told.contains(FIRST) && !told.contains(SECOND));
        it.set("KEYWRIGHT_KEK", SECOND);
        assert_eq!(it.json(&["keys", "list"], ""), before);
    });
}

/// A token, for it has to be given one.
fn ask(at: &str, client: &serde_json::Value) {
    let text = |member: &str| client[member].as_str().unwrap().to_owned();
    let form = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", text("client_id")),
        ("client_secret", text("client_secret")),
    ];
    let answer = ureq::post(at).send_form(form);
    assert!(answer.is_ok(), "a request failed: {answer:?}");
}

#[test]
fn r024_a_running_server_takes_another_key_encryption_key_when_it_reads_its_settings_again() {
    each(|it| {
        let path = it.folder.path().join("keks");
        fs::write(&path, FIRST).unwrap();
        fs::write(
            it.folder.path().join("keywright.toml"),
            format!("[secrets]\nkek = \"cmd:head -n 1 {0}\"\nolder_keks = [\"cmd:tail -n 1 {0}\"]\n", path.display()),
        )
        .unwrap();
        let serving = it.serve();
        let log = || fs::read_to_string(it.folder.path().join("log")).unwrap();
        // A key that does not open what is there is not taken.
        fs::write(&path, SECOND).unwrap();
        serving.reload();
        assert!(within(LONG, || log().contains("the key-encryption keys and peppers stay as they were")));
        fs::write(&path, format!("{SECOND}\n{FIRST}")).unwrap();
        serving.reload();
        assert!(within(LONG, || log().matches("the settings were read again").count() == 2));
        assert_eq!(it.json(&["secrets", "rewrap"], "")["kek"], 2);
        // It reads what is sealed under the new one: the successor that a command makes is published.
        it.has_all_keys();
        let before = ureq::get(it.at("/jwks")).call().unwrap().body_mut().read_to_string().unwrap();
        it.json(&["keys", "rotate"], "");
        let published = || ureq::get(it.at("/jwks")).call().unwrap().body_mut().read_to_string().unwrap() != before;
        assert!(within(LONG, published), "{}", log());
        serving.end();
        assert!(!log().contains(FIRST) && !log().contains(SECOND));
    });
}

fn given() -> Given {
    Given { keks: Keks::new([Secret::new([0x11; 32])]), peppers: Vec::new() }
}

/// Puts so many sealed values into the database, as the rows of keys that are gone: a rewrap does not ask what
/// a value is.
fn fill(it: &Installation, n: i32) {
    let settings = database::settings(it.database.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(&settings, Arc::new(SystemClock), Arc::new(OsEntropy)).unwrap();
        let opened = secrets::open(&store, given(), Arc::new(SystemClock)).await.unwrap();
        for first in (0..n).step_by(500) {
            let envelope = opened.envelope.clone();
            let add = move |tx: &mut Tx<'_>| -> Result<(), Stop<Infallible>> {
                let names: Vec<String> =
                    (first..n.min(first + 500)).map(|epoch| format!("filler-{epoch:06}")).collect();
                let values: Vec<(&str, &[u8])> =
                    names.iter().map(|name| (name.as_str(), &b"a private half"[..])).collect();
                let sealed = envelope.seal_many(tx, Column::SigningKeys, &values)?;
                for (epoch, (name, sealed)) in (first..).zip(names.iter().zip(sealed)) {
                    let kid = KeyId::parse(name).unwrap();
                    let epoch = 1000 + epoch;
                    let (created_at, known_at, state) = (tx.now(), tx.now(), State::Gone);
                    let record =
                        KeyRecord { kid, alg: Alg::Rs256.into(), epoch, created_at, known_at, signed_at: None, state };
                    let (public, origin) = (json!({}), Origin::Made);
                    let row = KeyRow { record, sealed, outside: None, public, origin, revoked: None, standing: None };
                    tx.signing_keys().insert(&row)?;
                }
                Ok(())
            };
            store.write("fill", add).await.map_err(|_| "a fault").unwrap();
        }
        store.close();
    });
}

/// How many values are under the newest data key, and how many are not.
fn moved(it: &Installation) -> (i64, i64) {
    let status = it.json(&["secrets", "status"], "");
    let keys = status["versions"].as_array().unwrap().iter().filter(|key| key["kind"] == "data");
    let newest = keys.map(|key| key["version"].as_i64().unwrap()).max();
    let values = status["values"].as_array().unwrap().iter();
    values.fold((0, 0), |(moved, left), one| match one["data_key"].as_i64() {
        key if key == newest => (moved + one["values"].as_i64().unwrap(), left),
        _ => (moved, left + one["values"].as_i64().unwrap()),
    })
}

/// How many values are under the newest of several data keys, as the database has it at this moment; none where there
/// is one key.
fn moving(door: &mut Backdoor) -> i64 {
    let groups = door.texts(
        "SELECT CAST(count(*) AS TEXT) AS text FROM signing_keys WHERE length(sealed) > 0
         GROUP BY substr(sealed, 1, 5) ORDER BY substr(sealed, 1, 5)",
    );
    if groups.len() > 1 { groups.last().unwrap().parse().unwrap() } else { 0 }
}

/// Begins a rewrap and kills it as soon as it has moved more than `so_many`; false where it was faster and ended.
fn killed_on_the_way(it: &Installation, arguments: &[&str], so_many: i64) -> bool {
    let mut door = Backdoor::at(&it.database);
    let mut child = it.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while child.try_wait().unwrap().is_none() {
        if moving(&mut door) > so_many {
            child.kill().unwrap();
            break;
        }
        thread::sleep(Duration::from_millis(2));
    }
    !child.wait().unwrap().success()
}

/// Says that it is over, also where the test has failed: or whoever asks for tokens would ask for ever.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn r024_a_rewrap_that_is_killed_again_and_again_goes_on_where_it_was_while_the_server_serves() {
    // 100,000 take minutes.
    let n = std::env::var("TEST_SEALED").ok().and_then(|n| n.parse().ok()).unwrap_or(3000);
    each(|it| {
        it.set("KEYWRIGHT_KEK", FIRST);
        let client = machine(it);
        fill(it, n);
        it.set("KEYWRIGHT_KEK", SECOND);
        it.set("KEYWRIGHT_SECRETS_OLDER_KEKS", FIRST);
        let serving = it.serve();
        let (over, served) = (AtomicBool::new(false), AtomicU32::new(0));
        let (at, over_there, counted) = (it.at("/token"), &over, &served);
        let began = Instant::now();
        thread::scope(|scope| {
            scope.spawn(move || {
                while !over_there.load(Ordering::Relaxed) {
                    ask(&at, &client);
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
            let _over = Over(&over);
            let (mut kills, mut before) = (0, 0);
            let mut arguments = vec!["secrets", "rewrap"];
            while kills < KILLS {
                assert!(began.elapsed() < Duration::from_secs(900), "killed {kills} times only");
                let killed = killed_on_the_way(it, &arguments, before + i64::from(n) / 10);
                arguments = vec!["secrets", "rewrap"];
                if !killed {
                    // Too fast on this machine: everything to yet another key, and again.
                    arguments.push("--new-data-key");
                    before = 0;
                    continue;
                }
                kills += 1;
                let (done, _) = moved(it);
                assert!(done >= before, "nothing that was moved goes back");
                before = done;
            }
            assert_eq!(it.json(&["secrets", "rewrap"], "")["kek"], 2);
            assert!(within(LONG, || counted.load(Ordering::Relaxed) > 0));
        });
        // And those that sign, of which the server makes one more when it is needed.
        let (all, left) = moved(it);
        assert!(all >= i64::from(n) + 2 && left == 0, "{all} {left}");
        let (tokens, took) = (served.load(Ordering::Relaxed), began.elapsed());
        println!("{n} values, killed {KILLS} times, {took:.1?}; {tokens} tokens meanwhile, none refused");
        serving.end();
        it.unset("KEYWRIGHT_SECRETS_OLDER_KEKS");
        it.json(&["keys", "list"], "");
    });
}

#[test]
fn the_pepper_that_is_in_use_or_was_until_just_now_is_not_dropped_by_the_command_line_and_an_idle_one_is() {
    each(|it| {
        it.json(&["migrate"], "");
        it.json(&["keys", "list"], "");
        let (code, told) = it.failure(&["secrets", "drop-pepper", "1"], "");
        assert_eq!((code, told.contains("hashes what is new: keywright secrets rotate-pepper")), (1, true), "{told}");
        it.json(&["secrets", "rotate-pepper"], "");
        let (code, told) = it.failure(&["secrets", "drop-pepper", "1"], "");
        assert_eq!((code, told.contains("was in use until a short while ago: not before")), (1, true), "{told}");
        assert_eq!(it.failure(&["secrets", "drop-pepper", "first"], "").0, 2);
        // An hour goes by, and a client got its secret within the old one's time.
        let hour = if it.database.starts_with("sqlite:") { "3600000000" } else { "INTERVAL '1 hour'" };
        Backdoor::at(&it.database).execute(&format!(
            "UPDATE key_versions SET begins_at = begins_at - {hour}, retired_at = retired_at - {hour} WHERE kind = 'pepper'"
        ));
        machine(it);
        Backdoor::at(&it.database).execute("UPDATE client_secrets SET pepper = 1");
        let (code, told) = it.failure(&["secrets", "drop-pepper", "1"], "");
        assert_eq!(
            (code, told.contains("by it alone are known: 1 client secrets and 0 API keys")),
            (1, true),
            "{told}"
        );
        Backdoor::at(&it.database).execute("DELETE FROM client_secrets");
        assert_eq!(it.json(&["secrets", "drop-pepper", "1"], ""), json!({"version": 1, "dropped": true}));
        let status = it.json(&["secrets", "status"], "");
        let peppers = status["versions"].as_array().unwrap().iter().filter(|one| one["kind"] == "pepper");
        assert_eq!(peppers.map(|one| one["version"].clone()).collect::<Vec<_>>(), [json!(2)]);
        it.serve().end();
    });
}

#[test]
fn r024_of_those_who_find_at_once_that_a_data_key_has_sealed_enough_one_makes_the_next() {
    each_database(|database| {
        let server = Server::start(database, |_| {});
        let world = &server.world;
        let spend = |tx: &mut Tx<'_>| {
            Ok::<_, Stop<Infallible>>(tx.key_versions().spend(Kind::Data, 1, MOST_USES / 2, MOST_USES)?)
        };
        assert!(server.run(world.store.write("test", spend)).unwrap());
        let seal = |row: &'static str| {
            let envelope = world.secrets.envelope.clone();
            world.store.write("test", move |tx: &mut Tx<'_>| {
                let sealed = envelope.seal(tx, Column::MacKeys, row, b"a key")?;
                // The other has begun by now, and finds what is committed.
                thread::sleep(Duration::from_millis(300));
                Ok::<_, Stop<Infallible>>(sealed)
            })
        };
        let (a, b) = server.run(async { tokio::join!(seal("a"), seal("b")) });
        assert_eq!([a, b].map(|sealed| sealed_under(&sealed.unwrap())), [Some(2), Some(2)]);
    });
}
