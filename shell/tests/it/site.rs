//! A site for tests, of the binaries of this build: what cannot be done fails the test.

use std::ops::Deref;
use std::path::Path;

use pact_xtask::authority::Leaf;
use pact_xtask::interrupt::Interrupt;
use pact_xtask::site;
pub(crate) use pact_xtask::site::HOST;
use rustix::process::Signal;

use crate::node::{Account, Node, until};

/// A site.
pub(crate) struct Site(site::Site);

impl Site {
    /// Its journal is not started yet.
    pub(crate) fn new() -> Self {
        let built = Path::new(env!("CARGO_BIN_EXE_pact")).parent().unwrap();
        Self(site::Site::new(built).unwrap())
    }

    /// With its journal.
    pub(crate) fn start() -> Self {
        let mut site = Self::new();
        site.start_journal("");
        site
    }

    /// A node of the site; its agent is not started.
    pub(crate) fn node(&self, policy: &str) -> Node {
        Node::prepare_with(&self.0.agent(), policy)
    }

    /// A node that listens here, and says that it is there; its agent is not started.
    pub(crate) fn node_at(&self, policy: &str, listens: u16, is_at: u16) -> Node {
        let (any, here) = ("listen = \"127.0.0.1:0\"", format!("listen = \"127.0.0.1:{listens}\""));
        let agent = self.0.agent().replace(any, &format!("{here}\nadvertise = \"127.0.0.1:{is_at}\""));
        Node::prepare_with(&agent, policy)
    }

    /// `<name>.pem` and `<name>.key`, in place of what was there.
    pub(crate) fn write(&self, name: &str, leaf: &Leaf) {
        self.0.write(name, leaf).unwrap();
    }

    /// Starts the journal; `failpoint` is where it is to end, or nothing.
    pub(crate) fn start_journal(&mut self, failpoint: &str) {
        self.0.start_journal(&[("PACT_FAILPOINT", failpoint)]).unwrap();
    }

    /// kill -9.
    pub(crate) fn kill_journal(&mut self) {
        self.0.kill_journal().unwrap();
    }

    /// Whether it has ended by itself.
    pub(crate) fn journal_has_ended(&mut self) -> bool {
        self.0.journal_has_ended().unwrap()
    }

    /// Holds it up, or lets it go on.
    pub(crate) fn signal_journal(&self, signal: Signal) {
        self.0.signal_journal(signal).unwrap();
    }

    /// Kills the journal, lets it come to itself, and reads what is in it, oldest first, without its numbers; what is
    /// not this node's is left out, and so is kept output, which `log` does not list. It is ended then.
    pub(crate) fn records(&mut self) -> Vec<String> {
        let mut records = self.all_records();
        records.retain(|record| record.contains(" node:node042 ") && !record.contains(" OUTPUT "));
        records
    }

    /// The same of everything.
    pub(crate) fn all_records(&mut self) -> Vec<String> {
        self.kill_journal();
        self.start_journal("");
        self.0.until_it_listens(&Interrupt::default()).unwrap();
        self.0.end_journal().unwrap();
        self.0.verify().unwrap().iter().filter_map(|record| without_number(record)).collect()
    }

    /// Everything that the node has on record now, once the journal has said that it has it too; then ends the journal
    /// and looks whether that is so: the same, in the same order, once. Without a journal a node shows its own records.
    pub(crate) fn has_all_of(&mut self, node: &Node) -> Vec<String> {
        let kept = node.run(Account::Root, &["log", "-n", "1000", "--kind", "OUTPUT"]).stdout.lines().count();
        let all = node.records().len() + kept;
        until("the journal to have all records", || node.acknowledged() >= all as u64);
        let there = self.records();
        let here: Vec<_> = node.records().iter().filter_map(|record| without_number(record)).collect();
        assert!(here.len() >= there.len(), "{} of {}: {here:#?}", here.len(), there.len());
        for (at, (here, there)) in here.iter().zip(&there).enumerate() {
            assert_eq!(there, here, "record {}", at + 1);
        }
        there
    }
}

impl Deref for Site {
    type Target = site::Site;

    fn deref(&self) -> &site::Site {
        &self.0
    }
}

/// `#12 2026-…` without its first word, which differs between a node and the journal.
fn without_number(record: &str) -> Option<String> {
    record.strip_prefix('#')?.split_once(' ').map(|(_, rest)| rest.to_owned())
}
