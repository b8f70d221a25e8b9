//! One server, killed with SIGKILL at random moments under mixed load, again and again.

use super::{
    ledger::Counts,
    load::{Dice, Worker},
    node::{Installation, Node, postgres},
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, SystemTime},
};

const WORKERS: usize = 6;

pub(crate) fn kills() -> u64 {
    std::env::var("TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(15)
}

/// Where the dice of this run begin; printed, since moments cannot be repeated but choices can.
pub(crate) fn seed() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64)
}

/// Lets every worker work until the moment is over, then does `what` under them.
pub(crate) fn under_load(workers: &mut [Worker<'_>], moment: Duration, what: impl FnOnce()) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let threads: Vec<_> = workers
            .iter_mut()
            .map(|worker| {
                let over = &over;
                scope.spawn(move || while !over.load(Ordering::Relaxed) && worker.step().is_ok() {})
            })
            .collect();
        thread::sleep(moment);
        what();
        over.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().expect("what a worker was promised");
        }
    });
}

/// Every worker holds the server to its ledger, all at once.
pub(crate) fn hold_all(workers: &mut [Worker<'_>], node: &Node) {
    thread::scope(|scope| {
        let threads: Vec<_> = workers.iter_mut().map(|worker| scope.spawn(|| worker.hold(node))).collect();
        for thread in threads {
            thread.join().expect("what was promised before the kill");
        }
    });
}

pub(crate) fn totals(workers: &[Worker<'_>]) -> Counts {
    let mut total = Counts::default();
    workers.iter().for_each(|worker| total += worker.ledger.counts);
    total
}

fn killed_again_and_again(installation: &Installation, database: &str) {
    let (kills, seed) = (kills(), seed());
    let mut dice = Dice(seed);
    let mut node = installation.serve();
    let mut workers: Vec<Worker<'_>> = (0..WORKERS).map(|n| Worker::new(installation, n, seed, node.address)).collect();
    let mut slowest = Duration::ZERO;
    // Whoever has not signed in yet may not get to it before the next kill, on a slow machine.
    for worker in &mut workers {
        while worker.ledger.live.is_empty() {
            worker.new_line().expect("nobody was killed yet");
        }
    }
    let mut round = 0;
    while round < kills || (round < kills * 10 && !was_a_load(&totals(&workers), kills)) {
        round += 1;
        let moment = Duration::from_micros(20_000 + dice.below(400_000));
        under_load(&mut workers, moment, || node.kill());
        node = installation.serve();
        slowest = slowest.max(node.started_in);
        hold_all(&mut workers, &node);
        if round % 100 == 0 {
            println!("{database}: {round} kills, {:?}", totals(&workers));
        }
    }
    let total = totals(&workers);
    println!("{database}: {round} kills, seed {seed}, slowest restart {slowest:?}, {total:?}");
    assert!(was_a_load(&total, kills), "the load was no load: {total:?}");
}

/// Whether enough was done for so many kills to be of interest.
const fn was_a_load(total: &Counts, kills: u64) -> bool {
    total.refreshes > kills && total.codes > kills && total.unanswered > 0
}

#[test]
fn a_server_killed_at_random_moments_keeps_every_promise_on_sqlite() {
    killed_again_and_again(&Installation::on_sqlite(), "SQLite");
}

#[test]
fn a_server_killed_at_random_moments_keeps_every_promise_on_postgres() {
    if let Some(server) = postgres() {
        killed_again_and_again(&Installation::on_postgres(&server), "Postgres");
    }
}
