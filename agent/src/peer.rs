//! Who is on the other end of a connection: of the unix socket the kernel says it, of the TLS door the key.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Uid, User};
use pact_policy::Peer;
use pact_policy::certificate::KeyThumbprint;
use pact_proto::model::Principal;
use tokio::net::unix::UCred;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// A directory service that does not answer in this time is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// A process of this node.
    Account {
        /// Its account.
        peer: Peer,
        /// Its process id at the time.
        pid: u32,
    },
    /// Somebody on another machine, with this key. Who it is, a ticket says.
    Remote {
        /// The key that the connection was made with.
        key: KeyThumbprint,
        /// From where.
        from: SocketAddr,
        /// Told when a session of it is admitted.
        admitted: Arc<Notify>,
    },
}

/// Whose places and mistakes are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// An account of this node, by its uid.
    Account(u32),
    /// A key, before it is known whose.
    Key(KeyThumbprint),
    /// A person from another machine.
    Person(Principal),
    /// Everybody from other machines who is nobody: anybody makes as many keys as they like.
    Strangers,
}

impl Caller {
    /// From SO_PEERCRED, and from the database of accounts, which may take its time.
    pub(crate) async fn of(credentials: UCred) -> Self {
        let uid = credentials.uid();
        let user = timeout(PATIENCE, spawn_blocking(move || name(uid))).await.ok().and_then(Result::ok).flatten();
        let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
        Self::Account { peer: Peer { uid, user }, pid }
    }

    /// Whose mistakes these are, while nobody is known by a ticket.
    pub(crate) fn unknown(&self) -> Who {
        match self {
            Self::Account { peer, .. } => Who::Account(peer.uid),
            Self::Remote { .. } => Who::Strangers,
        }
    }
}

/// A uid without an account, or a database of accounts that cannot be asked, is a uid without a name: no binding
/// matches it.
fn name(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}
