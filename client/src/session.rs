//! One session, with an agent or with the journal.
//!
//! **Invariant:** `Open` is the first message; lines are numbered from 1, one more each time; no message is larger
//! than an agent takes.

use std::time::Duration;

use hyper_util::rt::TokioIo;
use pact_proto::model::LineId;
use pact_proto::wire::v1::client_message::Kind as Message;
use pact_proto::wire::v1::shell_client::ShellClient;
use pact_proto::wire::v1::{self, ClientMessage, OutputFormat, ServerMessage, SessionKind, SignalKind, line};
use pact_resume::State;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::journal::Reached;
use crate::settings::Output;
use crate::way::Way;
use crate::{ClientError, Connected, Context, Event, Journal, Place, Ticket};

/// Messages on their way; what does not fit waits with its sender.
const PLACES: usize = 16;
/// How long an agent may take for a session's first answer, and for a line's.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// A context with many programs is large.
const LARGEST_MESSAGE: usize = 64 << 20;
/// What may be on its way from the agent. After Ctrl-C it is still shown: the usual mebibytes are seconds of a slow
/// terminal.
const WINDOW: u32 = 128 * 1024;
/// A journal that gives only short tickets is not asked all the time.
const SOONEST: Duration = Duration::from_secs(1);
/// How long a closed session may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A person at a prompt.
    Repl,
    /// One line.
    Once,
    /// Lines from a file or a pipe.
    Script,
}

/// What a caller's three streams are, and what its terminal can do.
#[expect(clippy::struct_excessive_bools, reason = "three streams, each a terminal or not, and colour: the wire's own")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terminal {
    /// `$TERM`; empty without a terminal.
    pub term: String,
    /// Columns and rows, where there is a terminal.
    pub size: Option<(u16, u16)>,
    /// Standard input is one.
    pub stdin: bool,
    /// Standard output is one.
    pub stdout: bool,
    /// Standard error is one.
    pub stderr: bool,
    /// Colours are wanted.
    pub colour: bool,
}

/// How to open a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// What for.
    pub kind: Kind,
    /// From where.
    pub terminal: Terminal,
    /// How pact's own commands show their results.
    pub output: Output,
}

/// What a line is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineForm {
    /// As typed, for the grammar to read.
    Text(Vec<u8>),
    /// Words that a caller's shell has split.
    Words(Vec<Vec<u8>>),
}

/// An open session. Its two halves are used at the same time, so that nothing waits behind a line.
#[derive(Debug)]
pub struct Session {
    /// To the agent.
    pub outgoing: Outgoing,
    /// From the agent.
    pub incoming: Incoming,
    /// The ports that a session with another machine connects to again when its connection breaks.
    pub ports: Vec<u16>,
}

/// What is said to the agent.
#[derive(Debug)]
pub struct Outgoing {
    messages: mpsc::Sender<ClientMessage>,
    last_line: LineId,
}

/// What the agent says.
#[derive(Debug)]
pub struct Incoming {
    messages: Streaming<ServerMessage>,
    place: Place,
    /// How the connection is, where it may break and come again.
    state: Option<watch::Receiver<State>>,
    is_away: bool,
}

impl Session {
    /// Opens one with the agent of this node, and waits for its first answer.
    pub async fn open(connected: Connected, options: &OpenOptions) -> Result<(Self, Context), ClientError> {
        let place = connected.place();
        let opening = async {
            let reached = Reached { channel: connected.channel().await?, state: None, ports: Vec::new() };
            Self::begin(reached, &place, None, options).await
        };
        within(PATIENCE, &place, opening).await
    }

    /// Opens one by a ticket, with a node or with the journal. While it is open, its ticket is renewed.
    pub async fn with(
        journal: &Journal,
        ticket: Ticket,
        options: &OpenOptions,
    ) -> Result<(Self, Context), ClientError> {
        let place = ticket.place.clone();
        let opening = async {
            let reached = journal.reach(&ticket).await?;
            Self::begin(reached, &place, Some(ticket.signed.clone()), options).await
        };
        let (session, context) = Box::pin(within(journal.patience(), &place, opening)).await?;
        tokio::spawn(renew(journal.clone(), ticket, session.outgoing.messages.downgrade()));
        Ok((session, context))
    }

