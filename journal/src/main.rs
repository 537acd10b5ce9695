//! `pact-journal [--config FILE]`: a member of the journal. `pact-journal verify DIR`: what nobody has open, looked
//! through from the first record to the last.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pact_journal::{config, listing};

const USAGE: &str = "usage: pact-journal [--config FILE]
       pact-journal verify [--list] DIR";

fn main() -> ExitCode {
    match arguments(std::env::args_os().skip(1)) {
        Some(Asked::Serve(path)) => end(pact_journal::run(&path, say)),
        Some(Asked::Verify { directory, list }) => verify(&directory, list),
        None => fail(USAGE),
    }
}

/// What this process is for.
enum Asked {
    Serve(PathBuf),
    Verify { directory: PathBuf, list: bool },
}

fn arguments(words: impl Iterator<Item = OsString>) -> Option<Asked> {
    let words: Vec<_> = words.collect();
    let texts: Vec<_> = words.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    let last = || PathBuf::from(words.last().cloned().unwrap_or_default());
    let is_path = texts.last().is_some_and(|word| !word.starts_with('-'));
    match texts.as_slice() {
        [] => Some(Asked::Serve(config::DEFAULT_PATH.into())),
        ["--config", _] => Some(Asked::Serve(last())),
        ["verify", _] if is_path => Some(Asked::Verify { directory: last(), list: false }),
        ["verify", "--list", _] if is_path => Some(Asked::Verify { directory: last(), list: true }),
        _ => None,
    }
}

fn verify(directory: &Path, list: bool) -> ExitCode {
    // A reader that has seen enough is no error, and no reason to look no further.
    let print = |line: &str| drop(std::io::stdout().write_all(line.as_bytes()));
    match listing::verify(directory, if list { &print } else { &|_| {} }) {
        Ok(verified) => {
            let tip = verified.tip;
            print(&format!("journal {:?}: {} records, the last has hash {}\n", verified.cluster, tip.seq.0, tip.hash));
            if verified.unapplied > 0 {
                say(&format!(
                    "{} entries of the log are not among these records: the member adds what they hold when it starts",
                    verified.unapplied
                ));
            }
            ExitCode::SUCCESS
        }
        Err(error) => end(Err::<(), _>(error)),
    }
}

fn end(result: Result<(), impl std::error::Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&chain(&error)),
    }
}

fn fail(why: &str) -> ExitCode {
    say(why);
    ExitCode::from(pact_proto::exit::ExitCode::General.number())
}

#[expect(clippy::print_stderr, reason = "what a service says, whoever started it keeps")]
fn say(line: &str) {
    eprintln!("pact-journal: {line}");
}

/// The error and what is behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}
