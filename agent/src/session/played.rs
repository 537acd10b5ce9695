//! `log play`: what was seen on a line's terminal, as it was seen; or the recording itself, where it is not shown on one.
//!
//! **Invariant:** the number is what `log` shows: the journal's where it answers, else this node's own. What is played
//! passes the same filter as what is drawn.

use std::time::Duration;

use pact_policy::Permitted;
use pact_proto::exit::ExitCode;
use pact_proto::model::entry::{End, LineOutcome, StageStatus};
use pact_proto::model::{LineId, SpoolNumber};
use pact_proto::view::Format;
use pact_proto::wire::v1::client_message::Kind;
use pact_proto::wire::v1::server_message::Kind as Reply;
use pact_proto::wire::v1::{Accepted, StdinCredit};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use super::asked::{Asked, Asker, Away, Said};
use super::attended::{Cut, attended};
use super::inbound::Inbound;
use super::line::{Ended, stages};
use super::output::{Seen, Stream};
use super::pipeline::{cut_short, outcome};
use super::{Over, Session};
use crate::recording::{Event, Recordings, events};
use crate::spool::Spool;

/// Nobody watches a screen on which nothing happens for longer.
const LONGEST: Duration = Duration::from_secs(2);
/// What a viewer may type; nobody types more.
const CREDIT: u32 = 64 * 1024;
/// What ends it: q, Ctrl-C, Ctrl-D.
const LEAVING: [u8; 3] = [b'q', 0x03, 0x04];
/// What holds it, and lets it go on.
const HOLDING: u8 = b' ';

/// A recording that is wanted.
pub(super) struct Wanted {
    number: u64,
    /// The journal's answer to what this number is.
    asked: Option<Asked>,
    spool: Spool,
    recordings: Recordings,
}

/// Of an entry's fields, those that name its line.
#[derive(Deserialize)]
struct Named {
    session: Option<String>,
    line: Option<String>,
}

impl Wanted {
    /// The recording as text; or why there is none.
    pub(super) async fn text(&mut self) -> Result<String, String> {
        let number = self.number;
        let named = match self.at_journal().await? {
            Some(named) => named,
            None => {
                let entry = self.spool.entry(SpoolNumber(number)).map_err(|error| error.to_string())?;
                let entry = entry.ok_or_else(|| format!("this node has no entry {number}"))?;
                Named { session: entry.session.map(|id| id.to_string()), line: Some(entry.line.0.to_string()) }
            }
        };
        let line = named.line.and_then(|line| line.parse().ok()).filter(|line| *line > 0);
        let (Some(session), Some(line)) = (named.session, line) else {
            return Err(format!("entry {number} is about no line"));
        };
        match self.recordings.read(&session, line).await {
            Ok(Some((text, false))) => Ok(text),
            Ok(Some((text, true))) => Ok(format!("{text}[0,\"m\",\"its end is not there\"]\n")),
            Ok(None) => Err(format!("there is no recording of the line of entry {number} on this node (any more)")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Nothing where the journal is away, or there is none.
    async fn at_journal(&mut self) -> Result<Option<Named>, String> {
        let Some(asked) = &mut self.asked else { return Ok(None) };
        let mut text = Vec::new();
        loop {
            match asked.next().await {
                Ok(Said::Piece(piece)) => text.extend(piece),
                Ok(Said::End(complaint, 0)) if complaint.is_empty() => break,
                Ok(Said::End(complaint, _)) => {
                    return Err(complaint.trim_start_matches("pact: ").trim_end().to_owned());
                }
                Err(Away(_)) => return Ok(None),
            }
        }
        serde_json::from_slice(&text).map(Some).map_err(|error| format!("the journal's answer: {error}"))
    }
}

impl Session<'_> {
    /// The recording of what `log` shows under this number.
    pub(super) fn wanted_recording(&self, line: LineId, number: u64) -> Wanted {
        let (uplink, spool) = (self.node.uplink.as_ref(), &self.node.spool);
        let manner = Asker { session: self.id, line, style: self.style, format: Format::Json };
        let question: Vec<Vec<u8>> =
            ["log", "show", &number.to_string()].iter().map(|word| word.as_bytes().to_vec()).collect();
        let asked = Asked::log(uplink, spool, manner, question);
        Wanted { number, asked, spool: spool.clone(), recordings: self.node.recordings.clone() }
    }

    /// Plays it on the client's terminal.
    pub(super) async fn play(&self, id: LineId, line: &Permitted, number: u64, inbound: &mut Inbound) -> Ended {
        let mut wanted = self.wanted_recording(id, number);
        let text = match attended(wanted.text(), inbound, None).await {
            Ok(Ok(text)) => text,
            Ok(Err(why)) => {
                let outcome = outcome(End::Finished, vec![StageStatus::Exited(ExitCode::General.number())]);
                let accepted = Accepted { line_id: id.0, terminal: false, reads_stdin: false };
                // A client that has gone is noticed by whoever sends it the line's end.
                let _gone = self.out.send(Reply::Accepted(accepted)).await;
                return Ended { outcome, failure: format!("log: {why}"), over: None, stdin_read: 0 };
            }
            Err(cut) => return cut_short(cut, stages(line)),
        };
        let mut seen = Seen::default();
        match self.play_on(id, &text, &mut seen, inbound).await {
            Ok(()) => {
                let outcome = outcome(End::Finished, vec![StageStatus::Exited(ExitCode::Success.number())]);
                let outcome = LineOutcome { stdout: seen.written(true), ..outcome };
                Ended { outcome, failure: String::new(), over: None, stdin_read: u64::MAX }
            }
            Err(over) => cut_short(Cut::Over(over), stages(line)),
        }
    }

    async fn play_on(&self, id: LineId, text: &str, seen: &mut Seen, inbound: &mut Inbound) -> Result<(), Over> {
        self.out.send(Reply::Accepted(Accepted { line_id: id.0, terminal: true, reads_stdin: true })).await?;
        self.out.send(Reply::StdinCredit(StdinCredit { bytes: CREDIT })).await?;
        let (mut at, mut due, mut is_held) = (Duration::ZERO, Instant::now(), false);
        for (time, event) in events(text) {
            due = due.max(Instant::now()) + time.saturating_sub(at).min(LONGEST);
            at = at.max(time);
            while is_held || Instant::now() < due {
                tokio::select! {
                    () = sleep_until(due), if !is_held => {}
                    message = inbound.next() => match message? {
                        Kind::Stdin(stdin) if stdin.data.iter().any(|key| LEAVING.contains(key)) => return Ok(()),
                        Kind::Stdin(stdin) => {
                            stdin.data.iter().for_each(|key| is_held ^= *key == HOLDING);
                        }
                        Kind::Signal(_) | Kind::StdinEnd(_) => return Ok(()),
                        Kind::Close(_) => return Err(Over::Left),
                        Kind::Open(_) | Kind::Line(_) | Kind::Renew(_) => return Err(Over::Protocol("one line at a time")),
                        Kind::Resize(_) | Kind::Complete(_) => {}
                    }
                }
            }
            if let Event::Drawn(text) = event {
                seen.add(text.as_bytes());
                self.out.send(Stream::Out.message(text.into_bytes())).await?;
            }
        }
        Ok(())
    }
}
