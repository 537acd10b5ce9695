//! Programs that draw, as a person sees them in tmux: under pact at the node, under pact from a workstation, and under
//! bash, on terminals of one size. What can be the same is the same, cursor and all.

use std::fs;
use std::time::{Duration, Instant};

use pact_xtask::interrupt::Interrupt;
use pact_xtask::tmux::{Seen, Tmux};
use rustix::process::{Pid, Signal, kill_process};

use crate::lines::find;
use crate::node::{Account, Node, PATIENCE, until};
use crate::prompt::login_words;
use crate::records::programs;
use crate::remote::{OPS, Workstation};
use crate::seat::PROMPT;
use crate::site::Site;

const ROWS: u16 = 24;
const COLUMNS: u16 = 80;

/// A person in tmux.
struct Pane(Tmux);

impl Pane {
    fn start(command: &std::process::Command, owner: Account) -> Self {
        let owner = owner.ids().0;
        Self(Tmux::start(command, ROWS, COLUMNS, owner, &Interrupt::default()).unwrap())
    }

    /// bash on the node, with pact's prompt.
    fn bash(node: &Node) -> Self {
        let words = ["bash", "--norc", "--noprofile", "-i"];
        // Root reads the kernel's log, whatever the machine thinks of others.
        let mut command = node.program(Account::Root, &words);
        command.env("PS1", PROMPT).env("LESSHISTFILE", "-");
        Self::start(&command, Account::Root)
    }

    /// A login at the node.
    fn login(node: &Node) -> Self {
        let shell = node.shell();
        Self::start(&node.program(Account::Alice, &login_words(&shell)), Account::Alice)
    }

    /// `pact shell` at a workstation.
    fn remote(alice: &Workstation<'_>) -> Self {
        Self::start(&alice.shell("node042"), Account::Root)
    }

    fn keys(&self, keys: &[&str]) {
        self.0.keys(keys).unwrap();
    }

    fn seen(&self) -> Seen {
        self.0.seen().unwrap()
    }

    fn until(&self, what: &str, shows: impl FnMut(&Seen) -> bool) {
        let came = self.0.until(Instant::now() + PATIENCE, shows).unwrap();
        assert!(came, "waited in vain for {what}:\n{:#?}", self.seen());
    }

    fn shows(&self, text: &str) {
        self.until(text, |seen| seen.rows.iter().any(|row| row.contains(text)));
    }

    /// A prompt behind which nothing stands, in the row of the cursor, on the usual screen.
    fn prompt(&self) {
        self.until("a prompt", is_prompt);
    }

    fn line(&self, line: &str) {
        self.keys(&["-l", line]);
        self.keys(&["Enter"]);
    }
}

fn is_prompt(seen: &Seen) -> bool {
    let row = seen.cursor.split([',', ' ']).nth(1).and_then(|row| row.parse::<usize>().ok());
    let begins = format!("{},", PROMPT.len());
    let at = row.and_then(|row| seen.rows.get(row));
    at.is_some_and(|row| row == PROMPT.trim_end())
        && seen.cursor.starts_with(&begins)
        && seen.cursor.ends_with("cursor 1 other 0")
}

/// Waits until all see the same, and something that `there` says.
fn alike(panes: &[&Pane], step: &str, there: impl Fn(&Seen) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen: Vec<_> = panes.iter().map(|pane| pane.seen()).collect();
        if seen.iter().all(|one| *one == seen[0] && there(one)) {
            return;
        }
        assert!(Instant::now() < deadline, "{step}: the screens differ:\n{seen:#?}");
    }
}

/// Presses keys again and again, until all see the same, and something that `there` says.
fn pressed(panes: &[&Pane], keys: &[&str], step: &str, there: impl Fn(&Seen) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        for pane in panes {
            pane.keys(keys);
        }
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until {
            let seen: Vec<_> = panes.iter().map(|pane| pane.seen()).collect();
            if seen.iter().all(|one| *one == seen[0] && there(one)) {
                return;
            }
        }
        let seen: Vec<_> = panes.iter().map(|pane| pane.seen()).collect();
        assert!(Instant::now() < deadline, "{step}: the screens differ:\n{seen:#?}");
    }
}

/// A log of many lines, some of them wide, coloured or combined.
fn log() -> String {
    let line = |number: u32| match number % 10 {
        3 => format!("{number}: 漢字 and e\u{301} and 😀 in one line\n"),
        5 => format!("{number}: {}\n", "a long line ".repeat(20)),
        _ => format!("{number}: the node says something\n"),
    };
    (1..=300).map(line).collect()
}

