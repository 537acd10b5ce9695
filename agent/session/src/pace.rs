//! How fast somebody may be refused.
//!
//! **Invariant:** a refusal is never dropped, it waits: its record is written, and whoever is refused too often is
//! answered late.
//! **Why:** every refusal is a record, and records that nobody needs would fill the disk that programs need to start.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What one refusal costs, in the long run.
const EACH: Duration = Duration::from_millis(100);
/// What may be owed before anybody waits: two hundred mistakes.
const OWED: Duration = Duration::from_secs(20);
/// Those who are remembered before those that owe nothing are forgotten.
const MANY: usize = 1024;

/// Until when whose refusals are paid for.
pub struct Pace<K>(Mutex<BTreeMap<K, Instant>>);

impl<K: Ord> Default for Pace<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Clone> Pace<K> {
    /// How long this refusal waits.
    pub fn wait(&self, who: &K, now: Instant) -> Duration {
        let mut paid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if paid.len() >= MANY {
            paid.retain(|_, until| *until > now);
        }
        let until = paid.entry(who.clone()).or_insert(now);
        *until = (*until).max(now) + EACH;
        until.saturating_duration_since(now + OWED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_free_and_floods_wait() {
        let (pace, now) = (Pace::default(), Instant::now());
        assert!((0..200).all(|_| pace.wait(&1000, now).is_zero()));
        assert_eq!(pace.wait(&1000, now), EACH);
        assert_eq!(pace.wait(&1000, now), 2 * EACH);
        assert!(pace.wait(&1001, now).is_zero());
        assert!(pace.wait(&1000, now + Duration::from_secs(60)).is_zero());
    }
}
