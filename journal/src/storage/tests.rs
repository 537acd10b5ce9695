//! The rules of storage, each with the schedule that breaks async-raft without it.

use async_raft::RaftStorage;
use async_raft::raft::{Entry, EntryNormal, EntryPayload};
use async_raft::storage::HardState;
use jiff::Timestamp;

use super::*;
use crate::chain::Seq;
use crate::consensus::Batch;
use crate::entry::{Answer, Item};

struct Case {
    place: tempfile::TempDir,
    members: u64,
    storage: Option<Storage>,
}

impl Case {
    fn new(members: u64) -> Self {
        let mut case = Self { place: tempfile::tempdir().unwrap(), members, storage: None };
        case.reopen();
        case
    }

    fn reopen(&mut self) {
        self.storage = None;
        let members = (1..=self.members).map(MemberId).collect();
        let directory = self.place.path().join("journal");
        let settings = Settings { directory, cluster: "test".into(), member: MemberId(1), members };
        // sled's lock is released a moment after its last handle is dropped.
        self.storage = loop {
            match Storage::open(&settings) {
                Err(JournalError::Disk(pact_files::DiskError::InUse { .. })) => std::thread::yield_now(),
                other => break Some(other.unwrap()),
            }
        };
    }

    fn storage(&self) -> Storage {
        self.storage.clone().unwrap()
    }

    async fn vote(&self, term: u64) {
        self.storage().save_hard_state(&HardState { current_term: term, voted_for: Some(2) }).await.unwrap();
    }

    async fn replicate(&self, entries: &[(u64, u64)]) -> anyhow::Result<()> {
        let entries: Vec<_> = entries.iter().map(|(index, term)| entry(*index, *term)).collect();
        self.storage().replicate_to_log(&entries).await
    }

    /// Index and term of every entry, and a pointer's with a `true`.
    async fn log(&self) -> Vec<(u64, u64, bool)> {
        let entries = self.storage().get_log_entries(0, u64::MAX).await.unwrap();
        let is_pointer = |e: &Entry<Batch>| matches!(e.payload, EntryPayload::SnapshotPointer(_));
        entries.iter().map(|e| (e.index, e.term, is_pointer(e))).collect()
    }

    /// The payloads that are applied.
    fn applied(&self) -> Vec<String> {
        let mut newest: Vec<_> = self.storage().reader().newest().map(|e| e.unwrap().item.payload).collect();
        newest.reverse();
        newest.into_iter().map(|payload| String::from_utf8(payload).unwrap()).collect()
    }
}

/// Of one item that says which entry it came with.
fn entry(index: u64, term: u64) -> Entry<Batch> {
    let item = Item { source: None, keys: Vec::new(), payload: format!("{index} {term}").into_bytes() };
    let data = Batch(vec![item.seal(Timestamp::UNIX_EPOCH)]);
    Entry { term, index, payload: EntryPayload::Normal(EntryNormal { data }) }
}

