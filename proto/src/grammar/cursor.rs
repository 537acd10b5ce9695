//! A line that is still being typed: its colours, and the word under the cursor.
//!
//! **Invariant:** the same lexer reads it; a token's span lies within the line and no two overlap.

use std::ops::Range;

use super::lexer::{Item, items};

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
    let mut first = true;
    items(line)
        .into_iter()
        .map(|item| match item {
            Item::Pipe(span) => {
                first = true;
                Token { span, kind: TokenKind::Pipe }
            }
            Item::Fault(span, _) => Token { span, kind: TokenKind::Fault },
            Item::Word(word) => {
                let kind = match (first, word.literal().is_none(), word.quoted) {
                    (true, _, _) => TokenKind::Name,
                    (false, true, _) => TokenKind::Pattern,
                    (false, false, true) => TokenKind::Quoted,
                    (false, false, false) => TokenKind::Word,
                };
                first = false;
                Token { span: word.span, kind }
            }
        })
        .collect()
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
            Item::Word(word) if word.span.end == cursor && !typed.ends_with([' ', '\t']) => {
                here.partial = word.literal()?.to_owned();
                here.span = word.span;
            }
            Item::Word(word) => here.before.push(word.literal().unwrap_or_default().as_bytes().to_vec()),
        }
    }
    Some(here)
}
