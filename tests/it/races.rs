//! Many at once: exactly one wins, or all get the same.

use crate::world::{Server, each, get, post};
use std::{collections::BTreeSet, thread};

/// Runs this many at once and collects what each got.
fn together<T: Send>(times: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = std::sync::Barrier::new(times);
    thread::scope(|scope| {
        let (barrier, work) = (&barrier, &work);
        let started: Vec<_> = (0..times)
            .map(|n| {
                scope.spawn(move || {
                    barrier.wait();
                    work(n)
                })
            })
            .collect();
        started.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

#[test]
fn b06_of_fifty_redemptions_of_one_code_one_succeeds_and_then_its_tokens_are_dead() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("server.workers", "2"));
        let (ada, app) = (server.person("ada"), server.web_app());
        let attempt = app.begin();
        let callback = server.browser().approve(&attempt, &ada);
        let replies = together(50, |_| app.redeem(&attempt, callback.code()));
        let good: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
        assert_eq!(good.len(), 1);
        let tokens = good[0].tokens();
        server.follow_now();
        assert!(!app.sees_live(&tokens.access));
        assert_eq!(app.refresh(&tokens.refresh).error(), "invalid_grant");
    });
}

#[test]
fn b10_thirty_two_refreshes_of_one_token_all_get_the_same_successor() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("server.workers", "2"));
        let (ada, app) = (server.person("ada"), server.web_app());
        let tokens = server.browser().tokens(&app, &ada);
        let replies = together(32, |_| app.refresh(&tokens.refresh));
        let successors: BTreeSet<String> = replies.iter().map(|reply| reply.tokens().refresh).collect();
        assert_eq!(successors.len(), 1, "one live line");
        assert_eq!(app.refresh(successors.first().unwrap()).status, 200);
    });
}

#[test]
fn attempts_to_sign_in_are_counted_one_by_one_however_many_come_at_once() {
    each(|database| {
        let server = Server::start(database, |settings| {
            settings.set("server.workers", "2");
            settings.set("sign_in.hash_queue", "64");
            settings.set("sign_in.attempts_per_account", "10/10m");
        });
        server.person("ada");
        let page = get("/sign-in").send(server.address);
        let cookie = page.all("set-cookie").next().unwrap().split(';').next().unwrap().to_owned();
        let csrf = page.form().field("csrf").unwrap().to_owned();
        let form = [("username", "ada"), ("password", "wrong wrong wrong"), ("csrf", csrf.as_str())];
        let statuses =
            together(30, |_| post("/sign-in", &form).field("Cookie", cookie.clone()).send(server.address).status);
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 10, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 20, "{statuses:?}");
    });
}
