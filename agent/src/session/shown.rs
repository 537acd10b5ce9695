//! One entry of this node's own records, with what its line wrote.

use pact_files::DiskError;
use pact_proto::model::Entry;
use pact_proto::model::entry::{Body, OutputKept};
use pact_proto::model::{LineId, SpoolNumber};
use pact_proto::view::{self, Format, Style};

use crate::spool::Spool;

/// So many entries are looked at before others have their turn.
const AT_A_TIME: usize = 256;

/// Which, and how.
pub(super) struct One {
    pub(super) spool: Spool,
    pub(super) number: u64,
    pub(super) style: Style,
    pub(super) format: Format,
}

impl One {
    /// Nothing where there is no such entry.
    pub(super) async fn text(&self) -> Result<Option<String>, DiskError> {
        let Some(entry) = self.spool.entry(SpoolNumber(self.number))? else { return Ok(None) };
        let pieces = if entry.line == LineId::NONE { Vec::new() } else { self.pieces(&entry).await? };
        let text = || view::record(self.number, &entry, &pieces, self.style);
        Ok(Some(self.format.whole(text, || view::record_value(self.number, &entry, &pieces))))
    }

    /// From the newest record back to the line's own.
    async fn pieces(&self, entry: &Entry) -> Result<Vec<OutputKept>, DiskError> {
        let (mut pieces, mut entries) = (Vec::new(), self.spool.newest());
        loop {
            let mut looked_at = 0;
            for other in entries.by_ref().take(AT_A_TIME) {
                let other = other?;
                looked_at += 1;
                if (other.session, other.line) != (entry.session, entry.line) {
                    continue;
                }
                match other.body {
                    Body::Output(piece) => pieces.push(piece),
                    Body::Line(_) | Body::Refused(_) => return Ok(pieces),
                    Body::Outcome(_)
                    | Body::SessionOpened { .. }
                    | Body::SessionClosed { .. }
                    | Body::AgentStarted { .. }
                    | Body::MemberStarted { .. }
                    | Body::RecordsLost { .. }
                    | Body::UplinkRejected { .. }
                    | Body::Revoked { .. }
                    | Body::TokenRefused { .. } => {}
                }
            }
            if looked_at == 0 {
                return Ok(pieces);
            }
            tokio::task::yield_now().await;
        }
    }
}
