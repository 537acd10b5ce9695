//! Who logs in to pact, from passwd, group and shadow.
//!
//! **Invariant:** lines that are no account are passed over, as the C library does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use pact_proto::model::{Check, Severity};

use crate::doctor::tree::Tree;
use crate::doctor::{Examined, Findings};

/// So many are looked at.
const MOST: usize = 512;
/// Accounts with another shell that are named.
const MOST_OTHERS: usize = 32;

/// One that logs in to pact.
#[derive(Clone, Debug)]
pub(in crate::doctor) struct Account {
    pub(in crate::doctor) name: String,
    pub(in crate::doctor) uid: u32,
    pub(in crate::doctor) home: String,
    pub(in crate::doctor) has_no_password: bool,
    /// It stands for those of a directory service: of name and other groups nothing is known.
    pub(in crate::doctor) is_unknown: bool,
    groups: BTreeSet<String>,
    gids: BTreeSet<u32>,
}

impl Account {
    pub(in crate::doctor) fn is_in(&self, group: &str) -> bool {
        self.groups.contains(group)
    }

    pub(in crate::doctor) fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(String::as_str)
    }

    pub(in crate::doctor) fn has_gid(&self, gid: u32) -> bool {
        self.gids.contains(&gid)
    }

    pub(in crate::doctor) fn in_home(&self, path: &str) -> String {
        format!("{}/{path}", self.home.trim_end_matches('/'))
    }
}

/// All of them.
#[derive(Debug)]
pub(in crate::doctor) struct Accounts {
    /// With pact; or the one that stands for those that are not seen.
    examined: Vec<Account>,
    /// Name and uid of those with another shell.
    others: Vec<(String, u32)>,
    groups: BTreeSet<String>,
    /// Of the agent's socket.
    group: String,
}

/// Which names in passwd are pact's, however the path is written.
pub(in crate::doctor) struct Shells<'a> {
    tree: &'a Tree,
    named: &'a [PathBuf],
    real: Vec<PathBuf>,
    seen: BTreeMap<String, bool>,
}

impl Shells<'_> {
    pub(in crate::doctor) fn is(&mut self, shell: &str) -> bool {
        if let Some(known) = self.seen.get(shell) {
            return *known;
        }
        let is_named = || self.named.iter().any(|path| path.as_os_str() == shell);
        let is_real = || self.tree.real(shell).is_some_and(|real| self.real.contains(&real));
        let is = shell.starts_with('/') && (is_named() || is_real());
        self.seen.insert(shell.to_owned(), is);
        is
    }
}

