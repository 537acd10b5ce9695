//! `log play`: what was seen on a line's terminal, as it was seen; or the recording itself, where it is not shown on one.
//!
//! **Invariant:** the number is what `log` shows: the journal's where it answers, else this node's own. What is played
//! passes the same filter as what is drawn. What others saw is for who operates the node, and for nobody else.

use std::time::Duration;

use pact_policy::{Permitted, may_see_others};
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
use pact_session::Outbound;

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
    /// Who asks, and whether what others saw is for them.
    viewer: String,
    may_see_others: bool,
}

/// Of an entry's fields, those that name its line.
#[derive(Deserialize)]
struct Named {
    author: String,
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
                let author = entry.author.to_string();
                Named { author, session: entry.session.map(|id| id.to_string()), line: Some(entry.line.0.to_string()) }
            }
        };
        if !self.may_see_others && named.author != self.viewer {
            return Err(format!("entry {number} is not yours, and what others saw is not for your role"));
        }
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
        let (identity, place) = (self.identity(), &self.node.place);
        Wanted {
            number,
            asked,
            spool: spool.clone(),
            recordings: self.node.recordings.clone(),
            viewer: identity.author(&place.node).to_string(),
            may_see_others: may_see_others(&identity, place),
        }
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
            Ok(stdin_read) => {
                // What somebody should know is said when the screen is the person's again.
                let mark = events(&text).find_map(|(_, event)| match event {
                    Event::Mark(mark) => Some(mark),
                    Event::Drawn(_) | Event::Other => None,
                });
                let code = if mark.is_some() { ExitCode::General } else { ExitCode::Success };
                let outcome = outcome(End::Finished, vec![StageStatus::Exited(code.number())]);
                let outcome = LineOutcome { stdout: seen.written(true), ..outcome };
                let failure = mark.map(|mark| format!("log: the recording: {mark}")).unwrap_or_default();
                Ended { outcome, failure, over: None, stdin_read }
            }
            Err(over) => cut_short(Cut::Over(over), stages(line)),
        }
    }

    /// How much of what was typed was read; none where the rest is for nobody.
    async fn play_on(&self, id: LineId, text: &str, seen: &mut Seen, inbound: &mut Inbound) -> Result<u64, Over> {
        self.out.send(Reply::Accepted(Accepted { line_id: id.0, terminal: true, reads_stdin: true })).await?;
        self.out.send(Reply::StdinCredit(StdinCredit { bytes: CREDIT })).await?;
        let mut viewer = Viewer { out: &self.out, read: 0, is_held: false, has_left: false };
        let (mut at, mut due) = (Duration::ZERO, Instant::now());
        for (time, event) in events(text) {
            due = due.max(Instant::now()) + time.saturating_sub(at).min(LONGEST);
            at = at.max(time);
            while viewer.is_held || Instant::now() < due {
                tokio::select! {
                    () = sleep_until(due), if !viewer.is_held => {}
                    message = inbound.next() => viewer.heard(message?).await?,
                }
                if viewer.has_left {
                    return Ok(viewer.read);
                }
            }
            let Event::Drawn(text) = event else { continue };
            seen.add(text.as_bytes());
            let sending = self.out.send(Stream::Out.message(text.into_bytes()));
            tokio::pin!(sending);
            loop {
                tokio::select! {
                    sent = &mut sending => {
                        sent?;
                        break;
                    }
                    message = inbound.next() => viewer.heard(message?).await?,
                }
                if viewer.has_left {
                    return Ok(viewer.read);
                }
            }
        }
        Ok(viewer.read)
    }
}

/// Who looks at a recording.
struct Viewer<'a> {
    out: &'a Outbound,
    /// Bytes of what was typed, as far as they were for the player.
    read: u64,
    is_held: bool,
    has_left: bool,
}

impl Viewer<'_> {
    async fn heard(&mut self, message: Kind) -> Result<(), Over> {
        match message {
            Kind::Stdin(stdin) => {
                for key in &stdin.data {
                    self.read += 1;
                    self.is_held ^= *key == HOLDING;
                    if LEAVING.contains(key) {
                        self.has_left = true;
                        return Ok(());
                    }
                }
                let bytes = u32::try_from(stdin.data.len()).unwrap_or(CREDIT);
                Ok(self.out.send(Reply::StdinCredit(StdinCredit { bytes })).await?)
            }
            Kind::Signal(_) | Kind::StdinEnd(_) => {
                self.has_left = true;
                Ok(())
            }
            Kind::Close(_) => Err(Over::Left),
            Kind::Open(_) | Kind::Line(_) | Kind::Renew(_) => Err(Over::Protocol("one line at a time")),
            Kind::Resize(_) | Kind::Complete(_) => Ok(()),
        }
    }
}
