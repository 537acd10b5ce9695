//! What the files of keys in homes say beside keys.
//!
//! **Invariant:** nothing of these files is shown but the names of options.

use pact_proto::model::{Check, Severity};

use super::is_internal_sftp;
use crate::doctor::Findings;
use crate::doctor::accounts::Accounts;
use crate::doctor::tree::Tree;

const FILES: [&str; 2] = [".ssh/authorized_keys", ".ssh/authorized_keys2"];

pub(super) fn examine(tree: &Tree, accounts: &Accounts, findings: &mut Findings) {
    for account in accounts.local() {
        for file in FILES {
            let path = account.in_home(file);
            let read = tree.text(&path);
            let Some(Some(text)) = findings.known(Check::Sshd, &path, Severity::Note, read) else { continue };
            for (number, line) in (1..).zip(text.lines()) {
                key(line, &account.name, &format!("{path}:{number}"), findings);
            }
        }
    }
}

fn key(line: &str, name: &str, place: &str, findings: &mut Findings) {
    for (option, value) in options(line) {
        if option.eq_ignore_ascii_case("command") && is_internal_sftp(&value) {
            let what = format!("command=\"internal-sftp\": sshd serves files to who has this key of {name} itself");
            findings.serious(Check::Sshd, place, &what, "take the option out, or the key");
        } else if option.eq_ignore_ascii_case("command") {
            let what = format!("command=: it is the only line that pact gets of who has this key of {name}");
            findings.note(Check::Sshd, place, &what, "take the option out if a prompt is wanted");
        } else if option.eq_ignore_ascii_case("environment") {
            let what =
                format!("environment=: where sshd has PermitUserEnvironment, pact is started with it for {name}");
            findings.note(Check::Sshd, place, &what, "take the option out");
        }
    }
}

/// Names and values of what stands before a key, up to the first blank outside quotes.
fn options(line: &str) -> Vec<(String, String)> {
    let line = line.trim_start();
    let is_key = ["ssh-", "ecdsa-", "sk-"].iter().any(|start| line.starts_with(start));
    if is_key || line.starts_with('#') {
        return Vec::new();
    }
    let mut options = vec![(String::new(), None::<String>)];
    let (mut is_quoted, mut chars) = (false, line.chars().peekable());
    while let Some(c) = chars.next_if(|c| is_quoted || !c.is_ascii_whitespace()) {
        let Some((name, value)) = options.last_mut() else { break };
        match (c, value) {
            ('\\', Some(value)) if is_quoted => value.push(chars.next_if_eq(&'"').unwrap_or(c)),
            ('"', _) => is_quoted = !is_quoted,
            (',', _) if !is_quoted => options.push((String::new(), None)),
            ('=', value @ None) => *value = Some(String::new()),
            (_, Some(value)) => value.push(c),
            (_, None) => name.push(c),
        }
    }
    options.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect()
}
