//! A small chart of use, drawn here as SVG: no script and no style of its own is needed.

use super::When;

/// Height of the drawing, in its own units.
const HEIGHT: u64 = 40;
/// Width of a bar with its gap.
const STEP: u64 = 12;

/// Days side by side: calls that were good, and on top of them those that were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// One for each day, oldest first.
    pub bars: Vec<Bar>,
    /// What it shows, for those who do not see it.
    pub words: String,
}

/// A day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Its date, in words.
    pub day: String,
    /// Its date, for machines.
    pub iso: String,
    /// Calls that were good.
    pub good: u64,
    /// Calls that were refused.
    pub refused: u64,
    pub(super) x: u64,
    pub(super) good_height: u64,
    pub(super) refused_height: u64,
}

impl Bar {
    pub(super) const fn good_top(&self) -> u64 {
        HEIGHT - self.good_height
    }
    pub(super) const fn refused_top(&self) -> u64 {
        HEIGHT - self.good_height - self.refused_height
    }
}

impl Chart {
    /// From days: when each begins, how many calls were good, how many were refused.
    pub fn of(days: impl IntoIterator<Item = (When, u64, u64)>) -> Self {
        let days: Vec<_> = days.into_iter().collect();
        let most = days.iter().map(|(_, good, refused)| good.saturating_add(*refused)).max().unwrap_or(0);
        let (good, refused) = days
            .iter()
            .fold((0u64, 0u64), |(a, b), (_, good, refused)| (a.saturating_add(*good), b.saturating_add(*refused)));
        let bar = |(x, (when, good, refused)): (u64, (When, u64, u64))| {
            let whole = height(good.saturating_add(refused), most);
            let refused_height = height(refused, most).min(whole);
            let (day, iso) = (date(&when.text), when.iso.chars().take(10).collect());
            Bar { day, iso, good, refused, x, good_height: whole - refused_height, refused_height }
        };
        let n = days.len();
        let bars = (0..).step_by(12).zip(days).map(bar).collect();
        Self { bars, words: format!("Calls of the last {n} days: {good} good, {refused} refused.") }
    }

    /// Whether there is anything to see.
    pub(super) fn is_flat(&self) -> bool {
        self.bars.iter().all(|bar| bar.good == 0 && bar.refused == 0)
    }

    pub(super) fn view_box(&self) -> String {
        let width = u64::try_from(self.bars.len()).unwrap_or(0).saturating_mul(STEP);
        format!("0 0 {} {HEIGHT}", width.max(STEP))
    }
}

/// What is there at all is seen: at least two units.
fn height(n: u64, most: u64) -> u64 {
    if n == 0 || most == 0 {
        return 0;
    }
    let share = u128::from(n) * u128::from(HEIGHT) / u128::from(most);
    u64::try_from(share).unwrap_or(HEIGHT).clamp(2, HEIGHT)
}

/// `3 November 2026` of `3 November 2026, 14:05 UTC`.
fn date(text: &str) -> String {
    text.split_once(',').map_or(text, |(date, _)| date).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::moment::Moment;

    #[test]
    fn bars_stay_within_the_drawing_and_what_is_there_is_seen() {
        for (good, refused) in [(0, 0), (1, 0), (0, 1), (1, u64::MAX), (u64::MAX, u64::MAX), (7, 3)] {
            let day = || (When::from(Moment::EPOCH), good, refused);
            let chart = Chart::of([day(), (When::from(Moment::EPOCH), 1_000_000, 5)]);
            for bar in &chart.bars {
                assert!(bar.good_height + bar.refused_height <= HEIGHT, "{bar:?}");
                assert_eq!(bar.good_height + bar.refused_height == 0, bar.good == 0 && bar.refused == 0, "{bar:?}");
            }
        }
    }

    #[test]
    fn it_says_what_it_shows() {
        let chart = Chart::of([(When::from(Moment::EPOCH), 3, 1), (When::from(Moment::from_unix(86_400)), 4, 0)]);
        assert_eq!(chart.words, "Calls of the last 2 days: 7 good, 1 refused.");
        assert_eq!((chart.bars[0].day.as_str(), chart.bars[1].iso.as_str()), ("1 January 1970", "1970-01-02"));
        assert_eq!(chart.view_box(), "0 0 24 40");
    }
}
