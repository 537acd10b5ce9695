//! The lines of sshd_config that are asked for, each with when it counts; read as sshd reads them.
//!
//! **Sources:** sshd_config(5), and OpenSSH's servconf.c: a keyword in any case, blanks or one `=` behind it, quotes, `#`
//! before a word; `Include` in place, sorted, relative to /etc/ssh, 16 deep; `Match` up to the next one or the end of its
//! file, and within `Match` an included file counts only where that one does.

use pact_proto::grammar::{Component, Pattern};
use pact_proto::model::{Check, Severity};

use crate::doctor::accounts::Account;
use crate::doctor::tree::{Tree, matches};
use crate::doctor::{Findings, Fit};

pub(super) const FILE: &str = "/etc/ssh/sshd_config";
/// Where a system has it that keeps /etc for what was changed.
const VENDOR_FILE: &str = "/usr/etc/ssh/sshd_config";
const DEEPEST: usize = 16;
const MOST_FILES: usize = 256;
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// One keyword, as it stands somewhere.
#[derive(Debug)]
pub(super) struct Line {
    /// File and number.
    pub(super) place: String,
    /// In lower case.
    pub(super) keyword: String,
    pub(super) words: Vec<String>,
    /// What stands behind the keyword, quotes included.
    pub(super) rest: String,
    /// Of all `Match` around it; none in the global section.
    when: Vec<Criterion>,
}

#[derive(Clone, Debug)]
enum Criterion {
    All,
    User(String),
    Group(String),
    /// Of accounts that do not exist.
    Nobody,
    /// What a connection decides: address, port.
    Other,
}

impl Line {
    pub(super) fn is_conditional(&self) -> bool {
        !self.when.is_empty()
    }

    /// It counts when sshd starts, which is before anybody matches.
    pub(super) fn is_global(&self) -> bool {
        self.when.iter().all(|criterion| matches!(criterion, Criterion::All))
    }

    pub(super) fn fit(&self, account: &Account) -> Fit {
        let fits: Vec<_> = self.when.iter().map(|criterion| criterion.fit(account)).collect();
        if fits.contains(&Fit::No) {
            return Fit::No;
        }
        if fits.contains(&Fit::Perhaps) { Fit::Perhaps } else { Fit::Yes }
    }
}

impl Criterion {
    fn fit(&self, account: &Account) -> Fit {
        match self {
            Self::All => Fit::Yes,
            Self::Nobody => Fit::No,
            Self::Other => Fit::Perhaps,
            Self::User(list) if account.is_unknown && list != "*" => Fit::Perhaps,
            Self::User(list) => {
                if in_list(list, &account.name) == Some(true) {
                    Fit::Yes
                } else {
                    Fit::No
                }
            }
            Self::Group(list) => {
                let found: Vec<_> = account.groups().filter_map(|group| in_list(list, group)).collect();
                if found.contains(&false) {
                    return Fit::No;
                }
                let may_be_in_others = account.is_unknown && (found.is_empty() || list.contains('!'));
                if may_be_in_others {
                    Fit::Perhaps
                } else if found.is_empty() {
                    Fit::No
                } else {
                    Fit::Yes
                }
            }
        }
    }
}

/// Whether a list of patterns takes a name: `Some(false)` where it names it to keep it out.
pub(super) fn in_list(list: &str, name: &str) -> Option<bool> {
    let mut found = None;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern, name) => return Some(false),
            Some(_) => {}
            None => found = found.or_else(|| matches(pattern, name).then_some(true)),
        }
    }
    found
}

/// The lines with these keywords, in the order in which sshd comes upon them; none where there is no sshd_config.
pub(super) fn read(tree: &Tree, keywords: &[&str], findings: &mut Findings) -> Option<Vec<Line>> {
    let file = [FILE, VENDOR_FILE].into_iter().find(|file| tree.has(file))?;
    let mut reader = Reader { tree, keywords, findings, lines: Vec::new(), files: 0 };
    reader.file(file, &[], 0);
    Some(reader.lines)
}

struct Reader<'a> {
    tree: &'a Tree,
    keywords: &'a [&'a str],
    findings: &'a mut Findings,
    lines: Vec<Line>,
    files: usize,
}

