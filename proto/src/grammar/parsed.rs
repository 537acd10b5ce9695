//! `Line → Parsed`: which words, in which stages, and whether pact's own command is the head.

use std::ops::Range;

use super::expand::Argv;
use super::fault::{Fault, Unreadable};
use super::lexer::{Item, RawWord, forbidden, items};
use super::pattern::Pattern;
use super::{Line, MAX_LINE, MAX_STAGES, MAX_WORDS};
use crate::command::{self, Command};

/// A line that can be read. Only `parse` and `parse_words` make one:
///
/// ```compile_fail,E0451
/// let honest = pact_proto::grammar::parse(pact_proto::grammar::Line::new("uname")).unwrap();
/// let forged = pact_proto::grammar::Parsed { programs: Vec::new(), ..honest };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    line: Line,
    head: Head,
    programs: Vec<Stage>,
}

/// What comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// One of pact's own commands; the programs, if any, read what it writes.
    Command(CommandStage),
    /// Only programs.
    Programs,
}

/// One of pact's own commands with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandStage {
    command: Command,
    argv: Argv,
}

impl CommandStage {
    /// What it means.
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// As it was typed, without a leading `pact`.
    pub fn argv(&self) -> &Argv {
        &self.argv
    }
}

/// One program with its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    words: Vec<Word>,
}

impl Stage {
    /// The name first; never empty.
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    pub(super) fn into_words(self) -> Vec<Word> {
        self.words
    }
}

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    span: Range<usize>,
    text: Text,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Text {
    Literal(Vec<u8>),
    Pattern(Pattern),
}

impl Word {
    /// What it is, unless it is a pattern.
    pub fn literal(&self) -> Option<&[u8]> {
        match &self.text {
            Text::Literal(bytes) => Some(bytes),
            Text::Pattern(_) => None,
        }
    }

    /// The pattern, if it is one.
    pub fn pattern(&self) -> Option<&Pattern> {
        match &self.text {
            Text::Literal(_) => None,
            Text::Pattern(pattern) => Some(pattern),
        }
    }

    /// Where it stands in the line.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }
}

impl Parsed {
    /// What was typed.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// What comes first.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The stages that are programs, in order.
    pub fn programs(&self) -> &[Stage] {
        &self.programs
    }

    /// Every pattern, in order.
    pub fn patterns(&self) -> Vec<&Pattern> {
        self.programs.iter().flat_map(|stage| &stage.words).filter_map(Word::pattern).collect()
    }

    /// Whether there is any.
    pub fn has_patterns(&self) -> bool {
        !self.patterns().is_empty()
    }

    pub(super) fn into_parts(self) -> (Line, Head, Vec<Stage>) {
        (self.line, self.head, self.programs)
    }
}

/// Reads a line as typed.
pub fn parse(line: Line) -> Result<Parsed, Unreadable> {
    let whole = 0..line.as_bytes().len();
    if whole.end > MAX_LINE {
        return Err(Unreadable::new(line, 0..MAX_LINE, Fault::TooLong(whole.end)));
    }
    let text = match std::str::from_utf8(line.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(error) => {
            let from = error.valid_up_to();
            let to = error.error_len().map_or(whole.end, |length| from + length);
            return Err(Unreadable::new(line, from..to, Fault::NotUtf8));
        }
    };
    match stages(&text) {
        Ok(stages) => assemble(line, stages),
        Err((span, fault)) => Err(Unreadable::new(line, span, fault)),
    }
}

/// Reads words that somebody's shell has split already: they are words, whatever is in them.
pub fn parse_words(words: Vec<Vec<u8>>) -> Result<Parsed, Unreadable> {
    let mut line = Vec::new();
    let mut stage = Vec::with_capacity(words.len());
    for word in words {
        if !line.is_empty() {
            line.push(b' ');
        }
        let from = line.len();
        if let Some(fault) = unfit(&word) {
            // As it came: what cannot be read cannot be quoted either.
            line.extend_from_slice(&word);
            let span = from..line.len();
            return Err(Unreadable::new(Line::new(line), span, fault));
        }
        line.extend_from_slice(super::quote(&word).as_bytes());
        let span = from..line.len();
        stage.push(Word { span, text: Text::Literal(word) });
    }
    let whole = 0..line.len();
    let line = Line::new(line);
    if stage.is_empty() {
        return Err(Unreadable::new(line, whole, Fault::Empty));
    }
    if whole.end > MAX_LINE {
        return Err(Unreadable::new(line, 0..MAX_LINE, Fault::TooLong(whole.end)));
    }
    if stage.len() > MAX_WORDS {
        return Err(Unreadable::new(line, whole, Fault::TooManyWords));
    }
    assemble(line, vec![stage])
}

/// What no word may hold, however it came.
fn unfit(word: &[u8]) -> Option<Fault> {
    match std::str::from_utf8(word) {
        Ok(text) => text.chars().find_map(forbidden),
        Err(_) => Some(Fault::NotUtf8),
    }
}

type Faulty = (Range<usize>, Fault);

