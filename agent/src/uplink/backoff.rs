//! How long to wait before the journal is tried again.

use std::time::Duration;

/// After the first failure.
const SHORTEST: Duration = Duration::from_millis(100);
/// After many.
const LONGEST: Duration = Duration::from_secs(5);
/// What was refused once is refused again, and each time the journal has it on record.
pub(super) const AFTER_REFUSAL: Duration = Duration::from_secs(60);

/// Doubles from failure to failure.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: SHORTEST }
    }
}

impl Backoff {
    /// The pause after an attempt that lasted so long. One that stood for longer than the longest pause was a good one.
    pub(super) fn pause(&mut self, lasted: Duration) -> Duration {
        if lasted > LONGEST {
            self.next = SHORTEST;
        }
        let pause = self.next;
        self.next = (self.next * 2).min(LONGEST);
        // Between half and all of it: the nodes of a cluster lost the journal at the same moment.
        pause / 2 + (pause / 2).mul_f64(random())
    }
}

/// From 0 to 1. Where the kernel has no random number to give, nodes come back together.
fn random() -> f64 {
    let mut bytes = [0; 4];
    let _none = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_begin_anew() {
        let mut backoff = Backoff::default();
        for whole in [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000].map(Duration::from_millis) {
            let pause = backoff.pause(Duration::from_secs(1));
            assert!(pause >= whole / 2 && pause <= whole, "{pause:?} of {whole:?}");
        }
        assert!(backoff.pause(Duration::from_secs(6)) <= SHORTEST);
    }

    #[test]
    fn pauses_differ() {
        let pauses: Vec<_> = (0..8).map(|_| Backoff::default().pause(Duration::ZERO)).collect();
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
    }
}
