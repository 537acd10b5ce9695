//! `cargo xtask bench`: figures, each beside its peer, taken in turns in the same run.
//!
//! **Invariant:** a time is never a reason to fail; what is not reached is stated.
//! **Why:** turns, because a machine's mood lasts for seconds: what is measured one after the other is measured on two
//! machines.

mod appends;
mod costs;
mod crowd;
mod delay;
mod figure;
mod keys;
mod lines;
mod machine;
mod prompt;
mod remote;
mod terminals;

use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::machine::{kernel, must_be_root, programs};
use crate::node::{Build, Node, Setup};
use crate::root;
use crate::run::cargo;
use crate::say::{say, show};
use figure::Figure;
use machine::Machine;

#[derive(Serialize)]
struct Report {
    machine: Machine,
    figures: Vec<Figure>,
}

/// Measures, shows a table, and writes JSON where asked.
pub(crate) fn run(json: Option<&Path>) -> Result<()> {
    must_be_root("the bench")?;
    programs::ensure(true)?;
    kernel::ensure()?;
    let interrupt = Interrupt::watch()?;
    say("xtask: building pact and pact-agent as they are released");
    let built = Build::Release.make()?;
    cargo(&["build", "--release", "--package", "pact-journal", "--example", "appends"])?;
    cargo(&["build", "--release", "--package", "pact-shell", "--example", "costs"])?;
    interrupt.check()?;
    let machine = Machine::look()?;
    let figures = measure(&built, &interrupt)?;
    let report = Report { machine: machine.after()?, figures };
    show(figure::table(&report.figures));
    show(format!("\n{}\n", report.machine));
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&report).map_err(|error| Error::failed(format!("JSON: {error}")))?;
        std::fs::write(path, text + "\n")?;
        say(format!("xtask: written to {}", path.display()));
    }
    Ok(())
}

fn measure(built: &Path, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    say("xtask: a node with the example's programs: lines and starts");
    let node =
        Node::start(&Setup { built, programs: &root().join("examples/programs"), agent: "", policy: "" }, interrupt)?;
    let mut figures = lines::measure(&node, interrupt)?;
    say("xtask: from start to prompt");
    figures.push(prompt::measure(&node, interrupt)?);
    drop(node);
    say(format!("xtask: a node with {} programs: keystrokes", keys::NAMES));
    figures.push(keys::measure(built, interrupt)?);
    say("xtask: schemas and filters");
    figures.extend(costs::measure(&built.join("examples/costs"))?);
    say("xtask: prompts beside a crowd");
    figures.push(crowd::measure(built, interrupt)?);
    say("xtask: a workstation, a node and sshd on loopback");
    figures.extend(remote::measure(built, interrupt)?);
    say("xtask: terminals, from far away");
    figures.extend(terminals::measure(built, interrupt)?);
    say("xtask: appends to a journal");
    figures.extend(appends::measure(&built.join("examples/appends"), interrupt)?);
    Ok(figures)
}
