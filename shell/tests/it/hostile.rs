//! The hostile program as an administrator would run it: whitelisted, through `pact` and the agent, while a second
//! session is open. The kernel must refuse every try.
//!
//! **Why:** `agent/tests/it/control.rs` shows that without the sandbox the same tries succeed.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use crate::hostile_program::{Bait, Verdict, Verdicts, build, excused, names, parse};
use crate::node::{Account, Node, until};

/// A profile that gives what `ps` gets: the two trees in which there is most to find.
const NARROW: &str = "read = [\"/proc\", \"/sys\"]";

/// A node whose whitelist has one program more.
fn node(profile: &str) -> Node {
    let mut node = Node::prepare("");
    fs::write(node.path("etc/programs/hostile.toml"), schema(profile)).unwrap();
    node.start_agent(&[]);
    node
}

fn schema(profile: &str) -> String {
    let program = build();
    format!(
        r#"
name = "hostile"
about = "try to break out"
paths = ["{}"]
[profile]
{profile}
[[form]]
words = ["list|status|linger|siblings"]
effect = "read"
[[form]]
words = ["try"]
effect = "read"
operands = [{{ name = "NAME", value = "text" }}, {{ name = "KEY=VALUE", value = "text", optional = true, many = true }}]
[[form]]
words = ["all"]
effect = "read"
operands = [{{ name = "KEY=VALUE", value = "text", optional = true, many = true }}]
"#,
        program.display()
    )
}

/// A session whose lines come from a pipe, one at a time.
struct Script {
    pact: Child,
    lines: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Script {
    fn open(node: &Node) -> Self {
        let mut pact = node.pact(Account::Alice, &[]).stdin(Stdio::piped()).spawn().unwrap();
        let (lines, said) = (pact.stdin.take().unwrap(), BufReader::new(pact.stdout.take().unwrap()));
        Self { pact, lines, said }
    }

    /// Runs a line that ends by saying `last`, and answers what it said before.
    fn run(&mut self, line: &str, last: &str) -> Vec<String> {
        writeln!(self.lines, "{line}").unwrap();
        let mut lines = Vec::new();
        loop {
            let mut said = String::new();
            assert!(self.said.read_line(&mut said).unwrap() > 0, "{line}: it ended after {lines:#?}");
            let is_last = said.starts_with(last);
            lines.push(said.trim_end().to_owned());
            if is_last {
                return lines;
            }
        }
    }

    fn pid(&self) -> u32 {
        self.pact.id()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ended = self.pact.kill();
        let _status = self.pact.wait();
    }
}

/// A second session with a program in it that waits for input.
struct Other {
    pact: Child,
    program: u32,
}

impl Other {
    fn open(node: &Node) -> Self {
        let pact = node.pact(Account::Bob, &["-c", "wc -c"]).stdin(Stdio::piped()).spawn().unwrap();
        let mut program = None;
        until("the second session's program", || {
            program = descendants(node.agent_pid()).into_iter().find(|pid| name(*pid) == "wc");
            program.is_some()
        });
        Self { pact, program: program.unwrap() }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ended = self.pact.kill();
        let _status = self.pact.wait();
    }
}

fn name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// Whether the hostile program still runs under this number; what nobody has asked for yet does not.
fn runs(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    name(pid) == "hostile" && !status.lines().any(|line| line.starts_with("State:") && line.contains(['Z', 'X']))
}

/// Every process below this one.
fn descendants(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children: Vec<u32> = children.split_whitespace().map(|child| child.parse().unwrap()).collect();
    children.iter().copied().chain(children.iter().flat_map(|child| descendants(*child))).collect()
}

/// The value of `key` in what `hostile status` said.
fn value<'a>(status: &'a [String], key: &str) -> &'a str {
    let found = status.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    found.unwrap_or_else(|| panic!("no {key}: {status:#?}")).trim()
}

/// What a program on this node can know of processes and of pact's own files.
fn targets(node: &Node, script: &Script, other: &Other, host: &str) -> Vec<String> {
    let at = |name: &str| node.path(name).display().to_string();
    vec![
        format!("host={host}"),
        format!("agent={}", node.agent_pid()),
        format!("pact={}", script.pid()),
        format!("other={}", other.program),
        format!("spool={}", at("spool")),
        format!("config={}", at("etc")),
        "agentsocket=/run/pact/agent.sock".to_owned(),
    ]
}

