//! Keys: Enter, pastes, Ctrl-C, Ctrl-D, Ctrl-Z, what is typed ahead, and vi.

use std::process::{Command, Stdio};

use crate::lines::find;
use crate::node::{Account, Node, until};
use crate::records::programs;
use crate::seat::{CTRL_C, CTRL_D, ENTER, PROMPT, Seat};

const CTRL_BACKSLASH: &str = "\x1c";
const CTRL_W: &str = "\x17";
const CTRL_Y: &str = "\x19";
const CTRL_Z: &str = "\x1a";
const ESCAPE: &str = "\x1b";

#[test]
fn enter_submits_whatever_the_line_is() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    for line in ["cat 'open", "cat \"open", "uname |", "uname \\", "cat $(id"] {
        let shown = seat.line(line);
        assert!(shown.contains('^') && shown.contains("pact: "), "{line}: {shown}");
        find(&node.records(), "REFUSED", line);
    }
    let shown = seat.line("");
    assert_eq!(shown, "", "an empty line says something");
}

#[test]
fn a_paste_of_two_lines_runs_neither() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    seat.keys("\x1b[200~uname -m\nuname -r\x1b[201~");
    seat.shows("uname -r");
    seat.keys(ENTER);
    seat.shows("hint: ");
    seat.next_prompt();
    let screen = seat.screen();
    assert!(screen.contains('^') && screen.contains("pact: "), "{screen}");
    let records = node.records();
    find(&records, "REFUSED", "alice@example.org");
    assert!(!records.iter().any(|r| r.contains("LINE") && r.contains("alice@")), "{records:#?}");
}

#[test]
fn a_copied_line_waits_for_enter() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    seat.keys("\x1b[200~uname -s\n\x1b[201~");
    seat.typed("uname -s");
    assert!(!node.records().iter().any(|r| r.contains("LINE") && r.contains("alice@")), "{}", seat.screen());
    seat.keys(ENTER);
    seat.shows("\nLinux");
    seat.next_prompt();
}

#[test]
fn ctrl_c_throws_the_line_away_and_ctrl_d_leaves() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    seat.keys("uname -m");
    seat.typed("uname -m");
    seat.keys(CTRL_C);
    seat.next_prompt();
    // Behind text it deletes a character, which there is none of; it never leaves.
    seat.keys("uname");
    seat.typed("uname");
    seat.keys(CTRL_D);
    seat.keys(" -s");
    seat.typed("uname -s");
    seat.keys(ENTER);
    seat.next_prompt();
    seat.keys(CTRL_D);
    assert_eq!(seat.end(), Some(0));
    assert!(seat.terminal.has_its_modes().unwrap());
    let records = node.records();
    assert!(!records.iter().any(|record| record.contains("uname -m")), "{records:#?}");
    find(&records, "END", "left");
}

#[test]
fn ctrl_c_ends_what_streams_and_gives_the_prompt_back() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    for (file, shown, keys, outcome) in [
        ("/etc/passwd", "mallory:*:61003:", CTRL_C, "exit 130"),
        ("/etc/group", "pact:x:61000:", CTRL_BACKSLASH, "exit 131"),
    ] {
        seat.keys(&format!("tail -f {file}\r"));
        seat.shows(shown);
        seat.keys(keys);
        seat.next_prompt();
        let records = node.records();
        let at = find(&records, "OUTCOME", outcome);
        assert!(records[at].contains("alice@example.org"), "{records:#?}");
    }
    assert_eq!(seat.line("uname -s"), "Linux");
}

/// What is on its way when Ctrl-C is pressed is still shown; on a slow terminal each mebibyte of that takes seconds.
#[test]
fn after_ctrl_c_a_flood_is_soon_over() {
    const MOST: usize = 1 << 20;
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    seat.keys("cat /dev/zero\r");
    // Enough that everything between the program and this terminal is full.
    seat.until("a flood", |terminal| terminal.written().len() > 2 * MOST);
    seat.keys(CTRL_C);
    // What comes until then is what a busy machine had time for.
    seat.until("cat to be gone", |_| programs(node.agent_pid(), "cat\0").is_empty());
    let before = seat.terminal.written().len();
    seat.shows("^C\n");
    seat.prompt();
    let after = seat.terminal.written().len() - before;
    assert!(after < MOST, "{after} bytes came after the program was gone");
    // Interrupted, and not ended by force because Ctrl-C came late.
    find(&node.records(), "OUTCOME", "exit 130");
}

