//! One line, from here to its end: sent, its output shown, its input passed, signals handed on. Prompt, script and
//! `-c` all use it.
//!
//! **Invariant:** a signal is heard at every moment, also while nobody reads the output; what the agent says waits
//! until what it said before is written.
//! **Not here:** what a line means. The agent says what became of it.

use pact_client::{Event, Exit, INPUT_PIECE, LineForm, PATIENCE, Refusal, Session};
use pact_proto::grammar::quote;
use pact_proto::view::{Complaint, Style, complain, escape};
use tokio::time::{Instant, sleep_until};

use crate::error::ShellError;
use crate::signals::{Heard, Signals};
use crate::streams::{Input, Output};

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It ran, to this status.
    Ran {
        /// Its status.
        code: u8,
        /// Ctrl-C was pressed meanwhile.
        interrupted: bool,
    },
    /// It was refused with this code.
    Refused(u8),
    /// The session is to be closed, with this code.
    Left(u8),
}

impl Ended {
    /// The status that a line alone ends `pact` with.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ran { code, .. } | Self::Refused(code) | Self::Left(code) => code,
        }
    }
}

/// A session, and the streams of whoever sends the lines.
pub(crate) struct Engine {
    pub(crate) session: Session,
    pub(crate) out: Output,
    pub(crate) err: Output,
    pub(crate) signals: Signals,
    pub(crate) style: Style,
    /// Of `watch`: the last entry that is told.
    pub(crate) reached: u64,
}

/// One line on its way.
struct Running<'a> {
    /// As it was typed, for the caret.
    line: &'a [u8],
    /// Where its input comes from, until that has ended.
    input: Option<&'a Input>,
    /// The agent wants it.
    wanted: bool,
    credit: usize,
    interrupted: bool,
    /// By when the agent must have said that it runs or is refused.
    answer_by: Option<Instant>,
}

impl Engine {
    /// Sends a line and stays with it. `input` is what its program may read.
    pub(crate) async fn run(&mut self, form: LineForm, input: Option<&Input>) -> Result<Ended, ShellError> {
        let line = shown(&form);
        self.session.outgoing.line(form).await?;
        let answer_by = Some(Instant::now() + PATIENCE);
        let mut running = Running { line: &line, input, wanted: false, credit: 0, interrupted: false, answer_by };
        let ended = loop {
            if let Some(ended) = self.step(&mut running).await? {
                break ended;
            }
        };
        self.out.end_line();
        self.err.end_line();
        // Who leaves may leave because nobody reads.
        if !matches!(ended, Ended::Left(_)) {
            self.flush().await?;
        }
        Ok(ended)
    }

    /// Waits for one thing to happen.
    async fn step(&mut self, running: &mut Running<'_>) -> Result<Option<Ended>, ShellError> {
        let waits_for_reader = self.out.has_pending() || self.err.has_pending();
        let (room, answer_by) = (running.room(), running.answer_by);
        tokio::select! {
            heard = self.signals.next() => self.heard(heard, running).await,
            written = self.out.write_some(), if self.out.has_pending() => {
                written.map_err(ShellError::io("standard output"))?;
                // Nobody reads on: the line is ended, and that is no error.
                Ok(self.out.is_closed().then_some(Ended::Left(0)))
            }
            written = self.err.write_some(), if self.err.has_pending() => {
                written.map_err(ShellError::io("standard error"))?;
                Ok(None)
            }
            event = self.session.incoming.next(), if !waits_for_reader => Ok(self.event(event?, running)),
            piece = piece(running.input, room), if room > 0 => {
                self.feed(piece.map_err(ShellError::io("standard input"))?, running).await
            }
            () = at(answer_by) => Err(self.session.incoming.silent().into()),
        }
    }

    async fn heard(&mut self, heard: Heard, running: &mut Running<'_>) -> Result<Option<Ended>, ShellError> {
        match heard {
            Heard::Interrupt => {
                running.interrupted = true;
                self.session.outgoing.interrupt().await?;
                Ok(None)
            }
            Heard::Quit => {
                self.session.outgoing.quit().await?;
                Ok(None)
            }
            Heard::Leave(code) => Ok(Some(Ended::Left(code))),
        }
    }

    fn event(&mut self, event: Event, running: &mut Running<'_>) -> Option<Ended> {
        match event {
            Event::Accepted { reads_stdin, .. } => {
                running.answer_by = None;
                running.wanted = reads_stdin;
            }
            Event::Credit(bytes) => {
                running.credit = running.credit.saturating_add(usize::try_from(bytes).unwrap_or(usize::MAX));
            }
            Event::Stdout { data, reached } => {
                self.out.pass(&data);
                self.reached = self.reached.max(reached);
            }
            Event::Stderr(bytes) => self.err.pass(&bytes),
            Event::Refused(refusal) => {
                self.complain(running.line, &refusal);
                return Some(Ended::Refused(refusal.code));
            }
            Event::Exit(Exit { code, failure, .. }) => {
                if let Some(failure) = failure {
                    self.say_beside(&format!("pact: {}\n", escape(failure.as_bytes())));
                }
                return Some(Ended::Ran { code, interrupted: running.interrupted });
            }
            Event::Notice(text) => self.say_beside(&format!("pact: {}\n", escape(text.as_bytes()))),
            // Names and marks are for the next prompt; the agent sends them again there.
            Event::Context(_) | Event::Candidates { .. } | Event::Marks(_) => {}
        }
        None
    }

    async fn feed(&mut self, piece: Vec<u8>, running: &mut Running<'_>) -> Result<Option<Ended>, ShellError> {
        if piece.is_empty() {
            running.input = None;
            self.session.outgoing.stdin_end().await?;
        } else {
            running.credit = running.credit.saturating_sub(piece.len());
            self.session.outgoing.stdin(piece).await?;
        }
        Ok(None)
    }

    /// The line, a caret, why, and what to type instead.
    fn complain(&mut self, line: &[u8], refusal: &Refusal) {
        let Refusal { message, hint, span, .. } = refusal;
        let complaint = Complaint { line, span: span.clone(), message, hint };
        let text = complain(&complaint, self.style);
        self.say_beside(&text);
    }

    /// On standard error, at the start of a line.
    pub(crate) fn say_beside(&mut self, text: &str) {
        self.out.end_line();
        self.err.end_line();
        if !self.err.is_at_line_start() {
            self.err.say("\n");
        }
        self.err.say(text);
    }

    pub(crate) async fn flush(&mut self) -> Result<(), ShellError> {
        self.out.flush().await.map_err(ShellError::io("standard output"))?;
        self.err.flush().await.map_err(ShellError::io("standard error"))
    }

    /// Ends the session in order.
    pub(crate) async fn close(self) {
        self.session.close().await;
    }
}

impl Running<'_> {
    /// How much input may be read and sent now.
    fn room(&self) -> usize {
        if self.wanted && self.input.is_some() { self.credit.min(INPUT_PIECE) } else { 0 }
    }
}

async fn piece(input: Option<&Input>, most: usize) -> std::io::Result<Vec<u8>> {
    match input {
        Some(input) => input.read(most).await,
        None => std::future::pending().await,
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending::<()>().await,
    }
}

/// The line as the agent's spans count it.
fn shown(form: &LineForm) -> Vec<u8> {
    match form {
        LineForm::Text(text) => text.clone(),
        LineForm::Words(words) => words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ").into_bytes(),
    }
}
