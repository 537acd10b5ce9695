//! The records of a node in the journal: all of them, once, in order, whoever was killed; and lines that wait for it.

use std::time::{Duration, Instant, SystemTime};

use pact_xtask::authority::{Asked, Authority};
use rustix::process::Signal;

use crate::lines::find;
use crate::node::{Account, Node, until};
use crate::site::{HOST, Site};

const QUORUM: &str = "audit = \"quorum\"\n";

/// The row of `status` about the journal, with its folded rest.
fn journal_row(node: &Node) -> String {
    let said = node.once(Account::Root, "status");
    assert_eq!(said.code, Some(0), "{said:?}");
    let rows = said.stdout.lines().skip_while(|row| !row.starts_with("Journal:"));
    let row: Vec<_> = rows.take_while(|row| !row.starts_with("Sandbox:")).map(str::trim).collect();
    row.join(" ")
}

fn count(records: &[String], kind: &str, text: &str) -> usize {
    records.iter().filter(|record| record.contains(kind) && record.contains(text)).count()
}

#[test]
fn every_line_arrives_once_in_order_with_who_what_and_how_it_ended() {
    let mut site = Site::start();
    let mut node = site.node("");
    node.start_agent(&[]);
    assert_eq!(node.once(Account::Alice, "cat /etc/passwd | grep -c alice").code, Some(0));
    assert_eq!(node.once(Account::Bob, "uname -r").code, Some(0));
    assert_eq!(node.once(Account::Alice, "uname; id").code, Some(1));
    assert_eq!(node.once(Account::Mallory, "uname -v").code, Some(2));
    until("status to say so", || journal_row(&node) == format!("Journal:  {}, all records are there", site.endpoint()));
    let records = site.has_all_of(&node);
    let line = &records[find(&records, "LINE", "cat /etc/passwd | grep -c alice")];
    assert!(line.contains(" node:node042 alice@example.org "), "{line}");
    find(&records, "OUTCOME", "exit 0 (0, 0)");
    assert!(records[find(&records, "LINE", "uname -r")].contains(" bob@example.org "));
    find(&records, "REFUSED", "uname; id");
    assert!(records[find(&records, "REFUSED", "exit 2")].contains(" unix:mallory@node042 "));
}

#[test]
fn a_journal_that_is_killed_at_any_point_has_every_line_once() {
    let mut site = Site::new();
    let mut node = site.node("");
    node.start_agent(&[]);
    for (at, failpoint) in ["before-sync:12", "before-head:12", "before-apply:12", "after-apply:12"].iter().enumerate()
    {
        site.start_journal(failpoint);
        let mut lines = 0;
        let deadline = Instant::now() + crate::node::PATIENCE;
        while !site.journal_has_ended() {
            assert!(Instant::now() < deadline, "{failpoint} was not reached");
            lines += 1;
            let typed = format!("grep -c run-{at}-{lines} /etc/hostname");
            assert_eq!(node.once(Account::Alice, &typed).code, Some(1));
        }
        site.kill_journal();
    }
    for run in 0..3 {
        site.start_journal("");
        assert_eq!(node.once(Account::Bob, &format!("grep -c kill-{run} /etc/hostname")).code, Some(1));
        site.kill_journal();
    }
    site.start_journal("");
    site.has_all_of(&node);
}

#[test]
fn an_agent_that_is_killed_sends_what_it_had_and_how_it_went_on() {
    let mut site = Site::start();
    let mut node = site.node("");
    for failpoint in ["after-record", "before-outcome"] {
        // What the one before left would be taken for the socket of this one.
        assert!(node.enter("rm").args(["-f", "/run/pact/agent.sock"]).status().unwrap().success());
        node.start_agent_unasked(&[("PACT_FAILPOINT", failpoint)]);
        node.once(Account::Alice, &format!("grep -c {failpoint} /etc/hostname"));
        node.agent_ended();
    }
    node.start_agent(&[]);
    node.once(Account::Alice, "uname -m");
    node.kill_agent();
    node.start_agent(&[]);
    let records = site.has_all_of(&node);
    for failpoint in ["after-record", "before-outcome"] {
        assert_eq!(count(&records, "LINE", failpoint), 1, "{records:#?}");
    }
    assert_eq!(count(&records, "OUTCOME", "interrupted: the agent stopped"), 2, "{records:#?}");
}

