//! Connections between workstation, journal and node that break: sessions outlive them, and nothing is lost or comes
//! twice.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::lines::find;
use crate::node::{Account, Node, until, until_within};
use crate::records::programs;
use crate::remote::{OPS, Workstation, said};
use crate::seat::{CTRL_C, Seat};
use crate::site::{HOST, Site};
use crate::wire::{Wire, free_port};

/// A site, and a node that others reach by a wire.
pub(crate) fn far_node(policy: &str) -> (Site, Node, Wire) {
    let site = Site::start();
    let port = free_port();
    let wire = Wire::to(port);
    let node = site.node_at(policy, port, wire.port);
    (site, node, wire)
}

/// A log of the node; where it is there.
fn log(node: &Node, text: &str) -> &'static str {
    fs::create_dir_all(node.path("logs")).unwrap();
    fs::write(node.path("logs/node.log"), text).unwrap();
    assert!(node.enter("mount").arg("--bind").arg(node.path("logs")).arg("/var/log").status().unwrap().success());
    "/var/log/node.log"
}

/// As many lines as `seq` makes, of which none is like another.
const LINES: u32 = 400_000;

#[test]
fn output_and_input_come_whole_however_often_the_wire_is_cut() {
    let (site, mut node, wire) = far_node("");
    let text: String = (1..=LINES).map(|line| format!("{line}\n")).collect();
    let path = log(&node, &text);
    node.start_agent(&[]);
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    alice.waits_for("node042");
    let begun = wire.connections();
    wire.cuts_after(300_000);
    let (out, err, code) = alice.run(&["exec", "node042", "--", "cat", path]);
    assert!(code == Some(0) && out == text, "{} of {} bytes, {code:?}: {err}", out.len(), text.len());
    assert!(err.contains("the connection broke, and is tried again for 30 s; Ctrl-C twice gives up\n"), "{err}");
    assert!(err.contains("connected again\n"), "{err}");
    let cuts = wire.connections() - begun;
    assert!(cuts >= 8, "{cuts}");
    let mut sum = alice.pact(&["exec", "node042", "--", "wc", "-lc"]);
    let input = fs::File::open(node.path("logs/node.log")).unwrap();
    let counted = sum.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let (out, err, code) = said(&counted);
    let numbers: Vec<_> = out.split_whitespace().map(|number| number.parse::<usize>().unwrap()).collect();
    assert_eq!((numbers, code), (vec![LINES as usize, text.len()], Some(0)), "{err}");
    assert!(wire.connections() - begun - cuts >= 8);
}

/// The prompt, a streaming line and a screen are what they were, and so is the session: nothing was run twice.
#[test]
fn a_session_is_the_same_behind_a_gap() {
    let (mut site, mut node, wire) = far_node("");
    node.start_agent(&[]);
    {
        let alice = Workstation::of(&site, "alice@example.org", OPS);
        alice.waits_for("node042");
        let mut seat = Seat::open(&mut alice.at_prompt("node042"));
        seat.prompt();
        wire.cut();
        seat.shows("the connection broke, and is tried again for 30 s");
        seat.shows("connected again");
        seat.next_prompt();
        assert_eq!(seat.line("uname -s"), "Linux");
        // What is typed while nobody is there is done when somebody is.
        wire.goes_down();
        seat.until("the mark", |terminal| terminal.screen().contents().contains("[connection broken]"));
        seat.keys("whoami\r");
        until("a try", || wire.tries() > 0);
        wire.is_up_again();
        seat.shows("\nPrincipal");
        seat.prompt_anywhere();
        seat.clear();
        seat.keys("top -d 0.2\r");
        seat.shows("PID USER");
        wire.goes_down();
        seat.shows("the connection broke, and is tried again for 30 s");
        let written = seat.terminal.written().len();
        wire.is_up_again();
        seat.until("top to draw again", |terminal| {
            let is_covered = terminal.screen().contents().contains("the connection broke");
            terminal.written().len() > written + 3000 && !is_covered
        });
        seat.keys("q");
        seat.prompt_anywhere();
        seat.clear();
        assert!(!seat.screen().contains("connection broken"), "{}", seat.screen());
        seat.keys("exit\r");
        assert_eq!(seat.end(), Some(0));
        assert!(seat.terminal.has_its_modes().unwrap());
    }
    let records = site.has_all_of(&node);
    for once in ["] uname -s", ".2] whoami", " prompt as "] {
        assert_eq!(records.iter().filter(|record| record.contains(once)).count(), 1, "{once}: {records:#?}");
    }
    find(&records, "END", "left");
}

