//! One line, from here to its end: sent, its output shown, its input passed, signals handed on. Prompt, script and
//! `-c` all use it.
//!
//! **Invariant:** a signal is heard at every moment, also while nobody reads the output; what the agent says waits
//! until what it said before is written.
//! **Not here:** what a line means. The agent says what became of it.

use std::time::Duration;

use pact_client::{AWAY, ClientError, Event, Exit, INPUT_PIECE, LineForm, PATIENCE, Refusal, Session, Terminal};
use pact_proto::grammar::quote;
use pact_proto::view::{Complaint, Style, complain, escape};
use tokio::time::{Instant, sleep_until, timeout};

use crate::error::ShellError;
use crate::signals::{Heard, Resizes, Signals};
use crate::streams::{Input, Output, Streams};
use crate::terminal::{self, Raw};

/// More than an agent gives credit for cannot be unread.
const MOST_KEYS: usize = 256 * 1024;
/// So often is Ctrl-C pressed by somebody who does not wait for the connection; on the screen of a program, where it is a
/// key like others, once more and within so long.
const BREAKS: usize = 2;
const BREAKS_OF_PROGRAM: usize = 3;
const BREAKS_WITHIN: Duration = Duration::from_secs(2);
const CTRL_C: u8 = 0x03;
/// How long a terminal may take for what brings it back, when the session is over.
const GONE: Duration = Duration::from_secs(1);

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

/// What of standard input a line's program may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// All of it, where it asks for it.
    Input,
    /// Nothing: the next lines come from there. A program that draws on the terminal has the keys nevertheless.
    Nothing,
}

/// A session, and the streams of whoever sends the lines.
pub(crate) struct Engine {
    pub(crate) session: Session,
    pub(crate) out: Output,
    pub(crate) err: Output,
    input: Input,
    pub(crate) signals: Signals,
    resizes: Resizes,
    size: Option<(u16, u16)>,
    /// Standard input and output are a terminal.
    owns_terminal: bool,
    pub(crate) style: Style,
    /// Of `watch`: the last entry that is told.
    pub(crate) reached: u64,
    /// Keys that a program which had the terminal did not read.
    unread: Vec<u8>,
    /// What the agent wants the right prompt to show.
    marks: Vec<String>,
}

/// One line on its way.
struct Running<'a> {
    /// As it was typed, for the caret.
    line: &'a [u8],
    /// Where its input comes from, until that has ended.
    input: Option<Input>,
    /// Its program draws on the terminal.
    raw: Option<Raw>,
    /// What was typed on it and sent, as far as it may come back; and how much was typed before that.
    keys: Vec<u8>,
    keys_before: u64,
    /// The agent wants it.
    wanted: bool,
    credit: usize,
    interrupted: bool,
    /// When Ctrl-C was pressed while there was no connection.
    breaks: Vec<Instant>,
    /// What its program drew was covered.
    redraws: bool,
    /// Keys were typed while there was no connection.
    typed_away: bool,
    /// By when the agent must have said that it runs or is refused.
    answer_by: Option<Instant>,
}

impl Engine {
    /// Around a session; the streams are this process's.
    pub(crate) fn new(
        session: Session,
        signals: Signals,
        streams: Streams,
        terminal: &Terminal,
    ) -> Result<Self, ShellError> {
        let columns = terminal.size.map_or(80, |(columns, _)| columns);
        let style = Style { colour: terminal.colour && terminal.stderr, columns };
        let resizes = Resizes::listen().map_err(ShellError::io("signals"))?;
        let Streams { input, out, err } = streams;
        let (size, owns_terminal) = (terminal.size, terminal.stdin && terminal.stdout);
        Ok(Self {
            session,
            out,
            err,
            input,
            signals,
            resizes,
            size,
            owns_terminal,
            style,
            reached: 0,
            unread: Vec::new(),
            marks: Vec::new(),
        })
    }

    /// What the right prompt shows.
    pub(crate) fn marks(&self) -> Vec<String> {
        let away = self.is_away().then(|| "connection broken".to_owned());
        self.marks.iter().cloned().chain(away).collect()
    }

    /// The agent said between two lines what the right prompt shows.
    pub(crate) fn is_marked(&mut self, marks: Vec<String>) {
        self.marks = marks;
    }

    /// Between two lines the connection broke, or is there again: what to say of it.
    pub(crate) fn away_or_back(&self) -> String {
        if self.is_away() { self.away() } else { self.back() }
    }

    /// There is no connection now.
    fn is_away(&self) -> bool {
        self.session.incoming.is_away()
    }

