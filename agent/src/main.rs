//! `pact-agent --config FILE`: what must happen in order before the first session.
//!
//! **Invariant:** the launcher is forked before any thread, key or database exists; after that this process can
//! start no other, and the kernel holds it to that.

use std::path::PathBuf;
use std::process::ExitCode;

use pact_agent::AgentError;

#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "the supervisor's journal is where an agent that cannot start says why; a probe writes to its launcher"
)]
fn main() -> ExitCode {
    let config = match arguments(std::env::args_os().skip(1)) {
        Ok(Asked::Serve(config)) => config,
        Ok(Asked::Probe) => {
            print!("{}", pact_agent::sandbox::probe::run());
            return ExitCode::SUCCESS;
        }
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

/// What this process is for.
enum Asked {
    Serve(PathBuf),
    /// Started by the launcher's self-test, inside the sandbox.
    Probe,
}

fn arguments(mut words: impl Iterator<Item = std::ffi::OsString>) -> Result<Asked, &'static str> {
    match (words.next(), words.next(), words.next()) {
        (None, _, _) => Ok(Asked::Serve(pact_agent::config::DEFAULT_PATH.into())),
        (Some(flag), Some(path), None) if flag == "--config" => Ok(Asked::Serve(path.into())),
        (Some(flag), None, None) if flag == "--probe" => Ok(Asked::Probe),
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