/// Both sides wait for so long and no longer.
#[test]
fn a_connection_that_does_not_come_again_ends_the_session() {
    let (site, mut node, wire) = far_node("");
    let path = log(&node, "the log begins\n");
    node.start_agent(&[]);
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    alice.waits_for("node042");
    let mut seat = Seat::open(&mut alice.at_prompt("node042"));
    seat.prompt();
    seat.keys(&format!("tail -f {path}\r"));
    seat.shows("the log begins");
    let started = Instant::now();
    wire.goes_down();
    seat.until("the gap", |terminal| terminal.screen().contents().contains("the connection broke"));
    while !seat.terminal.has_ended() && started.elapsed() < Duration::from_secs(60) {
        seat.terminal.take_in(Duration::from_millis(50)).unwrap();
    }
    let waited = started.elapsed();
    assert!(waited.as_secs() >= 29, "{waited:?}");
    assert_eq!(seat.end(), Some(5), "{}", seat.screen());
    seat.shows("session: the connection was lost");
    assert!(seat.terminal.has_its_modes().unwrap());
    until_within(Duration::from_secs(30), "the line to end", || programs(node.agent_pid(), "tail\0").is_empty());
    until("its end on record", || node.records().iter().any(|record| record.contains("the client vanished")));
}

/// An agent that was started anew knows nothing of the session, and says so at once.
#[test]
fn a_session_does_not_outlive_its_agent() {
    let site = Site::start();
    // Without a wire between: while there is no agent, connections are refused.
    let port = free_port();
    let mut node = site.node_at("", port, port);
    node.start_agent(&[]);
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    alice.waits_for("node042");
    let mut seat = Seat::open(&mut alice.at_prompt("node042"));
    seat.prompt();
    node.kill_agent();
    seat.shows("the connection broke");
    node.start_agent(&[]);
    let started = Instant::now();
    assert_eq!(seat.end(), Some(5), "{}", seat.screen());
    // It did not wait until its patience was over.
    assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());
}

/// Tickets are renewed by the journal, so the way to it is made again too; and what is asked of it goes on.
#[test]
fn the_way_to_the_journal_breaks_as_well() {
    let site = Site::start();
    let mut node = site.node("");
    node.start_agent(&[]);
    let wire = Wire::to(site.port());
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    alice.waits_for("node042");
    for _ in 0..100 {
        node.once(Account::Alice, "whoami");
    }
    let all = &["log", "-n", "2000"];
    let is_there = |line: &str| line.contains("] whoami");
    until("the journal to have it", || alice.run(all).0.lines().filter(|line| is_there(line)).count() == 100);
    wire.cuts_after(20_000);
    let mut asked = alice.pact(all);
    asked.env("PACT_ENDPOINT", format!("{HOST}:{}", wire.port));
    let (out, err, code) = said(&asked.output().unwrap());
    assert!(code == Some(0) && err.contains("connected again\n"), "{code:?} {err} {out}");
    let (straight, _, _) = alice.run(all);
    // The question is a record too, and the second answer begins with it.
    assert!(out.lines().count() > 400 && straight.ends_with(&out), "{out}\n{straight}");
    assert!(wire.connections() > 2);
}

/// Of many nodes, one that is gone is told, waited for like others, and given up by whoever presses Ctrl-C twice.
#[test]
fn one_of_many_nodes_is_given_up() {
    let (site, mut node, wire) = far_node("");
    let path = log(&node, "the log begins\n");
    node.start_agent(&[]);
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    alice.waits_for("node042");
    let mut command = Command::new("setsid");
    command.args(["--ctty", env!("CARGO_BIN_EXE_pact"), "exec", "node[041-042]", "--", "tail", "-f", path]);
    command.env_clear().env("PACT_ENDPOINT", site.endpoint()).env("PACT_CA", site.path("ca.pem"));
    command.env("PACT_TOKEN", &alice.token).env("TERM", "xterm-256color");
    let mut seat = Seat::open(&mut command);
    seat.shows("[node042] the log begins");
    wire.goes_down();
    seat.shows("pact: node042: its connection broke, and is tried again for 30 s");
    seat.keys(CTRL_C);
    seat.shows("once more gives it up");
    seat.keys(CTRL_C);
    assert_eq!(seat.end(), Some(5), "{}", seat.screen());
    seat.shows("pact: node042: its connection broke, and was not waited for");
}

#[test]
fn whoever_does_not_wait_for_the_connection_leaves() {
    let (site, mut node, wire) = far_node("");
    node.start_agent(&[]);
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    alice.waits_for("node042");
    let mut seat = Seat::open(&mut alice.at_prompt("node042"));
    seat.prompt();
    wire.goes_down();
    seat.shows("the connection broke");
    seat.keys("uname\r");
    seat.shows("Ctrl-C twice gives up");
    seat.keys(CTRL_C);
    // Two that come at once are one signal.
    seat.shows("once more gives up");
    seat.keys(CTRL_C);
    assert_eq!(seat.end(), Some(130), "{}", seat.screen());
    assert!(seat.terminal.has_its_modes().unwrap());
}
