//! How often somebody may do something in a minute.
//!
//! **Invariant:** whoever stays below the limit never notices it; a minute's worth may come at once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
/// Those who are remembered before those that did nothing for a minute are forgotten.
const MANY: usize = 1024;

/// Until when what somebody did is paid for.
pub struct Rate<K>(Mutex<BTreeMap<K, Instant>>);

impl<K: Ord> Default for Rate<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Clone> Rate<K> {
    /// Counts once; or says how long to wait until there is room for one more.
    pub fn count(&self, who: &K, per_minute: u32, now: Instant) -> Result<(), Duration> {
        let mut paid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if paid.len() >= MANY {
            paid.retain(|_, until| *until > now);
        }
        let until = paid.entry(who.clone()).or_insert(now);
        let after = (*until).max(now) + MINUTE / per_minute.max(1);
        match after.saturating_duration_since(now + MINUTE) {
            Duration::ZERO => {
                *until = after;
                Ok(())
            }
            wait => Err(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_worth_may_come_at_once_and_then_in_its_time() {
        let (rate, now) = (Rate::default(), Instant::now());
        assert!((0..60).all(|_| rate.count(&1, 60, now).is_ok()));
        assert_eq!(rate.count(&1, 60, now), Err(Duration::from_secs(1)));
        assert!(rate.count(&2, 60, now).is_ok());
        assert!(rate.count(&1, 60, now + Duration::from_secs(1)).is_ok());
        assert_eq!(rate.count(&1, 60, now + Duration::from_secs(1)), Err(Duration::from_secs(1)));
        assert!((0..60).all(|_| rate.count(&1, 60, now + Duration::from_secs(120)).is_ok()));
    }
}
