//! `cargo xtask demo`: a node of its own on this machine, and the prompt of an account that may operate it.
//!
//! **Invariant:** whatever ends the demo, everything that it started is stopped and everything that it wrote removed.

mod play;
mod script;

use std::io::IsTerminal;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::machine::{kernel, must_be_root, programs};
use crate::node::{Account, Build, Node};
use crate::say::say;
use crate::{root, wait};
use script::Script;

/// Lands in the prompt; returns when that ends.
pub(crate) fn prompt() -> Result<()> {
    must_be_root("the demo")?;
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Error::failed("the demo is a prompt, and this is no terminal: play a script with --script FILE"));
    }
    let (node, interrupt) = node()?;
    say("xtask: you are alice, who may operate this node; `help` lists what there is, `exit` ends and removes it all");
    say("");
    let status = at_prompt(&node, &interrupt)?;
    drop(node);
    say(format!("xtask: the prompt ended with {status}; everything is stopped and removed"));
    Ok(())
}

/// Plays a script on a terminal and prints the conversation; fails if what it expects does not come.
pub(crate) fn script(file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file).map_err(|error| Error::failed(format!("{}: {error}", file.display())))?;
    let script = Script::read(&text).map_err(|error| Error::failed(format!("{}:{error}", file.display())))?;
    must_be_root("the demo")?;
    let (node, interrupt) = node()?;
    let failures = play::play(&script, &node, &interrupt)?;
    drop(node);
    for failure in &failures {
        say(format!("{}:{failure}", file.display()));
    }
    match failures.len() {
        0 => Ok(()),
        1 => Err(Error::failed("one expectation does not hold")),
        many => Err(Error::failed(format!("{many} expectations do not hold"))),
    }
}

fn node() -> Result<(Node, Interrupt)> {
    programs::ensure(true)?;
    kernel::ensure()?;
    let interrupt = Interrupt::watch()?;
    say("xtask: building pact and pact-agent");
    let built = Build::Debug.make()?;
    interrupt.check()?;
    say("xtask: starting a node of its own: node042 of the vCluster ml-training");
    let node = Node::start(&built, &root().join("examples/programs"), &interrupt)?;
    Ok((node, interrupt))
}

/// `pact` with this terminal as its own. Ctrl-C is for the prompt while it lasts.
fn at_prompt(node: &Node, interrupt: &Interrupt) -> Result<std::process::ExitStatus> {
    let before = tcgetattr(std::io::stdin());
    let mut command = node.pact(Account::Alice, &[]);
    for name in ["TERM", "COLORTERM", "NO_COLOR"] {
        std::env::var_os(name).map(|value| command.env(name, value));
    }
    let mut pact = command.spawn()?;
    let status = to_its_end(&mut pact, interrupt);
    if let Ok(modes) = before {
        // Where `pact` was ended it could not do this itself; a terminal that is gone needs it no more.
        let _kept = tcsetattr(std::io::stdin(), OptionalActions::Now, &modes);
    }
    status
}

fn to_its_end(pact: &mut Child, interrupt: &Interrupt) -> Result<std::process::ExitStatus> {
    while !wait::for_exit(pact.id(), Duration::from_millis(500))? {
        if interrupt.must_end() {
            let _gone = kill_process(Pid::from_child(pact), Signal::TERM);
        }
    }
    Ok(pact.wait()?)
}
