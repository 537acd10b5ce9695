//! However it ends: the terminal is as it was found, somebody is told, and the end is on record.

use rustix::process::Signal;

use crate::lines::find;
use crate::node::{Account, Node, until};
use crate::seat::{PROMPT, Seat};

#[test]
fn the_agent_dies_at_the_prompt() {
    let mut node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    seat.keys("una");
    seat.typed("una");
    assert!(!seat.terminal.has_its_modes().unwrap(), "the editor has not changed the modes");
    node.kill_agent();
    assert_eq!(seat.end(), Some(5));
    let screen = seat.screen();
    assert!(screen.contains("\npact: ") && screen.contains("\nhint: "), "{screen}");
    assert!(seat.terminal.has_its_modes().unwrap());
    node.start_agent(&[]);
    find(&node.records(), "SESSION", "alice@example.org");
}

#[test]
fn the_agent_dies_under_a_line() {
    let mut node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    seat.keys("tail -f /etc/passwd\r");
    seat.shows("mallory:");
    node.kill_agent();
    assert_eq!(seat.end(), Some(5));
    assert!(seat.screen().contains("\npact: "), "{}", seat.screen());
    assert!(seat.terminal.has_its_modes().unwrap());
    node.start_agent(&[]);
    find(&node.records(), "OUTCOME", "interrupted");
}

#[test]
fn a_signal_ends_the_session_in_order_and_kill_is_on_record_too() {
    let node = Node::start();
    for (signal, code) in [(Signal::TERM, Some(143)), (Signal::HUP, Some(129)), (Signal::KILL, None)] {
        let mut seat = Seat::at(&node, Account::Alice);
        seat.keys("una");
        seat.typed("una");
        let ends = || node.records().iter().filter(|r| r.contains(" END ") && r.contains("alice@")).count();
        let before = ends();
        seat.terminal.signal(signal).unwrap();
        assert_eq!(seat.end(), code, "{signal:?}");
        until(&format!("the END after {signal:?}"), || ends() == before + 1);
        // Nobody restores what a process that was killed has changed.
        assert_eq!(seat.terminal.has_its_modes().unwrap(), signal != Signal::KILL, "{signal:?}");
    }
}

#[test]
fn a_connection_that_breaks_ends_the_line_and_the_session() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    seat.keys("tail -f /etc/passwd\r");
    seat.shows("mallory:");
    seat.terminal.hang_up().unwrap();
    assert_eq!(seat.end(), Some(129));
    until("the outcome and the end on record", || {
        let records = node.records();
        let has = |kind: &str, text: &str| records.iter().any(|record| record.contains(kind) && record.contains(text));
        has("OUTCOME", "interrupted") && has(" END ", "alice@")
    });
}

#[test]
fn the_terminal_is_what_it_was() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    seat.keys("exit\r");
    assert_eq!(seat.end(), Some(0));
    assert!(seat.terminal.has_its_modes().unwrap());
    // Bracketed paste off, colours off, the cursor seen.
    let screen = seat.terminal.screen();
    assert!(!screen.bracketed_paste() && !screen.hide_cursor(), "{:?}", seat.screen());
    assert_eq!(screen.fgcolor(), vt100::Color::Default);
}

#[test]
fn without_an_agent_there_is_a_sentence_and_no_prompt() {
    let node = Node::prepare("");
    let shell = node.shell();
    let mut seat = Seat::open(&mut node.program_on_terminal(Account::Alice, &super::login_words(&shell)));
    assert_eq!(seat.end(), Some(5));
    let screen = seat.screen();
    assert!(screen.starts_with("pact: ") && screen.contains("/run/pact/agent.sock"), "{screen}");
    assert!(!screen.contains(PROMPT));
    assert!(seat.terminal.has_its_modes().unwrap());
}
