//! Every case file as a conversation, twice: at the prompt and by `-c` on the node, and at `pact shell` and by `exec`
//! from a workstation. What people see and what is on record must be the same.
//!
//! What differs from one time to the next (a process list, a clock) is compared by its records alone.
//! Words that somebody's shell has split already, which only `exec` takes as they are, are typed in quotes.
//! **Not here:** lines that go on until somebody ends them; programs that draw (`crate::screens`); what [`LEFT_OUT`] says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cases;
use crate::node::{Account, Node, Said, until};
use crate::remote::Workstation;
use crate::seat::{ENTER, PROMPT, Seat};
use crate::site::Site;

/// A line, and as what somebody types it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    role: &'static str,
    line: Vec<u8>,
}

/// As the case files call those who type, with roles as the judgements have them.
const ROLES: &[(&str, &[&str])] = &[
    ("ops", &["pact-ops-ml-training"]),
    ("viewer", &["pact-viewer-ml-training"]),
    ("both", &["pact-viewer-ml-training", "pact-ops-ml-training"]),
    ("admin", &["pact-platform-admin"]),
    ("elsewhere", &["pact-ops-other", "pact-viewer-other"]),
    ("regulated", &["pact-regulated-ml-training"]),
    ("ai", &["pact-service-ai"]),
    ("agent", &["pact-service-agent"]),
];

/// Root has no way from a workstation; who is nobody has none at all.
const LEFT_OUT: &[&str] = &["root", "nothing"];

/// Their output is of the moment, or it says which way one came.
const OF_THE_MOMENT: &[&str] = &[
    "cap", "dmesg", "df", "free", "ip", "log", "ls", "ps", "status", "whoami", "/proc", "/sys", "/dev", "/run", "/tmp",
];

/// Of programs, those with the most forms and ways of reading; what is asked of the others is matched by the same code, and
/// `attacks` runs each of them.
const TALKED_WITH: &[&str] =
    &["cat", "df", "dmesg", "free", "grep", "head", "ip", "less", "ls", "ps", "tail", "top", "uname", "wc"];

fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in ["proto/cases", "proto/cases/programs", "policy/cases"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let is_cases = path.extension().is_some_and(|it| it == "cases");
            let name = path.file_stem().unwrap().to_str().unwrap();
            if is_cases && (folder != "proto/cases/programs" || TALKED_WITH.contains(&name)) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The lines of a file; those of judgements say who types them.
fn cases_of(path: &Path) -> Vec<Case> {
    let is_judged = path.components().any(|part| part.as_os_str() == "policy");
    let typed = cases::all_typed(&std::fs::read_to_string(path).unwrap());
    let is_split = path.ends_with("words.cases");
    let case = |line: Vec<u8>| {
        let line = if is_split { quoted(&line) } else { line };
        if !is_judged {
            return Some(Case { role: "ops", line });
        }
        let at = line.windows(2).position(|pair| pair == b": ").unwrap();
        let role = std::str::from_utf8(&line[..at]).unwrap();
        if LEFT_OUT.contains(&role) {
            return None;
        }
        let known = ROLES.iter().find(|(known, _)| *known == role);
        let (role, _) = known.unwrap_or_else(|| panic!("{}: who is {role:?}?", path.display()));
        Some(Case { role, line: line[at + 2..].to_vec() })
    };
    typed.into_iter().filter_map(case).filter(|case| ends_by_itself(&case.line)).collect()
}

/// `cat ¦ a b` as `'cat' 'a b'`.
fn quoted(words: &[u8]) -> Vec<u8> {
    const MARK: &[u8] = " ¦ ".as_bytes();
    let mut line = b"'".to_vec();
    let mut rest = words;
    while !rest.is_empty() {
        match rest.strip_prefix(MARK) {
            Some(behind) => {
                line.extend(b"' '");
                rest = behind;
            }
            None => {
                line.push(rest[0]);
                rest = &rest[1..];
            }
        }
    }
    line.push(b'\'');
    line
}

/// Whether nobody has to end it.
pub(crate) fn ends_by_itself(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    let follows = words.iter().any(|word| {
        word.starts_with("--follow") || word.strip_prefix('-').is_some_and(|l| l.contains(['f', 'F', 'w', 'W']))
    });
    let has_no_end = ["/dev/urandom", "/dev/zero", "/proc/kmsg"].iter().any(|file| text.contains(file))
        // A process's map of pages is longer than anybody's patience.
        || text.starts_with("grep -r") && text.contains("/proc")
        || text.contains("recurse");
    let repeats = words.first() == Some(&"free") && text.contains("-s");
    let draws = words.iter().any(|word| ["less", "top"].contains(word));
    let can_follow = words.iter().any(|word| ["tail", "dmesg", "watch"].contains(word));
    !(words.first().is_some_and(|word| ["exit", "quit", "logout"].contains(word))
        || words.contains(&"watch")
        || draws
        || has_no_end
        || repeats
        || can_follow && follows)
}

fn is_of_the_moment(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    let mut words = text.split(|c: char| c.is_whitespace() || "|'\"".contains(c));
    words.any(|word| OF_THE_MOMENT.iter().any(|it| word == *it || it.starts_with('/') && word.contains(it)))
}

/// What differs from one time to the next: what a line of the moment wrote, where it ran at all.
fn may_differ(line: &[u8], shown: &str) -> bool {
    is_of_the_moment(line) && !shown.lines().any(|row| row.starts_with("pact: "))
}

/// Whether it can be typed: its bytes are no keys.
pub(crate) fn can_be_typed(line: &[u8]) -> bool {
    std::str::from_utf8(line).is_ok_and(|text| !text.trim().is_empty() && !text.chars().any(char::is_control))
}

/// One who is on the node and at a workstation.
pub(crate) struct Person {
    site: Site,
    pub(crate) node: Node,
    pub(crate) token: String,
}

impl Person {
    pub(crate) fn new(roles: &[&str]) -> Self {
        let site = Site::start();
        let listed: Vec<_> = roles.iter().map(|role| format!("\"{role}\"")).collect();
        let bound =
            format!("[[bind]]\nuser = \"alice\"\nprincipal = \"alice@example.org\"\nroles = [{}]", listed.join(","));
        let mut node = site.node(&bound);
        node.start_agent(&[]);
        let token = site.provider.token("alice@example.org", roles).unwrap();
        let person = Self { site, node, token };
        let root = Workstation::of(&person.site, "carol@example.org", &["pact-platform-admin"]);
        root.waits_for("node042");
        person
    }

    fn there(&self) -> Workstation<'_> {
        Workstation { site: &self.site, token: self.token.clone() }
    }

    /// What both prompts show; nothing where there is no way in.
    pub(crate) fn at_prompts(&self, lines: &[Vec<u8>]) -> [Option<Vec<String>>; 2] {
        let mut here = self.node.pact_on_terminal(Account::Alice, &[]);
        let mut there = self.there().at_prompt("node042");
        std::thread::scope(|scope| {
            [&mut here, &mut there].map(|way| scope.spawn(|| converse(way, lines))).map(|talk| talk.join().unwrap())
        })
    }

    pub(crate) fn by_words(&self, line: &[u8]) -> [Said; 2] {
        use std::os::unix::ffi::OsStrExt;
        let line = std::ffi::OsStr::from_bytes(line);
        let mut here = self.node.pact(Account::Alice, &["-c"]);
        let mut there = self.there().pact(&["exec", "node042", "--"]);
        [&mut here, &mut there].map(|way| way.arg(line).stdin(Stdio::null()).output().unwrap().into())
    }
}

fn converse(way: &mut Command, lines: &[Vec<u8>]) -> Option<Vec<String>> {
    let mut seat = Seat::open(way);
    seat.until("a prompt, or the end", |terminal| terminal.has_ended() || terminal.row(0).starts_with(PROMPT));
    if seat.terminal.has_ended() {
        return None;
    }
    let mut shown = Vec::new();
    for line in lines {
        seat.clear();
        shown.push(seat.line(std::str::from_utf8(line).unwrap()));
    }
    seat.keys(&format!("exit{ENTER}"));
    seat.end();
    Some(shown)
}

