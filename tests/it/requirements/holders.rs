//! Signing keys whose private halves Keywright never holds: in a PKCS#11 token (SoftHSM, to the program as operators run
//! it), and in Transit of Vault or OpenBao (its peer, to a server in this process).

use crate::{
    commands::{Installation, each as each_installation},
    world::{
        Server, SoftHsm, VaultPeer,
        busy::{LONG, within},
        each, header, softhsm, vault,
    },
};
use keywright::{
    audit::Actor,
    base::{
        fault::Stop,
        moment::{Moment, Span},
        uri::Issuer,
    },
    flow::{revoke_key, rotate_keys},
    jose::{Alg, Audience, KeySet, Profile, Purpose, verify},
    keyring::{Rotation, Step},
    store::{Store, Tx},
};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    fs,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

const ALL: &str = "ES256,EdDSA,RS256,ES384,PS256";

/// Hands the installation a machine that asks for tokens.
fn machine(it: &Installation) -> Value {
    let metadata = json!({
        "client_name": "machine", "grant_types": ["client_credentials"], "response_types": [], "scope": "read",
    });
    it.json(&["client", "add", "--metadata", "-"], &metadata.to_string())
}

/// A token that it gets; the status, and what `Retry-After` says, where it gets none.
fn token(it: &Installation, client: &Value) -> Result<String, (u16, String, Value)> {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client["client_id"].as_str().unwrap()),
        ("client_secret", client["client_secret"].as_str().unwrap()),
    ];
    let agent = ureq::Agent::new_with_config(ureq::Agent::config_builder().http_status_as_error(false).build());
    let mut answer = agent.post(it.at("/token")).send_form(form).unwrap();
    let retry = answer.headers().get("retry-after").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
    let body: Value = serde_json::from_slice(&answer.body_mut().read_to_vec().unwrap()).unwrap();
    match answer.status().as_u16() {
        200 => Ok(body["access_token"].as_str().unwrap().to_owned()),
        status => Err((status, retry, body)),
    }
}

/// The name of the key that signed a token, once it is verified by the published set.
fn verified(it: &Installation, token: &str) -> String {
    let set = ureq::get(it.at("/jwks")).call().unwrap().body_mut().read_to_vec().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let issuer = Issuer::parse(&it.at("")).unwrap();
    let profile = Profile::access_token(&issuer, Audience::Judged);
    let now = Moment::from_unix(i64::try_from(now).unwrap());
    verify(&profile, &KeySet::parse(&set).unwrap(), token, now).unwrap_or_else(|bad| panic!("{bad:?} {token}"));
    header(token)["kid"].as_str().unwrap().to_owned()
}

fn keys(it: &Installation) -> Vec<Value> {
    it.json(&["keys", "list"], "")["keys"].as_array().unwrap().clone()
}

/// Runs the test with a token of its own for each database; not where there is no SoftHSM.
fn each_token(test: impl Fn(&Installation, &SoftHsm)) {
    each_installation(|it| {
        if let Some(hsm) = SoftHsm::start() {
            test(it, &hsm);
            assert!(!it.folder.path().join("log").exists() || !it.log().contains(softhsm::PIN));
        }
    });
}

#[test]
fn every_algorithm_signs_in_a_pkcs11_token_and_nothing_of_the_key_is_here() {
    each_token(|it, hsm| {
        hsm.holds(it, ALL);
        let client = machine(it);
        for alg in ALL.split(',') {
            it.set("KEYWRIGHT_TOKENS_ACCESS_TOKEN_SIGNING_ALG", alg);
            let serving = it.serve();
            let token = token(it, &client).unwrap();
            assert_eq!(header(&token)["alg"], alg);
            let kid = verified(it, &token);
            let own = keys(it).into_iter().find(|key| key["kid"] == kid.as_str()).unwrap();
            assert_eq!((&own["held"], &own["held_at"]["token"]), (&json!("pkcs11"), &json!("keys")), "{own}");
            serving.end();
        }
        assert!(keys(it).iter().all(|key| key["held"] == "pkcs11"));
    });
}

