//! Tests of the whole: file and environment together.

use super::*;
use crate::base::moment::Span;
use std::{fs, os::unix::fs::PermissionsExt};
use tempfile::TempDir;

const KEK: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn load(text: &str, mode: u32, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("keywright.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    Config::load(Some(&path), variables.iter().map(|(name, value)| ((*name).into(), (*value).into())))
}

fn good(text: &str) -> Config {
    load(text, 0o600, &[]).unwrap_or_else(|e| panic!("{e}"))
}

/// The problems as text, without the path of the file, which differs each time.
fn problems(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    load(text, 0o600, variables).unwrap_err().problems.iter().map(ToString::to_string).collect()
}

#[test]
fn without_a_file_and_variables_the_defaults_are_in_force() {
    let config = Config::load(None, std::iter::empty()).unwrap();
    assert_eq!(config.server.issuer.as_str(), "http://127.0.0.1:8080");
    assert_eq!(config.tokens.access_token_lifetime, Span::minutes(5));
    assert_eq!(config.sign_in.attempts_per_account, Rate { count: 10, per: Span::minutes(10) });
    assert!(
        matches!(config.database_url(), DatabaseUrl::Sqlite(path) if path.ends_with("keywright-data/keywright.db"))
    );
    assert!(config.kek_file().ends_with("keywright-data/kek"));
    assert!(config.warnings().is_empty(), "{:?}", config.warnings());
}

#[test]
fn the_file_is_read_and_the_environment_beats_it() {
    let text = "[tokens]\ncode_lifetime = \"30s\"\nrefresh_idle = \"7d\"\n[server]\ntrusted_proxies = [\"10.0.0.0/8\"]";
    let config = load(
        text,
        0o600,
        &[("KEYWRIGHT_TOKENS_CODE_LIFETIME", "20s"), ("KEYWRIGHT_SERVER_TRUSTED_PROXIES", "::1, 10.1.0.0/16")],
    )
    .unwrap();
    assert_eq!(config.tokens.code_lifetime, Span::seconds(20));
    assert_eq!(config.tokens.refresh_idle, Span::days(7));
    let proxies: Vec<String> = config.server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["::1/128", "10.1.0.0/16"]);
}

#[test]
fn an_empty_variable_empties_a_list_and_is_refused_elsewhere() {
    let text = "[server]\ntrusted_proxies = [\"10.0.0.0/8\"]";
    assert!(load(text, 0o600, &[("KEYWRIGHT_SERVER_TRUSTED_PROXIES", "")]).unwrap().server.trusted_proxies.is_empty());
    let told = problems("", &[("KEYWRIGHT_KEK", "")]);
    assert!(told[0].starts_with("secrets.kek (from KEYWRIGHT_KEK): is empty"), "{told:?}");
}

