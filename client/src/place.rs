//! Where the other end of a session is, in words.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The agent of this node, by its socket.
    Socket(PathBuf),
    /// The agent of another node.
    Node {
        /// Which.
        name: String,
        /// Where the journal says that it is.
        address: String,
    },
    /// The journal.
    Journal {
        /// As it was configured.
        endpoint: String,
        /// What was tried of it.
        address: Option<SocketAddr>,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "agent: {}", path.display()),
            Self::Node { name, address } => write!(f, "{name}: its agent at {address}"),
            Self::Journal { endpoint, address: None } => write!(f, "journal: {endpoint}"),
            Self::Journal { endpoint, address: Some(address) } => write!(f, "journal: {endpoint} ({address})"),
        }
    }
}
