//! What sshd does for accounts of pact without asking their login shell.
//!
//! **Invariant:** of a keyword counts the first line of the `Match` blocks that match, and where none does the first of the
//! global section, and where there is none the default. Where a block may match or not, by address or port, a bad value
//! in it is a finding, and a good one settles nothing.
//! **Not here:** sshd's own options on its command line, and the keys that `AuthorizedKeysFile` names elsewhere.

mod config;
mod environment;
mod keys;

use pact_proto::model::{Check, Severity};

use super::accounts::{Account, Accounts};
use super::tree::Tree;
use super::{Findings, Fit, listed};
use config::{FILE, Line};

const KEYWORDS: &[&str] = &[
    "AcceptEnv",
    "AllowAgentForwarding",
    "AllowStreamLocalForwarding",
    "AllowTcpForwarding",
    "ChrootDirectory",
    "DisableForwarding",
    "ForceCommand",
    "GatewayPorts",
    "PermitTunnel",
    "PermitUserEnvironment",
    "PermitUserRC",
    "Subsystem",
    "X11Forwarding",
];

/// What must be `no`.
struct Switch {
    keyword: &'static str,
    default: &'static str,
    severity: Severity,
    why: &'static str,
}

const TCP: &str = "AllowTcpForwarding";
const SWITCHES: &[Switch] = &[
    Switch {
        keyword: TCP,
        default: "yes",
        severity: Severity::Serious,
        why: "sshd connects and listens for them, and nothing of it is judged or on record",
    },
    Switch {
        keyword: "AllowStreamLocalForwarding",
        default: "yes",
        severity: Severity::Serious,
        why: "sshd connects them to whatever socket of this node the account may reach",
    },
    Switch {
        keyword: "PermitTunnel",
        default: "no",
        severity: Severity::Serious,
        why: "sshd opens network devices for them; DisableForwarding does not change that",
    },
    Switch {
        keyword: "X11Forwarding",
        default: "no",
        severity: Severity::Serious,
        why: "sshd listens for them, and runs xauth by /bin/sh; before OpenSSH 10.0 DisableForwarding does not change that",
    },
    Switch {
        keyword: "AllowAgentForwarding",
        default: "yes",
        severity: Severity::Note,
        why: "a socket on this node leads to their keys; before OpenSSH 10.0 DisableForwarding does not change that",
    },
    Switch {
        keyword: "GatewayPorts",
        default: "no",
        severity: Severity::Note,
        why: "other machines reach what sshd listens on for them",
    },
    Switch {
        keyword: "PermitUserRC",
        default: "yes",
        severity: Severity::Note,
        why: "sshd asks the login shell to run ~/.ssh/rc, which pact refuses; /etc/ssh/sshrc is run by /bin/sh all the same",
    },
];

/// Everything about sshd.
pub(super) fn examine(tree: &Tree, accounts: &Accounts, findings: &mut Findings) {
    let Some(lines) = config::read(tree, KEYWORDS, findings) else { return };
    let mut sshd = Sshd { lines: &lines, accounts: accounts.examined(), group: accounts.group(), findings };
    for switch in SWITCHES {
        sshd.switch(switch);
    }
    sshd.commands();
    sshd.subsystems();
    environment::examine(&mut sshd);
    rc(tree, findings);
    keys::examine(tree, accounts, findings);
}

/// It is root's, and still it is a program that no policy names.
fn rc(tree: &Tree, findings: &mut Findings) {
    let file = "/etc/ssh/sshrc";
    if tree.has(file) {
        let what =
            "/bin/sh runs it as the account at every session of sshd, also of pact's, and PermitUserRC does not matter";
        let fix = "remove it, or see to it that it runs nothing that an account may change";
        findings.note(Check::Sshd, file, what, fix);
    }
}

struct Sshd<'a, 'f> {
    lines: &'a [Line],
    accounts: &'a [Account],
    group: &'a str,
    findings: &'f mut Findings,
}

/// A line that may count for an account; none is the default.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    line: Option<&'a Line>,
    is_certain: bool,
}

impl Candidate<'_> {
    fn first<'s>(&'s self, default: &'s str) -> &'s str {
        self.line.map_or(default, |line| line.words.first().map_or("", String::as_str))
    }
}

/// The same line is bad for several accounts.
struct Bad<'a> {
    candidate: Candidate<'a>,
    who: Vec<&'a str>,
}

