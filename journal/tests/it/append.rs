//! Appending: gapless, in order, once.

use pact_journal::JournalError;
use pact_journal::chain::Seq;
use pact_journal::consensus::MemberId;
use pact_journal::entry::{Answer, Index, InvalidItem, Item, Key, MOST_KEY, MOST_PAYLOAD};
use pact_journal::group::AppendError;
use pact_journal::storage::{Settings, Storage};

use crate::support::{all, at, open, open_as, plain, runtime, settings, sourced};

#[test]
fn numbers_are_gapless_and_survive_restarts_and_compactions() {
    let place = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        for round in 0..3u64 {
            let journal = open(place.path()).await.unwrap();
            for n in 1..=50 {
                let seq = round * 50 + n;
                let answers = journal.append(vec![plain(&seq.to_string())]).await;
                assert_eq!(answers, Ok(vec![Answer::Appended(Seq(seq))]));
            }
            let entries = all(&journal.reader()).unwrap();
            let payloads: Vec<_> = entries.iter().map(|e| String::from_utf8(e.item.payload.clone()).unwrap()).collect();
            assert_eq!(payloads, (1..=round * 50 + 50).map(|n| n.to_string()).collect::<Vec<_>>());
            assert!(entries.windows(2).all(|pair| pair[1].previous == pair[0].hash));
            journal.close().await;
        }
    });
}

#[test]
fn what_comes_again_is_acknowledged_with_its_first_seq() {
    let place = tempfile::tempdir().unwrap();
    let table = [
        (vec![at("n1", 7, 2)], vec![Answer::Gap(1)]),
        (vec![at("n1", 7, 1), at("n1", 7, 2)], vec![Answer::Appended(Seq(1)), Answer::Appended(Seq(2))]),
        (vec![at("n1", 7, 1)], vec![Answer::Known(Seq(1))]),
        (
            vec![at("n1", 9, 1), at("n1", 9, 1), at("n1", 9, 3)],
            vec![Answer::Appended(Seq(3)), Answer::Known(Seq(3)), Answer::Gap(2)],
        ),
        (vec![at("n2", 7, 0), at("n2", 7, 1)], vec![Answer::Zero, Answer::Appended(Seq(4))]),
        (vec![at("n1", 7, 2), at("n1", 7, 3)], vec![Answer::Known(Seq(2)), Answer::Appended(Seq(5))]),
        (vec![at("n1", 9, 1), at("n1", 9, 2)], vec![Answer::Known(Seq(3)), Answer::Appended(Seq(6))]),
    ];
    runtime().block_on(async {
        for (positions, expected) in table {
            // Opened anew for each: what is known is what is on the disk.
            let journal = open(place.path()).await.unwrap();
            let items = positions.iter().cloned().map(sourced).collect();
            assert_eq!(journal.append(items).await, Ok(expected), "{positions:?}");
            journal.close().await;
        }
        let reader = open(place.path()).await.unwrap().reader();
        for (position, last) in [(at("n1", 7, 0), 3), (at("n1", 9, 0), 2), (at("n2", 7, 0), 1), (at("n2", 8, 0), 0)] {
            assert_eq!(reader.acknowledged(&position.node, position.epoch).unwrap().0, last, "{position:?}");
        }
    });
}

