//! The control: without a sandbox the hostile program gets what it wants, so tests in which it does not can fail.

use std::process::{Command, Stdio};

use crate::hostile::{Bait, Verdict, Verdicts, build, excused, names, parse};

/// Two processes to aim at, one descriptor that should have been closed, and a terminal to type on.
const SCRIPT: &str = r#"
    program=$1 terminal=$2
    shift 2
    sleep infinity & first=$!
    sleep infinity & second=$!
    exec 7</
    exec setsid --ctty --wait "$program" all host=$first agent=$first pact=$second other=$second "$@" <"$terminal"
"#;

#[test]
fn without_a_sandbox_every_try_succeeds() {
    let bait = Bait::lay();
    let hidden = bait.path("hidden").display().to_string();
    let verdicts = outside(&bait, &[format!("spool={hidden}"), format!("config={hidden}"), agent_socket(&bait)]);
    let failed: Vec<_> = verdicts
        .iter()
        .filter(|(name, verdict)| !matches!(verdict, Verdict::Succeeded(_)) && excused(name).is_none())
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let mut missing = names();
    missing.retain(|name| !verdicts.contains_key(name));
    assert!(missing.is_empty(), "no verdict: {missing:?}");
}

fn agent_socket(bait: &Bait) -> String {
    format!("agentsocket={}", bait.path("socket").display())
}

/// All tries as root, in namespaces of mounts and of processes that end with them.
fn outside(bait: &Bait, words: &[String]) -> Verdicts {
    assert!(rustix::process::geteuid().is_root(), "these tests make namespaces: run them as root");
    let output = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", SCRIPT, "sh"])
        .arg(build())
        .arg(bait.terminal())
        .args(bait.words())
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(10), "{said}{}", String::from_utf8_lossy(&output.stderr));
    parse(&said).unwrap()
}

#[test]
fn what_the_program_says_is_read_whole() {
    let verdicts = parse("a: refused (EPERM)\nb: SUCCEEDED open\nc: unclear needs x=\n").unwrap();
    assert_eq!(verdicts["a"], Verdict::Refused("EPERM".to_owned()));
    assert_eq!(verdicts["b"], Verdict::Succeeded("open".to_owned()));
    assert_eq!(verdicts["c"], Verdict::Unclear("needs x=".to_owned()));
    assert!(parse("a: refused (EPERM)\nsomething else\n").is_err());
}
