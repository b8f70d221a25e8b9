//! Where the secrets of the settings are kept: R115 (the environment and files it names), R116 (files of
//! settings), R117 (the two together), R57 (secret managers). The program runs as operators run it.

use crate::{
    commands::{Installation, each},
    world::{
        VaultPeer,
        busy::{LONG, within},
        vault,
    },
};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

const KEK: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const OTHER: &str = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn settings(it: &Installation, text: &str, mode: u32) {
    write(&it.folder.path().join("keywright.toml"), text, mode);
}

fn log(it: &Installation) -> String {
    fs::read_to_string(it.folder.path().join("log")).unwrap()
}

#[test]
fn r115_the_url_of_the_database_may_come_from_a_file_that_a_variable_names() {
    each(|it| {
        let path = it.folder.path().join("url");
        write(&path, &format!("{}\n", it.database), 0o600);
        let migrated = {
            let mut command = it.command(&["migrate", "-o", "json"]);
            command.env_remove("KEYWRIGHT_DATABASE_URL").env("KEYWRIGHT_DATABASE_URL_FILE", &path);
            command.output().unwrap()
        };
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        // It is the same database that the variable without _FILE reaches.
        assert!(it.json(&["migrate"], "")["applied"].as_array().unwrap().is_empty());
        let serving = it.serve();
        serving.end();
    });
}

#[test]
fn r115_a_setting_may_name_a_variable_a_file_or_a_command_and_is_never_shown() {
    each(|it| {
        let path = it.folder.path().join("kek-of-mine");
        write(&path, &format!("{KEK}\n"), 0o600);
        it.set("MY_OWN_KEK", KEK);
        let file = format!("file:{}", path.display());
        let command = format!("cmd:cat {}", path.display());
        for reference in ["env:MY_OWN_KEK", "${MY_OWN_KEK}", &file, &command] {
            settings(it, &format!("[secrets]\nkek = \"{reference}\"\n"), 0o644);
            // The same key each time: the database opens again.
            it.json(&["keys", "list"], "");
            let shown = it.run(&["config", "show"], "");
            assert!(!String::from_utf8_lossy(&shown.stdout).contains(KEK) && shown.status.success());
            assert!(it.run(&["config", "check"], "").status.success(), "{reference}");
        }
        settings(it, "", 0o644);
        it.set("KEYWRIGHT_KEK", "env:MY_OWN_KEK");
        it.json(&["keys", "list"], "");
        it.unset("KEYWRIGHT_KEK");
    });
}

#[test]
fn r115_a_source_that_gives_nothing_is_a_clear_refusal_to_start() {
    each(|it| {
        let open = it.folder.path().join("open");
        write(&open, KEK, 0o644);
        for (reference, told) in [
            ("env:NO_SUCH_VARIABLE".to_owned(), "env:NO_SUCH_VARIABLE: the variable is unset"),
            ("file:/nonexistent/kek".to_owned(), "file:/nonexistent/kek: cannot be read"),
            (format!("file:{}", open.display()), "is open to every user of this machine (mode 644)"),
            ("cmd:echo hunter2-hunter2 >&2; exit 1".to_owned(), "the command failed (exit status: 1)"),
            ("cmd:echo hunter2-hunter2".to_owned(), "is not 32 bytes"),
            ("vault:secret/data/kw#kek".to_owned(), "secrets.vault_address is unset"),
        ] {
            settings(it, &format!("[secrets]\nkek = \"{reference}\"\n"), 0o600);
            let (code, said) = it.failure(&["serve"], "");
            assert_eq!(code, 2, "{said}");
            assert!(said.contains("secrets.kek") && said.contains(told), "{reference}: {said}");
            assert!(!said.contains("hunter2-hunter2") && !said.contains(KEK), "{said}");
        }
    });
}

#[test]
fn r116_a_file_of_settings_with_a_secret_that_every_user_can_read_refuses_to_start() {
    each(|it| {
        settings(it, &format!("[secrets]\nkek = \"{KEK}\"\n"), 0o644);
        let (code, told) = it.failure(&["serve"], "");
        assert_eq!(code, 2);
        assert!(told.contains("secrets.kek: is a secret in") && told.contains("chmod 600"), "{told}");
        assert!(!told.contains(KEK));
        settings(it, &format!("[secrets]\nkek = \"{KEK}\"\n"), 0o600);
        let serving = it.serve();
        serving.end();
        assert!(log(it).contains("secrets.kek is a secret in") && !log(it).contains(KEK), "{}", log(it));
    });
}

