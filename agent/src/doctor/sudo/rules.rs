//! How sudoers and doas.conf are written: lines that go on, comments, included files, lists of users.
//!
//! **Sources:** sudoers(5), doas.conf(5).

use pact_proto::model::{Check, Severity};

use crate::doctor::Findings;
use crate::doctor::tree::Tree;

const MOST_FILES: usize = 256;
/// What begins a line that is no rule.
const OTHERS: [&str; 8] =
    ["Defaults", "User_Alias", "Runas_Alias", "Host_Alias", "Cmnd_Alias", "Cmd_Alias", "@include", "@includedir"];

/// What stands on one line, or on several of which all but the last end in a backslash.
#[derive(Debug)]
pub(super) struct Line {
    /// File, and the number of the first.
    pub(super) place: String,
    /// Without comment.
    pub(super) text: String,
}

/// One of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) is_negated: bool,
    pub(super) name: String,
}

/// The lines of a file and of all that it includes.
pub(super) fn sudoers(tree: &Tree, file: &str, findings: &mut Findings) -> Vec<Line> {
    let mut files = vec![file.to_owned()];
    let mut lines = Vec::new();
    let mut next = 0;
    while let Some(path) = files.get(next).cloned() {
        next += 1;
        if next > MOST_FILES {
            let what = format!("more than {MOST_FILES} files belong to it, and the others are not examined");
            findings.serious(Check::Sudo, file, &what, "include fewer");
            break;
        }
        let read = tree.text(&path);
        let Some(Some(text)) = findings.known(Check::Sudo, &path, Severity::Serious, read) else { continue };
        for line in logical(&path, &text) {
            let Some((word, argument)) = include(&line.text) else {
                lines.push(line);
                continue;
            };
            let found = included(tree, &path, word, &argument, findings);
            // Whatever is included twice, or includes itself, is read once.
            files.extend(found.into_iter().filter(|path| !files.contains(path)).collect::<Vec<_>>());
        }
    }
    lines
}

fn include(text: &str) -> Option<(&str, String)> {
    let (word, rest) = text.split_once([' ', '\t'])?;
    let word = word.strip_prefix(['#', '@']).filter(|word| matches!(*word, "include" | "includedir"))?;
    let rest = rest.trim();
    let path = rest.strip_prefix('"').and_then(|rest| rest.split('"').next());
    Some((word, path.map_or_else(|| rest.replace("\\ ", " "), str::to_owned)))
}

fn included(tree: &Tree, from: &str, word: &str, argument: &str, findings: &mut Findings) -> Vec<String> {
    if argument.contains('%') {
        let what = format!("it includes {argument}, whose name depends on the host, and that is not examined");
        findings.note(Check::Sudo, from, &what, "name the file as it is");
        return Vec::new();
    }
    let directory = from.rsplit_once('/').map_or("", |(directory, _)| directory);
    let path = if argument.starts_with('/') { argument.to_owned() } else { format!("{directory}/{argument}") };
    if word == "include" {
        return vec![path];
    }
    let names = findings.known(Check::Sudo, &path, Severity::Serious, tree.names(&path)).flatten().unwrap_or_default();
    let is_read = |name: &String| !name.contains('.') && !name.ends_with('~');
    names.into_iter().filter(is_read).map(|name| format!("{}/{name}", path.trim_end_matches('/'))).collect()
}

/// Lines that are not empty.
pub(super) fn logical(path: &str, text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut goes_on = false;
    for (number, raw) in (1..).zip(text.lines()) {
        let stripped = without_comment(raw.trim_end());
        let whole = stripped.strip_suffix('\\');
        match lines.last_mut().filter(|_| goes_on) {
            Some(line) => line.text.push_str(whole.unwrap_or(stripped)),
            None => lines.push(Line { place: format!("{path}:{number}"), text: whole.unwrap_or(stripped).to_owned() }),
        }
        goes_on = whole.is_some();
    }
    for line in &mut lines {
        line.text = line.text.trim().to_owned();
    }
    lines.retain(|line| !line.text.is_empty());
    lines
}

/// `#` is a comment but before a number, which is a uid, behind `%`, and where it includes.
fn without_comment(line: &str) -> &str {
    if line.starts_with("#include") {
        return line;
    }
    let (mut is_quoted, mut before) = (false, ' ');
    for (at, c) in line.char_indices() {
        let is_number = line[at + c.len_utf8()..].starts_with(|c: char| c.is_ascii_digit());
        match c {
            '"' if before != '\\' => is_quoted = !is_quoted,
            '#' if !is_quoted && before != '\\' && before != '%' && !is_number => return &line[..at],
            _ => {}
        }
        before = c;
    }
    line
}

/// Somebody may run something by it.
pub(super) fn is_rule(text: &str) -> bool {
    let word = text.split(|c: char| c.is_whitespace() || "=:@!>".contains(c) && c != '@').next().unwrap_or_default();
    let is_default = word.starts_with("Defaults");
    !is_default && !OTHERS.contains(&word)
}

/// `User_Alias NAME = user, user : NAME = user`
pub(super) fn user_aliases(text: &str) -> Vec<(String, Vec<User>)> {
    let mut aliases = Vec::new();
    let Some(mut rest) = text.strip_prefix("User_Alias").filter(|rest| rest.starts_with(char::is_whitespace)) else {
        return aliases;
    };
    while let Some((name, behind)) = rest.split_once('=') {
        let (list, behind) = users(behind);
        aliases.push((name.trim().to_owned(), list));
        let Some(behind) = behind.trim_start().strip_prefix(':') else { break };
        rest = behind;
    }
    aliases
}

/// A list of users, and what stands behind it.
pub(super) fn users(text: &str) -> (Vec<User>, &str) {
    let mut users = Vec::new();
    let mut rest = text;
    loop {
        let start = rest.trim_start().trim_start_matches(['!', ' ', '\t']);
        let is_negated = rest[..rest.len() - start.len()].matches('!').count() % 2 == 1;
        let (name, behind) = user(start);
        users.push(User { is_negated, name });
        match behind.trim_start().strip_prefix(',') {
            Some(behind) => rest = behind,
            None => return (users, behind),
        }
    }
}

/// One name, with what is quoted or behind a backslash as it is.
fn user(text: &str) -> (String, &str) {
    let (mut name, mut is_quoted) = (String::new(), false);
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => is_quoted = !is_quoted,
            '\\' => name.extend(chars.next().map(|(_, c)| c)),
            ':' if name == "%" => name.push(c),
            c if !is_quoted && (c.is_whitespace() || ",=:".contains(c)) => return (name, &text[at..]),
            c => name.push(c),
        }
    }
    (name, "")
}

/// Whom a line of doas.conf permits: the first word behind `permit` that is no option.
pub(super) fn permitted(text: &str) -> Option<String> {
    let rest = text.strip_prefix("permit").filter(|rest| rest.starts_with(char::is_whitespace))?;
    let mut is_environment = false;
    for word in rest.replace('{', " { ").replace('}', " } ").split_whitespace() {
        match word {
            "{" => is_environment = true,
            "}" => is_environment = false,
            _ if is_environment => {}
            "nopass" | "nolog" | "persist" | "keepenv" | "setenv" => {}
            identity => return Some(identity.trim_matches('"').to_owned()),
        }
    }
    None
}