#[test]
fn a_key_in_a_pkcs11_token_is_published_before_it_signs_and_destroyed_when_it_is_gone() {
    each_token(|it, hsm| {
        hsm.holds(it, "ES256");
        it.set("KEYWRIGHT_KEYS_JWKS_MAX_AGE", "1s");
        it.set("KEYWRIGHT_KEYS_LIBRARY_CACHE", "1s");
        it.set("KEYWRIGHT_KEYS_PUBLISH_BEFORE_USE", "3s");
        let client = machine(it);
        let serving = it.serve();
        let first = verified(it, &token(it, &client).unwrap());
        assert_eq!(hsm.objects().len(), 2);
        let steps = it.json(&["keys", "rotate"], "")["steps"].clone();
        assert!(steps.to_string().contains("made a key for ES256, pending"), "{steps}");
        assert_eq!(hsm.objects().len(), 4, "the next key is made there");
        let mut second = String::new();
        let took_over = || {
            second = verified(it, &token(it, &client).unwrap());
            second != first
        };
        assert!(within(LONG, took_over), "{}", it.log());
        // The old one signs no longer, and its tokens are still good.
        assert_eq!(hsm.objects().len(), 4);
        it.json(&["keys", "revoke", &first, "--reason", "a drill"], "");
        assert_eq!(hsm.objects().len(), 2, "it was destroyed where it was");
        assert_eq!(verified(it, &token(it, &client).unwrap()), second);
        serving.end();
    });
}

#[test]
fn a_key_that_was_here_goes_on_until_its_successor_in_the_token_takes_over() {
    each_token(|it, hsm| {
        let client = machine(it);
        let here = keys(it);
        assert!(here.iter().all(|key| key["held"] == "here"));
        hsm.holds(it, "ES256");
        let serving = it.serve();
        let signs = verified(it, &token(it, &client).unwrap());
        assert!(here.iter().any(|key| key["kid"] == signs.as_str()));
        // A leak hurries it: the key of the token signs at once.
        it.json(&["keys", "revoke", &signs, "--reason", "it is to be in the token"], "");
        let moved = || verified(it, &token(it, &client).unwrap()) != signs;
        assert!(within(LONG, moved));
        assert_eq!(hsm.objects().len(), 2);
        serving.end();
    });
}

#[test]
fn a_token_that_is_pulled_is_told_of_as_unavailable_and_found_again_without_a_restart() {
    each_token(|it, hsm| {
        hsm.holds(it, "ES256,EdDSA");
        let client = machine(it);
        let serving = it.serve();
        let kid = verified(it, &token(it, &client).unwrap());
        hsm.pull();
        let (status, retry, body) = token(it, &client).unwrap_err();
        assert_eq!((status, retry.as_str(), &body["error"]), (503, "1", &json!("temporarily_unavailable")), "{body}");
        assert!(!body.to_string().contains("PKCS"), "it is nobody's business: {body}");
        let told = || token(it, &client).is_err() && it.log().contains("the PKCS#11 module has no token of the label");
        assert!(within(LONG, told), "{}", it.log());
        // Everything else goes on.
        assert!(ureq::get(it.at("/jwks")).call().is_ok() && ureq::get(it.at("/readyz")).call().is_ok());
        // A key that has to go goes, also without a successor.
        let eddsa = keys(it).into_iter().find(|key| key["alg"] == "EdDSA").unwrap();
        it.json(&["keys", "revoke", eddsa["kid"].as_str().unwrap(), "--reason", "leaked"], "");
        hsm.put_back();
        assert!(within(LONG, || token(it, &client).is_ok()), "{}", it.log());
        assert_eq!(verified(it, &token(it, &client).unwrap()), kid);
        serving.end();
        // What could not be destroyed is, and what is missing is made, once it can be.
        let serving = it.serve();
        let whole = || hsm.objects().len() == 4 && keys(it).iter().filter(|key| key["alg"] == "EdDSA").count() == 1;
        assert!(within(LONG, whole), "{:?} {:?}", hsm.objects(), keys(it));
        serving.end();
    });
}

#[test]
fn a_key_that_was_deleted_underneath_is_told_of_and_the_next_one_is_a_command_away() {
    each_token(|it, hsm| {
        hsm.holds(it, "ES256");
        let client = machine(it);
        let serving = it.serve();
        let kid = verified(it, &token(it, &client).unwrap());
        hsm.objects().iter().for_each(|object| fs::remove_file(object).unwrap());
        // The module notices when it looks again.
        let refused = || matches!(token(it, &client), Err((503, _, _)));
        assert!(within(LONG, refused), "{}", it.log());
        // Beside the one that serves.
        let elsewhere = [("KEYWRIGHT_SERVER_LISTEN", "127.0.0.1:0")];
        let told = String::from_utf8(it.run_with(&elsewhere, &["serve"], "").stderr).unwrap();
        assert!(told.contains(&kid) && told.contains("deleted underneath"), "{told}");
        it.json(&["keys", "revoke", &kid, "--reason", "it is gone"], "");
        assert!(within(LONG, || token(it, &client).is_ok()), "{}", it.log());
        assert_ne!(verified(it, &token(it, &client).unwrap()), kid);
        serving.end();
    });
}

