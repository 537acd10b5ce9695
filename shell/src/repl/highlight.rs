//! Colours while a line is typed: what will be refused is red before Enter.
//!
//! **Invariant:** a word that is still being typed is not red while something that is allowed begins with it.

use std::ops::Range;
use std::sync::Arc;

use nu_ansi_term::{Color, Style};
use pact_proto::grammar::{Line, Token, TokenKind, at_cursor, parse, tokens};
use pact_proto::program::Schema;
use reedline::{AbbrExpandContext, StyledText};

use super::knowledge::{Knowledge, Shared, What};

/// Paints lines.
pub(super) struct Highlighter {
    knowledge: Arc<Shared>,
    colour: bool,
}

impl Highlighter {
    pub(super) fn new(knowledge: Arc<Shared>, colour: bool) -> Self {
        Self { knowledge, colour }
    }
}

impl reedline::Highlighter for Highlighter {
    fn highlight(&self, line: &str, cursor: usize) -> StyledText {
        let mut text = StyledText::new();
        let pieces =
            if self.colour && !line.is_empty() { paint(&self.knowledge.get(), line, cursor) } else { Vec::new() };
        let mut at = 0;
        for (span, style) in pieces {
            text.push((Style::new(), line[at..span.start].to_owned()));
            text.push((style, line[span.clone()].to_owned()));
            at = span.end;
        }
        text.push((Style::new(), line[at..].to_owned()));
        text
    }

    /// Only what begins a stage is short for something; it is drawn as it is then, before anything is sent.
    fn should_expand_abbr(&self, line: &str, cursor: usize, _context: AbbrExpandContext) -> bool {
        let Some(here) = at_cursor(line, cursor) else { return false };
        let pact: [&[u8]; 1] = [b"pact"];
        here.before.is_empty() || here.first_stage && here.before == pact
    }
}

type Piece = (Range<usize>, Style);

/// The pieces of `line` that are not plain, in order.
fn paint(knowledge: &Knowledge, line: &str, cursor: usize) -> Vec<Piece> {
    let tokens = tokens(line);
    let wrong = if knowledge.is_whole() { wrong(knowledge, line, cursor, &tokens) } else { Vec::new() };
    let is_wrong =
        |span: &Range<usize>| wrong.iter().any(|w: &Range<usize>| w.start <= span.start && span.end <= w.end);
    let style = |token: &Token| match token.kind {
        TokenKind::Fault => Color::Red.bold(),
        _ if is_wrong(&token.span) => Color::Red.normal(),
        TokenKind::Name if is_known(knowledge, line, token) => Color::Green.bold(),
        TokenKind::Name => Style::new(),
        TokenKind::Quoted => Color::Yellow.normal(),
        TokenKind::Pattern => Color::Cyan.normal(),
        TokenKind::Pipe => Style::new().bold(),
        TokenKind::Word => Style::new(),
    };
    tokens.iter().map(|token| (token.span.clone(), style(token))).collect()
}

fn is_known(knowledge: &Knowledge, line: &str, token: &Token) -> bool {
    knowledge.find(&line[token.span.clone()]).is_some()
}

/// Places that will be refused, as far as can be known here.
fn wrong(knowledge: &Knowledge, line: &str, cursor: usize, tokens: &[Token]) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    let mut first = true;
    for stage in tokens.split(|token| token.kind == TokenKind::Pipe) {
        places.extend(wrong_in_stage(knowledge, line, cursor, stage, first));
        first = false;
    }
    places
}

fn wrong_in_stage(
    knowledge: &Knowledge,
    line: &str,
    cursor: usize,
    stage: &[Token],
    first: bool,
) -> Option<Range<usize>> {
    let (begin, end) = (stage.first()?, stage.last()?);
    if stage.iter().any(|token| token.kind == TokenKind::Fault) {
        return None;
    }
    let words = words(line, end.span.end)?;
    // A pattern has no text; `?` is one, and a command.
    let typed =
        words.first().filter(|name| !name.is_empty()).map_or(&line.as_bytes()[begin.span.clone()], Vec::as_slice);
    let name = String::from_utf8_lossy(typed);
    let typing = |span: &Range<usize>| span.end == cursor;
    if first && name == "pact" {
        return None;
    }
    match knowledge.find(&name).map(|known| &known.what) {
        Some(What::Program(schema)) => wrong_argument(schema, &words, stage, &typing),
        Some(What::Command(..)) if first => {
            wrong_for_command(&line[begin.span.start..end.span.end], begin.span.start).filter(|span| !typing(span))
        }
        Some(What::Here) if first => None,
        Some(What::Command(..) | What::Here) => Some(begin.span.clone()),
        None => {
            let begins = knowledge.beginning(&name).any(|known| first || matches!(known.what, What::Program(_)));
            let begins = begins || (first && "pact".starts_with(&*name));
            (!(typing(&begin.span) && begins)).then(|| begin.span.clone())
        }
    }
}

