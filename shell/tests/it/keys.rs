//! The table of keys and states (`shell/tests/keys.txt`), at the node and from a workstation.
//!
//! **Invariant:** after each case the terminal's modes are what they were, and no process of the session is left but
//! what the kernel does not let go.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::broken::far_node;
use crate::node::{Account, Node, until, until_within};
use crate::records::programs;
use crate::remote::{OPS, Workstation};
use crate::seat::{CTRL_C, Seat};
use crate::stuck::{FILE, Stuck};
use crate::wire::Wire;

/// Programs of the whitelist that hear no signal.
fn deaf(name: &str, terminal: bool) -> String {
    format!(
        "name = \"{name}\"\nabout = \"hear nothing\"\npaths = [\"/usr/bin/bash\", \"/bin/bash\"]\n[profile]\n\
         read = [\"/usr/share\"]\n[[form]]\neffect = \"read\"\nterminal = {terminal}\n\
         options = [{{ names = [\"-c\"], about = \"do this\", value = \"text\" }}]\n"
    )
}
const DO_NOTHING: &str = "-c 'trap \"\" INT QUIT TERM HUP; echo it is deaf; while :; do :; done'";

#[derive(Debug)]
struct Case {
    state: String,
    keys: String,
    effect: String,
    outcome: String,
}