#[test]
fn whoever_cannot_be_reached_at_the_start_is_a_clear_refusal_to_start() {
    each_token(|it, hsm| {
        hsm.holds(it, "ES256");
        machine(it);
        let refused = |name: &str, value: &str, told: &str, ends: i32| {
            it.set(name, value);
            let (code, said) = it.failure(&["serve"], "");
            assert!(code == ends && said.contains(told), "{value}: {code} {said}");
            assert!(!said.contains("hunter2-pin") && !said.contains(softhsm::PIN), "{said}");
            hsm.holds(it, "ES256");
        };
        // Whoever starts servers again is told by the code not to: each start is another wrong one to the token.
        refused("KEYWRIGHT_KEYS_PKCS11_PIN", "hunter2-pin", "refuses the PIN (PinIncorrect)", 4);
        let unit = include_str!("../../../deploy/systemd/keywright.service");
        assert!(unit.contains("\nRestartPreventExitStatus=4\n"));
        refused("KEYWRIGHT_KEYS_PKCS11_TOKEN", "another", "no token of the label \"another\"", 1);
        refused("KEYWRIGHT_KEYS_PKCS11_MODULE", "/nonexistent/module.so", "/nonexistent/module.so cannot be loaded", 1);
        // Also where nobody is named any more who has the key that signs.
        for name in ["KEYS_PKCS11", "KEYS_PKCS11_MODULE", "KEYS_PKCS11_TOKEN", "KEYS_PKCS11_PIN"] {
            it.unset(&format!("KEYWRIGHT_{name}"));
        }
        let (code, said) = it.failure(&["serve"], "");
        assert!(code == 1 && said.contains("the settings do not say how it is reached"), "{said}");
        // Half of a description is none.
        it.set("KEYWRIGHT_KEYS_PKCS11", "ES256");
        let (code, said) = it.failure(&["serve"], "");
        assert!(code == 2 && said.contains("keys.pkcs11_pin"), "{said}");
    });
}

fn transit(database: &crate::world::Database, peer: &VaultPeer, algs: &str, deadline: &str) -> Server {
    Server::start(database, |settings| {
        settings.set("secrets.vault_address", &peer.address);
        settings.set("secrets.vault_role_id", vault::ROLE);
        settings.set("secrets.vault_secret_id", vault::ROLE_SECRET);
        settings.set("keys.transit", algs);
        settings.set("keys.signature_deadline", deadline);
    })
}

/// Whether the published set verifies an access token.
fn good(server: &Server, token: &str) -> bool {
    let set = KeySet::parse(server.get("/jwks").text().as_bytes()).unwrap();
    let issuer = Issuer::parse(&server.issuer).unwrap();
    verify(&Profile::access_token(&issuer, Audience::Judged), &set, token, server.now()).is_ok()
}

