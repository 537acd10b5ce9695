//! Namespaces of mounts and of processes that end with what runs in them, and something in them to aim at.
//!
//! **Why:** tries that succeed do so there, and nothing of the machine is touched.

use std::process::{Command, Output, Stdio};

use crate::hostile::Bait;

/// A socket below /run, two processes to aim at, one descriptor that should have been closed, a terminal of its own to
/// type on, and all parameters of the hostile program in WORDS.
const BEGINNING: &str = r#"
    terminal=$1 socket=$2 words=$3
    shift 3
    mount -t tmpfs -o mode=755 tmpfs /run && : >/run/socket && mount --bind "$socket" /run/socket || exit 99
    setsid sleep infinity & first=$!
    setsid sleep infinity & second=$!
    export WORDS="host=$first agent=$first pact=$second other=$second agentsocket=/run/socket $words"
    exec 7</ <"$terminal"
"#;

/// Runs `command`, a line of sh whose `$1` and so on are `arguments`, as root in such a place.
pub(crate) fn run(bait: &Bait, command: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    assert!(rustix::process::geteuid().is_root(), "these tests make namespaces: run them as root");
    let hidden = bait.path("hidden").display().to_string();
    let own = [format!("spool={hidden}"), format!("config={hidden}")];
    Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"])
        .arg(format!("{BEGINNING}\n{command}"))
        .arg("sh")
        .arg(bait.terminal())
        .arg(bait.path("socket"))
        .arg([bait.words().as_slice(), &own].concat().join(" "))
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}