/// Behind a shell that has job control `pact` could be stopped, and its session with it.
#[test]
fn ctrl_z_and_ctrl_backslash_do_nothing() {
    let node = Node::start();
    let shell = node.shell();
    let words = ["bash", "-mc", "\"$0\"; echo \"it ended: $?\"", &shell];
    let mut seat = Seat::open(&mut node.program_on_terminal(Account::Alice, &words));
    seat.prompt();
    seat.keys(&format!("una{CTRL_Z}{CTRL_BACKSLASH}me"));
    seat.typed("uname");
    seat.keys(CTRL_C);
    seat.next_prompt();
    seat.keys("tail -f /etc/passwd\r");
    seat.shows("mallory:");
    seat.keys(CTRL_Z);
    seat.keys(CTRL_C);
    seat.next_prompt();
    seat.keys("exit\r");
    seat.shows("it ended: 0");
}

#[test]
fn what_is_typed_while_a_line_runs_waits_for_the_prompt() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    let mut other = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    seat.keys(&format!("tail -f -s 0.1 --pid {} /etc/passwd\r", other.id()));
    seat.shows("mallory:");
    seat.keys("uname -s\rwhoa");
    drop(other.stdin.take());
    other.wait().unwrap();
    seat.shows("Linux");
    seat.typed("whoa");
    let records = node.records();
    assert!(find(&records, "OUTCOME", "exit 0") < find(&records, "LINE", "uname -s"), "{records:#?}");
}

#[test]
fn what_is_typed_before_the_first_prompt_is_not_lost() {
    let node = Node::start();
    let gate = "read go; exec \"$0\"";
    let shell = node.shell();
    let mut seat = Seat::open(&mut node.program_on_terminal(Account::Alice, &["bash", "-c", gate, &shell]));
    seat.keys("go\runame -s\rwhoa");
    seat.shows("\nLinux");
    seat.typed("whoa");
    until("the line on record", || node.records().iter().any(|r| r.contains("LINE") && r.contains("uname -s")));
}

#[test]
fn ctrl_w_takes_a_whole_path_and_ctrl_y_brings_it_back() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    seat.keys("cat /var/log/messages");
    seat.typed("cat /var/log/messages");
    seat.keys(CTRL_W);
    seat.typed("cat ");
    seat.keys(CTRL_Y);
    seat.typed("cat /var/log/messages");
}

/// Drawn before it is sent: what is on record is what was seen.
#[test]
fn a_short_name_becomes_the_whole_one_where_it_can_be_seen() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    for (typed, shown) in [
        ("una", "uname "),
        ("uname | gre", "uname | grep "),
        ("pact whoa", "pact whoami "),
        // Two could be meant, or it stands where no name does.
        ("hea", "hea "),
        ("sh", "sh "),
        ("cat una", "cat una "),
        ("cat 'una", "cat 'una "),
    ] {
        seat.keys(typed);
        seat.typed(typed);
        seat.keys(" ");
        seat.typed(shown);
        seat.keys(CTRL_C);
        seat.next_prompt();
    }
    seat.keys("una");
    seat.typed("una");
    seat.keys(ENTER);
    seat.shows(&format!("{PROMPT}uname\nLinux"));
    seat.next_prompt();
    find(&node.records(), "LINE", "uname");
}

#[test]
fn vi_keys_where_they_are_asked_for() {
    let node = Node::start();
    let mut command = node.pact_on_terminal(Account::Alice, &[]);
    let mut seat = Seat::open(command.env("PACT_EDIT_MODE", "vi"));
    seat.prompt();
    assert_eq!(seat.terminal.row(0).trim_end(), PROMPT.trim_end());
    seat.keys("nothing -s");
    seat.typed("nothing -s");
    seat.keys(ESCAPE);
    seat.until("the cursor on the last character", |terminal| {
        usize::from(terminal.screen().cursor_position().1) == PROMPT.len() + "nothing -s".len() - 1
    });
    seat.keys("0cwuname");
    seat.until("the word that was changed", |terminal| terminal.row(0).contains("> uname -s"));
    seat.keys(ENTER);
    seat.shows("\nLinux");
    seat.next_prompt();
}
