//! What people see: help, complaints, the log, status. Text files hold it all; `BLESS=1` writes them anew.

use std::time::Duration;

use pact_proto::command::{HelpArguments, TABLE};
use pact_proto::grammar::{self, Line};
use pact_proto::model::entry::{
    Body, Credential, End, LineOutcome, LineRecorded, LineRefused, SessionKind, StageKind, StageRecord, StageStatus,
    Via, Written,
};
use pact_proto::model::{
    Check, Entry, Finding, LineId, Scope, SessionId, Severity, SpoolEpoch, SpoolNumber, SpoolPosition,
};
use pact_proto::view::{self, Complaint, JournalStatus, NodeStatus, Style};

use crate::{case, cases, programs};

const PLAIN: Style = Style { colour: false, columns: 80 };

fn help(topic: Option<&str>) -> String {
    let commands: Vec<&str> = TABLE.iter().map(|descriptor| descriptor.name).collect();
    let programs = programs();
    let schemas: Vec<_> = programs.iter().map(pact_proto::program::Program::schema).collect();
    let asked = HelpArguments { topic: topic.map(str::to_owned) };
    view::help(&asked, &commands, &schemas, PLAIN).unwrap_or_else(|why| format!("pact: {why}\n"))
}

#[test]
fn help_is_what_is_checked_in() {
    let mut text = String::new();
    let commands = TABLE.iter().map(|descriptor| Some(descriptor.name));
    let others = ["?", "grep", "ip", "ps", "tial", "\u{1b}[2J"].map(Some);
    for topic in std::iter::once(None).chain(commands).chain(others) {
        let shown = topic.map(|topic| format!(" {}", view::escape(topic.as_bytes()))).unwrap_or_default();
        text.push_str(&format!("=== help{shown}\n{}\n", help(topic)));
    }
    cases::golden(&case("help.txt"), &text);
}

#[test]
fn help_shows_only_what_one_may_use() {
    let programs = programs();
    let few: Vec<_> = programs.iter().map(pact_proto::program::Program::schema).take(1).collect();
    let asked = |topic: &str| HelpArguments { topic: Some(topic.to_owned()) };
    assert!(view::help(&asked("log"), &["help"], &few, PLAIN).is_err());
    assert!(view::help(&asked("uname"), &["help"], &few, PLAIN).is_err());
    let overview = view::help(&HelpArguments { topic: None }, &["help"], &[], PLAIN).unwrap();
    assert!(!overview.contains("status") && !overview.contains("Programs"), "{overview}");
}

#[test]
fn complaints_are_what_is_checked_in() {
    cases::check(&case("complaints.cases"), |typed| {
        let bad = grammar::parse(Line::new(typed)).unwrap_err();
        let (message, hint) = (bad.message(), bad.hint());
        let complaint =
            Complaint { line: bad.line().as_bytes(), span: Some(bad.span()), message: &message, hint: &hint };
        view::complain(&complaint, PLAIN)
    });
}

fn entry(number: u64, line: u64, body: Body) -> Entry {
    Entry {
        event_time: "2026-03-01T12:00:00Z".parse().unwrap(),
        scope: Scope::Node("node042".parse().unwrap()),
        author: "alice@example.org".parse().unwrap(),
        via: Via::Node("node042".parse().unwrap()),
        session: Some(SessionId::from_bytes([0xab; 16])),
        line: LineId(line),
        message: String::new(),
        policy_version: "0123456789ab".to_owned(),
        position: Some(SpoolPosition {
            node: "node042".parse().unwrap(),
            epoch: SpoolEpoch(1),
            number: SpoolNumber(number),
        }),
        request_hash: None,
        credential: Some(Credential::Peer { uid: 1000, pid: 7, user: Some("alice".to_owned()) }),
        body,
    }
}

/// One of everything that can be on record.
pub(crate) fn rejected(number: u64, reason: &str) -> Body {
    Body::UplinkRejected { node: "node042".parse().unwrap(), number: SpoolNumber(number), reason: reason.into() }
}

