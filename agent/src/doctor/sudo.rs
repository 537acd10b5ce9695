//! Rules of sudo and doas that are for accounts of pact: whoever becomes somebody else leaves pact behind.
//!
//! **Invariant:** whatever a rule lets somebody run is a finding: pact's policy does not know of it.
//! **Not here:** rules of a directory service, and polkit.

mod rules;

use std::cell::Cell;
use std::collections::BTreeMap;

use pact_proto::model::{Check, Severity};

use super::accounts::{Account, Accounts};
use super::tree::Tree;
use super::{Findings, Fit, listed};
use rules::{Line, User};

const SUDOERS: &str = "/etc/sudoers";
const DOAS: &str = "/etc/doas.conf";
/// Aliases may name each other, and must not go round in circles.
const DEEPEST: usize = 16;
/// Characters of a rule that are shown.
const SHOWN: usize = 120;

/// Names that are looked at for one rule and account: lists of lists of lists grow fast.
const MOST_NAMES: usize = 1 << 14;

/// Whether users of a list are an account.
struct Asked<'a> {
    account: &'a Account,
    aliases: &'a BTreeMap<String, Vec<User>>,
    left: Cell<usize>,
}

/// Everything about rules.
pub(super) fn examine(tree: &Tree, accounts: &Accounts, findings: &mut Findings) {
    sudoers(tree, accounts, findings);
    doas(tree, accounts, findings);
}

fn sudoers(tree: &Tree, accounts: &Accounts, findings: &mut Findings) {
    let lines = rules::sudoers(tree, SUDOERS, findings);
    let aliases = lines.iter().flat_map(|line| rules::user_aliases(&line.text)).collect::<BTreeMap<_, _>>();
    for line in lines.iter().filter(|line| rules::is_rule(&line.text)) {
        let users = rules::users(&line.text).0;
        let fit =
            |account: &Account| Asked { account, aliases: &aliases, left: Cell::new(MOST_NAMES) }.list(&users, DEEPEST);
        rule(line, accounts, &fit, findings);
    }
}

fn rule(line: &Line, accounts: &Accounts, fit: &dyn Fn(&Account) -> Fit, findings: &mut Findings) {
    let of = |wanted: Fit| accounts.examined().iter().filter(move |account| fit(account) == wanted);
    let shown: String = line.text.chars().take(SHOWN).collect();
    let file = line.place.rsplit_once(':').map_or(SUDOERS, |(file, _)| file);
    let mut say = |severity: Severity, names: Vec<&str>, how: &str| {
        if names.is_empty() {
            return;
        }
        let all = names.len() == accounts.examined().len();
        let who = if all { "accounts of pact".to_owned() } else { listed(names) };
        let what = format!("`{shown}` {how} for {who}, and what it lets them run is outside of pact");
        let fix = format!("take them out of the rule in {file}");
        findings.say(Check::Sudo, &line.place, &what, &fix, severity);
    };
    say(Severity::Serious, of(Fit::Yes).map(|account| account.name.as_str()).collect(), "is");
    say(Severity::Note, of(Fit::Perhaps).map(|account| account.name.as_str()).collect(), "may be");
}

impl Asked<'_> {
    /// The last that names the account counts.
    fn list(&self, users: &[User], depth: usize) -> Fit {
        let mut found = Fit::No;
        for user in users.iter().rev() {
            match (self.user(&user.name, depth), user.is_negated) {
                (Fit::Yes, false) => return Fit::Yes,
                (Fit::Yes, true) => return found,
                (Fit::Perhaps, false) => found = Fit::Perhaps,
                (Fit::Perhaps, true) | (Fit::No, _) => {}
            }
        }
        found
    }

    fn user(&self, name: &str, depth: usize) -> Fit {
        let certain = |is: bool| if is { Fit::Yes } else { Fit::No };
        let account = self.account;
        let left = self.left.get().saturating_sub(1);
        self.left.set(left);
        if name == "ALL" {
            return Fit::Yes;
        }
        if let Some(list) = self.aliases.get(name) {
            return if depth == 0 || left == 0 { Fit::Perhaps } else { self.list(list, depth - 1) };
        }
        if let Some(group) = name.strip_prefix('%') {
            return match group.strip_prefix('#') {
                Some(gid) => certain(gid.parse().is_ok_and(|gid| account.has_gid(gid))),
                // A group that a plug-in knows.
                None if group.starts_with(':') => Fit::Perhaps,
                None => certain(account.is_in(group)),
            };
        }
        if name.starts_with('+') {
            return Fit::Perhaps;
        }
        match name.strip_prefix('#') {
            Some(uid) => certain(!account.is_unknown && uid.parse() == Ok(account.uid)),
            None => certain(!account.is_unknown && name == account.name),
        }
    }
}

fn doas(tree: &Tree, accounts: &Accounts, findings: &mut Findings) {
    let read = tree.text(DOAS);
    let Some(Some(text)) = findings.known(Check::Sudo, DOAS, Severity::Serious, read) else { return };
    for line in rules::logical(DOAS, &text) {
        let Some(identity) = rules::permitted(&line.text) else { continue };
        let fit = |account: &Account| {
            let is_for = match identity.strip_prefix(':') {
                Some(group) => account.is_in(group) || group.parse().is_ok_and(|gid| account.has_gid(gid)),
                None => !account.is_unknown && (identity == account.name || identity.parse() == Ok(account.uid)),
            };
            if is_for { Fit::Yes } else { Fit::No }
        };
        rule(&line, accounts, &fit, findings);
    }
}
