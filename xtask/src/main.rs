//! The one door for automation: `cargo xtask <task>`.

mod ci;
mod error;
mod r#gen;

use std::path::PathBuf;
use std::process::ExitCode;

use error::{Error, Result};

#[expect(clippy::print_stderr, reason = "xtask talks to the person who ran it")]
fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["ci"] => ci::run(),
        ["gen"] => r#gen::write(),
        ["gen", "--check"] => r#gen::check(),
        _ => Err(Error::failed("usage: cargo xtask ci | gen [--check]")),
    }
}

/// The top of the work tree.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
