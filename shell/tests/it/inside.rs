//! Code that somebody else runs in pact's own processes gains nothing: neither in the agent, nor in `pact`.

use std::process::Stdio;

use crate::node::{Account, Node, Said};
use crate::seat::Seat;

/// The account that a node's agent is.
const AGENT: &str = "61010";

fn status_of(pid: u32, key: &str) -> Vec<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let row = status.lines().find_map(|row| row.strip_prefix(key)).unwrap();
    row.split_ascii_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_agent_proper_is_an_account_without_power() {
    let node = Node::start();
    let agent = node.agent_pid();
    assert_eq!(status_of(agent, "Uid:"), [AGENT; 4]);
    assert_eq!(status_of(agent, "Gid:"), [AGENT; 4]);
    assert_eq!(status_of(agent, "Groups:"), [""; 0]);
    for sets in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(status_of(agent, sets), ["0000000000000000"], "{sets}");
    }
    assert_eq!((status_of(agent, "NoNewPrivs:"), status_of(agent, "Seccomp:")), (vec!["1".into()], vec!["2".into()]));
    // What it tries when it starts, and could do, is a failure that `status` tells.
    let status = node.once(Account::Alice, "status");
    assert!(!status.stdout.contains("self-test"), "{status:?}");
}

#[test]
fn code_in_the_agent_gets_no_more_than_the_whitelist() {
    let mut node = Node::prepare("");
    node.start_agent(&[("PACT_FAILPOINT", "injected")]);
    let said = std::fs::read_to_string(node.path("spool/injected")).unwrap();
    let expected = r#"what is allowed: got Linux
a shell: refused: "bash" is not on the whitelist of this node
a path: refused: "/bin/sh" is not on the whitelist of this node
another name: refused: uname: its first word is not its name
arguments that nobody may give: refused: dmesg: `--clear` is not an option that is allowed
no argv: refused: uname: its first word is not its name
the probe: refused: "pact-agent" is not on the whitelist of this node
an environment: got Linux
names by no program: refused: "bash" is not on the whitelist of this node
names where nobody reads: got
"#;
    assert_eq!(said, expected);
}

/// By every way in: one line, lines of a script, a prompt.
#[test]
fn code_in_pact_opens_and_starts_nothing() {
    let node = Node::start();
    let inject = ("PACT_FAILPOINT", "injected");
    let by_line = node.pact(Account::Alice, &["-c", "status"]).env(inject.0, inject.1).output().unwrap();
    let by_script = node.pact(Account::Alice, &[]).env(inject.0, inject.1).stdin(Stdio::null()).output().unwrap();
    for said in [by_line, by_script].map(Said::from) {
        assert_eq!((said.stdout.as_str(), said.code), ("15 tries\n", Some(0)), "{said:?}");
    }
    let mut command = node.pact_on_terminal(Account::Alice, &[]);
    let mut seat = Seat::open(command.env(inject.0, inject.1));
    seat.shows("15 tries");
    assert!(!seat.screen().contains(": "), "{}", seat.screen());
}
