//! pact's own commands, answered on the node: what each writes.
//!
//! **Invariant:** an answer is bytes and a status; nothing here starts a program or changes the node.

use std::time::Duration;

use jiff::Timestamp;
use pact_proto::command::{Command, HelpArguments, LogArguments, Since};
use pact_proto::exit::ExitCode;
use pact_proto::model::Entry;
use pact_proto::model::entry::Credential;
use pact_proto::view::{self, NodeStatus, Style};

use super::Session;
use crate::spool::{Durability, Spool};

/// What a command writes and ends with.
pub(super) struct Answer {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) code: ExitCode,
}

impl Answer {
    fn text(text: String) -> Self {
        Self { stdout: text.into_bytes(), stderr: Vec::new(), code: ExitCode::Success }
    }

    fn failed(code: ExitCode, message: &str) -> Self {
        Self { stdout: Vec::new(), stderr: format!("pact: {message}\n").into_bytes(), code }
    }
}

impl Session<'_> {
    pub(super) async fn answer(&self, command: &Command) -> Answer {
        match command {
            Command::Log(arguments) => self.log(arguments.clone()).await,
            Command::Status(_) => Answer::text(view::status(&self.status(), self.style)),
            Command::Whoami => self.whoami(),
            Command::Help(arguments) => self.help(arguments),
            // A prompt leaves by itself; anywhere else there is nothing to leave.
            Command::Exit => Answer::text(String::new()),
        }
    }

    /// A long search is a thread's, so that nobody else's line waits for it.
    async fn log(&self, arguments: LogArguments) -> Answer {
        let (spool, style) = (self.node.spool.clone(), self.style);
        let answered = tokio::task::spawn_blocking(move || log(&spool, &arguments, style)).await;
        answered.unwrap_or_else(|_| Answer::failed(ExitCode::General, "log: the search failed"))
    }

    fn status(&self) -> NodeStatus {
        let node = self.node;
        let mut degraded = vec!["no journal: records are kept on this node only".to_owned()];
        if let Durability::Volatile(kind) = node.spool.durability() {
            degraded.push(format!("records are on {kind} and do not outlive a restart of the node"));
        }
        if !node.spool.has_room() {
            degraded.push("the disk of the records is full: no program starts".to_owned());
        }
        NodeStatus {
            node: node.place.node.to_string(),
            vcluster: node.place.vcluster.to_string(),
            state: "OBSERVE_ONLY",
            services_running: 0,
            policy_version: node.policy.version().to_owned(),
            programs: node.whitelist.names().count(),
            sessions: node.sessions.count(),
            layers: node.sandbox.layers.clone(),
            failures: node.sandbox.failures.clone(),
            last_record: node.spool.last().0,
            unwritten: node.spool.unwritten(),
            degraded,
            up: Duration::from_secs(node.since.elapsed().as_secs()),
        }
    }

    fn whoami(&self) -> Answer {
        let verified = match &self.credential {
            Credential::Peer { uid, user: Some(user), .. } => format!("account {user} (uid {uid}) of this node"),
            Credential::Peer { uid, user: None, .. } => format!("uid {uid} of this node"),
            Credential::Ticket(_) => "ticket of the journal".to_owned(),
        };
        let roles: Vec<_> = self.identity.roles().iter().map(ToString::to_string).collect();
        let principal = self.identity.author(&self.node.place.node);
        Answer::text(view::whoami(principal.as_str(), &verified, &roles))
    }

    fn help(&self, arguments: &HelpArguments) -> Answer {
        let node = self.node;
        let visible = node.policy.visible(&self.identity, &node.place, &node.whitelist);
        let programs: Vec<_> = visible.programs.iter().map(|program| program.schema()).collect();
        match view::help(arguments, &visible.commands, &programs, self.style) {
            Ok(text) => Answer::text(text),
            Err(message) => Answer::failed(ExitCode::General, &message),
        }
    }
}

/// Newest first; only this node's spool is asked.
fn log(spool: &Spool, arguments: &LogArguments, style: Style) -> Answer {
    let oldest = arguments.since.as_ref().map(|since| match since {
        Since::At(time) => *time,
        Since::Ago(ago) => Timestamp::now().checked_sub(*ago).unwrap_or(Timestamp::MIN),
    });
    // Entries that waited for room are written later than they happened, so an old one does not end the search.
    let wanted = |entry: &Entry| {
        oldest.is_none_or(|oldest| entry.event_time >= oldest)
            && arguments.scope.as_ref().is_none_or(|scope| entry.scope == *scope)
            && arguments.author.as_ref().is_none_or(|author| entry.author == *author)
            && arguments.kind.is_none_or(|kind| entry.body.kind() == kind)
    };
    let mut text = String::new();
    let mut left = arguments.number;
    for entry in spool.newest() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return Answer::failed(ExitCode::General, &format!("log: {error}")),
        };
        if left == 0 {
            break;
        }
        if wanted(&entry) {
            text.push_str(&view::log_line(&entry, style));
            left -= 1;
        }
    }
    Answer::text(text)
}
