//! A prompt without an editor, for a terminal that has no cursor to move, or does not say where it is.
//!
//! **Invariant:** the terminal's own line discipline edits the line; nothing is written but the prompt.

use super::editor::Typed;
use super::history::History;
use super::knowledge::HISTORY;
use super::probe::take_report;
use crate::cut::MOST_SENT;
use crate::streams::Input;

const PIECE: usize = 4096;

/// Reads lines.
pub(super) struct Plain {
    input: Input,
    history: History,
    read: Vec<u8>,
    /// The terminal did say where its cursor is, only late.
    answers: bool,
}

impl Plain {
    pub(super) fn new(input: Input, history: History, begun: String) -> Self {
        Self { input, history, read: begun.into_bytes(), answers: false }
    }

    /// The next line. Nothing is lost when this is dropped before it is ready.
    pub(super) async fn next(&mut self) -> std::io::Result<Typed> {
        loop {
            if take_report(&mut self.read) {
                self.answers = true;
            }
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).take(end).collect();
                return Ok(self.line(line));
            }
            let piece = self.input.read(PIECE).await?;
            if piece.is_empty() {
                let last = std::mem::take(&mut self.read);
                return Ok(if last.is_empty() { Typed::End } else { self.line(last) });
            }
            let room = MOST_SENT.saturating_sub(self.read.len());
            let whole = piece.ends_with(b"\n");
            self.read.extend_from_slice(&piece[..piece.len().min(room)]);
            if whole && !self.read.ends_with(b"\n") {
                self.read.push(b'\n');
            }
        }
    }

    fn line(&mut self, line: Vec<u8>) -> Typed {
        let Ok(text) = String::from_utf8(line.clone()) else { return Typed::Bytes(line) };
        // A history that cannot be kept is no reason not to run the line.
        let _lost = reedline::History::save(&mut self.history, reedline::HistoryItem::from_command_line(text.as_str()));
        if text.trim() == HISTORY {
            Typed::Show(super::history::listing(&self.history.lines()))
        } else {
            Typed::Line(text)
        }
    }

    /// What is typed of the next line, as far as it is known here.
    /// The next line begins with this.
    pub(super) fn begin_with(&mut self, begun: String) {
        self.read = begun.into_bytes();
    }

    pub(super) fn begun(&self) -> &[u8] {
        &self.read
    }

    /// Whether an editor may take over, once the terminal has turned out to answer.
    pub(super) fn may_become_editor(&self) -> bool {
        self.answers && self.read.is_empty()
    }

    pub(super) fn into_history(self) -> History {
        self.history
    }
}
