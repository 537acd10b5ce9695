//! A line that is on record, the only kind that can run.
//!
//! **Invariant:** there is one constructor, and it returns after the record is on disk, and where the line needs that
//! (`quorum`) in the journal too; running consumes it. While the disk is full, lines that start no program are recorded
//! in memory, to be written first when there is room.

use pact_policy::Permitted;
use pact_proto::grammar::ExpandedHead;
use pact_proto::model::LineId;
use pact_proto::model::entry::{Body, LineRecorded, StageKind, StageRecord};

use super::attended::Cut;
use super::inbound::Inbound;
use super::quorum::{Need, NoJournal};
use super::{Over, Session};
use crate::spool::AppendError;
use pact_files::failpoint;

/// `T` is on record.
pub(super) struct Recorded<T> {
    line: T,
    id: LineId,
}

/// Why a line that is permitted does not run.
pub(super) enum Unrecorded {
    /// There is no room for a record, and the line would start a program.
    NoRoom(Permitted),
    /// It is on this node's disk, and the journal, which must have it, does not.
    NoJournal(Permitted, NoJournal),
    /// It is on this node's disk, and its author did not wait for the journal.
    Cut(Permitted, Cut),
}

impl Recorded<Permitted> {
    /// Writes the record, and waits for the journal as far as the line needs it.
    pub(super) async fn write(
        session: &Session<'_>,
        id: LineId,
        request_hash: [u8; 32],
        line: Permitted,
        inbound: &mut Inbound,
    ) -> Result<Result<Self, Unrecorded>, Over> {
        let need = session.need(&line);
        let draft = session.draft(id, Some(request_hash), Body::Line(record(&line)));
        let number = match session.node.spool.append(draft.clone()).await {
            Ok(number) => Some(number),
            Err(AppendError::Full) if line.stages().is_empty() && need != Need::Always => {
                session.node.spool.keep(draft).map_err(|_| Over::SpoolStopped)?;
                None
            }
            Err(AppendError::Full) => return Ok(Err(Unrecorded::NoRoom(line))),
            Err(AppendError::Stopped) => return Err(Over::SpoolStopped),
        };
        failpoint::hit("after-record");
        if let Some(number) = number {
            match session.until_journal_has(number, need, inbound).await {
                Ok(Ok(())) => {}
                Ok(Err(why)) => return Ok(Err(Unrecorded::NoJournal(line, why))),
                Err(cut) => return Ok(Err(Unrecorded::Cut(line, cut))),
            }
        }
        Ok(Ok(Self { line, id }))
    }

    /// The line, to be run now and once.
    pub(super) fn begin(self) -> (LineId, Permitted) {
        (self.id, self.line)
    }
}

fn record(line: &Permitted) -> LineRecorded {
    let expanded = line.line();
    let command = match expanded.head() {
        ExpandedHead::Command(command) => Some(StageRecord {
            kind: StageKind::Command(command.command().name().to_owned()),
            argv: command.argv().words().to_vec(),
        }),
        ExpandedHead::Programs => None,
    };
    let programs = line.stages().iter().map(|stage| StageRecord {
        kind: StageKind::Program(stage.program.to_string()),
        argv: stage.argv.words().to_vec(),
    });
    LineRecorded {
        line: expanded.line().as_bytes().to_vec(),
        stages: command.into_iter().chain(programs).collect(),
        expansions: expanded.expansions().to_vec(),
    }
}
