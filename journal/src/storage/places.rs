//! Where the entries of the log are: their terms, in memory.

use std::collections::VecDeque;

/// An entry of the log, by where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// From 1, without gaps.
    pub index: u64,
    /// Of the leader that made it.
    pub term: u64,
}

/// What a member holds, as it tells another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Everything up to here is applied, so every leader has it.
    pub applied: u64,
    /// The last place of every term in its log, in order; the first is where its log was compacted.
    pub runs: Vec<Place>,
}

/// The log behind what was compacted.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    compacted: Place,
    terms: VecDeque<u64>,
}

impl Places {
    pub(super) fn new(compacted: Place) -> Self {
        Self { compacted, terms: VecDeque::new() }
    }

    pub(super) fn last(&self) -> Place {
        let term = self.terms.back().copied().unwrap_or(self.compacted.term);
        Place { index: self.compacted.index + self.terms.len() as u64, term }
    }

    pub(super) fn push(&mut self, term: u64) {
        self.terms.push_back(term);
    }

    /// Takes an entry away, and all behind it.
    pub(super) fn cut(&mut self, index: u64) {
        self.terms.truncate(usize::try_from(index.saturating_sub(self.compacted.index + 1)).unwrap_or(usize::MAX));
    }

    /// Takes everything away up to a place that is in the log.
    pub(super) fn compact(&mut self, up_to: Place) {
        let count = usize::try_from(up_to.index - self.compacted.index).unwrap_or(usize::MAX).min(self.terms.len());
        self.terms.drain(..count);
        self.compacted = up_to;
    }

    /// The term of an entry. Of what was compacted only the last one is known.
    pub(super) fn term(&self, index: u64) -> Option<u64> {
        match index.checked_sub(self.compacted.index)? {
            0 => Some(self.compacted.term),
            behind => self.terms.get(usize::try_from(behind - 1).ok()?).copied(),
        }
    }

    /// Whether the log has this entry. What is compacted was applied, and two entries of one index are never committed.
    pub(super) fn holds(&self, place: Place) -> bool {
        place.index <= self.compacted.index || self.term(place.index) == Some(place.term)
    }

    pub(super) fn runs(&self) -> Vec<Place> {
        let mut runs = vec![self.compacted];
        for (index, term) in (self.compacted.index + 1..).zip(self.terms.iter().copied()) {
            match runs.last_mut() {
                Some(last) if last.term == term && last.index > self.compacted.index => last.index = index,
                _ => runs.push(Place { index, term }),
            }
        }
        runs
    }

    /// The last place that another log and this one share; index 0 where they share none that this one still has.
    pub(super) fn common(&self, held: &Held) -> Place {
        let starts = held.runs.windows(2).map(|pair| pair[0].index + 1);
        let starts = held.runs.first().map(|base| base.index).into_iter().chain(starts);
        let runs: Vec<_> = starts.zip(&held.runs).collect();
        let shared = runs.into_iter().rev().find_map(|(start, run)| {
            let top = run.index.min(self.last().index);
            (start.max(self.compacted.index)..=top)
                .rev()
                .find(|index| self.term(*index) == Some(run.term))
                .map(|index| Place { index, term: run.term })
        });
        shared.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(compacted: (u64, u64), terms: &[u64]) -> Places {
        let mut places = Places::new(Place { index: compacted.0, term: compacted.1 });
        places.terms.extend(terms);
        places
    }

    #[test]
    fn the_common_point_is_the_last_one() {
        for (own, other, expected) in [
            (log((0, 0), &[1, 1, 2, 2]), log((0, 0), &[1, 1, 2, 2]), (4, 2)),
            (log((0, 0), &[1, 1, 2, 2]), log((0, 0), &[1, 1]), (2, 1)),
            (log((0, 0), &[1, 1]), log((0, 0), &[1, 1, 2, 2]), (2, 1)),
            (log((0, 0), &[1, 1, 3, 3]), log((0, 0), &[1, 1, 2, 2, 2]), (2, 1)),
            (log((0, 0), &[1, 1, 1, 1]), log((0, 0), &[1, 1, 2]), (2, 1)),
            (log((0, 0), &[2, 2]), log((0, 0), &[1, 1, 1]), (0, 0)),
            (log((3, 1), &[1, 2]), log((0, 0), &[1, 1, 1, 1]), (4, 1)),
            (log((3, 1), &[1, 2]), log((0, 0), &[1, 1, 1]), (3, 1)),
            (log((3, 1), &[1, 2]), log((0, 0), &[1, 1]), (0, 0)),
            (log((0, 0), &[1, 1, 1, 2]), log((3, 1), &[2]), (4, 2)),
            (log((0, 0), &[1, 1, 1, 2]), log((3, 1), &[1]), (3, 1)),
            (log((0, 0), &[]), log((0, 0), &[]), (0, 0)),
            // More entries in conflict than async-raft looks at.
            (log((0, 0), &[&[1][..], &[3; 200]].concat()), log((0, 0), &[&[1][..], &[2; 200]].concat()), (1, 1)),
        ] {
            let held = Held { applied: 0, runs: other.runs() };
            assert_eq!(own.common(&held), Place { index: expected.0, term: expected.1 }, "{own:?} {other:?}");
        }
    }

    #[test]
    fn cutting_and_compacting_leave_the_rest() {
        let mut places = log((2, 1), &[1, 2, 2, 3]);
        assert_eq!(places.last(), Place { index: 6, term: 3 });
        places.cut(6);
        places.compact(Place { index: 4, term: 2 });
        assert_eq!(places.last(), Place { index: 5, term: 2 });
        assert_eq!([3, 4, 5, 6].map(|index| places.term(index)), [None, Some(2), Some(2), None]);
        places.cut(5);
        assert_eq!(places.last(), Place { index: 4, term: 2 });
        assert_eq!(places.runs(), [Place { index: 4, term: 2 }]);
    }
}
