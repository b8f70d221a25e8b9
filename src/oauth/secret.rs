//! The life of a client's secrets: at most two are good at a time, so that a client can be moved
//! from one to the next without a gap, and whoever forgot to move it is told before the old one ends.

use crate::base::moment::{Moment, Span};

/// How many secrets may be good at once. Those that a file declares are its author's to count.
pub const MOST: usize = 2;

/// How many hours before the end of a secret it is told of that end: a week, a day, an hour.
pub const REMINDERS: [i16; 3] = [168, 24, 1];

/// Which of two secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that was made first.
    Older,
    /// The one that was made last.
    Newer,
}

/// The reminder whose time has come, in hours before the end: the nearest to the end of those whose
/// time it is. None while the end is far away, and none after it.
#[must_use]
pub fn reminder_due(ends: Moment, now: Moment) -> Option<i16> {
    let due = REMINDERS.into_iter().filter(|hours| ends - Span::hours(i64::from(*hours)) <= now);
    due.min().filter(|_| now < ends)
}

/// How far ahead it is looked for secrets that end.
#[must_use]
pub fn furthest_reminder() -> Span {
    Span::hours(REMINDERS.into_iter().max().map_or(0, i64::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const END: Moment = Moment::from_unix(1_800_000_000);

    #[test]
    fn a_week_a_day_and_an_hour_before() {
        for (before, due) in [
            (Span::days(8), None),
            (Span::days(7), Some(168)),
            (Span::hours(25), Some(168)),
            (Span::hours(24), Some(24)),
            (Span::minutes(61), Some(24)),
            (Span::minutes(60), Some(1)),
            (Span::micros(1), Some(1)),
            (Span::ZERO, None),
            (Span::hours(-1), None),
        ] {
            assert_eq!(reminder_due(END, END - before), due, "{before:?}");
        }
    }

    proptest! {
        #[test]
        fn reminders_come_nearer_to_the_end_and_never_go_back(a in 0i64..2_000_000, b in 0i64..2_000_000) {
            let (first, then) = (a.max(b), a.min(b));
            let due = |before: i64| reminder_due(END, END - Span::seconds(before)).filter(|_| before > 0);
            if let (Some(first), Some(then)) = (due(first), due(then)) {
                prop_assert!(then <= first);
            }
            prop_assert!(due(then).is_none_or(|hours| i64::from(hours) * 3600 >= then));
        }
    }
}
