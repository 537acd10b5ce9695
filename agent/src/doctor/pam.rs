//! PAM: whether what an account has in its home decides with which environment its login shell is started.
//!
//! **Invariant:** every file of services is looked at: one that no way in uses costs a line to mend.

use pact_proto::model::{Check, Severity};

use super::Findings;
use super::tree::Tree;

const DIRECTORIES: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

pub(super) fn examine(tree: &Tree, findings: &mut Findings) {
    for directory in DIRECTORIES {
        let read = tree.names(directory);
        let Some(Some(names)) = findings.known(Check::Accounts, directory, Severity::Serious, read) else { continue };
        for name in names {
            let path = format!("{directory}/{name}");
            // A directory, or what an editor left: PAM reads neither.
            if tree.metadata(&path).is_ok_and(|found| found.is_none_or(|metadata| metadata.is_dir())) {
                continue;
            }
            let text = findings.known(Check::Accounts, &path, Severity::Serious, tree.text(&path)).flatten();
            service(&path, &text.unwrap_or_default(), findings);
        }
    }
}

/// `pam_env.so` with `user_readenv=1`: it reads ~/.pam_environment, where LD_PRELOAD may stand.
fn service(path: &str, text: &str, findings: &mut Findings) {
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let is_module = words.any(|word| word.rsplit('/').next() == Some("pam_env.so"));
        // Any number but 0 is a yes.
        let reads = words.any(|word| word.strip_prefix("user_readenv=").is_some_and(|value| value != "0"));
        if is_module && reads {
            let what = "pact is started with what ~/.pam_environment of the account says, LD_PRELOAD too";
            let fix = "write `user_readenv=0` there";
            findings.serious(Check::Accounts, &format!("{path}:{number}"), what, fix);
        }
    }
}
