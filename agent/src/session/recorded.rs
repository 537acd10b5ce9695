//! A line that is on record, the only kind that can run.
//!
//! **Invariant:** there is one constructor, and it returns after the record is on disk; running consumes it. While
//! the disk is full, lines that start no program are recorded in memory, to be written first when there is room.

use pact_policy::Permitted;
use pact_proto::grammar::ExpandedHead;
use pact_proto::model::LineId;
use pact_proto::model::entry::{Body, LineRecorded, StageKind, StageRecord};

use super::{Over, Session};
use crate::failpoint::{self, Failpoint};
use crate::spool::AppendError;

/// `T` is on record.
pub(super) struct Recorded<T> {
    line: T,
    id: LineId,
}

/// There is no room for a record, and the line would start a program.
pub(super) struct NoRoom(pub(super) Permitted);

impl Recorded<Permitted> {
    /// Writes the record.
    pub(super) async fn write(
        session: &Session<'_>,
        id: LineId,
        request_hash: [u8; 32],
        line: Permitted,
    ) -> Result<Result<Self, NoRoom>, Over> {
        let draft = session.draft(id, Some(request_hash), Body::Line(record(&line)));
        if line.stages().is_empty() {
            session.record(draft).await?;
        } else {
            match session.node.spool.append(draft).await {
                Ok(_) => {}
                Err(AppendError::Full) => return Ok(Err(NoRoom(line))),
                Err(AppendError::Stopped) => return Err(Over::SpoolStopped),
            }
        }
        failpoint::hit(Failpoint::AfterRecord);
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
