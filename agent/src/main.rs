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
        Ok(Asked::Lint(paths)) => {
            let findings = pact_agent::lint::lint(&paths);
            for finding in &findings {
                println!("{finding}");
            }
            let is_serious = findings.iter().any(pact_agent::lint::Finding::is_serious);
            return ExitCode::from(u8::from(is_serious));
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
    /// What is to be said of files of programs.
    Lint(Vec<PathBuf>),
}

/// Where the packages put them.
const PROGRAMS: &str = "/etc/pact/programs";
const USAGE: &str = "usage: pact-agent [--config FILE], or pact-agent whitelist lint [FILE|DIR…]";

fn arguments(words: impl Iterator<Item = std::ffi::OsString>) -> Result<Asked, &'static str> {
    let words: Vec<_> = words.collect();
    if let [whitelist, lint, paths @ ..] = words.as_slice()
        && whitelist == "whitelist"
        && lint == "lint"
    {
        let paths = if paths.is_empty() { vec![PROGRAMS.into()] } else { paths.iter().map(PathBuf::from).collect() };
        return Ok(Asked::Lint(paths));
    }
    let mut words = words.into_iter();
    match (words.next(), words.next(), words.next()) {
        (None, _, _) => Ok(Asked::Serve(pact_agent::config::DEFAULT_PATH.into())),
        (Some(flag), Some(path), None) if flag == "--config" => Ok(Asked::Serve(path.into())),
        (Some(flag), None, None) if flag == "--probe" => Ok(Asked::Probe),
        (Some(_), _, _) => Err(USAGE),
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
