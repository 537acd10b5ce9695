//! `cargo xtask tidy`: the rules of the house that no compiler knows.
//!
//! **Invariant:** every rule is a function from what is in the tree to what is wrong with it, and has a test that shows
//! it failing. A finding says where, what, and what to do.

mod arrows;
mod changelog;
mod code;
mod commands;
mod examples;
mod licences;
mod locked;
mod openings;
mod places;
mod sizes;
mod tree;
mod words;

use std::fmt;

use crate::error::{Error, Result};
use crate::root;
use crate::say::say;
use tree::Tree;

/// Something that is not as the house has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    path: String,
    /// From 1; 0 for the whole file.
    line: usize,
    what: String,
    /// What to do.
    fix: String,
}

impl Finding {
    fn new(path: impl Into<String>, line: usize, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { path: path.into(), line, what: what.into(), fix: fix.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, what, fix } = self;
        if *line == 0 { write!(f, "{path}: {what}: {fix}") } else { write!(f, "{path}:{line}: {what}: {fix}") }
    }
}

/// Looks at everything and names all that is wrong.
pub(crate) fn run() -> Result<()> {
    let tree = Tree::load(&root())?;
    let findings = [
        openings::check(&tree),
        places::check(&tree),
        sizes::check(&tree),
        words::check(&tree),
        changelog::check(&tree),
        examples::check(&tree),
        commands::check(&tree),
        arrows::check(&arrows::read()?),
        locked::check(&tree),
        licences::check(&tree, &licences::read()?),
    ]
    .concat();
    for finding in &findings {
        say(finding);
    }
    match findings.len() {
        0 => Ok(()),
        1 => Err(Error::failed("one thing is not as the house has it")),
        many => Err(Error::failed(format!("{many} things are not as the house has them"))),
    }
}
