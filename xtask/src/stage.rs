//! What demo and bench need: a site with its journal, one node, and the workstations of two administrators.

mod prompt;

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::node::{Account, NAME, Node, Setup};
use crate::root;
use crate::site::{Site, Workstation};
use crate::wait;
pub(crate) use prompt::Prompt;

/// A node that its journal has not heard of by then does not reach it.
const PATIENCE: Duration = Duration::from_secs(60);
/// The journal is asked this often.
const PACE: Duration = Duration::from_millis(50);

/// The stage: what is above lives on what is below.
pub(crate) struct Stage {
    workstations: Vec<(Account, Workstation)>,
    pub(crate) node: Node,
    pub(crate) site: Site,
}

impl Stage {
    /// Made from the directory of built programs: everything runs and knows the other.
    pub(crate) fn set(built: &Path, interrupt: &Interrupt) -> Result<Self> {
        let mut site = Site::new(built)?;
        site.start_journal(&[])?;
        site.until_it_listens(interrupt)?;
        let agent = site.agent();
        let programs = root().join("examples/programs");
        Self::of(site, &Setup { built, programs: &programs, agent: &agent, policy: "" }, interrupt)
    }

    /// Of a site whose journal listens.
    pub(crate) fn of(site: Site, setup: &Setup<'_>, interrupt: &Interrupt) -> Result<Self> {
        let node = Node::start(setup, interrupt)?;
        let seat = |account| Ok((account, Workstation::new(&site, account, &node.path("bin"))?));
        let workstations = Account::ADMINISTRATORS.into_iter().map(seat).collect::<Result<_>>()?;
        let stage = Self { workstations, node, site };
        stage.until_it_is_known(interrupt)?;
        Ok(stage)
    }

    /// The workstation of somebody who has one.
    pub(crate) fn workstation(&self, account: Account) -> Result<&Workstation> {
        let found = self.workstations.iter().find(|(owner, _)| *owner == account);
        found
            .map(|(_, workstation)| workstation)
            .ok_or_else(|| Error::failed(format!("{account:?} has no workstation")))
    }

    /// The journal knows the node as soon as the node has come to it.
    fn until_it_is_known(&self, interrupt: &Interrupt) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut status = self.workstation(Account::Alice)?.pact(&["status", NAME]);
            let said = status.stdin(Stdio::null()).output()?;
            if said.status.success() {
                return Ok(());
            }
            interrupt.check()?;
            if Instant::now() > deadline {
                let why = String::from_utf8_lossy(&said.stderr).into_owned();
                return Err(Error::failed(format!(
                    "the journal does not know the node: {why}{}",
                    self.site.journal_log()
                )));
            }
            wait::for_exit(self.site.journal_pid(), PACE)?;
        }
    }
}
