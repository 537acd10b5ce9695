//! Characters to words and pipes, in one pass. A state machine over one `Chars`.
//!
//! **Invariant:** the items cover everything but blanks; whatever is not in the grammar is a fault with its place,
//! and after a fault lexing goes on, so that a prompt can colour the rest.

use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

use super::fault::Fault;
use super::pattern::{Part, SetItem};

/// One item of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Word(RawWord),
    Pipe(Range<usize>),
    Fault(Range<usize>, Fault),
}

/// A word with what its characters mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RawWord {
    pub(super) span: Range<usize>,
    pub(super) parts: Vec<Part>,
    /// A part of it stands in quotes or behind a backslash.
    pub(super) quoted: bool,
}

impl RawWord {
    fn push(&mut self, c: char) {
        if let Some(Part::Literal(text)) = self.parts.last_mut() {
            text.push(c);
        } else {
            self.parts.push(Part::Literal(c.to_string()));
        }
    }

    /// The word's text, where it has no pattern in it.
    pub(super) fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

/// Is `c` refused wherever it stands, in quotes too?
pub(super) fn forbidden(c: char) -> Option<Fault> {
    match c {
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(Fault::Newline),
        '\t' => None,
        c if c.is_control() => Some(Fault::Control(c)),
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Some(Fault::Invisible(c))
        }
        _ => None,
    }
}

/// Everything in a line.
pub(super) fn items(text: &str) -> Vec<Item> {
    let mut lexer = Lexer { text, chars: text.char_indices().peekable(), items: Vec::new() };
    while let Some(&(at, c)) = lexer.chars.peek() {
        match c {
            ' ' | '\t' => drop(lexer.chars.next()),
            '|' => lexer.pipe(at),
            _ => lexer.word(at),
        }
    }
    lexer.items
}

struct Lexer<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    items: Vec<Item>,
}

