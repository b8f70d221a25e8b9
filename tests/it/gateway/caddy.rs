//! `deploy/gateways/Caddyfile` in a real Caddy.

use super::{
    Gated, burst,
    real::{Real, holds},
};
use crate::world::{Request, each};
use serde_json::json;
use std::{fs, path::Path, process::Command};

fn caddy(directory: &Path, text: &str) -> Command {
    let file = directory.join("Caddyfile");
    fs::write(&file, text).unwrap();
    let mut command = Command::new("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
    command.env("HOME", directory).env("XDG_DATA_HOME", directory).env("XDG_CONFIG_HOME", directory);
    command
}

#[test]
fn caddy_lets_pass_what_is_good_and_nothing_else() {
    each(|database| {
        let gated = Gated::with(database, &[], burst(3), json!({}));
        let Some(real) = Real::start(&gated, "Caddyfile", caddy) else { return };
        holds(&gated, &real);
        let fresh = gated.key(json!({}));
        database.backdoor().execute("ALTER TABLE api_keys RENAME TO api_keys_gone");
        let reply = real.send(&Request::new("GET", "/v1/docs").bearer(&fresh));
        assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")));
        database.backdoor().execute("ALTER TABLE api_keys_gone RENAME TO api_keys");
        drop(gated);
        let reply = real.send(&Request::new("GET", "/v1/docs").bearer(&fresh));
        assert_eq!(reply.status, 502);
        assert!(real.arrived().is_empty());
    });
}
