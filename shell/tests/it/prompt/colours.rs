//! Colours and hints: what will be refused is red before Enter, and nothing is coloured where colours are not wanted.

use crate::node::{Account, Node};
use crate::seat::{CTRL_C, Seat};

const RED: u8 = 1;

#[test]
fn what_will_be_refused_is_red_before_enter() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    for (line, red) in [
        ("sudo id ", "sudo"),
        ("dmesg -C ", "-C"),
        ("uname | sh ", "sh"),
        ("unx", "unx"),
        ("uname ; ", ";"),
        ("log --kind NOTHING ", "NOTHING"),
        // What is allowed, and what is still being typed.
        ("un", ""),
        ("uname -", ""),
        ("dmesg --lev", ""),
        ("uname -r", ""),
        ("grep -E 'a|b' /etc/passwd | wc -l ", ""),
        ("log -n 100 | gr", ""),
    ] {
        seat.keys(line);
        seat.typed(line);
        assert_eq!(seat.in_colour(RED), red, "{line}: {}", seat.screen());
        seat.keys(CTRL_C);
        seat.next_prompt();
    }
}

#[test]
fn without_colour_nothing_is_coloured_or_hinted() {
    let node = Node::start();
    let mut command = node.pact_on_terminal(Account::Alice, &[]);
    let mut seat = Seat::open(command.env("NO_COLOR", "1"));
    seat.prompt();
    seat.line("uname -s");
    seat.keys("una");
    seat.typed("una");
    assert_eq!(seat.behind_prompt(), "una", "a hint looks like something that was typed");
    seat.keys(CTRL_C);
    seat.next_prompt();
    let complaint = seat.line("sudo id");
    assert!(complaint.contains('^') && complaint.contains("pact: sudo"), "{complaint}");
    let written = String::from_utf8_lossy(seat.terminal.written()).into_owned();
    let colours = written.split("\x1b[").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == ';'))?;
        (rest[end..].starts_with('m') && !matches!(&rest[..end], "" | "0" | "39" | "49")).then_some(&rest[..=end])
    });
    let colours: Vec<&str> = colours.collect();
    assert!(colours.is_empty(), "{colours:?}");
}

/// What colours a command's answer on a terminal would be text for the program that searches it.
#[test]
fn a_pipe_in_the_line_gets_no_colours() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    seat.line("uname -s");
    let found = seat.line("log -n 10 | grep -c 'Z LINE    node:node042 alice@example.org'");
    assert_eq!(found, "2");
    let written = String::from_utf8_lossy(seat.terminal.written()).into_owned();
    seat.line("log -n 10");
    let shown = String::from_utf8_lossy(&seat.terminal.written()[written.len()..]).into_owned();
    assert!(shown.contains("mLINE "), "{shown:?}");
}
