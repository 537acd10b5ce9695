//! What a member tells whoever runs it, beside what it records: who was turned away, and why.
//!
//! **Invariant:** at most so many lines in so long; the next one says how many were not said. Whoever can reach the
//! port could fill a disk with them otherwise.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const MOST: u32 = 20;
const IN: Duration = Duration::from_secs(10);

/// Where lines go.
pub(crate) struct Voice {
    say: fn(&str),
    past: Mutex<Past>,
}

struct Past {
    since: Instant,
    said: u32,
    unsaid: u64,
}

impl Voice {
    pub(crate) fn new(say: fn(&str)) -> Self {
        Self { say, past: Mutex::new(Past { since: Instant::now(), said: 0, unsaid: 0 }) }
    }

    /// Says it, unless too much was said just now.
    pub(crate) fn say(&self, line: &str) {
        let unsaid = self.past.lock().unwrap_or_else(PoisonError::into_inner).next(Instant::now());
        match unsaid {
            None => {}
            Some(0) => (self.say)(line),
            Some(unsaid) => (self.say)(&format!("{line} ({unsaid} more were not said)")),
        }
    }
}

impl Past {
    /// How many were not said before this one, if this one may be said.
    fn next(&mut self, now: Instant) -> Option<u64> {
        if now.duration_since(self.since) >= IN {
            (self.since, self.said) = (now, 0);
        }
        if self.said == MOST {
            self.unsaid += 1;
            return None;
        }
        self.said += 1;
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_shouts_is_counted() {
        let start = Instant::now();
        let mut past = Past { since: start, said: 0, unsaid: 0 };
        for _ in 0..MOST {
            assert_eq!(past.next(start), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(past.next(start + IN / 2), None);
        }
        assert_eq!(past.next(start + IN), Some(7));
        assert_eq!(past.next(start + IN), Some(0));
    }
}
