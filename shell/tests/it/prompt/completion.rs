//! Hints behind the cursor, and what Tab brings.

use crate::node::{Account, Node};
use crate::seat::{CTRL_C, ENTER, Seat, TAB};

/// The end of the line, which also takes what is hinted.
const CTRL_E: &str = "\x05";
const RIGHT: &str = "\x1b[C";

#[test]
fn a_hint_is_the_last_line_that_began_so_or_the_only_word() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    seat.line("uname -s -r");
    for (typed, hinted) in [("una", "uname -s -r"), ("who", "whoami"), ("dmesg --lev", "dmesg --level")] {
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
        ("stat", "status "),
        ("pact whoa", "pact whoami "),
        ("uname | gre", "uname | grep "),
        ("dmesg --lev", "dmesg --level "),
        ("grep --color=al", "grep --color=always "),
        ("help dm", "help dmesg "),
        ("log --ki", "log --kind "),
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
    seat.keys(&format!("cat /proc/sys/kernel/ostype{TAB}{TAB}"));
    seat.typed("cat /proc/sys/kernel/ostype");
    seat.keys(ENTER);
    seat.shows("\nLinux");
    seat.next_prompt();
    assert!(!seat.screen().contains("NO RECORDS"), "{}", seat.screen());
}
