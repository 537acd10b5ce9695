//! A line that is still being typed: its colours, and the word under the cursor.
//!
//! **Invariant:** the same lexer reads it; a token's span lies within the line and no two overlap.

use std::ops::Range;

use super::lexer::{Item, RawWord, items};
use super::parsed::{Place, misplaced};

/// A piece of a line to colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its bytes.
    pub span: Range<usize>,
    /// What it is.
    pub kind: TokenKind,
}

/// What a piece of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// The first word of a stage.
    Name,
    /// Another word.
    Word,
    /// A word with quotes in it.
    Quoted,
    /// A word with a file pattern in it.
    Pattern,
    /// A pipe.
    Pipe,
    /// What will be refused.
    Fault,
}

/// The pieces of an unfinished line; blanks are none.
pub fn tokens(line: &str) -> Vec<Token> {
    let mut place = Place::Name;
    let mut tokens = Vec::new();
    for item in items(line) {
        let (span, kind) = match item {
            Item::Pipe(span) => {
                let kind = if place == Place::Name { TokenKind::Fault } else { TokenKind::Pipe };
                place = Place::Name;
                (span, kind)
            }
            Item::Fault(span, _) => (span, TokenKind::Fault),
            Item::Word(word) => {
                let kind = kind(line.get(word.span.clone()).unwrap_or_default(), &word, place);
                place = match place {
                    Place::Name if word.literal() == Some("pact") => Place::AfterPact,
                    Place::Name | Place::AfterPact | Place::Argument => Place::Argument,
                };
                (word.span, kind)
            }
        };
        tokens.push(Token { span, kind });
    }
    tokens
}

fn kind(typed: &str, word: &RawWord, place: Place) -> TokenKind {
    match (misplaced(typed, word, place), place) {
        (Some(_), _) => TokenKind::Fault,
        (None, Place::Name) => TokenKind::Name,
        (None, Place::AfterPact | Place::Argument) if word.literal().is_none() => TokenKind::Pattern,
        (None, Place::AfterPact | Place::Argument) if word.quoted => TokenKind::Quoted,
        (None, Place::AfterPact | Place::Argument) => TokenKind::Word,
    }
}

/// Where somebody is typing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The words of the stage before the one under the cursor, unquoted.
    pub before: Vec<Vec<u8>>,
    /// The word under the cursor, as far as it is typed, unquoted.
    pub partial: String,
    /// Its place in the line.
    pub span: Range<usize>,
    /// It is in the first stage.
    pub first_stage: bool,
}

/// What is being typed at `cursor`, a byte offset; `None` where the line before it cannot be read.
pub fn at_cursor(line: &str, cursor: usize) -> Option<Cursor> {
    let typed = line.get(..cursor)?;
    let mut here = Cursor { before: Vec::new(), partial: String::new(), span: cursor..cursor, first_stage: true };
    for item in items(typed) {
        match item {
            Item::Fault(..) => return None,
            Item::Pipe(_) => here = Cursor { before: Vec::new(), first_stage: false, ..here },
            Item::Word(word) if word.span.end == cursor => {
                here.partial = word.literal()?.to_owned();
                here.span = word.span;
            }
            Item::Word(word) => here.before.push(word.literal().unwrap_or_default().as_bytes().to_vec()),
        }
    }
    Some(here)
}