#[test]
fn a_journal_that_was_away_gets_everything_with_its_times() {
    let mut site = Site::new();
    let mut node = site.node("");
    node.start_agent(&[]);
    std::thread::scope(|sessions| {
        for (account, name) in [(Account::Alice, "a"), (Account::Alice, "b"), (Account::Bob, "c")] {
            let node = &node;
            sessions.spawn(move || {
                for line in 0..8 {
                    let said = node.once(account, &format!("grep -c {name}-{line} /etc/hostname"));
                    assert_eq!(said.code, Some(1), "{said:?}");
                }
            });
        }
    });
    let row = journal_row(&node);
    let endpoint = site.endpoint();
    assert!(row.starts_with(&format!("Journal:  {endpoint}, ")), "{row}");
    assert!(row.contains(" records wait, since 20") && row.contains("; away since 20"), "{row}");
    assert!(row.contains("no connection: Connection refused"), "{row}");
    site.start_journal("");
    let records = site.has_all_of(&node);
    for name in ["a", "b", "c"] {
        for line in 0..8 {
            assert_eq!(count(&records, "LINE", &format!("grep -c {name}-{line} ")), 1, "{records:#?}");
        }
    }
    until("status to say that it is away", || journal_row(&node).contains("; away since 20"));
}

#[test]
fn a_new_spool_begins_anew_and_the_old_records_stay() {
    let mut site = Site::start();
    let mut node = site.node("");
    node.start_agent(&[]);
    node.once(Account::Alice, "uname -m");
    let old = site.has_all_of(&node);
    node.kill_agent();
    std::fs::remove_dir_all(node.path("spool")).unwrap();
    site.start_journal("");
    node.start_agent(&[]);
    node.once(Account::Alice, "uname -r");
    let new: Vec<_> = node.records();
    until("the journal to have the new spool", || {
        let row = journal_row(&node);
        row.ends_with("all records are there")
    });
    let there = site.records();
    assert_eq!(there[..old.len()], old);
    assert_eq!(count(&there, "LINE", "uname -m"), 1, "{there:#?}");
    assert_eq!(count(&there, "LINE", "uname -r"), 1, "{there:#?}\n{new:#?}");
}

/// A line of a node that has just begun waits for a journal that does not answer, and runs when it does.
fn waits(site: &mut Site, node: &Node) {
    // The agent is there, a session opens, a line, what it wrote, its outcome, the session ends.
    assert_eq!(node.once(Account::Alice, "uname -s").stdout, "Linux\n");
    until("the end of the first session and its way", || node.acknowledged() == 6);
    let before = node.head_writes();
    site.signal_journal(Signal::STOP);
    let mut waiting = node.pact(Account::Alice, &["-c", "uname -s"]).spawn().unwrap();
    until("the line to be on this node's disk", || node.head_writes() > before);
    assert!(waiting.try_wait().unwrap().is_none(), "it ran before the journal had it");
    assert_eq!(node.acknowledged(), 6);
    site.signal_journal(Signal::CONT);
    let said = crate::node::Said::from(waiting.wait_with_output().unwrap());
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), "Linux\n"), "{said:?}");
}

#[test]
fn with_quorum_a_line_waits_for_the_journal() {
    let mut site = Site::start();
    let mut node = site.node(QUORUM);
    node.start_agent_unasked(&[]);
    waits(&mut site, &node);
    site.has_all_of(&node);
}

#[test]
fn with_quorum_and_no_journal_nothing_runs_and_the_refusal_is_on_record() {
    let mut site = Site::start();
    let mut node = site.node(QUORUM);
    node.start_agent(&[]);
    assert_eq!(node.once(Account::Alice, "uname -s").code, Some(0));
    site.kill_journal();
    // The first is on record and waits in vain; a journal that stays away is not waited for.
    for (kind, shown) in
        [("OUTCOME", "did not acknowledge the line within 10 s"), ("REFUSED", "is away: no connection")]
    {
        until("the refusal", || {
            let said = node.once(Account::Alice, "uname -r");
            assert_eq!((said.code, said.stdout.as_str()), (Some(5), ""), "{said:?}");
            assert!(said.stderr.contains(&format!("pact: journal: {}", site.endpoint())), "{said:?}");
            said.stderr.contains(shown)
        });
        find(&node.records(), kind, shown);
    }
    for command in ["status", "log", "whoami", "help"] {
        assert_eq!(node.once(Account::Alice, command).code, Some(0), "{command}");
    }
    site.start_journal("");
    until("lines to run again", || node.once(Account::Alice, "uname -m").code == Some(0));
    site.has_all_of(&node);
}

