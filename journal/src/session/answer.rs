//! What the journal writes to each command.
//!
//! **Invariant:** it is made as it is read, a piece at a time, and whoever reads slowly waits alone; Ctrl-C, a revoked
//! or ended ticket, and the member's end are heard while it is made.

use std::sync::Arc;

use pact_policy::Sight;
use pact_proto::command::{
    Command, HelpArguments, LogArguments, PolicyArguments, PolicyQuestion, RevokeArguments, Show as ShowOne,
    StatusArguments, WatchArguments, is_of,
};
use pact_proto::exit::ExitCode;
use pact_proto::model::entry::{Body, End, OutputKept};
use pact_proto::model::{Entry, LineId, VCluster};
use pact_proto::view::{self, ClusterStatus, FleetLink, FleetNode};
use pact_proto::wire::v1;
use pact_proto::wire::v1::SignalKind;
use pact_proto::wire::v1::client_message::Kind;
use pact_proto::wire::v1::server_message::Kind as Reply;
use pact_session::Outbound;

use super::inbound::Inbound;
use super::line::Ended;
use super::search::{Search, Show};
use super::{Asker, Over, Session, until};
use crate::chain::Seq;
use crate::entry::Index;
use crate::error::JournalError;
use crate::registry::{Known, Link};
use crate::storage::Reader;
use crate::uplink::line_key;

/// One piece of an answer, one message.
const PIECE: usize = 32 * 1024;
/// What a line ends with that was ended by Ctrl-C.
const INTERRUPTED: u8 = 130;
/// While nothing is shown, how often a watcher is told how far it has come.
const UNSHOWN: u64 = 256;

/// Why an answer is not whole.
enum Cut {
    /// Whoever asked does not want it any more.
    Interrupted,
    /// The session is over.
    Over(Over),
    /// It cannot be read.
    Damaged(JournalError),
    /// It cannot be answered, and why.
    Failed(ExitCode, String),
}

impl From<Over> for Cut {
    fn from(over: Over) -> Self {
        Self::Over(over)
    }
}

/// What is written, and how much.
struct Writer {
    out: Outbound,
    bytes: u64,
}

impl Writer {
    async fn text(&mut self, text: &str) -> Result<(), Over> {
        for piece in text.as_bytes().chunks(PIECE) {
            self.piece(piece.to_vec(), Seq(0)).await?;
        }
        Ok(())
    }

    async fn piece(&mut self, data: Vec<u8>, reached: Seq) -> Result<(), Over> {
        self.bytes += data.len() as u64;
        Ok(self.out.send(Reply::Stdout(v1::Stdout { data, reached: reached.0 })).await?)
    }
}

impl Session<'_> {
    /// Writes it, while it hears what the client says.
    pub(super) async fn answer(&self, id: LineId, command: &Command, inbound: &mut Inbound) -> Ended {
        let mut writer = Writer { out: self.out.clone(), bytes: 0 };
        let asked = tokio::select! {
            cut = hear(inbound, &self.asker) => Err(cut),
            answered = self.write(id, command, &mut writer) => answered,
        };
        self.ended(asked, writer.bytes)
    }

    fn ended(&self, asked: Result<ExitCode, Cut>, bytes: u64) -> Ended {
        let (end, code, failure, over) = match asked {
            Ok(code) => (End::Finished, code.number(), String::new(), None),
            Err(Cut::Interrupted) => (End::Interrupted("the caller".to_owned()), INTERRUPTED, String::new(), None),
            Err(Cut::Over(over)) => {
                (End::Interrupted(over.reason().to_owned()), ExitCode::General.number(), String::new(), Some(over))
            }
            Err(Cut::Failed(code, why)) => (End::Failed(why.clone()), code.number(), why, None),
            Err(Cut::Damaged(error)) => {
                let why = format!("journal: {error}");
                // What cannot be read is not what was written, and others rely on it.
                let _first = self.rooms.journal.stop(error);
                (End::Failed(why.clone()), ExitCode::General.number(), why, None)
            }
        };
        Ended { end, code, failure, bytes, over }
    }
}