impl Lexer<'_> {
    fn here(&mut self) -> usize {
        self.chars.peek().map_or(self.text.len(), |(at, _)| *at)
    }

    fn fault(&mut self, from: usize, fault: Fault) {
        let to = self.here();
        self.items.push(Item::Fault(from..to, fault));
    }

    fn next_is(&mut self, wanted: char) -> bool {
        self.chars.next_if(|(_, c)| *c == wanted).is_some()
    }

    fn pipe(&mut self, at: usize) {
        self.chars.next();
        if self.next_is('|') {
            self.fault(at, Fault::Sequence("||"));
        } else if self.next_is('&') {
            self.fault(at, Fault::PipeBoth);
        } else {
            self.items.push(Item::Pipe(at..at + 1));
        }
    }

    /// From the first character of a word to the blank, pipe or fault that ends it.
    fn word(&mut self, start: usize) {
        let mut word = RawWord { span: start..start, ..RawWord::default() };
        let mut any = false;
        while let Some(&(at, c)) = self.chars.peek() {
            if matches!(c, ' ' | '\t' | '|') {
                break;
            }
            self.chars.next();
            let taken = match c {
                '\'' => self.single(&mut word, at),
                '"' => self.double(&mut word, at),
                '\\' => self.backslash(&mut word, at),
                '#' if !any => Err((at, Fault::Comment)),
                '[' => self.set(&mut word, at),
                '*' => pattern(&mut word, Part::Any),
                '?' => pattern(&mut word, Part::One),
                c => self.plain(&mut word, at, c),
            };
            match taken {
                Ok(()) => any = true,
                Err((from, fault)) => {
                    if any {
                        word.span.end = from;
                        self.items.push(Item::Word(word));
                    }
                    return self.fault(from, fault);
                }
            }
        }
        word.span.end = self.here();
        self.items.push(Item::Word(word));
    }

    fn plain(&mut self, word: &mut RawWord, at: usize, c: char) -> Result<(), (usize, Fault)> {
        let fault = match c {
            '&' if self.next_is('&') => Some(Fault::Sequence("&&")),
            c => refused_unquoted(c).or_else(|| forbidden(c)),
        };
        match fault {
            Some(fault) => Err((at, fault)),
            None => {
                word.push(c);
                Ok(())
            }
        }
    }

    fn single(&mut self, word: &mut RawWord, open: usize) -> Result<(), (usize, Fault)> {
        begin_quoted(word);
        for (at, c) in self.chars.by_ref() {
            match c {
                '\'' => return Ok(()),
                c => match forbidden(c) {
                    Some(fault) => return Err((at, fault)),
                    None => word.push(c),
                },
            }
        }
        Err((open, Fault::OpenQuote('\'')))
    }

    /// As in POSIX: a backslash quotes `"`, `\`, `$` and the backtick, and is itself before anything else.
    fn double(&mut self, word: &mut RawWord, open: usize) -> Result<(), (usize, Fault)> {
        begin_quoted(word);
        while let Some((at, c)) = self.chars.next() {
            match c {
                '"' => return Ok(()),
                '$' => return Err((at, Fault::DollarInQuotes)),
                '`' => return Err((at, Fault::BacktickInQuotes)),
                '\\' => match self.chars.next_if(|(_, c)| matches!(c, '"' | '\\' | '$' | '`')) {
                    Some((_, quoted)) => word.push(quoted),
                    None => word.push('\\'),
                },
                c => match forbidden(c) {
                    Some(fault) => return Err((at, fault)),
                    None => word.push(c),
                },
            }
        }
        Err((open, Fault::OpenQuote('"')))
    }

    fn backslash(&mut self, word: &mut RawWord, at: usize) -> Result<(), (usize, Fault)> {
        begin_quoted(word);
        let Some((next, c)) = self.chars.next() else { return Err((at, Fault::LastBackslash)) };
        match forbidden(c) {
            Some(fault) => Err((next, fault)),
            None => {
                word.push(c);
                Ok(())
            }
        }
    }

    /// `[abc]`, `[a-z]`, `[!abc]`, `[^abc]`; a `]` that comes first is a member. Brackets quote nothing.
    fn set(&mut self, word: &mut RawWord, open: usize) -> Result<(), (usize, Fault)> {
        let negated = self.next_is('!') || self.next_is('^');
        let mut members: Vec<SetItem> = Vec::new();
        loop {
            let (at, from) = self.member(open)?;
            if from == ']' && !members.is_empty() {
                return pattern(word, Part::Set { negated, members });
            }
            let mut ahead = self.chars.clone();
            let is_range = ahead.next().is_some_and(|(_, c)| c == '-') && ahead.next().is_some_and(|(_, c)| c != ']');
            let to = if is_range {
                self.chars.next();
                self.member(open)?.1
            } else {
                from
            };
            if to < from {
                return Err((at, Fault::BackwardRange));
            }
            members.push(SetItem { from, to });
        }
    }

    /// The next character of a set, if it may be in one.
    fn member(&mut self, open: usize) -> Result<(usize, char), (usize, Fault)> {
        let Some(&(at, c)) = self.chars.peek() else { return Err((open, Fault::OpenSet)) };
        if matches!(c, ' ' | '\t' | '|' | '/' | '\'' | '"' | '\\') {
            return Err((open, Fault::OpenSet));
        }
        self.chars.next();
        if c == '[' && self.chars.peek().is_some_and(|(_, c)| matches!(c, ':' | '.' | '=')) {
            return Err((at, Fault::Class));
        }
        match refused_unquoted(c).or_else(|| forbidden(c)) {
            Some(fault) => Err((at, fault)),
            None => Ok((at, c)),
        }
    }
}

/// What a shell would read as something other than itself, and this grammar refuses outside quotes.
fn refused_unquoted(c: char) -> Option<Fault> {
    match c {
        ';' => Some(Fault::Sequence(";")),
        '&' => Some(Fault::Background),
        '<' | '>' => Some(Fault::Redirect(c)),
        '(' | ')' => Some(Fault::Parenthesis(c)),
        '{' | '}' => Some(Fault::Brace(c)),
        '$' => Some(Fault::Dollar),
        '`' => Some(Fault::Backtick),
        '!' => Some(Fault::History),
        '~' => Some(Fault::Tilde),
        _ => None,
    }
}

fn begin_quoted(word: &mut RawWord) {
    word.quoted = true;
    if !matches!(word.parts.last(), Some(Part::Literal(_))) {
        word.parts.push(Part::Literal(String::new()));
    }
}

#[expect(clippy::unnecessary_wraps, reason = "one of several readers of a word, most of which can fail")]
fn pattern(word: &mut RawWord, part: Part) -> Result<(), (usize, Fault)> {
    word.parts.push(part);
    Ok(())
}
