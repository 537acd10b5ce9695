//! The lines of before: Up, Ctrl-R, and the file that keeps them.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

use crate::node::{Account, Node};
use crate::seat::{CTRL_C, CTRL_D, ENTER, Seat, UP};

const CTRL_R: &str = "\x12";
const CTRL_G: &str = "\x07";

fn file(node: &Node) -> PathBuf {
    node.path("alice/.local/state/pact/history")
}

fn leave(mut seat: Seat) {
    seat.keys(CTRL_D);
    assert_eq!(seat.end(), Some(0));
}

#[test]
fn lines_come_back_with_up_and_ctrl_r_also_in_the_next_session() {
    let node = Node::start();
    let mut seat = Seat::at(&node, Account::Alice);
    seat.line("uname -s -r");
    seat.line("cat /etc/hostname | wc -l");
    seat.keys(UP);
    seat.typed("cat /etc/hostname | wc -l");
    seat.keys(UP);
    seat.typed("uname -s -r");
    seat.keys(CTRL_C);
    seat.next_prompt();
    leave(seat);

    let metadata = fs::metadata(file(&node)).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (0o600, 61_001));
    assert_eq!(fs::read_to_string(file(&node)).unwrap(), "uname -s -r\ncat /etc/hostname | wc -l\n");

    let mut seat = Seat::at(&node, Account::Alice);
    seat.keys(CTRL_R);
    seat.keys("-s");
    seat.shows("(search `-s`)");
    // The first Enter takes what was found, so that it is seen whole; the next one runs it.
    seat.keys(ENTER);
    seat.typed("uname -s -r");
    seat.keys(ENTER);
    seat.shows("\nLinux");
    seat.next_prompt();
    let listed = seat.line("history");
    assert!(listed.contains("1  uname -s -r") && listed.contains("2  cat /etc/hostname"), "{listed}");
    seat.keys(CTRL_R);
    seat.keys("hostname");
    seat.shows("(search `hostname`)");
    seat.keys(CTRL_G);
    seat.prompt();
    leave(seat);
}

#[test]
fn a_file_that_is_a_link_is_left_alone_and_said() {
    let node = Node::start();
    let other = node.path("alice/other");
    fs::write(&other, "uname -a\n").unwrap();
    rustix::fs::chown(&other, Some(rustix::fs::Uid::from_raw(61_001)), None).unwrap();
    fs::create_dir_all(file(&node).parent().unwrap()).unwrap();
    symlink(&other, file(&node)).unwrap();
    let mut seat = Seat::at(&node, Account::Alice);
    let screen = seat.screen();
    assert!(screen.contains("pact: history: ") && screen.contains("for this session only"), "{screen}");
    seat.line("uname -s");
    seat.keys(UP);
    seat.typed("uname -s");
    seat.keys(CTRL_C);
    seat.next_prompt();
    leave(seat);
    assert_eq!(fs::read_to_string(&other).unwrap(), "uname -a\n");
}

#[test]
fn no_control_byte_goes_in_or_comes_out() {
    let node = Node::start();
    fs::create_dir_all(file(&node).parent().unwrap()).unwrap();
    fs::write(file(&node), b"uname -n\n\x1b]52;c;aGk=\x07\ncat \xe2\x80\xae/etc\n").unwrap();
    rustix::fs::chown(file(&node), Some(rustix::fs::Uid::from_raw(61_001)), None).unwrap();
    let mut seat = Seat::at(&node, Account::Alice);
    seat.keys(UP);
    seat.typed("uname -n");
    seat.keys(CTRL_C);
    seat.next_prompt();
    // A paste that brings control characters along.
    seat.keys("\x1b[200~uname \x07\x08\u{9b}\x1b[2J-s\x1b[201~");
    seat.shows("-s");
    seat.keys(ENTER);
    seat.shows("pact: ");
    seat.next_prompt();
    leave(seat);
    let kept = fs::read(file(&node)).unwrap();
    let added =
        String::from_utf8_lossy(&kept[b"uname -n\n\x1b]52;c;aGk=\x07\ncat \xe2\x80\xae/etc\n".len()..]).into_owned();
    assert!(!added.chars().any(|c| c.is_control() && c != '\n'), "{added:?}");
}
