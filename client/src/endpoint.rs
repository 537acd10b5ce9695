//! Where an agent listens, and the check that it is the agent who listens there.
//!
//! **Invariant:** not one byte is sent before the kernel has said that the other end is root.
//! **Why:** `pact` connects with this before it gives up sockets, and hands the stream to the protocol afterwards.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tonic::transport::Channel;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use crate::session::channel;
use crate::{ClientError, Place};

/// A local agent accepts at once, or its queue is full; then waiting longer helps nobody.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// Who the agent runs as.
const AGENT_UID: u32 = 0;

/// A unix socket that an agent listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    path: PathBuf,
}

/// A stream whose other end is the agent.
#[derive(Debug)]
pub struct Connected {
    stream: UnixStream,
    place: Place,
}

impl Endpoint {
    /// The socket at `path`.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn place(&self) -> Place {
        Place::Socket(self.path.clone())
    }

    /// There certainly is no socket. What cannot be seen may be there.
    pub fn is_absent(&self) -> bool {
        matches!(std::fs::symlink_metadata(&self.path), Err(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// Connects, and looks who is there.
    pub fn connect(&self) -> Result<Connected, ClientError> {
        self.connect_to(AGENT_UID)
    }

    pub(crate) fn connect_to(&self, uid: u32) -> Result<Connected, ClientError> {
        let unreachable = |source| ClientError::Unreachable { place: self.place(), source };
        let stream = open(&self.path).map_err(unreachable)?;
        let peer = sockopt::socket_peercred(&stream).map_err(|error| unreachable(error.into()))?;
        if peer.uid.as_raw() != uid {
            return Err(ClientError::NotTheAgent { path: self.path.clone(), uid: peer.uid.as_raw() });
        }
        stream.set_nonblocking(true).map_err(unreachable)?;
        Ok(Connected { stream, place: self.place() })
    }
}

impl Connected {
    pub(crate) fn place(&self) -> Place {
        self.place.clone()
    }

    pub(crate) async fn channel(self) -> Result<Channel, ClientError> {
        let unreachable = |source| ClientError::Unreachable { place: self.place.clone(), source };
        let stream = tokio::net::UnixStream::from_std(self.stream).map_err(unreachable)?;
        channel(stream, &self.place).await
    }
}

/// The standard library's connect waits for ever where the agent's queue is full.
fn open(path: &Path) -> io::Result<UnixStream> {
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(CONNECT_PATIENCE))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, None)?;
    Ok(UnixStream::from(socket))
}