fn cases() -> Vec<Case> {
    let text = fs::read_to_string(format!("{}/tests/keys.txt", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let rows = text.lines().filter(|row| !row.is_empty() && !row.starts_with('#'));
    let columns = |row: &str| {
        let part = |from: usize, to: usize| row.get(from..to.min(row.len())).unwrap_or_default().trim().to_owned();
        Case { state: part(0, 16), keys: part(16, 28), effect: part(28, 66), outcome: part(66, 200) }
    };
    rows.map(columns).collect()
}

/// `^C` as the byte that Ctrl-C is.
fn bytes(keys: &str) -> String {
    let mut out = String::new();
    let mut rest = keys.chars();
    while let Some(key) = rest.next() {
        match (key, key == '^') {
            (_, true) => out.extend(rest.next().map(|key| char::from(key as u8 & 0x1f))),
            (key, false) => out.push(key),
        }
    }
    out
}

/// The node on which all of it happens.
struct Place<'a> {
    node: &'a Node,
    stuck: &'a Stuck<'a>,
    log: PathBuf,
    written: u32,
    /// Outcomes that are on record of cases before.
    outcomes: usize,
    /// By which a workstation is connected.
    wire: &'a Wire,
}

/// There is no connection while the keys are pressed.
const LOST: &str = "lost-";

impl Case {
    /// What runs.
    fn runs(&self) -> &str {
        self.state.strip_prefix(LOST).unwrap_or(&self.state)
    }

    fn is_lost(&self) -> bool {
        self.state.starts_with(LOST)
    }

    /// The node learns of it when it has waited in vain for another connection.
    fn leaves(&self) -> bool {
        self.is_lost() && self.effect.starts_with("ends ")
    }
}

impl Place<'_> {
    /// The log grows; by what.
    fn grow(&mut self) -> String {
        self.written += 1;
        let text = format!("the log says {}", self.written);
        writeln!(File::options().append(true).open(&self.log).unwrap(), "{text}").unwrap();
        text
    }

    /// What is typed for a state, and what shows that it is there.
    fn line(state: &str) -> Option<(String, &'static str)> {
        let (line, shows) = match state {
            "prompt" => return None,
            "streaming" => ("tail -f /var/log/node.log".to_owned(), "the log begins"),
            "pipeline" => ("tail -f /var/log/node.log | grep --line-buffered the".to_owned(), "the log begins"),
            "ending" => ("tail -f -s 0.1 --pid PID /var/log/node.log".to_owned(), "the log begins"),
            "deaf" => (format!("deaf {DO_NOTHING}"), "\nit is deaf"),
            "deafscreen" => (format!("deafscreen {DO_NOTHING}"), "\nit is deaf"),
            "stuck" => (format!("cat /etc/os-release /var/log/stuck/{FILE}"), "PRETTY_NAME"),
            "less" => ("less /var/log/node.log".to_owned(), "(END)"),
            "piped" => ("cat /var/log/node.log | less".to_owned(), "(END)"),
            "answer" => ("whoami".to_owned(), "\nPrincipal"),
            "paged" => ("log -n 10000".to_owned(), "\n:"),
            "top" => ("top -d 0.2".to_owned(), "PID USER"),
            other => panic!("there is no state {other}"),
        };
        Some((line, shows))
    }

    /// Whether the state is as it was: what it does, it still does.
    fn goes_on(&mut self, state: &str, seat: &mut Seat) {
        match state {
            "streaming" | "pipeline" => {
                let text = self.grow();
                seat.shows(&text);
            }
            "less" | "piped" => {
                seat.keys("/begins\r");
                seat.until("less to search", |terminal| !terminal.row(199).contains("/begins"));
                seat.keys("G");
                seat.shows("(END)");
            }
            "top" => {
                let written = seat.terminal.written().len();
                seat.until("top to draw again", |terminal| terminal.written().len() > written + 100);
            }
            "deaf" | "deafscreen" => {
                let deadline = Instant::now() + Duration::from_millis(300);
                while Instant::now() < deadline {
                    seat.terminal.take_in(Duration::from_millis(50)).unwrap();
                    assert!(!programs(self.node.agent_pid(), &format!("{state}\0")).is_empty(), "{}", seat.screen());
                }
            }
            other => panic!("{other} cannot go on"),
        }
    }

    /// How a person ends what goes on. While top complains of a key, others are lost on it.
    fn end(state: &str) -> &'static str {
        match state {
            "less" | "piped" | "paged" => "q",
            "deafscreen" => "\x03\x03\x03",
            "deaf" => "\x03\x03",
            _ => CTRL_C,
        }
    }

    /// Waits for a new prompt; what draws leaves it anywhere.
    fn prompt(state: &str, seat: &mut Seat) {
        match state {
            "less" | "piped" | "paged" | "top" | "deafscreen" => {
                seat.prompt_anywhere();
                seat.clear();
            }
            _ => seat.next_prompt(),
        }
    }

    fn play(&mut self, case: &Case, command: &mut Command) {
        fs::write(&self.log, "the log begins\n").unwrap();
        let mut seat = Seat::open(command);
        seat.prompt();
        let (reads, state) = (self.stuck.reads(), case.runs());
        let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
        if let Some((line, shows)) = Self::line(state) {
            seat.keys(&format!("{}\r", line.replace("PID", &other.id().to_string())));
            seat.shows(shows);
            if state == "stuck" {
                until("the file system to be asked", || self.stuck.reads() > reads);
            }
        }
        if case.is_lost() {
            self.wire.goes_down();
            let tries = self.wire.tries();
            until("pact to miss its connection", || self.wire.tries() > tries);
        }
        if case.leaves() && case.keys == "^C^C" {
            // Two that come at once are one signal.
            seat.keys(CTRL_C);
            seat.shows("once more gives up");
            seat.keys(CTRL_C);
        } else {
            seat.keys(&bytes(&case.keys));
        }
        if case.is_lost() && !case.leaves() && state != "prompt" {
            self.wire.is_up_again();
        }
        if state == "ending" {
            // What was typed is on its way before the line ends: the terminal has it.
            other.kill().unwrap();
            other.wait().unwrap();
        }
        let words: Vec<&str> = case.effect.splitn(2, ' ').collect();
        let is_over = match words.as_slice() {
            ["prompt"] => {
                Self::prompt(state, &mut seat);
                false
            }
            ["says", text] => {
                seat.shows(text);
                seat.prompt_anywhere();
                seat.clear();
                false
            }
            ["holds"] => {
                // Something that is typed behind it shows that nothing else came.
                seat.keys("una");
                seat.typed("una");
                false
            }
            ["holds", text] => {
                seat.typed(text);
                false
            }
            ["goes", "on"] => {
                self.goes_on(state, &mut seat);
                seat.keys(Self::end(state));
                Self::prompt(state, &mut seat);
                false
            }
            ["ends", code] => {
                assert_eq!(seat.end(), Some(code.parse().unwrap()));
                true
            }
            other => panic!("there is no effect {other:?}"),
        };
        self.wire.is_up_again();
        if !is_over {
            if words.first() == Some(&"holds") {
                seat.keys(CTRL_C);
                seat.prompt_anywhere();
            }
            seat.keys("exit\r");
            assert_eq!(seat.end(), Some(0), "{}", seat.screen());
        }
        assert!(seat.terminal.has_its_modes().unwrap(), "the modes are others");
        let _gone = other.kill();
        other.wait().unwrap();
        if case.leaves() {
            return;
        }
        let is_let_go = |process: &String| !process.contains("/var/log/stuck/");
        until("its processes to be gone", || !programs(self.node.agent_pid(), "").iter().any(is_let_go));
        let records = self.node.records();
        // Typed to a program that hears nothing, and to nobody else.
        assert!(!records.iter().any(|r| r.contains(" LINE ") && r.ends_with("] ls")), "{records:#?}");
        if case.outcome != "-" {
            // The first line of the session is the case's own.
            let outcomes = records.iter().filter(|record| record.contains(" OUTCOME ")).skip(self.outcomes);
            let own: Vec<_> = outcomes.filter(|record| record.contains(".1] ")).collect();
            assert!(own.iter().any(|record| record.contains(&case.outcome)), "{own:#?}");
        }
        self.outcomes = records.iter().filter(|record| record.contains(" OUTCOME ")).count();
    }
}

