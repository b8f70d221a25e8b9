//! The arithmetic of quotas: periods of the calendar, and slices that a node pays for before it
//! serves from them.
//!
//! A quota is one counter of a family and period. A node adds a slice to the counter, which never
//! goes above the limit, and then serves from the slice without asking again. Whatever is lost
//! with a node was counted, so nothing is ever served twice. A new period is a new counter: no
//! clockwork refills anything.
//!
//! Of one family and counter a node has one payment under way at a time, and other calls wait for
//! it. Then a crash loses no more than one slice: a thousandth of the limit, or the cost of one
//! call where that is more.

use crate::base::moment::Moment;
use chrono::{Datelike, NaiveDate, NaiveDateTime};
use std::fmt;

/// When a quota starts anew, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// Each midnight.
    Day,
    /// Each month, at the beginning of this day (1 to 31), or of the month's last where it has fewer.
    Month(u8),
    /// Never.
    Once,
}

impl Period {
    /// Reads `day`, `month`, `month@15` or `once`; else `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "day" => Some(Self::Day),
            "month" => Some(Self::Month(1)),
            "once" => Some(Self::Once),
            _ => {
                let digits = text.strip_prefix("month@")?;
                let day: u8 = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
                (1..=31).contains(&day).then_some(Self::Month(day))
            }
        }
    }

    /// When the period began that `now` is in; the epoch for [`Period::Once`]. It names the counter.
    #[must_use]
    pub fn start(self, now: Moment) -> Moment {
        self.bounds(now).map_or(Moment::EPOCH, |(start, _)| start)
    }

    /// When the next one begins; `None` for [`Period::Once`].
    #[must_use]
    pub fn end(self, now: Moment) -> Option<Moment> {
        self.bounds(now).map(|(_, end)| end)
    }

    /// Beginning and end; `None` too beyond the years of the calendar, where one period goes on for ever.
    fn bounds(self, now: Moment) -> Option<(Moment, Moment)> {
        let today = now.to_utc()?.date_naive();
        let (start, end) = match self {
            Self::Once => return None,
            Self::Day => (today, today.succ_opt()?),
            Self::Month(day) => {
                let this = beginning(today.year(), today.month(), day)?;
                if today < this {
                    let (year, month) = before(today);
                    (beginning(year, month, day)?, this)
                } else {
                    let (year, month) = after(today);
                    (this, beginning(year, month, day)?)
                }
            }
        };
        let at = |date: NaiveDate| Some(Moment::from_utc(NaiveDateTime::from(date).and_utc()));
        at(start).zip(at(end))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day => f.write_str("day"),
            Self::Month(1) => f.write_str("month"),
            Self::Month(day) => write!(f, "month@{day}"),
            Self::Once => f.write_str("once"),
        }
    }
}

fn beginning(year: i32, month: u32, day: u8) -> Option<NaiveDate> {
    let last = u32::from(NaiveDate::from_ymd_opt(year, month, 1)?.num_days_in_month());
    NaiveDate::from_ymd_opt(year, month, u32::from(day).min(last))
}

fn before(date: NaiveDate) -> (i32, u32) {
    if date.month() == 1 { (date.year() - 1, 12) } else { (date.year(), date.month() - 1) }
}

fn after(date: NaiveDate) -> (i32, u32) {
    if date.month() == 12 { (date.year() + 1, 1) } else { (date.year(), date.month() + 1) }
}

/// What a node knows when it pays for a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Units without which the call cannot be served: its cost less what is in hand.
    pub missing: u64,
    /// The limit, with what was granted on top for this period.
    pub limit: u64,
    /// What was left of it when the node last saw the counter; the limit where it never did.
    pub remaining: u64,
    /// Units a second that the family uses here.
    pub per_second: u64,
    /// Nodes alive, at least 1.
    pub nodes: u64,
}

impl Need {
    /// How much to pay for: what five seconds will use, but no more than a thousandth of the limit,
    /// which bounds what a crash loses, and no more than a fair share of what is left, so that the
    /// end of a quota is exact. A quiet family pays call by call and loses nothing.
    #[must_use]
    pub fn slice(self) -> u64 {
        let ahead = self.per_second.saturating_mul(5);
        let share = self.remaining / self.nodes.max(1).saturating_mul(4);
        ahead.min(self.limit / 1000).min(share).max(self.missing)
    }

    /// What to try after a slice of `n` did not fit under the limit; `None` where it was the
    /// least that serves the call, which is then refused.
    #[must_use]
    pub fn less_than(self, n: u64) -> Option<u64> {
        (n > self.missing).then(|| (n / 2).max(self.missing))
    }
}

/// What is left in a node's hand of the slices it paid for: of one family, counter and period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hand {
    period: Moment,
    left: u64,
}

impl Hand {
    /// An empty hand in the period that began then.
    #[must_use]
    pub const fn empty(period: Moment) -> Self {
        Self { period, left: 0 }
    }

    /// Serves a call of this cost in the period that began at `period`; what is left from another
    /// period is dropped.
    ///
    /// # Errors
    /// The units that are missing; nothing was taken then.
    pub fn serve(&mut self, period: Moment, cost: u64) -> Result<(), u64> {
        if self.period != period {
            *self = Self::empty(period);
        }
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(cost - self.left),
        }
    }

    /// Takes up a slice that was paid for in the period that began then; one of another period is
    /// worth nothing any more.
    pub fn take_up(&mut self, period: Moment, slice: u64) {
        if self.period == period {
            self.left = self.left.saturating_add(slice);
        }
    }

    /// Takes back what serving a call took, because it should not count after all.
    pub fn take_back(&mut self, period: Moment, cost: u64) {
        self.take_up(period, cost);
    }

    /// Empties the hand: the period and the units to be taken off its counter. On a graceful stop,
    /// after idling, and when limits change.
    #[must_use]
    pub fn return_rest(&mut self) -> (Moment, u64) {
        (self.period, std::mem::take(&mut self.left))
    }

    /// Units left.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.left
    }
}

#[cfg(test)]
mod tests;
