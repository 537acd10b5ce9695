//! Every limit of the policy, at the limit: what is said, that the session goes on, and that nothing is left.
//!
//! **Not here:** time and output of a line (`crate::records`), programs that ignore signals (`crate::keys`).

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::node::{Account, Node, until};
use crate::records::programs;
use crate::seat::{CTRL_C, Seat};

/// bash as a program of the whitelist, to do what no administrator would be given.
const DO: &str = "name = \"do\"\nabout = \"do anything\"\npaths = [\"/usr/bin/bash\", \"/bin/bash\"]\n[[form]]\n\
                  effect = \"read\"\noptions = [{ names = [\"-c\"], about = \"this\", value = \"text\" }]\n";

fn with(limit: &str) -> Node {
    let mut node = Node::prepare(&format!("[limits]\n{limit}\n"));
    fs::write(node.path("etc/programs/do.toml"), DO).unwrap();
    node.start_agent(&[]);
    node
}

/// Types a line that meets a limit; the next one runs as ever, and nothing of the first is left.
fn met(limit: &str, line: &str, said: &[&str], code: &str) {
    let node = with(limit);
    let mut seat = Seat::at(&node, Account::Alice);
    let shown = seat.line(line);
    assert!(said.iter().any(|said| shown.contains(said)), "{limit}: {shown}");
    until("nothing to be left", || programs(node.agent_pid(), "do\0").is_empty());
    assert_eq!(seat.line("uname -s"), "Linux", "{limit}");
    let is_own =
        |record: &String| record.contains(" OUTCOME ") && record.contains(" alice@") && record.contains(".1] ");
    let outcomes: Vec<_> = node.records().into_iter().filter(is_own).collect();
    assert!(outcomes.iter().any(|outcome| outcome.contains(code)), "{limit}: {outcomes:#?}");
}

#[test]
fn processor_time_of_a_program() {
    let said = "line: a program took more than 1 s of processor time and was ended";
    met("cpu_seconds = 1", "do -c 'while :; do :; done'", &[said], "interrupted: line: a program took more than 1 s");
    // It does not hear the signal that says so, and is ended a second later.
    met("cpu_seconds = 1", "do -c 'trap \"\" XCPU; while :; do :; done'", &[""], "exit 137");
}

#[test]
fn memory_of_a_program_and_of_a_session() {
    met("memory_bytes = 67108864", "do -c 'a=x; while :; do a=$a$a; done'", &["cannot allocate"], "exit 2");
    let said = "line: a program took more than 67108864 bytes of memory and was ended";
    let node = with("memory_bytes = 67108864");
    assert_eq!(node.once(Account::Alice, "cat /proc/self/oom_score_adj").stdout, "0\n", "a program may be ended");
    // Each stays below what one program may have; a node without such control groups has no other bound.
    let line = "do -c 'for i in 1 2 3 4 5 6; do (printf -v v %015000000d 0; for ((n=0; n<200000; n++)); do :; done) & \
                done; wait'";
    let bounded = !node.run(Account::Root, &["status"]).stdout.contains("memory of a session is not bounded");
    if bounded {
        met("memory_bytes = 67108864", line, &[said], "interrupted: line: a program took more than 67108864 bytes");
    } else {
        met("memory_bytes = 67108864", "do -c 'kill -9 $$'", &[""], "exit 137");
    }
}

#[test]
fn a_fork_bomb_ends_with_ctrl_c() {
    let node = with("processes = 16");
    let is_counted = !node.run(Account::Root, &["status"]).stdout.contains("pids of a session is not bounded");
    let mut seat = Seat::at(&node, Account::Alice);
    seat.keys("do -c 'bomb() { bomb | bomb & }; bomb; wait; wait; while :; do :; done'\r");
    seat.shows("Resource temporarily unavailable");
    assert!(programs(node.agent_pid(), "do\0").len() <= 16);
    // Those in the background hear no Ctrl-C.
    seat.keys(CTRL_C);
    seat.next_prompt();
    if is_counted {
        let screen = seat.screen();
        assert!(screen.contains("pact: line: it may not have more than 16 processes"), "{screen}");
    }
    until("nothing to be left", || programs(node.agent_pid(), "do\0").is_empty());
    assert_eq!(seat.line("uname -s"), "Linux");
}

#[test]
fn open_files_of_a_program() {
    let line = "do -c 'while :; do exec {a}</dev/null || exit 3; done'";
    met("open_files = 30", line, &["Too many open files"], "exit 3");
}

#[test]
fn lines_in_a_minute() {
    let node = with("lines_per_minute = 3");
    let mut seat = Seat::at(&node, Account::Alice);
    for _ in 0..3 {
        assert_eq!(seat.line("uname -s"), "Linux");
    }
    let shown = seat.line("uname -s");
    assert!(shown.contains("lines: you sent more than 3 in a minute"), "{shown}");
    assert!(shown.contains("hint: there is room again in "), "{shown}");
    // Another session of the same person is no way around it; another person has room.
    assert_eq!(node.once(Account::Alice, "uname -s").code, Some(1));
    assert_eq!(node.once(Account::Bob, "uname -s").stdout, "Linux\n");
}