#[test]
fn keys_in_transit_sign_for_people_and_machines_through_a_rotation() {
    each(|database| {
        let peer = VaultPeer::start();
        let server = transit(database, &peer, ALL, "20s");
        let (ada, machine) = (server.person("ada"), server.machine());
        for alg in Alg::ALL {
            let app = server.web_app_with(|metadata| {
                metadata["id_token_signed_response_alg"] = json!(alg.name());
                metadata["userinfo_signed_response_alg"] = json!(alg.name());
            });
            let tokens = server.browser().tokens(&app, &ada);
            assert!(good(&server, &tokens.access), "{alg}");
            let kid = header(&tokens.id)["kid"].as_str().unwrap().to_owned();
            assert_eq!(header(&tokens.id)["alg"], alg.name());
            let keyring = server.world.keyring.load_full();
            let key = keyring.signer(alg).unwrap();
            assert_eq!((key.kid().as_str(), key.outside().unwrap().word()), (kid.as_str(), "transit"));
            assert_eq!(header(&app.userinfo(&tokens.access).text())["kid"], kid.as_str());
            let again = app.refresh(&tokens.refresh).tokens();
            assert!(good(&server, &again.access) && header(&again.id)["kid"] == kid.as_str());
        }
        let before = machine.own_token(&[]).tokens().access;
        server.clock.advance(Span::seconds(1));
        server.run(rotate_keys::run(&server.world, Rotation::Requested, Actor::System)).unwrap();
        server.advance(Span::hours(1));
        server.run(rotate_keys::run(&server.world, Rotation::OnSchedule, Actor::System)).unwrap();
        let after = machine.own_token(&[]).tokens().access;
        assert!(good(&server, &after) && header(&after)["kid"] != header(&before)["kid"]);
        let many = peer.keys().len();
        let old = keywright::base::id::KeyId::parse(header(&before)["kid"].as_str().unwrap()).unwrap();
        server.run(revoke_key::run(&server.world, &old, "a drill", Actor::System)).unwrap();
        assert_eq!(peer.keys().len(), many - 1, "it was destroyed where it was");
        assert!(!good(&server, &before) && good(&server, &after));
    });
}

#[test]
fn while_nobody_signs_neither_a_code_nor_a_refresh_token_is_used_up_and_no_bad_token_leaves() {
    each(|database| {
        let peer = VaultPeer::start();
        // Who is slow is not waited for by a node of little patience; that the machine is slow may not count.
        let (server, hasty) = (transit(database, &peer, "ES256", "20s"), transit(database, &peer, "ES256", "2s"));
        let (ada, app, machine) = (server.person("ada"), server.web_app(), server.machine());
        let tokens = server.browser().tokens(&app, &ada);
        let attempt = app.begin();
        let callback = server.browser().approve(&attempt, &ada);
        for how in ["garbage", "wrong", "forbidden", "down", "slow"] {
            peer.misbehave(how);
            let node = if how == "slow" { &hasty } else { &server };
            let (app, machine) = (app.moved_to(node), machine.moved_to(node));
            let refused = [app.redeem(&attempt, callback.code()), app.refresh(&tokens.refresh), machine.own_token(&[])];
            for reply in refused {
                assert_eq!(reply.refusal(), (503, "temporarily_unavailable".to_owned()), "{how}: {}", reply.text());
                assert_eq!(reply.field("retry-after"), Some("1"));
            }
        }
        let told = server.world.metrics.signatures_elsewhere.get("bad");
        assert!(told >= 3, "a wrong signature is counted: {told}");
        peer.misbehave("");
        let redeemed = app.redeem(&attempt, callback.code()).tokens();
        assert!(good(&server, &redeemed.access));
        // For longer than a used one would be good for.
        server.advance(Span::minutes(30));
        let refreshed = app.refresh(&tokens.refresh).tokens();
        assert!(good(&server, &refreshed.access) && app.refresh(&refreshed.refresh).status == 200);
        assert!(good(&server, &machine.own_token(&[]).tokens().access));
    });
}

#[test]
fn a_role_whose_token_has_expired_signs_in_anew_and_a_key_that_was_deleted_is_replaced_by_a_command() {
    each(|database| {
        let peer = VaultPeer::start();
        let server = transit(database, &peer, "ES256", "20s");
        let machine = server.machine();
        assert_eq!(machine.own_token(&[]).status, 200);
        peer.expire();
        assert_eq!(machine.own_token(&[]).status, 200);
        peer.delete_keys();
        assert_eq!(machine.own_token(&[]).refusal(), (503, "temporarily_unavailable".to_owned()));
        assert_eq!(server.world.metrics.signatures_elsewhere.get("no_key"), 1);
        let kid = server.world.keyring.load().signer(Alg::Es256).unwrap().kid().clone();
        server.run(revoke_key::run(&server.world, &kid, "it is gone", Actor::System)).unwrap();
        assert!(good(&server, &machine.own_token(&[]).tokens().access));
    });
}

