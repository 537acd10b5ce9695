//! What is seen on terminals is recorded, and played again.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::node::{Account, Node, until};
use crate::remote::{OPS, Workstation};
use crate::seat::{CTRL_C, Seat};
use crate::site::Site;

/// The account that a node's agent is.
const AGENT: u32 = 61_010;

/// The number of the first entry of this kind that says so, as `log` shows it to its reader.
fn number(log: &str, kind: &str, what: &str) -> String {
    let row = log.lines().find(|row| row.contains(&format!(" {kind} ")) && row.contains(what));
    let row = row.unwrap_or_else(|| panic!("no {kind} of {what}: {log}"));
    row.trim_start_matches('#').split(' ').next().unwrap().to_owned()
}

/// Runs less on a file, and leaves it.
fn read(seat: &mut Seat) {
    seat.keys("less /etc/passwd\r");
    seat.shows("(END)");
    seat.keys("q");
    seat.prompt_anywhere();
    seat.clear();
}

/// Plays it on this terminal: less is seen again, and the prompt is back behind it.
fn plays(seat: &mut Seat, number: &str) {
    let before = seat.terminal.written().len();
    seat.keys(&format!("log play {number}\r"));
    seat.until("less to be seen again", |terminal| {
        String::from_utf8_lossy(&terminal.written()[before..]).contains("mallory:*:61003:")
    });
    seat.prompt_anywhere();
    assert!(!seat.terminal.screen().alternate_screen(), "the other screen is left");
    seat.clear();
}

#[test]
fn a_terminal_is_recorded_and_played_at_the_node_and_from_a_workstation() {
    let site = Site::start();
    let mut node = site.node("");
    node.start_agent(&[]);
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    alice.waits_for("node042");
    let mut seat = Seat::at(&node, Account::Alice);
    read(&mut seat);
    let last = node.last_record().unwrap();
    until("the journal to have it", || node.acknowledged() >= last);
    let log = node.once(Account::Alice, "log -n 50").stdout;
    let typed = log.lines().find(|row| row.contains("less /etc/passwd")).unwrap();
    let line_of = typed.split(['[', ']']).nth(1).unwrap();
    for kind in ["LINE", "OUTCOME"] {
        plays(&mut seat, &number(&log, kind, line_of));
    }
    let mut there = Seat::open(&mut alice.at_prompt("node042"));
    there.prompt();
    let line = number(&log, "LINE", "less /etc/passwd");
    plays(&mut there, &line);
    // Without a terminal it is the file, which any player plays.
    let (cast, complaint, code) = alice.run(&["exec", "node042", "--", "log", "play", &line]);
    assert_eq!((complaint.as_str(), code), ("", Some(0)));
    let mut rows = cast.lines();
    let header: serde_json::Value = serde_json::from_str(rows.next().unwrap()).unwrap();
    assert_eq!((&header["version"], &header["width"], &header["height"]), (&2.into(), &100.into(), &200.into()));
    let mut before = 0.0;
    for row in rows {
        let (time, kind, _): (f64, String, String) = serde_json::from_str(row).unwrap();
        assert!(time >= before && ["o", "r"].contains(&kind.as_str()), "{row}");
        before = time;
    }
    // What others saw is for who operates the node.
    for account in [Account::Bob, Account::Root] {
        let said = node.once(account, &format!("log play {line}"));
        assert!(said.stderr.contains("is not yours") && said.code == Some(1) && said.stdout.is_empty(), "{said:?}");
    }
    let carol = Workstation::of(&site, "carol@example.org", &["pact-platform-admin"]);
    assert_eq!(carol.run(&["exec", "node042", "--", "log", "play", &line]).0, cast);
    // What has no recording says so; the journal says where they are.
    let said = node.once(Account::Alice, &format!("log play {}", number(&log, "SESSION", "prompt as")));
    assert!(said.stderr.contains("is about no line") && said.code == Some(1), "{said:?}");
    let uname = node.once(Account::Alice, "uname -s");
    assert_eq!(uname.code, Some(0));
    let (_, why, code) = alice.run(&["log", "play", &line]);
    assert!(why.contains("log play") && why.contains("pact exec NODE") && code == Some(1), "{why} {code:?}");
    // The agent's alone, and nothing that a session sees.
    let directory = node.path("recordings");
    assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    for file in fs::read_dir(&directory).unwrap() {
        let metadata = file.unwrap().metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.permissions().mode() & 0o777), (AGENT, 0o600));
    }
    let said = node.once(Account::Alice, &format!("ls {}", directory.display()));
    assert_ne!(said.code, Some(0), "{said:?}");
}

#[test]
fn a_recording_is_held_by_a_blank_and_ended_by_a_key() {
    let mut node = Node::prepare("");
    node.start_agent(&[]);
    let mut seat = Seat::at(&node, Account::Alice);
    seat.keys("top -d 0.3\r");
    seat.shows("PID USER");
    let written = seat.terminal.written().len();
    seat.until("top to have drawn for a while", |terminal| terminal.written().len() > written + 4000);
    seat.keys(CTRL_C);
    seat.prompt_anywhere();
    seat.clear();
    let line = number(&node.once(Account::Alice, "log -n 50").stdout, "LINE", "top -d 0.3");
    for end in ["q", CTRL_C] {
        seat.keys(&format!("log play {line}\r"));
        seat.shows("PID USER");
        seat.keys(&format!(" {end}"));
        seat.prompt_anywhere();
        seat.clear();
    }
    assert_eq!(seat.line("uname -s"), "Linux");
}

#[test]
fn recordings_are_sealed_where_there_is_a_key_and_none_where_the_policy_says_so() {
    let key = std::env::temp_dir().join(format!("pact-recordings-{}.key", std::process::id()));
    fs::write(&key, "0f".repeat(32)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let mut node = Node::prepare_with(&format!("recordings_key = \"{}\"", key.display()), "");
    node.start_agent(&[]);
    let mut seat = Seat::at(&node, Account::Alice);
    read(&mut seat);
    let files: Vec<_> = fs::read_dir(node.path("recordings")).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() == 1 && files[0].to_string_lossy().ends_with(".cast.sealed"), "{files:?}");
    let bytes = fs::read(&files[0]).unwrap();
    assert!(!bytes.windows(7).any(|part| part == b"mallory"));
    let line = number(&node.once(Account::Alice, "log -n 50").stdout, "LINE", "less /etc/passwd");
    plays(&mut seat, &line);
    fs::write(&files[0], &bytes[..bytes.len() - 3]).unwrap();
    let said = node.once(Account::Alice, &format!("log play {line}"));
    assert!(said.stderr.contains("it is cut short") && said.code == Some(1), "{said:?}");
    fs::remove_file(&key).unwrap();

    let mut node = Node::prepare("[recording]\nterminal = false\n");
    node.start_agent(&[]);
    let mut seat = Seat::at(&node, Account::Alice);
    read(&mut seat);
    assert_eq!(fs::read_dir(node.path("recordings")).unwrap().count(), 0);
    let line = number(&node.once(Account::Alice, "log -n 50").stdout, "LINE", "less /etc/passwd");
    let said = node.once(Account::Alice, &format!("log play {line}"));
    assert!(said.stderr.contains("there is no recording of the line"), "{said:?}");
}
