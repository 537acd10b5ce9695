//! Entries as bytes: a version byte, then `pact.v1.Entry`.
//!
//! **Invariant:** `decode(encode(e)) == e`; a field that is missing, unknown or malformed is a `BadEntry` that names
//! it, never a default.

use std::time::Duration;

use jiff::Timestamp;
use prost::Message;

use super::{
    Body, Credential, End, Entry, LineOutcome, LineRecorded, LineRefused, OutputKept, OutputStream, Scope, SessionKind,
    SpoolPosition, StageKind, StageRecord, StageStatus, Via, Written,
};
use crate::model::{LineId, Principal, SessionId, SpoolEpoch, SpoolNumber};
use crate::wire::v1;

/// The version that is written. Every version ever written can be read.
const VERSION: u8 = 1;

/// Bytes that are not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEntry {
    /// There is nothing.
    #[error("it is empty")]
    Empty,
    /// Written by a newer pact, or not by pact.
    #[error("its version is {0}, which this pact does not know")]
    Version(u8),
    /// Not protobuf.
    #[error("it cannot be decoded: {0}")]
    Malformed(String),
    /// A field is missing or is not what it should be.
    #[error("its {0} is missing or wrong")]
    Field(&'static str),
}

impl Entry {
    /// As it goes to disk.
    pub fn encode(&self) -> Vec<u8> {
        let wire = v1::Entry::from(self);
        let mut bytes = Vec::with_capacity(1 + wire.encoded_len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&wire.encode_to_vec());
        bytes
    }

    /// From disk.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadEntry> {
        match bytes.split_first() {
            None => Err(BadEntry::Empty),
            Some((&VERSION, rest)) => {
                Self::try_from(v1::Entry::decode(rest).map_err(|e| BadEntry::Malformed(e.to_string()))?)
            }
            Some((&other, _)) => Err(BadEntry::Version(other)),
        }
    }
}

impl From<&Entry> for v1::Entry {
    fn from(entry: &Entry) -> Self {
        Self {
            event_time: Some(entry.event_time.into()),
            scope: Some(scope(&entry.scope)),
            author: entry.author.as_str().to_owned(),
            via: Some(via(&entry.via)),
            session_id: entry.session.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
            line_id: entry.line.0,
            message: entry.message.clone(),
            policy_version: entry.policy_version.clone(),
            spool: entry.position.as_ref().map(position),
            request_hash: hash(entry.request_hash),
            credential: entry.credential.as_ref().map(credential),
            body: Some(body(&entry.body)),
            ..Self::default()
        }
    }
}

impl TryFrom<v1::Entry> for Entry {
    type Error = BadEntry;
    fn try_from(wire: v1::Entry) -> Result<Self, BadEntry> {
        let session = match wire.session_id.as_slice() {
            [] => None,
            bytes => Some(SessionId::from_slice(bytes).ok_or(BadEntry::Field("session id"))?),
        };
        let via = read_via(wire.via)?;
        Ok(Self {
            event_time: read_time(wire.event_time.as_ref())?,
            scope: read_scope(wire.scope)?,
            author: wire.author.parse::<Principal>().map_err(|_| BadEntry::Field("author"))?,
            session,
            line: LineId(wire.line_id),
            message: wire.message,
            policy_version: wire.policy_version,
            position: read_position(wire.spool, &via)?,
            via,
            request_hash: read_hash(&wire.request_hash, "request hash")?,
            credential: wire.credential.map(read_credential).transpose()?,
            body: read_body(wire.body.ok_or(BadEntry::Field("kind"))?)?,
        })
    }
}

impl From<Timestamp> for v1::Time {
    fn from(at: Timestamp) -> Self {
        // Out of range in the year 2262; `saturating` there is not a loss that this release can see.
        Self { unix_nanos: i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX) }
    }
}

impl TryFrom<v1::Time> for Timestamp {
    type Error = jiff::Error;
    fn try_from(wire: v1::Time) -> Result<Self, jiff::Error> {
        Self::from_nanosecond(i128::from(wire.unix_nanos))
    }
}

fn read_time(wire: Option<&v1::Time>) -> Result<Timestamp, BadEntry> {
    wire.copied().and_then(|time| time.try_into().ok()).ok_or(BadEntry::Field("event time"))
}

fn scope(scope: &Scope) -> v1::Scope {
    use v1::scope::Kind;
    let kind = match scope {
        Scope::Global => Kind::Global(v1::scope::Global {}),
        Scope::VCluster(name) => Kind::Vcluster(name.to_string()),
        Scope::Node(name) => Kind::Node(name.to_string()),
    };
    v1::Scope { kind: Some(kind) }
}

