//! `cargo xtask test`: sets up what the tests need and runs every test there is.
//!
//! **Invariant:** nothing is left out for want of a program or a kernel feature; what is missing ends the run by name.
//! The last lines are cargo's own, with the number of tests that passed and failed.

use crate::error::{Error, Result};
use crate::machine::{kernel, must_be_root, programs};
use crate::run::cargo;
use crate::say::say;

/// Some tests stop the agent or the journal at a named point. It is the whole build that has the features, so that the
/// agent that the tests start is built once and not again without them.
pub(crate) const FAILPOINTS: &str = "pact-agent/failpoints,pact-journal/failpoints,pact-shell/failpoints";

/// `[--no-install] [NAME…]`
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let asked = Asked::read(args)?;
    say("xtask: looking for programs and kernel features");
    programs::ensure(asked.install)?;
    must_be_root("the tests")?;
    kernel::ensure()?;
    say("xtask: building every program and every test");
    cargo(&["build", "--workspace", "--all-targets", "--features", FAILPOINTS])?;
    say("xtask: running the tests");
    let run = ["test", "--workspace", "--no-fail-fast", "--features", FAILPOINTS, "--"];
    cargo(&[&run, asked.names.as_slice()].concat())
}

#[derive(Debug, PartialEq, Eq)]
struct Asked<'a> {
    install: bool,
    names: Vec<&'a str>,
}

impl<'a> Asked<'a> {
    fn read(args: &[&'a str]) -> Result<Self> {
        let mut asked = Self { install: true, names: Vec::new() };
        for argument in args {
            match *argument {
                "--no-install" => asked.install = false,
                option if option.starts_with('-') => {
                    return Err(Error::failed(format!("test: there is no {option}: test [--no-install] [NAME…]")));
                }
                name => asked.names.push(name),
            }
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_the_one_option() {
        let asked = Asked::read(&["grammar", "--no-install", "spool"]).unwrap();
        assert_eq!(asked, Asked { install: false, names: vec!["grammar", "spool"] });
        assert!(Asked::read(&["--noinstall"]).unwrap_err().to_string().contains("--noinstall"));
    }
}
