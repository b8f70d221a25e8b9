//! `/livez` and `/readyz`, for whoever decides about restarts and about traffic.

use crate::world::{
    Server,
    busy::{LONG, within},
    each,
};
use keywright::{base::fault::Stop, flow::rotate_keys, jose::Alg, store::Tx};
use std::convert::Infallible;

#[test]
fn a_server_that_serves_is_alive_and_ready() {
    each(|database| {
        let server = Server::on(database);
        for (path, says) in [("/livez", "ok"), ("/readyz", "ready")] {
            let reply = server.get(path);
            assert_eq!((reply.status, reply.text().as_str()), (200, says), "{path}");
            assert_eq!(reply.field("cache-control"), Some("no-store"));
        }
    });
}

#[test]
fn without_its_store_it_is_alive_and_not_ready() {
    each(|database| {
        let server = Server::on(database);
        server.world.store.close();
        let reply = server.get("/readyz");
        assert_eq!((reply.status, reply.text().as_str()), (503, "the database does not answer"));
        assert_eq!(server.get("/livez").status, 200, "a restart would mend nothing");
        let page = server.browser().open("/sign-in");
        assert_eq!(page.status, 200, "it needs no store");
        let reply = super::sign_in::try_with(&mut server.browser(), "ada", "x");
        assert!(reply.status >= 500, "{}", reply.words());
    });
}

#[test]
fn with_a_postgres_that_ends_its_connections_it_is_ready_again_by_itself() {
    each(|database| {
        if database.is_sqlite() {
            return;
        }
        let server = Server::on(database);
        assert_eq!(server.get("/readyz").status, 200);
        database.backdoor().execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE application_name = current_schema() AND pid <> pg_backend_pid()",
        );
        assert!(within(LONG, || server.get("/readyz").status == 200), "never ready again");
    });
}

#[test]
fn a_server_that_drains_is_alive_and_not_ready() {
    each(|database| {
        let server = Server::on(database);
        server.world.set_draining();
        let reply = server.get("/readyz");
        assert_eq!((reply.status, reply.text().as_str()), (503, "the server is shutting down"));
        assert_eq!(server.get("/livez").status, 200);
    });
}

#[test]
fn a_server_without_a_key_for_its_access_tokens_is_not_ready() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("tokens.access_token_signing_alg", "ES384"));
        assert_eq!(server.get("/readyz").status, 200);
        // Its housekeeping makes the next one, sooner or later: once at the beginning, and then when the clock moves on.
        let unready = || {
            if let Some(kid) = server.world.keyring.load().signer(Alg::Es384).map(|key| key.kid().clone()) {
                let end = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.signing_keys().revoke(&kid, "leaked")?);
                server.run(server.world.store.write("test", end)).unwrap();
                server.run(rotate_keys::reload(&server.world)).unwrap();
            }
            let reply = server.get("/readyz");
            (reply.status, reply.text().as_str()) == (503, "there is no signing key")
        };
        assert!((0..5).any(|_| unready()));
    });
}