/// Where the node sees the bait: not below /tmp, where a session's mounts alone would keep it.
const SEEN: &str = "/mnt";

fn show(node: &Node, bait: &Bait) {
    let mounted = node.enter("mount").arg("--bind").arg(bait.directory()).arg(SEEN).status().unwrap();
    assert!(mounted.success());
}

/// All tries of one node, those of exec also from the very process that pact started.
fn every_try(node: &Node) -> Verdicts {
    let (bait, other) = (Bait::lay(), Other::open(node));
    show(node, &bait);
    let mut script = Script::open(node);
    let status = script.run("hostile status", "pgrp:");
    let words =
        [bait.words(Path::new(SEEN)), targets(node, &script, &other, value(&status, "ppid"))].concat().join(" ");
    let names = names();
    let last = names.last().unwrap();
    let mut verdicts = parse(&script.run(&format!("hostile all {words}"), &format!("{last}: ")).join("\n")).unwrap();
    let missing: Vec<_> = names.iter().filter(|name| !verdicts.contains_key(*name)).collect();
    assert!(missing.is_empty(), "no verdict: {missing:?}");
    // A try that is killed says nothing itself.
    let speaks = |name: &&String| verdicts[*name] != Verdict::Refused("SIGSYS".to_owned());
    let is_of_exec = |name: &&String| name.starts_with("exec-") || name.starts_with("seccomp-");
    let again: Vec<_> = names.iter().filter(is_of_exec).filter(speaks).collect();
    for name in again {
        let said = script.run(&format!("hostile try {name} {words}"), &format!("{name}: ")).join("\n");
        verdicts.insert(format!("{name}{AGAIN}"), parse(&said).unwrap().remove(name).unwrap());
    }
    verdicts
}

/// Marks what was tried again by the first process of a line.
const AGAIN: &str = " (by the stage itself)";

/// What was not refused, less what this machine cannot judge.
fn not_refused(verdicts: &Verdicts) -> Vec<(&str, &Verdict)> {
    let excused = |name: &str| excused(name.strip_suffix(AGAIN).unwrap_or(name)).is_some();
    let is_bad = |name: &str, verdict: &Verdict| match verdict {
        Verdict::Refused(_) => false,
        Verdict::Succeeded(_) => true,
        Verdict::Unclear(_) => !excused(name),
    };
    let bad = verdicts.iter().filter(|(name, verdict)| is_bad(name, verdict));
    bad.map(|(name, verdict)| (name.as_str(), verdict)).collect()
}

#[test]
fn the_kernel_refuses_every_way_out() {
    let verdicts = every_try(&node(NARROW));
    let bad = not_refused(&verdicts);
    assert!(bad.is_empty(), "{bad:#?}");
    let direct = verdicts.iter().filter(|(name, _)| name.ends_with(AGAIN)).count();
    assert!(direct > 100, "only {direct} tries of exec by the stage itself");
}

/// What the profile of the next test opens, by what it asks for.
const ASKED_FOR: [(&str, &[&str]); 6] = [
    ("families: inet", &["net-tcp-connect", "net-tcp6-connect", "net-tcp-fast-open", "net-udp-send", "net-udp-bind"]),
    ("families: inet", &["net-mptcp-connect", "net-socket-mptcp", "net-socket-udp", "net-socket-udp6"]),
    ("families: netlink and unix", &["net-socket-netlink-route", "net-unix-path", "net-unix-bind-abstract"]),
    ("families: unix, where nobody listens for packets", &["net-unix-path-dgram", "net-unix-path-seqpacket"]),
    ("capabilities", &["net-socket-raw", "net-socket-raw6", "read-chdir-root", "read-kpagecount"]),
    ("devices and kernel_log", &["read-kmsg", "abi-syslog-size"]),
];

