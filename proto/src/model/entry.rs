//! An entry: what happened, by whom, said by whom, judged by which policy.
//!
//! **Invariant:** an `Entry` that was decoded has a known version, a known kind and checked names; anything else
//! is a `BadEntry`. Bytes that were stored are never encoded again.
//! **Not here:** seq and hashes of the chain: those are the journal's, given when it applies the entry.

mod codec;
mod kind;

use jiff::Timestamp;

use super::id::{LineId, NodeName, Principal, SessionId, SpoolEpoch, SpoolNumber, VCluster};
use super::role::Role;
pub use codec::BadEntry;
pub use kind::{InvalidKind, InvalidScope, Kind};

/// What is on record about one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The node's clock when it happened.
    pub event_time: Timestamp,
    /// What it is about.
    pub scope: Scope,
    /// Who did it, verified.
    pub author: Principal,
    /// Who says so.
    pub via: Via,
    /// Its session, where there is one.
    pub session: Option<SessionId>,
    /// Its line within the session.
    pub line: LineId,
    /// The reason that a person gave; empty where none was asked for.
    pub message: String,
    /// The policy by which it was judged.
    pub policy_version: String,
    /// Where it was written down first; a node's entry always has one, and what a member says has none.
    pub position: Option<SpoolPosition>,
    /// SHA-256 of the request as it was received.
    pub request_hash: Option<[u8; 32]>,
    /// How the author was verified.
    pub credential: Option<Credential>,
    /// What happened.
    pub body: Body,
}

/// What an entry is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All of pact.
    Global,
    /// One vCluster.
    VCluster(VCluster),
    /// One node.
    Node(NodeName),
}

/// Who vouches for the author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// A node.
    Node(NodeName),
    /// A member of the journal.
    Member(String),
}

/// (node, epoch, number): the name of an entry for ever.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SpoolPosition {
    /// Whose spool.
    pub node: NodeName,
    /// Which of its spools.
    pub epoch: SpoolEpoch,
    /// From 1, without gaps.
    pub number: SpoolNumber,
}

/// How an author was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// By the kernel, on a unix socket.
    Peer {
        /// Of the process that connected.
        uid: u32,
        /// Of the process that connected.
        pid: u32,
        /// The account's name, where it has one.
        user: Option<String>,
    },
    /// By a ticket of the journal: a `SignedTicket` as it came.
    Ticket(Vec<u8>),
}

/// Where lines of a session come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// A person at a prompt.
    Repl,
    /// One line.
    Once,
    /// Lines on standard input.
    Script,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A session began.
    SessionOpened {
        /// Where its lines come from.
        kind: SessionKind,
        /// With these roles.
        roles: Vec<Role>,
    },
    /// A session ended.
    SessionClosed {
        /// How.
        reason: String,
    },
    /// A line was permitted; nothing of it ran before this was on disk.
    Line(LineRecorded),
    /// A line was not run.
    Refused(LineRefused),
    /// A line is over.
    Outcome(LineOutcome),
    /// The agent began to serve.
    AgentStarted {
        /// Of the agent.
        version: String,
        /// Layers of the sandbox that hold.
        layers: Vec<String>,
    },
    /// The member of the journal that vouches for this began to serve.
    MemberStarted {
        /// Of the program.
        version: String,
    },
    /// So many records could not be kept while the disk was full.
    RecordsLost {
        /// How many.
        counted: u64,
    },
    /// A member of the journal did not take what a node sent.
    UplinkRejected {
        /// Whose certificate it was.
        node: NodeName,
        /// The entry; 0 where it was not about one.
        number: SpoolNumber,
        /// Why.
        reason: String,
    },
    /// A piece of what a line wrote.
    Output(OutputKept),
    /// What was issued to somebody counts no more.
    Revoked {
        /// To whom.
        principal: Principal,
        /// If it was issued before this.
        before: Timestamp,
    },
    /// Somebody came with a token that was not accepted.
    TokenRefused {
        /// Why, whole; the person was not told.
        reason: String,
        /// Where the connection came from.
        from: String,
        /// So many more were turned away since the entry before this one.
        more: u64,
    },
}

/// A piece of what a line wrote, kept beside its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputKept {
    /// Which of its streams.
    pub stream: OutputStream,
    /// Where in the stream it begins.
    pub offset: u64,
    /// The bytes.
    pub data: Vec<u8>,
}

/// What a line writes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A permitted line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRecorded {
    /// As typed.
    pub line: Vec<u8>,
    /// As executed.
    pub stages: Vec<StageRecord>,
    /// Each unquoted pattern and what it became.
    pub expansions: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
}

/// One stage as executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageRecord {
    /// What it is.
    pub kind: StageKind,
    /// The words, the name first.
    pub argv: Vec<Vec<u8>>,
}

/// What a stage is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StageKind {
    /// One of pact's own commands, by name.
    Command(String),
    /// A whitelisted program, by name.
    Program(String),
}

/// A line that was not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRefused {
    /// As typed; the first 8 KiB of a longer one.
    pub line: Vec<u8>,
    /// How long it was.
    pub line_bytes: u64,
    /// SHA-256 of all of it, where `line` is not all.
    pub line_sha256: Option<[u8; 32]>,
    /// What the person was told, as a number.
    pub exit_code: u8,
    /// The whole reason.
    pub reason: String,
}

/// How a line ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Every stage ended by itself.
    Finished,
    /// Cut short, and by what.
    Interrupted(String),
    /// Never started, and why.
    Failed(String),
}

/// How one stage ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StageStatus {
    /// With a status.
    Exited(u8),
    /// Of a signal.
    Signaled(u8),
    /// Nobody knows, and why.
    Unknown(String),
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineOutcome {
    /// How it ended.
    pub end: End,
    /// How each stage ended.
    pub stages: Vec<StageStatus>,
    /// From start to end.
    pub duration: std::time::Duration,
    /// What it wrote on standard output.
    pub stdout: Written,
    /// What it wrote on standard error.
    pub stderr: Written,
    /// Not all of what it wrote was passed on.
    pub truncated: bool,
    /// What the person saw as status.
    pub exit_code: u8,
}

/// Bytes that went by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Written {
    /// How many.
    pub bytes: u64,
    /// SHA-256 of them; absent where they were not all seen.
    pub sha256: Option<[u8; 32]>,
}

impl StageStatus {
    /// The status as a shell shows it: 128+n for a signal, 1 where it is not known.
    pub fn code(&self) -> u8 {
        match self {
            Self::Exited(code) => *code,
            Self::Signaled(signal) => signal.saturating_add(128),
            Self::Unknown(_) => 1,
        }
    }
}

impl Body {
    /// Which kind of entry this is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::SessionOpened { .. } => Kind::Session,
            Self::SessionClosed { .. } => Kind::End,
            Self::Line(_) => Kind::Line,
            Self::Refused(_) => Kind::Refused,
            Self::Outcome(_) => Kind::Outcome,
            Self::AgentStarted { .. } => Kind::Agent,
            Self::MemberStarted { .. } => Kind::Member,
            Self::RecordsLost { .. } => Kind::Lost,
            Self::UplinkRejected { .. } => Kind::Rejected,
            Self::Output(_) => Kind::Output,
            Self::Revoked { .. } => Kind::Revoked,
            Self::TokenRefused { .. } => Kind::Denied,
        }
    }
}
