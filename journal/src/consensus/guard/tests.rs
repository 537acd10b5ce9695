//! The rules of the guard, each with the message that breaks async-raft without it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use async_raft::async_trait::async_trait;
use async_raft::raft::{Entry, EntryNormal, EntryPayload, InstallSnapshotRequest, VoteRequest, VoteResponse};
use async_raft::storage::HardState;
use async_raft::{Config, RaftNetwork, RaftStorage};
use jiff::Timestamp;

use super::*;
use crate::chain::Seq;
use crate::consensus::MemberId;
use crate::consensus::network::{Appended, Install, Transport};
use crate::entry::Item;
use crate::storage::{Held, Settings};

/// Others who answer what they were told to, and write down what they were sent.
#[derive(Default)]
struct Others {
    answers: Mutex<VecDeque<Appended>>,
    commits: Mutex<Vec<u64>>,
    snapshots: Mutex<Vec<Vec<u8>>>,
    records: Mutex<Vec<Vec<u8>>>,
}

#[async_trait]
impl Transport for Others {
    async fn append(&self, _: MemberId, request: AppendEntriesRequest<Batch>) -> Result<Appended> {
        self.commits.lock().unwrap().push(request.leader_commit);
        self.answers.lock().unwrap().pop_front().context("no answer")
    }

    async fn vote(&self, to: MemberId, _: VoteRequest) -> Result<VoteResponse> {
        bail!("{to} does not vote")
    }

    async fn install(&self, _: MemberId, request: Install) -> Result<u64> {
        self.snapshots.lock().unwrap().push(request.snapshot);
        bail!("the answer is lost")
    }

    async fn records(&self, _: MemberId, from: Seq) -> Result<Vec<Vec<u8>>> {
        let from = usize::try_from(from.0 - 1).unwrap();
        Ok(self.records.lock().unwrap().iter().skip(from).take(2).cloned().collect())
    }
}

struct Member {
    storage: Storage,
    others: Arc<Others>,
    core: Core<Others>,
    receiving: Receiving<Others>,
    _place: tempfile::TempDir,
}

impl Member {
    /// Number 1 of three, with a log of these terms, in the term after the last of them.
    async fn new(terms: &[u64]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let settings = Settings {
            directory: place.path().join("journal"),
            cluster: "test".into(),
            member: MemberId(1),
            members: [1, 2, 3].map(MemberId).into(),
        };
        let storage = Storage::open(&settings).unwrap();
        let term = terms.last().copied().unwrap_or(0) + 1;
        storage.save_hard_state(&HardState { current_term: term, voted_for: None }).await.unwrap();
        let entries: Vec<_> = (1..).zip(terms).map(|(index, term)| entry(index, *term)).collect();
        storage.replicate_to_log(&entries).await.unwrap();
        // Nobody stands for election while a test runs.
        let config = Config::build("test".into()).election_timeout_min(60_000).election_timeout_max(120_000);
        let others = Arc::new(Others::default());
        let sending = Sending::new(storage.clone(), Arc::clone(&others), Duration::from_millis(30));
        let core = Core::new(1, Arc::new(config.validate().unwrap()), Arc::new(sending), Arc::new(storage.clone()));
        let receiving = Receiving::new(core.clone(), storage.clone(), Arc::clone(&others), MemberId(1));
        Self { storage, others, core, receiving, _place: place }
    }

    fn sending(&self) -> Sending<Others> {
        Sending::new(self.storage.clone(), Arc::clone(&self.others), Duration::from_millis(30))
    }

    async fn terms(&self) -> Vec<u64> {
        self.storage.get_log_entries(1, u64::MAX).await.unwrap().iter().map(|entry| entry.term).collect()
    }

    /// Waits for what the core does by the way.
    async fn applied(&self, index: u64) {
        let end = Instant::now() + Duration::from_secs(10);
        while self.storage.applied().await.unwrap() < index {
            assert!(Instant::now() < end, "{index} is not applied");
            tokio::task::yield_now().await;
        }
        assert_eq!(self.storage.applied().await.unwrap(), index);
    }
}

fn entry(index: u64, term: u64) -> Entry<Batch> {
    let item = Item { source: None, keys: Vec::new(), payload: format!("{index} {term}").into_bytes() };
    let data = Batch(vec![item.seal(Timestamp::UNIX_EPOCH)]);
    Entry { term, index, payload: EntryPayload::Normal(EntryNormal { data }) }
}

