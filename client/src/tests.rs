//! The wire as a client sees it, against a peer that says what each test wants to hear.
#![expect(clippy::wildcard_enum_match_arm, reason = "a peer that answers only what its test is about")]

use std::os::unix::net::UnixListener;
use std::path::Path;

use pact_proto::model::LineId;
use pact_proto::wire::v1::client_message::Kind as Said;
use pact_proto::wire::v1::server_message::Kind as Reply;
use pact_proto::wire::v1::shell_server::{Shell, ShellServer};
use pact_proto::wire::v1::{self, ClientMessage, ServerMessage};
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::{Request, Response, Status, Streaming};

use crate::{ClientError, Endpoint, Event, Kind, LineForm, OpenOptions, Session, Terminal};

/// Answers every message with what `answer` makes of it.
struct Peer {
    answer: fn(Said) -> Vec<Result<Reply, Status>>,
}

#[tonic::async_trait]
impl Shell for Peer {
    type SessionStream = ReceiverStream<Result<ServerMessage, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<ClientMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (out, messages) = mpsc::channel(64);
        let (mut said, answer) = (request.into_inner(), self.answer);
        tokio::spawn(async move {
            while let Ok(Some(ClientMessage { kind: Some(kind) })) = said.message().await {
                let is_over = matches!(kind, Said::Close(_));
                for reply in answer(kind) {
                    let message = reply.map(|kind| ServerMessage { kind: Some(kind) });
                    if out.send(message).await.is_err() {
                        return;
                    }
                }
                if is_over {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(messages)))
    }
}

fn context(node: &str) -> Reply {
    Reply::Context(v1::Context { node: node.to_owned(), commands: vec!["status".to_owned()], ..v1::Context::default() })
}

fn serve(path: &Path, answer: fn(Said) -> Vec<Result<Reply, Status>>) {
    let listener = tokio::net::UnixListener::bind(path).unwrap();
    let serving = tonic::transport::Server::builder();
    let service = ShellServer::new(Peer { answer });
    tokio::spawn(serving.serve_with_incoming(service, UnixListenerStream::new(listener)));
}

async fn open(path: &Path) -> Result<(Session, crate::Context), ClientError> {
    let me = rustix::process::geteuid().as_raw();
    let options =
        OpenOptions { kind: Kind::Once, terminal: Terminal::default(), output: crate::settings::Output::Text };
    Session::open(Endpoint::unix(path).connect_to(me)?, &options).await
}

#[tokio::test]
async fn a_line_is_sent_and_its_events_come_back_typed() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("agent.sock");
    serve(&path, |said| match said {
        Said::Open(_) => vec![Ok(context("node042"))],
        Said::Line(line) => vec![
            Ok(Reply::Accepted(v1::Accepted { line_id: line.id, terminal: false, reads_stdin: true })),
            Ok(Reply::StdinCredit(v1::StdinCredit { bytes: 5 })),
        ],
        Said::Stdin(stdin) => vec![Ok(Reply::Stdout(v1::Stdout { data: stdin.data, reached: 0 }))],
        Said::StdinEnd(_) => vec![Ok(Reply::Exit(v1::Exit { line_id: 1, code: 3, ..v1::Exit::default() }))],
        _ => Vec::new(),
    });
    let (mut session, context) = open(&path).await.unwrap();
    assert_eq!(context.node.as_ref().unwrap().as_str(), "node042");
    assert_eq!(context.commands().map(|d| d.name).collect::<Vec<_>>(), ["status"]);
    let id = session.outgoing.line(LineForm::Text(b"wc -c".to_vec())).await.unwrap();
    assert_eq!(id, LineId(1));
    assert_eq!(
        session.incoming.next().await.unwrap(),
        Event::Accepted { line: id, reads_stdin: true, terminal: false }
    );
    assert_eq!(session.incoming.next().await.unwrap(), Event::Credit(5));
    session.outgoing.stdin(b"hello".to_vec()).await.unwrap();
    assert_eq!(session.incoming.next().await.unwrap(), Event::Stdout { data: b"hello".to_vec(), reached: 0 });
    session.outgoing.stdin_end().await.unwrap();
    let exit = crate::Exit { line: id, code: 3, failure: None, stdin_read: 0 };
    assert_eq!(session.incoming.next().await.unwrap(), Event::Exit(exit));
    session.close().await;
}

#[tokio::test]
async fn a_refused_opening_says_why() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("agent.sock");
    serve(&path, |_| {
        let refused = v1::Refused { exit_code: 2, message: "session: no".to_owned(), ..v1::Refused::default() };
        vec![Ok(Reply::Refused(refused))]
    });
    let refused = open(&path).await.unwrap_err();
    assert!(matches!(&refused, ClientError::Refused(r) if r.code == 2), "{refused:?}");
    assert_eq!(refused.to_string(), "session: no");
}

#[tokio::test]
async fn what_no_release_says_is_an_error() {
    let place = tempfile::tempdir().unwrap();
    for (name, answer) in [
        ("a node that is no name", (|_| vec![Ok(context("no such\u{1b}[2J"))]) as fn(Said) -> Vec<_>),
        ("an answer before the context", |_| vec![Ok(Reply::Marks(v1::Marks { marks: Vec::new() }))]),
        ("a status that says so", |_| vec![Err(Status::invalid_argument("a session is opened once"))]),
        ("an exit code that is none", |_| {
            vec![Ok(Reply::Refused(v1::Refused { exit_code: 256, ..v1::Refused::default() }))]
        }),
    ] {
        let path = place.path().join(name);
        serve(&path, answer);
        let error = open(&path).await.unwrap_err();
        assert!(matches!(error, ClientError::Protocol(_)), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn an_agent_that_leaves_is_a_connection_lost() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("agent.sock");
    serve(&path, |said| match said {
        Said::Open(_) => vec![Ok(context("node042"))],
        _ => vec![Err(Status::unavailable("gone"))],
    });
    let (mut session, _) = open(&path).await.unwrap();
    session.outgoing.line(LineForm::Words(vec![b"status".to_vec()])).await.unwrap();
    assert!(matches!(session.incoming.next().await, Err(ClientError::Lost)));
}

#[test]
fn only_the_agent_is_talked_to() {
    let place = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::unix(place.path().join("agent.sock"));
    assert!(endpoint.is_absent());
    assert!(matches!(endpoint.connect(), Err(ClientError::Unreachable { .. })));
    let _listener = UnixListener::bind(endpoint.path()).unwrap();
    assert!(!endpoint.is_absent());
    let me = rustix::process::geteuid().as_raw();
    assert!(endpoint.connect_to(me).is_ok());
    let other = endpoint.connect_to(me + 1).unwrap_err();
    assert!(matches!(other, ClientError::NotTheAgent { uid, .. } if uid == me), "{other:?}");
}
