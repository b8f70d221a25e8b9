//! RFC 7009: what is said to be revoked is revoked.

use crate::world::{Server, each};

#[test]
fn r048_a_revoked_access_token_is_refused_everywhere_and_its_siblings_are_not() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let tokens = server.browser().tokens(&app, &ada);
        let next = app.refresh(&tokens.refresh).tokens();
        let reply = app.revoke(&tokens.access);
        assert_eq!((reply.status, reply.body.len()), (200, 0));
        assert!(!app.sees_live(&tokens.access));
        let refused = app.userinfo(&tokens.access);
        assert_eq!(refused.refusal(), (401, "invalid_token".to_owned()));
        assert!(app.sees_live(&next.access));
        assert_eq!(app.userinfo(&next.access).status, 200);
        assert!(server.recorded("token.revoked"));
    });
}

#[test]
fn an_access_token_that_is_revoked_again_and_again_is_written_down_once() {
    each(|database| {
        let (one, two) = (Server::on(database), Server::on(database));
        let machine = one.machine();
        let token = machine.own_token(&[]).tokens().access;
        let there = machine.moved_to(&two);
        for _ in 0..3 {
            assert_eq!(machine.revoke(&token).status, 200);
            two.follow_now();
            assert_eq!(there.revoke(&token).status, 200);
        }
        assert!(!machine.sees_live(&token) && !there.sees_live(&token));
        assert_eq!(one.events_of("token.revoked").len(), 1);
        let told = "SELECT subject AS text FROM change_feed WHERE kind = 'token'";
        assert_eq!(database.backdoor().texts(told).len(), 1);
    });
}

#[test]
fn a_revoked_refresh_token_takes_its_whole_grant_along() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        let (tokens, other) = (browser.tokens(&app, &ada), browser.tokens(&app, &ada));
        assert_eq!(app.revoke(&tokens.refresh).status, 200);
        assert!(!app.sees_live(&tokens.access) && !app.sees_live(&tokens.refresh));
        assert_eq!(app.refresh(&tokens.refresh).error(), "invalid_grant");
        assert!(app.sees_live(&other.access) && app.sees_live(&other.refresh), "another grant");
    });
}

#[test]
fn the_hint_may_be_right_wrong_or_unheard_of() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        for hint in ["access_token", "refresh_token", "magic"] {
            let token = machine.own_token(&[]).tokens().access;
            let reply = machine.post("/revoke", &[("token", &token), ("token_type_hint", hint)]);
            assert_eq!(reply.status, 200, "{hint}");
            assert!(!machine.sees_live(&token), "{hint}");
        }
    });
}

#[test]
fn what_is_no_token_is_as_good_as_revoked() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        for token in ["x", "kw_rt_x", "a.b.c", &"x".repeat(9000)] {
            assert_eq!(machine.revoke(token).status, 200);
        }
        assert_eq!(machine.post("/revoke", &[]).refusal(), (400, "invalid_request".to_owned()));
    });
}

#[test]
fn another_clients_token_stays_as_it_is() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app, other) = (server.person("ada"), server.web_app(), server.web_app());
        let tokens = server.browser().tokens(&app, &ada);
        for token in [&tokens.access, &tokens.refresh] {
            assert_eq!(other.revoke(token).status, 400);
            assert!(app.sees_live(token));
        }
    });
}

#[test]
fn a_public_client_may_revoke_what_is_its_own() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app, web) = (server.person("ada"), server.public_app(), server.web_app());
        let tokens = server.browser().tokens(&app, &ada);
        assert_eq!(app.revoke(&tokens.refresh).status, 200);
        assert_eq!(app.refresh(&tokens.refresh).error(), "invalid_grant");
        assert!(!web.sees_live(&tokens.access));
    });
}

#[test]
fn another_node_hears_of_it() {
    each(|database| {
        let (one, two) = (Server::on(database), Server::on(database));
        let (ada, app) = (one.person("ada"), one.web_app());
        let tokens = one.browser().tokens(&app, &ada);
        let there = app.moved_to(&two);
        assert!(there.sees_live(&tokens.access), "both nodes sign with keys that both publish");
        app.revoke(&tokens.access);
        two.follow_now();
        assert!(!there.sees_live(&tokens.access));
    });
}

#[test]
fn a15_when_it_could_not_be_stored_nobody_is_told_that_it_was() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let tokens = server.browser().tokens(&app, &ada);
        assert!(app.sees_live(&tokens.access), "the client is known to the node");
        server.world.store.close();
        for token in [&tokens.access, &tokens.refresh] {
            let reply = app.revoke(token);
            assert_eq!(reply.refusal(), (503, "temporarily_unavailable".to_owned()));
            assert!(reply.field("retry-after").is_some());
        }
        assert!(app.sees_live(&tokens.access), "and so it is listed as live");
    });
}