#[test]
fn sessions_of_a_person_and_of_a_node() {
    let node = with("sessions_per_user = 1\nsessions_per_node = 2");
    let _first = Seat::at(&node, Account::Alice);
    let said = node.once(Account::Alice, "uname");
    assert_eq!((said.code, said.stdout.as_str()), (Some(3), ""), "{said:?}");
    assert!(said.stderr.contains("session: this account has 1 open sessions already"), "{said:?}");
    let _second = Seat::at(&node, Account::Bob);
    let said = node.run(Account::Root, &["status"]);
    assert!(said.stderr.contains("session: this node has 2 open sessions already"), "{said:?}");
    assert!(said.stderr.contains("hint: end another session first"), "{said:?}");
}

/// What fifty sessions do at once, each in its own way.
const HOSTILE: [&str; 5] = [
    "do -c 'bomb() { bomb | bomb & }; bomb; wait; while :; do :; done'",
    "do -c 'while :; do (a=x; while :; do a=$a$a; done); done'",
    "do -c 'while :; do echo an endless line; done'",
    "do -c 'trap \"\" INT QUIT TERM HUP; while :; do :; done'",
    "cat /dev/urandom",
];

/// What `cpu.idle` says of each session of a node, in whichever hierarchy has it.
fn idle(node: &Node) -> Vec<String> {
    let tree = format!("pact-{}-", node.agent_pid());
    let below = |path: &Path| -> Vec<PathBuf> {
        fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .map(|item| item.path())
            .filter(|path| path.is_dir())
            .collect()
    };
    let mut at = vec![PathBuf::from("/sys/fs/cgroup")];
    let mut trees = Vec::new();
    for _ in 0..6 {
        at = at.iter().flat_map(|path| below(path)).collect();
        trees.extend(
            at.iter()
                .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&tree)))
                .cloned(),
        );
    }
    let sessions = trees.iter().flat_map(|tree| below(tree));
    sessions
        .filter_map(|session| fs::read_to_string(session.join("cpu.idle")).ok())
        .map(|said| said.trim().to_owned())
        .collect()
}

#[test]
fn a_line_that_goes_on_lets_others_go_first() {
    let node = with("");
    let mut seat = Seat::at(&node, Account::Alice);
    seat.keys("do -c 'while :; do :; done'\r");
    until("it to give way", || idle(&node).iter().any(|said| said == "1"));
    seat.keys(CTRL_C);
    seat.keys("uname -s\r");
    seat.shows("\nLinux");
    assert!(idle(&node).iter().all(|said| said == "0"), "{:?}", idle(&node));
}

/// Frames that are none, on one connection after another; how many connections there were.
fn malformed(node: &Node, seed: u64, over: &Arc<AtomicBool>) -> JoinHandle<u64> {
    let socket = format!("/proc/{}/root/run/pact/agent.sock", node.agent_pid());
    let over = Arc::clone(over);
    let mut state = seed;
    let mut next = move || {
        // A linear congruence is random enough to be no frame.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()
    };
    std::thread::spawn(move || {
        let mut connections = 0;
        while !over.load(Ordering::Relaxed) {
            let Ok(mut stream) = UnixStream::connect(&socket) else { break };
            connections += 1;
            let mut said = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
            said.extend((0..512).flat_map(|_| next()));
            // It hangs up when it has had enough.
            let _enough = stream.write_all(&said);
        }
        connections
    })
}

/// Whoever works beside them goes on working; when they are gone, nothing of them is left.
#[test]
fn aggressors_at_once() {
    let node = with("processes = 8\nmemory_bytes = 67108864\nsessions_per_user = 60\nsessions_per_node = 100");
    let mut honest: Vec<_> = (0..5).map(|_| Seat::at(&node, Account::Bob)).collect();
    let start = |line: &&str| {
        let mut command = node.pact(Account::Alice, &["-c", line]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut hostile: Vec<_> = HOSTILE.iter().cycle().take(40).map(start).collect();
    // Lines that cannot be read, as fast as they are taken.
    let flood = || {
        let mut command = node.pact(Account::Alice, &["-c", "cat"]);
        let silent = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = silent.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        std::thread::spawn(move || while input.write_all(b"; ; ; ( ) $ ` \x1b[2J\n").is_ok() {});
        child
    };
    hostile.extend((0..10).map(|_| flood()));
    let over = Arc::new(AtomicBool::new(false));
    let malformed: Vec<_> = (0..4).map(|seed| malformed(&node, seed, &over)).collect();
    until("all of them to be at work", || programs(node.agent_pid(), "do\0").len() >= 32);
    for _ in 0..5 {
        for seat in &mut honest {
            assert_eq!(seat.line("uname -s"), "Linux");
        }
    }
    for mut child in hostile {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    over.store(true, Ordering::Relaxed);
    for thread in malformed {
        assert!(thread.join().unwrap() > 0, "nothing malformed was sent");
    }
    until("nothing of them to be left", || {
        programs(node.agent_pid(), "").iter().all(|name| !name.starts_with("do\0") && !name.starts_with("cat\0"))
    });
    for seat in &mut honest {
        assert_eq!(seat.line("uname -s"), "Linux");
    }
    assert!(node.run(Account::Root, &["status"]).stdout.contains("State:"));
}