fn read_scope(wire: Option<v1::Scope>) -> Result<Scope, BadEntry> {
    use v1::scope::Kind;
    let bad = BadEntry::Field("scope");
    match wire.and_then(|s| s.kind).ok_or_else(|| bad.clone())? {
        Kind::Global(_) => Ok(Scope::Global),
        Kind::Vcluster(name) => name.parse().map(Scope::VCluster).map_err(|_| bad),
        Kind::Node(name) => name.parse().map(Scope::Node).map_err(|_| bad),
    }
}

fn via(via: &Via) -> v1::Via {
    use v1::via::Kind;
    let kind = match via {
        Via::Node(name) => Kind::Node(name.to_string()),
        Via::Member(name) => Kind::Member(name.clone()),
    };
    v1::Via { kind: Some(kind) }
}

fn read_via(wire: Option<v1::Via>) -> Result<Via, BadEntry> {
    use v1::via::Kind;
    match wire.and_then(|v| v.kind).ok_or(BadEntry::Field("via"))? {
        Kind::Node(name) => name.parse().map(Via::Node).map_err(|_| BadEntry::Field("via")),
        Kind::Member(name) => Ok(Via::Member(name)),
    }
}

fn position(at: &SpoolPosition) -> v1::SpoolPosition {
    v1::SpoolPosition { node: at.node.to_string(), epoch: at.epoch.0, number: at.number.0 }
}

fn read_position(wire: Option<v1::SpoolPosition>, via: &Via) -> Result<Option<SpoolPosition>, BadEntry> {
    let bad = BadEntry::Field("spool position");
    let wire = match (wire, via) {
        (Some(wire), Via::Node(_) | Via::Member(_)) => wire,
        (None, Via::Member(_)) => return Ok(None),
        (None, Via::Node(_)) => return Err(bad),
    };
    let node = wire.node.parse().map_err(|_| bad.clone())?;
    if wire.number == 0 {
        return Err(bad);
    }
    Ok(Some(SpoolPosition { node, epoch: SpoolEpoch(wire.epoch), number: SpoolNumber(wire.number) }))
}

fn hash(hash: Option<[u8; 32]>) -> Vec<u8> {
    hash.map(|h| h.to_vec()).unwrap_or_default()
}

fn read_hash(wire: &[u8], what: &'static str) -> Result<Option<[u8; 32]>, BadEntry> {
    if wire.is_empty() {
        return Ok(None);
    }
    wire.try_into().map(Some).map_err(|_| BadEntry::Field(what))
}

fn credential(credential: &Credential) -> v1::Credential {
    use v1::credential::Kind;
    let kind = match credential {
        Credential::Peer { uid, pid, user } => {
            Kind::Peer(v1::PeerCredential { uid: *uid, pid: *pid, user: user.clone().unwrap_or_default() })
        }
        Credential::Ticket(signed) => Kind::Ticket(v1::Ticket { signed: signed.clone() }),
    };
    v1::Credential { kind: Some(kind) }
}

fn read_credential(wire: v1::Credential) -> Result<Credential, BadEntry> {
    use v1::credential::Kind;
    match wire.kind.ok_or(BadEntry::Field("credential"))? {
        Kind::Peer(peer) => {
            Ok(Credential::Peer { uid: peer.uid, pid: peer.pid, user: Some(peer.user).filter(|u| !u.is_empty()) })
        }
        Kind::Ticket(ticket) => Ok(Credential::Ticket(ticket.signed)),
        // Of a stream, never of a record.
        Kind::Node(_) => Err(BadEntry::Field("credential")),
    }
}