/// Words by stage; every stage has one at least.
fn stages(text: &str) -> Result<Vec<Vec<Word>>, Faulty> {
    let mut stages: Vec<Vec<Word>> = vec![Vec::new()];
    let (mut words, mut last_pipe) = (0, None);
    for item in items(text) {
        match item {
            Item::Fault(span, fault) => return Err((span, fault)),
            Item::Pipe(span) => {
                if stages.last().is_none_or(Vec::is_empty) {
                    return Err((span, Fault::EmptyStage));
                }
                last_pipe = Some(span.clone());
                stages.push(Vec::new());
                if stages.len() > MAX_STAGES {
                    return Err((span, Fault::TooManyStages));
                }
            }
            Item::Word(raw) => {
                words += 1;
                if words > MAX_WORDS {
                    return Err((raw.span, Fault::TooManyWords));
                }
                let Some(stage) = stages.last_mut() else { continue };
                let place = match stage.as_slice() {
                    [] => Place::Name,
                    [only] if only.literal() == Some(b"pact") => Place::AfterPact,
                    _ => Place::Argument,
                };
                stage.push(word(text, raw, place)?);
            }
        }
    }
    match (stages.last().is_none_or(Vec::is_empty), last_pipe) {
        (false, _) => Ok(stages),
        (true, Some(span)) => Err((span, Fault::EmptyStage)),
        (true, None) => Err((0..text.len(), Fault::Empty)),
    }
}

/// Where in its stage a word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It names the command or program.
    Name,
    /// Behind a leading `pact`: it names a command, if it names anything.
    AfterPact,
    /// It is said to a command or program.
    Argument,
}

fn word(text: &str, raw: RawWord, place: Place) -> Result<Word, Faulty> {
    let span = raw.span.clone();
    let typed = text.get(span.clone()).unwrap_or_default();
    if let Some(fault) = misplaced(typed, &raw, place) {
        return Err((span, fault));
    }
    let text = match raw.literal() {
        Some(literal) => Text::Literal(literal.as_bytes().to_vec()),
        None if is_question(typed, place) => Text::Literal(typed.as_bytes().to_vec()),
        None => Text::Pattern(Pattern::new(typed, raw.parts)),
    };
    Ok(Word { span, text })
}

/// What a word that can be read may still not be where it stands.
pub(super) fn misplaced(typed: &str, raw: &RawWord, place: Place) -> Option<Fault> {
    match (raw.literal(), place) {
        (Some(_), Place::Name) => is_assignment(typed).then_some(Fault::Assignment),
        (None, Place::Name) => (!is_question(typed, place)).then_some(Fault::PatternAsName),
        (None, Place::AfterPact | Place::Argument) => typed.starts_with('-').then_some(Fault::PatternInOption),
        (Some(_), Place::AfterPact | Place::Argument) => None,
    }
}

/// `?` is a file pattern as an argument, and another spelling of `help` where a command's name stands.
fn is_question(typed: &str, place: Place) -> bool {
    typed == "?" && place != Place::Argument
}

/// `NAME=…` as typed: a quote before the `=` makes it a word like any other.
pub(super) fn is_assignment(typed: &str) -> bool {
    typed.split_once('=').is_some_and(|(name, _)| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// Finds the command at the head, if there is one.
fn assemble(line: Line, mut stages: Vec<Vec<Word>>) -> Result<Parsed, Unreadable> {
    let mut first = stages.remove(0);
    let name =
        |word: Option<&Word>| word.and_then(Word::literal).and_then(|w| std::str::from_utf8(w).ok()).map(str::to_owned);
    if name(first.first()).as_deref() == Some("cd") {
        let span = first[0].span();
        return Err(Unreadable::new(line, span, Fault::Cd));
    }
    let prefixed = name(first.first()).as_deref() == Some("pact");
    let typed = if prefixed { name(first.get(1)) } else { name(first.first()) };
    let Some(descriptor) = typed.as_deref().and_then(command::find) else {
        let programs = std::iter::once(first).chain(stages).map(|words| Stage { words }).collect();
        return Ok(Parsed { line, head: Head::Programs, programs });
    };
    if prefixed {
        first.remove(0);
    }
    let head = match command_stage(descriptor, &first) {
        Ok(stage) => Head::Command(stage),
        Err((span, fault)) => return Err(Unreadable::new(line, span, fault)),
    };
    Ok(Parsed { line, head, programs: stages.into_iter().map(|words| Stage { words }).collect() })
}

fn command_stage(descriptor: &'static command::Descriptor, words: &[Word]) -> Result<CommandStage, Faulty> {
    let span = words.first().map_or(0, |w| w.span.start)..words.last().map_or(0, |w| w.span.end);
    if let Some(pattern) = words.iter().find(|word| word.pattern().is_some()) {
        return Err((pattern.span(), Fault::PatternForCommand));
    }
    let argv: Vec<Vec<u8>> = words.iter().filter_map(Word::literal).map(<[u8]>::to_vec).collect();
    let command = command::parse(descriptor, &argv[1..]).map_err(|bad| {
        let at = bad.word.and_then(|index| words.get(index + 1)).map_or(span.clone(), Word::span);
        (at, Fault::Arguments { message: bad.message, command: descriptor.name })
    })?;
    let argv = Argv::new(argv).ok_or((span, Fault::Empty))?;
    Ok(CommandStage { command, argv })
}
