//! Tests of quotas: the calendar, and slices over any interleaving of nodes.

use super::*;
use proptest::prelude::*;

fn at(text: &str) -> Moment {
    Moment::from_utc(text.parse().unwrap())
}

#[test]
fn periods_follow_the_calendar_in_utc() {
    let cases = [
        ("day", "2026-05-14T23:59:59Z", "2026-05-14T00:00:00Z", "2026-05-15T00:00:00Z"),
        ("day", "2026-12-31T00:00:00Z", "2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("month", "2026-05-01T00:00:00Z", "2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"),
        ("month", "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("month@15", "2026-05-14T23:59:59Z", "2026-04-15T00:00:00Z", "2026-05-15T00:00:00Z"),
        ("month@15", "2026-05-15T00:00:00Z", "2026-05-15T00:00:00Z", "2026-06-15T00:00:00Z"),
        ("month@15", "2026-01-01T00:00:00Z", "2025-12-15T00:00:00Z", "2026-01-15T00:00:00Z"),
        // Months that have fewer days begin on their last.
        ("month@31", "2026-02-27T12:00:00Z", "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z"),
        ("month@31", "2026-02-28T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"),
        ("month@31", "2026-04-30T00:00:00Z", "2026-04-30T00:00:00Z", "2026-05-31T00:00:00Z"),
        ("month@30", "2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z", "2028-03-30T00:00:00Z"),
        ("month@29", "2028-02-28T23:59:59Z", "2028-01-29T00:00:00Z", "2028-02-29T00:00:00Z"),
    ];
    for (period, now, start, end) in cases {
        let period = Period::parse(period).unwrap();
        assert_eq!((period.start(at(now)), period.end(at(now))), (at(start), Some(at(end))), "{period} {now}");
    }
    assert_eq!(
        (Period::Once.start(at("2026-05-14T00:00:00Z")), Period::Once.end(Moment::EPOCH)),
        (Moment::EPOCH, None)
    );
}

#[test]
fn periods_are_read_and_printed_alike() {
    for text in ["day", "month", "month@15", "month@31", "once"] {
        assert_eq!(Period::parse(text).unwrap().to_string(), text);
    }
    for text in ["", "days", "month@", "month@0", "month@32", "month@+1", "month@1.5", "Month", "hour"] {
        assert_eq!(Period::parse(text), None, "{text:?}");
    }
    assert_eq!(Period::parse("month@1"), Some(Period::Month(1)));
}

#[test]
fn a_slice_is_what_five_seconds_use_within_a_thousandth_and_a_fair_share() {
    let need =
        |missing, limit, remaining, per_second, nodes| Need { missing, limit, remaining, per_second, nodes }.slice();
    assert_eq!(need(1, 1_000_000, 1_000_000, 100, 4), 500, "five seconds");
    assert_eq!(need(1, 100_000, 100_000, 100, 4), 100, "a thousandth");
    assert_eq!(need(1, 1_000_000, 800, 100, 4), 50, "a share of what is left");
    assert_eq!(need(7, 1_000_000, 0, 100, 0), 7, "never less than the call needs");
    assert_eq!(need(1, 1_000_000, 1_000_000, 0, 4), 1, "a quiet family pays call by call");
    assert_eq!(need(1, u64::MAX, u64::MAX, u64::MAX, u64::MAX), 1);
    let need = Need { missing: 3, limit: 1000, remaining: 10, per_second: 9, nodes: 1 };
    assert_eq!(
        [need.less_than(20), need.less_than(10), need.less_than(4), need.less_than(3)],
        [Some(10), Some(5), Some(3), None]
    );
}

#[test]
fn what_is_left_of_a_period_is_worth_nothing_in_the_next() {
    let (may, june) = (at("2026-05-01T00:00:00Z"), at("2026-06-01T00:00:00Z"));
    let mut hand = Hand::empty(may);
    assert_eq!(hand.serve(may, 3), Err(3));
    hand.take_up(may, 10);
    assert_eq!(hand.serve(may, 3), Ok(()));
    hand.take_back(may, 1);
    assert_eq!(hand.left(), 8);
    assert_eq!(hand.serve(june, 1), Err(1));
    hand.take_up(may, 10);
    assert_eq!((hand.left(), hand.return_rest()), (0, (june, 0)), "it came too late");
    hand.take_up(june, 5);
    assert_eq!((hand.return_rest(), hand.left()), ((june, 5), 0));
}

const NODES: usize = 4;
/// The most that a call costs here.
const DEAREST: u64 = 5;

/// What a node is about to do.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// A call comes in; it is served from the hand, or a payment is begun.
    Call {
        node: usize,
        cost: u64,
    },
    /// The payment that was begun is tried once.
    Pay {
        node: usize,
    },
    Crash {
        node: usize,
    },
    Return {
        node: usize,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let node = 0..NODES;
    prop_oneof![
        8 => (node.clone(), 1..=DEAREST).prop_map(|(node, cost)| Act::Call { node, cost }),
        8 => node.clone().prop_map(|node| Act::Pay { node }),
        1 => node.clone().prop_map(|node| Act::Crash { node }),
        1 => node.prop_map(|node| Act::Return { node }),
    ]
}

struct Node {
    hand: Hand,
    remaining: u64,
    /// The call that waits, what it needs, and the slice to be tried.
    paying: Option<(u64, Need, u64)>,
}

/// A counter, nodes, and what became of every unit.
struct Model {
    limit: u64,
    per_second: u64,
    used: u64,
    served: u64,
    lost: u64,
    nodes: Vec<Node>,
}

const PERIOD: Moment = Moment::EPOCH;

impl Model {
    fn new(limit: u64, per_second: u64) -> Self {
        let node = || Node { hand: Hand::empty(PERIOD), remaining: limit, paying: None };
        Self { limit, per_second, used: 0, served: 0, lost: 0, nodes: (0..NODES).map(|_| node()).collect() }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Call { node, cost } => self.call(node, cost),
            Act::Pay { node } => self.pay(node),
            Act::Crash { node } => {
                let node = &mut self.nodes[node];
                let lost = node.hand.left();
                assert!(lost <= (self.limit / 1000).max(DEAREST), "{lost} of {}", self.limit);
                self.lost += lost;
                *node = Node { hand: Hand::empty(PERIOD), remaining: self.limit, paying: None };
            }
            Act::Return { node } => {
                let (_, rest) = self.nodes[node].hand.return_rest();
                self.used -= rest;
            }
        }
    }

    fn call(&mut self, at: usize, cost: u64) {
        let node = &mut self.nodes[at];
        if node.paying.is_some() {
            return;
        }
        match node.hand.serve(PERIOD, cost) {
            Ok(()) => self.served += cost,
            Err(missing) => {
                let (limit, remaining, per_second) = (self.limit, node.remaining, self.per_second);
                let need = Need { missing, limit, remaining, per_second, nodes: 4 };
                node.paying = Some((cost, need, need.slice()));
            }
        }
    }

    /// What the database does: all or nothing under the limit.
    fn pay(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let Some((cost, need, slice)) = node.paying.take() else { return };
        if self.used + slice <= self.limit {
            self.used += slice;
            node.remaining = self.limit - self.used;
            node.hand.take_up(PERIOD, slice);
            match node.hand.serve(PERIOD, cost) {
                Ok(()) => self.served += cost,
                // The hand was returned meanwhile: pay for the rest.
                Err(missing) => node.paying = Some((cost, Need { missing, ..need }, missing)),
            }
        } else if let Some(less) = need.less_than(slice) {
            node.paying = Some((cost, need, less));
        } else {
            assert!(self.used + need.missing > self.limit, "refused though it fits");
        }
    }

    fn in_hand(&self) -> u64 {
        self.nodes.iter().map(|node| node.hand.left()).sum()
    }
}

proptest! {
    /// Over any interleaving of nodes, crashes and returns: never more than the limit is counted,
    /// every unit that is counted was served, lost or is in a hand, and a crash loses no more than
    /// one slice.
    #[test]
    fn never_more_than_the_limit_is_served(
        limit in 1u64..20_000, per_second in 0u64..2000, acts in proptest::collection::vec(act(), 1..800),
    ) {
        let mut model = Model::new(limit, per_second);
        for act in acts {
            model.act(act);
            prop_assert!(model.used <= limit);
            prop_assert_eq!(model.served + model.lost + model.in_hand(), model.used);
        }
    }

    /// Nobody is refused for long while something is left: when all hands are returned, the rest
    /// of the quota can be used to the last unit.
    #[test]
    fn a_quota_can_be_used_to_its_last_unit(
        limit in 1u64..3000, per_second in 0u64..2000, acts in proptest::collection::vec(act(), 1..200),
    ) {
        let mut model = Model::new(limit, per_second);
        for act in acts {
            model.act(act);
        }
        for node in 0..NODES {
            model.nodes[node].paying = None;
            model.act(Act::Return { node });
        }
        while model.used < limit || model.in_hand() > 0 {
            let before = model.served;
            model.act(Act::Call { node: 0, cost: 1 });
            while model.nodes[0].paying.is_some() {
                model.act(Act::Pay { node: 0 });
            }
            prop_assert_eq!(model.served, before + 1);
        }
        prop_assert_eq!(model.served + model.lost, limit);
    }
}

/// Busy nodes pay seldom: the cost of a quota is not one write for each call.
#[test]
fn a_busy_family_pays_once_for_many_calls() {
    let mut model = Model::new(200_000, 100);
    let (mut calls, mut payments) = (0u32, 0u32);
    for n in 0..150_000 {
        let node = n % NODES;
        model.act(Act::Call { node, cost: 1 });
        calls += 1;
        while model.nodes[node].paying.is_some() {
            model.act(Act::Pay { node });
            payments += 1;
        }
    }
    assert_eq!(model.served, 150_000);
    assert!(calls / payments >= 100, "{calls} calls, {payments} payments");
}
