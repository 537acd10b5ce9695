//! Records through death and disaster: kill -9, a full disk, a damaged spool, a client that vanishes.

use std::fs;
use std::process::Stdio;

use crate::lines::find;
use crate::node::{Account, Node, Said, until};

fn count(records: &[String], kind: &str, text: &str) -> usize {
    records.iter().filter(|record| record.contains(kind) && record.contains(text)).count()
}

/// Stops the agent at a point of a line; what is on record after the restart.
fn killed_at(point: &str, line: &str) -> Vec<String> {
    let mut node = Node::prepare("");
    // Nothing but the line under test may meet the point, so nobody asks this agent how it is.
    node.start_agent_unasked(&[("PACT_FAILPOINT", point)]);
    let said = node.once(Account::Alice, line);
    node.agent_ended();
    assert_eq!(said.code, Some(5), "the agent did not stop at {point}: {said:?}");
    node.start_agent(&[]);
    node.kill_agent();
    node.start_agent(&[]);
    node.records()
}

#[test]
fn killed_between_record_and_run_it_is_interrupted_and_never_ran() {
    let records = killed_at("after-record", "uname -r");
    assert_eq!(count(&records, "LINE", "uname -r"), 1, "{records:#?}");
    assert_eq!(count(&records, "OUTCOME", "interrupted"), 1, "{records:#?}");
}

#[test]
fn killed_between_run_and_outcome_it_is_interrupted_once() {
    let records = killed_at("before-outcome", "uname -s");
    assert_eq!(count(&records, "LINE", "uname -s"), 1, "{records:#?}");
    assert_eq!(count(&records, "OUTCOME", "interrupted"), 1, "{records:#?}");
}

#[test]
fn a_client_that_vanishes_takes_its_processes_with_it() {
    let node = Node::start();
    let agent = node.agent_pid();
    let mut pact = node.pact(Account::Alice, &["-c", "tail -f /etc/passwd"]).spawn().unwrap();
    until("tail to run", || !followers(agent).is_empty());
    pact.kill().unwrap();
    pact.wait().unwrap();
    until("its processes to be gone", || followers(agent).is_empty());
    until("the outcome", || count(&node.records(), "OUTCOME", "interrupted: the client vanished") == 1);
}

#[test]
fn a_launcher_that_is_killed_leaves_nobody_behind() {
    let mut node = Node::start();
    let agent = node.agent_pid();
    let mut pact = node.pact(Account::Alice, &["-c", "tail -f /etc/group"]).spawn().unwrap();
    until("tail to run", || !followers(agent).is_empty());
    let launcher = children(agent);
    assert_eq!(launcher.len(), 1, "an agent has one child: {launcher:?}");
    kill(launcher[0]);
    node.agent_ended();
    until("its processes to be gone", || followers(agent).is_empty());
    pact.wait().unwrap();
    node.start_agent(&[]);
    assert_eq!(count(&node.records(), "OUTCOME", "interrupted"), 1, "{:#?}", node.records());
}

#[test]
fn a_host_that_is_killed_ends_its_line_and_the_session_goes_on_with_another() {
    let node = Node::start();
    let agent = node.agent_pid();
    let mut pact = node.pact(Account::Alice, &["-c", "tail -f /etc/hosts"]).spawn().unwrap();
    until("tail to run", || !followers(agent).is_empty());
    let hosts: Vec<u32> = children(agent).into_iter().flat_map(children).collect();
    assert_eq!(hosts.len(), 1, "one session has one host: {hosts:?}");
    kill(hosts[0]);
    until("its processes to be gone", || followers(agent).is_empty());
    assert_eq!(pact.wait().unwrap().code(), Some(1));
    assert_eq!(count(&node.records(), "OUTCOME", "interrupted: its host died"), 1, "{:#?}", node.records());
    assert_eq!(node.once(Account::Alice, "uname").code, Some(0));
}

/// Processes whose parent is this one.
fn children(parent: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|p| p.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line == format!("PPid:\t{parent}"))
    };
    pids.filter(is_child).collect()
}

fn kill(pid: u32) {
    signal(pid, rustix::process::Signal::KILL);
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Processes of the sessions of one agent that follow a file.
fn followers(agent: u32) -> Vec<String> {
    programs(agent, "tail\0-f")
}

/// Processes of the sessions of one agent whose words, each with a NUL behind it, begin so.
pub(crate) fn programs(agent: u32, words: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|process| process.path());
    let of_agent = |path: &std::path::PathBuf| {
        let groups = fs::read_to_string(path.join("cgroup")).unwrap_or_default();
        groups.contains(&format!("/pact-{agent}-"))
    };
    let commands = processes.filter(of_agent).filter_map(|path| fs::read_to_string(path.join("cmdline")).ok());
    commands.filter(|command| command.starts_with(words)).collect()
}

