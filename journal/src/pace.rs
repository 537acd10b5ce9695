//! How often something of the same kind goes on record.
//!
//! **Invariant:** at most once a second for each of whom it is about, and for so many of them in that time; the next
//! record says how many there would have been. What is remembered is bounded, whoever comes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// At most one record in so long.
const PACE: Duration = Duration::from_secs(1);

/// Who was on record when.
pub(crate) struct Pace<K> {
    /// Of so many different ones in that time.
    most: usize,
    past: Mutex<Past<K>>,
}

struct Past<K> {
    of: BTreeMap<K, One>,
    /// Of those for whom there was no place.
    crowd: u64,
}

struct One {
    recorded: Instant,
    /// Since then.
    unrecorded: u64,
}

impl<K: Ord + Clone> Pace<K> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, past: Mutex::new(Past { of: BTreeMap::new(), crowd: 0 }) }
    }

    /// How many were not recorded before this one, if this one may be recorded.
    pub(crate) fn next(&self, of: &K, now: Instant) -> Option<u64> {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = past.of.get_mut(of).filter(|one| now.duration_since(one.recorded) < PACE) {
            one.unrecorded += 1;
            return None;
        }
        if past.of.len() >= self.most && !past.of.contains_key(of) {
            past.forget(now);
            if past.of.len() >= self.most {
                past.crowd += 1;
                return None;
            }
        }
        let before = past.of.insert(of.clone(), One { recorded: now, unrecorded: 0 });
        Some(before.map_or(0, |before| before.unrecorded) + std::mem::take(&mut past.crowd))
    }
}

impl<K: Ord> Past<K> {
    /// Those who may be on record again; what they were not recorded for is told with the next one.
    fn forget(&mut self, now: Instant) {
        let crowd = &mut self.crowd;
        self.of.retain(|_, one| {
            let is_recent = now.duration_since(one.recorded) < PACE;
            *crowd += if is_recent { 0 } else { one.unrecorded };
            is_recent
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_too_fast_is_counted() {
        let (pace, now) = (Pace::new(10), Instant::now());
        assert_eq!(pace.next(&1, now), Some(0));
        assert_eq!(pace.next(&2, now), Some(0));
        for _ in 0..3 {
            assert_eq!(pace.next(&1, now), None);
        }
        assert_eq!(pace.next(&1, now + PACE), Some(3));
        assert_eq!(pace.next(&2, now + PACE), Some(0));
    }

    #[test]
    fn a_crowd_is_counted_and_not_remembered() {
        let (pace, now) = (Pace::new(4), Instant::now());
        let recorded = (0..10).filter(|of| pace.next(of, now).is_some()).count();
        assert_eq!(recorded, 4);
        assert_eq!(pace.next(&0, now), None);
        assert_eq!(pace.next(&100, now + PACE), Some(7), "six for whom there was no place, and one of the first");
        assert_eq!(pace.past.lock().unwrap().of.len(), 1);
    }
}
