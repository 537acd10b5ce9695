//! Programs that a task runs.
//!
//! **Invariant:** what a task starts is seen and heard: its output is the task's output, and a failure names it.

use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::root;

/// The cargo that runs this task, at the top of the work tree.
pub(crate) fn cargo(args: &[&str]) -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(args).current_dir(root());
    to_its_end(&mut cargo, &format!("cargo {}", args.join(" ")))
}

/// Runs something to its end; its output is shown as it comes.
pub(crate) fn to_its_end(command: &mut Command, name: &str) -> Result<()> {
    let status = command.status().map_err(|error| Error::failed(format!("{name}: {error}")))?;
    if status.success() { Ok(()) } else { Err(Error::failed(format!("{name}: {status}"))) }
}

/// What something prints; its complaints are shown as they come.
pub(crate) fn output_of(command: &mut Command, name: &str) -> Result<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| Error::failed(format!("{name}: {error}")))?;
    if !output.status.success() {
        return Err(Error::failed(format!("{name}: {}", output.status)));
    }
    String::from_utf8(output.stdout).map_err(|_| Error::failed(format!("{name}: its output is not UTF-8")))
}
