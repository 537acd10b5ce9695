//! pact's own commands, answered on the node: what each writes.
//!
//! **Invariant:** an answer is bytes and a status; nothing here starts a program or changes the node. It is made as it
//! is read, a piece at a time, so a long one is never whole in memory, and nobody's line waits for another's search.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pact_files::DiskError;
use pact_proto::command::{Command, HelpArguments, LogArguments, PolicyArguments, PolicyQuestion, Show, Since, is_of};
use pact_proto::exit::ExitCode;
use pact_proto::grammar::CommandStage;
use pact_proto::model::entry::{Body, Credential};
use pact_proto::model::{Entry, LineId, Severity};
use pact_proto::view::{self, Capabilities, Format, Style};
use pact_session::Size;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::asked::{Asked, Asker, Away, Said};
use super::played::Wanted;
use super::shown::One;
use super::{Refusal, Session, examined};
use crate::spool::Spool;
use crate::{condition, hardware};

/// How long an answer is looked at before it is shown as it comes.
const LOOKED_AT: Duration = Duration::from_secs(1);
/// One piece of an answer, one message.
const PIECE: usize = 32 * 1024;
/// What the kernel may take for its files; those of devices that are well take milliseconds.
const KERNEL: Duration = Duration::from_secs(5);
const READERS: usize = 8;
/// What was refused long ago is no suggestion; and anybody types as many names as they like.
const MOST_LOOKED_AT: usize = 100_000;
const MOST_NAMES: usize = 10_000;
const MOST_SHOWN: usize = 100;
/// So many entries are looked at before others have their turn: a millisecond or two.
const AT_A_TIME: usize = 256;

/// What a command writes and ends with.
pub(super) struct Answer {
    /// What was looked at before it is sent.
    ahead: Vec<u8>,
    source: Source,
    stderr: String,
    code: u8,
}

enum Source {
    Text(Vec<u8>),
    Log(Box<Search>),
    /// The journal's; and what to show where it is away.
    Journal(Box<Asked>, Option<Box<Source>>),
    /// One of this node's own entries.
    One(One),
    /// What was seen on a terminal, as the recording is.
    Recording(Box<Wanted>),
    /// What people miss.
    Suggestions(Box<Suggestions>, Format),
    /// What others find out, who give up in time: a text and its code, or why there is none.
    Found(JoinHandle<Result<(Vec<u8>, ExitCode), String>>),
}

impl Answer {
    fn text(text: String) -> Self {
        Self {
            ahead: Vec::new(),
            source: Source::Text(text.into_bytes()),
            stderr: String::new(),
            code: ExitCode::Success.number(),
        }
    }

    fn of(source: Source) -> Self {
        Self { ahead: Vec::new(), source, stderr: String::new(), code: ExitCode::Success.number() }
    }

    fn failed(code: ExitCode, message: &str) -> Self {
        Self {
            ahead: Vec::new(),
            source: Source::Text(Vec::new()),
            stderr: format!("pact: {message}\n"),
            code: code.number(),
        }
    }

    /// Whether a terminal of this size shows all of it at once. What was looked at comes first.
    pub(super) async fn fits(&mut self, size: Option<Size>) -> bool {
        let Some(Size { columns, rows }) = size else { return true };
        let begun = Instant::now();
        loop {
            // A row for the next prompt. What takes long is better shown as it comes.
            if view::rows(&self.ahead, columns) + 1 > usize::from(rows) || begun.elapsed() > LOOKED_AT {
                return false;
            }
            match self.more().await {
                Some(piece) => self.ahead.extend(piece),
                None => return true,
            }
        }
    }