    /// What was typed ahead while a program had the terminal, and is for the prompt.
    pub(crate) fn take_unread(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unread)
    }

    /// Sends a line and stays with it. Standard input is what its program may read, where it is not a prompt's.
    pub(crate) async fn run(&mut self, form: LineForm, reads: Reads) -> Result<Ended, ShellError> {
        self.tell_size().await?;
        let line = shown(&form);
        self.session.outgoing.line(form).await?;
        let patience = if self.is_away() { PATIENCE + AWAY } else { PATIENCE };
        let answer_by = Some(Instant::now() + patience);
        let input = match reads {
            Reads::Input => Some(self.input.clone()),
            Reads::Nothing => None,
        };
        let mut running = Running {
            line: &line,
            input,
            raw: None,
            keys: Vec::new(),
            keys_before: 0,
            wanted: false,
            credit: 0,
            interrupted: false,
            breaks: Vec::new(),
            redraws: false,
            typed_away: false,
            answer_by,
        };
        if self.is_away() {
            self.say_away();
        }
        let ended = self.until_over(&mut running).await;
        // Whatever happened, what a program made of the terminal goes with it.
        self.out.is_text_again();
        if running.raw.is_some() && !matches!(ended, Ok(Ended::Ran { .. })) {
            // A terminal that is gone, or that nobody reads, is not waited for.
            let _gone = timeout(GONE, self.flush()).await;
        }
        drop(running);
        let ended = ended?;
        self.out.end_line();
        self.err.end_line();
        // Who leaves may leave because nobody reads.
        if !matches!(ended, Ended::Left(_)) {
            self.flush().await?;
        }
        Ok(ended)
    }

    async fn until_over(&mut self, running: &mut Running<'_>) -> Result<Ended, ShellError> {
        loop {
            if let Some(ended) = self.step(running).await? {
                return Ok(ended);
            }
        }
    }

    /// Says how large the terminal is, where it has changed.
    async fn tell_size(&mut self) -> Result<(), ShellError> {
        let size = terminal::size();
        if let (true, Some((columns, rows))) = (size != self.size, size) {
            self.session.outgoing.resize(columns, rows).await?;
            self.style.columns = columns;
            self.size = size;
        }
        Ok(())
    }

    /// Waits for one thing to happen.
    async fn step(&mut self, running: &mut Running<'_>) -> Result<Option<Ended>, ShellError> {
        let waits_for_reader = self.out.has_pending() || self.err.has_pending();
        let (room, answer_by) = (running.room(), running.answer_by);
        tokio::select! {
            heard = self.signals.next() => self.heard(heard, running).await,
            () = self.resizes.next() => self.tell_size().await.map(|()| None),
            written = self.out.write_some(), if self.out.has_pending() => {
                written.map_err(ShellError::io("standard output"))?;
                // Nobody reads on: the line is ended, and that is no error.
                Ok(self.out.is_closed().then_some(Ended::Left(0)))
            }
            written = self.err.write_some(), if self.err.has_pending() => {
                written.map_err(ShellError::io("standard error"))?;
                Ok(None)
            }
            event = self.session.incoming.next(), if !waits_for_reader => {
                let ended = self.event(event?, running)?;
                if std::mem::take(&mut running.redraws) {
                    self.redraw().await?;
                }
                Ok(ended)
            }
            piece = piece(running.input.as_ref(), room), if room > 0 => {
                self.feed(piece.map_err(ShellError::io("standard input"))?, running).await
            }
            () = at(answer_by) => Err(self.session.incoming.silent().into()),
        }
    }

    async fn heard(&mut self, heard: Heard, running: &mut Running<'_>) -> Result<Option<Ended>, ShellError> {
        match heard {
            Heard::Interrupt => {
                running.interrupted = true;
                if self.is_away() {
                    if running.gives_up(BREAKS, AWAY) {
                        return Ok(Some(Ended::Left(heard.code())));
                    }
                    self.say_beside("pact: passed on when it is connected again; once more gives up\n");
                }
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

    fn event(&mut self, event: Event, running: &mut Running<'_>) -> Result<Option<Ended>, ShellError> {
        match event {
            Event::Accepted { reads_stdin, terminal, .. } => {
                running.answer_by = None;
                running.wanted = reads_stdin;
                if terminal {
                    if !self.owns_terminal {
                        return Err(ClientError::Protocol(
                            "a program that draws on a terminal, and there is none".to_owned(),
                        )
                        .into());
                    }
                    running.raw = Some(Raw::enter());
                    running.input = Some(self.input.clone());
                    self.out.is_drawn_on();
                }
            }
            Event::Credit(bytes) => {
                running.credit = running.credit.saturating_add(usize::try_from(bytes).unwrap_or(usize::MAX));
            }
            Event::Stdout { data, reached } => {
                self.out.pass(&data);
                self.reached = self.reached.max(reached);
                // What was on its way is drawn over what was said.
                if running.raw.is_some() && self.is_away() {
                    self.say_away_on_screen();
                }
            }
            Event::Stderr(bytes) => self.err.pass(&bytes),
            Event::Refused(refusal) => {
                self.complain(running.line, &refusal);
                return Ok(Some(Ended::Refused(refusal.code)));
            }
            Event::Exit(Exit { code, failure, stdin_read, .. }) => {
                self.unread.extend(running.unread(stdin_read));
                self.out.is_text_again();
                if let Some(failure) = failure {
                    self.say_beside(&format!("pact: {}\n", escape(failure.as_bytes())));
                }
                return Ok(Some(Ended::Ran { code, interrupted: running.interrupted }));
            }
            Event::Notice(text) => self.say_beside(&format!("pact: {}\n", escape(text.as_bytes()))),
            // Said as the line was sent, for the next prompt.
            Event::Marks(marks) => self.marks = marks,
            Event::Away => {
                running.answer_by = running.answer_by.map(|by| by + AWAY);
                if running.raw.is_some() {
                    self.say_away_on_screen();
                } else {
                    self.say_away();
                }
            }
            Event::Back => {
                running.breaks.clear();
                if running.raw.is_some() {
                    self.last_row("");
                    // A key has it drawn anew as well; and a program that is told of another size while it reads one
                    // may lose it.
                    running.redraws = !std::mem::take(&mut running.typed_away);
                } else {
                    let text = format!("pact: {}\n", self.back());
                    self.say_beside(&text);
                }
            }
            // Of a question that nobody waits for any more.
            Event::Context(_) | Event::Candidates { .. } => {}
        }
        Ok(None)
    }

    async fn feed(&mut self, piece: Vec<u8>, running: &mut Running<'_>) -> Result<Option<Ended>, ShellError> {
        if piece.is_empty() && running.raw.is_some() {
            // The terminal is gone, and with it whoever sat before it.
            return Ok(Some(Ended::Left(Heard::HANGUP)));
        }
        if piece.is_empty() {
            running.input = None;
            self.session.outgoing.stdin_end().await?;
        } else {
            running.credit = running.credit.saturating_sub(piece.len());
            if running.raw.is_some() {
                let is_away = self.is_away();
                let mut pressed = piece.iter().filter(|key| is_away && **key == CTRL_C);
                if pressed.any(|_| running.gives_up(BREAKS_OF_PROGRAM, BREAKS_WITHIN)) {
                    return Ok(Some(Ended::Left(Heard::Interrupt.code())));
                }
                running.typed_away |= is_away;
                running.keep_keys(&piece);
            }
            self.session.outgoing.stdin(piece).await?;
        }
        Ok(None)
    }

    /// What to say where there is no connection.
    fn away(&self) -> String {
        let place = self.session.incoming.place().to_string();
        let place = escape(place.as_bytes());
        format!("{place}: the connection broke, and is tried again for {} s", AWAY.as_secs())
    }

    /// To somebody who waits for a line.
    fn say_away(&mut self) {
        let text = format!("pact: {}; Ctrl-C twice gives up\n", self.away());
        self.say_beside(&text);
    }

    /// To somebody before a program that draws.
    fn say_away_on_screen(&mut self) {
        let text = format!("{}; Ctrl-C three times gives up", self.away());
        self.last_row(&text);
    }

    /// Over what a program drew in the last row of the terminal, and its cursor stays where it is.
    fn last_row(&mut self, text: &str) {
        let Some((columns, rows)) = self.size else { return };
        let text: String = text.chars().take(usize::from(columns).saturating_sub(1)).collect();
        self.out.say(&format!("\x1b7\x1b[{rows};1H\x1b[0;7m{text}\x1b[0m\x1b[K\x1b8"));
    }

    /// A program draws anew where its terminal was another size meanwhile.
    async fn redraw(&mut self) -> Result<(), ShellError> {
        if let Some((columns, rows)) = self.size {
            self.session.outgoing.resize(columns, rows.saturating_sub(1).max(1)).await?;
            self.session.outgoing.resize(columns, rows).await?;
        }
        Ok(())
    }

    fn back(&self) -> String {
        let place = self.session.incoming.place().to_string();
        format!("{}: connected again", escape(place.as_bytes()))
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
    /// Ctrl-C was pressed, which nobody hears while there is no connection; pressed so often, it is meant for `pact`.
    fn gives_up(&mut self, times: usize, within: Duration) -> bool {
        let now = Instant::now();
        self.breaks.retain(|pressed| now - *pressed < within);
        self.breaks.push(now);
        self.breaks.len() >= times
    }

    fn keep_keys(&mut self, piece: &[u8]) {
        self.keys.extend_from_slice(piece);
        if self.keys.len() > 2 * MOST_KEYS {
            let old = self.keys.len() - MOST_KEYS;
            self.keys.drain(..old);
            self.keys_before += old as u64;
        }
    }

    /// What comes back of the keys, where so many were read.
    fn unread(&mut self, read: u64) -> Vec<u8> {
        let read = usize::try_from(read.saturating_sub(self.keys_before)).unwrap_or(usize::MAX);
        self.keys.split_off(read.min(self.keys.len()))
    }

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
