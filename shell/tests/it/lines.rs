//! Lines through the built binaries: what runs, what is refused, what is on record.

use crate::node::{Account, Node, Said};

#[test]
fn a_pipeline_runs_and_is_on_record_with_its_outcome() {
    let node = Node::start();
    let said = node.once(Account::Alice, "cat /etc/passwd | grep -E 'alice|bob' | wc -l");
    assert_eq!((said.stdout.trim(), said.code), ("2", Some(0)), "{said:?}");
    let records = node.records();
    let line = find(&records, "LINE", "cat /etc/passwd | grep -E 'alice|bob' | wc -l");
    let outcome = find(&records, "OUTCOME", "exit 0 (0, 0, 0)");
    assert!(line < outcome, "{records:#?}");
    for at in [line, outcome] {
        assert!(records[at].contains(" alice@example.org "), "{}", records[at]);
        assert!(records[at].contains(" node:node042 "), "{}", records[at]);
    }
}

#[test]
fn the_status_of_a_program_is_the_status_of_the_line() {
    let node = Node::start();
    assert_eq!(node.once(Account::Alice, "grep nobody-has-this-name /etc/passwd").code, Some(1));
    assert_eq!(node.once(Account::Alice, "cat /no/such/file").code, Some(1));
    assert_eq!(node.once(Account::Alice, "cat /no/such/file | wc -c").code, Some(0));
    let said = node.once(Account::Alice, "cat /no/such/file");
    assert!(said.stdout.is_empty() && said.stderr.contains("/no/such/file"), "{said:?}");
}

#[test]
fn standard_input_reaches_a_program_that_reads_it() {
    use std::io::Write;
    let node = Node::start();
    let mut pact = node.pact(Account::Alice, &["-c", "wc -c"]);
    let mut child = pact.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let text = vec![b'x'; 3 << 20];
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&text));
    let said = Said::from(child.wait_with_output().unwrap());
    writer.join().unwrap().unwrap();
    assert_eq!((said.stdout.trim(), said.code), ("3145728", Some(0)), "{said:?}");
}

#[test]
fn what_is_refused_starts_nothing_and_is_on_record() {
    let node = Node::start();
    for (line, code, shown) in [
        ("uname ; id", 1, "^"),
        ("uname && id", 1, "^"),
        ("uname > /tmp/x", 1, "^"),
        ("cat $(id)", 1, "^"),
        ("uname | sh", 6, "sh"),
        ("sudo id", 6, "sudo"),
        ("/bin/sh", 6, "/bin/sh"),
        ("unmae", 6, "uname"),
        ("dmesg -C", 6, "-C"),
        ("ip netns exec foo sh", 6, "netns"),
        ("grep -f /etc/shadow /etc/passwd", 6, "-f"),
    ] {
        let said = node.once(Account::Alice, line);
        assert_eq!(said.code, Some(code), "{line}: {said:?}");
        assert!(said.stdout.is_empty(), "{line}: {said:?}");
        assert!(said.stderr.contains("pact: ") && said.stderr.contains(shown), "{line}: {said:?}");
        let records = node.records();
        let last = records.iter().rfind(|r| r.contains("REFUSED")).unwrap();
        assert!(last.contains(line) && last.contains(&format!("exit {code}")), "{line}: {last}");
    }
    let ran =
        node.records().into_iter().find(|record| record.contains("LINE") && record.contains(" alice@example.org "));
    assert_eq!(ran, None, "something ran");
}

#[test]
fn who_is_nobody_gets_one_sentence_and_the_record_gets_the_reason() {
    let node = Node::start();
    let said = node.once(Account::Mallory, "uname");
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stdout.is_empty() && !said.stderr.contains("mallory"), "{said:?}");
    let records = node.records();
    let refused = &records[find(&records, "REFUSED", "exit 2")];
    assert!(refused.contains("unix:mallory@node042"), "{refused}");
}

#[test]
fn root_reads_status_and_log_and_is_nobody_else() {
    let node = Node::start();
    let status = node.run(Account::Root, &["status"]);
    assert_eq!(status.code, Some(0), "{status:?}");
    assert_eq!(
        status.stdout.lines().next(),
        Some("Node: node042  State: OBSERVE_ONLY  Supervisor: 0 services running")
    );
    assert_eq!(node.once(Account::Root, "uname").code, Some(2));
}

#[test]
fn a_viewer_reads() {
    let node = Node::start();
    assert_eq!(node.once(Account::Bob, "uname -r").code, Some(0));
    let who = node.run(Account::Bob, &["-c", "whoami"]);
    assert!(who.stdout.contains("bob@example.org") && who.stdout.contains("pact-viewer-ml-training"), "{who:?}");
}

#[test]
fn a_command_can_be_the_head_of_a_pipeline() {
    let node = Node::start();
    node.once(Account::Alice, "uname -r");
    let said = node.once(Account::Alice, "log -n 100 | grep -F 'uname -r' | wc -l");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.trim().parse::<u32>().unwrap() >= 1, "{said:?}");
}

#[test]
fn file_patterns_become_words_that_are_recorded() {
    let node = Node::start();
    let said = node.once(Account::Alice, "ls /etc/pass?d");
    assert_eq!((said.stdout.trim(), said.code), ("/etc/passwd", Some(0)), "{said:?}");
    let missing = node.once(Account::Alice, "ls /etc/nothing-matches-*");
    assert_eq!(missing.code, Some(1), "{missing:?}");
    let records = node.records();
    find(&records, "LINE", "ls /etc/passwd");
    find(&records, "REFUSED", "/etc/nothing-matches-*");
}

#[test]
fn without_an_agent_it_says_what_was_tried() {
    let node = Node::prepare("");
    let said = node.once(Account::Alice, "uname");
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.stderr.contains("/run/pact/agent.sock"), "{said:?}");
}

#[test]
fn a_script_ends_at_the_first_line_that_is_refused() {
    use std::io::Write;
    let node = Node::start();
    let mut pact = node.pact(Account::Alice, &[]);
    let mut child = pact.stdin(std::process::Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"uname -s\n\ngrep nobody-has-this-name /etc/passwd\nuname; id\nuname -r\n")
        .unwrap();
    let said = Said::from(child.wait_with_output().unwrap());
    assert_eq!((said.stdout.as_str(), said.code), ("Linux\n", Some(1)), "{said:?}");
    assert!(!node.records().iter().any(|record| record.contains("uname -r")));
}

/// Where in `records` the first of this kind with this text is.
pub(crate) fn find(records: &[String], kind: &str, text: &str) -> usize {
    let found = records.iter().position(|record| record.contains(kind) && record.contains(text));
    found.unwrap_or_else(|| panic!("no {kind} with {text}: {records:#?}"))
}
