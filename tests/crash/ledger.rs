//! What the server has answered, and so must stand by.

use std::collections::VecDeque;

/// A line of refresh tokens, all of them acknowledged; the last is the current one.
pub(crate) struct Line {
    pub tokens: Vec<String>,
    /// The code that the line began with.
    pub code: String,
}

impl Line {
    pub(crate) fn current(&self) -> &str {
        self.tokens.last().map_or("", String::as_str)
    }
}

/// What one client of the load knows.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Lines whose current token must work.
    pub live: Vec<Line>,
    /// Refresh tokens that must never work again: revoked, or of a line that a reuse has ended; acknowledged.
    pub ended: VecDeque<String>,
    /// Codes that were redeemed and acknowledged.
    pub spent: VecDeque<String>,
    /// Codes that were sent, without an answer: they may work once more, or not at all.
    pub unsure: Vec<String>,
    /// Access tokens whose revocation was acknowledged.
    pub revoked_access: VecDeque<String>,
    /// Access tokens of a machine, not revoked.
    pub good_access: VecDeque<String>,
    pub counts: Counts,
}

/// What happened, for the report.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub codes: u64,
    pub refreshes: u64,
    pub machine_tokens: u64,
    pub revocations: u64,
    pub reuses_refused: u64,
    pub races: u64,
    pub unanswered: u64,
    pub busy: u64,
    pub held_to: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.codes += other.codes;
        self.refreshes += other.refreshes;
        self.machine_tokens += other.machine_tokens;
        self.revocations += other.revocations;
        self.reuses_refused += other.reuses_refused;
        self.races += other.races;
        self.unanswered += other.unanswered;
        self.busy += other.busy;
        self.held_to += other.held_to;
    }
}

/// Keeps the newest of a list.
pub(crate) fn keep(list: &mut VecDeque<String>, item: String, most: usize) {
    list.push_back(item);
    while list.len() > most {
        list.pop_front();
    }
}