#[test]
fn an_unknown_setting_is_an_error_that_names_the_nearest() {
    for (text, told) in [
        ("[server]\nlistne = 1", "server.listne: is not a setting; the nearest known one is server.listen"),
        (
            "[tokens]\nsession_idle = 1",
            "tokens.session_idle: is not a setting; the nearest known one is sign_in.session_idle",
        ),
        (
            "[tokens]\naccess_token_lifetme = 1",
            "tokens.access_token_lifetme: is not a setting; the nearest known one is tokens.access_token_lifetime",
        ),
        ("[sever]\nlisten = 1", "sever: is not a section; the nearest known one is server"),
        ("issuer = \"x\"", "issuer: is not a setting; the nearest known one is server.issuer"),
        ("[signin]", "signin: is not a section; the nearest known one is sign_in"),
    ] {
        assert_eq!(problems(text, &[]), [told]);
    }
    for (name, near) in [
        ("KEYWRIGHT_SERVER_ISUER", "KEYWRIGHT_SERVER_ISSUER"),
        ("KEYWRIGHT_KEKS_FILE", "KEYWRIGHT_KEK_FILE"),
        ("KEYWRIGHT_DATABASE_URI", "KEYWRIGHT_DATABASE_URL"),
    ] {
        let told = format!("{name}: is not the variable of a setting; the nearest known one is {near}");
        assert_eq!(problems("", &[(name, "x")]), [told]);
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let text = r#"
        tokns = {}
        [server]
        issuer = "http://id.example"
        listen = 8080
        workers = "two"
        [tokens]
        access_token_lifetime = "2h"
        code_lifetime = 60
        access_token_signing_alg = "HS256"
        [[resources]]
        identifier = "https://api.example"
        scopes = [{ name = "read", descripton = "Read" }]
        [[resources]]
        identifier = "relative"
        name = "B"
        nme = "C"
    "#;
    let told = problems(text, &[("KEYWRIGHT_LOG_LEVEL", "loud"), ("KEYWRIGHT_NO", "1")]);
    let settings: Vec<&str> = told.iter().filter_map(|problem| problem.split(": ").next()).collect();
    assert_eq!(
        settings,
        [
            "KEYWRIGHT_NO",
            "tokns",
            "server.issuer",
            "server.listen",
            "server.workers",
            "tokens.access_token_lifetime",
            "tokens.code_lifetime",
            "tokens.access_token_signing_alg",
            "log.level (from KEYWRIGHT_LOG_LEVEL)",
            "resources[0].name",
            "resources[0].scopes",
            "resources[1].nme",
            "resources[1].identifier",
        ],
        "{told:#?}"
    );
}

#[test]
fn a_bad_value_is_told_with_what_to_write() {
    for (text, told) in [
        ("[tokens]\ncode_lifetime = 60", "60 has no unit (ms, s, m, h or d); write a length of time, such as"),
        ("[tokens]\ncode_lifetime = \"1 hour\"", "\"1 hour\" has a unit that is not ms, s, m, h or d; write"),
        ("[tokens]\ncode_lifetime = \"-5s\"", "does not begin with a number"),
        ("[tokens]\nrefresh_idle = \"99999999999999d\"", "is too long"),
        ("[tokens]\naccess_token_lifetime = \"61m\"", "\"61m\" is too much; write a length of time"),
        ("[tokens]\naccess_token_lifetime = \"1s\"", "\"1s\" is too little"),
        ("[database]\nconnections = 0", "0 is too little; write a whole number, from 1 to 512"),
        ("[database]\nconnections = -1", "-1 does not fit here"),
        (
            "[server]\ntrusted_proxies = [\"10.0.0.1/8\"]",
            "item 1: \"10.0.0.1/8\" has bits beyond its prefix: the network is 10.0.0.0/8",
        ),
        ("[server]\ntrusted_proxies = \"10.0.0.0/8\"", "is a string, and a list is wanted"),
        ("[server]\nlisten = \"localhost:80\"", "is not an IP address with a port"),
        ("[server]\nissuer = \"https://id.example/\"", "must not end with a slash"),
        ("[sign_in]\nattempts_per_account = \"0/1m\"", "would let nobody in"),
        ("[sign_in]\ndisplay_name = \" \"", "is empty"),
        ("[sign_in]\nallow_localhost_redirects = \"no\"", "is a string; write true or false"),
        ("[outbound]\nallow = [\"what ever\"]", "item 1: \"what ever\" is neither a network nor a host name"),
        ("server = 1", "is an integer; write a table: [server]"),
        ("[resources]\nname = \"x\"", "write a table: [[resources]]"),
    ] {
        let all = problems(text, &[]);
        assert!(all.len() == 1 && all[0].contains(told), "{text}: {all:?}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_told_by_its_line_without_repeating_it() {
    let told = problems("[secrets]\nkek = \"hunter2\n", &[]);
    assert!(told.len() == 1 && told[0].contains("is not TOML at line 2"), "{told:?}");
    assert!(!told[0].contains("hunter2"));
    let missing = Config::load(Some(Path::new("/nonexistent/keywright.toml")), std::iter::empty()).unwrap_err();
    assert!(missing.to_string().contains("cannot be read"), "{missing}");
}

#[test]
fn a_file_with_secrets_that_every_user_can_read_is_refused() {
    let kek = format!("[secrets]\nkek = \"{KEK}\"");
    let url = "[database]\nurl = \"postgres://kw:hunter2@db/kw\"";
    for (text, secret) in
        [(kek.as_str(), "secrets.kek"), (url, "database.url"), ("[secrets]\nkek = \"bad\"", "secrets.kek")]
    {
        for mode in [0o644, 0o604, 0o666] {
            // A variable that beats the file does not make the file less readable.
            for variables in [&[][..], &[("KEYWRIGHT_KEK", KEK), ("KEYWRIGHT_DATABASE_URL", "sqlite:x")]] {
                let told = load(text, mode, variables).unwrap_err().to_string();
                assert!(told.contains(&format!("{secret}: is a secret in ")) && told.contains("chmod 600"), "{told}");
                assert!(!told.contains("hunter2") && !told.contains(KEK));
            }
        }
    }
    assert!(load("[database]\nurl = \"sqlite:/x.db\"\n[server]\nworkers = 2", 0o644, &[]).is_ok(), "no secret inside");
    assert!(load(&kek, 0o640, &[]).unwrap().warnings()[0].contains("its group can read"));
    assert!(load(&kek, 0o600, &[]).unwrap().warnings()[0].contains("KEYWRIGHT_KEK_FILE"));
}

#[test]
fn a_secret_may_lie_in_a_file_of_its_own() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("kek");
    let path = path.to_str().unwrap();
    for (content, good) in [
        (format!("{KEK}\n"), true),
        (format!("{KEK}\r\n"), true),
        ("ABEiM0RVZneImaq7zN3u_wARIjNEVWZ3iJmqu8zd7v8".into(), true),
        ("00".repeat(32), false),
        ("hunter2".into(), false),
    ] {
        fs::write(path, &content).unwrap();
        for name in ["KEYWRIGHT_KEK_FILE", "KEYWRIGHT_SECRETS_KEK_FILE"] {
            let read = load("", 0o600, &[(name, path)]);
            match (&read, good) {
                (Ok(config), true) => {
                    assert!(config.secrets.kek.as_ref().unwrap().expose().starts_with(&[0, 0x11, 0x22]))
                }
                (Err(told), false) => assert!(!told.to_string().contains("hunter2"), "{told}"),
                _ => panic!("{content:?} by {name}: {read:?}"),
            }
        }
    }
    let told = problems("", &[("KEYWRIGHT_KEK_FILE", "/nonexistent")]);
    assert!(told[0].starts_with("KEYWRIGHT_KEK_FILE: names /nonexistent, which cannot be read"), "{told:?}");
    let told = problems("", &[("KEYWRIGHT_KEK", KEK), ("KEYWRIGHT_SECRETS_KEK", KEK)]);
    assert_eq!(told, ["KEYWRIGHT_SECRETS_KEK: sets what KEYWRIGHT_KEK sets too; keep one of the two"]);
}

#[test]
fn a_secret_in_a_file_that_others_can_read_is_warned_of_and_anything_else_is_not() {
    let dir = TempDir::new().unwrap();
    let (kek, issuer) = (dir.path().join("kek"), dir.path().join("issuer"));
    fs::write(&kek, KEK).unwrap();
    fs::write(&issuer, "https://id.example").unwrap();
    fs::set_permissions(&issuer, fs::Permissions::from_mode(0o644)).unwrap();
    let variables =
        [("KEYWRIGHT_KEK_FILE", kek.to_str().unwrap()), ("KEYWRIGHT_SERVER_ISSUER_FILE", issuer.to_str().unwrap())];
    for (mode, told) in
        [(0o644, Some("every user")), (0o604, Some("every user")), (0o640, Some("its group")), (0o600, None)]
    {
        fs::set_permissions(&kek, fs::Permissions::from_mode(mode)).unwrap();
        let config = load("", 0o600, &variables).unwrap();
        let warnings: Vec<_> = config.warnings().iter().filter(|w| w.contains("can read")).collect();
        match told {
            None => assert!(warnings.is_empty(), "{mode:o}: {warnings:?}"),
            Some(who) => {
                assert!(warnings.len() == 1 && warnings[0].contains(who), "{mode:o}: {warnings:?}");
                assert!(warnings[0].starts_with("KEYWRIGHT_KEK_FILE") && !warnings[0].contains(KEK), "{warnings:?}");
            }
        }
    }
}

#[test]
fn one_newline_is_trimmed_from_a_file_and_a_setting_may_itself_end_in_file() {
    let dir = TempDir::new().unwrap();
    let (issuer, path) = (dir.path().join("issuer"), dir.path().join("clients"));
    fs::write(&issuer, "https://id.example\n").unwrap();
    fs::write(&path, "/etc/clients.toml\n").unwrap();
    let variables = [
        ("KEYWRIGHT_SERVER_ISSUER_FILE", issuer.to_str().unwrap()),
        ("KEYWRIGHT_CLIENTS_FILE", path.to_str().unwrap()),
    ];
    let config = load("", 0o600, &variables).unwrap();
    assert_eq!(config.server.issuer.as_str(), "https://id.example");
    assert_eq!(config.clients.file.as_deref(), Some(path.as_path()), "the path itself, not what the file says");
    fs::write(&issuer, "https://id.example\n\n").unwrap();
    assert!(load("", 0o600, &variables).is_err());
}

#[test]
fn what_kubernetes_makes_of_a_service_of_our_name_is_ignored() {
    let made = [
        ("KEYWRIGHT_CONFIG", "/etc/keywright.toml"),
        ("KEYWRIGHT_SERVICE_HOST", "10.0.0.1"),
        ("KEYWRIGHT_SERVICE_PORT", "80"),
        ("KEYWRIGHT_SERVICE_PORT_HTTP", "80"),
        ("KEYWRIGHT_PORT", "tcp://10.0.0.1:80"),
        ("KEYWRIGHT_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("KEYWRIGHT_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("KEYWRIGHT_DB_PORT_5432_TCP_PROTO", "tcp"),
    ];
    assert!(load("", 0o600, &made).is_ok());
    assert!(load("", 0o600, &[("KEYWRIGHT_PORT", "80")]).is_err(), "somebody meant to choose a port");
}

#[test]
fn rules_between_settings_hold() {
    let two = "[[resources]]\nidentifier = \"https://a.example\"\nname = \"A\"\n".repeat(2);
    let scopes =
        |names: &str| format!("[[resources]]\nidentifier = \"https://a.example\"\nname = \"A\"\nscopes = [{names}]");
    let twice = scopes("{ name = \"r\", description = \"R\" }, { name = \"r\", description = \"R\" }");
    let reserved = scopes("{ name = \"openid\", description = \"R\" }");
    for (text, setting) in [
        ("[server]\nlisten = \"0.0.0.0:8080\"", "server.listen"),
        ("[server]\nmetrics_listen = \"127.0.0.1:8080\"", "server.metrics_listen"),
        ("[keys]\npublish_before_use = \"1m\"", "keys.jwks_max_age"),
        ("[keys]\npublish_before_use = \"14m\"", "keys.library_cache"),
        ("[keys]\nrotation_period = \"1h\"", "keys.rotation_period"),
        ("[tokens]\nrefresh_idle = \"100d\"", "tokens.refresh_idle"),
        ("[sign_in]\nsession_absolute = \"1h\"", "sign_in.session_idle"),
        (two.as_str(), "resources[1].identifier"),
        (twice.as_str(), "resources[0].scopes"),
        (reserved.as_str(), "resources[0].scopes"),
    ] {
        let told = load(text, 0o600, &[]).unwrap_err().problems;
        assert!(told.len() == 1 && told[0].setting == setting, "{text}: {told:?}");
    }
    good("[server]\nissuer = \"https://id.example\"\nlisten = \"0.0.0.0:8080\"");
}

#[test]
fn what_is_doubtful_is_warned_of() {
    for (text, told) in [
        ("[server]\nissuer = \"https://id.example\"", "trusted_proxies is empty"),
        ("[server]\ntrusted_proxies = [\"0.0.0.0/0\"]", "anybody can forge"),
        ("[tokens]\naccess_token_signing_alg = \"PS256\"", "3072 is what is advised"),
        ("[database]\nurl = \"postgres://db/kw\"", "KEYWRIGHT_KEK_FILE"),
        ("[database]\nsqlite_synchronous = \"normal\"", "may be lost"),
    ] {
        let config = good(text);
        assert!(config.warnings().iter().any(|warning| warning.contains(told)), "{text}: {:?}", config.warnings());
    }
}

#[test]
fn a_reload_tells_what_takes_hold_at_once_and_what_at_the_next_start() {
    let old = good("[log]\nlevel = \"info\"");
    assert!(Config::reload_differences(&old, &old.clone()).is_empty());
    let new = load(
        "[log]\nlevel = \"debug\"\n[database]\nconnections = 9\n[[resources]]\nidentifier = \"https://a.example\"\nname = \"A\"",
        0o600,
        &[("KEYWRIGHT_KEK", KEK)],
    )
    .unwrap();
    let found = Config::reload_differences(&old, &new);
    assert_eq!(found.at_once, ["secrets.kek", "log.level", "resources"]);
    assert_eq!(found.needs_restart, ["database.connections"]);
}

#[test]
fn the_template_is_a_file_of_the_defaults() {
    let uncommented: String = template()
        .lines()
        .filter(|line| !line.contains(" = ...") && !line.contains("resources") && !line.starts_with("# scopes"))
        .map(|line| if line.contains(" = ") { line.trim_start_matches("# ") } else { line })
        .fold(String::new(), |text, line| text + line + "\n");
    let (defaults, read) = (Config::load(None, std::iter::empty()).unwrap(), good(&uncommented));
    assert_eq!(defaults.shown(), read.shown());
    assert!(uncommented.contains("\nlisten = \"127.0.0.1:8080\"\n"));
    assert_eq!(good(&template()).shown(), defaults.shown());
}

#[test]
fn the_reference_has_every_setting_with_its_default_and_variables() {
    let page = reference();
    for section in SECTIONS {
        assert!(!section.doc.is_empty());
        for field in section.fields {
            assert!(page.contains(&format!("### `{}.{}`", section.name, field.name)));
            assert_eq!(field.default.is_some(), field.default.and((field.default_toml)()).is_some(), "{}", field.name);
        }
    }
    assert!(page.contains("- Environment: `KEYWRIGHT_KEK` or `KEYWRIGHT_SECRETS_KEK`"));
    assert!(page.contains("- Default: `\"5m\"`"));
}

#[test]
fn what_is_shown_reads_back_and_masks_secrets() {
    let config = load(
        "[outbound]\nallow = [\"10.0.0.0/8\", \"::1\", \"hooks.internal\"]\n[tokens]\nrefresh_grace = \"0s\"\ndefault_audience = \"urn:api\"",
        0o600,
        &[("KEYWRIGHT_KEK", KEK), ("KEYWRIGHT_DATABASE_URL", "postgres://kw:hunter2@db/kw")],
    )
    .unwrap();
    let (mut text, mut last) = (String::new(), String::new());
    for (section, name, value) in config.shown() {
        let Some(value) = value.filter(|value| !value.contains("[secret]")) else { continue };
        if section != last {
            text += &format!("[{section}]\n");
            last = section;
        }
        text += &format!("{name} = {value}\n");
    }
    assert!(!text.contains("hunter2") && !format!("{config:?}").contains("hunter2"));
    let again = good(&text);
    assert_eq!(Config::reload_differences(&config, &again).needs_restart, ["database.url"]);
    assert_eq!(Config::reload_differences(&config, &again).at_once, ["secrets.kek"]);
}
