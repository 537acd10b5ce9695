//! The members of a simulated cluster: starting, killing, asking.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pact_journal::consensus::{MemberId, RaftSettings};
use pact_journal::storage::{Reader, Settings, Storage};
use pact_journal::verify::verify;
use pact_journal::{Journal, JournalError};
use tokio::runtime::Runtime;

use super::net::{Link, Net};

pub(super) const MEMBERS: [MemberId; 3] = [MemberId(1), MemberId(2), MemberId(3)];
/// How long a client waits before it looks for a leader again.
pub(super) const LEADERLESS: Duration = Duration::from_millis(20);

struct Member {
    runtime: Runtime,
    journal: Arc<Journal<Link>>,
}

/// Clones are the same cluster.
#[derive(Clone)]
pub(super) struct Cluster {
    pub(super) net: Arc<Net>,
    place: Arc<tempfile::TempDir>,
    members: Arc<Mutex<BTreeMap<MemberId, Member>>>,
}

impl Cluster {
    pub(super) fn new(seed: u64) -> Self {
        let place = Arc::new(tempfile::tempdir().unwrap());
        let cluster = Self { net: Arc::new(Net::new(seed)), place, members: Arc::default() };
        for member in MEMBERS {
            cluster.start(member);
        }
        cluster
    }

    fn directory(&self, member: MemberId) -> PathBuf {
        self.place.path().join(member.0.to_string())
    }

    /// Does nothing to one that runs.
    pub(super) fn start(&self, member: MemberId) {
        if self.members.lock().unwrap().contains_key(&member) {
            return;
        }
        let settings =
            Settings { directory: self.directory(member), cluster: "sim".to_owned(), member, members: MEMBERS.into() };
        let raft = RaftSettings { compact_every: 40, heartbeat_ms: 60, election_ms: 250 };
        // Its dead predecessor may be in the middle of a write.
        let storage = until(Duration::from_secs(10), || match Storage::open(&settings) {
            Err(JournalError::Disk(pact_files::DiskError::InUse { .. })) => None,
            other => Some(other.unwrap()),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let link = Arc::new(Link { net: Arc::clone(&self.net), me: member });
        let journal = runtime.block_on(Journal::start(storage, &settings, raft, link)).unwrap();
        self.net.join(member, runtime.handle().clone(), journal.receiving());
        self.members.lock().unwrap().insert(member, Member { runtime, journal: Arc::new(journal) });
    }

    /// In the middle of whatever it does.
    pub(super) fn kill(&self, member: MemberId) {
        self.net.leave(member);
        if let Some(Member { runtime, journal }) = self.members.lock().unwrap().remove(&member) {
            runtime.shutdown_background();
            drop(journal);
        }
    }

    pub(super) fn journal(&self, member: MemberId) -> Option<Arc<Journal<Link>>> {
        self.members.lock().unwrap().get(&member).map(|member| Arc::clone(&member.journal))
    }

    pub(super) fn reader(&self, member: MemberId) -> Reader {
        self.journal(member).unwrap().reader()
    }

    /// The one that says so of itself.
    pub(super) fn leader(&self) -> Option<MemberId> {
        let members = self.members.lock().unwrap();
        members.iter().find(|(id, member)| member.journal.members().leader == Some(**id)).map(|(id, _)| *id)
    }

    /// Whether some member has proved that it leads.
    pub(super) fn barrier(&self, within: Duration) -> bool {
        let Some(journal) = self.leader().and_then(|leader| self.journal(leader)) else { return false };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { matches!(tokio::time::timeout(within, journal.barrier()).await, Ok(Ok(()))) })
    }

    pub(super) fn describe(&self) -> String {
        let members = self.members.lock().unwrap();
        let lines = members.iter().map(|(id, member)| {
            let seq = member.journal.reader().tip().seq.0;
            format!("{id} has {seq} and follows {:?}", member.journal.members().leader)
        });
        lines.collect::<Vec<_>>().join("; ")
    }

    /// Ends it, and looks at every directory from outside.
    pub(super) fn verify(self, seed: u64) {
        let tips: Vec<_> = MEMBERS.iter().map(|member| self.reader(*member).tip()).collect();
        for (member, tip) in MEMBERS.into_iter().zip(tips) {
            self.kill(member);
            let verified = until(Duration::from_secs(10), || {
                match verify(&self.directory(member), &self.place.path().join("scratch"), &[tip]) {
                    Err(JournalError::Disk(pact_files::DiskError::InUse { .. })) => None,
                    other => Some(other),
                }
            });
            assert_eq!(verified.map(|verified| verified.tip).map_err(|e| e.to_string()), Ok(tip), "seed {seed}");
        }
    }
}

/// Asks until there is an answer.
fn until<T>(within: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + within;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "nothing after {within:?}");
        std::thread::yield_now();
    }
}