    /// The next piece of what it writes.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        if !self.ahead.is_empty() {
            return Some(std::mem::take(&mut self.ahead));
        }
        self.more().await
    }

    async fn more(&mut self) -> Option<Vec<u8>> {
        if let Source::Journal(asked, own) = &mut self.source {
            match asked.next().await {
                Ok(Said::Piece(piece)) => {
                    // From here on it is the journal's answer, or none.
                    *own = None;
                    return Some(piece);
                }
                Ok(Said::End(complaint, code)) => {
                    (self.source, self.stderr, self.code) = (Source::Text(Vec::new()), complaint, code);
                    return None;
                }
                Err(Away(why)) => match own.take() {
                    Some(own) => {
                        let note = format!(
                            "pact: log: the journal does not answer ({why}): these are this node's own records\n"
                        );
                        (self.source, self.stderr) = (*own, note);
                    }
                    None => {
                        *self = Self::failed(ExitCode::Unreachable, &format!("the journal is away: {why}"));
                        return None;
                    }
                },
            }
        }
        match &mut self.source {
            Source::Text(_) => self.cut(),
            Source::Found(finding) => {
                let found = finding.await.unwrap_or_else(|_| Err("whoever looked is gone".to_owned()));
                let (text, code) = found.unwrap_or_else(|why| {
                    self.stderr.push_str(&format!("pact: {why}\n"));
                    (Vec::new(), ExitCode::General)
                });
                (self.source, self.code) = (Source::Text(text), code.number());
                self.cut()
            }
            Source::One(one) => {
                let told = one.text().await.map_err(|error| error.to_string());
                let number = one.number;
                self.source = Source::Text(Vec::new());
                match told.and_then(|text| text.ok_or_else(|| format!("this node has no entry {number}"))) {
                    Ok(text) => Some(text.into_bytes()),
                    Err(why) => {
                        let (stderr, code) = (format!("pact: log: {why}\n"), ExitCode::General.number());
                        (self.stderr, self.code) = (std::mem::take(&mut self.stderr) + &stderr, code);
                        None
                    }
                }
            }
            Source::Recording(wanted) => {
                let told = wanted.text().await;
                match told {
                    Ok(text) => self.source = Source::Text(text.into_bytes()),
                    Err(why) => *self = Self::failed(ExitCode::General, &format!("log: {why}")),
                }
                self.cut()
            }
            Source::Suggestions(search, format) => {
                let format = *format;
                match search.counted().await {
                    Ok(names) => {
                        let text = format.whole(|| view::suggestions(&names), || view::suggestions_value(&names));
                        self.source = Source::Text(text.into_bytes());
                    }
                    Err(error) => *self = Self::failed(ExitCode::General, &format!("policy: {error}")),
                }
                self.cut()
            }
            // Either it has answered, or its place was taken.
            Source::Journal(..) => None,
            Source::Log(search) => match search.piece().await {
                Ok(piece) => piece,
                Err(error) => {
                    *self = Self::failed(ExitCode::General, &format!("log: {error}"));
                    None
                }
            },
        }
    }

    /// The next piece of a text.
    fn cut(&mut self) -> Option<Vec<u8>> {
        let Source::Text(text) = &mut self.source else { return None };
        let rest = text.split_off(text.len().min(PIECE));
        let piece = std::mem::replace(text, rest);
        (!piece.is_empty()).then_some(piece)
    }

    /// What it complains of, and its status, once all pieces were taken.
    pub(super) fn finish(self) -> (String, u8) {
        (self.stderr, self.code)
    }
}

