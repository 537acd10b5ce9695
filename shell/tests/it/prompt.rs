//! The prompt on a real terminal, against the real agent.

mod colours;
mod completion;
mod editing;
mod ends;
mod history;
mod idle;
mod output;
mod plain;

use crate::lines::find;
use crate::node::{Account, Node};
use crate::seat::{CTRL_C, CTRL_D, PROMPT, Seat};

/// How login, sshd and su start a shell.
pub(crate) fn login_words(shell: &str) -> [&str; 4] {
    ["bash", "-c", "exec -a -pact \"$0\" \"$@\"", shell]
}

/// The debug session of the specification, with what every machine has in place of nvidia.
#[test]
fn the_debug_session_is_played_and_on_record() {
    let node = Node::with_logs(&[("persistenced.log", b"persistence mode is on\nno device is lost\n")]);
    let shell = node.shell();
    let mut seat = Seat::open(&mut node.program_on_terminal(Account::Alice, &login_words(&shell)));
    seat.prompt();
    assert_eq!(seat.terminal.row(0).trim_end(), PROMPT.trim_end(), "something stands before the first prompt");
    let lines = ["dmesg | grep -i a | tail -5", "cat /var/log/persistenced.log"];
    let messages = seat.line(lines[0]);
    assert!((1..=5).contains(&messages.lines().count()) && messages.contains("] "), "{messages}");
    assert_eq!(seat.line(lines[1]), "persistence mode is on\nno device is lost");
    seat.keys("exit\r");
    assert_eq!(seat.end(), Some(0));

    let records = node.records();
    let begun = &records[find(&records, "SESSION", "alice@example.org")];
    let session = begun.split_once('[').and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
    let of_session = |record: &&String| record.contains(&format!(" alice@example.org [{session}"));
    let shown: Vec<&str> = records.iter().filter(of_session).map(|record| kind_and_rest(record)).collect();
    for (shown, expected) in shown.iter().zip([
        "SESSION node:node042 alice@example.org [SESSION] prompt as pact-ops-ml-training",
        "LINE    node:node042 alice@example.org [SESSION.1] dmesg | grep -i a | tail -5",
        "OUTCOME node:node042 alice@example.org [SESSION.1] exit 0 (0, 0, 0) after ",
        "LINE    node:node042 alice@example.org [SESSION.2] cat /var/log/persistenced.log",
        "OUTCOME node:node042 alice@example.org [SESSION.2] exit 0 after ",
        "LINE    node:node042 alice@example.org [SESSION.3] exit",
        "OUTCOME node:node042 alice@example.org [SESSION.3] exit 0 after ",
        "END     node:node042 alice@example.org [SESSION] left",
    ]) {
        let expected = expected.replace("[SESSION", &format!("[{session}"));
        assert!(shown.starts_with(&expected), "no `{expected}` in its place: {records:#?}");
    }
    assert_eq!(shown.len(), 8, "{records:#?}");
}

/// A record as `log` shows it, without its number and time.
fn kind_and_rest(record: &str) -> &str {
    record.splitn(3, ' ').nth(2).unwrap()
}

/// `su` asks nobody when root calls it, and starts the shell of the account's entry as a login shell.
#[test]
fn su_lands_in_the_prompt_and_runs_a_line() {
    let node = Node::start();
    let mut seat = Seat::open(&mut node.program_on_terminal(Account::Root, &["su", "-l", "alice"]));
    seat.prompt();
    assert!(seat.line("whoami").contains("alice@example.org"));
    seat.keys(CTRL_D);
    assert_eq!(seat.end(), Some(0));
    let output = node.program(Account::Root, &["su", "-l", "alice", "-c", "uname -s"]).output().unwrap();
    assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"Linux\n"[..], Some(0)), "{output:?}");
}

#[test]
fn a_viewer_has_the_same_prompt_and_reads() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Bob);
    assert_eq!(seat.line("uname -s"), "Linux");
    assert!(seat.line("whoami").contains("pact-viewer-ml-training"));
    seat.keys(CTRL_D);
    assert_eq!(seat.end(), Some(0));
    find(&node.records(), "END", "bob@example.org");
}

/// `status` breaks between words, at the width that the terminal has when it is asked.
#[test]
fn a_terminal_that_was_resized_gets_what_fits() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    for columns in [60, 90, 50] {
        seat.keys("una");
        seat.typed("una");
        seat.terminal.resize(200, columns).unwrap();
        seat.keys("me -s");
        seat.typed("uname -s");
        seat.keys(CTRL_C);
        seat.next_prompt();
        let shown = seat.line("status");
        let sandbox = shown.split_once("\nSandbox:  ").unwrap().1;
        let lines: Vec<&str> = sandbox.lines().take_while(|line| !line.starts_with("Degraded:")).collect();
        assert!(lines[1..].iter().all(|line| line.starts_with("          ")), "{columns}: {shown}");
        let widest = shown.lines().skip(1).map(str::len).max().unwrap();
        assert!((usize::from(columns) - 12..=usize::from(columns)).contains(&widest), "{columns}: {widest}: {shown}");
    }
}

#[test]
fn who_is_bound_to_nobody_gets_a_sentence_and_no_prompt() {
    let node = Node::start();
    let mut seat = Seat::open(&mut node.pact_on_terminal(Account::Mallory, &[]));
    assert_eq!(seat.end(), Some(2));
    let screen = seat.screen();
    assert!(screen.starts_with("pact: ") && !screen.contains("mallory") && !screen.contains(PROMPT), "{screen}");
    assert!(seat.terminal.has_its_modes().unwrap());
}
