//! Which lines wait for the journal, for how long, and what becomes of them when it is away.
//!
//! **Invariant:** with `audit = "quorum"` no program runs and nothing changes before the journal's majority has the line.
//! A spool that outlives nothing asks the same of changes; what only reads runs there while the journal is away.
//! **Why:** pact's own commands that only read are answered without the journal, after the wait: one of them is
//! `status`, which says why nothing else runs.

use std::time::Duration;

use pact_policy::{Audit, Permitted};
use pact_proto::command::Effect;
use pact_proto::exit::ExitCode;
use pact_proto::model::SpoolNumber;

use super::attended::{Cut, attended};
use super::inbound::Inbound;
use super::{Refusal, Session};
use crate::spool::Durability;
use crate::uplink::Uplink;

/// How long a line waits for the journal, and how long a journal that is away is expected back.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a line needs of the journal before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: it is on this node's disk.
    Nothing,
    /// Its acknowledgement, unless the journal is away.
    IfThere,
    /// Its acknowledgement.
    Always,
}

/// A line that needs the journal and does not get it: why.
pub(super) struct NoJournal(pub(super) String);

impl Session<'_> {
    /// What this line needs.
    pub(super) fn need(&self, line: &Permitted) -> Need {
        let node = self.node;
        let forgets = match node.spool.durability() {
            Durability::Volatile(_) => node.uplink.is_some(),
            Durability::Durable => false,
        };
        need(node.policy.audit(), forgets, line.effect(), !line.stages().is_empty())
    }

    /// Before anything is on record: a journal that has been away for long is not waited for.
    pub(super) fn expects_journal(&self, need: Need) -> Result<(), NoJournal> {
        match (need, &self.node.uplink) {
            (Need::Nothing | Need::IfThere, _) => Ok(()),
            (Need::Always, None) => {
                Err(NoJournal("journal: the policy asks for it, and none is configured on this node".to_owned()))
            }
            (Need::Always, Some(uplink)) => match uplink.away() {
                Some((time, why)) if time >= PATIENCE => {
                    Err(NoJournal(format!("journal: {} is away: {why}", uplink.endpoint())))
                }
                Some(_) | None => Ok(()),
            },
        }
    }

    /// Waits until the journal has the line, as far as the line needs it.
    pub(super) async fn until_journal_has(
        &self,
        number: SpoolNumber,
        need: Need,
        inbound: &mut Inbound,
    ) -> Result<Result<(), NoJournal>, Cut> {
        let Some(uplink) = &self.node.uplink else { return Ok(self.expects_journal(need)) };
        let waited = match need {
            Need::Nothing => return Ok(Ok(())),
            Need::IfThere => attended(uplink.acknowledged_or_away(number), inbound, Some(PATIENCE)).await,
            Need::Always => attended(uplink.acknowledged(number), inbound, Some(PATIENCE)).await,
        };
        match (waited, need) {
            (Ok(()), _) | (Err(Cut::Late), Need::Nothing | Need::IfThere) => Ok(Ok(())),
            (Err(Cut::Late), Need::Always) => Ok(Err(late(uplink))),
            (Err(cut @ (Cut::Signal | Cut::Over(_))), _) => Err(cut),
        }
    }
}

fn need(audit: Audit, forgets: bool, effect: Effect, starts_programs: bool) -> Need {
    let reads = match effect {
        Effect::Read => true,
        Effect::Change | Effect::Destructive => false,
    };
    match audit {
        Audit::Quorum if starts_programs || !reads => Need::Always,
        Audit::Quorum => Need::IfThere,
        Audit::Local if forgets && reads => Need::IfThere,
        Audit::Local if forgets => Need::Always,
        Audit::Local => Need::Nothing,
    }
}

fn late(uplink: &Uplink) -> NoJournal {
    let (endpoint, seconds) = (uplink.endpoint(), PATIENCE.as_secs());
    let why = uplink.away().map(|(_, why)| format!(": {why}")).unwrap_or_default();
    NoJournal(format!("journal: {endpoint} did not acknowledge the line within {seconds} s{why}"))
}

impl NoJournal {
    /// Of a line of which nothing is on record yet.
    pub(super) fn refusal(self, line: &[u8]) -> Refusal {
        let hint = "`status` says since when; pact's own commands still answer";
        Refusal::new(line, ExitCode::Unreachable, self.0, hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_line_needs() {
        use Audit::{Local, Quorum};
        use Effect::{Change, Destructive, Read};
        use Need::{Always, IfThere, Nothing};
        for (audit, forgets, effect, starts_programs, expected) in [
            (Local, false, Read, true, Nothing),
            (Local, false, Change, true, Nothing),
            (Local, true, Read, true, IfThere),
            (Local, true, Read, false, IfThere),
            (Local, true, Change, true, Always),
            (Local, true, Destructive, false, Always),
            (Quorum, false, Read, true, Always),
            (Quorum, true, Read, true, Always),
            (Quorum, false, Read, false, IfThere),
            (Quorum, false, Change, false, Always),
            (Quorum, true, Destructive, true, Always),
        ] {
            let found = need(audit, forgets, effect, starts_programs);
            assert_eq!(found, expected, "{audit:?} {forgets} {effect:?} {starts_programs}");
        }
    }
}