impl Session<'_> {
    async fn write(&self, id: LineId, command: &Command, writer: &mut Writer) -> Result<ExitCode, Cut> {
        let (style, format) = (self.style, self.format);
        let text = match command {
            Command::Log(LogArguments { show: Some(ShowOne::Show { number }), .. }) => self.record_of(*number).await?,
            Command::Log(LogArguments { show: Some(ShowOne::Play { number }), .. }) => {
                let why = format!("log: recordings are on their nodes: type `pact exec NODE -- log play {number}`");
                return Err(failed(&why));
            }
            Command::Log(arguments) => return self.log(arguments, writer).await,
            Command::Watch(arguments) => return self.watch(arguments, writer).await,
            Command::Revoke(arguments) => self.revoke(id, arguments).await?,
            Command::Status(StatusArguments { vcluster, .. }) => {
                let nodes = self.fleet(vcluster.as_ref())?;
                format.whole(|| view::fleet(&nodes, style), || view::fleet_value(&nodes))
            }
            Command::Cluster => {
                let status = self.cluster();
                format.whole(|| view::cluster(&status), || view::cluster_value(&status))
            }
            Command::Health => {
                let (status, nodes) = (self.cluster(), self.seen(None));
                let text = format.whole(|| view::health(&status, &nodes), || view::health_value(&status, &nodes));
                writer.text(&text).await?;
                let is_well = view::findings(&status, &nodes).is_empty();
                return Ok(if is_well { ExitCode::Success } else { ExitCode::General });
            }
            Command::Policy(PolicyArguments { asked: PolicyQuestion::Matrix }) => pact_policy::matrix(),
            Command::Whoami => self.whoami(),
            Command::Help(arguments) => self.help(arguments)?,
            // Nothing to leave: the client does.
            Command::Exit => String::new(),
            // Refused before.
            Command::Policy(PolicyArguments {
                asked: PolicyQuestion::Explain { .. } | PolicyQuestion::Suggestions,
            })
            | Command::Cap(_)
            | Command::Doctor(_)
            | Command::Completions(_)
            | Command::Exec(_)
            | Command::Shell(_) => {
                return Err(failed("the journal starts no program"));
            }
        };
        writer.text(&text).await?;
        Ok(ExitCode::Success)
    }

    fn show(&self) -> Show {
        let registry = self.rooms.access.registry.clone();
        Show { sight: self.sight(), registry, style: self.style, format: self.format }
    }

    async fn log(&self, arguments: &LogArguments, writer: &mut Writer) -> Result<ExitCode, Cut> {
        let mut search = Search::new(self.show(), arguments.clone());
        loop {
            let reader = self.rooms.journal.reader();
            let step = tokio::task::spawn_blocking(move || {
                let found = search.step(&reader);
                (search, found)
            });
            let (next, found) = step.await.map_err(|_| Cut::Over(Over::Closing))?;
            search = next;
            let (piece, more) = found.map_err(Cut::Damaged)?;
            if !piece.is_empty() {
                writer.piece(piece, Seq(0)).await?;
            }
            if !more {
                return Ok(ExitCode::Success);
            }
        }
    }

    /// One entry, with what its line wrote.
    async fn record_of(&self, number: u64) -> Result<String, Cut> {
        let (show, reader) = (self.show(), self.rooms.journal.reader());
        let found = tokio::task::spawn_blocking(move || one(&show, &reader, Seq(number)));
        let found = found.await.map_err(|_| Cut::Over(Over::Closing))?.map_err(Cut::Damaged)?;
        // What one may not see is not there.
        let found = found.ok_or_else(|| failed(&format!("log: there is no entry {number} that you may see")))?;
        let (entry, pieces) = found;
        let text = || view::record(number, &entry, &pieces, self.style);
        Ok(self.format.whole(text, || view::record_value(number, &entry, &pieces)))
    }

    /// Until it is cut.
    async fn watch(&self, arguments: &WatchArguments, writer: &mut Writer) -> Result<ExitCode, Cut> {
        if let Some(vcluster) = &arguments.vcluster {
            self.may_see(vcluster)?;
        }
        let reader = self.rooms.journal.reader();
        let tip = reader.tip().seq;
        let since = Seq(arguments.since.unwrap_or(tip.0));
        if since > tip {
            return Err(failed(&format!("watch: there is no entry {} yet; the last one is {}", since.0, tip.0)));
        }
        let (mut told, mut follow) = (since, reader.follow(Seq(since.0 + 1)));
        writer.piece(Vec::new(), told).await?;
        while let Some(committed) = follow.next().await {
            let committed = committed.map_err(Cut::Damaged)?;
            // Each time anew: a ticket that was renewed meanwhile may show less.
            let show = self.show();
            let wanted = |entry: &Entry| {
                is_of(None, entry.body.kind())
                    && arguments.vcluster.as_ref().is_none_or(|vcluster| show.is_of(entry, vcluster))
            };
            let text = show.line(&committed, wanted);
            if text.is_some() || committed.seq.0 >= told.0 + UNSHOWN {
                writer.piece(text.unwrap_or_default().into_bytes(), committed.seq).await?;
                told = committed.seq;
            }
        }
        Err(Cut::Over(Over::Closing))
    }

    /// The line is on record already; from here on nothing that was issued to them is taken, also where the entry that
    /// says so for good is late.
    async fn revoke(&self, id: LineId, arguments: &RevokeArguments) -> Result<String, Cut> {
        let RevokeArguments { principal, message } = arguments;
        let before = self.rooms.access.revoked.begin(principal);
        let body = Body::Revoked { principal: principal.clone(), before };
        if let Some(draft) = self.draft(id, None, message, body) {
            // Whoever revokes what is their own ends this session, and not the entry.
            let own = self.rooms.access.own.clone();
            let recorded = tokio::spawn(async move { own.record(draft).await });
            recorded.await.map_err(|_| Over::Closing)?.map_err(|_| Over::Unrecorded)?;
        }
        Ok(self.format.whole(|| view::revoked(principal, &before), || view::revoked_value(principal, &before)))
    }

    fn may_see(&self, vcluster: &VCluster) -> Result<(), Cut> {
        if self.sight().shows_vcluster(vcluster) {
            return Ok(());
        }
        Err(Cut::Failed(ExitCode::Auth, format!("{vcluster}: no role of yours is about this vCluster")))
    }

    fn fleet(&self, vcluster: Option<&VCluster>) -> Result<Vec<FleetNode>, Cut> {
        if let Some(vcluster) = vcluster {
            self.may_see(vcluster)?;
        }
        let nodes = self.seen(vcluster);
        match (vcluster, nodes.is_empty()) {
            (Some(vcluster), true) => {
                let why =
                    format!("{vcluster}: no node of this vCluster has connected since the journal's member started");
                Err(failed(&why))
            }
            (Some(_) | None, _) => Ok(nodes),
        }
    }

    /// Nodes that one may see, all or those of a vCluster.
    fn seen(&self, vcluster: Option<&VCluster>) -> Vec<FleetNode> {
        let sight = self.sight();
        let nodes = self.rooms.access.registry.of(vcluster).into_iter();
        let seen = nodes.filter(|(_, known)| match &known.vcluster {
            Some(vcluster) => sight.shows_vcluster(vcluster),
            None => sight == Sight::all(),
        });
        seen.map(|(name, known)| row(name.to_string(), known)).collect()
    }

    fn cluster(&self) -> ClusterStatus {
        let (journal, nodes) = (&self.rooms.journal, self.rooms.access.registry.of(None));
        let members = journal.members();
        ClusterStatus {
            cluster: self.rooms.cluster.clone(),
            members: members.all.iter().map(|member| member.0).collect(),
            me: members.me.0,
            leader: members.leader.map(|member| member.0),
            last: journal.reader().tip().seq.0,
            connected: nodes.iter().filter(|(_, known)| matches!(known.link, Link::There(_))).count(),
            known: nodes.len(),
        }
    }

    fn whoami(&self) -> String {
        let Asker::Person(held) = &self.asker else { return String::new() };
        let principal = held.principal().to_string();
        let verified = format!("ticket of the journal, until {}", held.expires().strftime("%H:%M:%SZ"));
        let roles: Vec<_> = held.identity().roles().iter().map(ToString::to_string).collect();
        let text = || view::whoami(&principal, &verified, &roles);
        self.format.whole(text, || view::whoami_value(&principal, &verified, &roles))
    }

    fn help(&self, arguments: &HelpArguments) -> Result<String, Cut> {
        let commands = match &self.asker {
            Asker::Person(held) => held.identity().commands_at_journal(),
            Asker::Node(_) => Vec::new(),
        };
        view::help(arguments, &commands, &[], self.style).map_err(|why| failed(&why))
    }
}