fn entries() -> Vec<Entry> {
    let outcome = |end, stages: Vec<StageStatus>, exit_code, truncated| {
        Body::Outcome(LineOutcome {
            end,
            stages,
            duration: Duration::from_micros(12_345),
            stdout: Written { bytes: 1200, sha256: Some([1; 32]) },
            stderr: Written { bytes: 34, sha256: None },
            truncated,
            exit_code,
        })
    };
    let stage = |name: &str, rest: &[&[u8]]| StageRecord {
        kind: StageKind::Program(name.to_owned()),
        argv: std::iter::once(name.as_bytes()).chain(rest.iter().copied()).map(<[u8]>::to_vec).collect(),
    };
    let refused = |line: &[u8], line_bytes: u64, exit_code, reason: &str| {
        let hash = (line_bytes > line.len() as u64).then_some([3; 32]);
        let reason = reason.to_owned();
        Body::Refused(LineRefused { line: line.to_vec(), line_bytes, line_sha256: hash, exit_code, reason })
    };
    let log = StageRecord { kind: StageKind::Command("log".into()), argv: vec![b"log".to_vec()] };
    let bodies = vec![
        (0, Body::AgentStarted { version: "0.1.0".into(), layers: vec!["landlock 7".into(), "seccomp".into()] }),
        (0, Body::SessionOpened { kind: SessionKind::Repl, roles: vec!["pact-ops-ml-training".parse().unwrap()] }),
        (0, Body::SessionOpened { kind: SessionKind::Once, roles: Vec::new() }),
        (0, Body::SessionOpened { kind: SessionKind::Script, roles: Vec::new() }),
        (
            1,
            Body::Line(LineRecorded {
                line: b"cat /var/log/* | grep 'a b'".to_vec(),
                stages: vec![stage("cat", &[b"/var/log/\xff.log", b"/var/log/a\x1b[2J"]), stage("grep", &[b"a b"])],
                expansions: vec![(b"/var/log/*".to_vec(), vec![b"/var/log/\xff.log".to_vec()])],
            }),
        ),
        (2, Body::Line(LineRecorded { line: b"log".to_vec(), stages: vec![log], expansions: Vec::new() })),
        (1, outcome(End::Finished, vec![StageStatus::Exited(0)], 0, false)),
        (1, outcome(End::Finished, vec![StageStatus::Signaled(13), StageStatus::Exited(1)], 1, true)),
        (1, outcome(End::Interrupted("the client vanished".into()), vec![StageStatus::Signaled(9)], 137, false)),
        (1, outcome(End::Failed("no such file".into()), Vec::new(), 1, false)),
        (
            1,
            outcome(
                End::Interrupted("the agent was restarted".into()),
                vec![StageStatus::Unknown("restart".into()), StageStatus::Unknown("restart".into())],
                1,
                false,
            ),
        ),
        (3, refused(b"dmesg; \x1b[2Jid", 14, 1, "`;` is not part of the grammar")),
        (4, refused(b"AAAA", 9000, 1, "the line has 9000 bytes")),
        (0, refused(b"", 0, 2, "account \"eve\" of node042 is bound to nobody")),
        (0, Body::RecordsLost { counted: 3 }),
        (0, Body::SessionClosed { reason: "left".into() }),
        (0, rejected(0, "a message of 5 MiB")),
        (0, rejected(7, "entry 5 must come first\x1b[2J")),
        (0, Body::MemberStarted { version: "0.1.0\x1b[2J".into() }),
    ];
    (1..).zip(bodies).map(|(number, (line, body))| entry(number, line, body)).collect()
}

#[test]
fn the_log_is_what_is_checked_in() {
    let text: String = entries().iter().map(|entry| view::log_line(entry, PLAIN)).collect();
    assert_eq!(text.lines().count(), entries().len(), "an entry is one line");
    cases::golden(&case("log.txt"), &text);
}