/// The words of the stage that ends at `end`, unquoted; a file pattern is an empty one.
fn words(line: &str, end: usize) -> Option<Vec<Vec<u8>>> {
    let whole = format!("{} ", line.get(..end)?);
    at_cursor(&whole, whole.len()).map(|here| here.before)
}

fn wrong_argument(
    schema: &Schema,
    words: &[Vec<u8>],
    stage: &[Token],
    typing: &dyn Fn(&Range<usize>) -> bool,
) -> Option<Range<usize>> {
    let error = schema.match_argv(words).err()?;
    // A word that is missing has no place yet.
    let word = words.get(error.index)?;
    let span = stage.get(error.index)?.span.clone();
    if typing(&span) {
        let partial = String::from_utf8_lossy(word);
        if !schema.completions(&words[1..error.index.max(1)], &partial).is_empty() || partial == "-" || partial == "--"
        {
            return None;
        }
    }
    Some(span)
}

/// The grammar knows the arguments of pact's own commands.
fn wrong_for_command(stage: &str, offset: usize) -> Option<Range<usize>> {
    let span = parse(Line::new(stage)).err()?.span();
    Some(span.start + offset..span.end + offset)
}

#[cfg(test)]
mod tests {
    use super::super::knowledge::tests::knowledge;
    use super::*;

    /// What is red, with the cursor at `|` or at the end.
    fn red(line: &str) -> Vec<String> {
        let knowledge = knowledge();
        let cursor = line.find('\u{2038}').unwrap_or(line.len());
        let line = line.replace('\u{2038}', "");
        let is_red = |style: &Style| style.foreground == Some(Color::Red);
        let pieces = paint(&knowledge, &line, cursor);
        pieces.into_iter().filter(|(_, style)| is_red(style)).map(|(span, _)| line[span].to_owned()).collect()
    }

    #[test]
    fn what_will_be_refused_is_red_before_enter() {
        for (line, wanted) in [
            ("uname -r", &[][..]),
            ("sudo id", &["sudo"]),
            ("dmesg -C ", &["-C"]),
            ("uname | sh ", &["sh"]),
            ("uname | status ", &["status"]),
            ("uname ; id", &[";", "id"]),
            ("ip netns exec foo sh ", &["netns"]),
            ("log --kind NOTHING | grep x", &["NOTHING"]),
            ("grep -E 'a|b' /var/log/messages | tail -5", &[]),
            ("log -n 100 | grep commit", &[]),
            ("history", &[]),
            ("?", &[]),
            ("? dmesg", &[]),
            ("* ", &["*"]),
            ("pact status", &[]),
            ("cat $(id)", &["$", "(", "id)"]),
        ] {
            let found = red(line);
            if line.contains([';', '$']) {
                assert_eq!(found.first().map(String::as_str), wanted.first().copied(), "{line}");
            } else {
                assert_eq!(found, wanted, "{line}");
            }
        }
    }

    #[test]
    fn what_is_still_being_typed_is_not_red() {
        for (line, wanted) in [
            ("un", &[][..]),
            ("unx", &["unx"]),
            ("pac", &[]),
            ("sta", &[]),
            ("dmesg --lev", &[]),
            ("dmesg --lex", &["--lex"]),
            ("dmesg -", &[]),
            ("uname | h", &["h"]),
            ("uname | gr", &[]),
            ("un\u{2038} -r", &[]),
            ("log -n", &[]),
            ("grep", &[]),
        ] {
            assert_eq!(red(line), wanted, "{line}");
        }
    }
}
