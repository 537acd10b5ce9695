//! Times, what they are compared with, and what was to be reached.

use std::time::Duration;

use serde::Serialize;

/// Times of one thing, in milliseconds.
#[derive(Serialize)]
pub(super) struct Times {
    name: &'static str,
    n: usize,
    median_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
}

impl Times {
    pub(super) fn of(name: &'static str, samples: &[Duration]) -> Self {
        let mut ms: Vec<f64> = samples.iter().map(|time| to_places(time.as_secs_f64() * 1000.0)).collect();
        ms.sort_by(f64::total_cmp);
        let at = |percent: usize| ms.get((ms.len().saturating_sub(1)) * percent / 100).copied().unwrap_or(f64::NAN);
        Self { name, n: ms.len(), median_ms: at(50), p90_ms: at(90), p99_ms: at(99) }
    }
}

/// What is to be reached.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Target {
    /// So many milliseconds more than the peer, by the medians.
    MoreMs(f64),
    /// So many times the peer, by the medians.
    Times(f64),
    /// So many milliseconds at the 99th percentile.
    P99Ms(f64),
}

/// One line of the table.
#[derive(Serialize)]
pub(super) struct Figure {
    name: &'static str,
    ours: Times,
    peer: Times,
    /// Ours over the peer's, by the medians.
    ratio: f64,
    target: Target,
    is_reached: bool,
}

impl Figure {
    pub(super) fn new(name: &'static str, ours: Times, peer: Times, target: Target) -> Self {
        let is_reached = match target {
            Target::MoreMs(most) => ours.median_ms - peer.median_ms <= most,
            Target::Times(most) => ours.median_ms <= peer.median_ms * most,
            Target::P99Ms(most) => ours.p99_ms <= most,
        };
        Self { name, ratio: to_places(ours.median_ms / peer.median_ms), ours, peer, target, is_reached }
    }

    fn reached(&self) -> String {
        let verdict = if self.is_reached { "reached" } else { "not reached" };
        let more = self.ours.median_ms - self.peer.median_ms;
        match self.target {
            Target::MoreMs(most) => format!("{more:+.2} ms, at most +{most} ms: {verdict}"),
            Target::Times(most) => format!("{:.2} times, at most {most}: {verdict}", self.ratio),
            Target::P99Ms(most) => format!("p99 {:.2} ms, at most {most} ms: {verdict}", self.ours.p99_ms),
        }
    }
}

/// Three digits: what lies behind them is noise.
fn to_places(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// For people; times in milliseconds.
pub(super) fn table(figures: &[Figure]) -> String {
    let mut text =
        format!("{:58} {:>5} {:>9} {:>9} {:>9} {:>7}\n", "times in ms", "n", "median", "p90", "p99", "ratio");
    for figure in figures {
        text.push_str(&format!("\n{}\n", figure.name));
        for (times, ratio) in [(&figure.ours, format!("{:.2}", figure.ratio)), (&figure.peer, "1".to_owned())] {
            let Times { name, n, median_ms, p90_ms, p99_ms } = times;
            text.push_str(&format!("  {name:56} {n:>5} {median_ms:>9.3} {p90_ms:>9.3} {p99_ms:>9.3} {ratio:>7}\n"));
        }
        text.push_str(&format!("  {}\n", figure.reached()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(ms: &[u64]) -> Times {
        Times::of("x", &ms.iter().map(|ms| Duration::from_millis(*ms)).collect::<Vec<_>>())
    }

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let times = times(&(1..=101).rev().collect::<Vec<_>>());
        assert_eq!((times.n, times.median_ms, times.p90_ms, times.p99_ms), (101, 51.0, 91.0, 100.0));
    }

    #[test]
    fn a_target_is_reached_or_not() {
        for (target, is_reached) in [
            (Target::MoreMs(3.0), true),
            (Target::MoreMs(1.9), false),
            (Target::Times(2.0), true),
            (Target::Times(1.9), false),
            (Target::P99Ms(4.0), true),
            (Target::P99Ms(3.9), false),
        ] {
            let figure = Figure::new("x", times(&[4]), times(&[2]), target);
            assert_eq!(figure.is_reached, is_reached, "{}", figure.reached());
            assert!(table(&[figure]).contains(if is_reached { ": reached" } else { "not reached" }));
        }
    }
}