/// With colours there is nothing on the line but colours more.
#[test]
fn colours_change_no_text() {
    for entry in entries() {
        let coloured = view::log_line(&entry, Style { colour: true, ..PLAIN });
        let mut plain = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once("\u{1b}[") {
            plain.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        assert_eq!(plain + rest, view::log_line(&entry, PLAIN));
    }
}

#[test]
fn status_is_what_is_checked_in() {
    let mut node = NodeStatus {
        node: "node042".into(),
        vcluster: "ml-training".into(),
        state: "COMMITTED",
        services_running: 5,
        policy_version: "0123456789ab".into(),
        programs: 12,
        sessions: 2,
        layers: vec!["landlock 7".into(), "seccomp".into(), "cgroup v2".into()],
        failures: Vec::new(),
        last_record: 812,
        unwritten: 0,
        journal: None,
        degraded: Vec::new(),
        up: Duration::from_secs(59),
    };
    let mut text = view::status(&node, PLAIN);
    node.failures = vec!["landlock: the kernel has none".into()];
    node.degraded = vec!["memory is not bounded: no controller\x1b[2J".into()];
    for seconds in [60, 3 * 3600 + 240, 9 * 86_400 + 7200] {
        node.up = Duration::from_secs(seconds);
        text.push_str(&format!("\n{}", view::status(&node, PLAIN)));
    }
    let oldest = Some("2026-03-01T12:00:00Z".parse().unwrap());
    let away = Some(("2026-03-01T12:34:56Z".parse().unwrap(), "no connection: \x1b[2J refused".to_owned()));
    for (waiting, away) in [(0, None), (1, None), (12, None), (0, away.clone()), (7, away)] {
        node.journal = Some(JournalStatus { endpoint: "journal01:9443".into(), waiting, oldest, away });
        let said = view::status(&node, PLAIN);
        let row = said.lines().skip_while(|line| !line.starts_with("Journal:"));
        text.push('\n');
        row.take_while(|line| !line.starts_with("Sandbox:")).for_each(|line| text.push_str(&format!("{line}\n")));
    }
    text.push_str(&format!("\n{}", view::whoami("alice@example.org", "uid 1000 of node042", &[])));
    let roles = ["pact-ops-ml-training".to_owned(), "pact-viewer-dev".to_owned()];
    text.push_str(&format!("\n{}", view::whoami("alice@example.org", "uid 1000 of node042", &roles)));
    cases::golden(&case("status.txt"), &text);
}

#[test]
fn findings_are_what_is_checked_in() {
    let finding = |check, place: &str, what: &str, fix: &str, severity| Finding {
        check,
        place: place.to_owned(),
        what: what.to_owned(),
        fix: fix.to_owned(),
        severity,
    };
    let all = [
        finding(Check::Jobs, "/usr/bin/at", "everybody may use at", "list the others in /etc/at.allow", Severity::Note),
        finding(
            Check::Sshd,
            "/etc/ssh/sshd_config:12",
            "AllowTcpForwarding is yes for all accounts that log in to pact, and sshd connects for them to any port",
            "write `AllowTcpForwarding no` there",
            Severity::Serious,
        ),
        finding(Check::Accounts, "eve\u{1b}[2J", "What\nis \"it\"?", "", Severity::Serious),
    ];
    let mut text = String::new();
    for some in [&all[..], &all[..1], &all[1..], &all[1..2], &[]] {
        text.push_str(&format!("{}\n", view::doctor(some, PLAIN)));
    }
    text.push_str(&view::doctor(&all[1..2], Style { columns: 40, ..PLAIN }));
    for some in [&all[..], &[]] {
        text.push_str(&format!("\n{}", view::json(&view::doctor_value(some))));
        text.push_str(&format!("\n{}", view::yaml(&view::doctor_value(some))));
    }
    cases::golden(&case("doctor.txt"), &text);
    let coloured = view::doctor(&all, Style { colour: true, ..PLAIN });
    assert!(coloured.contains("\u{1b}[1mSerious\u{1b}[0m") && !coloured.contains("\u{1b}[2J"), "{coloured}");
    assert_eq!(coloured.replace("\u{1b}[1m", "").replace("\u{1b}[0m", ""), view::doctor(&all, PLAIN));
}

/// Bytes of version 1 of the format, one entry a line in hexadecimal, and what they mean. They must be readable for
/// ever: a new kind of entry adds a line, a later version adds a file, and no line is ever written anew.
#[test]
fn entries_of_version_1_are_readable_for_ever() {
    let path = case("entries-v1.hex");
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut stored = std::fs::read_to_string(&path).unwrap();
    if std::env::var_os("BLESS").is_some() {
        let new = entries().into_iter().skip(stored.lines().count());
        stored.extend(new.map(|entry| hex(entry.encode()) + "\n"));
        std::fs::write(&path, &stored).unwrap();
    }
    let byte = |line: &str, at: usize| u8::from_str_radix(&line[at..at + 2], 16).unwrap();
    let bytes = |line: &str| (0..line.len()).step_by(2).map(|at| byte(line, at)).collect::<Vec<u8>>();
    let read: Vec<_> = stored.lines().map(|line| Entry::decode(&bytes(line)).unwrap()).collect();
    assert_eq!(read, entries());
}