#[test]
fn r117_the_check_of_the_settings_fails_on_a_secret_in_the_file_and_passes_once_the_file_names_it() {
    each(|it| {
        it.set("SECRET_OF_GATEWAYS", "0123456789abcdef-of-gateways");
        for (inline, named) in [
            (format!("[secrets]\nkek = \"{KEK}\"\n"), "[secrets]\nkek = \"${SECRET_KEK}\"\n"),
            (
                "[gateway]\nsecret = \"0123456789abcdef-of-gateways\"\n".to_owned(),
                "[gateway]\nsecret = \"${SECRET_OF_GATEWAYS}\"\n",
            ),
        ] {
            it.set("SECRET_KEK", KEK);
            settings(it, &inline, 0o600);
            let (code, told) = it.failure(&["config", "check"], "");
            assert_eq!(code, 1, "{told}");
            assert!(told.contains("secrets lie in the file itself"), "{told}");
            assert!(!told.contains(KEK) && !told.contains("of-gateways"), "{told}");
            settings(it, named, 0o600);
            let good = it.run(&["config", "check"], "");
            assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
        }
    });
}

#[test]
fn r057_vault_gives_secrets_to_a_token_and_to_a_role_and_when_it_goes_away_the_server_goes_on() {
    each(|it| {
        let mut peer = VaultPeer::start();
        peer.keep("keywright", "kek", KEK);
        it.set("KEYWRIGHT_SECRETS_VAULT_ADDRESS", &peer.address);
        it.set("KEYWRIGHT_SECRETS_VAULT_TOKEN", vault::TOKEN);
        it.set("KEYWRIGHT_KEK", "vault:secret/data/keywright#kek");
        it.json(&["keys", "list"], "");
        // Version 1 of the engine says it otherwise, and a role reads it too: the same key, the same database.
        it.set("KEYWRIGHT_KEK", "vault:kv/keywright#kek");
        it.json(&["keys", "list"], "");
        it.unset("KEYWRIGHT_SECRETS_VAULT_TOKEN");
        it.set("KEYWRIGHT_SECRETS_VAULT_ROLE_ID", vault::ROLE);
        it.set("KEYWRIGHT_SECRETS_VAULT_SECRET_ID", vault::ROLE_SECRET);
        let serving = it.serve();
        peer.stop();
        serving.reload();
        let refused = || log(it).contains("the settings were refused; the old ones stay");
        assert!(within(LONG, refused), "{}", log(it));
        assert!(ureq::get(it.at("/readyz")).call().is_ok());
        serving.end();
        assert!(!log(it).contains(KEK) && !log(it).contains(vault::ROLE_SECRET));
        // And a start without it is refused.
        let (code, told) = it.failure(&["serve"], "");
        assert_eq!(code, 2);
        assert!(told.contains("secrets.kek") && told.contains("Vault does not answer"), "{told}");
    });
}