impl<'a> Sshd<'a, '_> {
    /// The lines of these that may count for an account, up to the one that does if no other does.
    fn candidates(&self, account: &Account, is_asked: &dyn Fn(&Line) -> bool) -> Vec<Candidate<'a>> {
        let mut found = Vec::new();
        for line in self.lines.iter().filter(|line| line.is_conditional() && is_asked(line)) {
            match line.fit(account) {
                Fit::No => {}
                Fit::Perhaps => found.push(Candidate { line: Some(line), is_certain: false }),
                Fit::Yes => {
                    found.push(Candidate { line: Some(line), is_certain: true });
                    return found;
                }
            }
        }
        let line = self.lines.iter().find(|line| !line.is_conditional() && is_asked(line));
        found.push(Candidate { line, is_certain: true });
        found
    }

    fn of(&self, account: &Account, keyword: &str) -> Vec<Candidate<'a>> {
        self.candidates(account, &|line| line.keyword.eq_ignore_ascii_case(keyword))
    }

    /// Whatever matches, the value is this one.
    fn is_always(&self, account: &Account, keyword: &str, default: &str, value: &str) -> bool {
        self.of(account, keyword).iter().all(|candidate| candidate.first(default).eq_ignore_ascii_case(value))
    }

    /// Each line once that is bad for somebody.
    fn bad(&self, find: &dyn Fn(&'a Account) -> Vec<Candidate<'a>>) -> Vec<Bad<'a>> {
        let mut all: Vec<Bad<'a>> = Vec::new();
        for account in self.accounts {
            for candidate in find(account) {
                let place = |candidate: Candidate<'a>| candidate.line.map(|line| line.place.as_str());
                let same = |bad: &&mut Bad<'a>| {
                    place(bad.candidate) == place(candidate) && bad.candidate.is_certain == candidate.is_certain
                };
                match all.iter_mut().find(same) {
                    Some(bad) => bad.who.push(&account.name),
                    None => all.push(Bad { candidate, who: vec![&account.name] }),
                }
            }
        }
        all
    }

    fn switch(&mut self, switch: &Switch) {
        let Switch { keyword, default, severity, why } = switch;
        let is_forwarding = *keyword == TCP || matches!(*keyword, "AllowStreamLocalForwarding" | "GatewayPorts");
        let bad = self.bad(&|account| {
            let is_disabled = is_forwarding && self.is_always(account, "DisableForwarding", "no", "yes");
            let is_moot = *keyword == "GatewayPorts" && self.is_always(account, TCP, "yes", "no");
            let mut found = self.of(account, keyword);
            found.retain(|found| !is_disabled && !is_moot && !found.first(default).eq_ignore_ascii_case("no"));
            found
        });
        for bad in bad {
            let value = bad.candidate.first(default);
            let how = if bad.candidate.line.is_some() { "is" } else { "is not said and so" };
            let what = format!("{keyword} {how} {value} for {}: {why}", self.who(&bad));
            self.say(&bad, &what, &format!("`{keyword} no`"), *severity);
        }
    }

    fn commands(&mut self) {
        let is_internal = |candidate: &Candidate<'_>| candidate.line.is_some_and(|line| is_internal_sftp(&line.rest));
        let is_none = |candidate: &Candidate<'_>| candidate.first("none").eq_ignore_ascii_case("none");
        for bad in self.bad(&|account| self.of(account, "ForceCommand")) {
            if is_internal(&bad.candidate) {
                let what = format!("ForceCommand is internal-sftp for {}: sshd serves files itself", self.who(&bad));
                self.say(&bad, &what, "`ForceCommand none`", Severity::Serious);
            } else if !is_none(&bad.candidate) {
                let what = format!("ForceCommand is the only line that pact gets of {}", self.who(&bad));
                self.say(&bad, &what, "`ForceCommand none`", Severity::Note);
            }
        }
        for bad in self.bad(&|account| self.of(account, "ChrootDirectory")) {
            if !is_none(&bad.candidate) {
                let why = "their login shell is what stands in that directory at its path";
                let what = format!("ChrootDirectory is {} for {}: {why}", bad.candidate.first("none"), self.who(&bad));
                self.say(&bad, &what, "`ChrootDirectory none`", Severity::Serious);
            }
        }
    }

    /// `internal-sftp` is part of sshd. Another program is run by the login shell, and so is whatever is forced.
    fn subsystems(&mut self) {
        let of_subsystem = |line: &Line| line.keyword == "subsystem" && !line.words.is_empty();
        let mut names: Vec<_> =
            self.lines.iter().filter(|line| of_subsystem(line)).map(|line| &line.words[0]).collect();
        names.sort();
        names.dedup();
        for name in names {
            let bad = self.bad(&|account| {
                let is_forced = |candidate: &Candidate<'_>| {
                    let forced = candidate.line.filter(|line| !line.rest.eq_ignore_ascii_case("none"));
                    forced.is_some_and(|line| !is_internal_sftp(&line.rest))
                };
                if self.of(account, "ForceCommand").iter().all(is_forced) {
                    return Vec::new();
                }
                let mut found = self.candidates(account, &|line| of_subsystem(line) && line.words[0] == *name);
                let program = |candidate: &Candidate<'a>| candidate.line.and_then(|line| line.words.get(1));
                found.retain(|candidate| program(candidate).is_some_and(|program| program == "internal-sftp"));
                found
            });
            for bad in bad {
                let what =
                    format!("Subsystem {name} is internal-sftp for {}: sshd serves files itself", self.who(&bad));
                let program = format!("`Subsystem {name} /usr/lib/openssh/sftp-server`, which pact refuses");
                let place = bad.candidate.line.map_or(FILE, |line| line.place.as_str());
                let fix = format!("write there {program}, or take the line out");
                self.findings.serious(Check::Sshd, place, &what, &fix);
            }
        }
    }

    fn who(&self, bad: &Bad<'_>) -> String {
        let all = bad.who.len() == self.accounts.len();
        let who = if all { "accounts of pact".to_owned() } else { listed(bad.who.iter().copied()) };
        if bad.candidate.is_certain { who } else { format!("{who}, for connections that match") }
    }

    /// A block of a group at the end outranks the global section; within a block the line itself must change.
    fn say(&mut self, bad: &Bad<'_>, what: &str, text: &str, severity: Severity) {
        let place = bad.candidate.line.map_or(FILE, |line| line.place.as_str());
        let fix = if bad.candidate.line.is_some_and(Line::is_conditional) {
            format!("write {text} there")
        } else {
            format!("write at the end of {FILE} `Match Group {}`, and below it {text}", self.group)
        };
        self.findings.say(Check::Sshd, place, what, &fix, severity);
    }
}

fn is_internal_sftp(command: &str) -> bool {
    command.strip_prefix("internal-sftp").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
}