/// Standard output and standard error come on ways of their own: which line is first is not said.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// What is on record of a session's lines, without what differs: times, amounts.
fn conversations(records: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut sessions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in records {
        let Some((before, rest)) = record.split_once('[') else { continue };
        let Some((id, text)) = rest.split_once("] ") else { continue };
        let kind = before.split_ascii_whitespace().nth(1).unwrap_or_default();
        if !before.contains(" alice@example.org ") || !["LINE", "REFUSED", "OUTCOME"].contains(&kind) {
            continue;
        }
        let (session, number) = id.split_once('.').unwrap_or((id, ""));
        let talk = sessions.entry(session.to_owned()).or_default();
        let is_of_the_moment = talk.last().is_some_and(|line| is_of_the_moment(line.as_bytes()));
        let text = if kind == "OUTCOME" && is_of_the_moment { "" } else { text };
        let text = text.split(" after ").next().unwrap_or(text);
        talk.push(format!("{kind} {number} {text}"));
    }
    sessions
}

fn agree(role: &'static str, roles: &[&str]) {
    let mut lines: Vec<_> = files().iter().flat_map(|path| cases_of(path)).filter(|case| case.role == role).collect();
    lines.sort();
    lines.dedup();
    let lines: Vec<_> = lines.into_iter().map(|case| case.line).collect();
    assert!(!lines.is_empty(), "{role} types nothing");
    let mut person = Person::new(roles);
    let typed: Vec<_> = lines.iter().filter(|line| can_be_typed(line)).cloned().collect();
    let mut differing = Vec::new();
    let mut differs = |way: &str, line: &[u8], here: String, there: String| {
        if sorted(&here) != sorted(&there) {
            differing.push(format!(
                "{way} {}\n--- on the node\n{here}\n--- from a workstation\n{there}\n",
                line.escape_ascii()
            ));
        }
    };
    let mut expected = 0;
    match person.at_prompts(&typed) {
        [Some(here), Some(there)] => {
            expected += 2;
            for ((line, here), there) in
                typed.iter().zip(here).zip(there).filter(|((line, here), _)| !may_differ(line, here))
            {
                differs("prompt", line, here, there);
            }
        }
        // Who may do nothing here is at no prompt, whichever way they came.
        [here, there] => assert_eq!((here.is_some(), there.is_some()), (false, false), "{role}"),
    }
    for line in lines.iter().filter(|line| !line.contains(&0)) {
        expected += 2;
        let [here, there] = person.by_words(line);
        if !may_differ(line, &here.stderr) {
            differs("once", line, format!("{here:?}"), format!("{there:?}"));
        }
    }
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
    // What is on its way is not yet there, and `status` does not speak of it.
    let last = person.node.last_record().unwrap();
    until("the journal to have all records", || person.node.acknowledged() >= last);
    let sessions = conversations(&person.site.all_records());
    assert_eq!(sessions.len(), expected, "{role}: sessions of {} lines", lines.len());
    let mut talks: BTreeMap<&[String], usize> = BTreeMap::new();
    for talk in sessions.values() {
        *talks.entry(talk).or_default() += 1;
    }
    let odd: Vec<_> = talks.iter().filter(|(_, times)| **times % 2 == 1).map(|(talk, _)| talk).collect();
    if let [one, other] = odd.as_slice() {
        let differ = one.iter().zip(other.iter()).find(|(one, other)| one != other);
        assert_eq!(differ, None, "{role}");
    }
    assert!(odd.is_empty(), "{role}: on record in one way only: {odd:#?}");
}

#[test]
fn both_ways_in_lead_to_the_same_conversation() {
    let (ops, others) = ROLES.split_first().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| agree(ops.0, ops.1));
        for (role, roles) in others {
            agree(role, roles);
        }
    });
}