/// From the leader of a term, behind a place, entries of these terms.
fn request(term: u64, previous: (u64, u64), terms: &[u64], commit: u64) -> AppendEntriesRequest<Batch> {
    AppendEntriesRequest {
        term,
        leader_id: 2,
        prev_log_index: previous.0,
        prev_log_term: previous.1,
        entries: (previous.0 + 1..).zip(terms).map(|(index, term)| entry(index, *term)).collect(),
        leader_commit: commit,
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn agrees(term: u64) -> Appended {
    Appended { term, agrees: true, held: None }
}

/// A3, A6, A7: what a follower's log is after one message, how much of it is applied, and what it answers.
#[test]
fn a_follower_believes_only_what_it_compared() {
    let own = [1, 1, 1, 2];
    let differs = |applied, runs: &[(u64, u64)]| {
        let runs = runs.iter().map(|(index, term)| Place { index: *index, term: *term }).collect();
        Appended { term: 3, agrees: false, held: Some(Held { applied, runs }) }
    };
    let runs = [(0, 0), (3, 1), (4, 2)];
    for (what, request, answer, log, applied) in [
        ("a heartbeat", request(3, (4, 2), &[], 4), agrees(3), &own[..], 4),
        ("a heartbeat that knows more", request(3, (3, 1), &[], 9), agrees(3), &own, 3),
        ("a heartbeat of another log", request(3, (4, 1), &[], 4), differs(0, &runs), &own, 0),
        ("a heartbeat beyond the log", request(3, (9, 3), &[], 9), differs(0, &runs), &own, 0),
        ("an overlap", request(3, (1, 1), &[1, 1], 2), agrees(3), &own, 2),
        ("an overlap from the beginning", request(3, (0, 0), &[1], 1), agrees(3), &own, 1),
        ("an overlap and more", request(3, (2, 1), &[1, 2, 3], 5), agrees(3), &[1, 1, 1, 2, 3], 5),
        ("a conflict", request(3, (2, 1), &[1, 3], 3), agrees(3), &[1, 1, 1, 3], 3),
        ("a conflict from the beginning", request(3, (0, 0), &[1, 3], 1), agrees(3), &[1, 3], 1),
        ("entries behind another log", request(3, (4, 3), &[3], 5), differs(0, &runs), &own, 0),
        ("an old leader", request(2, (4, 2), &[2], 5), Appended { term: 3, agrees: false, held: None }, &own, 0),
    ] {
        block_on(async {
            let member = Member::new(&own).await;
            assert_eq!(member.receiving.append(request).await.unwrap(), answer, "{what}");
            assert_eq!(member.terms().await, log, "{what}");
            member.applied(applied).await;
            // A later leader makes the core say where it believes that its log ends: by that it votes.
            member.receiving.append(self::request(9, (0, 0), &[], 0)).await.unwrap();
            assert_eq!(member.core.metrics().borrow().last_log_index, log.len() as u64, "{what}");
        });
    }
}

/// A2: the core applies from memory what it was sent; what it was sent before it was started is not there.
#[test]
fn a_follower_applies_what_it_had_before() {
    block_on(async {
        let member = Member::new(&[1, 1, 1, 1]).await;
        for commit in [1, 2, 4] {
            assert_eq!(member.receiving.append(request(2, (4, 1), &[], commit)).await.unwrap(), agrees(2));
            member.applied(commit).await;
        }
    });
}

/// A11: a hole is refused before it meets the log, and does no harm.
#[test]
fn entries_with_a_hole_are_refused() {
    block_on(async {
        let member = Member::new(&[1, 1]).await;
        let mut holed = request(2, (2, 1), &[2, 2, 2], 5);
        holed.entries.remove(1);
        member.receiving.append(holed).await.unwrap_err();
        let mut late = request(2, (2, 1), &[2, 2], 5);
        late.entries.remove(0);
        member.receiving.append(late).await.unwrap_err();
        assert_eq!(member.terms().await, [1, 1]);
        assert_eq!(member.receiving.append(request(2, (2, 1), &[2, 2], 4)).await.unwrap(), agrees(2));
        member.applied(4).await;
    });
}

/// A12: a later term is enough, and a longer log is not.
#[test]
fn the_later_log_is_voted_for() {
    for (own, candidate, granted) in [
        (&[1, 1, 1][..], (1, 2), true),
        (&[1, 1, 1], (3, 1), true),
        (&[1, 1, 1], (2, 1), false),
        (&[1, 2], (9, 1), false),
        (&[], (0, 0), true),
    ] {
        block_on(async {
            let member = Member::new(own).await;
            let answer = member.receiving.vote(VoteRequest::new(9, 2, candidate.0, candidate.1)).await.unwrap();
            assert_eq!((answer.vote_granted, answer.term), (granted, 9), "{own:?} {candidate:?}");
            assert_eq!(member.storage.last().await.unwrap().index, own.len() as u64);
        });
    }
}

/// A4: entries of older terms are counted as if everybody had them, so they are not told as committed.
#[test]
fn a_leader_tells_only_what_is_committed_for_certain() {
    block_on(async {
        let member = Member::new(&[1, 1, 2, 2]).await;
        member.storage.commit(1).await.unwrap();
        for commit in [0, 1, 2, 3, 4, 9] {
            member.others.answers.lock().unwrap().push_back(agrees(2));
            member.sending().append_entries(2, request(2, (4, 2), &[], commit)).await.unwrap();
        }
        assert_eq!(*member.others.commits.lock().unwrap(), [0, 1, 1, 3, 4, 1]);
    });
}

/// A5, A14: the core is told the last place that both logs share, however far back.
#[test]
fn a_leader_hears_of_the_place_where_logs_agree() {
    block_on(async {
        let own: Vec<u64> = [[1; 10].as_slice(), &[3; 90]].concat();
        let member = Member::new(&own).await;
        let held = |runs: &[(u64, u64)]| Held {
            applied: 0,
            runs: runs.iter().map(|(index, term)| Place { index: *index, term: *term }).collect(),
        };
        for (runs, expected) in [
            (&[(0, 0), (10, 1), (99, 2)][..], (10, 1)),
            (&[(0, 0), (7, 1), (99, 2)], (7, 1)),
            (&[(0, 0), (10, 1), (40, 3)], (40, 3)),
            (&[(0, 0), (10, 1), (140, 3)], (100, 3)),
            (&[(0, 0), (10, 2)], (0, 0)),
            (&[(0, 0)], (0, 0)),
        ] {
            let answer = Appended { term: 4, agrees: false, held: Some(held(runs)) };
            member.others.answers.lock().unwrap().push_back(answer);
            let told = member.sending().append_entries(2, request(4, (100, 3), &[], 0)).await.unwrap();
            let conflict = told.conflict_opt.map(|conflict| (conflict.index, conflict.term));
            assert_eq!((told.success, conflict), (false, Some(expected)), "{runs:?}");
        }
    });
}

/// A9: the last, empty chunk comes again, and it is the whole snapshot that is sent again.
#[test]
fn a_snapshot_is_sent_as_a_whole_each_time() {
    block_on(async {
        let member = Member::new(&[]).await;
        let chunk = |offset, data: &[u8], done| InstallSnapshotRequest {
            term: 1,
            leader_id: 1,
            last_included_index: 3,
            last_included_term: 1,
            offset,
            data: data.to_vec(),
            done,
        };
        let sending = member.sending();
        for (offset, data) in [(0, b"one "), (4, b"two "), (0, b"1st "), (4, b"2nd ")] {
            assert_eq!(sending.install_snapshot(2, chunk(offset, data, false)).await.unwrap().term, 1);
        }
        for _ in 0..2 {
            sending.install_snapshot(2, chunk(8, b"", true)).await.unwrap_err();
        }
        assert_eq!(*member.others.snapshots.lock().unwrap(), [b"1st 2nd ", b"1st 2nd "]);
    });
}

/// A17.
#[test]
fn an_error_is_not_tried_again_at_once() {
    block_on(async {
        let member = Member::new(&[]).await;
        let begun = Instant::now();
        member.sending().append_entries(2, request(1, (0, 0), &[], 0)).await.unwrap_err();
        assert!(begun.elapsed() >= Duration::from_millis(30));
    });
}

/// A9, A10: what is missing is read from the leader and compared; what is not is not installed.
#[test]
fn a_follower_installs_what_it_lacks_and_only_that() {
    block_on(async {
        let leader = Member::new(&[1; 7]).await;
        leader.storage.commit(7).await.unwrap();
        let mut snapshot = leader.storage.get_current_snapshot().await.unwrap().unwrap();
        let snapshot = std::mem::take(snapshot.snapshot.get_mut());
        let mut records = Vec::new();
        while records.len() < 7 {
            let from = Seq(records.len() as u64 + 1);
            records.extend(leader.receiving.records(from).unwrap());
        }
        for (own, is_forged) in [(&[][..], false), (&[1, 1], false), (&[1; 9], false), (&[2; 9], false), (&[], true)] {
            let follower = Member::new(own).await;
            follower.storage.commit(if own.first() == Some(&1) { 2 } else { 0 }).await.unwrap();
            let mut given = records.clone();
            if is_forged {
                given[4].push(0);
            }
            *follower.others.records.lock().unwrap() = given;
            let install =
                || follower.receiving.install(Install { term: 9, leader: MemberId(2), snapshot: snapshot.clone() });
            let end = Instant::now() + Duration::from_secs(10);
            let mut answer = install().await;
            // A journal that has stopped answers nothing any more.
            while answer.as_ref().is_err_and(|error| !error.is::<crate::storage::Failed>()) {
                assert!(Instant::now() < end, "{own:?}: {answer:?}");
                tokio::task::yield_now().await;
                answer = install().await;
            }
            if is_forged {
                let failed = follower.storage.failed().await.to_string();
                assert!(failed.contains("another one: record 5: its hash"), "{failed}");
                continue;
            }
            assert_eq!(install().await.unwrap(), 9, "{own:?}");
            assert_eq!(follower.storage.reader().tip(), leader.storage.reader().tip(), "{own:?}");
            // A log that had it all goes on; another one begins behind the snapshot, in storage and core alike.
            let kept = if own == [1; 9] { 9 } else { 7 };
            assert_eq!(follower.storage.last().await.unwrap().index, kept, "{own:?}");
            let next = request(9, (kept, 1), &[9], kept + 1);
            assert_eq!(follower.receiving.append(next).await.unwrap(), agrees(9), "{own:?}");
            follower.applied(kept + 1).await;
            follower.core.shutdown().await.unwrap();
        }
    });
}
