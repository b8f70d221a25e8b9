//! Several nodes on one database, behind a balancer that remembers nobody; and time that goes by.

use super::sign_in::{is_here, try_with};
use crate::world::{Server, each};
use keywright::base::moment::Span;

#[test]
fn a_sign_in_may_be_at_another_node_with_every_page() {
    each(|database| {
        let (one, two) = (Server::on(database), Server::on(database));
        let (ada, app) = (one.person("ada"), one.web_app());
        let attempt = app.begin();
        let reply = one.browser().open(&attempt.url());
        assert_eq!(reply.status, 303);
        let mut browser = one.browser();
        let reply = browser.open(&attempt.url());
        let mut browser = browser.moved_to(&two);
        let page = browser.follow(reply);
        let mut browser = browser.moved_to(&one);
        let reply = browser.post(&page.form().fill("username", &ada.name).fill("password", &ada.password));
        let mut browser = browser.moved_to(&two);
        let page = browser.follow(reply);
        let mut browser = browser.moved_to(&one);
        let callback = attempt.callback(&browser.post(&page.form().press("Allow")));
        let tokens = app.moved_to(&two).redeem(&attempt, callback.code()).tokens();
        assert_eq!(app.userinfo(&tokens.access).json()["sub"], ada.id.as_str());
        // And out again, at one for all of them.
        let page = browser.visit("/end_session");
        browser.submit(&page.form().press("Sign out"));
        two.follow_now();
        assert!(!is_here(&mut browser.moved_to(&two)));
        assert_eq!(app.moved_to(&two).userinfo(&tokens.access).status, 401);
    });
}

#[test]
fn what_is_old_is_swept_away_and_what_people_decided_stays() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        let tokens = browser.tokens(&app, &ada);
        let mut old = browser.clone();
        server.advance(Span::days(120));
        server.sweep_now();
        assert!(!is_here(&mut old));
        assert_eq!(app.refresh(&tokens.refresh).error(), "invalid_grant");
        assert_eq!(try_with(&mut browser, "ada", &ada.password).status, 303);
        assert!(app.silently(&mut browser).get("code").is_some(), "the consent stands until it is withdrawn");
        assert!(browser.open("/account").says("signed in here only"));
    });
}