/// Everything that a profile may ask for at once opens what is named above and nothing else.
#[test]
fn a_profile_opens_what_it_asks_for_and_nothing_else() {
    let verdicts = every_try(&node(
        "read = [\"/proc\", \"/sys\"]\ndevices = [\"/dev/kmsg\"]\nkernel_log = true\n\
         capabilities = [\"syslog\", \"net-raw\", \"dac-read-search\"]\n\
         families = [\"unix\", \"inet\", \"inet6\", \"netlink\"]\nsockets = [\"/run/hostile/socket\"]",
    ));
    let asked_for = |name: &str| ASKED_FOR.iter().any(|(_, names)| names.contains(&name));
    let (named, bad): (Vec<_>, Vec<_>) = not_refused(&verdicts).into_iter().partition(|(name, _)| asked_for(name));
    assert!(bad.is_empty(), "{bad:#?}");
    for name in ["net-tcp-connect", "net-socket-netlink-route", "net-unix-path", "net-socket-raw", "abi-syslog-size"] {
        assert!(named.iter().any(|(open, _)| *open == name), "{name} was asked for and is refused");
    }
}

#[test]
fn a_program_is_nobody_and_can_do_nothing() {
    let node = node(NARROW);
    let said = node.once(Account::Alice, "hostile status");
    assert_eq!(said.code, Some(0), "{said:?}");
    let status: Vec<String> = said.stdout.lines().map(str::to_owned).collect();
    for key in ["Uid", "Gid"] {
        let ids: Vec<u32> = value(&status, key).split(' ').map(|id| id.parse().unwrap()).collect();
        assert!(ids.iter().all(|id| *id == ids[0] && *id >= 2_000_000_000), "{key}: {ids:?}");
    }
    for (key, expected) in [
        ("Groups", ""),
        ("CapInh", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        // The one that counts execs, and the allowlist.
        ("Seccomp_filters", "2"),
        ("descriptor 0", "/dev/null"),
        ("cwd", "/run/home"),
        ("limit core", "1 1"),
        ("limit fsize", "0 0"),
        ("limit nproc", "65 65"),
    ] {
        assert_eq!(value(&status, key), expected, "{key}");
    }
    let named = |prefix: &str| -> Vec<&str> {
        let keys = status.iter().filter_map(|line| line.strip_prefix(prefix)?.split_once(':'));
        keys.map(|(key, _)| key).collect()
    };
    assert_eq!(named("descriptor "), ["0", "1", "2"]);
    assert_eq!(named("environment "), ["PATH", "HOME", "LANG", "TERM"]);
}

#[test]
fn two_sessions_are_two_uids() {
    let node = node(NARROW);
    let uid = || {
        let status: Vec<String> =
            node.once(Account::Alice, "hostile status").stdout.lines().map(str::to_owned).collect();
        value(&status, "Uid").to_owned()
    };
    assert_ne!(uid(), uid());
}

#[test]
fn processes_and_memory_have_an_end() {
    let node = node(NARROW);
    for name in ["limit-fork", "limit-memory"] {
        let said = node.once(Account::Alice, &format!("hostile try {name}"));
        // Who takes too much memory may be told so or be killed, and says nothing then.
        let refused = said.stdout.starts_with(&format!("{name}: refused ("));
        let killed = name == "limit-memory" && said.stdout.is_empty() && said.code == Some(128 + 9);
        assert!(refused || killed, "{name}: {said:?}");
        // The session and the node live on.
        assert_eq!(node.once(Account::Alice, "hostile list").code, Some(0));
    }
}

#[test]
fn whatever_a_line_leaves_behind_ends_with_it() {
    let node = node(NARROW);
    let said = node.once(Account::Alice, "hostile linger");
    assert_eq!(said.code, Some(0), "{said:?}");
    let left: Vec<u32> = said.stdout.lines().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(left.len(), 2);
    for pid in left {
        assert!(!runs(pid), "{pid} still runs");
    }
}

#[test]
fn children_that_the_host_never_asked_for_do_not_speak_for_a_stage() {
    let node = node(NARROW);
    let said = node.once(Account::Alice, "hostile siblings");
    assert_eq!((said.stdout.as_str(), said.code), ("done\n", Some(0)), "{said:?}");
}