fn body(body: &Body) -> v1::entry::Body {
    use v1::entry::Body as Wire;
    match body {
        Body::SessionOpened { kind, roles } => Wire::SessionOpened(v1::SessionOpened {
            kind: v1::SessionKind::from(*kind).into(),
            roles: roles.iter().map(ToString::to_string).collect(),
        }),
        Body::SessionClosed { reason } => Wire::SessionClosed(v1::SessionClosed { reason: reason.clone() }),
        Body::Line(line) => Wire::Line(line_recorded(line)),
        Body::Refused(refused) => Wire::Refused(v1::LineRefused {
            line: refused.line.clone(),
            exit_code: refused.exit_code.into(),
            reason: refused.reason.clone(),
            line_bytes: refused.line_bytes,
            line_sha256: hash(refused.line_sha256),
        }),
        Body::Outcome(outcome) => Wire::Outcome(line_outcome(outcome)),
        Body::AgentStarted { version, layers } => {
            Wire::AgentStarted(v1::AgentStarted { version: version.clone(), layers: layers.clone() })
        }
        Body::MemberStarted { version } => Wire::MemberStarted(v1::MemberStarted { version: version.clone() }),
        Body::RecordsLost { counted } => Wire::RecordsLost(v1::RecordsLost { counted: *counted }),
        Body::UplinkRejected { node, number, reason } => Wire::UplinkRejected(v1::UplinkRejected {
            node: node.to_string(),
            number: number.0,
            reason: reason.clone(),
        }),
        Body::Output(piece) => Wire::Output(v1::OutputKept {
            stream: v1::OutputStream::from(piece.stream).into(),
            offset: piece.offset,
            data: piece.data.clone(),
        }),
        Body::Revoked { principal, before } => {
            Wire::Revoked(v1::Revoked { principal: principal.to_string(), before: Some((*before).into()) })
        }
        Body::TokenRefused { reason, from, more } => {
            Wire::TokenRefused(v1::TokenRefused { reason: reason.clone(), from: from.clone(), more: *more })
        }
    }
}

fn read_body(wire: v1::entry::Body) -> Result<Body, BadEntry> {
    use v1::entry::Body as Wire;
    Ok(match wire {
        Wire::SessionOpened(opened) => Body::SessionOpened {
            kind: SessionKind::try_from(opened.kind()).map_err(|()| BadEntry::Field("session kind"))?,
            roles: opened
                .roles
                .iter()
                .map(|r| r.parse())
                .collect::<Result<_, _>>()
                .map_err(|_| BadEntry::Field("role"))?,
        },
        Wire::SessionClosed(closed) => Body::SessionClosed { reason: closed.reason },
        Wire::Line(line) => Body::Line(read_line(line)?),
        Wire::Refused(refused) => Body::Refused(LineRefused {
            line: refused.line,
            line_bytes: refused.line_bytes,
            line_sha256: read_hash(&refused.line_sha256, "hash of the line")?,
            exit_code: read_code(refused.exit_code)?,
            reason: refused.reason,
        }),
        Wire::Outcome(outcome) => Body::Outcome(read_outcome(outcome)?),
        Wire::AgentStarted(started) => Body::AgentStarted { version: started.version, layers: started.layers },
        Wire::MemberStarted(started) => Body::MemberStarted { version: started.version },
        Wire::RecordsLost(lost) => Body::RecordsLost { counted: lost.counted },
        Wire::UplinkRejected(rejected) => Body::UplinkRejected {
            node: rejected.node.parse().map_err(|_| BadEntry::Field("node that was rejected"))?,
            number: SpoolNumber(rejected.number),
            reason: rejected.reason,
        },
        Wire::Output(piece) => Body::Output(OutputKept {
            stream: OutputStream::try_from(piece.stream()).map_err(|()| BadEntry::Field("stream of output"))?,
            offset: piece.offset,
            data: piece.data,
        }),
        Wire::Revoked(revoked) => Body::Revoked {
            principal: revoked.principal.parse().map_err(|_| BadEntry::Field("principal that is revoked"))?,
            before: read_time(revoked.before.as_ref()).map_err(|_| BadEntry::Field("time of a revocation"))?,
        },
        Wire::TokenRefused(refused) => {
            Body::TokenRefused { reason: refused.reason, from: refused.from, more: refused.more }
        }
    })
}

fn line_recorded(line: &LineRecorded) -> v1::LineRecorded {
    use v1::stage_record::Kind;
    let stage = |stage: &StageRecord| v1::StageRecord {
        kind: Some(match &stage.kind {
            StageKind::Command(name) => Kind::Command(name.clone()),
            StageKind::Program(name) => Kind::Program(name.clone()),
        }),
        argv: stage.argv.clone(),
    };
    v1::LineRecorded {
        line: line.line.clone(),
        stages: line.stages.iter().map(stage).collect(),
        expansions: line
            .expansions
            .iter()
            .map(|(pattern, words)| v1::Expansion { pattern: pattern.clone(), words: words.clone() })
            .collect(),
    }
}

fn read_line(wire: v1::LineRecorded) -> Result<LineRecorded, BadEntry> {
    use v1::stage_record::Kind;
    let stage = |stage: v1::StageRecord| {
        let kind = match stage.kind.ok_or(BadEntry::Field("kind of a stage"))? {
            Kind::Command(name) => StageKind::Command(name),
            Kind::Program(name) => StageKind::Program(name),
        };
        Ok(StageRecord { kind, argv: stage.argv })
    };
    Ok(LineRecorded {
        line: wire.line,
        stages: wire.stages.into_iter().map(stage).collect::<Result<_, BadEntry>>()?,
        expansions: wire.expansions.into_iter().map(|e| (e.pattern, e.words)).collect(),
    })
}