/// An entry that may be seen, and the pieces of its line: of the same author about the same, so that nobody hangs theirs
/// on another's line.
fn one(show: &Show, reader: &Reader, seq: Seq) -> Result<Option<(Entry, Vec<OutputKept>)>, JournalError> {
    let Some(entry) = reader.get(seq)?.and_then(|committed| show.read(&committed)) else { return Ok(None) };
    let mut pieces = Vec::new();
    if let (Some(session), LineId(1..)) = (entry.session, entry.line) {
        for committed in reader.by(Index::LINE, &line_key(session, entry.line)) {
            let Some(other) = show.read(&committed?) else { continue };
            let is_of_the_line = other.author == entry.author && other.scope == entry.scope;
            if let (true, Body::Output(piece)) = (is_of_the_line, other.body) {
                pieces.push(piece);
            }
        }
    }
    Ok(Some((entry, pieces)))
}

fn failed(why: &str) -> Cut {
    Cut::Failed(ExitCode::General, why.to_owned())
}

fn row(node: String, known: Known) -> FleetNode {
    let link = match (known.link, known.report) {
        (Link::Gone(since), _) => FleetLink::Away(since),
        (Link::There(_), report) => {
            let report = report.unwrap_or_default();
            let (state, sessions, unsent) = (report.state, report.sessions, report.unsent);
            FleetLink::There { state, sessions, unsent, degraded: report.degraded }
        }
    };
    FleetNode { node, vcluster: known.vcluster.map(|name| name.to_string()).unwrap_or_default(), link }
}

