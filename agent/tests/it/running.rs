//! The agent as it runs on a node, seen from outside and through `pact`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use pact_xtask::node::{Account, Node};

use crate::node;

/// A program of which one form needs a terminal.
const PAINTER: &str = r#"
name = "painter"
about = "draw on a terminal, unless it is told not to"
paths = ["/usr/bin/uname"]
[[form]]
effect = "read"
terminal = true
[[form]]
effect = "read"
options = [{ names = ["-s"], about = "as text" }]
"#;

/// A value of a file like /proc/PID/status.
fn value(status: &str, key: &str) -> String {
    let found = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(":\t"));
    found.unwrap_or_else(|| panic!("no {key}: {status}")).to_owned()
}

/// The names of the processes whose parent this is.
fn children(pid: u32) -> Vec<String> {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|item| item.file_name().into_string().ok());
    let status = pids.filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok());
    let children = status.filter(|status| value(status, "PPid") == pid.to_string());
    children.map(|status| value(&status, "Name")).collect()
}

/// Every thread of a process has so many filters, and gains nothing by what it executes.
fn is_held(pid: u32, filters: &str) {
    for thread in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        let status = fs::read_to_string(thread.path().join("status")).unwrap();
        for (key, expected) in [("Seccomp", "2"), ("Seccomp_filters", filters), ("NoNewPrivs", "1")] {
            assert_eq!(value(&status, key), expected, "{key} of the thread {}", value(&status, "Name"));
        }
    }
}

/// What the filters refuse is the business of unit tests; here they are there.
#[test]
fn the_agent_that_serves_is_held_to_starting_nothing() {
    let node = node::with(&[]);
    let said = node.run(Account::Alice, &["-c", "uname -s"]).unwrap();
    assert_eq!((said.stdout.as_str(), said.code), ("Linux\n", Some(0)), "{said:?}");
    is_held(node.agent_pid(), "1");
    assert_eq!(children(node.agent_pid()), ["pact-launcher"]);
}

#[test]
fn pact_is_held_while_it_talks_to_the_agent() {
    let node = node::with(&[]);
    let mut pact = node.pact(Account::Alice, &[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut lines, mut said) = (pact.stdin.take().unwrap(), String::new());
    writeln!(lines, "uname -s").unwrap();
    BufReader::new(pact.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "Linux\n");
    is_held(pact.id(), "1");
    // Whoever is not dumpable is root's to look at, not its own account's.
    assert_eq!(fs::metadata(format!("/proc/{}/environ", pact.id())).unwrap().uid(), 0);
    assert_eq!(children(pact.id()), Vec::<String>::new());
    drop(lines);
    assert_eq!(pact.wait().unwrap().code(), Some(0));
}

/// Lines that the policy permits: where they lead is the kernel's business.
#[test]
fn what_a_program_names_and_may_not_have_stays_closed() {
    let node = node::with(&[]);
    let (secret, link) = (node.path("etc/policy.toml"), "/tmp/pact-test-link-to-shadow");
    assert!(node.enter("mount").args(["-t", "tmpfs", "tmpfs", "/tmp"]).status().unwrap().success());
    assert!(node.enter("ln").args(["-s", "/etc/shadow", link]).status().unwrap().success());
    for line in [
        "cat /etc/shadow",
        "cat //etc///shadow",
        "cat /proc/self/cwd/shadow",
        "cat /proc/self/root/etc/shadow",
        "cat /proc/1/environ",
        "cat /proc/1/fd/0",
        "cat /dev/fd/3",
        "cat /dev/mem",
        "cat /dev/tty",
        "tail -c +1 /etc/shadow",
        &format!("cat {link}"),
        &format!("cat {}", secret.display()),
        &format!("grep -r '' {}", node.path("spool").display()),
    ] {
        let said = node.run(Account::Alice, &["-c", line]).unwrap();
        assert!(said.stdout.is_empty() && said.code != Some(0) && !said.stderr.is_empty(), "{line}: {said:?}");
        assert!(lines_of_alice(&node).iter().any(|record| record.contains(line)), "{line} is not on record");
    }
    let said = node.run(Account::Alice, &["-c", "cat /proc/self/environ"]).unwrap();
    let names: Vec<_> = said.stdout.split_terminator('\0').filter_map(|pair| pair.split('=').next()).collect();
    assert_eq!(names, ["PATH", "HOME", "LANG", "TERM"]);
}

fn lines_of_alice(node: &Node) -> Vec<String> {
    let records = node.records().unwrap();
    records.into_iter().filter(|r| r.contains(" LINE ") && r.contains(" alice@example.org ")).collect()
}

#[test]
fn a_form_that_needs_a_terminal_is_refused_with_what_to_type_instead() {
    let node = node::with(&[("painter", PAINTER)]);
    let hint = "hint: see `help painter` for the forms that write plain text\n";
    let (without, not_last) =
        ("it needs a terminal, and there is none here", "it draws on a terminal, so it comes last in a line");
    for (line, why) in [("painter", without), ("uname | painter", without), ("painter | cat", not_last)] {
        let expected = format!("pact: painter: {why}\n{hint}");
        let said = node.run(Account::Alice, &["-c", line]).unwrap();
        assert_eq!((said.stdout.as_str(), said.stderr.as_str(), said.code), ("", expected.as_str(), Some(1)), "{line}");
        let records = node.records().unwrap();
        let refused = records.iter().rfind(|record| record.contains(" REFUSED "));
        assert!(refused.is_some_and(|r| r.ends_with(&format!(": {line}"))), "{line}: {records:#?}");
    }
    assert_eq!(lines_of_alice(&node), Vec::<String>::new(), "something ran");
    let said = node.run(Account::Alice, &["-c", "painter -s"]).unwrap();
    assert_eq!((said.stdout.as_str(), said.code), ("Linux\n", Some(0)), "{said:?}");
    assert!(node.run(Account::Alice, &["-c", "help painter"]).unwrap().stdout.contains("-s"));
}
