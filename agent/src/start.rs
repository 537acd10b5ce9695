//! From a configuration to an agent that serves, and back to nothing.

use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use pact_files::DiskError;
use pact_policy::authority::Authority;
use pact_policy::{Place, Policy, Whitelist};
use pact_proto::model::entry::Body;
use pact_proto::model::{LineId, Principal};
use pact_proto::wire::v1::Report;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, oneshot, watch};

use crate::config::{Config, ConfigError, Journal};
use crate::doctor::Examined;
use crate::door::{self, Door};
use crate::link::{Launcher, LinkError};
use crate::node::{Node, Seats};
use crate::own::{Account, OwnError};
use crate::recording::{Key, RecordingError, Recordings};
use crate::sandbox::SandboxError;
use crate::sandbox::agent::Keeps;
use crate::sandbox::probe;
use crate::sandbox::sys::Single;
use crate::serve::{self, ServeError};
use crate::spool::{self, AppendError, Draft, Durability, Spool};
use crate::uplink::keys::Keys;
use crate::uplink::{Greeting, Uplink};
use crate::{condition, injected, launcher, sandbox, source, uplink};
use pact_session::{Pace, Rate};

/// Why an agent does not serve.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Configuration, policy or whitelist.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// The launcher could not be started.
    #[error("launcher: {0}")]
    Launcher(#[from] launcher::LauncherError),
    /// This process could not be kept from starting others.
    #[error("sandbox: {0}")]
    Sandbox(#[from] SandboxError),
    /// The records cannot be used.
    #[error("spool: {0}")]
    Spool(#[from] DiskError),
    /// The first record could not be written.
    #[error("spool: {0}")]
    Append(#[from] AppendError),
    /// The launcher does not answer.
    #[error("launcher: {0}")]
    Link(#[from] LinkError),
    /// The socket.
    #[error("socket: {0}")]
    Serve(#[from] ServeError),
    /// The address for other machines.
    #[error("listen: {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The account, or what must be its own.
    #[error("{0}")]
    Own(#[from] OwnError),
    /// Recordings cannot be kept.
    #[error("recordings: {0}")]
    Recordings(#[from] RecordingError),
    /// The runtime.
    #[error("runtime: {0}")]
    Io(#[from] std::io::Error),
}

/// What only root can give: taken before this process is the agent's account, and nothing of it is asked for later.
struct Given {
    /// The local door.
    socket: StdUnixListener,
    /// The door to other machines.
    door: Option<StdTcpListener>,
    keys: Option<Keys>,
    recordings_key: Option<Key>,
    durability: Durability,
}

impl Given {
    /// After the fork: the launcher, and so every session, comes from a process that never had the keys.
    fn take(config: &Config, account: Account) -> Result<Self, AgentError> {
        let keys = config.journal.as_ref().map(Keys::load).transpose()?;
        let recordings_key = config.recordings_key.as_deref().map(source::recordings_key).transpose()?;
        let socket = serve::listen(&config.socket, &config.socket_group)?;
        let address = config.journal.as_ref().and_then(|journal| journal.listen);
        let listen = |address| door::listen(address).map_err(|source| AgentError::Listen { address, source });
        let door = address.map(listen).transpose()?;
        for directory in [&config.spool, &config.recordings] {
            account.give(directory)?;
        }
        let durability = spool::durability(&config.spool)?;
        Ok(Self { socket, door, keys, recordings_key, durability })
    }
}

/// Runs an agent until SIGTERM, SIGINT, or a failure of its spool or launcher.
pub fn run(config: &Path) -> Result<(), AgentError> {
    let config_path = config;
    let config = Config::load(config_path)?;
    let policy = source::policy(&config.policy)?;
    let whitelist = source::whitelist(&config.programs)?;
    let hidden = hidden(&config, config_path);
    let examined = Examined::of(&config, config_path);
    let channel = launcher::start(launcher::Settings::new(&config, &whitelist, policy.limits(), hidden, examined)?)?;
    let account = Account::find(&config.user, &config.sessions.uids)?;
    let given = Given::take(&config, account)?;
    let ports = config.journal.iter().map(|journal| journal.endpoint.port()).collect();
    let keeps = Keeps { account, directories: &[&config.spool, &config.recordings], ports };
    sandbox::agent::confine(&keeps, Single::process()?)?;
    let holes = probe::of_agent();
    serve_as_account(config, (policy, whitelist), channel, given, holes)
}

/// The rest of an agent's life: it has no more power than its account.
fn serve_as_account(
    config: Config,
    (policy, whitelist): (Policy, Whitelist),
    channel: OwnedFd,
    given: Given,
    holes: Vec<String>,
) -> Result<(), AgentError> {
    let (key, rules) = (given.recordings_key, policy.recording().clone());
    let recordings = Recordings::open(config.node.clone(), config.recordings.clone(), key, rules)?;
    let (fail, failed) = oneshot::channel();
    let settings = spool::Settings {
        directory: config.spool.clone(),
        node: config.node.clone(),
        reserve_bytes: config.spool_reserve_bytes,
        durability: given.durability,
    };
    let spool = Spool::open(&settings, move |error| drop(fail.send(error)))?;
    let place = Place { node: config.node, vcluster: config.vcluster };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let launcher = Launcher::new(channel)?;
        let mut sandbox = launcher.self_test().await?;
        sandbox.failures.extend(holes);
        injected::ask(&launcher, &config.spool).await;
        let listener = UnixListener::from_std(given.socket)?;
        let Outside { authority, door, uplink, task, reports } =
            Outside::open(config.journal.zip(given.keys), given.door, &place, &spool)?;
        let node = Node {
            place,
            authority,
            policy,
            schemas: whitelist.programs().map(|p| (p.name().to_string(), p.schema().to_json())).collect(),
            whitelist,
            spool,
            uplink,
            launcher,
            sandbox,
            since: Instant::now(),
            sessions: Seats::default(),
            connections: Seats::default(),
            visitors: Seats::default(),
            examining: Arc::new(Semaphore::new(1)),
            pace: Pace::default(),
            rate: Rate::default(),
            completions: Rate::default(),
            recordings: recordings.clone(),
        };
        let node = Arc::new(node);
        tokio::spawn(recordings.forget());
        let outside = outside(Arc::clone(&node), door, task, reports);
        Box::pin(live(node, outside, listener, failed)).await
    });
    // A thread that waits for a name server, or for a dead disk, is not waited for.
    runtime.shutdown_background();
    ended
}

async fn live(
    node: Arc<Node>,
    outside: impl Future<Output = DiskError>,
    listener: UnixListener,
    failed: oneshot::Receiver<DiskError>,
) -> Result<(), AgentError> {
    node.spool.append(started(&node)).await?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        never = serve::serve(Arc::clone(&node), listener) => match never {},
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        Ok(error) = failed => Err(error.into()),
        error = outside => Err(error.into()),
        // Every host sees it too, and ends its session.
        error = node.launcher.died() => Err(error.into()),
    }
}

/// What a node has to do with other machines. Without a journal it is nothing.
#[derive(Default)]
struct Outside {
    authority: Option<Authority>,
    door: Option<Door>,
    uplink: Option<Uplink>,
    task: Option<uplink::Task>,
    reports: watch::Sender<Report>,
}

impl Outside {
    /// Within a runtime.
    fn open(
        with: Option<(Journal, Keys)>,
        door: Option<StdTcpListener>,
        place: &Place,
        spool: &Spool,
    ) -> Result<Self, AgentError> {
        let Some((journal, keys)) = with else { return Ok(Self::default()) };
        let door = door.map(|listener| Door::open(listener, keys.door())).transpose()?;
        let told = match (&journal.advertise, &door) {
            (Some(advertised), Some(_)) => advertised.to_string(),
            (None, Some(door)) => door.address()?.to_string(),
            (_, None) => String::new(),
        };
        let (reports, report) = watch::channel(Report::default());
        let (authority, place) = (keys.authority(), place.clone());
        let greeting = Greeting { place, address: told, report };
        let (uplink, task) = uplink::new(journal.endpoint, keys, greeting, spool.clone());
        Ok(Self { authority: Some(authority), door, uplink: Some(uplink), task: Some(task), reports })
    }
}

/// Sends records on, takes sessions, and tells how the node is. Ends only where this node's own records cannot be read.
async fn outside(
    node: Arc<Node>,
    door: Option<Door>,
    task: Option<uplink::Task>,
    reports: watch::Sender<Report>,
) -> DiskError {
    let sending = async {
        match task {
            Some(task) => task.run().await,
            None => std::future::pending().await,
        }
    };
    let serving = async {
        match door {
            Some(door) => door.serve(Arc::clone(&node)).await,
            None => std::future::pending().await,
        }
    };
    let telling = async {
        match node.uplink {
            Some(_) => condition::tell(&node, &reports).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        error = sending => error,
        never = serving => match never {},
        never = telling => match never {},
    }
}

fn started(node: &Node) -> Draft {
    Draft {
        event_time: Timestamp::now(),
        author: Principal::unbound(Some("root"), 0, &node.place.node),
        session: None,
        line: LineId::NONE,
        policy_version: node.policy.version().to_owned(),
        request_hash: None,
        credential: None,
        body: Body::AgentStarted { version: env!("CARGO_PKG_VERSION").to_owned(), layers: node.sandbox.layers.clone() },
    }
}

/// What no session sees: configuration, policy, whitelist, records, the socket, and what the site adds.
fn hidden(config: &Config, config_path: &Path) -> Vec<PathBuf> {
    let own = [config_path, &config.policy, &config.programs, &config.spool, &config.recordings, &config.socket];
    let usual = ["/etc/pact", "/var/lib/pact"].map(Path::new);
    let keys = config.journal.iter().map(|journal| journal.key.as_path());
    let keys = keys.chain(config.recordings_key.as_deref());
    own.into_iter().chain(usual).chain(keys).map(Path::to_owned).chain(config.sessions.hidden.iter().cloned()).collect()
}
