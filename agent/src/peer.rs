//! Who is on the other end of a unix socket: the kernel says it, nobody else.

use std::time::Duration;

use nix::unistd::{Uid, User};
use pact_policy::Peer;
use pact_proto::model::entry::Credential;
use tokio::net::unix::UCred;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// A directory service that does not answer in this time is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// A process that connected.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Its account.
    pub(crate) peer: Peer,
    /// Its process id at the time.
    pub(crate) pid: u32,
}

impl Caller {
    /// From SO_PEERCRED, and from the database of accounts, which may take its time.
    pub(crate) async fn of(credentials: UCred) -> Self {
        let uid = credentials.uid();
        let user = timeout(PATIENCE, spawn_blocking(move || name(uid))).await.ok().and_then(Result::ok).flatten();
        let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
        Self { peer: Peer { uid, user }, pid }
    }

    /// As it goes on record.
    pub(crate) fn credential(&self) -> Credential {
        Credential::Peer { uid: self.peer.uid, pid: self.pid, user: self.peer.user.clone() }
    }
}

/// A uid without an account, or a database of accounts that cannot be asked, is a uid without a name: no binding
/// matches it.
fn name(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}
