//! What the journal answers in a session of this node: `log` and `watch`.
//!
//! **Invariant:** the journal knows which node asks by its certificate, and answers with that node's records and no
//! others; the line is on record here before it is asked. Where the journal goes away while it is watched, it is waited
//! for, and nothing is missed and nothing told twice.

use std::time::Duration;

use hyper::client::conn::http2::SendRequest;
use pact_proto::command::{Command, WatchArguments};
use pact_proto::exit::ExitCode;
use pact_proto::model::{LineId, SessionId};
use pact_proto::view::{Format, Style};
use pact_proto::wire::v1::client_message::Kind as Message;
use pact_proto::wire::v1::server_message::Kind as Reply;
use pact_proto::wire::v1::shell_client::ShellClient;
use pact_proto::wire::v1::{self, ClientMessage, OutputFormat, ServerMessage, SessionKind};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::body::Body;

use crate::spool::Spool;
use crate::uplink::{ORIGIN, Uplink};

/// So long the records before a question may take to the journal; the answer is what it has then.
const SETTLE: Duration = Duration::from_secs(2);
/// A journal that says nothing for so long, where it should, is away.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between questions to a journal that does not answer.
const REST: Duration = Duration::from_millis(100);
/// A piece of what it answers is not larger.
const LARGEST: usize = 1 << 20;

/// Who asks, and how the answer is shown.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    pub(super) session: SessionId,
    pub(super) line: LineId,
    pub(super) style: Style,
    pub(super) format: Format,
}

/// A question on its way.
pub(super) struct Asked {
    uplink: Uplink,
    spool: Spool,
    asker: Asker,
    question: Question,
    stream: Option<Open>,
    /// Of `watch`: the last entry that was told.
    reached: u64,
}

enum Question {
    Log(Vec<Vec<u8>>),
    Watch(WatchArguments),
}

struct Open {
    replies: Streaming<ServerMessage>,
    /// As long as it is held, the question stands.
    _asking: mpsc::Sender<ClientMessage>,
}

/// What came.
pub(super) enum Said {
    Piece(Vec<u8>),
    /// It is over: what it complains of, and its status.
    End(String, u8),
}

/// The journal is away, and why.
pub(super) struct Away(pub(super) String);

impl Asked {
    /// Nothing where the journal has no say in this command, or this node has no journal.
    pub(super) fn new(
        uplink: Option<&Uplink>,
        spool: &Spool,
        asker: Asker,
        command: &Command,
        argv: &[Vec<u8>],
    ) -> Option<Self> {
        let question = if let Command::Watch(arguments) = command {
            Question::Watch(arguments.clone())
        } else if let Command::Log(_) = command {
            Question::Log(argv.to_vec())
        } else {
            return None;
        };
        let uplink = uplink?.clone();
        Some(Self { uplink, spool: spool.clone(), asker, question, stream: None, reached: 0 })
    }

    /// Asks for this line; nothing where this node has no journal.
    pub(super) fn log(uplink: Option<&Uplink>, spool: &Spool, asker: Asker, argv: Vec<Vec<u8>>) -> Option<Self> {
        let (uplink, question) = (uplink?.clone(), Question::Log(argv));
        Some(Self { uplink, spool: spool.clone(), asker, question, stream: None, reached: 0 })
    }

    /// What comes next. May be dropped, and not called again then.
    pub(super) async fn next(&mut self) -> Result<Said, Away> {
        loop {
            let message = match &mut self.stream {
                Some(open) => open.replies.message().await,
                None => match self.open().await {
                    Ok(open) => {
                        self.stream = Some(open);
                        continue;
                    }
                    Err(away) => {
                        self.waits(away).await?;
                        continue;
                    }
                },
            };
            match message {
                Ok(Some(ServerMessage { kind: Some(kind) })) => {
                    if let Some(said) = self.heard(kind)? {
                        return Ok(said);
                    }
                }
                Ok(Some(ServerMessage { kind: None })) => {
                    return Err(Away("it says what is not known here".to_owned()));
                }
                Ok(None) | Err(_) => {
                    self.stream = None;
                    self.waits(Away("the connection was lost".to_owned())).await?;
                }
            }
        }
    }

    /// Until the journal can be asked again, where what was told already says from where on.
    async fn waits(&self, away: Away) -> Result<(), Away> {
        match &self.question {
            Question::Watch(_) if self.reached > 0 => {
                sleep(REST).await;
                self.uplink.returns().await;
                Ok(())
            }
            Question::Watch(_) | Question::Log(_) => Err(away),
        }
    }

