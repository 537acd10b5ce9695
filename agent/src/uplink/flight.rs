//! What is on its way to the journal: pure bookkeeping of one stream.
//!
//! **Invariant:** numbers are sent in order and once a stream; at most `MOST` batches are unacknowledged. An answer that
//! cannot be true is an error, and changes nothing.

use std::collections::VecDeque;
use std::time::Duration;

use pact_proto::model::SpoolNumber;
use tokio::time::Instant;

/// Batches that the journal has not answered.
pub(super) const MOST: usize = 4;
/// How long the journal may take for one.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Of one stream.
#[derive(Debug)]
pub(super) struct Flight {
    next: SpoolNumber,
    acknowledged: SpoolNumber,
    /// The last number of each batch, and when it was sent.
    batches: VecDeque<(SpoolNumber, Instant)>,
}

impl Flight {
    /// Begins where the journal wants it, of a spool that ends with `last`.
    pub(super) fn begin(next: SpoolNumber, last: SpoolNumber) -> Result<Self, String> {
        let Some(acknowledged) = next.0.checked_sub(1) else {
            return Err("it asks for record 0, and there is none".to_owned());
        };
        if acknowledged > last.0 {
            // New records would have the numbers of others, and be taken for them.
            let there = last.0;
            return Err(format!("it has {acknowledged} records of a spool that holds {there}: they were lost here"));
        }
        Ok(Self { next, acknowledged: SpoolNumber(acknowledged), batches: VecDeque::new() })
    }

    /// What the journal has for certain.
    pub(super) fn acknowledged(&self) -> SpoolNumber {
        self.acknowledged
    }

    /// What is to be sent next.
    pub(super) fn next(&self) -> SpoolNumber {
        self.next
    }

    /// Whether another batch may be sent.
    pub(super) fn has_place(&self) -> bool {
        self.batches.len() < MOST
    }

    /// A batch was sent that ends with this record.
    pub(super) fn sent(&mut self, last: SpoolNumber, now: Instant) {
        self.next = SpoolNumber(last.0 + 1);
        self.batches.push_back((last, now));
    }

    /// The journal has everything up to this record.
    pub(super) fn acknowledge(&mut self, number: SpoolNumber) -> Result<(), String> {
        if number >= self.next {
            return Err(format!("it acknowledged record {}, which was not sent", number.0));
        }
        if number < self.acknowledged {
            return Err(format!("it acknowledged record {} after {}", number.0, self.acknowledged.0));
        }
        self.acknowledged = number;
        while self.batches.front().is_some_and(|(last, _)| *last <= number) {
            self.batches.pop_front();
        }
        Ok(())
    }

    /// When the oldest batch must have been answered.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.batches.front().map(|(_, sent)| *sent + PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flight(next: u64, last: u64) -> Result<Flight, String> {
        Flight::begin(SpoolNumber(next), SpoolNumber(last))
    }

    #[test]
    fn it_begins_where_the_journal_wants_it_and_nowhere_else() {
        for (next, last) in [(1, 0), (1, 7), (5, 7), (8, 7)] {
            assert_eq!(flight(next, last).unwrap().next(), SpoolNumber(next));
        }
        assert!(flight(0, 7).unwrap_err().contains("record 0"));
        assert!(flight(9, 7).unwrap_err().contains("it has 8 records of a spool that holds 7"));
        assert!(flight(u64::MAX, 0).is_err());
    }

    #[test]
    fn batches_are_few_and_answers_free_their_places() {
        let (mut flight, now) = (flight(1, 0).unwrap(), Instant::now());
        for batch in 1..=MOST as u64 {
            assert!(flight.has_place());
            flight.sent(SpoolNumber(batch * 10), now + Duration::from_secs(batch));
        }
        assert!(!flight.has_place());
        assert_eq!(flight.deadline(), Some(now + Duration::from_secs(1) + PATIENCE));
        flight.acknowledge(SpoolNumber(9)).unwrap();
        assert!(!flight.has_place(), "a part of a batch is no batch");
        assert_eq!(flight.acknowledged(), SpoolNumber(9));
        flight.acknowledge(SpoolNumber(20)).unwrap();
        assert!(flight.has_place());
        assert_eq!(flight.deadline(), Some(now + Duration::from_secs(3) + PATIENCE));
        flight.acknowledge(SpoolNumber(40)).unwrap();
        assert_eq!((flight.deadline(), flight.next()), (None, SpoolNumber(41)));
    }

    #[test]
    fn answers_that_cannot_be_true_change_nothing() {
        let mut flight = flight(5, 9).unwrap();
        flight.sent(SpoolNumber(9), Instant::now());
        for (number, expected) in [(10, "not sent"), (u64::MAX, "not sent"), (3, "after 4"), (0, "after 4")] {
            let error = flight.acknowledge(SpoolNumber(number)).unwrap_err();
            assert!(error.contains(expected), "{number}: {error}");
            assert_eq!(flight.acknowledged(), SpoolNumber(4));
            assert!(flight.deadline().is_some());
        }
        flight.acknowledge(SpoolNumber(4)).unwrap();
        flight.acknowledge(SpoolNumber(9)).unwrap();
    }
}