#[test]
fn a_client_that_does_not_read_blocks_only_its_own_line() {
    let node = Node::start();
    let mut deaf = node.pact(Account::Alice, &["-c", "cat /dev/urandom"]).spawn().unwrap();
    until("its line to be on record", || count(&node.records(), "LINE", "cat /dev/urandom") == 1);
    for _ in 0..3 {
        assert_eq!(node.once(Account::Bob, "uname").code, Some(0));
    }
    let memory = resident_kib(node.agent_pid());
    assert!(memory < 256 * 1024, "the agent holds {memory} KiB for a client that does not read");
    deaf.kill().unwrap();
    deaf.wait().unwrap();
    until("the outcome", || count(&node.records(), "OUTCOME", "interrupted: the client vanished") == 1);
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn output_over_the_limit_is_cut_and_said() {
    let mut node = Node::prepare("[limits]\noutput_bytes = 100000\n");
    node.start_agent(&[]);
    let said = node.once(Account::Alice, "cat /dev/urandom");
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("100000 bytes"), "{}", said.stderr);
    let records = node.records();
    let outcome = &records[find(&records, "OUTCOME", "truncated")];
    assert!(outcome.contains("interrupted: line: it wrote more than 100000 bytes"), "{outcome}");
}

#[test]
fn a_line_that_takes_too_long_is_ended() {
    let mut node = Node::prepare("[limits]\nwall_seconds = 1\n");
    node.start_agent(&[]);
    let said = node.once(Account::Alice, "tail -f /etc/hostname");
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.stderr.contains("longer than 1 s"), "{said:?}");
}

#[test]
fn a_full_disk_starts_nothing_and_loses_nothing() {
    let mut node = Node::prepare("");
    let spool = node.path("spool");
    fs::create_dir(&spool).unwrap();
    let mounted =
        node.enter("mount").args(["-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs"]).arg(&spool).status().unwrap();
    assert!(mounted.success());
    node.start_agent(&[]);
    let status = node.run(Account::Root, &["status"]);
    assert!(status.stdout.contains("tmpfs"), "a spool that outlives nothing is not named: {status:?}");
    let filler = spool.join("filler");
    let fill = node
        .enter("dd")
        .args(["if=/dev/zero", "bs=64k"])
        .arg(format!("of={}", filler.display()))
        .stderr(Stdio::null())
        .status();
    assert!(!fill.unwrap().success(), "the disk took everything");
    let refused = node.once(Account::Alice, "uname -m");
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
    assert!(refused.stderr.contains("full"), "{refused:?}");
    for command in ["status", "whoami", "help", "log"] {
        assert_eq!(node.once(Account::Alice, command).code, Some(0), "{command}");
    }
    assert!(node.enter("rm").arg(&filler).status().unwrap().success());
    until("the records that waited", || {
        let records = node.records();
        count(&records, "REFUSED", "uname -m") == 1 && count(&records, "LINE", "whoami") == 1
    });
    assert_eq!(node.once(Account::Alice, "uname -m").code, Some(0));
    let records = node.records();
    assert!(find(&records, "REFUSED", "uname -m") < find(&records, "LINE", "uname -m"), "{records:#?}");
}

#[test]
fn a_damaged_spool_is_named_and_nothing_starts() {
    let mut node = Node::start();
    node.once(Account::Alice, "uname");
    node.kill_agent();
    let database = node.path("spool/sled/db");
    let file = fs::File::options().write(true).open(&database).unwrap();
    file.set_len(100).unwrap();
    let said = node.failing_agent();
    assert!(said.contains(node.path("spool").to_str().unwrap()), "{said}");
    assert_eq!(node.once(Account::Alice, "uname").code, Some(5));
}

#[test]
fn a_long_record_is_in_the_file_that_is_synced() {
    let node = Node::start();
    let line = format!("ls {}/etc/[a-l]*", "/etc/..".repeat(80));
    let said = node.once(Account::Alice, &line);
    assert_eq!(said.code, Some(0), "{said:?}");
    // Twenty more, so that they share a leaf of the database with the long one.
    let long = format!("grep {} /etc/hostname", "x".repeat(8000));
    for _ in 0..20 {
        assert_eq!(node.once(Account::Alice, &long).code, Some(1));
    }
    let blobs: Vec<_> = fs::read_dir(node.path("spool/sled/blobs")).unwrap().collect();
    assert!(blobs.is_empty(), "sled writes such files and never syncs them: {blobs:?}");
    let too_long = node.once(Account::Alice, &format!("ls {}/etc/[a-l]*", "/etc/..".repeat(500)));
    assert_eq!(too_long.code, Some(1), "{too_long:?}");
    assert!(too_long.stderr.contains("more than 65536 bytes"), "{too_long:?}");
}

