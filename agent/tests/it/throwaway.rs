//! Namespaces of mounts and of processes that end with what runs in them, and something in them to aim at.
//!
//! **Why:** tries that succeed do so there, and nothing of the machine is touched.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::hostile::Bait;

/// Where the bait is seen there.
pub(crate) const SEEN: &str = "/mnt";

/// Nothing on the machine's disks can be written but the bait: a layer that lets a file be made and not be removed
/// would leave it behind. What was built stays where it is, also in a checkout below /tmp. Then a socket below /run, two processes to aim at, one descriptor that should have been
/// closed, a terminal of its own to type on, and all parameters of the hostile program in WORDS.
const BEGINNING: &str = r#"
    set -e
    bait=$1 terminal=$2 words=$3 built=$4
    shift 4
    mount --bind "$bait" /mnt
    exec 8<"$built"
    for place in /tmp /var/tmp /dev/shm /run; do mount -t tmpfs tmpfs $place; done
    if ! [ -e "$built" ]; then
        mkdir -p "$built"
        mount --no-canonicalize --bind /proc/self/fd/8 "$built"
        mount -o remount,bind,ro "$built"
    fi
    exec 8<&-
    cp -a /etc /tmp/etc
    mount --bind /tmp/etc /etc
    mount -o remount,bind,ro /
    mkdir /tmp/cwd
    cd /tmp/cwd
    export HOME=/tmp/cwd
    : >/run/socket
    mount --bind /mnt/socket /run/socket
    setsid sleep infinity & first=$!
    setsid sleep infinity & second=$!
    export WORDS="host=$first agent=$first pact=$second other=$second agentsocket=/run/socket $words"
    exec 7</ <"$terminal"
"#;

/// Runs `command`, a line of sh whose `$1` and so on are `arguments`, as root in such a place.
pub(crate) fn run(bait: &Bait, command: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    assert!(rustix::process::geteuid().is_root(), "these tests make namespaces: run them as root");
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let own = [format!("spool={SEEN}/hidden"), format!("config={SEEN}/hidden")];
    Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"])
        .arg(format!("{BEGINNING}\n{command}"))
        .arg("sh")
        .arg(bait.directory())
        .arg(bait.terminal())
        .arg([bait.words(Path::new(SEEN)).as_slice(), &own].concat().join(" "))
        .arg(built)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}