    async fn begin(
        Reached { channel, state, ports }: Reached,
        place: &Place,
        ticket: Option<Vec<u8>>,
        options: &OpenOptions,
    ) -> Result<(Self, Context), ClientError> {
        let (messages, receiver) = mpsc::channel(PLACES);
        let mut outgoing = Outgoing { messages, last_line: LineId::NONE };
        let open = v1::Open { credential: ticket.map(credential), ..options.into() };
        outgoing.send(Message::Open(open)).await?;
        let mut client = ShellClient::new(channel).max_decoding_message_size(LARGEST_MESSAGE);
        let messages = client.session(ReceiverStream::new(receiver)).await?.into_inner();
        let mut incoming = Incoming { messages, place: place.clone(), state, is_away: false };
        let mut first = incoming.next().await?;
        // Whoever opens has a time by which it must be open.
        while matches!(first, Event::Away | Event::Back) {
            first = incoming.next().await?;
        }
        match first {
            Event::Context(context) => Ok((Self { outgoing, incoming, ports }, context)),
            Event::Refused(refusal) => Err(ClientError::Refused(refusal)),
            Event::Accepted { .. }
            | Event::Stdout { .. }
            | Event::Stderr(_)
            | Event::Credit(_)
            | Event::Exit(_)
            | Event::Candidates { .. }
            | Event::Notice(_)
            | Event::Marks(_)
            | Event::Away
            | Event::Back => Err(ClientError::Protocol("a session begins with its context".to_owned())),
        }
    }

    /// Says goodbye, which ends what still runs, and waits until the agent has heard it.
    pub async fn close(mut self) {
        if self.outgoing.send(Message::Close(v1::Close {})).await.is_err() {
            return;
        }
        drop(self.outgoing);
        // Where the agent takes longer, it will notice by itself that nobody is there.
        let _late = timeout(GOODBYE, async { while self.incoming.next().await.is_ok() {} }).await;
    }
}

async fn within<T>(
    patience: Duration,
    place: &Place,
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let late = |_| ClientError::Silent { place: place.clone(), after: patience };
    timeout(patience, work).await.map_err(late)?
}

fn credential(signed: Vec<u8>) -> v1::Credential {
    v1::Credential { kind: Some(v1::credential::Kind::Ticket(v1::Ticket { signed })) }
}

/// A session outlives its ticket, as long as the journal gives another one. Where it does not, the next line is refused
/// by whoever judges it.
async fn renew(journal: Journal, mut ticket: Ticket, messages: mpsc::WeakSender<ClientMessage>) {
    while let Some(pause) = ticket.renew_in() {
        sleep(pause.max(SOONEST)).await;
        if messages.upgrade().is_none() {
            return;
        }
        let Ok(fresh) = journal.renewed(&ticket).await else { continue };
        let kind = Some(Message::Renew(v1::Renew { credential: Some(credential(fresh.signed.clone())) }));
        let Some(messages) = messages.upgrade() else { return };
        if messages.send(ClientMessage { kind }).await.is_err() {
            return;
        }
        ticket = fresh;
    }
}

/// HTTP/2 over the one stream that there is; there is no second connection to fall back to.
pub(crate) async fn channel<S>(stream: S, place: &Place) -> Result<Channel, ClientError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut stream = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_: http::Uri| {
        let stream = stream.take().ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected));
        std::future::ready(stream)
    });
    let connected = http2().connect_with_connector(connector).await;
    connected.map_err(|error| ClientError::Unreachable { place: place.clone(), source: std::io::Error::other(error) })
}

/// The same, over one stream after the other: where one has ended, the next question begins another.
pub(crate) async fn channel_by(
    way: Way,
    first: DuplexStream,
    state: watch::Sender<State>,
    patience: Duration,
) -> Result<Channel, ClientError> {
    let (place, mut first) = (way.place.clone(), Some(first));
    let connector = tower::service_fn(move |_: http::Uri| {
        let (way, first, state) = (way.clone(), first.take(), state.clone());
        async move {
            let stream = match first {
                Some(first) => first,
                None => timeout(patience, way.walk(state)).await?.map_err(std::io::Error::other)?,
            };
            Ok::<_, std::io::Error>(TokioIo::new(stream))
        }
    });
    let connected = http2().connect_with_connector(connector).await;
    connected.map_err(|error| ClientError::Unreachable { place, source: std::io::Error::other(error) })
}

/// Whether the other side is there, the kernel or the stream itself says. The name is never looked up.
fn http2() -> tonic::transport::Endpoint {
    let endpoint = tonic::transport::Endpoint::from_static("http://agent.pact");
    endpoint.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW)
}

impl Outgoing {
    async fn send(&mut self, kind: Message) -> Result<(), ClientError> {
        self.messages.send(ClientMessage { kind: Some(kind) }).await.map_err(|_| ClientError::Lost)
    }

