//! Rate-limit arithmetic: the generic cell rate algorithm (ITU-T I.371), which keeps one moment
//! for each key and answers as a token bucket would. Pure: the state is handed in and out.
//!
//! The state is the *theoretical arrival time* (TAT): the moment at which the bucket is full
//! again. Each unit taken moves it later by `period / limit`; a take is allowed while it lies
//! no further ahead of now than `burst` units.

use crate::base::moment::{Moment, Span};

/// How much is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    interval: Span,
    burst: u32,
}

impl Rule {
    /// `limit` units in each `period`, evenly, and `burst` at once; zeros count as one and a
    /// period is at least a microsecond for each unit, so that every rule lets something through.
    #[must_use]
    pub fn new(limit: u32, period: Span, burst: u32) -> Self {
        // Rounded up: the rate is then never above what was asked for.
        let micros = u64::try_from(period.as_micros()).unwrap_or(0).div_ceil(u64::from(limit.max(1))).max(1);
        Self { interval: span(micros), burst: burst.max(1) }
    }

    /// `burst` units at once, then one more each time `every` has gone by.
    #[must_use]
    pub fn every(every: Span, burst: u32) -> Self {
        Self::new(1, every, burst)
    }

    /// Time that pays for one unit.
    #[must_use]
    pub const fn interval(self) -> Span {
        self.interval
    }
    /// Units at once.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }
    /// Time in which an empty bucket is full again: no state needs to be kept longer than this.
    #[must_use]
    pub fn full_after(self) -> Span {
        self.times(self.burst)
    }
    /// What one of `nodes` may let through when each counts alone: its part of the rate and of the
    /// burst, at least one unit. All parts together are the whole, but where the burst is smaller
    /// than the number of nodes.
    ///
    /// A bucket keeps its TAT when it is divided: if all nodes were equally busy, the part of each
    /// is full again when the whole is.
    #[must_use]
    pub fn share(self, nodes: u32) -> Self {
        if nodes <= 1 {
            return self;
        }
        Self { interval: self.times(nodes), burst: (self.burst / nodes).max(1) }
    }

    /// The same at so many thousandths of its rate; what passes at once stays.
    #[must_use]
    pub fn slowed(self, share: u16) -> Self {
        let share = u64::from(share.clamp(1, 1000));
        Self { interval: span(micros(self.interval).saturating_mul(1000).div_ceil(share)), ..self }
    }

    fn times(self, n: u32) -> Span {
        span(micros(self.interval).saturating_mul(u64::from(n)))
    }
}

/// What became of a take. Where a node counts alone it speaks of that node's [share](Rule::share).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it was allowed; if not, nothing was taken.
    pub allowed: bool,
    /// The state to keep; that handed in, where it was not allowed.
    pub tat: Moment,
    /// Units that could be taken at once after this.
    pub remaining: u32,
    /// When the same take could succeed, from now; zero where it was allowed. A take of more
    /// than the burst never can: then it is [`Rule::full_after`].
    pub retry_after: Span,
    /// Time until the bucket is full again.
    pub reset: Span,
}

/// Takes `cost` units. `tat` is the state kept from before, `None` for a key not seen yet.
///
/// Should the clock be set back, a state far in the future is held for a full bucket's time at
/// most, so that nobody is shut out for as long as the clock was wrong.
#[must_use]
pub fn take(tat: Option<Moment>, rule: Rule, now: Moment, cost: u32) -> Outcome {
    let full = rule.full_after();
    let current = tat.unwrap_or(now).clamp(now, now + full);
    let next = current + rule.times(cost);
    let over = next.since(now + full);
    if over > Span::ZERO {
        let retry_after = if cost > rule.burst { full } else { over };
        return outcome(false, current, rule, now, retry_after);
    }
    outcome(true, next, rule, now, Span::ZERO)
}

/// Takes back what a take of `cost` units took, because it should not count after all. Never
/// gives more than a full bucket.
#[must_use]
pub fn give_back(tat: Moment, rule: Rule, now: Moment, cost: u32) -> Moment {
    (tat - rule.times(cost)).max(now)
}

fn outcome(allowed: bool, tat: Moment, rule: Rule, now: Moment, retry_after: Span) -> Outcome {
    let reset = tat.since(now);
    let free = micros(rule.full_after()).saturating_sub(micros(reset));
    let remaining = u32::try_from(free / micros(rule.interval).max(1)).unwrap_or(u32::MAX).min(rule.burst);
    Outcome { allowed, tat, remaining, retry_after, reset }
}

fn micros(span: Span) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(0)
}

fn span(micros: u64) -> Span {
    Span::micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