#[test]
fn r057_a_vault_that_refuses_is_slow_or_talks_garbage_is_told_for_what_it_is() {
    let peer = VaultPeer::start();
    peer.keep("keywright", "kek", OTHER);
    each(|it| {
        it.set("KEYWRIGHT_SECRETS_VAULT_ADDRESS", &peer.address);
        it.set("KEYWRIGHT_SECRETS_VAULT_TOKEN", vault::TOKEN);
        for (name, told) in [
            ("secret/data/nothing#kek", "has nothing there (status 404)"),
            ("secret/data/keywright#kkk", "no text in that field"),
            ("other/data/keywright#kek", "refuses it (status 403)"),
            ("garbage/a#kek", "is not one of Vault"),
            ("slow/a#kek", "does not answer: timeout"),
            ("secret/data/../a#kek", "is no path of Vault"),
            ("secret/data/keywright", "names no field"),
        ] {
            it.set("KEYWRIGHT_KEK", format!("vault:{name}"));
            let (code, said) = it.failure(&["config", "show"], "");
            assert!(code == 2 && said.contains(told) && said.contains(&format!("vault:{name}")), "{name}: {said}");
        }
        it.set("KEYWRIGHT_SECRETS_VAULT_TOKEN", "hvs.not-this-one");
        it.set("KEYWRIGHT_KEK", "vault:secret/data/keywright#kek");
        let (_, said) = it.failure(&["config", "show"], "");
        assert!(said.contains("status 403") && !said.contains("not-this-one"), "{said}");
        it.unset("KEYWRIGHT_SECRETS_VAULT_TOKEN");
        it.set("KEYWRIGHT_SECRETS_VAULT_ROLE_ID", vault::ROLE);
        it.set("KEYWRIGHT_SECRETS_VAULT_SECRET_ID", "wrong-secret-of-the-role");
        let (_, said) = it.failure(&["config", "show"], "");
        assert!(said.contains("does not let us sign in (status 400)") && !said.contains("wrong-secret"), "{said}");
    });
    peer.seal();
    each(|it| {
        it.set("KEYWRIGHT_SECRETS_VAULT_ADDRESS", &peer.address);
        it.set("KEYWRIGHT_SECRETS_VAULT_TOKEN", vault::TOKEN);
        it.set("KEYWRIGHT_KEK", "vault:secret/data/keywright#kek");
        let (_, said) = it.failure(&["config", "show"], "");
        assert!(said.contains("Vault is sealed"), "{said}");
    });
}

#[test]
fn r057_transit_opens_a_key_that_it_has_wrapped_and_a_service_account_of_kubernetes_may_ask_for_it() {
    let peer = VaultPeer::start();
    let digits = |n: usize| u8::from_str_radix(&KEK[n * 2..n * 2 + 2], 16).unwrap();
    let raw: Vec<u8> = (0..32).map(digits).collect();
    each(|it| {
        let account = it.folder.path().join("account");
        write(&account, &format!("{}\n", vault::ACCOUNT), 0o600);
        it.set("KEYWRIGHT_SECRETS_VAULT_ADDRESS", &peer.address);
        it.set("KEYWRIGHT_SECRETS_VAULT_KUBERNETES_ROLE", "keywright");
        it.set("KEYWRIGHT_SECRETS_VAULT_KUBERNETES_TOKEN", account.to_str().unwrap());
        // A data key as Transit makes it, and a text that somebody encrypted: the same key, the same database.
        for plaintext in [raw.as_slice(), KEK.as_bytes()] {
            it.set("KEYWRIGHT_KEK", format!("transit:transit/wrapping#{}", peer.wrap(plaintext)));
            it.json(&["keys", "list"], "");
        }
        let serving = it.serve();
        serving.end();
        assert!(!log(it).contains(KEK) && !log(it).contains(vault::ACCOUNT));
        for (name, value, told) in [
            ("KEYWRIGHT_KEK", "transit:transit/wrapping#vault:v1:AAAA".to_owned(), "status 400"),
            ("KEYWRIGHT_KEK", "transit:transit/wrapping".to_owned(), "names no ciphertext"),
            ("KEYWRIGHT_KEK", "transit:wrapping#vault:v1:AAAA".to_owned(), "is no path of Vault"),
            ("KEYWRIGHT_SECRETS_VAULT_KUBERNETES_ROLE", "another".to_owned(), "sign in (status 400)"),
            ("KEYWRIGHT_SECRETS_VAULT_KUBERNETES_TOKEN", "/nonexistent/token".to_owned(), "/nonexistent/token"),
        ] {
            let good = it.variables.borrow().iter().rev().find(|(other, _)| other == name).unwrap().1.clone();
            it.set(name, value.clone());
            let (code, said) = it.failure(&["serve"], "");
            assert!(code == 2 && said.contains("secrets.kek") && said.contains(told), "{value}: {said}");
            it.set(name, good);
        }
        write(&account, "eyJ.of-somebody-else.AAAA", 0o600);
        let (_, said) = it.failure(&["serve"], "");
        assert!(said.contains("sign in (status 403)") && !said.contains("somebody-else"), "{said}");
    });
}