fn plain(entries: &[(u64, u64)]) -> Vec<(u64, u64, bool)> {
    entries.iter().map(|(index, term)| (*index, *term, false)).collect()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// A1, A2: what is handed over has gaps, comes twice, and need not be what is in the log.
#[test]
fn applying_fills_gaps_from_the_log_and_never_repeats() {
    let case = Case::new(1);
    block_on(async {
        case.vote(1).await;
        case.replicate(&[(1, 1), (2, 1), (3, 1), (4, 1)]).await.unwrap();
        let storage = case.storage();
        let apply = async |index: u64| storage.apply_entry_to_state_machine(&index, &Batch::default()).await.unwrap().0;
        assert_eq!(apply(3).await, Some(vec![Answer::Appended(Seq(3))]));
        assert_eq!(apply(2).await, None);
        let other = Batch(vec![b"not in the log".to_vec()]);
        storage.replicate_to_state_machine(&[(&2, &other), (&4, &other)]).await.unwrap();
        assert_eq!(case.applied(), ["1 1", "2 1", "3 1", "4 1"]);
    });
}

/// A6, A7: an overlap takes nothing away, and only an entry of another term takes a place.
#[test]
fn a_log_is_cut_at_the_first_conflict_and_nowhere_else() {
    let four = [(1, 1), (2, 1), (3, 1), (4, 1)];
    for (sent, expected) in [
        (&[(2, 1), (3, 1)][..], &[(1, 1), (2, 1), (3, 1), (4, 1)][..]),
        (&[(1, 1)], &four),
        (&[(3, 1), (4, 1), (5, 2)], &[(1, 1), (2, 1), (3, 1), (4, 1), (5, 2)]),
        (&[(3, 2)], &[(1, 1), (2, 1), (3, 2)]),
        (&[(1, 1), (2, 1), (3, 2), (4, 2), (5, 2)], &[(1, 1), (2, 1), (3, 2), (4, 2), (5, 2)]),
        (&[(3, 2), (4, 2)], &[(1, 1), (2, 1), (3, 2), (4, 2)]),
    ] {
        let mut case = Case::new(3);
        block_on(async {
            case.vote(2).await;
            case.replicate(&four).await.unwrap();
            case.storage().delete_logs_from(2, None).await.unwrap();
            case.replicate(sent).await.unwrap();
            assert_eq!(case.log().await, plain(expected), "{sent:?}");
        });
        case.reopen();
        assert_eq!(block_on(case.log()), plain(expected), "{sent:?}");
        block_on(case.storage().replicate_to_state_machine(&[(&(expected.len() as u64), &Batch::default())])).unwrap();
        let texts: Vec<_> = expected.iter().map(|(index, term)| format!("{index} {term}")).collect();
        assert_eq!(case.applied(), texts);
    }
}

/// A11, and what would break the promise to whoever was told: each ends the journal.
#[test]
fn holes_and_other_pasts_are_refused_for_good() {
    for (sent, says) in [
        (&[(6, 1)][..], "record 6 is not the next one"),
        (&[(5, 1), (7, 1)], "record 7 is not the next one"),
        (&[(2, 2)], "record 2 is applied, and the leader has another one"),
    ] {
        let mut case = Case::new(3);
        block_on(async {
            case.vote(2).await;
            case.replicate(&[(1, 1), (2, 1), (3, 1), (4, 1)]).await.unwrap();
            case.storage().replicate_to_state_machine(&[(&3, &Batch::default())]).await.unwrap();
            for sent in [sent, &[(5, 1)]] {
                let error = case.replicate(sent).await.unwrap_err();
                assert!(error.is::<Failed>() && error.to_string().contains(says), "{error}");
            }
            assert!(case.storage().failed().await.to_string().contains(says));
        });
        case.reopen();
        assert_eq!(block_on(case.log()), plain(&[(1, 1), (2, 1), (3, 1), (4, 1)]));
    }
}

/// A10, A11, A16.
#[test]
fn what_is_compacted_is_a_pointer_and_an_old_snapshot_changes_nothing() {
    let mut case = Case::new(3);
    let old = block_on(async {
        case.vote(1).await;
        case.replicate(&[(1, 1), (2, 1), (3, 1), (4, 1), (5, 1)]).await.unwrap();
        let storage = case.storage();
        storage.replicate_to_state_machine(&[(&3, &Batch::default())]).await.unwrap();
        let old = storage.do_log_compaction().await.unwrap();
        assert_eq!(old.index, 3);
        store(&Installation { snapshot: old.snapshot.into_inner(), records: Vec::new() })
    });
    case.reopen();
    block_on(async {
        let storage = case.storage();
        assert_eq!(case.log().await, [(3, 1, true), (4, 1, false), (5, 1, false)]);
        for (start, stop, expected) in
            [(4, 5, &[(4, 1)][..]), (4, 6, &[(4, 1), (5, 1)]), (6, 9, &[]), (5, 4, &[]), (5, 99, &[(5, 1)])]
        {
            let entries = storage.get_log_entries(start, stop).await.unwrap();
            assert_eq!(entries.iter().map(|e| (e.index, e.term)).collect::<Vec<_>>(), expected, "{start}..{stop}");
        }
        let (id, mut snapshot) = storage.create_snapshot().await.unwrap();
        snapshot.get_mut().extend(old);
        storage.finalize_snapshot_installation(3, 1, None, id, snapshot).await.unwrap();
        case.replicate(&[(2, 1), (3, 1), (4, 1), (5, 1), (6, 1)]).await.unwrap();
        storage.replicate_to_state_machine(&[(&6, &Batch::default())]).await.unwrap();
        assert_eq!(case.applied(), ["1 1", "2 1", "3 1", "4 1", "5 1", "6 1"]);
        let state = storage.get_initial_state().await.unwrap();
        assert_eq!((state.last_log_index, state.last_log_term, state.last_applied_log), (6, 1, 6));
    });
}

/// Votes are kept; only a member that is alone may forget one that was followed by nothing.
#[test]
fn a_vote_is_kept_where_there_is_somebody_else() {
    for (members, entries, term) in [(1, &[][..], 0), (1, &[(1, 5)][..], 5), (3, &[], 5), (3, &[(1, 5)], 5)] {
        let mut case = Case::new(members);
        block_on(async {
            case.vote(5).await;
            case.replicate(entries).await.unwrap();
        });
        case.reopen();
        let state = block_on(case.storage().get_initial_state()).unwrap();
        assert_eq!(state.hard_state.current_term, term, "{members} {entries:?}");
        assert_eq!(state.membership.members.len() as u64, members);
    }
}

/// The leader's clock may be set back: the smallest seq since a time is found by time, and not by looking back from the
/// end.
#[test]
fn what_was_committed_since_a_time_is_found_though_a_clock_was_set_back() {
    let case = Case::new(1);
    block_on(async {
        case.vote(1).await;
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        for (index, seconds) in (1..).zip([100, 200, 50, 300]) {
            let item = Item { source: None, keys: Vec::new(), payload: seconds.to_string().into_bytes() };
            let data = Batch(vec![item.seal(at(seconds))]);
            let entry = Entry { term: 1, index, payload: EntryPayload::Normal(EntryNormal { data }) };
            case.storage().replicate_to_log(&[entry]).await.unwrap();
            case.storage().apply_entry_to_state_machine(&index, &Batch::default()).await.unwrap();
        }
        let reader = case.storage().reader();
        let first = |seconds, most| reader.first_since(at(seconds), most).unwrap();
        for (since, seq) in [(0, 1), (51, 1), (101, 2), (201, 4), (300, 4), (301, 5)] {
            assert_eq!(first(since, 10), Seq(seq), "{since}");
        }
        assert_eq!(first(101, 2), Seq(2), "two are looked at, and there are two");
        assert_eq!(first(101, 1), Seq(1), "there are more than are looked at");
    });
}
