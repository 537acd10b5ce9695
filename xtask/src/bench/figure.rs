//! Samples, what they are compared with, and what was to be reached.

use std::time::Duration;

use serde::Serialize;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Unit {
    /// Of time.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Of time, a thousandth of that.
    #[serde(rename = "µs")]
    Microseconds,
    /// Of memory.
    #[serde(rename = "MiB")]
    Mebibytes,
    /// Of what goes over a connection.
    #[serde(rename = "KiB")]
    Kibibytes,
    /// Of a processor.
    #[serde(rename = "%")]
    Percent,
    /// Of anything in a second: more is better.
    #[serde(rename = "1/s")]
    ASecond,
}

/// Samples of one thing.
#[derive(Serialize)]
pub(super) struct Samples {
    name: String,
    n: usize,
    median: f64,
    p90: f64,
    p99: f64,
}

impl Samples {
    /// Times, in milliseconds.
    pub(super) fn times(name: impl Into<String>, samples: &[Duration]) -> Self {
        Self::of(name, samples.iter().map(|time| time.as_secs_f64() * 1000.0))
    }

    /// In whatever unit.
    pub(super) fn of(name: impl Into<String>, samples: impl IntoIterator<Item = f64>) -> Self {
        let mut samples: Vec<f64> = samples.into_iter().map(to_places).collect();
        samples.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            samples.get((samples.len().saturating_sub(1)) * percent / 100).copied().unwrap_or(f64::NAN)
        };
        Self { name: name.into(), n: samples.len(), median: at(50), p90: at(90), p99: at(99) }
    }
}

/// What is to be reached.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Target {
    /// So much more than the peer, by the medians.
    More(f64),
    /// At most so many times the peer, by the medians.
    Times(f64),
    /// At most so much, at the 99th percentile.
    P99(f64),
    /// At most so much, by the median.
    Median(f64),
    /// Nothing: the ratio is stated.
    Stated,
}

/// One line of the table.
#[derive(Serialize)]
pub(super) struct Figure {
    name: String,
    unit: Unit,
    ours: Samples,
    peer: Samples,
    /// Ours over the peer's, by the medians.
    ratio: f64,
    target: Target,
    is_reached: bool,
}

impl Figure {
    pub(super) fn new(name: impl Into<String>, unit: Unit, ours: Samples, peer: Samples, target: Target) -> Self {
        let is_reached = match target {
            Target::More(most) => ours.median - peer.median <= most,
            Target::Times(most) => ours.median <= peer.median * most,
            Target::P99(most) => ours.p99 <= most,
            Target::Median(most) => ours.median <= most,
            Target::Stated => true,
        };
        Self { name: name.into(), unit, ratio: to_places(ours.median / peer.median), ours, peer, target, is_reached }
    }

    fn reached(&self) -> String {
        let verdict = if self.is_reached { "reached" } else { "not reached" };
        let more = self.ours.median - self.peer.median;
        let unit = match self.unit {
            Unit::Milliseconds => "ms",
            Unit::Microseconds => "µs",
            Unit::Mebibytes => "MiB",
            Unit::Kibibytes => "KiB",
            Unit::Percent => "%",
            Unit::ASecond => "a second",
        };
        match self.target {
            Target::More(most) => format!("{more:+.2} {unit}, at most +{most} {unit}: {verdict}"),
            Target::Times(most) => format!("{:.2} times, at most {most}: {verdict}", self.ratio),
            Target::P99(most) => format!("p99 {:.2} {unit}, at most {most} {unit}: {verdict}", self.ours.p99),
            Target::Median(most) => format!("{:.2} {unit}, at most {most} {unit}: {verdict}", self.ours.median),
            Target::Stated => format!("{:.2} times, in {unit}", self.ratio),
        }
    }
}

/// Three digits: what lies behind them is noise.
fn to_places(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// For people.
pub(super) fn table(figures: &[Figure]) -> String {
    let mut text = format!(
        "{:58} {:>5} {:>9} {:>9} {:>9} {:>7}\n",
        "ms, MiB, or so many a second", "n", "median", "p90", "p99", "ratio"
    );
    for figure in figures {
        text.push_str(&format!("\n{}\n", figure.name));
        for (times, ratio) in [(&figure.ours, format!("{:.2}", figure.ratio)), (&figure.peer, "1".to_owned())] {
            let Samples { name, n, median, p90, p99 } = times;
            text.push_str(&format!("  {name:56} {n:>5} {median:>9.3} {p90:>9.3} {p99:>9.3} {ratio:>7}\n"));
        }
        text.push_str(&format!("  {}\n", figure.reached()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(ms: &[u64]) -> Samples {
        Samples::times("x", &ms.iter().map(|ms| Duration::from_millis(*ms)).collect::<Vec<_>>())
    }

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let times = times(&(1..=101).rev().collect::<Vec<_>>());
        assert_eq!((times.n, times.median, times.p90, times.p99), (101, 51.0, 91.0, 100.0));
    }

    #[test]
    fn a_target_is_reached_or_not() {
        for (target, is_reached) in [
            (Target::More(3.0), true),
            (Target::More(1.9), false),
            (Target::Times(2.0), true),
            (Target::Times(1.9), false),
            (Target::P99(4.0), true),
            (Target::P99(3.9), false),
            (Target::Median(4.0), true),
            (Target::Median(3.9), false),
        ] {
            let figure = Figure::new("x", Unit::Milliseconds, times(&[4]), times(&[2]), target);
            assert_eq!(figure.is_reached, is_reached, "{}", figure.reached());
            assert!(table(&[figure]).contains(if is_reached { ": reached" } else { "not reached" }));
        }
    }
}
