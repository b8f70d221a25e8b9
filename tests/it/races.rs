//! Many at once: exactly one wins, or all get the same.

use crate::world::{Server, each, get, post};
use keywright::{audit::Origin, base::id::UserId, flow::log_out};
use std::{collections::BTreeSet, thread, time::Duration};

/// Runs this many at once and collects what each got.
pub fn together<T: Send>(times: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
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

#[test]
fn whatever_is_issued_while_somebody_signs_out_everywhere_is_dead_afterwards() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("server.workers", "2"));
        let (ada, app) = (server.person("ada"), server.web_app());
        server.browser().tokens(&app, &ada);
        let user = UserId::parse(&ada.id).unwrap();
        let mut issued = 0;
        for round in 0..20 {
            let mut browser = server.browser();
            browser.sign_in(&ada);
            let got = thread::scope(|scope| {
                let asking = scope.spawn(|| {
                    let attempt = app.begin().with("prompt", "none");
                    let callback = attempt.callback(&browser.open(&attempt.url()));
                    callback.get("code").map(|code| app.redeem(&attempt, code))
                });
                thread::sleep(Duration::from_micros(500 * round));
                let everywhere = log_out::Everywhere::asked_by(&user);
                server.run(log_out::everywhere(&server.world, everywhere, &Origin::default())).unwrap();
                asking.join().unwrap()
            });
            let Some(reply) = got.filter(|reply| reply.status == 200) else { continue };
            issued += 1;
            let tokens = reply.tokens();
            server.follow_now();
            assert!(!app.sees_live(&tokens.access), "round {round}");
            assert_eq!(app.refresh(&tokens.refresh).error(), "invalid_grant", "round {round}");
        }
        eprintln!("of 20 rounds {issued} issued tokens before the end");
    });
}

#[test]
fn a_consent_that_is_taken_back_while_a_code_is_being_issued_leaves_no_code() {
    each(|database| {
        if database.is_sqlite() {
            // Nothing holds a row there: that the code asks for the consent is tested with the store.
            return;
        }
        let server = Server::start(database, |settings| settings.set("server.workers", "2"));
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        browser.tokens(&app, &ada);
        let mut beside = browser.clone();
        let mut holder = database.backdoor();
        holder.execute("BEGIN; UPDATE sessions SET seen_at = seen_at");
        let callback = thread::scope(|scope| {
            let asking = scope.spawn(|| app.silently(&mut browser));
            // The consent was looked at, and the code waits for its session.
            database.until_waiting(1);
            let page = beside.visit("/account/consents");
            beside.submit(&page.form().press("Withdraw"));
            holder.execute("COMMIT");
            asking.join().unwrap()
        });
        assert_eq!(callback.error(), "consent_required");
    });
}
