//! Holds a server to what was answered before: the same ledger, another process.

use super::{ledger::Line, load::Worker, node::Node};
use std::time::Duration;

/// How long what was revoked on one node may still be good on another.
pub(crate) const SPREAD: Duration = Duration::from_secs(1);

impl Worker<'_> {
    /// Everything in the ledger, asked of this server.
    ///
    /// # Panics
    /// When an answer is not what was promised.
    pub(crate) fn hold(&mut self, node: &Node) {
        self.turn_to(node.address);
        self.live_lines_go_on();
        self.ended_lines_stay_ended();
        self.spent_codes_stay_spent();
        self.unsure_codes_work_once_at_most();
        self.access_tokens_are_as_they_were();
        // Whoever was signed in still is: `code` says so itself.
        if self.browser.sign_ins > 0 {
            self.code().expect("an answer");
        }
    }

    fn live_lines_go_on(&mut self) {
        for at in 0..self.ledger.live.len() {
            self.refresh_at(at).expect("an answer");
            self.ledger.counts.held_to += 1;
        }
    }

    fn ended_lines_stay_ended(&mut self) {
        let newest: Vec<String> = self.ledger.ended.iter().rev().take(6).cloned().collect();
        let older = self.dice.below(self.ledger.ended.len().max(1) as u64) as usize;
        let older = self.ledger.ended.get(older).cloned();
        for token in newest.into_iter().chain(older) {
            let reply = self.refresh(&token).expect("an answer");
            assert_eq!((reply.status, reply.member("error").as_str()), (400, "invalid_grant"), "ended: {}", reply.body);
            self.ledger.counts.held_to += 1;
        }
    }

    /// Asking ends the line that the code began, so only one is asked for each time.
    fn spent_codes_stay_spent(&mut self) {
        let Some(code) = self.ledger.spent.pop_back() else { return };
        let reply = self.redeem(&code).expect("an answer");
        assert_eq!((reply.status, reply.member("error").as_str()), (400, "invalid_grant"), "spent: {}", reply.body);
        self.ledger.counts.held_to += 1;
        let begun: Option<Line> =
            self.ledger.live.iter().position(|line| line.code == code).map(|at| self.ledger.live.swap_remove(at));
        if let Some(line) = begun {
            let reply = self.refresh(line.current()).expect("an answer");
            assert_eq!(reply.status, 400, "the line of a code that was used twice: {}", reply.body);
            self.ledger.ended.push_back(line.current().to_owned());
        }
    }

    fn unsure_codes_work_once_at_most(&mut self) {
        for code in std::mem::take(&mut self.ledger.unsure) {
            let (first, second) = (self.redeem(&code).expect("an answer"), self.redeem(&code).expect("an answer"));
            assert!(matches!(first.status, 200 | 400), "{} {}", first.status, first.body);
            assert_eq!(second.status, 400, "one code was good twice");
            if first.status == 200 {
                self.ledger.ended.push_back(first.member("refresh_token"));
            }
            self.ledger.counts.held_to += 1;
        }
    }

    fn access_tokens_are_as_they_were(&mut self) {
        let lists = [(&self.ledger.revoked_access, false), (&self.ledger.good_access, true)];
        let asked: Vec<(String, bool)> = lists
            .into_iter()
            .flat_map(|(list, good)| list.iter().rev().take(4).map(move |t| (t.clone(), good)))
            .collect();
        let machine = self.installation.machine.clone();
        for (token, good) in asked {
            let reply = self.post("/introspect", &machine, &[("token", &token)]).expect("an answer");
            assert_eq!(reply.json()["active"], good, "{} {}", reply.status, reply.body);
            self.ledger.counts.held_to += 1;
        }
    }
}
