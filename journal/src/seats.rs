//! How many each has of what is limited.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Whoever has some, and how many. Clones are the same.
pub(crate) struct Seats<K: Ord> {
    taken: Arc<Mutex<BTreeMap<K, u32>>>,
}

impl<K: Ord> Clone for Seats<K> {
    fn clone(&self) -> Self {
        Self { taken: Arc::clone(&self.taken) }
    }
}

impl<K: Ord> Default for Seats<K> {
    fn default() -> Self {
        Self { taken: Arc::default() }
    }
}

/// Taken as long as this is.
pub(crate) struct Seat<K: Ord> {
    of: K,
    seats: Seats<K>,
}

impl<K: Ord + Clone> Seats<K> {
    /// One more, where that is not too many.
    pub(crate) fn enter(&self, of: K, most: u32) -> Option<Seat<K>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(of.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Seat { of, seats: self.clone() })
    }
}

impl<K: Ord> Drop for Seat<K> {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_so_many_and_whoever_leaves_makes_room() {
        let seats = Seats::default();
        let (first, second) = (seats.enter("a", 2), seats.enter("a", 2));
        assert!(first.is_some() && second.is_some() && seats.enter("a", 2).is_none() && seats.enter("b", 2).is_some());
        drop(first);
        assert!(seats.enter("a", 2).is_some());
    }
}
