//! What pact does with a line and with its output: one row each, `name ours peer`, in nanoseconds by the median.
//!
//! `costs PROGRAMS CASES` reads the files of programs and their cases: each line of these is read by the grammar and matched
//! by its schema; the peer is the grammar alone. What filters output gets 4 KiB of it; the peer copies them as UTF-8.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use pact_proto::grammar::{self, Line};
use pact_proto::program::Program;

#[path = "../src/output.rs"]
mod output;

type Failure = Box<dyn std::error::Error>;
/// A name, and two times in nanoseconds.
type Row = (&'static str, u128, u128);

const ROUNDS: usize = 200;
const OUTPUT: usize = 4096;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [programs, cases] = words.as_slice() else { return Err("PROGRAMS CASES".into()) };
    for (name, ours, peer) in [lines(Path::new(programs), Path::new(cases))?, filtered()] {
        writeln!(std::io::stdout(), "{name} {ours} {peer}")?;
    }
    Ok(())
}

/// The whitelist, in memory as it is in an agent, and every line of the cases.
fn lines(programs: &Path, cases: &Path) -> Result<Row, Failure> {
    let mut whitelist = BTreeMap::new();
    let mut lines = Vec::new();
    for file in std::fs::read_dir(programs)? {
        let program = Program::from_toml(&std::fs::read_to_string(file?.path())?)?;
        let cases = std::fs::read_to_string(cases.join(format!("{}.cases", program.name())))?;
        lines.extend(cases.lines().filter_map(|row| row.strip_prefix("> ")).map(str::to_owned));
        whitelist.insert(program.name().to_string(), program);
    }
    let parse = |line: &str| grammar::parse(Line::new(line.as_bytes())).ok()?.expand(Vec::new()).ok();
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS / 10 {
        for line in &lines {
            peers.push(time(|| drop(black_box(parse(black_box(line))))));
            ours.push(time(|| {
                let Some(parsed) = parse(black_box(line)) else { return };
                for stage in parsed.stages() {
                    let name = stage.words().first().and_then(|name| std::str::from_utf8(name).ok());
                    let found = name.and_then(|name| whitelist.get(name));
                    black_box(found.map(|program| program.schema().match_argv(stage.words()).is_ok()));
                }
            }));
        }
    }
    Ok(("schemas", median(ours), median(peers)))
}

fn filtered() -> Row {
    let row = b"\x1b[32m[   14.302211]\x1b[0m nvidia: loading out-of-tree module taints kernel.\n";
    let text: Vec<u8> = row.iter().copied().cycle().take(OUTPUT).collect();
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut out = Vec::with_capacity(2 * OUTPUT);
        ours.push(time(|| {
            let mut filter = output::Filter::default();
            filter.pass(black_box(&text), &mut out);
            filter.finish(&mut out);
            black_box(&out);
        }));
        peers.push(time(|| drop(black_box(String::from_utf8_lossy(black_box(&text)).into_owned()))));
    }
    ("filter", median(ours), median(peers))
}

fn time(work: impl FnOnce()) -> u128 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_nanos()
}

fn median(mut times: Vec<u128>) -> u128 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