impl Reader<'_> {
    fn file(&mut self, path: &str, outer: &[Criterion], depth: usize) {
        self.files += 1;
        if depth > DEEPEST || self.files > MOST_FILES {
            let what = format!("not all is examined: more than {MOST_FILES} files, or {DEEPEST} within each other");
            return self.findings.serious(Check::Sshd, FILE, &what, "include fewer: sshd does not start with too many");
        }
        let read = self.tree.text(path);
        let Some(Some(text)) = self.findings.known(Check::Sshd, path, Severity::Serious, read) else { return };
        let mut when = outer.to_vec();
        for (number, line) in (1..).zip(text.lines()) {
            let Some((keyword, rest)) = keyword(line) else { continue };
            match keyword.as_str() {
                "match" => when = outer.iter().cloned().chain(criteria(rest)).collect(),
                "include" => words(rest).iter().for_each(|pattern| self.include(pattern, &when, depth)),
                _ if self.keywords.iter().any(|known| known.eq_ignore_ascii_case(&keyword)) => {
                    let (place, rest, words) = (format!("{path}:{number}"), rest.to_owned(), words(rest));
                    self.lines.push(Line { place, keyword, words, rest, when: when.clone() });
                }
                _ => {}
            }
        }
    }

    fn include(&mut self, pattern: &str, when: &[Criterion], depth: usize) {
        let pattern = if pattern.starts_with('/') { pattern.to_owned() } else { format!("/etc/ssh/{pattern}") };
        for path in self.paths(&pattern) {
            self.file(&path, when, depth + 1);
        }
    }

    /// The files that a pattern names, sorted.
    fn paths(&mut self, pattern: &str) -> Vec<String> {
        let Some(parsed) = Pattern::parse(pattern.as_bytes()) else {
            return if self.tree.has(pattern) { vec![pattern.to_owned()] } else { Vec::new() };
        };
        let mut found = vec![String::new()];
        for component in parsed.components().into_iter().skip(1) {
            let mut next = Vec::new();
            for path in &found {
                match &component {
                    Component::Name(name) => next.push(format!("{path}/{name}")),
                    Component::Matching(matcher) => {
                        let read = self.tree.names(format!("{path}/"));
                        let names = self.findings.known(Check::Sshd, path, Severity::Serious, read).flatten();
                        let names = names.unwrap_or_default().into_iter().filter(|name| matcher.matches(name));
                        next.extend(names.map(|name| format!("{path}/{name}")));
                    }
                }
            }
            next.truncate(MOST_FILES + 1);
            found = next;
        }
        found.retain(|path| self.tree.has(path));
        found.sort();
        found
    }
}

/// The keyword in lower case, and what stands behind it.
fn keyword(line: &str) -> Option<(String, &str)> {
    let line = line.trim_start_matches(BLANKS).trim_end_matches(BLANKS).trim_end_matches(['\u{c}', ' ', '\t', '\r']);
    let (keyword, rest) = delimited(line)?;
    let is_one = !keyword.is_empty() && !keyword.starts_with('#');
    is_one.then(|| (keyword.to_ascii_lowercase(), rest))
}

/// The first word, which ends at a blank, at one `=` with blanks around it, or with its quotes; and the rest.
fn delimited(text: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (word, rest) = quoted.split_once('"')?;
        return Some((word, rest.trim_start_matches(BLANKS)));
    }
    let end = text.find(|c| BLANKS.contains(&c) || c == '=').unwrap_or(text.len());
    let rest = text[end..].trim_start_matches(BLANKS);
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start_matches(BLANKS);
    Some((&text[..end], rest))
}

fn criteria(mut rest: &str) -> Vec<Criterion> {
    let mut criteria = Vec::new();
    while let Some((name, behind)) = delimited(rest).filter(|(name, _)| !name.is_empty() && !name.starts_with('#')) {
        let name = name.to_ascii_lowercase();
        if name == "all" || name == "invalid-user" {
            criteria.push(if name == "all" { Criterion::All } else { Criterion::Nobody });
            rest = behind;
            continue;
        }
        let (value, behind) = delimited(behind).unwrap_or_default();
        criteria.push(match name.as_str() {
            "user" => Criterion::User(value.to_owned()),
            "group" => Criterion::Group(value.to_owned()),
            _ => Criterion::Other,
        });
        rest = behind;
    }
    // One that says nothing is an error, with which sshd does not start.
    if criteria.is_empty() { vec![Criterion::Other] } else { criteria }
}

/// Words behind a keyword, in single or double quotes or none; a `#` before one ends the line.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| *c == ' ' || *c == '\t').is_some() {}
        if matches!(chars.peek(), None | Some('#')) {
            return words;
        }
        let (mut word, mut quote) = (String::new(), None);
        while let Some(c) = chars.next_if(|c| quote.is_some() || *c != ' ' && *c != '\t') {
            let is_escaped = |next: &char| matches!(next, '\'' | '"' | '\\') || quote.is_none() && *next == ' ';
            match (c, quote) {
                ('\\', _) => word.push(chars.next_if(is_escaped).unwrap_or(c)),
                ('\'' | '"', None) => quote = Some(c),
                (_, Some(open)) if open == c => quote = None,
                (_, Some(_) | None) => word.push(c),
            }
        }
        words.push(word);
    }
}
