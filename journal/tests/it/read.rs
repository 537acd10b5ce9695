//! Reading: ranges, indexes, times, and following.

use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use pact_journal::chain::Seq;
use pact_journal::entry::{Committed, Index};
use pact_journal::storage::Reader;
use pact_journal::{Journal, JournalError};

use crate::support::{at, open, plain, runtime, sourced};

fn seqs(entries: impl Iterator<Item = Result<Committed, JournalError>>) -> Vec<u64> {
    entries.map(|entry| entry.unwrap().seq.0).collect()
}

/// 1 to 12: number n of node n % 2, so that scopes and kinds mix.
async fn filled(place: &std::path::Path) -> Journal {
    let journal = open(place).await.unwrap();
    for number in 1..=6 {
        let both = ["n0", "n1"].map(|node| sourced(at(node, 1, number)));
        journal.append(both.to_vec()).await.unwrap();
    }
    journal
}

#[test]
fn ranges_are_bounded_by_what_is_there() {
    let place = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let reader = filled(place.path()).await.reader();
        for (start, end, expected) in [
            (1, 4, &[1, 2, 3][..]),
            (0, 4, &[1, 2, 3]),
            (11, 99, &[11, 12]),
            (12, 12, &[]),
            (9, 2, &[]),
            (13, 20, &[]),
            (10, u64::MAX, &[10, 11, 12]),
        ] {
            assert_eq!(seqs(reader.range(Seq(start)..Seq(end))), expected, "{start}..{end}");
            let newest: Vec<_> = expected.iter().rev().copied().collect();
            assert_eq!(seqs(reader.range(Seq(start)..Seq(end)).rev()), newest, "{start}..{end}");
        }
        assert_eq!(seqs(reader.newest().take(3)), [12, 11, 10]);
        assert_eq!(reader.get(Seq(0)).unwrap().or(reader.get(Seq(13)).unwrap()), None);
    });
}

#[test]
fn indexes_find_their_values_and_no_others() {
    let place = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let reader = filled(place.path()).await.reader();
        for (index, value, expected) in [
            (Index::SCOPE, &b"n0"[..], &[1, 3, 5, 7, 9, 11][..]),
            (Index::SCOPE, b"n1", &[2, 4, 6, 8, 10, 12]),
            (Index::SCOPE, b"n", &[]),
            (Index::SCOPE, b"n00", &[]),
            (Index::AUTHOR, b"n0", &[]),
            (Index::KIND, &[1], &[1, 2, 7, 8]),
            (Index::KIND, &[0], &[5, 6, 11, 12]),
        ] {
            assert_eq!(seqs(reader.by(index, value)), expected, "{index:?} {value:?}");
            let newest: Vec<_> = expected.iter().rev().copied().collect();
            assert_eq!(seqs(reader.by(index, value).rev()), newest, "{index:?} {value:?}");
        }
    });
}

#[test]
fn times_are_found_from_and_before() {
    let place = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let reader = filled(place.path()).await.reader();
        let times: Vec<_> = reader.range(Seq(1)..Seq(13)).map(|entry| entry.unwrap().commit_time).collect();
        let all = |range| seqs(reader.committed(range));
        assert_eq!(all(Timestamp::MIN..Timestamp::MAX), (1..=12).collect::<Vec<_>>());
        assert_eq!(all(times[2]..times[6]), [3, 4, 5, 6]);
        assert_eq!(seqs(reader.committed(times[2]..times[6]).rev()), [6, 5, 4, 3]);
        assert_eq!(all(times[6]..times[2]), [0; 0]);
        assert_eq!(all(Timestamp::UNIX_EPOCH..times[0]), [0; 0]);
    });
}

/// A reader goes on from where it was: while entries come, and over a restart of the journal.
#[test]
fn following_misses_nothing_and_repeats_nothing() {
    let place = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let mut next = 1;
        for round in 1..=3u64 {
            let journal = open(place.path()).await.unwrap();
            let mut follow = journal.reader().follow(Seq(next));
            let writer = async {
                for n in 0..300u64 {
                    journal.append(vec![plain(&format!("{round} {n}"))]).await.unwrap();
                }
            };
            let reader = async {
                while next <= round * 300 - 7 {
                    let entry = follow.next().await.unwrap().unwrap();
                    assert_eq!(entry.seq, Seq(next));
                    let expected = format!("{} {}", (next - 1) / 300 + 1, (next - 1) % 300);
                    assert_eq!(entry.item.payload, expected.into_bytes());
                    next += 1;
                }
            };
            tokio::join!(writer, reader);
            journal.close().await;
        }
    });
}

#[test]
fn following_ends_when_the_journal_is_closed() {
    let place = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let journal = filled(place.path()).await;
        let mut follow = journal.reader().follow(Seq(12));
        assert_eq!(follow.next().await.unwrap().unwrap().seq, Seq(12));
        let (end, ()) = tokio::join!(follow.next(), journal.close());
        assert!(end.is_none());
    });
}

/// Readers on other threads, all the time that entries come.
#[test]
fn what_is_read_while_others_write_is_whole() {
    let place = tempfile::tempdir().unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let runtime = runtime();
        let journal = runtime.block_on(filled(place.path()));
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let (reader, is_over) = (journal.reader(), &is_over);
                let looks = move || (!is_over.load(Ordering::Acquire)).then(|| look(&reader));
                scope.spawn(move || std::iter::from_fn(looks).count())
            })
            .collect();
        runtime.block_on(async {
            for number in 7..400 {
                journal.append(["n0", "n1"].map(|node| sourced(at(node, 1, number))).to_vec()).await.unwrap();
            }
        });
        is_over.store(true, Ordering::Release);
        for reader in readers {
            let looks = reader.join().unwrap();
            assert!(looks > 1, "a reader looked {looks} times");
        }
    });
}

/// By seq, by index and newest first: all that the tip promises, and in order.
fn look(reader: &Reader) {
    let tip = reader.tip().seq.0;
    let all: Vec<_> = (1..=tip).collect();
    assert_eq!(seqs(reader.range(Seq(1)..Seq(tip + 1))), all);
    let of_both = ["n0", "n1"].map(|node| seqs(reader.by(Index::SCOPE, node.as_bytes()).take(all.len() / 2)));
    let mut merged = of_both.concat();
    merged.sort_unstable();
    assert_eq!(merged, all);
    let newest = seqs(reader.by(Index::SCOPE, b"n0").rev());
    assert!(newest.len() >= all.len() / 2 && newest.is_sorted_by(|a, b| a == &(b + 2)), "{newest:?}");
}