/// Hears what the client says until something of that ends the line.
async fn hear(inbound: &mut Inbound, asker: &Asker) -> Cut {
    loop {
        let message = tokio::select! {
            message = inbound.next() => message,
            ended = ended(asker) => return ended,
        };
        match message {
            Err(over) => return Cut::Over(over),
            Ok(Kind::Signal(signal)) => match signal.kind() {
                SignalKind::Interrupt | SignalKind::Quit | SignalKind::Kill => return Cut::Interrupted,
                SignalKind::Unspecified => return Cut::Over(Over::Protocol("an unknown kind of signal")),
            },
            Ok(Kind::Close(_)) => return Cut::Over(Over::Left),
            Ok(Kind::Line(_)) => return Cut::Over(Over::Protocol("one line at a time")),
            Ok(Kind::Open(_)) => return Cut::Over(Over::Protocol("a session is opened once")),
            // No command of the journal reads its input, and what is on its way is as wide as it began.
            Ok(Kind::Stdin(_) | Kind::StdinEnd(_) | Kind::Resize(_) | Kind::Complete(_) | Kind::Renew(_)) => {}
        }
    }
}

/// When the ticket that is held has ended, and no other has replaced it.
async fn ended(asker: &Asker) -> Cut {
    let held = match asker {
        Asker::Person(held) => Arc::clone(held),
        Asker::Node(_) => return std::future::pending().await,
    };
    loop {
        if let Err(ended) = held.lasts() {
            return Cut::Failed(ExitCode::Auth, format!("access: the ticket has ended: {ended}"));
        }
        tokio::time::sleep(until(held.expires())).await;
    }
}
