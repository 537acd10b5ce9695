//! Accounts whose login shell is pact: which there are, and what makes one more than an account.
//!
//! **Not here:** accounts of a directory service. Where passwd has none, whatever is asked of accounts is asked of one that
//! is in the socket's group and whose name nobody knows.

mod read;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use pact_proto::model::{Check, Severity};

pub(super) use read::{Account, Accounts};

use super::tree::Tree;
use super::{Examined, Findings, listed};

/// Groups whose members are root by another name.
const ROOTS: &[(&str, &str)] = &[
    ("root", "may write what only root's group may"),
    ("docker", "start containers as root"),
    ("lxd", "start containers as root"),
    ("incus-admin", "start containers as root"),
    ("libvirt", "start machines as root"),
    ("disk", "read and write every file by its disk"),
    ("kmem", "read the kernel's memory"),
    ("shadow", "read everybody's password hash"),
    ("staff", "may write programs below /usr/local"),
    ("sudo", "are who rules of sudo are for"),
    ("wheel", "are who rules of sudo are for, and whom su lets pass"),
];
/// Groups that show more than one thinks.
const SEERS: &[&str] = &["adm", "systemd-journal"];

/// What is wrong with them, with their homes, and with the list of shells.
pub(super) fn examine(tree: &Tree, place: &Examined, accounts: &Accounts, findings: &mut Findings) {
    shells(tree, place, findings);
    if accounts.local().is_empty() {
        let what = "nobody on this node logs in to pact (accounts of a directory service are not seen here)";
        let fix = "make it an account's login shell: `usermod -s PACT NAME`, with the path of pact";
        return findings.note(Check::Accounts, "/etc/passwd", what, fix);
    }
    identity(accounts, findings);
    membership(accounts, findings);
    for account in accounts.local() {
        home(tree, account, findings);
    }
}

fn identity(accounts: &Accounts, findings: &mut Findings) {
    let mut uids: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for (name, uid) in accounts.others() {
        uids.entry(*uid).or_default().push(name);
    }
    let passwd = "/etc/passwd";
    for account in accounts.local() {
        let name = &account.name;
        if account.uid == 0 {
            let what = format!("{name} logs in to pact and is root (uid 0)");
            findings.serious(Check::Accounts, passwd, &what, "give the account a uid of its own");
        }
        if let Some(same) = uids.get(&account.uid) {
            let others = listed(same.iter().copied());
            let what =
                format!("{name} logs in to pact, and the same uid {} has another shell as {others}", account.uid);
            findings.serious(Check::Accounts, passwd, &what, "give each account a uid of its own");
        }
        if account.has_no_password {
            let what = format!("{name} has no password, and whoever says that name may be let in");
            findings.serious(Check::Accounts, passwd, &what, &format!("lock it: `passwd -l {name}`"));
        }
    }
}

fn membership(accounts: &Accounts, findings: &mut Findings) {
    let (file, group) = ("/etc/group", accounts.group());
    let outside: Vec<_> = accounts.local().iter().filter(|account| !account.is_in(group)).collect();
    if !accounts.has_group(group) {
        let what = format!("there is no group {group} (groups of a directory service are not seen here)");
        let fix = format!("make it: `groupadd --system {group}`, and put the accounts into it");
        findings.serious(Check::Accounts, file, &what, &fix);
    } else if !outside.is_empty() {
        let names = listed(outside.iter().map(|account| account.name.as_str()));
        let what = format!("{names} cannot connect to the agent: not in the group {group}");
        let fix = format!("put each into it: `usermod -a -G {group} {}`", outside[0].name);
        findings.serious(Check::Accounts, file, &what, &fix);
    }
    for (group, why) in ROOTS {
        let what = |names: &str| format!("{names}: in the group {group}, whose members {why}");
        of_group(accounts, group, Severity::Serious, &what, findings);
    }
    for group in SEERS {
        let what = |names: &str| format!("{names}: in the group {group}, whose members read the logs of everybody");
        of_group(accounts, group, Severity::Note, &what, findings);
    }
}

fn of_group(
    accounts: &Accounts,
    group: &str,
    severity: Severity,
    what: &dyn Fn(&str) -> String,
    findings: &mut Findings,
) {
    let members: Vec<_> = accounts.local().iter().filter(|account| account.is_in(group)).collect();
    if let Some(first) = members.first() {
        let names = listed(members.iter().map(|account| account.name.as_str()));
        let fix = format!("take each out of it: `gpasswd -d {} {group}`", first.name);
        findings.say(Check::Accounts, "/etc/group", &what(&names), &fix, severity);
    }
}

/// Whoever may write there chooses what the account's programs read, and who logs in with which key.
fn home(tree: &Tree, account: &Account, findings: &mut Findings) {
    for place in [account.home.clone(), account.in_home(".ssh")] {
        let read = tree.metadata(&place);
        let Some(Some(metadata)) = findings.known(Check::Accounts, &place, Severity::Note, read) else { continue };
        let name = &account.name;
        if metadata.uid() != account.uid && metadata.uid() != 0 {
            let what = format!("it is of {name} and belongs to uid {}", metadata.uid());
            findings.serious(
                Check::Accounts,
                &place,
                &what,
                &format!("give it to its account: `chown {name} {place}`"),
            );
        }
        if metadata.mode() & 0o022 != 0 {
            let what = format!("it is of {name}, and others may write it");
            findings.serious(Check::Accounts, &place, &what, &format!("close it: `chmod go-w {place}`"));
        }
    }
}

fn shells(tree: &Tree, place: &Examined, findings: &mut Findings) {
    let file = "/etc/shells";
    let read = tree.text(file);
    let Some(Some(text)) = findings.known(Check::Shells, file, Severity::Serious, read) else { return };
    let mut of_pact = Accounts::shells(tree, place);
    for (number, line) in (1..).zip(text.lines()) {
        let shell = line.split('#').next().unwrap_or_default().trim();
        if of_pact.is(shell) {
            let what = format!("{shell} is listed, so `su -s` and `chsh` choose another shell for whoever has it");
            let fix = "take the line out: who has a shell that is not listed cannot choose another";
            findings.serious(Check::Shells, &format!("{file}:{number}"), &what, fix);
        }
    }
}