    /// Sends the next line; one at a time.
    pub async fn line(&mut self, form: LineForm) -> Result<LineId, ClientError> {
        let id = LineId(self.last_line.0 + 1);
        let form = match form {
            LineForm::Text(text) => line::Form::Text(text),
            LineForm::Words(words) => line::Form::Words(v1::Words { words }),
        };
        self.send(Message::Line(v1::Line { id: id.0, form: Some(form) })).await?;
        self.last_line = id;
        Ok(id)
    }

    /// Sends a piece of standard input, which the caller has credit for.
    pub async fn stdin(&mut self, data: Vec<u8>) -> Result<(), ClientError> {
        self.send(Message::Stdin(v1::Stdin { data })).await
    }

    /// There is no more standard input.
    pub async fn stdin_end(&mut self) -> Result<(), ClientError> {
        self.send(Message::StdinEnd(v1::StdinEnd {})).await
    }

    /// Ctrl-C; a second one kills.
    pub async fn interrupt(&mut self) -> Result<(), ClientError> {
        self.signal(SignalKind::Interrupt).await
    }

    /// Ctrl-\.
    pub async fn quit(&mut self) -> Result<(), ClientError> {
        self.signal(SignalKind::Quit).await
    }

    /// Ends the line for good.
    pub async fn kill(&mut self) -> Result<(), ClientError> {
        self.signal(SignalKind::Kill).await
    }

    async fn signal(&mut self, kind: SignalKind) -> Result<(), ClientError> {
        self.send(Message::Signal(v1::Signal { kind: kind.into() })).await
    }

    /// The terminal has another size now.
    pub async fn resize(&mut self, columns: u16, rows: u16) -> Result<(), ClientError> {
        let size = v1::TerminalSize { columns: columns.into(), rows: rows.into() };
        self.send(Message::Resize(v1::Resize { size: Some(size) })).await
    }

    /// Asks what could stand at `cursor`.
    pub async fn complete(&mut self, id: u64, line: Vec<u8>, cursor: u32) -> Result<(), ClientError> {
        self.send(Message::Complete(v1::Complete { id, line, cursor })).await
    }
}

impl Incoming {
    /// The next thing that the agent says. Nothing is lost when this is dropped before it is ready.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        tokio::select! {
            // First, because there may always be a message.
            biased;
            event = changed(self.state.as_mut(), self.is_away) => {
                self.is_away = event == Event::Away;
                Ok(event)
            }
            message = self.messages.message() => match message? {
                Some(message) => message.try_into(),
                None => Err(ClientError::Lost),
            },
        }
    }

    /// The connection is gone, and is tried again.
    pub fn is_away(&self) -> bool {
        self.is_away
    }

    /// Where the other end is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What to say when the first answer to a line did not come within `PATIENCE`.
    pub fn silent(&self) -> ClientError {
        ClientError::Silent { place: self.place.clone(), after: PATIENCE }
    }
}

/// What becomes of the connection, where that is something else than before.
async fn changed(state: Option<&mut watch::Receiver<State>>, was_away: bool) -> Event {
    let Some(state) = state else { return std::future::pending().await };
    let differs = state.wait_for(|state| (*state == State::Broken) != was_away).await.is_ok();
    match (differs, was_away) {
        (true, true) => Event::Back,
        (true, false) => Event::Away,
        // The stream has ended, and so does the session.
        (false, _) => std::future::pending().await,
    }
}

impl From<&OpenOptions> for v1::Open {
    fn from(options: &OpenOptions) -> Self {
        let terminal = &options.terminal;
        let kind = match options.kind {
            Kind::Repl => SessionKind::Repl,
            Kind::Once => SessionKind::Once,
            Kind::Script => SessionKind::Script,
        };
        let format = match options.output {
            Output::Text => OutputFormat::Text,
            Output::Json => OutputFormat::Json,
            Output::Yaml => OutputFormat::Yaml,
        };
        Self {
            // The kernel tells the agent of this node who is calling; whoever comes from elsewhere adds a ticket.
            credential: None,
            size: terminal.size.map(|(columns, rows)| v1::TerminalSize { columns: columns.into(), rows: rows.into() }),
            term: terminal.term.clone(),
            stdin_is_terminal: terminal.stdin,
            stdout_is_terminal: terminal.stdout,
            stderr_is_terminal: terminal.stderr,
            colour: terminal.colour,
            format: format.into(),
            kind: kind.into(),
        }
    }
}
