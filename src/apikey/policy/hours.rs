//! Member `time`: the hours of the week in which calls may come.
//!
//! Every window is kept as minutes of a week on the clocks of its zone. A moment is turned into
//! what those clocks show, never the other way: of that there is always exactly one, also in the
//! nights in which an hour is left out or comes twice.

use super::{Call, Invalid, Reason, bounded, written};
use chrono::{Datelike, Timelike};
use chrono_tz::{TZ_VARIANTS, Tz};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;

/// The most windows.
pub const MOST: usize = 32;

const DAY: u16 = 24 * 60;
const WEEK: u16 = 7 * DAY;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The member as written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Hours")]
pub struct Written {
    /// Calls may come in any of these.
    #[schemars(with = "Vec<WrittenWindow>", length(min = 1, max = 32))]
    windows: Vec<Value>,
}

/// A window of time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Window")]
struct WrittenWindow {
    /// Days of the week, as `mon-fri` or `sat,sun`; every day where nothing is said.
    #[schemars(regex(
        pattern = "^ *(mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))? *(, *(mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))? *)*$"
    ))]
    days: Option<String>,
    /// The first minute, as `08:00`.
    #[schemars(regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    from: String,
    /// The minute after the last, at most `24:00`; before `from` it is that of the next day.
    #[schemars(regex(pattern = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"))]
    to: String,
    /// The time zone, by its name in the IANA database.
    #[schemars(with = "Zone")]
    tz: String,
}

/// The names of all time zones, for whoever describes them to programs.
struct Zone;

impl JsonSchema for Zone {
    fn schema_name() -> Cow<'static, str> {
        "TimeZone".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
        json_schema!({"type": "string", "description": "A time zone of the IANA database.", "enum": names})
    }
}

/// When calls may come: in any of these windows.
#[derive(Clone, Debug)]
pub struct Hours(Vec<Window>);

#[derive(Clone, Debug)]
struct Window {
    zone: Tz,
    /// Minutes of the week since Monday 00:00, from the first to before the second.
    spans: Vec<(u16, u16)>,
}

impl Hours {
    /// Reads the member. `days` are names and ranges of names with commas between, every day where
    /// there are none; `to` itself is outside; a window whose `to` is before its `from` ends on
    /// the day after; `24:00` is the end of the day.
    ///
    /// # Errors
    /// [`Invalid`] where a day, an hour or a zone is unknown, or there are no windows, empty ones or too many.
    pub fn read(written: &Written) -> Result<Self, Invalid> {
        bounded("time.windows", &written.windows, MOST)?;
        let each = written.windows.iter().enumerate();
        each.map(|(n, value)| window(&format!("time.windows[{n}]"), value)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the moment of the call is inside.
    ///
    /// # Errors
    /// The [`Reason`] why not.
    pub fn find(&self, call: &Call<'_>) -> Result<(), Reason> {
        let at = call.at.to_utc().ok_or(Reason::Unreadable)?;
        let inside = |window: &Window| {
            let shown = at.with_timezone(&window.zone);
            let day = shown.weekday().num_days_from_monday();
            let minute = u16::try_from(day * u32::from(DAY) + shown.hour() * 60 + shown.minute()).unwrap_or(WEEK);
            window.spans.iter().any(|(from, to)| (*from..*to).contains(&minute))
        };
        if self.0.iter().any(inside) { Ok(()) } else { Err(Reason::NotAllowed) }
    }
}

fn window(member: &str, value: &Value) -> Result<Window, Invalid> {
    let WrittenWindow { days, from, to, tz } = written(member, value)?;
    let bad = |name: &str, why: String| Invalid::new(format!("{member}.{name}"), why);
    let zone: Tz = tz.parse().map_err(|_| bad("tz", format!("is no time zone, such as Europe/Berlin: {tz:?}")))?;
    let minute =
        |name: &str, text: &str| minute(text).ok_or_else(|| bad(name, format!("is no hour, such as 07:00: {text:?}")));
    let (start, end) = (minute("from", &from)?, minute("to", &to)?);
    if start == DAY {
        return Err(bad("from", "is the end of the day".into()));
    }
    if start == end {
        return Err(bad("to", "is the same as from; the whole day is 00:00 to 24:00".into()));
    }
    let days = match &days {
        Some(text) => {
            read_days(text).ok_or_else(|| bad("days", format!("is no list of days, such as mon-fri: {text:?}")))?
        }
        None => [true; 7],
    };
    let length = if end > start { end - start } else { DAY - start + end };
    let mut spans = Vec::new();
    for (n, _) in (0u16..).zip(days).filter(|(_, chosen)| *chosen) {
        let first = n * DAY + start;
        spans.push((first, (first + length).min(WEEK)));
        // Sunday night goes on into Monday.
        if first + length > WEEK {
            spans.push((0, first + length - WEEK));
        }
    }
    Ok(Window { zone, spans })
}

/// Minutes since midnight: `HH:MM`, up to `24:00`.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |digits: &str| (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit())).then_some(());
    two(hours).and(two(minutes))?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let at = hours * 60 + minutes;
    (minutes < 60 && at <= DAY).then_some(at)
}

/// Which of Monday to Sunday; a range may go round the end of the week.
fn read_days(text: &str) -> Option<[bool; 7]> {
    let number = |name: &str| DAYS.iter().position(|day| *day == name);
    let mut chosen = [false; 7];
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        for n in 0..=(last + 7 - first) % 7 {
            *chosen.get_mut((first + n) % 7)? = true;
        }
    }
    Some(chosen)
}

#[cfg(test)]
mod tests;
