//! From a configuration to a member that serves, and back to nothing.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pact_session::Unfinished;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::access::{self, Access};
use crate::config::{Config, ConfigError};
use crate::consensus::{RaftSettings, Unavailable};
use crate::error::JournalError;
use crate::group::AppendError;
use crate::journal::Journal;
use crate::own::{Own, Unrecorded};
use crate::pace::Pace;
use crate::registry::Registry;
use crate::revoked::Revoked;
use crate::serve::{Door, Rooms};
use crate::session::{Sessions, unfinished};
use crate::storage::Failed;
use crate::tls::{self, Member, TlsError};
use crate::uplink::Uplinks;
use crate::voice::Voice;

/// How long streams have to hear that the member is closing.
const GOODBYE: Duration = Duration::from_secs(5);

/// Why a member does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The configuration.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// Certificates and key.
    #[error("certificates: {0}")]
    Tls(#[from] TlsError),
    /// The address.
    #[error("listen: {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The files.
    #[error("journal: {0}")]
    Journal(#[from] Failed),
    /// What the member says itself.
    #[error("journal: it cannot write that it began: {0}")]
    Unrecorded(String),
    /// The runtime.
    #[error("runtime: {0}")]
    Io(#[from] std::io::Error),
}

/// Runs a member until SIGTERM, SIGINT, or a failure of its files. `say` gets a line at a time, for whoever runs it.
pub fn run(config: &Path, say: fn(&str)) -> Result<(), ServiceError> {
    let path = config;
    let config = Config::load(path)?;
    let Member { acceptor, signer, authority } = tls::member(&config)?;
    let issuers = config.issuers(path)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before anybody can know that there is something to end.
        let mut ended = Ended::watch()?;
        // Before the files are opened, because a second member on the same address should not touch them.
        let listen = |source| ServiceError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let journal = Arc::new(Journal::open(&config.settings(), RaftSettings::default()).await?);
        let (close, closing) = watch::channel(false);
        let voice = Arc::new(Voice::new(say));
        let revoked = Revoked::start(&journal).map_err(|error| journal.stop(error))?;
        let registry = Registry::default();
        let known = (registry.clone(), revoked.clone());
        let uplinks = Uplinks::new(Arc::clone(&journal), known, authority.clone(), Arc::clone(&voice), closing.clone());
        if config.development.is_some() {
            say("a development key is configured: whoever has it is anybody; a site that works has none");
        }
        let own = Own::new(Arc::clone(&journal));
        let unfinished = tokio::select! {
            biased;
            unfinished = unfinished::look(&journal) => unfinished.map_err(|error| journal.stop(error))?,
            // There is so much to look at that nobody should have to wait for it.
            () = ended.asked() => return Ok(()),
        };
        begin(unfinished, &journal, &own).await?;
        let (pace, speaks) = (Pace::new(access::PLACES_A_SECOND), Arc::clone(&voice));
        let access = Access { issuers, signer, registry, revoked, own, voice: speaks, pace };
        let access = Arc::new(access);
        let named = (config.cluster.clone(), config.version.clone());
        let sessions = Sessions::new(Arc::clone(&journal), Arc::clone(&access), authority, named, closing.clone());
        let rooms = Rooms { uplinks: Arc::new(uplinks), access, sessions: Arc::new(sessions) };
        let address = listener.local_addr()?;
        let (member, last) = (config.member, journal.reader().tip().seq.0);
        let door = Arc::new(Door::new(acceptor, rooms, voice, closing));
        say(&format!("member {member} of {:?} listens on {address}; its last record is {last}", config.cluster));
        live(&journal, door, listener, close, ended).await?;
        // Whoever still has it is a stream that did not hear; what was acknowledged is on disk.
        if let Some(journal) = Arc::into_inner(journal) {
            journal.close().await;
        }
        Ok(())
    })
}

/// Ends what the member died over, and puts on record that it begins.
async fn begin(unfinished: Unfinished, journal: &Journal, own: &Own) -> Result<(), ServiceError> {
    match unfinished::end(unfinished, own).await {
        Ok(()) => Ok(()),
        // What went wrong storage knows better.
        Err(Unrecorded::Append(AppendError::Unavailable(Unavailable::Stopped))) => {
            Err(journal.stop(JournalError::Stopped).into())
        }
        Err(why @ (Unrecorded::Append(_) | Unrecorded::Late)) => Err(ServiceError::Unrecorded(why.to_string())),
    }
}

async fn live(
    journal: &Journal,
    door: Arc<Door>,
    listener: TcpListener,
    close: watch::Sender<bool>,
    mut ended: Ended,
) -> Result<(), ServiceError> {
    let mut serving = std::pin::pin!(door.serve(listener));
    tokio::select! {
        () = serving.as_mut() => {}
        failed = journal.failed() => return Err(failed.into()),
        () = ended.asked() => {}
    }
    close.send_replace(true);
    // Whoever does not listen now is told by the end of the connection.
    let _late = timeout(GOODBYE, serving).await;
    Ok(())
}

/// Whether somebody wants the member to end.
struct Ended {
    terminate: Signal,
    interrupt: Signal,
}

impl Ended {
    fn watch() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
