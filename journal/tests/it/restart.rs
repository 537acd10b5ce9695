//! A journal that is killed: whatever was acknowledged is there, once, where it was said to be.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use pact_journal::entry::Answer;
use pact_journal::verify::verify;

use crate::support::{all, at, open, runtime, sourced};

const VICTIM: &str = "PACT_JOURNAL_VICTIM";
const NODES: [&str; 3] = ["n1", "n2", "n3"];
/// So many entries of each node are appended in one life, if nobody ends it.
const EACH: u64 = 60;
const WITHOUT_END: u64 = 1_000_000;

/// What the other tests kill. By itself it runs to its end, in a directory of its own.
#[test]
fn victim() {
    if let Ok(directory) = std::env::var(VICTIM) {
        return work(Path::new(&directory), WITHOUT_END, true);
    }
    let place = tempfile::tempdir().unwrap();
    work(place.path(), EACH, false);
    let journal = runtime().block_on(open(place.path())).unwrap();
    assert_eq!(journal.reader().tip().seq.0, EACH * 3);
}

/// Several nodes append at once, each going on from what the journal has of it, and say what was acknowledged.
fn work(directory: &Path, each: u64, tells: bool) {
    runtime().block_on(async {
        let journal = Arc::new(open(directory).await.unwrap());
        let nodes = NODES.map(|node| tokio::spawn(node_appends(Arc::clone(&journal), node, each, tells)));
        for node in nodes {
            node.await.unwrap();
        }
    });
}

async fn node_appends(journal: Arc<pact_journal::Journal>, node: &str, each: u64, tells: bool) {
    let first = at(node, 1, 0);
    let last = journal.reader().acknowledged(&first.node, first.epoch).unwrap().0;
    let numbers = last.max(2) - 1..=last + each;
    for first in numbers.clone().step_by(7) {
        let some: Vec<u64> = (first..first + 7).filter(|number| numbers.contains(number)).collect();
        let answers = journal.append(some.iter().map(|n| sourced(at(node, 1, *n))).collect()).await.unwrap();
        for (number, answer) in some.iter().zip(answers) {
            let (Answer::Appended(seq) | Answer::Known(seq)) = answer else { panic!("{number}: {answer:?}") };
            if tells {
                let mut stdout = std::io::stdout().lock();
                writeln!(stdout, "\nack {node} {number} {}", seq.0).unwrap();
            }
        }
    }
}

/// Acknowledged: where each is.
type Acknowledged = BTreeMap<(String, u64), u64>;

fn start(directory: &Path, failpoint: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "restart::victim", "--nocapture", "--test-threads=1"])
        .env(VICTIM, directory)
        .env("PACT_FAILPOINT", failpoint)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads what a victim says, and kills it after so many lines. Answers whether it was killed.
fn watch(mut victim: Child, kill_after: usize, acknowledged: &mut Acknowledged) -> bool {
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines().map(Result::unwrap);
    for (count, line) in lines.filter(|line| line.starts_with("ack ")).enumerate() {
        let words: Vec<_> = line.split(' ').collect();
        let (node, number, seq) = (words[1].to_owned(), words[2].parse().unwrap(), words[3].parse().unwrap());
        let before = acknowledged.insert((node, number), seq);
        assert!(before.is_none_or(|before| before == seq), "{line}: it was {before:?}");
        if count + 1 == kill_after {
            victim.kill().unwrap();
        }
    }
    !victim.wait().unwrap().success()
}

/// Everything that was acknowledged is there, and of every node exactly 1 to n.
fn check(directory: &Path, acknowledged: &Acknowledged, why: &str) {
    let journal = runtime().block_on(open(directory)).unwrap();
    let entries = all(&journal.reader()).unwrap();
    for ((node, number), seq) in acknowledged {
        let there = entries.get(usize::try_from(seq - 1).unwrap()).map(|entry| entry.item.source.clone());
        assert_eq!(there, Some(Some(at(node, 1, *number))), "{why}: {seq}");
    }
    for node in NODES {
        let of_node = entries.iter().filter_map(|entry| entry.item.source.as_ref()).filter(|p| p.node.as_str() == node);
        let numbers: Vec<u64> = of_node.map(|position| position.number.0).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{why}");
    }
    let tip = journal.reader().tip();
    drop(journal);
    let scratch = tempfile::tempdir().unwrap();
    let verified = loop {
        match verify(directory, &scratch.path().join("copy"), &[tip]) {
            // The journal that was just dropped is still leaving.
            Err(pact_journal::JournalError::Disk(pact_files::DiskError::InUse { .. })) => std::thread::yield_now(),
            other => break other,
        }
    };
    assert_eq!(verified.map_err(|e| e.to_string()).map(|v| v.tip), Ok(tip), "{why}");
}

#[test]
fn killed_at_any_time() {
    let place = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::new();
    for after in [1, 5, 14, 20, 33, 50, 77, 90, 111, 140] {
        let killed = watch(start(place.path(), ""), after, &mut acknowledged);
        assert!(killed, "it was faster than the signal, after {after}");
        check(place.path(), &acknowledged, &format!("after {after}"));
    }
    assert!(acknowledged.len() > 200, "only {} were acknowledged", acknowledged.len());
}

/// Every named place, the first times it is reached (opening, the first vote) and later ones (appending, compacting).
#[cfg(feature = "failpoints")]
#[test]
fn killed_at_every_named_place() {
    let place = tempfile::tempdir().unwrap();
    for point in ["before-sync", "before-head", "before-apply", "after-apply"] {
        let directory = place.path().join(point);
        let mut acknowledged = Acknowledged::new();
        for nth in [1, 2, 3, 4, 5, 6, 8, 10, 12] {
            let name = format!("{point}:{nth}");
            assert!(watch(start(&directory, &name), usize::MAX, &mut acknowledged), "{name} was never reached");
            check(&directory, &acknowledged, &name);
        }
        assert!(!acknowledged.is_empty(), "{point}: nothing was acknowledged");
    }
}
