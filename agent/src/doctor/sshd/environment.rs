//! Variables that sshd takes from clients or from files of the account: some decide what the login shell itself loads.
//!
//! **Invariant:** lines of `AcceptEnv` add up; those of blocks that match take the place of the global ones.
//! `PermitUserEnvironment` is read once, outside of blocks.

use pact_proto::model::{Check, Severity};

use super::config::{FILE, Line, in_list};
use super::{Bad, Candidate, Sshd};
use crate::doctor::Fit;
use crate::doctor::accounts::Account;
use crate::doctor::tree::matches;

/// Read by the loader, by the C library, and by shells, before any of them knows who is asking.
const LOADED: &[&str] = &[
    "BASH_ENV",
    "ENV",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "IFS",
    "LD_AUDIT",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LOCPATH",
    "PATH",
    "SHELLOPTS",
];

pub(super) fn examine(sshd: &mut Sshd<'_, '_>) {
    accepted(sshd);
    own(sshd);
}

fn is_bad(pattern: &str) -> bool {
    pattern.starts_with("LD_") || LOADED.iter().any(|name| matches(pattern, name))
}

fn accepted(sshd: &mut Sshd<'_, '_>) {
    let bad = sshd.bad(&|account| {
        let mut found = accepting(sshd, account);
        found.retain(|candidate| candidate.line.is_some_and(|line| line.words.iter().any(|word| is_bad(word))));
        found
    });
    for Bad { candidate, who } in bad {
        let Some(line) = candidate.line else { continue };
        let patterns: Vec<_> = line.words.iter().filter(|word| is_bad(word)).map(String::as_str).collect();
        let who = sshd.who(&Bad { candidate, who });
        let what = format!("AcceptEnv takes {} from clients, for {who}: pact is loaded with it", patterns.join(" "));
        let fix = "name the variables that are needed, such as LANG and LC_*";
        sshd.findings.serious(Check::Sshd, &line.place, &what, fix);
    }
}

fn accepting<'a>(sshd: &Sshd<'a, '_>, account: &Account) -> Vec<Candidate<'a>> {
    let lines = || sshd.lines.iter().filter(|line| line.keyword == "acceptenv");
    let fits = |fit: Fit| lines().filter(move |line| line.is_conditional() && line.fit(account) == fit);
    let certain: Vec<&Line> = fits(Fit::Yes).collect();
    let global = lines().filter(|line| !line.is_conditional());
    let counts: Vec<&Line> = if certain.is_empty() { global.collect() } else { certain };
    let counts = counts.into_iter().map(|line| Candidate { line: Some(line), is_certain: true });
    counts.chain(fits(Fit::Perhaps).map(|line| Candidate { line: Some(line), is_certain: false })).collect()
}

fn own(sshd: &mut Sshd<'_, '_>) {
    let mut lines = sshd.lines.iter().filter(|line| line.keyword == "permituserenvironment" && line.is_global());
    let Some(line) = lines.next() else { return };
    let value = line.words.first().map_or("", String::as_str);
    if value.eq_ignore_ascii_case("no") {
        return;
    }
    let is_loaded = value.eq_ignore_ascii_case("yes")
        || value.starts_with("LD_")
        || value.contains(",LD_")
        || LOADED.iter().any(|name| in_list(value, name) == Some(true));
    let what = format!("PermitUserEnvironment is {value}: pact is started with what ~/.ssh/environment says");
    let fix = format!("write `PermitUserEnvironment no` there; it is for all of {FILE}, and for everybody");
    let severity = if is_loaded { Severity::Serious } else { Severity::Note };
    sshd.findings.say(Check::Sshd, &line.place, &what, &fix, severity);
}