#[test]
fn large_entries_are_whole_and_never_beside_the_log() {
    let place = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let journal = open(place.path()).await.unwrap();
        let sizes = [0, 1, 4095, 4096, 4097, 70_000, 200_000, MOST_PAYLOAD];
        for size in sizes.into_iter().chain(std::iter::repeat_n(70_000, 40)) {
            let payload: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let item = Item { payload: payload.clone(), ..plain("") };
            let answers = journal.append(vec![item]).await.unwrap();
            let [Answer::Appended(seq)] = answers[..] else { panic!("{answers:?}") };
            let read = journal.reader().get(seq).unwrap().unwrap();
            assert_eq!(read.item.payload, payload, "{size}");
        }
    });
    assert_eq!(std::fs::read_dir(place.path().join("sled/blobs")).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_in_the_log_is_refused_as_a_whole() {
    let place = tempfile::tempdir().unwrap();
    let key = |index, length| Key { index, value: vec![1; length] };
    let with = |key| Item { keys: vec![key], ..plain("x") };
    runtime().block_on(async {
        let journal = open(place.path()).await.unwrap();
        for (item, why) in [
            (Item { payload: vec![0; MOST_PAYLOAD + 1], ..plain("") }, InvalidItem::Payload(MOST_PAYLOAD + 1)),
            (with(key(Index::AUTHOR, MOST_KEY + 1)), InvalidItem::Key(MOST_KEY + 1)),
            (with(key(Index(0), 8)), InvalidItem::Index),
        ] {
            assert_eq!(journal.append(vec![plain("before"), item]).await, Err(AppendError::Invalid(why)));
        }
        assert_eq!(journal.append(vec![with(key(Index::AUTHOR, MOST_KEY))]).await, Ok(vec![Answer::Appended(Seq(1))]));
    });
}

#[test]
fn calls_at_the_same_time_are_each_in_one_piece() {
    let place = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let journal = std::sync::Arc::new(open(place.path()).await.unwrap());
        let calls: Vec<_> = (0..64)
            .map(|call| {
                let journal = std::sync::Arc::clone(&journal);
                let items = (0..5).map(|n| plain(&format!("{call} {n}"))).collect();
                tokio::spawn(async move { (call, journal.append(items).await.unwrap()) })
            })
            .collect();
        for task in calls {
            let (call, answers) = task.await.unwrap();
            for (n, answer) in answers.iter().enumerate() {
                let Answer::Appended(seq) = answer else { panic!("{answer:?}") };
                let entry = journal.reader().get(*seq).unwrap().unwrap();
                assert_eq!(entry.item.payload, format!("{call} {n}").into_bytes());
            }
            assert!(
                answers.is_sorted_by(
                    |a, b| matches!((a, b), (Answer::Appended(a), Answer::Appended(b)) if a.0 + 1 == b.0)
                )
            );
        }
        assert_eq!(journal.reader().tip().seq.0, 64 * 5);
    });
}

#[test]
fn a_journal_of_somebody_else_is_not_used() {
    let place = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let own = settings(place.path());
        open(place.path()).await.unwrap().close().await;
        for (other, word) in [
            (Settings { cluster: "other".into(), ..own.clone() }, "cluster test"),
            (Settings { member: MemberId(2), ..own.clone() }, "member 2 is none of the members"),
            (Settings { member: MemberId(2), members: [MemberId(2)].into(), ..own.clone() }, "member 1 of [1]"),
            (Settings { members: [MemberId(1), MemberId(2)].into(), ..own.clone() }, "[1]"),
        ] {
            let error = open_as(&other).await.err().unwrap();
            assert!(
                matches!(error, JournalError::Disk(pact_files::DiskError::Foreign { .. }))
                    && error.to_string().contains(word),
                "{error}"
            );
        }
        open(place.path()).await.unwrap();
    });
}

#[test]
fn two_members_never_share_a_directory() {
    let place = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let _first = open(place.path()).await.unwrap();
        let second = Storage::open(&settings(place.path()));
        assert!(matches!(second.err(), Some(JournalError::Disk(pact_files::DiskError::InUse { .. }))));
    });
}

/// The disk refuses something in mid-flight: nobody is told that an entry is there, and the owner is told why.
#[test]
fn a_failure_reaches_the_owner_and_ends_writing() {
    let place = tempfile::tempdir().unwrap();
    let blobs = place.path().join("sled/blobs");
    runtime().block_on(async {
        let journal = open(place.path()).await.unwrap();
        journal.append(vec![plain("before")]).await.unwrap();
        std::fs::remove_dir(&blobs).unwrap();
        let unavailable = |answer| assert!(matches!(answer, Err(AppendError::Unavailable(_))), "{answer:?}");
        unavailable(journal.append(vec![plain("lost")]).await);
        let error = journal.failed().await.to_string();
        assert!(error.contains(blobs.to_str().unwrap()), "{error}");
        std::fs::create_dir(&blobs).unwrap();
        unavailable(journal.append(vec![plain("after")]).await);
        assert_eq!(all(&journal.reader()).unwrap().len(), 1);
    });
}
