//! Tests of the hours: days, nights, and the two odd nights of a year.

use super::*;
use crate::{
    apikey::policy::sample::{call, found, refused},
    base::moment::Moment,
};
use chrono::{DateTime, NaiveDate, TimeZone};
use proptest::prelude::*;

fn at(text: &str) -> Moment {
    Moment::from_utc(DateTime::parse_from_rfc3339(text).unwrap().to_utc())
}

fn passes(windows: &str, when: &str) -> bool {
    found("time", &format!(r#"{{"windows":{windows}}}"#), &Call { at: at(when), ..call() }).is_ok()
}

const OFFICE: &str = r#"[{"days":"mon-fri","from":"07:00","to":"19:00","tz":"Europe/Berlin"}]"#;

#[test]
fn a_window_holds_from_its_first_minute_to_before_its_last() {
    let cases = [
        // A Thursday in May: two hours before UTC.
        ("2026-05-14T04:59:59.999Z", false),
        ("2026-05-14T05:00:00Z", true),
        ("2026-05-14T16:59:59.999Z", true),
        ("2026-05-14T17:00:00Z", false),
        // A Thursday in January: one.
        ("2026-01-01T05:59:59Z", false),
        ("2026-01-01T06:00:00Z", true),
        ("2026-01-01T03:00:00Z", false),
        // Friday's evening and the end of the week.
        ("2026-05-15T16:59:00Z", true),
        ("2026-05-16T10:00:00Z", false),
        ("2026-05-17T10:00:00Z", false),
        ("2026-05-18T05:00:00Z", true),
    ];
    for (when, wanted) in cases {
        assert_eq!(passes(OFFICE, when), wanted, "{when}");
    }
}

#[test]
fn the_hour_that_is_left_out_never_comes_and_the_one_that_comes_twice_counts_twice() {
    let night = r#"[{"days":"sun","from":"02:00","to":"03:00","tz":"Europe/Berlin"}]"#;
    for minute in 0..240 {
        let when = at("2026-03-28T23:00:00Z") + crate::base::moment::Span::minutes(minute);
        let call = Call { at: when, ..call() };
        assert!(found("time", &format!(r#"{{"windows":{night}}}"#), &call).is_err(), "{when}");
    }
    let cases = [
        ("2026-10-24T23:59:59Z", false),
        ("2026-10-25T00:00:00Z", true),
        ("2026-10-25T00:59:59Z", true),
        ("2026-10-25T01:00:00Z", true),
        ("2026-10-25T01:59:59Z", true),
        ("2026-10-25T02:00:00Z", false),
    ];
    for (when, wanted) in cases {
        assert_eq!(passes(night, when), wanted, "{when}");
    }
}

#[test]
fn a_night_goes_on_into_the_next_day_also_from_sunday_to_monday() {
    let nights = r#"[{"days":"fri,sun","from":"22:00","to":"06:00","tz":"UTC"}]"#;
    let cases = [
        ("2026-05-15T21:59:00Z", false),
        ("2026-05-15T22:00:00Z", true),
        ("2026-05-16T05:59:00Z", true),
        ("2026-05-16T06:00:00Z", false),
        ("2026-05-16T23:00:00Z", false),
        ("2026-05-17T23:00:00Z", true),
        ("2026-05-18T05:59:00Z", true),
        ("2026-05-18T06:00:00Z", false),
        // Monday's own small hours are those of Sunday's night only.
        ("2026-05-19T05:00:00Z", false),
    ];
    for (when, wanted) in cases {
        assert_eq!(passes(nights, when), wanted, "{when}");
    }
}

#[test]
fn any_window_will_do_and_zones_off_the_full_hour_are_right() {
    let two = r#"[{"from":"00:00","to":"24:00","days":"mon","tz":"Asia/Kathmandu"},{"from":"12:00","to":"12:01","tz":"UTC"}]"#;
    // Monday in Kathmandu begins at 18:15 of Sunday, UTC.
    let cases = [
        ("2026-05-17T18:14:59Z", false),
        ("2026-05-17T18:15:00Z", true),
        ("2026-05-18T18:14:59Z", true),
        ("2026-05-18T18:15:00Z", false),
        ("2026-05-20T12:00:59Z", true),
        ("2026-05-20T12:01:00Z", false),
    ];
    for (when, wanted) in cases {
        assert_eq!(passes(two, when), wanted, "{when}");
    }
}

#[test]
fn lists_of_days_are_read() {
    let cases = [
        ("mon-fri", Some([true, true, true, true, true, false, false])),
        ("sat,sun", Some([false, false, false, false, false, true, true])),
        ("fri-mon", Some([true, false, false, false, true, true, true])),
        ("mon-sun", Some([true; 7])),
        ("mon, wed-thu", Some([true, false, true, true, false, false, false])),
        ("", None),
        ("mon,", None),
        ("Mon", None),
        ("monday", None),
        ("mon-", None),
        ("mon-wed-fri", None),
    ];
    for (text, wanted) in cases {
        assert_eq!(read_days(text), wanted, "{text:?}");
    }
}

#[test]
fn a_window_that_cannot_be_meant_is_refused_by_its_place() {
    let one =
        |from: &str, to: &str, tz: &str| format!(r#"{{"windows":[{{"from":"{from}","to":"{to}","tz":"{tz}"}}]}}"#);
    let cases = [
        (r#"{"windows":[]}"#.to_owned(), "time.windows"),
        (r#"{"windows":[{"from":"07:00","to":"08:00"}]}"#.to_owned(), "time.windows[0]"),
        (r#"{"windows":[{"days":"x","from":"07:00","to":"08:00","tz":"UTC"}]}"#.to_owned(), "time.windows[0].days"),
        (one("7:00", "08:00", "UTC"), "time.windows[0].from"),
        (one("07:60", "08:00", "UTC"), "time.windows[0].from"),
        (one("+7:00", "08:00", "UTC"), "time.windows[0].from"),
        (one("24:00", "08:00", "UTC"), "time.windows[0].from"),
        (one("07:00", "24:01", "UTC"), "time.windows[0].to"),
        (one("07:00", "07:00", "UTC"), "time.windows[0].to"),
        (one("07:00", "08:00", "Europe/Nowhere"), "time.windows[0].tz"),
        (one("07:00", "08:00", "+02:00"), "time.windows[0].tz"),
    ];
    for (written, member) in cases {
        assert_eq!(refused("time", &written), member, "{written}");
    }
}

proptest! {
    /// Held against the calendar: a moment passes where the clocks of the zone show an hour inside.
    #[test]
    fn a_moment_passes_where_the_clocks_show_an_hour_inside(
        seconds in 1_700_000_000i64..1_900_000_000, from in 0u32..1440, to in 1u32..=1440, first in 0usize..7, last in 0usize..7,
        zone in prop_oneof![Just("Europe/Berlin"), Just("America/New_York"), Just("Australia/Lord_Howe"), Just("Asia/Kathmandu")],
    ) {
        prop_assume!(from != to);
        let text = |m: u32| format!("{:02}:{:02}", m / 60, m % 60);
        let written = format!(
            r#"{{"windows":[{{"days":"{}-{}","from":"{}","to":"{}","tz":"{zone}"}}]}}"#,
            DAYS[first], DAYS[last], text(from), text(to)
        );
        let moment = Moment::from_unix(seconds);
        let shown = zone.parse::<Tz>().unwrap().from_utc_datetime(&moment.to_utc().unwrap().naive_utc()).naive_local();
        let minute = shown.hour() * 60 + shown.minute();
        let chosen = |date: NaiveDate| {
            let n = usize::try_from(date.weekday().num_days_from_monday()).unwrap();
            if first <= last { (first..=last).contains(&n) } else { n >= first || n <= last }
        };
        let wanted = if from < to {
            chosen(shown.date()) && (from..to).contains(&minute)
        } else {
            chosen(shown.date()) && minute >= from || chosen(shown.date().pred_opt().unwrap()) && minute < to
        };
        prop_assert_eq!(found("time", &written, &Call { at: moment, ..call() }).is_ok(), wanted);
    }
}
