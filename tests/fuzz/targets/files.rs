//! What operators and registering clients write: metadata and files of settings.

use super::{Target, seeds};
use crate::driver::place;
use keywright::{
    base::id::ClientId,
    config::{Config, declared_clients},
    jose::json,
    oauth::{
        client::ClientKeys,
        register::{Localhost, RegistrationPolicy, parse_client, read_stored, to_metadata},
    },
};
use std::{cell::Cell, fs, os::unix::fs::PermissionsExt, path::PathBuf};

/// Whatever is accepted is written down as metadata that reads back to the same client, and what a client may be is never
/// more than the policy: no redirection to plain http elsewhere, no secret grant without authentication.
pub const CLIENT_METADATA: Target = Target {
    name: "client_metadata",
    run: |input| {
        let Ok(metadata) = json::object(input) else { return "no object".to_owned() };
        let id = || ClientId::parse("cli_app").unwrap();
        let client = match parse_client(id(), &metadata, RegistrationPolicy { localhost: Localhost::Refused }) {
            Ok(client) => client,
            Err(bad) => return format!("{} {}", bad.code.wire(), bad.member.get(..24).unwrap_or(&bad.member)),
        };
        let written = to_metadata(&client);
        assert_eq!(to_metadata(&read_stored(id(), &written).unwrap()), written);
        assert_eq!(to_metadata(&parse_client(id(), &written, RegistrationPolicy::default()).unwrap()), written);
        assert_eq!(client.id.as_str(), "cli_app");
        if let ClientKeys::Registered(keys) = &client.keys {
            assert!(!keys.keys().is_empty() && !keys.jwks().to_string().contains("\"d\":"));
        }
        format!("{:?} {:?} {}", client.auth_method, client.grant_types, client.redirect_uris.len())
    },
    seeds: || {
        seeds(&[
            r#"{"client_name":"App","redirect_uris":["https://app.example/cb"],"grant_types":["authorization_code","refresh_token"],"scope":"openid read","backchannel_logout_uri":"https://app.example/bc"}"#,
            r#"{"grant_types":["client_credentials"],"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]},"resources":["https://api.example"]}"#,
            r#"{"application_type":"native","redirect_uris":["com.example.app:/cb","http://127.0.0.1/cb"],"token_endpoint_auth_method":"none","default_max_age":60,"access_token_lifetime":60}"#,
            r#"{"jwks_uri":"https://app.example/jwks","protected_resources":["https://rs.example"],"first_party":true,"redirect_uris":["https://a.example"]}"#,
        ])
    },
    words: &[
        "\"scope\":\"",
        "\"redirect_uris\":[",
        "\"https://app.example/x\"",
        "\"grant_types\":[]",
        "\"client_secret\":\"x\"",
        "true",
        "null",
        "\"contacts\":[]",
        "\"token_endpoint_auth_method\":\"none\"",
    ],
};

thread_local! {
    /// The file that inputs are written to: one for each thread, since settings are read from files only.
    static FILE: Cell<u32> = const { Cell::new(0) };
}

fn file(name: &str, input: &[u8]) -> PathBuf {
    let path = place(name);
    if FILE.replace(1) == 0 {
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::write(&path, input).unwrap();
    path
}

/// A file is accepted, and then no secret in it is shown; or everything wrong with it is told, something at least.
pub const SETTINGS_FILES: Target = Target {
    name: "settings_files",
    run: |input| match Config::load(Some(&file("settings.toml", input)), std::iter::empty()) {
        Ok(config) => {
            let shown = format!("{:?} {config:?}", config.shown());
            let kek = std::str::from_utf8(input).unwrap().parse::<toml::Table>().unwrap();
            let kek = kek.get("secrets").and_then(|secrets| secrets.get("kek")).and_then(toml::Value::as_str);
            assert!(kek.is_none_or(|kek| !shown.contains(kek.trim())), "the key prints");
            format!("accepted, {} resources, {} warnings", config.resources.len(), config.warnings().len())
        }
        Err(error) => {
            assert!(!error.problems.is_empty() && error.problems.iter().all(|problem| !problem.to_string().is_empty()));
            format!("{} problems", error.problems.len())
        }
    },
    seeds: || {
        seeds(&[
            "[server]\nissuer = \"https://id.example\"\nlisten = \"127.0.0.1:8080\"\n\n[tokens]\naccess_token_lifetime = \"5m\"\n",
            "[server]\nissuer = \"https://id.example\"\n[secrets]\nkek = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"\n[database]\nurl = \"sqlite:k.db\"\n",
            "[server]\nissuer = \"https://id.example\"\n[[resources]]\nuri = \"https://api.example\"\nscopes = [\"read\"]\n[log]\nlevel = \"info\"\n",
        ])
    },
    words: &[
        "[server]",
        "[[resources]]",
        "[log]",
        "issuer = ",
        "\"5m\"",
        "99999999999",
        "-1",
        "\"\"\"",
        "'''",
        "[sign_in]",
        "1979-05-27T07:32:00Z",
        "inf",
        "{",
        "kek = \"x\"",
    ],
};

/// A file of declared clients is read or refused; what was read has an identifier and no name of a secret left in it.
pub const DECLARED_CLIENTS_FILES: Target = Target {
    name: "declared_clients_files",
    run: |input| match declared_clients(&file("clients.toml", input)) {
        Ok(clients) => {
            for client in &clients {
                assert!(
                    !client.metadata.contains_key("client_secret_file")
                        && !client.metadata.contains_key("client_secret_env")
                );
                let _ = parse_client(client.id.clone(), &client.metadata, RegistrationPolicy::default());
            }
            format!("{} clients", clients.len())
        }
        Err(because) => because.chars().filter(|c| c.is_ascii_alphabetic() || *c == ' ').take(60).collect(),
    },
    seeds: || {
        seeds(&[
            "[[clients]]\nclient_id = \"app\"\nredirect_uris = [\"https://app.example/cb\"]\nscope = \"openid\"\n",
            "[[clients]]\nclient_id = \"job\"\ngrant_types = [\"client_credentials\"]\nclient_secret_env = \"NO_SUCH_VARIABLE\"\n",
            "clients = []\n",
        ])
    },
    words: &["[[clients]]", "client_id = ", "client_secret_file = \"x\"", "\"app\"", "[clients]", "{}"],
};
