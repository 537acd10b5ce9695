//! What programs print: a terminal gets text and colours, a pipe gets the bytes.

use std::process::Stdio;

use crate::node::{Account, Node};
use crate::seat::Seat;

const HOSTILE: &[u8] =
    b"first\n\x1b]52;c;aGk=\x07\n\x1b[2J\x1b[H\nrm\rls\n\xc2\x9b31m\n\xe2\x80\xaetxt\n\xff\n\x1b[32mgreen\nlast";
const SHOWN: [&str; 9] =
    ["first", "^[]52;c;aGk=^G", "^[[2J^[[H", "rm^Mls", "\\u{9b}31m", "\\u{202e}txt", "\\xff", "green", "last"];

#[test]
fn a_terminal_gets_text_and_colours_and_a_pipe_gets_bytes() {
    let node = Node::with_logs(&[("hostile.log", HOSTILE)]);
    let mut seat = Seat::at(&node, Account::Alice);
    let shown = seat.line("cat /var/log/hostile.log");
    assert_eq!(shown.lines().collect::<Vec<_>>(), SHOWN);
    let written = seat.terminal.written();
    let has = |bytes: &[u8]| written.windows(bytes.len()).any(|window| window == bytes);
    assert!(has(b"\x1b[32mgreen"), "a colour does not pass");
    assert!(has(b"last\x1b[0m"), "colours are not reset at the end");
    for bytes in [&b"\x1b]"[..], b"\x1b[2J", b"\x07", b"rm\rls", b"\xc2\x9b", b"\xe2\x80\xae", b"\xff"] {
        assert!(!has(bytes), "{bytes:?} reached the terminal");
    }
    let output = node.pact(Account::Alice, &["-c", "cat /var/log/hostile.log"]).stderr(Stdio::null()).output().unwrap();
    assert_eq!(output.stdout, HOSTILE);
}

#[test]
fn what_does_not_end_in_a_newline_leaves_the_prompt_whole() {
    let node = Node::with_logs(&[("unended.log", b"no newline at the end")]);
    let mut seat = Seat::at(&node, Account::Alice);
    assert_eq!(seat.line("cat /var/log/unended.log"), "no newline at the end");
    assert_eq!(seat.line("uname -s"), "Linux");
}
