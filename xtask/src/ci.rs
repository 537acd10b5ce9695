//! `cargo xtask ci`: named steps, the fast ones first; the first that fails ends the run.

use std::process::Command;

use crate::error::{Error, Result};
use crate::{r#gen, root};

/// Everything that must hold before a change lands.
pub(crate) fn run() -> Result<()> {
    step("format", || cargo(&["fmt", "--all", "--check"]))?;
    step("generated", r#gen::check)?;
    step("clippy", || cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))?;
    step("test", || cargo(&["test", "--workspace"]))
}

#[expect(clippy::print_stderr, reason = "xtask talks to the person who ran it")]
fn step(name: &str, what: impl FnOnce() -> Result<()>) -> Result<()> {
    eprintln!("xtask: {name}");
    what().map_err(|error| Error::failed(format!("{name}: {error}")))
}

fn cargo(args: &[&str]) -> Result<()> {
    let status = Command::new(env!("CARGO")).args(args).current_dir(root()).status()?;
    if status.success() { Ok(()) } else { Err(Error::failed(format!("cargo {} failed", args.join(" ")))) }
}