impl Accounts {
    pub(in crate::doctor) fn read(tree: &Tree, place: &Examined, findings: &mut Findings) -> Self {
        let mut text = |file: &str| {
            let read = tree.text(file);
            findings.known(Check::Accounts, file, Severity::Serious, read).flatten().unwrap_or_default()
        };
        let (passwd, group, shadow) = (text("/etc/passwd"), text("/etc/group"), text("/etc/shadow"));
        let mut accounts = Self {
            examined: Vec::new(),
            others: Vec::new(),
            groups: BTreeSet::new(),
            group: place.socket_group.clone(),
        };
        let mut shells = Self::shells(tree, place);
        let open = without_password(&shadow);
        let mut gids = BTreeMap::new();
        let mut others = BTreeMap::new();
        for line in passwd.lines().filter(|line| is_entry(line)) {
            let fields: Vec<_> = line.split(':').collect();
            let &[name, password, uid, gid, _, home, shell] = fields.as_slice() else { continue };
            let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse::<u32>()) else { continue };
            if !shells.is(shell) {
                others.insert(name.to_owned(), (gid, shell));
                accounts.others.push((name.to_owned(), uid));
                continue;
            }
            gids.insert(name.to_owned(), gid);
            let has_no_password = password.is_empty() || password == "x" && open.contains(name);
            accounts.examined.push(Account::new(name, uid, home, has_no_password));
        }
        accounts.with_another_shell(&group, &others, findings);
        accounts.bound(findings);
        accounts.join(&group, &gids);
        if accounts.examined.is_empty() {
            let mut unknown = Account::new("", u32::MAX, "", false);
            unknown.is_unknown = true;
            unknown.groups.insert(accounts.group.clone());
            accounts.examined.push(unknown);
        }
        accounts
    }

    /// Who may connect to the agent, and logs in to something else: what they do there is not judged.
    fn with_another_shell(&self, groups: &str, others: &BTreeMap<String, (u32, &str)>, findings: &mut Findings) {
        let entry = groups.lines().find(|line| line.split(':').next() == Some(self.group.as_str()));
        let Some(entry) = entry.map(|line| line.split(':').collect::<Vec<_>>()) else { return };
        let &[_, _, gid, members] = entry.as_slice() else { return };
        let gid = gid.parse::<u32>().ok();
        let members: BTreeSet<_> = members.split(',').collect();
        let of_group =
            |(name, (own, _)): &(&String, &(u32, &str))| Some(*own) == gid || members.contains(name.as_str());
        let logs_in = |shell: &str| !shell.ends_with("/nologin") && !shell.ends_with("/false");
        let open = others.iter().filter(of_group).filter(|(name, (_, shell))| *name != "root" && logs_in(shell));
        for (name, (_, shell)) in open.take(MOST_OTHERS) {
            let what = format!("{name} is in the group {} and logs in to {shell}: nothing there is judged", self.group);
            let fix = format!("make pact its login shell, or take it out: `gpasswd -d {name} {}`", self.group);
            findings.serious(Check::Accounts, "/etc/passwd", &what, &fix);
        }
    }

    /// Those of this node.
    pub(in crate::doctor) fn local(&self) -> &[Account] {
        if self.examined.iter().any(|account| account.is_unknown) { &[] } else { &self.examined }
    }

    /// Of whom rules are asked: those of this node, or one that nobody knows.
    pub(in crate::doctor) fn examined(&self) -> &[Account] {
        &self.examined
    }

    pub(in crate::doctor) fn others(&self) -> &[(String, u32)] {
        &self.others
    }

    /// The socket's.
    pub(in crate::doctor) fn group(&self) -> &str {
        &self.group
    }

    pub(in crate::doctor) fn has_group(&self, name: &str) -> bool {
        self.groups.contains(name)
    }

    pub(in crate::doctor) fn shells<'a>(tree: &'a Tree, place: &'a Examined) -> Shells<'a> {
        let real = place.shells.iter().filter_map(|path| tree.real(path)).collect();
        Shells { tree, named: &place.shells, real, seen: BTreeMap::new() }
    }

    fn bound(&mut self, findings: &mut Findings) {
        let all = self.examined.len();
        if all > MOST {
            let what = format!("{all} accounts log in to pact, and {MOST} of them are examined");
            findings.serious(Check::Accounts, "/etc/passwd", &what, "see to it that the others are like these");
            self.examined.truncate(MOST);
        }
    }

    /// Adds groups: the primary one, and those that list the account.
    fn join(&mut self, text: &str, gids: &BTreeMap<String, u32>) {
        for line in text.lines().filter(|line| is_entry(line)) {
            let fields: Vec<_> = line.split(':').collect();
            let &[name, _, gid, members] = fields.as_slice() else { continue };
            let Ok(gid) = gid.parse::<u32>() else { continue };
            self.groups.insert(name.to_owned());
            let members: BTreeSet<_> = members.split(',').map(str::trim).collect();
            for account in &mut self.examined {
                if gids.get(&account.name) == Some(&gid) || members.contains(account.name.as_str()) {
                    account.groups.insert(name.to_owned());
                    account.gids.insert(gid);
                }
            }
        }
        for account in &mut self.examined {
            account.gids.extend(gids.get(&account.name));
        }
    }
}

impl Account {
    fn new(name: &str, uid: u32, home: &str, has_no_password: bool) -> Self {
        Self {
            name: name.to_owned(),
            uid,
            home: home.to_owned(),
            has_no_password,
            is_unknown: false,
            groups: BTreeSet::new(),
            gids: BTreeSet::new(),
        }
    }
}

/// Neither a comment nor what an old directory service is asked by.
fn is_entry(line: &str) -> bool {
    !line.starts_with(['#', '+', '-'])
}

fn without_password(shadow: &str) -> BTreeSet<&str> {
    let fields = shadow.lines().filter(|line| is_entry(line)).filter_map(|line| {
        let mut fields = line.split(':');
        Some((fields.next()?, fields.next()?))
    });
    fields.filter(|(_, hash)| hash.is_empty()).map(|(name, _)| name).collect()
}