#[test]
fn with_quorum_and_no_journal_configured_nothing_runs() {
    let mut node = Node::prepare(QUORUM);
    node.start_agent(&[]);
    let said = node.once(Account::Alice, "uname");
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.stderr.contains("none is configured on this node"), "{said:?}");
    let status = node.once(Account::Alice, "status");
    assert!(status.stdout.contains("no journal: records are kept on this node only"), "{status:?}");
}

#[test]
fn a_spool_that_outlives_nothing_asks_for_the_journal_and_reads_without_it() {
    let mut site = Site::start();
    let mut node = site.node("");
    let spool = node.path("spool");
    std::fs::create_dir(&spool).unwrap();
    let mut mount = node.enter("mount");
    mount.args(["-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs"]).arg(&spool);
    assert!(mount.status().unwrap().success());
    node.start_agent_unasked(&[]);
    waits(&mut site, &node);
    site.kill_journal();
    until("status to say that it is away", || journal_row(&node).contains("; away since 20"));
    let begun = Instant::now();
    assert_eq!(node.once(Account::Alice, "uname -r").code, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "it waited for a journal that is away");
    assert!(node.once(Account::Root, "status").stdout.contains("tmpfs"));
}

/// Whatever is wrong with a certificate is named, and lines go on.
#[test]
fn wrong_certificates_are_named_and_lines_go_on() {
    let other = Authority::new("another site").unwrap();
    let old = |uri| {
        let mut asked = Asked::new(&[HOST], uri);
        asked.not_before = SystemTime::now() - Duration::from_secs(3 * 86_400);
        asked.not_after = SystemTime::now() - Duration::from_secs(2 * 86_400);
        asked
    };
    for (whose, what, expected) in [
        ("member", "of another authority", "its certificate: "),
        ("member", "for another host", "not valid for name"),
        ("member", "expired", "expired"),
        ("node", "of another authority", "UnknownCA"),
        ("node", "of another node", "it is the certificate of node node043, and this is node042"),
        ("node", "of a member", "it is the certificate of the journal's member 1"),
        ("node", "of nobody", "it has no name of the form pact://node/<name>"),
        ("node", "expired", "CertificateExpired"),
    ] {
        let mut site = Site::new();
        let own = &site.authority;
        let leaf = match (whose, what) {
            ("member", "of another authority") => other.member(1, &[HOST]),
            ("member", "for another host") => own.member(1, &["journal01"]),
            ("member", _) => own.leaf(&old(&["pact://member/1"])),
            ("node", "of another authority") => other.node("node042"),
            ("node", "of another node") => own.node("node043"),
            ("node", "of a member") => own.member(1, &["node042"]),
            ("node", "of nobody") => own.leaf(&Asked::new(&["node042"], &[])),
            _ => own.leaf(&old(&["pact://node/node042"])),
        };
        site.write(whose, &leaf.unwrap());
        site.start_journal("");
        let mut node = site.node("");
        node.start_agent(&[]);
        let mut row = String::new();
        let deadline = Instant::now() + crate::node::PATIENCE;
        while !row.contains(expected) {
            assert!(Instant::now() < deadline, "{whose} {what}: {row}");
            row = journal_row(&node);
        }
        assert!(row.contains("away since 20"), "{whose} {what}: {row}");
        assert_eq!(node.once(Account::Alice, "uname").code, Some(0), "{whose} {what}");
        site.kill_journal();
    }
}

/// What does not belong together, or what others could read, stops the agent by name.
#[test]
fn files_that_cannot_be_used_are_named_and_no_agent_starts() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    let (key, certificate) = (site.path("node.key"), site.path("node.pem"));
    let node = site.node("");
    let chmod = |mode| std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    let refused = |path: &std::path::Path, expected: &str| {
        let said = node.failing_agent();
        let last = said.lines().last().unwrap_or_default().to_owned();
        assert!(last.contains(path.to_str().unwrap()) && last.contains(expected), "{expected}: {last}");
        assert!(!said.contains("PRIVATE"), "{said}");
    };
    chmod(0o640);
    refused(&key, "others may read it, and it is a secret");
    chmod(0o600);
    let good = std::fs::read(&key).unwrap();
    std::fs::write(&key, "nothing\n").unwrap();
    refused(&key, "no private key in PEM");
    std::fs::write(&key, site.authority.node("node042").unwrap().key).unwrap();
    refused(&key, "keys may not be consistent");
    std::fs::write(&key, good).unwrap();
    std::fs::write(&certificate, "nothing\n").unwrap();
    refused(&certificate, "no certificate in PEM");
    std::fs::remove_file(&certificate).unwrap();
    refused(&certificate, "No such file");
}