impl Session<'_> {
    /// `for_program`: it is read by the program behind the pipe, which has no use for colours.
    pub(super) fn answer(&self, line: LineId, stage: &CommandStage, for_program: bool) -> Answer {
        let command = stage.command();
        let style = Style { colour: self.style.colour && !for_program, ..self.style };
        let manner = Asker { session: self.id, line, style, format: self.format };
        let (uplink, spool) = (self.node.uplink.as_ref(), &self.node.spool);
        let asked = Asked::new(uplink, spool, manner, command, stage.argv().words());
        match command {
            Command::Log(LogArguments { show: Some(Show::Play { number }), .. }) => {
                Answer::of(Source::Recording(Box::new(self.wanted_recording(line, *number))))
            }
            Command::Log(arguments) => {
                let (spool, format) = (spool.clone(), self.format);
                let own = match arguments.show {
                    Some(Show::Show { number }) => Source::One(One { spool, number, style, format }),
                    Some(Show::Play { .. }) | None => {
                        Source::Log(Box::new(Search::new(&spool, arguments.clone(), style, format)))
                    }
                };
                Answer::of(match asked {
                    Some(asked) => Source::Journal(Box::new(asked), Some(Box::new(own))),
                    None => own,
                })
            }
            Command::Watch(_) => match asked {
                Some(asked) => Answer::of(Source::Journal(Box::new(asked), None)),
                None => Answer::failed(ExitCode::Unreachable, "watch: this node has no journal"),
            },
            Command::Status(_) => {
                let status = condition::status(self.node);
                Answer::text(self.format.whole(|| view::status(&status, style), || view::status_value(&status)))
            }
            Command::Cap(_) => self.cap(style),
            Command::Doctor(_) => self.doctor(style),
            Command::Policy(PolicyArguments { asked }) => self.policy(asked, style),
            Command::Whoami => self.whoami(),
            Command::Help(arguments) => self.help(arguments, style),
            // A line that begins so is refused before it is permitted.
            Command::Exec(_)
            | Command::Shell(_)
            | Command::Completions(_)
            | Command::Cluster
            | Command::Health
            | Command::Revoke(_) => Answer::failed(ExitCode::Policy, "it is answered on a workstation"),
            // A prompt leaves by itself; anywhere else there is nothing to leave.
            Command::Exit => Answer::text(String::new()),
        }
    }

    fn cap(&self, style: Style) -> Answer {
        let silent = "cap: the kernel does not answer about its devices";
        let Some(place) = Reading::begin() else { return Answer::failed(ExitCode::General, silent) };
        let (node, layers) = (self.node.place.node.to_string(), self.node.sandbox.layers.clone());
        let format = self.format;
        let launcher = self.node.launcher.clone();
        Answer::of(Source::Found(tokio::spawn(async move {
            let log = launcher.kernel_log().await.map(File::from);
            let reading = spawn_blocking(move || {
                let found = Capabilities { node, layers, ..hardware::read(Path::new("/"), log) };
                drop(place);
                format.whole(|| view::cap(&found, style), || view::cap_value(&found)).into_bytes()
            });
            match timeout(KERNEL, reading).await {
                Ok(Ok(text)) => Ok((text, ExitCode::Success)),
                Ok(Err(_)) | Err(_) => Err(silent.to_owned()),
            }
        })))
    }

    fn doctor(&self, style: Style) -> Answer {
        let (launcher, format) = (self.node.launcher.clone(), self.format);
        // The launcher does nothing else meanwhile.
        let Ok(place) = Arc::clone(&self.node.examining).try_acquire_owned() else {
            let busy = "doctor: others have this node looked at now: ask again in a moment";
            return Answer::failed(ExitCode::General, busy);
        };
        Answer::of(Source::Found(tokio::spawn(async move {
            let _place = place;
            let found = examined::examine(&launcher).await?;
            let is_serious = found.iter().any(|finding| finding.severity == Severity::Serious);
            let code = if is_serious { ExitCode::General } else { ExitCode::Success };
            let text = format.whole(|| view::doctor(&found, style), || view::doctor_value(&found));
            Ok((text.into_bytes(), code))
        })))
    }

    fn policy(&self, asked: &PolicyQuestion, style: Style) -> Answer {
        let (node, format) = (self.node, self.format);
        match asked {
            PolicyQuestion::Explain { line } => {
                let (identity, place) = (self.identity(), &node.place);
                let rules = (&node.policy, &node.whitelist);
                let line = PolicyQuestion::line(line);
                let found = pact_policy::explain(rules, &identity, place, line.as_bytes(), |permitted| {
                    let Refusal { code, message, hint, .. } = self.possible(permitted).err()?;
                    Some((code, message, hint))
                });
                let text = format.whole(|| view::explanation(&found, style), || view::explanation_value(&found));
                Answer { code: found.code, ..Answer::text(text) }
            }
            PolicyQuestion::Matrix => Answer::text(pact_policy::matrix()),
            PolicyQuestion::Suggestions => {
                let known = node.whitelist.names().map(str::to_owned).collect();
                Answer::of(Source::Suggestions(Box::new(Suggestions::new(&node.spool, known)), format))
            }
        }
    }

    fn whoami(&self) -> Answer {
        let verified = match self.proof.credential() {
            Credential::Peer { uid, user: Some(user), .. } => format!("account {user} (uid {uid}) of this node"),
            Credential::Peer { uid, user: None, .. } => format!("uid {uid} of this node"),
            Credential::Ticket(_) => {
                let until = self.proof.ticket().map(|held| held.expires().strftime("%H:%M:%SZ").to_string());
                format!("ticket of the journal, until {}", until.unwrap_or_default())
            }
        };
        let roles: Vec<_> = self.identity().roles().iter().map(ToString::to_string).collect();
        let principal = self.identity().author(&self.node.place.node);
        let (principal, roles) = (principal.as_str(), roles.as_slice());
        let text = || view::whoami(principal, &verified, roles);
        Answer::text(self.format.whole(text, || view::whoami_value(principal, &verified, roles)))
    }

    fn help(&self, arguments: &HelpArguments, style: Style) -> Answer {
        let node = self.node;
        let visible = node.policy.visible(&self.identity(), &node.place, &node.whitelist);
        let programs: Vec<_> = visible.programs.iter().map(|program| program.schema()).collect();
        match view::help(arguments, &visible.commands, &programs, style) {
            Ok(text) => Answer::text(text),
            Err(message) => Answer::failed(ExitCode::General, &message),
        }
    }
}

