//! `cargo xtask ci`: named steps, the fast ones first; the first that fails ends the run.

use std::time::Instant;

use crate::error::{Error, Result};
use crate::run::cargo;
use crate::say::say;
use crate::test::FAILPOINTS;
use crate::{r#gen, test, tidy};

/// Everything that must hold before a change lands.
pub(crate) fn run() -> Result<()> {
    step("format", || cargo(&["fmt", "--all", "--check"]))?;
    step("generated", r#gen::check)?;
    step("tidy", tidy::run)?;
    // Both ways in which the agent is built; the second looks only at what the feature changes.
    step("clippy", || clippy(&["--features", FAILPOINTS]))?;
    step("clippy as released", || clippy(&[]))?;
    step("test", || test::run(&[]))
}

fn clippy(features: &[&str]) -> Result<()> {
    let (first, last) = (["clippy", "--workspace", "--all-targets"], ["--", "-D", "warnings"]);
    cargo(&[&first, features, &last].concat())
}

fn step(name: &str, what: impl FnOnce() -> Result<()>) -> Result<()> {
    say(format!("xtask: {name}"));
    let begun = Instant::now();
    what().map_err(|error| Error::failed(format!("{name}: {error}")))?;
    // The last step ends with what cargo says of the tests, so that whoever reads the end of a log finds it there.
    if name != "test" {
        say(format!("xtask: {name}: holds, {} s", begun.elapsed().as_secs()));
    }
    Ok(())
}