    fn heard(&mut self, kind: Reply) -> Result<Option<Said>, Away> {
        let said = match (kind, &self.question) {
            (Reply::Stdout(v1::Stdout { data, reached }), _) => {
                self.reached = self.reached.max(reached);
                (!data.is_empty()).then_some(Said::Piece(data))
            }
            (Reply::Exit(v1::Exit { code, failure, .. }), _) => {
                let complaint = if failure.is_empty() { failure } else { format!("pact: {failure}\n") };
                Some(Said::End(complaint, u8::try_from(code).unwrap_or(ExitCode::General.number())))
            }
            // The node's own records are nobody's to refuse.
            (Reply::Refused(v1::Refused { message, .. }), Question::Log(_)) => return Err(Away(message)),
            (Reply::Refused(v1::Refused { message, exit_code, .. }), Question::Watch(_)) => {
                let code = u8::try_from(exit_code).unwrap_or(ExitCode::General.number());
                Some(Said::End(format!("pact: {message}\n"), code))
            }
            (
                Reply::Context(_)
                | Reply::Accepted(_)
                | Reply::Stderr(_)
                | Reply::Candidates(_)
                | Reply::Notice(_)
                | Reply::Marks(_)
                | Reply::StdinCredit(_),
                _,
            ) => None,
        };
        Ok(said)
    }

    async fn open(&self) -> Result<Open, Away> {
        if self.reached == 0 {
            // Whoever asks what was done expects what they have just done.
            let _late = timeout(SETTLE, self.uplink.acknowledged_or_away(self.spool.last())).await;
        }
        let way = self.uplink.way().map_err(Away)?;
        let (asking, messages) = mpsc::channel(2);
        for kind in [Message::Open(self.opening()), Message::Line(self.line())] {
            // There is room for both.
            let _room = asking.try_send(ClientMessage { kind: Some(kind) });
        }
        let mut client = client(way);
        let replies = timeout(PATIENCE, client.session(ReceiverStream::new(messages))).await;
        let late = |_| Away(format!("it did not answer within {} s", PATIENCE.as_secs()));
        let replies = replies.map_err(late)?.map_err(|status| Away(status.message().to_owned()))?;
        Ok(Open { replies: replies.into_inner(), _asking: asking })
    }

    fn opening(&self) -> v1::Open {
        let Asker { session, line, style, format } = self.asker;
        let node = v1::NodeCredential { session_id: session.as_bytes().to_vec(), line_id: line.0 };
        let format = match format {
            Format::Text => OutputFormat::Text,
            Format::Json => OutputFormat::Json,
            Format::Yaml => OutputFormat::Yaml,
        };
        v1::Open {
            credential: Some(v1::Credential { kind: Some(v1::credential::Kind::Node(node)) }),
            size: Some(v1::TerminalSize { columns: style.columns.into(), rows: 1 }),
            colour: style.colour,
            stdout_is_terminal: style.colour,
            format: format.into(),
            kind: SessionKind::Once.into(),
            ..v1::Open::default()
        }
    }

    fn line(&self) -> v1::Line {
        let words = match &self.question {
            Question::Log(words) => words.clone(),
            Question::Watch(WatchArguments { vcluster, since }) => {
                let since = Some(self.reached).filter(|reached| *reached > 0).or(*since);
                let named = |name: &str, value: Option<String>| value.map(|value| [name.to_owned(), value]);
                let vcluster = named("--vcluster", vcluster.as_ref().map(ToString::to_string));
                let since = named("--since", since.map(|seq| seq.to_string()));
                let options = vcluster.into_iter().chain(since).flatten();
                std::iter::once("watch".to_owned()).chain(options).map(String::into_bytes).collect()
            }
        };
        v1::Line { id: 1, form: Some(v1::line::Form::Words(v1::Words { words })) }
    }
}

/// Over the connection that the records go over.
fn client(
    way: SendRequest<Body>,
) -> ShellClient<
    impl tower::Service<
        http::Request<Body>,
        Response = http::Response<hyper::body::Incoming>,
        Error = hyper::Error,
        Future = impl Send,
    > + Send,
> {
    let service = tower::service_fn(move |request| way.clone().send_request(request));
    ShellClient::with_origin(service, ORIGIN.parse().unwrap_or_default()).max_decoding_message_size(LARGEST)
}
