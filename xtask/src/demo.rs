//! `cargo xtask demo`: a site of its own on this machine: a journal, a node, two administrators; and a way in to it.
//!
//! **Invariant:** whatever ends the demo, everything that it started is stopped and everything that it wrote removed.

mod play;
mod script;

use std::io::IsTerminal;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::machine::{kernel, must_be_root, programs};
use crate::node::{Account, Build, NAME};
use crate::say::say;
use crate::stage::Stage;
use crate::wait;
use script::Script;

/// From where somebody comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// They log in to the node.
    Login,
    /// They sit at a workstation.
    Workstation,
}

/// Lands in a prompt; returns when that ends.
pub(crate) fn land(way: Way) -> Result<()> {
    must_be_root("the demo")?;
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Error::failed("the demo is a prompt, and this is no terminal: play a script with --script FILE"));
    }
    let (stage, interrupt) = stage()?;
    let command = match way {
        Way::Login => {
            say(
                "xtask: you are alice, who may operate this node; `help` lists what there is, `exit` ends and removes it all",
            );
            stage.node.pact(Account::Alice, &[])
        }
        Way::Workstation => {
            say(format!(
                "xtask: this is alice's workstation, in bash: try `pact exec {NAME} -- uname -r`, `pact shell {NAME}`"
            ));
            say("xtask: and `pact --help`; `exit` ends and removes it all");
            stage.workstation(Account::Alice)?.shell()
        }
    };
    say("");
    let status = at_prompt(command, &interrupt)?;
    drop(stage);
    say(format!("xtask: the prompt ended with {status}; everything is stopped and removed"));
    Ok(())
}

/// Plays a script on a terminal and prints the conversation; fails if what it expects does not come.
pub(crate) fn script(file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file).map_err(|error| Error::failed(format!("{}: {error}", file.display())))?;
    let script = Script::read(&text).map_err(|error| Error::failed(format!("{}:{error}", file.display())))?;
    must_be_root("the demo")?;
    let (stage, interrupt) = stage()?;
    let failures = play::play(&script, &stage, &interrupt)?;
    drop(stage);
    for failure in &failures {
        say(format!("{}:{failure}", file.display()));
    }
    match failures.len() {
        0 => Ok(()),
        1 => Err(Error::failed("one expectation does not hold")),
        many => Err(Error::failed(format!("{many} expectations do not hold"))),
    }
}

fn stage() -> Result<(Stage, Interrupt)> {
    programs::ensure(true)?;
    kernel::ensure()?;
    let interrupt = Interrupt::watch()?;
    say("xtask: building pact, pact-agent and pact-journal");
    let built = Build::Debug.make()?;
    interrupt.check()?;
    say(format!("xtask: starting a journal and a node of its own: {NAME} of the vCluster ml-training"));
    let stage = Stage::set(&built, &interrupt)?;
    Ok((stage, interrupt))
}

/// A program with this terminal as its own. Ctrl-C is for the prompt while it lasts.
fn at_prompt(mut command: Command, interrupt: &Interrupt) -> Result<std::process::ExitStatus> {
    let before = tcgetattr(std::io::stdin());
    for name in ["TERM", "COLORTERM", "NO_COLOR"] {
        std::env::var_os(name).map(|value| command.env(name, value));
    }
    let mut program = command.spawn()?;
    let status = to_its_end(&mut program, interrupt);
    if let Ok(modes) = before {
        // Where the program was ended it could not do this itself; a terminal that is gone needs it no more.
        let _kept = tcsetattr(std::io::stdin(), OptionalActions::Now, &modes);
    }
    status
}

fn to_its_end(program: &mut Child, interrupt: &Interrupt) -> Result<std::process::ExitStatus> {
    while !wait::for_exit(program.id(), Duration::from_millis(500))? {
        if interrupt.must_end() {
            let _gone = kill_process(Pid::from_child(program), Signal::TERM);
        }
    }
    Ok(program.wait()?)
}
