//! What runs programs as an account of pact without its login shell: later, by mail, or for as long as it is logged in.
//!
//! **Why:** cron, at and mail delivery run `/bin/sh`, and systemd's user manager what its units name, whatever shell
//! passwd says.
//! **Not here:** whether somebody who has only pact's programs could write such a file; that it is there is enough.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use pact_proto::model::{Check, Severity};

use super::accounts::{Account, Accounts};
use super::tree::Tree;
use super::{Findings, listed};

/// A service that has lists of who may use it.
struct Service {
    name: &'static str,
    binaries: [&'static str; 2],
    allow: &'static str,
    deny: &'static str,
    /// Everybody may, where there is neither list. Of cron that is so on some systems, and so it counts as open.
    is_open: bool,
}

const SERVICES: [Service; 2] = [
    Service {
        name: "cron",
        binaries: ["/usr/bin/crontab", "/bin/crontab"],
        allow: "/etc/cron.allow",
        deny: "/etc/cron.deny",
        is_open: true,
    },
    Service {
        name: "at",
        binaries: ["/usr/bin/at", "/bin/at"],
        allow: "/etc/at.allow",
        deny: "/etc/at.deny",
        is_open: false,
    },
];
const CRONTABS: [&str; 3] = ["/var/spool/cron/crontabs", "/var/spool/cron/tabs", "/var/spool/cron"];
const AT_JOBS: [&str; 4] = ["/var/spool/cron/atjobs", "/var/spool/at", "/var/spool/atjobs", "/var/spool/cron/atspool"];
const LINGER: &str = "/var/lib/systemd/linger";
const MASK: &str = "/etc/systemd/system";
const UNITS: [&str; 2] = ["/usr/lib/systemd/system/user@.service", "/lib/systemd/system/user@.service"];

/// Everything about what runs by itself.
/// What runs jobs as their owner, whatever their login shell is.
const BATCH: &[(&str, &str)] = &[
    ("/usr/sbin/slurmd", "slurmd"),
    ("/etc/slurm/slurm.conf", "Slurm"),
    ("/usr/sbin/pbs_mom", "pbs_mom"),
    ("/opt/pbs/sbin/pbs_mom", "pbs_mom"),
    ("/opt/sge/bin/lx-amd64/sge_execd", "sge_execd"),
];

fn batch(tree: &Tree, findings: &mut Findings) {
    if let Some((path, name)) = BATCH.iter().find(|(path, _)| tree.has(path)) {
        let what = format!("{name} runs jobs of whoever may submit them here, and asks no login shell");
        let fix = "deny these accounts in the scheduler, or know that their jobs are not pact's to judge";
        findings.note(Check::Jobs, path, &what, fix);
    }
}

pub(super) fn examine(tree: &Tree, accounts: &Accounts, findings: &mut Findings) {
    let local = accounts.local();
    batch(tree, findings);
    if local.is_empty() {
        return;
    }
    for service in &SERVICES {
        may_use(tree, service, local, findings);
    }
    at_jobs(tree, local, findings);
    managers(tree, local, findings);
    let has_mail = tree.has("/usr/sbin/sendmail");
    for account in local {
        crontab(tree, account, findings);
        units(tree, account, findings);
        mail(tree, account, has_mail, findings);
    }
}

fn may_use(tree: &Tree, service: &Service, accounts: &[Account], findings: &mut Findings) {
    let Service { name, binaries, allow, deny, is_open } = service;
    if !binaries.iter().any(|binary| tree.has(binary)) {
        return;
    }
    let list =
        |findings: &mut Findings, path: &str| findings.known(Check::Jobs, path, Severity::Serious, tree.text(path));
    let Some(allowed) = list(findings, allow) else { return };
    let (place, may): (_, Vec<_>) = if let Some(allowed) = allowed {
        let is_allowed = |account: &&Account| allowed.lines().any(|line| line.trim() == account.name);
        (allow, accounts.iter().filter(is_allowed).collect())
    } else {
        let Some(denied) = list(findings, deny) else { return };
        // A line with more than the name denies nobody.
        let is_denied = |account: &Account| {
            denied.as_ref().map_or(!is_open, |denied| denied.lines().any(|line| line == account.name))
        };
        (deny, accounts.iter().filter(|account| !is_denied(account)).collect())
    };
    if !may.is_empty() {
        let names = listed(may.iter().map(|account| account.name.as_str()));
        let what = format!("{names} may use {name}, which runs their lines by /bin/sh");
        let fix = format!("list in {allow} who else may, and nobody who logs in to pact");
        findings.serious(Check::Jobs, place, &what, &fix);
    }
}

fn crontab(tree: &Tree, account: &Account, findings: &mut Findings) {
    let name = &account.name;
    for path in CRONTABS.map(|directory| format!("{directory}/{name}")) {
        let Some(found) = findings.known(Check::Jobs, &path, Severity::Serious, tree.own_metadata(&path)) else {
            continue;
        };
        if found.is_some_and(|metadata| !metadata.is_dir() && metadata.len() > 0) {
            let what = format!("{name} has a crontab, whose lines /bin/sh runs");
            findings.serious(Check::Jobs, &path, &what, &format!("remove it: `crontab -r -u {name}`"));
        }
    }
}

/// Files of queues belong to whose jobs they are; their names begin with the letter of the queue.
fn at_jobs(tree: &Tree, accounts: &[Account], findings: &mut Findings) {
    for directory in AT_JOBS {
        let read = tree.names(directory);
        let Some(Some(names)) = findings.known(Check::Jobs, directory, Severity::Serious, read) else { continue };
        for name in names.iter().filter(|name| !name.starts_with('.')) {
            let path = format!("{directory}/{name}");
            let Some(Some(metadata)) = findings.known(Check::Jobs, &path, Severity::Serious, tree.own_metadata(&path))
            else {
                continue;
            };
            let owner = accounts.iter().find(|account| account.uid == metadata.uid());
            if let Some(owner) = owner.filter(|_| metadata.is_file()) {
                let what = format!("a job of {} waits to be run by /bin/sh", owner.name);
                findings.serious(Check::Jobs, &path, &what, "look at it with `at -c`, and remove it with `atrm`");
            }
        }
    }
}

fn managers(tree: &Tree, accounts: &[Account], findings: &mut Findings) {
    let Some(unit) = UNITS.iter().find(|unit| tree.has(unit)) else { return };
    let is_masked = |unit: &str| tree.link(format!("{MASK}/{unit}")).is_some_and(|to| to == Path::new("/dev/null"));
    if is_masked("user@.service") {
        return;
    }
    let open: Vec<_> = accounts.iter().filter(|account| !is_masked(&format!("user@{}.service", account.uid))).collect();
    if let Some(first) = open.first() {
        let names = listed(open.iter().map(|account| account.name.as_str()));
        let what = format!("systemd starts a manager for {names}, which runs what units of the account name");
        let fix = format!("mask it for each: `systemctl mask user@{}.service`", first.uid);
        findings.serious(Check::Jobs, unit, &what, &fix);
    }
}

fn units(tree: &Tree, account: &Account, findings: &mut Findings) {
    let name = &account.name;
    let linger = format!("{LINGER}/{name}");
    if tree.has(&linger) {
        let what = format!("units of {name} run also while nobody is logged in");
        findings.serious(Check::Jobs, &linger, &what, &format!("end that: `loginctl disable-linger {name}`"));
    }
    for directory in [".config/systemd/user", ".local/share/systemd/user"] {
        let directory = account.in_home(directory);
        let read = tree.names(&directory);
        let Some(Some(names)) = findings.known(Check::Jobs, &directory, Severity::Note, read) else { continue };
        if !names.is_empty() {
            let units = listed(names.iter().map(String::as_str));
            let what = format!("{name} has units ({units}), which run without pact where a manager is started");
            findings.note(Check::Jobs, &directory, &what, "remove them, and mask the manager of the account");
        }
    }
}

fn mail(tree: &Tree, account: &Account, has_mail: bool, findings: &mut Findings) {
    let severity = if has_mail { Severity::Serious } else { Severity::Note };
    let name = &account.name;
    for file in [".forward", ".procmailrc"] {
        let path = account.in_home(file);
        let Some(Some(text)) = findings.known(Check::Jobs, &path, Severity::Note, tree.text(&path)) else { continue };
        // An address runs nothing; `|` does, and so do files that `:include:` names.
        if file == ".procmailrc" || text.contains('|') || text.contains(":include:") {
            let what = format!("mail for {name} runs what stands there");
            findings.say(Check::Jobs, &path, &what, "remove it", severity);
        }
    }
}