fn line_outcome(outcome: &LineOutcome) -> v1::LineOutcome {
    use v1::line_outcome::End as WireEnd;
    use v1::stage_status::End as WireStage;
    let stage = |status: &StageStatus| v1::StageStatus {
        end: Some(match status {
            StageStatus::Exited(code) => WireStage::Exited((*code).into()),
            StageStatus::Signaled(signal) => WireStage::Signaled((*signal).into()),
            StageStatus::Unknown(why) => WireStage::Unknown(why.clone()),
        }),
    };
    v1::LineOutcome {
        end: Some(match &outcome.end {
            End::Finished => WireEnd::Finished(v1::Finished {}),
            End::Interrupted(by) => WireEnd::Interrupted(by.clone()),
            End::Failed(why) => WireEnd::Failed(why.clone()),
        }),
        stages: outcome.stages.iter().map(stage).collect(),
        duration_nanos: u64::try_from(outcome.duration.as_nanos()).unwrap_or(u64::MAX),
        stdout_bytes: outcome.stdout.bytes,
        stderr_bytes: outcome.stderr.bytes,
        truncated: outcome.truncated,
        stdout_sha256: hash(outcome.stdout.sha256),
        stderr_sha256: hash(outcome.stderr.sha256),
        exit_code: outcome.exit_code.into(),
    }
}

fn read_outcome(wire: v1::LineOutcome) -> Result<LineOutcome, BadEntry> {
    use v1::line_outcome::End as WireEnd;
    let end = match wire.end.ok_or(BadEntry::Field("end"))? {
        WireEnd::Finished(_) => End::Finished,
        WireEnd::Interrupted(by) => End::Interrupted(by),
        WireEnd::Failed(why) => End::Failed(why),
    };
    Ok(LineOutcome {
        end,
        stages: wire.stages.into_iter().map(read_stage).collect::<Result<_, _>>()?,
        duration: Duration::from_nanos(wire.duration_nanos),
        stdout: Written { bytes: wire.stdout_bytes, sha256: read_hash(&wire.stdout_sha256, "hash of output")? },
        stderr: Written { bytes: wire.stderr_bytes, sha256: read_hash(&wire.stderr_sha256, "hash of errors")? },
        truncated: wire.truncated,
        exit_code: read_code(wire.exit_code)?,
    })
}

fn read_stage(wire: v1::StageStatus) -> Result<StageStatus, BadEntry> {
    use v1::stage_status::End;
    Ok(match wire.end.ok_or(BadEntry::Field("end of a stage"))? {
        End::Exited(code) => StageStatus::Exited(read_code(code)?),
        End::Signaled(signal) => StageStatus::Signaled(read_code(signal)?),
        End::Unknown(why) => StageStatus::Unknown(why),
    })
}

fn read_code(wire: u32) -> Result<u8, BadEntry> {
    u8::try_from(wire).map_err(|_| BadEntry::Field("exit code"))
}

impl From<SessionKind> for v1::SessionKind {
    fn from(kind: SessionKind) -> Self {
        match kind {
            SessionKind::Repl => Self::Repl,
            SessionKind::Once => Self::Once,
            SessionKind::Script => Self::Script,
        }
    }
}

impl TryFrom<v1::SessionKind> for SessionKind {
    type Error = ();
    fn try_from(wire: v1::SessionKind) -> Result<Self, ()> {
        match wire {
            v1::SessionKind::Unspecified => Err(()),
            v1::SessionKind::Repl => Ok(Self::Repl),
            v1::SessionKind::Once => Ok(Self::Once),
            v1::SessionKind::Script => Ok(Self::Script),
        }
    }
}

impl From<OutputStream> for v1::OutputStream {
    fn from(stream: OutputStream) -> Self {
        match stream {
            OutputStream::Stdout => Self::Stdout,
            OutputStream::Stderr => Self::Stderr,
        }
    }
}

impl TryFrom<v1::OutputStream> for OutputStream {
    type Error = ();
    fn try_from(wire: v1::OutputStream) -> Result<Self, ()> {
        match wire {
            v1::OutputStream::Unspecified => Err(()),
            v1::OutputStream::Stdout => Ok(Self::Stdout),
            v1::OutputStream::Stderr => Ok(Self::Stderr),
        }
    }
}

#[cfg(test)]
mod tests;
