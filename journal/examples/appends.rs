//! Appends acknowledged a second, from many producers, beside a loop of write and fdatasync of the same batches.
//!
//! `appends DIR PRODUCERS SECONDS` prints two numbers: ours, and the peer's. A producer is a node: it sends the next
//! entry when the one before is acknowledged.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pact_journal::Journal;
use pact_journal::consensus::{MemberId, RaftSettings};
use pact_journal::entry::{Index, Item, Key};
use pact_journal::storage::Settings;
use pact_proto::model::{NodeName, SpoolEpoch, SpoolNumber, SpoolPosition};

/// About what the record of a line takes.
const RECORD: usize = 400;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [directory, producers, seconds] = words.as_slice() else { return Err("DIR PRODUCERS SECONDS".into()) };
    let (directory, producers) = (Path::new(directory), producers.parse()?);
    let time = Duration::from_secs(seconds.parse()?);
    let ours = ours(&directory.join(format!("journal-{producers}")), producers, time)?;
    let peer = peer(&directory.join(format!("file-{producers}")), producers, time)?;
    writeln!(std::io::stdout(), "{ours:.0} {peer:.0}")?;
    Ok(())
}

fn ours(directory: &Path, producers: u64, time: Duration) -> Result<f64, Failure> {
    // As the program does.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let settings = Settings {
            directory: directory.to_owned(),
            cluster: "bench".to_owned(),
            member: MemberId(1),
            members: [MemberId(1)].into(),
        };
        let journal = Arc::new(Journal::open(&settings, RaftSettings::default()).await?);
        journal.append(vec![item(&"node000".parse()?, 1)]).await?;
        let begun = Instant::now();
        let mut all = tokio::task::JoinSet::new();
        for producer in 1..=producers {
            let (journal, node) = (Arc::clone(&journal), format!("node{producer:03}").parse()?);
            all.spawn(async move {
                let mut number = 0;
                while begun.elapsed() < time {
                    number += 1;
                    journal.append(vec![item(&node, number)]).await?;
                }
                Ok::<_, pact_journal::group::AppendError>(number)
            });
        }
        let mut count = 0;
        while let Some(done) = all.join_next().await {
            count += done??;
        }
        Ok(a_second(count, begun))
    })
}

/// As a node's entry comes, with the indexes that it has.
fn item(node: &NodeName, number: u64) -> Item {
    let key = |index, value: &str| Key { index, value: value.as_bytes().to_vec() };
    let scope = format!("node:{node}");
    let keys = vec![key(Index::SCOPE, &scope), key(Index::AUTHOR, "alice@example.org"), key(Index::KIND, "LINE")];
    let source = Some(SpoolPosition { node: node.clone(), epoch: SpoolEpoch(1), number: SpoolNumber(number) });
    Item { source, keys, payload: vec![b'x'; RECORD] }
}

/// Everything that waits is one batch: one of each producer.
fn peer(path: &Path, producers: u64, time: Duration) -> Result<f64, Failure> {
    let mut file = File::create(path)?;
    let batch = vec![b'x'; RECORD * usize::try_from(producers)?];
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < time {
        file.write_all(&batch)?;
        file.sync_data()?;
        count += producers;
    }
    Ok(a_second(count, begun))
}

#[expect(clippy::cast_precision_loss, reason = "nobody appends 2^52 entries here")]
fn a_second(count: u64, since: Instant) -> f64 {
    count as f64 / since.elapsed().as_secs_f64()
}
