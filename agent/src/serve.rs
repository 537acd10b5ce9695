//! The agent's door: a unix socket that only one group can reach, and one service behind it.
//!
//! **Invariant:** the directory is root:<group> 0750 before the socket exists in it, and root listens on it before the agent
//! is somebody else: so its clients see that it is root's. A caller whose credentials the kernel does not tell is not
//! served. A socket that an agent leaves behind is removed by the next one: the directory is root's.

use std::convert::Infallible;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::unistd::{Group, Uid, chown};
use pact_proto::wire::v1::shell_server::{Shell, ShellServer};
use pact_proto::wire::v1::{ClientMessage, ServerMessage};
use pact_session::OpenSessions;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::node::Node;
use crate::peer::{Caller, Who};
use crate::session;

/// A line is 8 KiB, a piece of input 32 KiB; nothing that a client sends is larger.
const LARGEST_MESSAGE: usize = 64 * 1024;
/// The schemas of a session's programs go out in one message.
const LARGEST_ANSWER: usize = 16 << 20;
/// So many are accepted that nobody has looked at yet.
const MOST_UNSEEN: usize = 64;
/// How long accepting rests when it fails.
const AGAIN: Duration = Duration::from_millis(100);
/// Of one connection. `pact` opens one; more are refused by HTTP/2 itself.
const MOST_STREAMS: u32 = 4;
/// What HTTP/2 holds of a session's output beside the channel: two pieces.
const SEND_BUFFER: usize = 64 * 1024;
/// What a client that does not read can make the agent hold for it, beside the channel.
const WINDOW: u32 = 256 * 1024;

/// A quiet connection is asked so often whether it is there, and has so long to answer.
pub(crate) const PING: Duration = Duration::from_secs(10);
const PONG: Duration = Duration::from_secs(20);

/// The socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The group of the accounts that may connect does not exist.
    #[error("group {0}: there is no such group on this node")]
    NoGroup(String),
    /// Closing it would close something else.
    #[error("{}: other things are in it too, and it is closed to all but the agent's group: give the socket a directory of its own", .0.display())]
    Shared(PathBuf),
    /// Another agent answers on it.
    #[error("{}: another agent is listening there", .0.display())]
    InUse(PathBuf),
    /// The operating system refused.
    #[error("{}: {what}", path.display())]
    Io {
        /// The socket or its directory.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The refusal.
        #[source]
        source: std::io::Error,
    },
}

impl ServeError {
    fn io<'a>(path: &'a Path, what: &'static str) -> impl FnOnce(std::io::Error) -> Self + use<'a> {
        move |source| Self::Io { path: path.to_owned(), what, source }
    }
}

/// Makes the directory and listens; as root.
pub(crate) fn listen(socket: &Path, group: &str) -> Result<StdUnixListener, ServeError> {
    let directory = socket.parent().unwrap_or(Path::new("/"));
    let group = Group::from_name(group)
        .map_err(|e| ServeError::io(directory, "its group cannot be looked up")(e.into()))?
        .ok_or_else(|| ServeError::NoGroup(group.to_owned()))?;
    if directory.exists() {
        is_its_own(directory, socket)?;
    } else {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o750).create(directory);
        made.map_err(ServeError::io(directory, "cannot be made"))?;
    }
    chown(directory, Some(Uid::from_raw(0)), Some(group.gid))
        .map_err(|e| ServeError::io(directory, "cannot be given to its group")(e.into()))?;
    let mode = std::fs::Permissions::from_mode(0o750);
    std::fs::set_permissions(directory, mode).map_err(ServeError::io(directory, "its mode cannot be set"))?;
    remove_dead(socket)?;
    let bound = StdUnixListener::bind(socket).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    let listener = bound.map_err(ServeError::io(socket, "cannot be bound"))?;
    // Who may connect is decided by the directory, and then by the policy.
    let mode = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(socket, mode).map_err(ServeError::io(socket, "its mode cannot be set"))?;
    Ok(listener)
}

/// The directory is closed to others: one that others use is not for that.
fn is_its_own(directory: &Path, socket: &Path) -> Result<(), ServeError> {
    let mut items = std::fs::read_dir(directory).map_err(ServeError::io(directory, "cannot be read"))?;
    let is_other = |item: std::io::Result<std::fs::DirEntry>| item.map_or(true, |item| item.path() != socket);
    if items.any(is_other) { Err(ServeError::Shared(directory.to_owned())) } else { Ok(()) }
}

/// A socket that nobody answers on is what a dead agent left.
fn remove_dead(socket: &Path) -> Result<(), ServeError> {
    if !socket.exists() {
        return Ok(());
    }
    match knock(socket) {
        Err(rustix::io::Errno::CONNREFUSED) => {}
        // One whose queue is full is there, and does not answer now.
        Ok(()) | Err(_) => return Err(ServeError::InUse(socket.to_owned())),
    }
    std::fs::remove_file(socket).map_err(ServeError::io(socket, "what a dead agent left cannot be removed"))
}

/// Connects without waiting.
fn knock(socket: &Path) -> rustix::io::Result<()> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let end = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(end, &SocketAddrUnix::new(socket)?)
}

/// Serves for ever. A caller that cannot be accepted now is accepted later: the queue of the socket holds it. It holds those
/// too who come faster than they are looked at: each that is accepted costs a descriptor.
pub(crate) async fn serve(node: Arc<Node>, listener: UnixListener) -> Infallible {
    let places = Arc::new(Semaphore::new(MOST_UNSEEN));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { continue };
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection(Arc::clone(&node), stream, place))),
            // Out of descriptors, most likely: those that are open end some day.
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

async fn connection(node: Arc<Node>, stream: UnixStream, place: OwnedSemaphorePermit) {
    // Where the kernel does not say who it is, it is nobody.
    let Ok(credentials) = stream.peer_cred() else { return };
    let limits = node.policy.limits();
    let (of_user, on_node) = (2 * limits.sessions_per_user, 2 * limits.sessions_per_node);
    // Room for as many that are being refused as are open. More are closed without a word: who makes so many does
    // not listen. Before the account is looked up: while a directory service does not answer, callers pile up.
    let Ok(_seat) = node.connections.enter(&Who::Account(credentials.uid()), of_user, on_node) else { return };
    drop(place);
    let caller = Caller::of(credentials).await;
    talk(&node, stream, caller, OpenSessions::default(), Some(PING)).await;
}

/// One connection, of whoever is known by it, to its end. One that nothing else watches is asked whether it is there.
pub(crate) async fn talk<S>(node: &Arc<Node>, stream: S, caller: Caller, open: OpenSessions, ping: Option<Duration>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = ShellServer::new(Service { node: Arc::clone(node), caller, open })
        .max_decoding_message_size(LARGEST_MESSAGE)
        .max_encoding_message_size(LARGEST_ANSWER);
    // A connection that breaks ends its sessions; there is nobody left to tell.
    let _broken = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(ping)
        .keep_alive_timeout(PONG)
        .max_concurrent_streams(MOST_STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .await;
}

struct Service {
    node: Arc<Node>,
    caller: Caller,
    open: OpenSessions,
}

#[tonic::async_trait]
impl Shell for Service {
    type SessionStream = ReceiverStream<Result<ServerMessage, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<ClientMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (out, messages) = mpsc::channel(session::PLACES);
        let (node, caller, open) = (Arc::clone(&self.node), self.caller.clone(), self.open.enter());
        tokio::spawn(async move {
            let _open = open;
            session::run(node, caller, request.into_inner(), out).await;
        });
        Ok(Response::new(ReceiverStream::new(messages)))
    }
}