#[test]
fn less_looks_as_it_does_under_bash() {
    let site = Site::start();
    let mut node = site.node("");
    let logs = node.path("logs");
    fs::create_dir(&logs).unwrap();
    fs::write(logs.join("node.log"), log()).unwrap();
    assert!(node.enter("mount").arg("--bind").arg(&logs).arg("/var/log").status().unwrap().success());
    node.start_agent(&[]);
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    alice.waits_for("node042");
    let panes = [Pane::bash(&node), Pane::login(&node), Pane::remote(&alice)];
    let all: Vec<&Pane> = panes.iter().collect();
    for pane in &panes {
        pane.prompt();
    }
    let modes: Vec<_> = panes[1..].iter().map(|pane| pane.0.modes().unwrap()).collect();
    let each = |keys: &[&str]| panes.iter().for_each(|pane| pane.keys(keys));
    let at_prompt = |seen: &Seen| is_prompt(seen);
    for line in ["less -N /var/log/node.log", "cat /var/log/node.log | less"] {
        let last = |text: &'static str| move |seen: &Seen| seen.rows.last().is_some_and(|row| row.contains(text));
        let shows = |text: &'static str| move |seen: &Seen| seen.rows.iter().any(|row| row.contains(text));
        each(&["-l", line]);
        each(&["Enter"]);
        alike(&all, line, shows("1: the node says something"));
        each(&["Space"]);
        alike(&all, "a page on", shows("28: the node"));
        assert!(panes.iter().all(|pane| pane.0.coloured().unwrap() == panes[0].0.coloured().unwrap()), "colours");
        for (rows, columns) in [(40, 100), (120, 400), (10, 40), (ROWS, COLUMNS)] {
            for pane in &panes {
                pane.0.resize(rows, columns).unwrap();
            }
            // Drawn anew from the first line, and all of it: what a terminal made of the old lines is gone then.
            let first = |seen: &Seen| seen.rows.first().is_some_and(|row| row.contains("1: the node says something"));
            let filled = |seen: &Seen| seen.rows.len() == usize::from(rows) && seen.cursor.contains("other 1");
            pressed(&all, &["g", "C-l"], "another size", |seen| filled(seen) && first(seen));
        }
        each(&["-l", "/漢字"]);
        each(&["Enter"]);
        alike(&all, "a search", |seen| seen.rows.first().is_some_and(|row| row.contains("3: 漢字")));
        each(&["G"]);
        alike(&all, "the end", last("(END)"));
        if line.starts_with("less") {
            // Ctrl-C is less's own, and it goes on.
            each(&["F"]);
            alike(&all, "waiting", last("Waiting for data"));
            each(&["C-c"]);
            alike(&all, "not waiting", |seen| !last("Waiting for data")(seen));
        }
        each(&["q"]);
        alike(&all, "the prompt", at_prompt);
    }
    each(&["-l", "dmesg | less"]);
    each(&["Enter"]);
    alike(&all, "dmesg", |seen| seen.rows.last().is_some_and(|row| row == ":"));
    for pane in &panes {
        pane.0.resize(30, 60).unwrap();
    }
    alike(&all, "dmesg in another size", |seen| seen.rows.len() == 30);
    each(&["q"]);
    alike(&all, "the prompt", at_prompt);
    for (pane, before) in panes[1..].iter().zip(&modes) {
        assert_eq!(pane.0.modes().unwrap(), *before, "modes");
    }
    assert_eq!(programs(node.agent_pid(), "less\0"), Vec::<String>::new());
    for line in ["less -N /var/log/node.log", "cat /var/log/node.log | less", "dmesg | less"] {
        find(&node.records(), "LINE", line);
    }
    for pane in &panes[1..] {
        pane.line("exit");
    }
    for pane in &panes[1..] {
        until("pact to end", || pane.0.has_ended().unwrap());
    }
}

#[test]
fn what_is_typed_to_top_is_tops() {
    let site = Site::start();
    let mut node = site.node("");
    node.start_agent(&[]);
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    alice.waits_for("node042");
    let panes = [Pane::bash(&node), Pane::login(&node), Pane::remote(&alice)];
    // What does not change from moment to moment: where what stands.
    let shape = |seen: &Seen| -> Vec<String> {
        let begins =
            |row: &String| row.split(|c: char| c.is_ascii_digit()).next().unwrap_or_default().trim().to_owned();
        let heading = seen.rows.iter().position(|row| row.contains("PID USER")).unwrap_or(0);
        let mut shape: Vec<_> = seen.rows.iter().take(heading).map(begins).collect();
        shape.extend(seen.rows.get(heading).cloned());
        shape.push(seen.rows.len().to_string());
        shape
    };
    for pane in &panes {
        pane.prompt();
    }
    for pane in &panes {
        pane.line("top -d 0.5");
        pane.shows("PID USER");
    }
    for (rows, columns) in [(24, 80), (50, 132)] {
        for pane in &panes {
            pane.0.resize(rows, columns).unwrap();
            let wide = |seen: &Seen| {
                let heading = seen.rows.iter().find(|row| row.contains("PID USER"));
                seen.rows.len() == usize::from(rows) && heading.is_some_and(|row| row.contains("COMMAND"))
            };
            pane.until("top in its size", wide);
        }
        let shapes: Vec<_> = panes.iter().map(|pane| shape(&pane.seen())).collect();
        assert!(shapes.iter().all(|one| *one == shapes[0]), "{shapes:#?}");
    }
    for pane in &panes {
        pane.keys(&["q"]);
        pane.prompt();
    }
    for pane in &panes[1..] {
        let before = pane.0.modes().unwrap();
        // By Ctrl-C, and by a signal that nobody can hear.
        for end in ["C-c", "kill -9"] {
            pane.keys(&["C-l"]);
            pane.prompt();
            pane.line("top -d 0.5");
            pane.shows("PID USER");
            match end {
                "kill -9" => kill_top(&node),
                key => pane.keys(&[key]),
            }
            pane.prompt();
            assert_eq!(programs(node.agent_pid(), "top\0"), Vec::<String>::new());
            assert_eq!(pane.0.modes().unwrap(), before, "modes after {end}");
        }
    }
    find(&node.records(), "OUTCOME", "exit 137");
}

/// The one that runs.
fn kill_top(node: &Node) {
    let group = format!("/pact-{}-", node.agent_pid());
    let of_agent = |pid: &i32| {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        read("cgroup").contains(&group) && read("cmdline").starts_with("top\0")
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let found: Vec<_> = pids.filter(of_agent).collect();
    for pid in &found {
        kill_process(Pid::from_raw(*pid).unwrap(), Signal::KILL).unwrap();
    }
    assert!(!found.is_empty(), "no top runs");
}
