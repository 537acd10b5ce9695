//! What an agent says, as types.
//!
//! **Invariant:** a value that no release knows, and a number that does not fit, is an error of the protocol.

use std::ops::Range;

use pact_proto::command::{self, Descriptor};
use pact_proto::model::{LineId, NodeName};
use pact_proto::program::Schema;
use pact_proto::wire::v1::server_message::Kind;
use pact_proto::wire::v1::{self, ServerMessage};

use crate::ClientError;

/// One thing that an agent says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// What the session may name has changed.
    Context(Context),
    /// The line is on record and runs.
    Accepted {
        /// Which.
        line: LineId,
        /// Standard input is wanted.
        reads_stdin: bool,
        /// It draws on a terminal, and what is typed there is its input.
        terminal: bool,
    },
    /// The line is refused; nothing of it ran.
    Refused(Refusal),
    /// A piece of standard output.
    Stdout {
        /// What was written.
        data: Vec<u8>,
        /// Of `watch`: with it all is told up to this entry; 0 otherwise.
        reached: u64,
    },
    /// A piece of standard error.
    Stderr(Vec<u8>),
    /// So many bytes more of standard input may be sent.
    Credit(u32),
    /// The line is over.
    Exit(Exit),
    /// What could be typed next.
    Candidates {
        /// Which question this answers.
        id: u64,
        /// Each with what it means.
        words: Vec<(Vec<u8>, String)>,
    },
    /// Something to tell while nobody asked.
    Notice(String),
    /// What the right prompt shows.
    Marks(Vec<String>),
    /// Not said by the agent: the connection is gone, and is made again for 30 s. What is said meanwhile waits.
    Away,
    /// Not said by the agent: the connection is there again.
    Back,
}

/// What a terminal needs for prompt, colours, hints and completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// On which node the session is; none where it is with the journal.
    pub node: Option<NodeName>,
    /// Of which vCluster the node is; empty with the journal.
    pub vcluster: String,
    commands: Vec<String>,
    programs: Vec<String>,
}

impl Context {
    /// pact's commands that may be named; what this release does not know, it cannot complete.
    pub fn commands(&self) -> impl Iterator<Item = &'static Descriptor> {
        self.commands.iter().filter_map(|name| command::find(name))
    }

    /// The programs that may be named. Reading them takes time, so a caller does it when it needs them.
    pub fn programs(&self) -> Result<Vec<Schema>, ClientError> {
        let read = |json: &String| Schema::from_json(json).map_err(|e| ClientError::Protocol(format!("a schema: {e}")));
        self.programs.iter().map(read).collect()
    }
}

/// Why a line, or with line 0 the session, is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which line.
    pub line: LineId,
    /// What to end with.
    pub code: u8,
    /// `<what>: <why>`.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
    /// Bytes of the line that it is about.
    pub span: Option<Range<usize>>,
}

/// How a line ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Which line.
    pub line: LineId,
    /// Its status.
    pub code: u8,
    /// Why pact itself cut it short, if it did.
    pub failure: Option<String>,
    /// Of a line that had the terminal: how many bytes of input were read.
    pub stdin_read: u64,
}

impl TryFrom<ServerMessage> for Event {
    type Error = ClientError;

    fn try_from(message: ServerMessage) -> Result<Self, ClientError> {
        Ok(match message.kind.ok_or_else(|| ClientError::unknown("a message"))? {
            Kind::Context(context) => Self::Context(context.try_into()?),
            Kind::Accepted(v1::Accepted { line_id, reads_stdin, terminal }) => {
                Self::Accepted { line: LineId(line_id), reads_stdin, terminal }
            }
            Kind::Refused(refused) => Self::Refused(refused.try_into()?),
            Kind::Stdout(stdout) => Self::Stdout { data: stdout.data, reached: stdout.reached },
            Kind::Stderr(stderr) => Self::Stderr(stderr.data),
            Kind::StdinCredit(credit) => Self::Credit(credit.bytes),
            Kind::Exit(v1::Exit { line_id, code, failure, stdin_read }) => Self::Exit(Exit {
                stdin_read,
                line: LineId(line_id),
                code: status(code)?,
                failure: Some(failure).filter(|failure| !failure.is_empty()),
            }),
            Kind::Candidates(v1::Candidates { id, candidates }) => {
                Self::Candidates { id, words: candidates.into_iter().map(|c| (c.text, c.about)).collect() }
            }
            Kind::Notice(notice) => Self::Notice(notice.text),
            Kind::Marks(marks) => Self::Marks(marks.marks),
        })
    }
}

impl TryFrom<v1::Context> for Context {
    type Error = ClientError;

    fn try_from(context: v1::Context) -> Result<Self, ClientError> {
        let named = Some(&context.node).filter(|node| !node.is_empty());
        let node = named.map(|node| node.parse()).transpose();
        let node = node.map_err(|error| ClientError::Protocol(format!("{error}")))?;
        Ok(Self { node, vcluster: context.vcluster, commands: context.commands, programs: context.programs })
    }
}

impl TryFrom<v1::Refused> for Refusal {
    type Error = ClientError;

    fn try_from(refused: v1::Refused) -> Result<Self, ClientError> {
        let at = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(Self {
            line: LineId(refused.line_id),
            code: status(refused.exit_code)?,
            message: refused.message,
            hint: refused.hint,
            span: refused.span.map(|span| at(span.start)..at(span.end)),
        })
    }
}

fn status(code: u32) -> Result<u8, ClientError> {
    u8::try_from(code).map_err(|_| ClientError::unknown("an exit code"))
}