#[test]
fn a_token_of_vault_that_was_replaced_in_the_settings_signs_without_a_restart() {
    each_installation(|it| {
        let (peer, file) = (VaultPeer::start(), it.folder.path().join("vault-token"));
        fs::write(&file, vault::ROLE_TOKEN).unwrap();
        it.set("KEYWRIGHT_SECRETS_VAULT_ADDRESS", &peer.address);
        it.set("KEYWRIGHT_SECRETS_VAULT_TOKEN_FILE", file.to_str().unwrap());
        it.set("KEYWRIGHT_KEYS_TRANSIT", "ES256");
        it.set("KEYWRIGHT_KEYS_SIGNATURE_DEADLINE", "20s");
        let client = machine(it);
        let serving = it.serve();
        token(it, &client).unwrap();
        peer.expire();
        assert!(matches!(token(it, &client), Err((503, _, _))));
        fs::write(&file, vault::TOKEN).unwrap();
        serving.reload();
        assert!(within(LONG, || token(it, &client).is_ok()), "{}", it.log());
        serving.end();
    });
}

#[test]
fn of_nodes_that_make_a_key_in_transit_at_once_one_keeps_its_own_and_the_others_are_destroyed() {
    each(|database| {
        let peer = VaultPeer::start();
        let nodes = [0; 3].map(|_| transit(database, &peer, "ES256,EdDSA", "20s"));
        assert_eq!(peer.keys().len(), 2);
        nodes[0].clock.advance(Span::seconds(1));
        let worlds = nodes.iter().map(|node| std::sync::Arc::clone(&node.world));
        let rotating: Vec<_> = worlds
            .map(|world| {
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(rotate_keys::run(&world, Rotation::Requested, Actor::System)).unwrap()
                })
            })
            .collect();
        let steps: Vec<Step> = rotating.into_iter().flat_map(|node| node.join().unwrap()).collect();
        // That for RS256 is here, and is made at some time.
        let there = |of: Purpose| matches!(of, Purpose::Signs(Alg::Es256 | Alg::EdDsa));
        let made = steps.iter().filter(|step| matches!(step, Step::Create { alg, .. } if there(*alg))).count();
        assert_eq!(made, 2, "one successor of each: {steps:?}");
        assert_eq!(peer.keys().len(), 4, "{:?}", peer.keys());
        let listed = nodes[0].run(keywright::flow::list_keys::run(&nodes[0].world)).unwrap();
        assert_eq!(listed.iter().filter(|key| there(key.record.alg)).count(), 4);
    });
}

/// What is written down of keys that are being made elsewhere.
fn notes(store: &Store) -> Vec<(String, Value)> {
    let read = |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.meta().starting_with("signing key begun ")?);
    let notes = store.read_blocking("look", read).unwrap();
    notes.into_iter().map(|(name, text)| (name, serde_json::from_slice(&text).unwrap())).collect()
}

fn begun(it: &Installation) -> Vec<(String, Value)> {
    let store = it.store();
    let notes = notes(&store);
    store.close();
    notes
}

/// As if ten minutes had gone by since.
fn ten_minutes_later(it: &Installation) {
    let store = it.store();
    for (name, mut note) in begun(it) {
        note["since"] = json!(note["since"].as_i64().unwrap() - 600_000_000);
        let write = move |tx: &mut Tx<'_>| {
            Ok::<_, Stop<Infallible>>(tx.meta().put(&name, &serde_json::to_vec(&note).unwrap())?)
        };
        store.write_blocking("age", write).unwrap();
    }
    store.close();
}

