//! The line grammar: words, quotes, pipes and file patterns, and nothing else.
//!
//! **Invariant:** a line is accepted whole or refused whole, with the place and what to type instead. What was parsed
//! is what is judged, recorded and executed: words are never joined into a string again.
//! **Why:** a shell's grammar is the way out of every restricted shell; here no expansion of variables, braces,
//! history or arithmetic exists that could be forgotten.
//! **Not here:** who may run what; which files a pattern matches.

mod cursor;
mod expand;
mod fault;
mod lexer;
mod parsed;
mod pattern;
mod quote;

pub use cursor::{Cursor, Token, TokenKind, at_cursor, tokens};
pub use expand::{Argv, Expanded, ExpandedHead};
pub use fault::Unreadable;
pub use parsed::{CommandStage, Head, Parsed, Stage, Word, parse, parse_words};
pub use pattern::{Component, Matcher, Pattern};
pub use quote::{quote, quote_line};

/// Bytes in a line. More is refused before it is read.
pub const MAX_LINE: usize = 8 * 1024;
/// Words in a line, before and after file patterns became words.
pub const MAX_WORDS: usize = 256;
/// Bytes of all words of a line once its file patterns have become words.
pub const MAX_EXPANDED: usize = 64 * 1024;
/// Stages in a pipeline.
pub const MAX_STAGES: usize = 16;

/// What was typed: any bytes at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line(Vec<u8>);

impl Line {
    /// As it came.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// As it came.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Nothing but blanks: there is nothing to do.
    pub fn is_blank(&self) -> bool {
        self.0.iter().all(|byte| matches!(byte, b' ' | b'\t'))
    }
}