/// Names that no file of the whitelist knows, among the last lines that were refused.
struct Suggestions {
    entries: Box<dyn Iterator<Item = Result<Entry, DiskError>> + Send + Sync>,
    /// On the whitelist, by now or taken away by the policy.
    known: BTreeSet<String>,
}

impl Suggestions {
    fn new(spool: &Spool, known: BTreeSet<String>) -> Self {
        Self { entries: Box::new(spool.newest().take(MOST_LOOKED_AT)), known }
    }

    /// Those that were typed most first; others have their turn meanwhile.
    async fn counted(&mut self) -> Result<Vec<(String, u64)>, DiskError> {
        let mut names: BTreeMap<String, u64> = BTreeMap::new();
        loop {
            let mut looked_at = 0;
            for entry in self.entries.by_ref().take(AT_A_TIME) {
                looked_at += 1;
                if let Body::Refused(refused) = &entry?.body
                    && let Some(name) = refused.reason.strip_suffix(pact_policy::NOT_WHITELISTED)
                    && !self.known.contains(name)
                    && (names.len() < MOST_NAMES || names.contains_key(name))
                {
                    *names.entry(name.to_owned()).or_default() += 1;
                }
            }
            if looked_at == 0 {
                break;
            }
            tokio::task::yield_now().await;
        }
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        names.truncate(MOST_SHOWN);
        Ok(names)
    }
}

/// A place among those who read the kernel's files at a time: a device that is ill holds its reader for ever.
struct Reading;

static READING: AtomicUsize = AtomicUsize::new(0);

impl Reading {
    fn begin() -> Option<Self> {
        let before = READING.fetch_add(1, Ordering::Relaxed);
        let place = Self;
        (before < READERS).then_some(place)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        READING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A search of this node's spool, newest first.
struct Search {
    entries: Box<dyn Iterator<Item = Result<Entry, DiskError>> + Send + Sync>,
    arguments: LogArguments,
    oldest: Option<Timestamp>,
    style: Style,
    format: Format,
    left: u32,
}

impl Search {
    fn new(spool: &Spool, arguments: LogArguments, style: Style, format: Format) -> Self {
        let oldest = arguments.since.as_ref().map(|since| match since {
            Since::At(time) => *time,
            Since::Ago(ago) => Timestamp::now().checked_sub(*ago).unwrap_or(Timestamp::MIN),
        });
        let left = arguments.number;
        Self { entries: Box::new(spool.newest()), arguments, oldest, style, format, left }
    }

    /// Lines of entries that are wanted, until they fill a piece.
    async fn piece(&mut self) -> Result<Option<Vec<u8>>, DiskError> {
        let mut piece = Vec::new();
        while self.left > 0 && piece.len() < PIECE {
            let mut looked_at = 0;
            for entry in self.entries.by_ref().take(AT_A_TIME) {
                let entry = entry?;
                looked_at += 1;
                if wanted(&self.arguments, self.oldest, &entry) {
                    let number = entry.position.as_ref().map_or(0, |position| position.number.0);
                    let text = || view::log_line(&entry, self.style);
                    piece.extend(self.format.item(text, || view::entry_value(number, &entry)).bytes());
                    self.left -= 1;
                    if self.left == 0 || piece.len() >= PIECE {
                        break;
                    }
                }
            }
            if looked_at == 0 {
                break;
            }
            tokio::task::yield_now().await;
        }
        Ok((!piece.is_empty()).then_some(piece))
    }
}

/// Entries that waited for room are written later than they happened, so an old one does not end the search.
fn wanted(arguments: &LogArguments, oldest: Option<Timestamp>, entry: &Entry) -> bool {
    oldest.is_none_or(|oldest| entry.event_time >= oldest)
        && arguments.scope.as_ref().is_none_or(|scope| entry.scope == *scope)
        && arguments.author.as_ref().is_none_or(|author| entry.author == *author)
        && is_of(arguments.kind, entry.body.kind())
}
