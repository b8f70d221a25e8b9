//! `deploy/gateways/nginx.conf` in a real nginx.

use super::{
    Gated, burst,
    real::{Real, holds},
};
use crate::world::{Request, each};
use serde_json::json;
use std::{fs, path::Path, process::Command};

fn nginx(directory: &Path, text: &str) -> Command {
    let main = format!(
        "daemon off; master_process off; pid {0}/pid; error_log {0}/error.log; events {{}}\n\
         http {{ access_log off; client_body_temp_path {0}/body; proxy_temp_path {0}/proxy; fastcgi_temp_path {0}/f; \
         uwsgi_temp_path {0}/u; scgi_temp_path {0}/s; include {0}/gateway.conf; }}",
        directory.display()
    );
    fs::write(directory.join("gateway.conf"), text).unwrap();
    fs::write(directory.join("nginx.conf"), main).unwrap();
    // Where Debian has it, also for those who are not root.
    let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    let mut command = Command::new(program);
    command.arg("-p").arg(directory).arg("-c").arg(directory.join("nginx.conf"));
    command.arg("-e").arg(directory.join("error.log"));
    command
}

#[test]
fn nginx_lets_pass_what_is_good_and_nothing_else() {
    each(|database| {
        let gated = Gated::with(database, &[], burst(3), json!({}));
        let Some(real) = Real::start(&gated, "nginx.conf", nginx) else { return };
        holds(&gated, &real);
        let key = gated.key(json!({}));
        let reply = real.send(&Request::new("GET", "/v1/docs").bearer(&key));
        assert_eq!(reply.field("ratelimit"), Some("\"burst\";r=2;t=60"));
        real.arrived();
        // A fault of Keywright's, and Keywright gone: 503, and nothing passes.
        let fresh = gated.key(json!({}));
        database.backdoor().execute("ALTER TABLE api_keys RENAME TO api_keys_gone");
        let reply = real.send(&Request::new("GET", "/v1/docs").bearer(&fresh));
        assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")));
        database.backdoor().execute("ALTER TABLE api_keys_gone RENAME TO api_keys");
        drop(gated);
        let reply = real.send(&Request::new("GET", "/v1/docs").bearer(&key));
        assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")));
        assert!(real.arrived().is_empty());
    });
}