/// Runs a command, and kills it at a moment.
fn killed(it: &Installation, arguments: &[&str], moment: impl FnMut() -> bool) {
    let mut child =
        it.command(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let came = within(LONG, moment);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(came, "{arguments:?}");
}

#[test]
fn whoever_is_killed_between_making_a_key_in_transit_and_publishing_it_leaves_no_key_there() {
    each_installation(|it| {
        let peer = VaultPeer::start();
        for (name, value) in [
            ("SECRETS_VAULT_ADDRESS", peer.address.as_str()),
            ("SECRETS_VAULT_ROLE_ID", vault::ROLE),
            ("SECRETS_VAULT_SECRET_ID", vault::ROLE_SECRET),
            ("KEYS_TRANSIT", "ES256,EdDSA"),
        ] {
            it.set(&format!("KEYWRIGHT_{name}"), value);
        }
        // The first start, and then a rotation while a server runs.
        peer.misbehave("stalls");
        killed(it, &["serve"], || peer.keys().len() == 1);
        peer.misbehave("");
        let first = peer.keys();
        assert_eq!(begun(it).len(), 1);
        let client = machine(it);
        let serving = it.serve();
        let kid = verified(it, &token(it, &client).unwrap());
        assert!(keys(it).len() == 2 && keys(it).iter().all(|key| key["held"] == "transit"));
        assert_eq!(peer.keys().len(), 3, "somebody may be at it still");
        peer.misbehave("stalls");
        killed(it, &["keys", "rotate"], || peer.keys().len() == 4);
        peer.misbehave("");
        let second: Vec<String> = peer.keys();
        assert_eq!(keys(it).len(), 2, "no half of a key is here");
        it.json(&["keys", "rotate"], "");
        assert_eq!(keys(it).iter().filter(|key| key["alg"] == "ES256").count(), 2, "one successor");
        assert_eq!((peer.keys().len(), begun(it).len()), (6, 2));
        // A server looks soon after its start, and then again and again.
        serving.end();
        ten_minutes_later(it);
        let serving = it.serve();
        assert!(within(LONG, || peer.keys().len() == 4 && begun(it).is_empty()), "{:?} {}", begun(it), it.log());
        assert!(first.iter().all(|stray| !peer.keys().contains(stray)));
        assert_eq!(second.iter().filter(|name| peer.keys().contains(name)).count(), 2);
        assert_eq!(verified(it, &token(it, &client).unwrap()), kid);
        serving.end();
    });
}

#[test]
fn whoever_is_killed_while_a_key_is_made_in_a_pkcs11_token_leaves_no_key_there() {
    each_token(|it, hsm| {
        hsm.holds(it, "ES256,EdDSA");
        let client = machine(it);
        let (mut times, mut left) = (0, 0);
        // On a fast machine most are done before they are killed.
        while times < 20 || (left == 0 && times < 200) {
            let es256 = keys(it).into_iter().find(|key| key["alg"] == "ES256" && key["state"] == "active").unwrap();
            let (before, notes) = (hsm.objects(), begun(it).len());
            let made = || hsm.objects().iter().any(|object| !before.contains(object));
            let revoke = ["keys", "revoke", es256["kid"].as_str().unwrap(), "--reason", "a drill"];
            let mut child =
                it.command(&revoke).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let until = Instant::now() + LONG;
            while !made() && Instant::now() < until {}
            // In the middle of it, and further on each time.
            thread::sleep(Duration::from_millis(3 * (times % 20)));
            times += 1;
            child.kill().unwrap();
            child.wait().unwrap();
            left += usize::from(begun(it).len() > notes);
        }
        assert!(left > 0, "nobody was ever killed in between");
        eprintln!("{left} of {times} were killed before their key was published");
        ten_minutes_later(it);
        it.json(&["keys", "rotate"], "");
        let there = keys(it).into_iter().filter(|key| key["state"] != "gone").count();
        assert_eq!((hsm.named(), begun(it)), (2 * there, vec![]), "{:?}", keys(it));
        let serving = it.serve();
        verified(it, &token(it, &client).unwrap());
        serving.end();
    });
}

#[test]
fn a_key_that_was_given_up_while_it_was_made_is_not_published_and_is_destroyed() {
    each(|database| {
        let peer = VaultPeer::start();
        let nodes = [0; 2].map(|_| transit(database, &peer, "ES256,EdDSA", "20s"));
        let rotating = |node: &Server, rotation| {
            let world = std::sync::Arc::clone(&node.world);
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(rotate_keys::run(&world, rotation, Actor::System))
            })
        };
        nodes[0].clock.advance(Span::seconds(1));
        peer.misbehave("dawdles");
        let slow = rotating(&nodes[0], Rotation::Requested);
        assert!(within(LONG, || peer.keys().len() == 3 && peer.kept_waiting("dawdles")));
        // To the other node it has been at it for ten minutes.
        nodes[0].clock.advance(Span::minutes(10));
        let other = rotating(&nodes[1], Rotation::OnSchedule);
        let given_up = || notes(&database.store).iter().any(|(_, note)| note["given_up"] == true);
        assert!(within(LONG, given_up));
        peer.misbehave("");
        slow.join().unwrap().unwrap_err();
        other.join().unwrap().unwrap();
        assert_eq!(peer.keys().len(), 2);
        let machine = nodes[0].machine();
        assert!(good(&nodes[0], &machine.own_token(&[]).tokens().access));
        // The next sweep makes another.
        let steps = nodes[0].run(rotate_keys::run(&nodes[0].world, Rotation::Requested, Actor::System)).unwrap();
        assert_eq!((steps.len(), peer.keys().len()), (2, 4));
    });
}
