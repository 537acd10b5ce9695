//! Why a line cannot be read: the place, one plain sentence, and what to type instead.

use std::fmt;
use std::ops::Range;

use super::{Line, MAX_EXPANDED, MAX_LINE, MAX_STAGES, MAX_WORDS};

/// A line that cannot be read. Nothing of it ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    line: Line,
    span: Range<usize>,
    fault: Fault,
}

impl Unreadable {
    pub(super) fn new(line: Line, span: Range<usize>, fault: Fault) -> Self {
        Self { line, span, fault }
    }

    /// What was typed.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// The bytes of the line that the message is about.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// One sentence, lower case, no full stop.
    pub fn message(&self) -> String {
        self.fault.message()
    }

    /// What to type instead.
    pub fn hint(&self) -> String {
        self.fault.hint()
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for Unreadable {}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Empty,
    TooLong(usize),
    TooManyWords,
    ExpandedTooLong,
    TooManyStages,
    NotUtf8,
    Newline,
    Control(char),
    Invisible(char),
    Sequence(&'static str),
    Background,
    PipeBoth,
    Redirect(char),
    Parenthesis(char),
    Brace(char),
    Dollar,
    DollarInQuotes,
    Backtick,
    BacktickInQuotes,
    History,
    Tilde,
    Comment,
    Assignment,
    OpenQuote(char),
    OpenSet,
    Class,
    BackwardRange,
    LastBackslash,
    EmptyStage,
    Cd,
    PatternAsName,
    PatternInOption,
    PatternForCommand,
    NoMatch(String),
    Arguments { message: String, command: &'static str },
}

impl Fault {
    fn message(&self) -> String {
        let text = match self {
            Self::Empty => "the line is empty",
            Self::TooLong(bytes) => return format!("the line has {bytes} bytes, and {MAX_LINE} are the most"),
            Self::TooManyWords => return format!("the line has more than {MAX_WORDS} words"),
            Self::ExpandedTooLong => {
                return format!("the files that match make a line of more than {MAX_EXPANDED} bytes");
            }
            Self::TooManyStages => return format!("the pipeline has more than {MAX_STAGES} stages"),
            Self::NotUtf8 => "these bytes are not UTF-8",
            Self::Newline => "a line ends where it ends: a line break inside it is refused with all of it",
            Self::Control(c) => {
                return format!("the control character U+{:04X} is not allowed in a line", u32::from(*c));
            }
            Self::Invisible(c) => return format!("U+{:04X} hides what is written, and is not allowed", u32::from(*c)),
            Self::Sequence(what) => return format!("`{what}` is not part of the grammar: one pipeline is one line"),
            Self::Background => "`&` is not part of the grammar: nothing runs in the background",
            Self::PipeBoth => "`|&` is not part of the grammar: only standard output goes through a pipe",
            Self::Redirect(c) => {
                return format!("`{c}` is not part of the grammar: nothing is read from or written to files");
            }
            Self::Parenthesis(c) => return format!("`{c}` is not part of the grammar: there are no subshells"),
            Self::Brace(c) => return format!("`{c}` is not part of the grammar: braces are never expanded"),
            Self::Dollar => "`$` is not part of the grammar: there are no variables",
            Self::DollarInQuotes => "`$` in double quotes is not part of the grammar: there are no variables",
            Self::Backtick => "a backtick is not part of the grammar: no output becomes a word",
            Self::BacktickInQuotes => {
                "a backtick in double quotes is not part of the grammar: no output becomes a word"
            }
            Self::History => "`!` is not part of the grammar: history is not expanded",
            Self::Tilde => "`~` is not part of the grammar: home directories are not expanded",
            Self::Comment => "`#` at the start of a word is not part of the grammar: there are no comments",
            Self::Assignment => "`NAME=value` before a program is not part of the grammar: the environment is fixed",
            Self::OpenQuote(c) => return format!("the quote {c} is never closed"),
            Self::OpenSet => "the file pattern that begins with `[` is never closed",
            Self::Class => "character classes are not part of file patterns",
            Self::BackwardRange => "the range in this file pattern runs backwards, and matches nothing",
            Self::LastBackslash => "the backslash at the end has nothing to quote",
            Self::EmptyStage => "there is no program on this side of the `|`",
            Self::Cd => "there is no `cd`: a session has no working directory to change",
            Self::PatternAsName => "the name of a program cannot be a file pattern",
            Self::PatternInOption => "an option cannot hold a file pattern",
            Self::PatternForCommand => "pact's own commands take no file patterns",
            Self::NoMatch(pattern) => return format!("no file matches `{}`", shortened(pattern)),
            Self::Arguments { message, command } => return format!("{command}: {message}"),
        };
        text.to_owned()
    }

    fn hint(&self) -> String {
        let text = match self {
            Self::Empty => "type `help` for what there is",
            Self::TooLong(_) | Self::TooManyWords | Self::ExpandedTooLong => "split it into several lines",
            Self::TooManyStages => "use fewer stages",
            Self::NotUtf8 | Self::Control(_) | Self::Invisible(_) => "type the line again without it",
            Self::Newline => "type one line at a time",
            Self::Sequence(_) => "type one line after the other",
            Self::Background => "leave it out, and open a second session for what takes long",
            Self::PipeBoth => "use `|`",
            Self::Redirect('>') => "leave it out, and copy what is shown",
            Self::Redirect(_) => "name the file as an operand, as in `grep text FILE`",
            Self::Parenthesis(_) => "write one pipeline, or put quotes around the text",
            Self::Brace(_) => "write every word out, or put quotes around the text",
            Self::Dollar => "put single quotes around it if the `$` is meant",
            Self::DollarInQuotes | Self::BacktickInQuotes => "use single quotes, where every character is itself",
            Self::Backtick | Self::History => "put single quotes around it if it is meant",
            Self::Tilde => "write the absolute path",
            Self::Comment => "put quotes around it if the `#` is meant",
            Self::Assignment => "leave it out",
            Self::OpenQuote(c) => return format!("add another {c}, or put a backslash before this one"),
            Self::OpenSet => "add `]`, or put quotes around it if no pattern is meant",
            Self::Class => "write the characters out, or a range as in `[a-z]`",
            Self::BackwardRange => "write the lower end first, as in `[a-z]`",
            Self::LastBackslash => "use two backslashes if one is meant",
            Self::EmptyStage => "write `program | program`",
            Self::Cd => "name files by their absolute path",
            Self::PatternAsName => "write the name out",
            Self::PatternInOption | Self::PatternForCommand => "put quotes around it if the characters are meant",
            Self::NoMatch(_) => "put quotes around it if no pattern is meant",
            Self::Arguments { command, .. } => return format!("type `help {command}`"),
        };
        text.to_owned()
    }
}

/// The caret shows the place; a message is one line.
fn shortened(pattern: &str) -> String {
    const MOST: usize = 60;
    match pattern.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &pattern[..end]),
        None => pattern.to_owned(),
    }
}
