//! How often a password may be tried: ASVS 5.0 §6.3.1, §6.1.1; nobody can lock somebody else out.

use super::sign_in::{is_here, try_with};
use crate::world::{Browser, Database, Person, Reply, Server, each};
use keywright::base::moment::Span;

const WRONG: &str = "wrong wrong wrong";

/// Browsers of a server behind a proxy, which says where each is.
struct Scene {
    server: Server,
    ada: Person,
}

impl Scene {
    fn on(database: &Database, limits: &[(&str, &str)]) -> Self {
        let server = Server::start(database, |settings| {
            settings.set("server.trusted_proxies", "127.0.0.0/8");
            for (name, rate) in limits {
                settings.set(&format!("sign_in.{name}"), rate);
            }
        });
        Self { ada: server.person("ada"), server }
    }

    fn at(&self, address: &str) -> Browser {
        self.server.browser().from(address)
    }

    /// A try from a browser that nobody knows.
    fn tries(&self, address: &str, name: &str, password: &str) -> Reply {
        try_with(&mut self.at(address), name, password)
    }
}

fn throttled(reply: &Reply) -> i64 {
    assert_eq!(reply.status, 429, "{}", reply.words());
    assert!(reply.says("too many attempts"), "{}", reply.words());
    reply.field("retry-after").expect("it says when").parse().unwrap()
}

#[test]
fn an_account_can_be_tried_only_so_often_from_one_address() {
    each(|database| {
        let scene = Scene::on(database, &[("attempts_per_account", "3/10m")]);
        for _ in 0..3 {
            assert_eq!(scene.tries("198.51.100.7", "ada", WRONG).status, 200);
        }
        let wait = throttled(&scene.tries("198.51.100.7", "ada", &scene.ada.password));
        assert!((199..=202).contains(&wait), "a third of ten minutes, not {wait}");
        throttled(&scene.tries("198.51.100.7", " ADA", WRONG));
        let event = &scene.server.events_of("session.throttled")[0].data;
        assert_eq!(event["budget"], "account_and_address");
        // Elsewhere nobody is locked out, and here only for a while.
        assert_eq!(scene.tries("198.51.100.8", "ada", &scene.ada.password).status, 303);
        scene.server.advance(Span::seconds(wait));
        assert_eq!(scene.tries("198.51.100.7", "ada", WRONG).status, 200);
        throttled(&scene.tries("198.51.100.7", "ada", WRONG));
    });
}

#[test]
fn a_name_that_nobody_has_is_throttled_like_any_other() {
    each(|database| {
        let scene = Scene::on(database, &[("attempts_per_account", "3/10m")]);
        for _ in 0..3 {
            assert_eq!(scene.tries("198.51.100.7", "nobody", WRONG).status, 200);
        }
        throttled(&scene.tries("198.51.100.7", "nobody", WRONG));
    });
}

#[test]
fn an_address_can_try_only_so_often_whatever_the_names() {
    each(|database| {
        let scene = Scene::on(database, &[("attempts_per_account", "3/10m"), ("attempts_per_address", "5/10m")]);
        for n in 0..5 {
            assert_eq!(scene.tries("198.51.100.7", &format!("person{n}"), WRONG).status, 200, "{n}");
        }
        throttled(&scene.tries("198.51.100.7", "ada", &scene.ada.password));
        assert_eq!(scene.server.events_of("session.throttled")[0].data["budget"], "address");
        assert_eq!(scene.tries("198.51.100.8", "ada", &scene.ada.password).status, 303);
    });
}

#[test]
fn one_subscriber_cannot_walk_through_their_addresses_nor_make_some_up() {
    each(|database| {
        let scene = Scene::on(database, &[("attempts_per_address", "3/10m")]);
        for n in 1..=3 {
            assert_eq!(scene.tries(&format!("2001:db8:1:2::{n}"), &format!("p{n}"), WRONG).status, 200);
        }
        throttled(&scene.tries("2001:db8:1:2::99", "ada", &scene.ada.password));
        assert_eq!(scene.tries("2001:db8:1:3::1", "ada", WRONG).status, 200);
        // What stands before the proxy's own entry was written by the caller.
        for n in 1..=3 {
            assert_eq!(scene.tries(&format!("192.0.2.{n}, 198.51.100.7"), &format!("q{n}"), WRONG).status, 200);
        }
        throttled(&scene.tries("192.0.2.77, 198.51.100.7", "ada", &scene.ada.password));
        let unreadable = scene.at("no address").open("/sign-in");
        assert_eq!(unreadable.status, 400);
    });
}