#[test]
fn keys_do_in_every_state_what_the_table_says() {
    play(|case| !case.is_lost());
}

#[test]
fn keys_do_the_same_while_there_is_no_connection() {
    play(Case::is_lost);
}

/// Those cases that are chosen; those that the node learns of late are the last.
fn play(is_chosen: fn(&Case) -> bool) {
    let (site, mut node, wire) = far_node("");
    let logs = node.path("logs");
    fs::create_dir_all(logs.join("stuck")).unwrap();
    let log = logs.join("node.log");
    fs::write(&log, "the log begins\n").unwrap();
    assert!(node.enter("mount").arg("--bind").arg(&logs).arg("/var/log").status().unwrap().success());
    for (name, terminal) in [("deaf", false), ("deafscreen", true)] {
        fs::write(node.path(&format!("etc/programs/{name}.toml")), deaf(name, terminal)).unwrap();
    }
    let stuck_at = PathBuf::from("/var/log/stuck");
    node.start_agent(&[]);
    let node = &node;
    let stuck = Stuck::mount(node, &stuck_at);
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    alice.waits_for("node042");
    let mut place = Place { node, stuck: &stuck, log, written: 0, outcomes: 0, wire: &wire };
    let mut all: Vec<_> = cases().into_iter().filter(is_chosen).collect();
    assert!(all.len() > 15, "{all:#?}");
    all.sort_by_key(Case::leaves);
    let mut failed = Vec::new();
    for case in &all {
        for (way, mut command) in
            [("node", node.pact_on_terminal(Account::Alice, &[])), ("workstation", alice.at_prompt("node042"))]
        {
            if case.is_lost() && way == "node" {
                continue;
            }
            let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| place.play(case, &mut command)));
            if played.is_err() {
                failed.push(format!("{way}: {case:?}"));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    let left: Vec<_> = all.iter().filter(|case| case.leaves()).collect();
    if left.is_empty() {
        return;
    }
    until_within(Duration::from_secs(60), "what was left to be gone", || programs(node.agent_pid(), "").is_empty());
    let records = node.records();
    for (outcome, ended) in [(" OUTCOME ", left.len() - 1), (" END ", left.len())] {
        let vanished = |record: &&String| record.contains(outcome) && record.contains("the client vanished");
        assert_eq!(records.iter().filter(vanished).count(), ended, "{records:#?}");
    }
}
