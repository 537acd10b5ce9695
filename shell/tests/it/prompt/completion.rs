//! Hints behind the cursor, and what Tab brings.

use crate::node::{Account, Node};
use crate::remote::{OPS, Workstation};
use crate::seat::{CTRL_C, ENTER, Seat, TAB};
use crate::site::Site;
use crate::stuck::Stuck;

/// The end of the line, which also takes what is hinted.
const CTRL_E: &str = "\x05";
const RIGHT: &str = "\x1b[C";

#[test]
fn a_hint_is_the_last_line_that_began_so_or_the_only_word() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    seat.line("uname -s -r");
    for (typed, hinted) in [("una", "uname -s -r"), ("whoa", "whoami"), ("dmesg --lev", "dmesg --level")] {
        seat.keys(typed);
        seat.typed(typed);
        seat.until(&format!("the hint `{hinted}`"), |terminal| {
            let row = terminal.screen().cursor_position().0;
            terminal.row(row).trim_end().ends_with(hinted)
        });
        seat.keys(CTRL_C);
        seat.next_prompt();
    }
    for key in [RIGHT, CTRL_E] {
        seat.keys("una");
        seat.typed("una");
        seat.keys(key);
        seat.typed("uname -s -r");
        seat.keys(CTRL_C);
        seat.next_prompt();
    }
}

#[test]
fn tab_completes_what_can_only_be_one_thing() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    for (typed, completed) in [
        ("dme", "dmesg "),
        ("statu", "status "),
        ("pact whoa", "pact whoami "),
        ("uname | gre", "uname | grep "),
        ("dmesg --lev", "dmesg --level "),
        ("grep --color=al", "grep --color=always "),
        ("help dm", "help dmesg "),
        ("log --ki", "log --kind "),
        ("log --kind REF", "log --kind REFUSED "),
        ("status ", "status node042 "),
        ("log --scope n", "log --scope node:node042 "),
    ] {
        seat.keys(&format!("{typed}{TAB}"));
        seat.typed(completed);
        seat.keys(CTRL_C);
        seat.next_prompt();
    }
}

#[test]
fn tab_shows_what_there_is_to_choose_from() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    seat.keys(&format!("h{TAB}"));
    for name in ["head", "help", "history"] {
        seat.shows(name);
    }
    // The first Enter takes what is chosen.
    seat.keys(&format!("{TAB}{ENTER}"));
    seat.until("one of the names behind the prompt", |terminal| {
        let row = terminal.row(terminal.screen().cursor_position().0);
        ["> head", "> help", "> history"].iter().any(|name| row.contains(name))
    });
}

#[test]
fn tab_where_there_is_nothing_leaves_the_line_alone() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    seat.keys(&format!("cat nothing{TAB}{TAB}"));
    seat.typed("cat nothing");
    seat.keys(ENTER);
    seat.shows("No such file");
    seat.next_prompt();
    assert!(!seat.screen().contains("NO RECORDS"), "{}", seat.screen());
}

/// Files as the program would find them; of many, as far as all are alike.
#[test]
fn tab_completes_files_of_the_node() {
    let site = Site::start();
    let mut node = site.node("");
    let logs = node.path("logs");
    std::fs::create_dir_all(logs.join("many")).unwrap();
    std::fs::create_dir_all(logs.join("stuck")).unwrap();
    for number in 0..10_000 {
        std::fs::write(logs.join(format!("many/file-{number:05}.log")), "").unwrap();
    }
    std::fs::write(logs.join("one log"), "").unwrap();
    assert!(node.enter("mount").arg("--bind").arg(&logs).arg("/var/log").status().unwrap().success());
    node.start_agent(&[]);
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    alice.waits_for("node042");
    let stuck = Stuck::mount(&node, std::path::Path::new("/var/log/stuck"));
    for mut command in [node.pact_on_terminal(Account::Alice, &[]), alice.at_prompt("node042")] {
        let mut seat = Seat::open(&mut command);
        seat.prompt();
        for (typed, completed) in [
            ("cat /etc/passw", "cat /etc/passwd"),
            ("cat /va", "cat /var/"),
            ("cat /var/l", "cat /var/log/"),
            ("cat /var/log/m", "cat /var/log/many/"),
            ("cat /var/log/many/", "cat /var/log/many/file-0"),
            ("cat /var/log/many/file-0001", "cat /var/log/many/file-0001"),
            ("cat /var/log/many/file-00012", "cat /var/log/many/file-00012.log "),
            ("uname | cat /etc/os-rel", "uname | cat /etc/os-release "),
            ("cat /var/log/on", "cat '/var/log/one log' "),
            // What it may not read, it does not list.
            ("cat /roo", "cat /roo"),
            ("cat /etc/../roo", "cat /etc/../roo"),
            // Nobody who types waits for a dead file server.
            ("cat /var/log/stuck/f", "cat /var/log/stuck/f"),
            ("uname /et", "uname /et"),
        ] {
            seat.keys(&format!("{typed}{TAB}"));
            seat.typed(completed);
            seat.keys(CTRL_C);
            seat.next_prompt();
        }
        assert_eq!(seat.line("uname -s"), "Linux");
    }
    drop(stuck);
}
