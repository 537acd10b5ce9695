//! A prompt at which nobody types: what it is told, what its right side shows, and how it ends.

use crate::lines::find;
use crate::node::{Account, Node, until};
use crate::seat::{CTRL_C, Seat};
use crate::site::Site;

#[test]
fn a_prompt_that_nobody_uses_is_told_and_ends() {
    let mut node = Node::prepare("[limits]\nidle_seconds = 4\n");
    node.start_agent(&[]);
    let mut seat = Seat::at(&node, Account::Alice);
    seat.shows("pact: nobody has used this session for a while: it ends in 2 s (after 4 s)");
    // A line begins the time anew.
    seat.keys("uname -s\r");
    seat.shows("\nLinux");
    assert_eq!(seat.end(), Some(1), "{}", seat.screen());
    let screen = seat.screen();
    assert_eq!(screen.matches("nobody has used this session").count(), 2, "{screen}");
    assert!(screen.contains("pact: session: nobody used it for 4 s, and it was ended"), "{screen}");
    assert!(seat.terminal.has_its_modes().unwrap());
    find(&node.records(), "END", "nobody used it");
}

#[test]
fn the_right_prompt_says_that_the_journal_is_away() {
    let mut site = Site::start();
    let mut node = site.node("");
    node.start_agent(&[]);
    until("the journal to have a record", || node.acknowledged() > 0);
    let mut seat = Seat::at(&node, Account::Alice);
    seat.line("uname -s");
    site.kill_journal();
    seat.shows("pact: the journal does not answer; `status` says why");
    seat.keys("una");
    seat.shows("[journal away]");
    seat.keys(CTRL_C);
    site.start_journal("");
    seat.shows("pact: the journal answers again");
    seat.keys("una");
    seat.until("no mark", |terminal| {
        let row = terminal.row(terminal.screen().cursor_position().0);
        row.contains("una") && !row.contains("[journal away]")
    });
}
