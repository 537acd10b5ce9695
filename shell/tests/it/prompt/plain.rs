//! A terminal that has no cursor to move, or that never says where it is, has a prompt at once and whole lines.

use std::time::{Duration, Instant};

use crate::lines::find;
use crate::node::{Account, Node};
use crate::seat::{CTRL_C, CTRL_D, Seat};

/// Starting the programs before `pact` counts too.
const AT_ONCE: Duration = Duration::from_secs(1);
/// On a machine that is busy with other things one start may be slow; not all of them.
const TRIES: usize = 5;

/// At the prompt of a terminal that answers nothing.
fn open(node: &Node, term: &str) -> Seat {
    let start = || {
        let mut command = node.pact_on_terminal(Account::Alice, &[]);
        let begun = Instant::now();
        let mut seat = Seat::open(command.env("TERM", term));
        seat.terminal.be_silent();
        seat.prompt();
        (begun.elapsed() < AT_ONCE).then_some(seat)
    };
    let at_once = (0..TRIES).find_map(|_| start());
    at_once.unwrap_or_else(|| panic!("`{term}`: no prompt came within {AT_ONCE:?} in {TRIES} tries"))
}

#[test]
fn lines_work_without_an_editor() {
    let node = Node::start();
    for (term, has_colour) in [("dumb", false), ("", false), ("xterm-256color", true)] {
        let mut seat = open(&node, term);
        assert_eq!(seat.line("uname -s"), "Linux", "{term}");
        let refused = seat.line("sudo id");
        assert!(refused.contains('^') && refused.contains("pact: sudo"), "{term}: {refused}");
        seat.keys("uname -m");
        seat.typed("uname -m");
        seat.keys(CTRL_C);
        seat.next_prompt();
        seat.keys("tail -f /etc/passwd\r");
        seat.shows("mallory:");
        seat.keys(CTRL_C);
        seat.next_prompt();
        assert_eq!(seat.line("uname -s"), "Linux", "{term}");
        seat.keys(CTRL_D);
        assert_eq!(seat.end(), Some(0), "{term}");
        assert!(seat.terminal.has_its_modes().unwrap(), "{term}");
        assert_eq!(seat.terminal.written().contains(&0x1b), has_colour, "{term}: {}", seat.screen());
    }
    let records = node.records();
    assert!(!records.iter().any(|record| record.contains("uname -m")), "{records:#?}");
    find(&records, "OUTCOME", "exit 130");
}
