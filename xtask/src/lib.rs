//! The one door for automation: `cargo xtask <task>`; and what tests make nodes, terminals and conditions with.
//!
//! **Invariant:** nothing that is shipped depends on this crate; tests may.

pub mod authority;
mod bench;
mod ci;
mod demo;
pub mod error;
mod r#gen;
pub mod interrupt;
pub mod issuer;
mod machine;
mod man;
pub mod node;
mod run;
mod say;
pub mod site;
mod soak;
pub mod ssh;
mod stage;
pub mod terminal;
mod test;
mod tidy;
pub mod tmux;
pub mod wait;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use demo::Way;
use error::{Error, Result};

const USAGE: &str = "usage: cargo xtask <task>

  demo [--workstation | --script FILE]
                               a site of its own on this machine: the prompt of its node, or a workstation's shell, or
                               a script that is played there
  test [--no-install] [NAME…]  everything that is tested, or what has NAME in its name
  ci                           format, generated code, tidy, clippy, test
  tidy                         the rules of the house
  gen [--check]                Rust from the .proto files
  man DIR                      the man pages of pact and its commands
  bench [--json FILE]          figures, each beside its peer
  soak [SECONDS]               the journal away for ten minutes while sessions work, then back: is all there?";

/// Runs a task by its words, and tells what went wrong.
pub fn run(args: &[String]) -> ExitCode {
    match task(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::say(format!("xtask: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn task(args: &[String]) -> Result<()> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["demo"] => demo::land(Way::Login),
        ["demo", "--workstation"] => demo::land(Way::Workstation),
        ["demo", "--script", file] => demo::script(Path::new(file)),
        ["bench"] => bench::run(None),
        ["bench", "--json", file] => bench::run(Some(Path::new(file))),
        ["soak"] => soak::run(Duration::from_secs(600)),
        ["soak", seconds] => soak::run(Duration::from_secs(number(seconds)?)),
        ["ci"] => ci::run(),
        ["tidy"] => tidy::run(),
        ["test", rest @ ..] => test::run(rest),
        ["man", directory] => man::write(Path::new(directory)),
        ["gen"] => r#gen::write(),
        ["gen", "--check"] => r#gen::check(),
        _ => Err(Error::failed(USAGE)),
    }
}

fn number(word: &str) -> Result<u64> {
    word.parse().map_err(|_| Error::failed(format!("`{word}` is no number of seconds")))
}

/// The top of the work tree.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}