#[test]
fn without_a_trusted_proxy_nobody_is_believed_about_their_address() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("sign_in.attempts_per_address", "3/10m"));
        let tries = |n: usize| {
            let mut browser = server.browser().from(&format!("198.51.100.{n}"));
            try_with(&mut browser, &format!("p{n}"), WRONG).status
        };
        assert_eq!([1, 2, 3, 4].map(tries), [200, 200, 200, 429]);
    });
}

#[test]
fn right_passwords_cost_nothing() {
    each(|database| {
        let scene = Scene::on(database, &[("attempts_per_account", "2/10m"), ("attempts_per_address", "2/10m")]);
        for _ in 0..6 {
            assert_eq!(scene.tries("198.51.100.7", "ada", &scene.ada.password).status, 303);
        }
        assert_eq!(scene.tries("198.51.100.7", "ada", WRONG).status, 200);
        assert_eq!(scene.tries("198.51.100.7", "ada", &scene.ada.password).status, 303);
        assert_eq!(scene.tries("198.51.100.7", "ada", WRONG).status, 200, "and give nothing back but their own");
        throttled(&scene.tries("198.51.100.7", "ada", &scene.ada.password));
    });
}

#[test]
fn strangers_everywhere_reach_a_ceiling_that_does_not_bind_a_browser_that_the_person_used() {
    each(|database| {
        let scene = Scene::on(database, &[("attempts_everywhere", "4/5h")]);
        let mut own = scene.at("198.51.100.7");
        own.sign_in(&scene.ada);
        let page = own.visit("/end_session");
        own.submit(&page.form().press("Sign out"));
        for n in 1..=4 {
            assert_eq!(scene.tries(&format!("203.0.113.{n}"), "ada", WRONG).status, 200);
        }
        throttled(&scene.tries("203.0.113.5", "ada", WRONG));
        assert_eq!(scene.server.events_of("session.throttled")[0].data["budget"], "account");
        throttled(&scene.tries("203.0.113.6", "ada", &scene.ada.password));
        own.sign_in(&scene.ada);
        assert!(is_here(&mut own), "from the very browser, at whatever address");
        // The memory is bound to the browser and to the name.
        let mut thief = scene.at("203.0.113.9");
        let known = own.cookie("known").unwrap().clone();
        thief.cookies.insert("__Host-kw_known".to_owned(), known);
        throttled(&try_with(&mut thief, "ada", &scene.ada.password));
    });
}

#[test]
fn a_known_browser_is_throttled_too_by_itself() {
    each(|database| {
        let scene = Scene::on(database, &[("attempts_known_browser", "3/10m")]);
        let mut own = scene.at("198.51.100.7");
        own.sign_in(&scene.ada);
        for _ in 0..3 {
            assert_eq!(try_with(&mut own, "ada", WRONG).status, 200);
        }
        throttled(&try_with(&mut own, "ada", &scene.ada.password));
        assert_eq!(scene.server.events_of("session.throttled")[0].data["budget"], "known_browser");
    });
}

#[test]
fn the_page_for_a_new_password_is_no_way_around_the_limits() {
    each(|database| {
        let scene = Scene::on(database, &[("attempts_known_browser", "3/10m")]);
        let mut own = scene.at("198.51.100.7");
        own.sign_in(&scene.ada);
        let new = "seven amber kites over Lisbon";
        let form = own.visit("/account/password").form().fill("new_password", new).fill("new_password_again", new);
        for _ in 0..3 {
            assert_eq!(own.post(&form.clone().fill("current_password", WRONG)).status, 422);
        }
        let reply = own.post(&form.fill("current_password", &scene.ada.password));
        throttled(&reply);
        assert!(!scene.server.recorded("user.password_changed"));
    });
}

#[test]
fn with_a_new_password_only_the_browser_in_which_it_was_chosen_is_still_known() {
    each(|database| {
        let scene = Scene::on(database, &[("attempts_everywhere", "4/5h")]);
        let (mut own, mut thief) = (scene.at("198.51.100.7"), scene.at("203.0.113.9"));
        own.sign_in(&scene.ada);
        thief.sign_in(&scene.ada);
        scene.server.advance(Span::seconds(1));
        let new = "seven amber kites over Lisbon";
        let form = own.visit("/account/password").form().fill("current_password", &scene.ada.password);
        let page = own.submit(&form.fill("new_password", new).fill("new_password_again", new));
        assert!(page.says("Your password is changed"), "{}", page.words());
        let page = own.visit("/end_session");
        own.submit(&page.form().press("Sign out"));
        for n in 1..=4 {
            assert_eq!(scene.tries(&format!("203.0.113.{n}"), "ada", WRONG).status, 200);
        }
        throttled(&try_with(&mut thief, "ada", WRONG));
        assert_eq!(scene.server.events_of("session.throttled")[0].data["budget"], "account");
        assert_eq!(try_with(&mut own, "ada", new).status, 303);
    });
}
