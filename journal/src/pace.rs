//! How often something of the same kind goes on record.
//!
//! **Invariant:** at most once a second for each of whom it is about; the next record says how many there would have
//! been. What is remembered is bounded, whoever comes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// At most one record in so long.
const PACE: Duration = Duration::from_secs(1);
/// More than can be told apart in that time by somebody who has only some addresses.
const MOST: usize = 4096;

/// Who was on record when.
pub(crate) struct Pace<K> {
    past: Mutex<BTreeMap<K, Past>>,
}

struct Past {
    recorded: Instant,
    /// Since then.
    unrecorded: u64,
}

impl<K> Default for Pace<K> {
    fn default() -> Self {
        Self { past: Mutex::default() }
    }
}

impl<K: Ord + Clone> Pace<K> {
    /// How many were not recorded before this one, if this one may be recorded.
    pub(crate) fn next(&self, of: &K, now: Instant) -> Option<u64> {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        if past.len() >= MOST {
            past.retain(|_, past| now.duration_since(past.recorded) < PACE);
        }
        let is_full = past.len() >= MOST;
        match past.get_mut(of) {
            Some(past) if now.duration_since(past.recorded) < PACE => {
                past.unrecorded += 1;
                None
            }
            None if is_full => None,
            Some(_) | None => {
                let before = past.insert(of.clone(), Past { recorded: now, unrecorded: 0 });
                Some(before.map_or(0, |before| before.unrecorded))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_too_fast_is_counted() {
        let (pace, now) = (Pace::default(), Instant::now());
        assert_eq!(pace.next(&1, now), Some(0));
        assert_eq!(pace.next(&2, now), Some(0));
        for _ in 0..3 {
            assert_eq!(pace.next(&1, now), None);
        }
        assert_eq!(pace.next(&1, now + PACE), Some(3));
        assert_eq!(pace.next(&2, now + PACE), Some(0));
    }

    #[test]
    fn a_crowd_is_not_remembered_for_ever() {
        let (pace, now) = (Pace::default(), Instant::now());
        let first = (0..MOST + 10).filter(|of| pace.next(of, now).is_some()).count();
        assert_eq!(first, MOST);
        assert_eq!(pace.next(&MOST, now + PACE), Some(0));
        assert!(pace.past.lock().unwrap().len() < 2);
    }
}
