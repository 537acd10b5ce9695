//! Three members, a bad network, and members that die: the conformance suite of consensus.
//!
//! Every member has a runtime of its own, which is dropped in mid-flight when the member dies, and its own directory,
//! from which it starts again. Clients append numbered entries through whichever member leads, and again when they are
//! told nothing. The oracle: what was acknowledged is in every chain, where it was said to be and once; all chains are
//! the same; all members come to that within a deadline when the network is whole; every directory verifies.
//!
//! `PACT_SIM_SEED` repeats the faults of one round, `PACT_SIM_ROUNDS` asks for more rounds. Threads and disks are not
//! part of the seed.

mod members;
mod net;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pact_journal::entry::Answer;

use crate::support::{all, at, sourced};
use members::{Cluster, LEADERLESS, MEMBERS};
use net::Dice;

/// How long one round makes trouble.
const TROUBLE: Duration = Duration::from_secs(4);
/// How long members may take to agree once there is none.
const AGREEMENT: Duration = Duration::from_secs(12);
const CLIENTS: u64 = 4;

/// Of each client: where each of its entries is.
type Acknowledged = Arc<Mutex<BTreeMap<(u64, u64), u64>>>;

fn number_of(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

#[test]
fn nothing_acknowledged_is_lost_and_all_members_agree() {
    let rounds = number_of("PACT_SIM_ROUNDS").unwrap_or(3);
    let first = number_of("PACT_SIM_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 16);
    let total: usize = (first..first + rounds).map(round).sum();
    assert!(total > 20, "only {total} entries were acknowledged in all");
}

fn round(seed: u64) -> usize {
    let cluster = Cluster::new(seed);
    let clients = Clients::start(&cluster, seed);
    let mut dice = Dice::new(seed);
    let begun = Instant::now() + AGREEMENT;
    while !cluster.barrier(LEADERLESS * 10) {
        assert!(Instant::now() < begun, "seed {seed}: no first leader: {}", cluster.describe());
    }
    let end = Instant::now() + TROUBLE;
    while Instant::now() < end {
        trouble(&cluster, &mut dice);
        // The round is made of time: what happens meanwhile is what is tested.
        std::thread::sleep(Duration::from_millis(dice.below(250)));
    }
    cluster.net.heal();
    for member in MEMBERS {
        cluster.start(member);
    }
    let acknowledged = clients.stop();
    agree(&cluster, &acknowledged, seed);
    cluster.verify(seed);
    acknowledged.len()
}

fn trouble(cluster: &Cluster, dice: &mut Dice) {
    let one = MEMBERS[usize::try_from(dice.below(3)).unwrap()];
    match dice.below(12) {
        0 => cluster.kill(one),
        1 | 2 => cluster.leader().into_iter().for_each(|leader| cluster.kill(leader)),
        3 => cluster.net.isolate(one),
        4 => cluster.net.cut(one, MEMBERS[usize::try_from(dice.below(3)).unwrap()]),
        5 => cluster.net.be_bad(dice.below(25), dice.below(40), dice.below(20)),
        6 | 7 => cluster.net.heal(),
        _ => MEMBERS.into_iter().for_each(|member| cluster.start(member)),
    }
}

/// Waits until all members show the same chain with all that was acknowledged in it.
fn agree(cluster: &Cluster, acknowledged: &BTreeMap<(u64, u64), u64>, seed: u64) {
    let end = Instant::now() + AGREEMENT;
    let chains = loop {
        let proved = cluster.barrier(Duration::from_secs(1));
        let chains: Vec<_> = MEMBERS.iter().map(|member| all(&cluster.reader(*member)).unwrap()).collect();
        if proved && chains.windows(2).all(|pair| pair[0] == pair[1]) {
            break chains;
        }
        assert!(Instant::now() < end, "seed {seed}: no agreement: {}", cluster.describe());
        std::thread::yield_now();
    };
    let chain = &chains[0];
    for ((client, number), seq) in acknowledged {
        let there = chain.get(usize::try_from(seq - 1).unwrap()).and_then(|entry| entry.item.source.clone());
        assert_eq!(there, Some(at(&format!("c{client}"), 1, *number)), "seed {seed}: acknowledged as {seq}");
    }
    for client in 0..CLIENTS {
        let own = format!("c{client}");
        let sources = chain.iter().filter_map(|entry| entry.item.source.as_ref());
        let numbers: Vec<_> = sources.filter(|p| p.node.as_str() == own).map(|p| p.number.0).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "seed {seed}: {own}");
    }
}

struct Clients {
    runtime: tokio::runtime::Runtime,
    stopped: Arc<AtomicBool>,
    acknowledged: Acknowledged,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Clients {
    fn start(cluster: &Cluster, seed: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (stopped, acknowledged) = (Arc::new(AtomicBool::new(false)), Acknowledged::default());
        let tasks = (0..CLIENTS)
            .map(|client| {
                let (cluster, stopped, acknowledged) =
                    (cluster.clone(), Arc::clone(&stopped), Arc::clone(&acknowledged));
                runtime.spawn(append(client, cluster, stopped, acknowledged, seed))
            })
            .collect();
        Self { runtime, stopped, acknowledged, tasks }
    }

    /// What was acknowledged. A client that saw the rule broken panicked, and so does this.
    fn stop(self) -> BTreeMap<(u64, u64), u64> {
        self.stopped.store(true, Ordering::Release);
        for task in self.tasks {
            self.runtime.block_on(task).unwrap();
        }
        std::mem::take(&mut *self.acknowledged.lock().unwrap())
    }
}

/// Appends entries in order, each until it is acknowledged.
async fn append(client: u64, cluster: Cluster, stopped: Arc<AtomicBool>, acknowledged: Acknowledged, seed: u64) {
    let name = format!("c{client}");
    let mut dice = Dice::new(seed ^ (client + 1) << 32);
    let mut next = 1;
    while !stopped.load(Ordering::Acquire) {
        let count = 1 + dice.below(4);
        let items = (next..next + count).map(|number| sourced(at(&name, 1, number))).collect();
        let member = cluster.leader().unwrap_or(MEMBERS[usize::try_from(dice.below(3)).unwrap()]);
        let Some(journal) = cluster.journal(member) else {
            tokio::time::sleep(LEADERLESS).await;
            continue;
        };
        let Ok(Ok(answers)) = tokio::time::timeout(Duration::from_secs(1), journal.append(items)).await else {
            drop(journal);
            tokio::time::sleep(LEADERLESS).await;
            continue;
        };
        for answer in answers {
            match answer {
                Answer::Appended(seq) | Answer::Known(seq) => {
                    acknowledged.lock().unwrap().insert((client, next), seq.0);
                    next += 1;
                }
                Answer::Gap(_) | Answer::Zero => panic!("seed {seed}: {name} {next} was answered {answer:?}"),
            }
        }
    }
}