/// A script whose lines are sent one at a time; what it has written so far.
struct Script {
    pact: std::process::Child,
    lines: std::process::ChildStdin,
    output: std::io::BufReader<std::process::ChildStdout>,
}

impl Script {
    fn start(node: &Node) -> Self {
        let mut pact = node.pact(Account::Alice, &[]).stdin(Stdio::piped()).spawn().unwrap();
        let (lines, output) = (pact.stdin.take().unwrap(), pact.stdout.take().unwrap());
        Self { pact, lines, output: std::io::BufReader::new(output) }
    }

    fn send(&mut self, line: &str) {
        use std::io::Write;
        writeln!(self.lines, "{line}").unwrap();
    }

    /// The next line that a program writes.
    fn next(&mut self) -> String {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut self.output, &mut line).unwrap();
        line
    }

    fn finish(self) -> Said {
        let Self { pact, lines, .. } = self;
        drop(lines);
        Said::from(pact.wait_with_output().unwrap())
    }
}

#[test]
fn a_hidden_file_that_is_replaced_ends_what_a_session_can_start() {
    let node = Node::start();
    let mut script = Script::start(&node);
    script.send("uname -s");
    assert_eq!(script.next(), "Linux\n");
    // As an editor does, and configuration management.
    let (file, fresh) = (node.path("etc/policy.toml"), node.path("etc/policy.new"));
    fs::copy(&file, &fresh).unwrap();
    fs::rename(&fresh, &file).unwrap();
    script.send(&format!("cat {}", file.display()));
    let said = script.finish();
    assert!(said.stderr.contains("is hidden no longer"), "{said:?}");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(node.once(Account::Alice, "uname").code, Some(0), "another session goes on");
}

#[test]
fn a_host_that_does_not_answer_is_not_waited_for_and_the_session_gets_another() {
    let node = Node::start();
    let mut script = Script::start(&node);
    script.send("uname -s");
    assert_eq!(script.next(), "Linux\n");
    // Before that the host has still to say how the program ended, and whoever waits for a program waits long.
    until("the line to be over", || count(&node.records(), "OUTCOME", " alice@example.org ") == 1);
    let hosts: Vec<u32> = children(node.agent_pid()).into_iter().flat_map(children).collect();
    assert_eq!(hosts.len(), 1, "one session has one host: {hosts:?}");
    // As one that waits in the kernel for a file system that is gone.
    signal(hosts[0], rustix::process::Signal::STOP);
    script.send("uname -s");
    script.send("uname -o");
    assert_eq!(script.next(), "GNU/Linux\n");
    let said = script.finish();
    assert!(said.stderr.contains("the node's files do not answer"), "{said:?}");
    assert_eq!(count(&node.records(), "OUTCOME", "interrupted: the node's files do not answer"), 1);
    until("the host that hung to be gone", || !fs::exists(format!("/proc/{}", hosts[0])).unwrap());
}

/// As much as the policy says, and how much more there was.
#[test]
fn what_a_line_wrote_is_kept() {
    for (limit, kept, missing) in
        [("0", "", 6), ("3", "--- stdout, 3 bytes\nLin\n", 3), ("\"all\"", "--- stdout, 6 bytes\nLinux\n", 0)]
    {
        let mut node = Node::prepare(&format!("[limits]\noutput_kept_bytes = {limit}\n"));
        node.start_agent(&[]);
        assert_eq!(node.once(Account::Alice, "uname -s").stdout, "Linux\n");
        let outcome = node.once(Account::Alice, "log -n 1 --kind OUTCOME").stdout;
        let number = outcome.split(' ').next().and_then(|word| word.strip_prefix('#')).unwrap();
        let shown = node.once(Account::Alice, &format!("log show {number}")).stdout;
        assert!(shown.contains("What:       exit 0 after ") && shown.contains(kept), "{limit}: {shown}");
        let more = if kept.is_empty() { "" } else { " more" };
        let more = format!("--- stdout: {missing} bytes{more} were not kept\n");
        assert_eq!(shown.ends_with(&more), missing > 0, "{limit}: {shown}");
    }
    let node = Node::start();
    let said = node.once(Account::Alice, "log show 4711");
    assert!(said.stderr.contains("log: this node has no entry 4711"), "{said:?}");
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""));
    let said = node.once(Account::Alice, "log show");
    assert_eq!(said.code, Some(1), "{said:?}");
}
