//! What is wrong with how this node is set up as a host whose administrators' login shell is pact, and what to do.
//!
//! **Invariant:** files are read below one directory, which is `/` but for tests; nothing is started, changed or waited
//! for. Every file, directory and answer is bounded, and no content of a file makes this panic or go round in circles.
//! What is there and cannot be read is a finding too. What is serious is never left out for what is not.
//! **Not here:** kernel and sandbox, which the agent knows already, and how findings are shown (`pact_proto::view`).

mod accounts;
mod files;
mod jobs;
mod pam;
mod sshd;
mod sudo;
mod tree;

use std::path::{Path, PathBuf};

use pact_proto::model::{Check, Finding, Severity};

use crate::config::Config;
use accounts::Accounts;
use tree::{Tree, Unreadable};

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Examined {
    /// Below it every path is looked up.
    pub root: PathBuf,
    /// Where pact is installed, as passwd names it.
    pub shells: Vec<PathBuf>,
    /// Its configuration, policy, programs, keys and binaries.
    pub own: Vec<PathBuf>,
    /// The group whose members may connect to the agent.
    pub socket_group: String,
}

impl Examined {
    /// Of the agent that runs this: `path` is where its configuration is.
    pub(crate) fn of(config: &Config, path: &Path) -> Self {
        let agent = std::env::current_exe().ok();
        let journal = config.journal.iter().flat_map(|journal| [&journal.ca, &journal.certificate, &journal.key]);
        let files = [&config.policy, &config.programs].into_iter().chain(&config.recordings_key).chain(journal);
        let own = files.cloned().chain([path.to_owned()]).chain(agent);
        let (root, socket_group) = (PathBuf::from("/"), config.socket_group.clone());
        Self { root, shells: vec![config.shell.clone()], own: own.collect(), socket_group }
    }
}

/// More findings than this help nobody.
const MOST: usize = 200;
/// Bytes of one text of a finding.
const LONGEST: usize = 500;
/// Names that one finding says; of more it says how many.
const NAMED: usize = 8;

/// Everything worth saying, what is serious first.
pub fn examine(place: &Examined) -> Vec<Finding> {
    let tree = Tree::new(&place.root);
    let mut findings = Findings::default();
    let accounts = Accounts::read(&tree, place, &mut findings);
    sshd::examine(&tree, &accounts, &mut findings);
    accounts::examine(&tree, place, &accounts, &mut findings);
    pam::examine(&tree, &mut findings);
    jobs::examine(&tree, &accounts, &mut findings);
    sudo::examine(&tree, &accounts, &mut findings);
    files::examine(&tree, place, &mut findings);
    findings.all()
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings {
    serious: Vec<Finding>,
    notes: Vec<Finding>,
    left_out: [usize; 2],
}

impl Findings {
    fn serious(&mut self, check: Check, place: &str, what: &str, fix: &str) {
        self.say(check, place, what, fix, Severity::Serious);
    }

    fn note(&mut self, check: Check, place: &str, what: &str, fix: &str) {
        self.say(check, place, what, fix, Severity::Note);
    }

    fn say(&mut self, check: Check, place: &str, what: &str, fix: &str, severity: Severity) {
        let (list, left_out) = match severity {
            Severity::Serious => (&mut self.serious, &mut self.left_out[0]),
            Severity::Note => (&mut self.notes, &mut self.left_out[1]),
        };
        if list.len() >= MOST {
            *left_out += 1;
            return;
        }
        let finding = Finding { check, place: cut(place), what: cut(what), fix: cut(fix), severity };
        if !list.contains(&finding) {
            list.push(finding);
        }
    }

    /// What the result of a reading is, where it could be read; where not, that is said.
    fn known<T>(&mut self, check: Check, place: &str, severity: Severity, read: Result<T, Unreadable>) -> Option<T> {
        match read {
            Ok(read) => Some(read),
            Err(why) => {
                self.say(check, place, &format!("it cannot be examined: {}", why.0), FIX_UNREADABLE, severity);
                None
            }
        }
    }

    fn all(self) -> Vec<Finding> {
        let serious = self.serious.len() + self.left_out[0];
        let total = serious + self.notes.len() + self.left_out[1];
        let mut all: Vec<_> = self.serious.into_iter().chain(self.notes).collect();
        if total > MOST {
            all.truncate(MOST - 1);
            let what = format!("{} more findings are left out", total - all.len());
            let severity = if serious > all.len() { Severity::Serious } else { Severity::Note };
            let (place, fix) = ("/".to_owned(), "mend these first, and ask again".to_owned());
            all.push(Finding { check: Check::Files, place, what, fix, severity });
        }
        all
    }
}

/// Whether a rule is for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    No,
    /// It depends on what is not known here.
    Perhaps,
    Yes,
}

const FIX_UNREADABLE: &str = "see whether it is what it should be: what is not known counts as open";

/// At most so many bytes, and whole characters.
fn cut(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let end = (0..=LONGEST - '…'.len_utf8()).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", &text[..end])
}

/// `alice, bob and 3 more`.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [some @ .., last] if names.len() <= NAMED => format!("{} and {last}", some.join(", ")),
        many => format!("{} and {} more", many[..NAMED].join(", "), many.len() - NAMED),
    }
}

#[cfg(test)]
mod tests;
