//! The agent as it runs on a node, seen from outside and through `pact`.

use std::fs;

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

/// What the filter refuses is a unit test's business; here it is there, and on every thread.
#[test]
fn the_agent_that_serves_is_held_to_starting_nothing() {
    let node = node::with(&[]);
    let said = node.run(Account::Alice, &["-c", "uname -s"]).unwrap();
    assert_eq!((said.stdout.as_str(), said.code), ("Linux\n", Some(0)), "{said:?}");
    let threads: Vec<_> = fs::read_dir(format!("/proc/{}/task", node.agent_pid())).unwrap().flatten().collect();
    assert!(threads.len() > 1, "the spool has a thread of its own");
    for thread in threads {
        let status = fs::read_to_string(thread.path().join("status")).unwrap();
        for (key, expected) in [("Seccomp", "2"), ("Seccomp_filters", "1"), ("NoNewPrivs", "1")] {
            assert_eq!(value(&status, key), expected, "{key} of the thread {}", value(&status, "Name"));
        }
    }
    assert_eq!(children(node.agent_pid()), ["pact-launcher"]);
}

fn lines_of_alice(node: &Node) -> Vec<String> {
    let records = node.records().unwrap();
    records.into_iter().filter(|r| r.contains(" LINE ") && r.contains(" alice@example.org ")).collect()
}

#[test]
fn a_form_that_needs_a_terminal_is_refused_with_what_to_type_instead() {
    let node = node::with(&[("painter", PAINTER)]);
    let expected = "pact: painter: it needs a terminal, and pact gives programs none\n\
                    hint: see `help painter` for the forms that write plain text\n";
    for line in ["painter", "uname | painter", "painter | cat"] {
        let said = node.run(Account::Alice, &["-c", line]).unwrap();
        assert_eq!((said.stdout.as_str(), said.stderr.as_str(), said.code), ("", expected, Some(1)), "{line}");
        let records = node.records().unwrap();
        let refused = records.iter().rfind(|record| record.contains(" REFUSED "));
        assert!(refused.is_some_and(|r| r.ends_with(&format!(": {line}"))), "{line}: {records:#?}");
    }
    assert_eq!(lines_of_alice(&node), Vec::<String>::new(), "something ran");
    let said = node.run(Account::Alice, &["-c", "painter -s"]).unwrap();
    assert_eq!((said.stdout.as_str(), said.code), ("Linux\n", Some(0)), "{said:?}");
    assert!(node.run(Account::Alice, &["-c", "help painter"]).unwrap().stdout.contains("-s"));
}
