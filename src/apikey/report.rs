//! What a resource server reports of a call that it served: how it ended, how long it took, and how
//! many bytes went in and out.

use crate::base::{
    id::ApiKeyId,
    moment::{Moment, Span},
};

/// The most reports at once.
pub const MOST: usize = 1000;
/// How old a call may be that is reported.
pub const LATEST: Span = Span::hours(48);
/// How far a call may lie ahead: clocks differ.
pub const AHEAD: Span = Span::minutes(1);
/// The most bytes of one call.
pub const MOST_BYTES: u64 = 1 << 50;
/// The most characters of a report's name.
pub const LONGEST_ID: usize = 64;

/// A call that was served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What its reporter calls it: no two of one API the same.
    pub id: String,
    /// The key that it was made with.
    pub key: ApiKeyId,
    /// When it was made.
    pub at: Moment,
    /// The status that it was answered with.
    pub status: u16,
    /// Bytes of its body.
    pub bytes_in: u64,
    /// Bytes of the answer's.
    pub bytes_out: u64,
    /// How long it took, where that was measured.
    pub took: Option<Span>,
}

/// Why a report does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Useless {
    /// There is no such key, or whoever reports does not serve its API.
    UnknownKey,
    /// The call was too long ago.
    TooOld,
    /// The call has not happened yet.
    InFuture,
}

impl Useless {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownKey => "unknown_key",
            Self::TooOld => "too_old",
            Self::InFuture => "in_future",
        }
    }
}

impl Report {
    /// Whether it comes in time.
    ///
    /// # Errors
    /// [`Useless`], where it does not.
    pub fn in_time(&self, now: Moment) -> Result<(), Useless> {
        if self.at > now + AHEAD {
            return Err(Useless::InFuture);
        }
        if now.since(self.at) > LATEST { Err(Useless::TooOld) } else { Ok(()) }
    }

    /// When the minute began that it belongs to.
    #[must_use]
    pub fn minute(&self) -> Moment {
        Moment::from_micros(self.at.micros() - self.at.micros().rem_euclid(60_000_000))
    }

    /// Whether the API had no room for it: it said so, or failed.
    #[must_use]
    pub const fn is_rejection(&self) -> bool {
        self.status == 429 || self.status >= 500
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix: i64) -> Report {
        let (key, at) = (ApiKeyId::from_u128(1), Moment::from_unix(unix));
        Report { id: "r".to_owned(), key, at, status: 200, bytes_in: 0, bytes_out: 0, took: None }
    }

    #[test]
    fn late_reports_count_for_two_days_and_early_ones_for_a_minute() {
        let now = Moment::from_unix(10_000_000);
        let cases = [
            (0, Ok(())),
            (60, Ok(())),
            (61, Err(Useless::InFuture)),
            (-172_800, Ok(())),
            (-172_801, Err(Useless::TooOld)),
            (-10_000_001, Err(Useless::TooOld)),
        ];
        for (seconds, wanted) in cases {
            assert_eq!(at(10_000_000 + seconds).in_time(now), wanted, "{seconds}");
        }
        assert_eq!((at(119).minute(), at(120).minute()), (Moment::from_unix(60), Moment::from_unix(120)));
    }

    #[test]
    fn what_an_api_had_no_room_for_is_429_and_its_own_failures() {
        let rejected = |status| Report { status, ..at(0) }.is_rejection();
        assert_eq!(
            [200, 301, 400, 404, 429, 499, 500, 503].map(rejected),
            [false, false, false, false, true, false, true, true]
        );
    }
}
