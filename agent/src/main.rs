//! `pact-agent --config FILE`: what must happen in order before the first session.
//!
//! **Invariant:** the launcher is forked before any thread, key or database exists; after that this process can
//! start no other, and the kernel holds it to that.

use std::path::PathBuf;
use std::process::ExitCode;

use pact_agent::AgentError;

#[expect(clippy::print_stderr, reason = "the supervisor's journal is where an agent that cannot start says why")]
fn main() -> ExitCode {
    let config = match arguments(std::env::args_os().skip(1)) {
        Ok(config) => config,
        Err(usage) => {
            eprintln!("pact-agent: {usage}");
            return ExitCode::from(pact_proto::exit::ExitCode::General.number());
        }
    };
    match pact_agent::run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pact-agent: {}", chain(&error));
            ExitCode::from(pact_proto::exit::ExitCode::General.number())
        }
    }
}

fn arguments(mut words: impl Iterator<Item = std::ffi::OsString>) -> Result<PathBuf, &'static str> {
    match (words.next(), words.next(), words.next()) {
        (None, _, _) => Ok(pact_agent::config::DEFAULT_PATH.into()),
        (Some(flag), Some(path), None) if flag == "--config" => Ok(path.into()),
        (Some(_), _, _) => Err("usage: pact-agent [--config FILE]"),
    }
}

/// The error and what is behind it.
fn chain(error: &AgentError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}
