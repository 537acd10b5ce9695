//! The same line from a workstation: over TLS, by token and ticket, through the built programs.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::lines::find;
use crate::node::{Account, Node, until};
use crate::seat::Seat;
use crate::site::Site;

pub(crate) const OPS: &[&str] = &["pact-ops-ml-training"];

/// Somebody at a workstation.
pub(crate) struct Workstation<'a> {
    pub(crate) site: &'a Site,
    pub(crate) token: String,
}

impl<'a> Workstation<'a> {
    pub(crate) fn of(site: &'a Site, principal: &str, roles: &[&str]) -> Self {
        Self { site, token: site.provider.token(principal, roles).unwrap() }
    }

    /// `pact` with nothing of this process's environment.
    pub(crate) fn pact(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pact"));
        command.args(words).env_clear().env("HOME", self.site.path("")).stdin(Stdio::null());
        command.env("PACT_ENDPOINT", self.site.endpoint()).env("PACT_CA", self.site.path("ca.pem"));
        command.env("PACT_TOKEN", &self.token);
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> (String, String, Option<i32>) {
        said(&self.pact(words).output().unwrap())
    }

    /// `pact shell` of a node, on the terminal of whoever starts it.
    pub(crate) fn shell(&self, node: &str) -> Command {
        let mut command = self.pact(&["shell", node]);
        command.env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
        command
    }

    /// `pact shell` of a node, which takes its standard input as its terminal.
    pub(crate) fn at_prompt(&self, node: &str) -> Command {
        let mut command = Command::new("setsid");
        command.args(["--ctty", env!("CARGO_BIN_EXE_pact"), "shell", node]).env_clear();
        command.env("HOME", self.site.path("")).env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
        command.env("PACT_ENDPOINT", self.site.endpoint()).env("PACT_CA", self.site.path("ca.pem"));
        command.env("PACT_TOKEN", &self.token);
        command
    }

    /// Once the journal knows the node, and the node what is revoked.
    pub(crate) fn waits_for(&self, node: &str) {
        until("the node to take sessions", || self.run(&["status", node]).2 == Some(0));
    }
}

pub(crate) fn said(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

pub(crate) fn started() -> (Site, Node) {
    let site = Site::start();
    let mut node = site.node("");
    node.start_agent(&[]);
    (site, node)
}

#[test]
fn a_line_runs_there_as_it_runs_here() {
    let (mut site, node) = started();
    let uname = node.once(Account::Alice, "uname -r").stdout;
    {
        let alice = Workstation::of(&site, "alice@example.org", OPS);
        alice.waits_for("node042");
        assert_eq!(alice.run(&["exec", "node042", "--", "uname", "-r"]), (uname, String::new(), Some(0)));
        let (out, err, code) = alice.run(&["exec", "node042", "--", "cat /etc/hostname | grep -c nothing"]);
        assert_eq!((out.as_str(), err.as_str(), code), ("0\n", "", Some(1)), "a pipeline is read by the grammar");
        let (out, err, code) = alice.run(&["exec", "node042", "--", "grep", "x", "/no/such"]);
        assert!(out.is_empty() && err.contains("/no/such") && code == Some(2), "{out} {err} {code:?}");
        let (_, err, code) = alice.run(&["exec", "node042", "--", "bash"]);
        assert!(err.contains("bash: it is not a whitelisted program") && code == Some(6), "{err} {code:?}");
        let mut counting = alice.pact(&["exec", "node042", "--", "wc", "-c"]);
        let mut counting = counting.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        counting.stdin.take().unwrap().write_all(&vec![b'x'; 300_000]).unwrap();
        let (out, _, code) = said(&counting.wait_with_output().unwrap());
        assert_eq!((out.as_str(), code), ("300000\n", Some(0)));
        let (long, many) = ("long".repeat(25_000), vec!["many"; 25_000]);
        for words in [&["--", long.as_str()][..], &[&["--"], many.as_slice()].concat()] {
            let (out, err, code) = alice.run(&[&["exec", "node042"], words].concat());
            assert!(out.is_empty() && err.contains(" are the most") && code == Some(1), "{err} {code:?}");
        }
        let viewer = Workstation::of(&site, "bob@example.org", &["pact-viewer-another"]);
        let (_, err, code) = viewer.run(&["exec", "node042", "--", "uname"]);
        assert_eq!(code, Some(2), "{err}");
    }
    let records = site.has_all_of(&node);
    let line = &records[find(&records, "LINE", "wc -c")];
    assert!(line.contains(" node:node042 alice@example.org "), "{line}");
    assert!(records[find(&records, "REFUSED", "uname")].contains(" bob@example.org "), "{records:#?}");
    find(&records, "REFUSED", "longlong");
    find(&records, "REFUSED", "many many");
}

#[test]
fn many_nodes_answer_each_under_its_name() {
    let (site, _node) = started();
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    alice.waits_for("node042");
    let (out, err, code) = alice.run(&["exec", "node[041-042]", "--", "uname", "-s"]);
    assert_eq!((out.as_str(), code), ("[node042] Linux\n", Some(5)), "{err}");
    assert_eq!(err, "pact: node041: no node of this name has connected\n");
    let (out, _, code) = alice.run(&["exec", "@ml-training", "-b", "--", "uname", "-s"]);
    assert_eq!((out.as_str(), code), ("node042:\nLinux\n", Some(0)));
    let (out, _, code) = alice.run(&["exec", "node042", "--output", "json", "--", "grep", "-c", "x", "/no/such"]);
    let expected =
        "{\"node\":\"node042\",\"exit_code\":2,\"failure\":null,\"stdout\":\"\",\"stderr\":\"grep: /no/such: ";
    assert!(out.starts_with(expected) && out.ends_with("\"}\n") && code == Some(2), "{out}");
    let (_, err, code) = alice.run(&["exec", "@nobody", "--", "uname"]);
    assert_eq!((err.as_str(), code), ("pact: exec: there is no node in this set\n", Some(1)));
}

#[test]
fn whoever_is_not_let_in_is_told_so_and_the_reason_is_on_record() {
    let (mut site, _node) = started();
    {
        let alice = Workstation::of(&site, "alice@example.org", OPS);
        alice.waits_for("node042");
        let mut nobody = Workstation::of(&site, "alice@example.org", OPS);
        nobody.token.push('x');
        let (out, err, code) = nobody.run(&["exec", "node042", "--", "uname"]);
        assert_eq!((out.as_str(), code), ("", Some(2)));
        assert_eq!(err, "pact: access: the token is not accepted\nhint: get a new token, and try again\n");
        let (_, err, code) = alice.run(&["exec", "node042", "--ca", "/etc/hostname", "--", "uname"]);
        assert!(err.contains("ca: /etc/hostname") && code == Some(1), "{err}");
        let other = pact_xtask::authority::Authority::new("another site").unwrap();
        std::fs::write(site.path("other.pem"), other.certificate()).unwrap();
        let ca = site.path("other.pem").display().to_string();
        let (_, err, code) = alice.run(&["exec", "node042", "--ca", &ca, "--", "uname"]);
        assert!(err.contains("is not who it should be") && code == Some(5), "{err}");
    }
    site.kill_journal();
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    let (_, err, code) = alice.run(&["exec", "node042", "--timeout", "2", "--", "uname"]);
    assert!(err.contains("journal: localhost:") && err.contains("cannot be reached") && code == Some(5), "{err}");
    assert!(site.all_records().iter().any(|record| record.contains(" DENIED ")), "{:#?}", site.all_records());
}

/// The prompt is the same as on the node; the journal's end is not the session's.
#[test]
fn the_prompt_of_another_node() {
    let (mut site, node) = started();
    let mut command = {
        let alice = Workstation::of(&site, "alice@example.org", OPS);
        alice.waits_for("node042");
        alice.at_prompt("node042")
    };
    let mut seat = Seat::open(&mut command);
    seat.prompt();
    assert_eq!(seat.line("uname -s | wc -l"), "1");
    let whoami = seat.line("whoami");
    assert!(whoami.contains("alice@example.org") && whoami.contains("ticket of the journal, until "), "{whoami}");
    let refused = seat.line("exec node043 -- uname");
    assert!(refused.contains("pact: exec: from a node there is no way to another"), "{refused}");
    let refused = seat.line("uname; id");
    assert!(refused.contains("`;` is not part of the grammar"), "{refused}");
    site.kill_journal();
    assert_eq!(seat.line("uname -s"), "Linux");
    seat.keys("exit\r");
    assert_eq!(seat.end(), Some(0));
    site.start_journal("");
    let records = site.has_all_of(&node);
    find(&records, "SESSION", "prompt as pact-ops-ml-training");
    let line = &records[find(&records, "REFUSED", "exec node043 -- uname")];
    assert!(line.contains(" alice@example.org ") && line.contains("exit 3"), "{line}");
}

/// What a person has open ends, whatever they do there; and what they had counts nowhere any more.
#[test]
fn a_revocation_ends_an_open_prompt_and_what_runs() {
    let (site, node) = started();
    let admin = Workstation::of(&site, "root@example.org", &["pact-platform-admin"]);
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    alice.waits_for("node042");
    let mut seat = Seat::open(&mut alice.at_prompt("node042"));
    seat.prompt();
    let mut follows = alice.pact(&["exec", "node042", "--", "tail", "-f", "/etc/hostname"]);
    let follows = follows.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("tail to run", || {
        node.records().iter().any(|record| record.contains(" LINE ") && record.contains("tail -f"))
    });
    let revoked = Instant::now();
    let (_, err, code) = admin.run(&["revoke", "alice@example.org", "-m", "lost laptop"]);
    assert_eq!(code, Some(0), "{err}");
    let (_, err, code) = said(&follows.wait_with_output().unwrap());
    assert!(err.contains("what was issued to this person was revoked"), "{err}");
    assert_ne!(code, Some(0));
    until("both sessions to end", || {
        let ends = node.records();
        ends.iter().filter(|record| record.contains(" END ") && record.contains("revoked")).count() == 2
    });
    assert!(revoked.elapsed() < Duration::from_secs(10), "{:?}", revoked.elapsed());
    seat.keys("uname\r");
    assert_ne!(seat.end(), Some(0));
    seat.shows("what was issued to this person was revoked");
    let (_, err, code) = alice.run(&["exec", "node042", "--", "uname"]);
    assert!(err.contains("the token is not accepted") && code == Some(2), "{err}");
}
