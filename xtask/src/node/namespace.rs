//! A mount namespace with a node's accounts in place and a fresh /run.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::error::{Error, Result};

/// Held open by a process that ends when its standard input does; dropping this waits for that.
///
/// The process removes the node's directory when it ends, for a parent that was killed and cannot.
pub(super) struct Namespace(Child);

impl Namespace {
    pub(super) fn hold(place: &Path) -> Result<Self> {
        let script = "mount -t tmpfs -o mode=755 tmpfs /run && mount --bind \"$1/passwd\" /etc/passwd \
                      && mount --bind \"$1/group\" /etc/group && echo ready && cat && rm -rf \"$1\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "slave", "sh", "-c", script, "sh"]).arg(place).process_group(0);
        let holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut namespace = Self(holder);
        let mut ready = String::new();
        if let Some(stdout) = namespace.0.stdout.as_mut() {
            BufReader::new(stdout).read_line(&mut ready)?;
        }
        if ready == "ready\n" {
            return Ok(namespace);
        }
        let mut why = String::new();
        if let Some(stderr) = namespace.0.stderr.as_mut() {
            stderr.read_to_string(&mut why)?;
        }
        Err(Error::failed(format!("a mount namespace cannot be made here: {}", why.trim())))
    }

    /// The words that make a program run in it.
    pub(super) fn enter(&self) -> [String; 2] {
        ["nsenter".to_owned(), format!("--mount=/proc/{}/ns/mnt", self.0.id())]
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _status = self.0.wait();
    }
}
