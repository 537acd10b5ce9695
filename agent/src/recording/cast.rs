//! asciicast v2: a header, and an event a line, each JSON.
//!
//! **Invariant:** where what was drawn is cut into pieces changes no character; what is no UTF-8 becomes U+FFFD.
//! **Source:** <https://docs.asciinema.org/manual/asciicast/v2/>

use std::time::Duration;

use jiff::Timestamp;
use pact_session::Size;
use serde_json::{Value, json};

/// What of a character has come.
#[derive(Debug, Default)]
pub(super) struct Cast {
    begun: Vec<u8>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It was drawn.
    Drawn(String),
    /// Somebody should know.
    Mark(String),
    /// Nothing that a player shows.
    Other,
}

/// The first line.
pub(super) fn header(size: Size, terminal: &str, begun: Timestamp) -> String {
    let Size { columns, rows } = size;
    format!(
        "{{\"version\":2,\"width\":{columns},\"height\":{rows},\"timestamp\":{},\"env\":{{\"TERM\":{}}}}}\n",
        begun.as_second(),
        json!(terminal)
    )
}

/// The events of a recording, each with the time since its beginning. What is none is left out.
pub(crate) fn events(text: &str) -> impl Iterator<Item = (Duration, Event)> {
    text.lines().skip(1).filter_map(|line| {
        let (time, kind, data): (f64, String, String) = serde_json::from_str(line).ok()?;
        let event = match kind.as_str() {
            "o" => Event::Drawn(data),
            "m" => Event::Mark(data),
            _ => Event::Other,
        };
        Some((Duration::try_from_secs_f64(time).ok()?, event))
    })
}

impl Cast {
    pub(super) fn drawn(&mut self, since: Duration, bytes: &[u8]) -> String {
        self.begun.extend_from_slice(bytes);
        let mut text = String::new();
        let mut chunks = self.begun.utf8_chunks().peekable();
        let mut rest = Vec::new();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            // At the end it may be the beginning of a character.
            let is_open =
                chunks.peek().is_none() && std::str::from_utf8(chunk.invalid()).is_err_and(|e| e.error_len().is_none());
            if is_open {
                rest = chunk.invalid().to_vec();
            } else if !chunk.invalid().is_empty() {
                text.push('\u{fffd}');
            }
        }
        self.begun = rest;
        if text.is_empty() { String::new() } else { line(since, "o", &text) }
    }

    /// What was begun and never became a character.
    pub(super) fn rest(&mut self, since: Duration) -> String {
        if self.begun.is_empty() {
            return String::new();
        }
        self.begun.clear();
        line(since, "o", "\u{fffd}")
    }

    pub(super) fn resized(since: Duration, Size { columns, rows }: Size) -> String {
        line(since, "r", &format!("{columns}x{rows}"))
    }
}

fn line(since: Duration, kind: &str, data: &str) -> String {
    format!("[{:.6},{},{}]\n", since.as_secs_f64(), json!(kind), Value::from(data))
}
