//! Does this argv have a form that the schema allows? A state machine over its words, faithful to `getopt_long`.
//!
//! **Invariant:** a word that begins with `-` before a `--` is explained by a spelling, or nothing matches.

use super::schema::{Digits, Form, Operand, Option_, Schema, Stdin};
use super::value::Value;
use crate::command::Effect;
use crate::view::{escape, near};

/// What an allowed argv does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// To the node.
    pub effect: Effect,
    /// It reads its standard input.
    pub reads_stdin: bool,
    /// It draws on a terminal.
    pub terminal: bool,
    /// Which of the schema's forms allows it, from 0.
    pub form: usize,
}

/// An argument that no form allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentError {
    /// Which word of argv, 0 being the name.
    pub index: usize,
    what: String,
    /// Sub-commands that could stand there instead.
    wanted: Vec<String>,
    /// The form has no place for the word at all: another form may know better what is wrong with it.
    surplus: bool,
    nearest: Vec<String>,
}

impl ArgumentError {
    fn new(index: usize, what: impl Into<String>) -> Self {
        Self { index, what: what.into(), wanted: Vec::new(), surplus: false, nearest: Vec::new() }
    }

    /// One sentence without a subject: "`-C` is not an option that is allowed".
    pub fn message(&self) -> &str {
        &self.what
    }

    /// Spellings that are near.
    pub fn nearest(&self) -> &[String] {
        &self.nearest
    }

    /// What two forms say of one argv: the one that came further, or what both know of the word where they stopped.
    fn or(self, other: Self) -> Self {
        if self.index != other.index {
            return if self.index > other.index { self } else { other };
        }
        let (mut first, second) = if self.surplus { (other, self) } else { (self, other) };
        for (have, more) in [(&mut first.wanted, second.wanted), (&mut first.nearest, second.nearest)] {
            let new: Vec<String> = more.into_iter().filter(|word| !have.contains(word)).collect();
            have.extend(new);
        }
        first
    }

    /// The sentence, once every form has had its say.
    fn finished(mut self) -> Self {
        if !self.wanted.is_empty() {
            self.what = format!("{}: {}", self.what, self.wanted.join(" or "));
        }
        self.nearest.truncate(3);
        self
    }
}

impl Schema {
    /// Finds the form. Where none matches, the error is that of the form that came furthest.
    pub fn match_argv(&self, argv: &[Vec<u8>]) -> Result<Match, ArgumentError> {
        let mut furthest: Option<ArgumentError> = None;
        for (number, form) in self.forms().iter().enumerate() {
            match (Matching { form, number, argv, at: 1, words: 0, operands: Vec::new(), seen: Vec::new() }).run() {
                Ok(found) => return Ok(found),
                Err(error) => {
                    furthest = Some(match furthest {
                        Some(before) => before.or(error),
                        None => error,
                    });
                }
            }
        }
        Err(furthest.unwrap_or_else(|| ArgumentError::new(0, "nothing is allowed")).finished())
    }
}

/// More words than these are better looked up than listed.
const MOST_SHOWN: usize = 12;

struct Matching<'a> {
    form: &'a Form,
    /// Which of the schema's it is.
    number: usize,
    argv: &'a [Vec<u8>],
    at: usize,
    /// Sub-commands seen.
    words: usize,
    operands: Vec<usize>,
    /// Options seen, by their place in the form.
    seen: Vec<usize>,
}

impl Matching<'_> {
    fn run(mut self) -> Result<Match, ArgumentError> {
        let mut only_operands = false;
        while let Some(word) = self.argv.get(self.at) {
            let index = self.at;
            self.at += 1;
            if self.is_count(index, word) && !only_operands {
                continue;
            }
            if self.form.plus && word.starts_with(b"+") && (only_operands || self.named(word).is_none()) {
                return Err(self.unknown(index, word));
            }
            if only_operands {
                self.operands.push(index);
            } else if word == b"--" && self.form.dashes {
                only_operands = true;
            } else if self.is_old_plus(index, word) {
                return Err(self.unknown(index, word));
            } else if word.len() > 1 && word[0] == b'-' {
                self.option(index, word)?;
            } else if self.words < self.form.words.len() {
                self.sub_command(index, word)?;
            } else {
                self.keyword_or_operand(index, word)?;
            }
        }
        if let Some(missing) = self.form.words.get(self.words) {
            let wanted = vec![first_spelling(missing)];
            return Err(ArgumentError { wanted, ..ArgumentError::new(self.at, "it must say more") });
        }
        self.check_operands()?;
        if !self.form.needs.is_empty() && !self.has_seen(&self.form.needs) {
            let what = format!("it needs {}", self.form.needs.join(" or "));
            return Err(ArgumentError::new(self.argv.len(), what));
        }
        Ok(Match {
            effect: self.form.effect,
            reads_stdin: self.reads_stdin(),
            terminal: self.form.terminal,
            form: self.number,
        })
    }

    /// `-5`, where the program reads a number of lines.
    fn is_count(&self, index: usize, word: &[u8]) -> bool {
        let minus = |word: &[u8]| word.strip_prefix(b"-").is_some_and(is_digits);
        match self.form.digits {
            Digits::Never => false,
            Digits::Anywhere => minus(word),
            Digits::First => index == 1 && minus(word),
            Digits::Alone => index == 1 && self.is_alone() && is_old_count(word),
        }
    }

    /// The words behind the first are one operand at most: then tail reads the first in its old way.
    fn is_alone(&self) -> bool {
        match self.argv.get(2..).unwrap_or_default() {
            [] => true,
            [dashes] | [dashes, _] if dashes == b"--" => true,
            [one] => one.len() < 2 || one[0] != b'-',
            _ => false,
        }
    }

    /// `+…` as first word, of which tail reads more than a number; here a number is all that it may be.
    fn is_old_plus(&self, index: usize, word: &[u8]) -> bool {
        self.form.digits == Digits::Alone && index == 1 && word.first() == Some(&b'+')
    }

    fn sub_command(&mut self, index: usize, word: &[u8]) -> Result<(), ArgumentError> {
        let wanted = &self.form.words[self.words];
        if wanted.split('|').any(|spelling| spelling.as_bytes() == word) {
            self.words += 1;
            return Ok(());
        }
        let what = format!("`{}` is not allowed here", escape(word));
        Err(ArgumentError { wanted: vec![first_spelling(wanted)], ..ArgumentError::new(index, what) })
    }

    fn named(&self, name: &[u8]) -> Option<usize> {
        self.form.options.iter().position(|option| option.names.iter().any(|n| n.as_bytes() == name))
    }

    fn keyword_or_operand(&mut self, index: usize, word: &[u8]) -> Result<(), ArgumentError> {
        let Some(option) = self.named(word) else {
            self.operands.push(index);
            return Ok(());
        };
        self.seen.push(option);
        match &self.form.options[option].value {
            Some(value) => self.separate(index, word, value),
            None => Ok(()),
        }
    }

    fn option(&mut self, index: usize, word: &[u8]) -> Result<(), ArgumentError> {
        if self.form.options_first && self.words > 0 {
            let what = format!("`{}` must stand before the first word without a dash", escape(word));
            return Err(ArgumentError::new(index, what));
        }
        if let Some(option) = self.named(word) {
            self.seen.push(option);
            return match &self.form.options[option] {
                Option_ { value: Some(value), optional: false, .. } => self.separate(index, word, value),
                _ => Ok(()),
            };
        }
        if let Some(equals) = word.iter().position(|b| *b == b'=')
            && let Some(result) = self.attached(index, &word[..equals], &word[equals + 1..])
        {
            return result;
        }
        if word[1] == b'-' || !self.form.bundle { Err(self.unknown(index, word)) } else { self.bundle(index, word) }
    }

    /// `--name=value`
    fn attached(&mut self, index: usize, name: &[u8], value: &[u8]) -> Option<Result<(), ArgumentError>> {
        let option = self.named(name)?;
        let text = std::str::from_utf8(name).ok()?;
        let attaches = Option_::is_long(text) || (!self.form.bundle && self.form.options[option].optional);
        let kind = self.form.options[option].value.as_ref().filter(|_| attaches)?;
        self.seen.push(option);
        Some(Self::value(index, name, kind, value))
    }

    /// `-abc`, `-n5`: short options in one word, the last of which may have its value attached or behind it.
    fn bundle(&mut self, index: usize, word: &[u8]) -> Result<(), ArgumentError> {
        let mut rest = &word[1..];
        while let [letter, more @ ..] = rest {
            let name = [b'-', *letter];
            if letter.is_ascii_digit() && self.form.digits == Digits::Anywhere {
                rest = more;
                continue;
            }
            let Some(option) = self.named(&name) else { return Err(self.unknown_letter(index, word, *letter)) };
            self.seen.push(option);
            match &self.form.options[option] {
                Option_ { value: None, .. } => {}
                Option_ { value: Some(value), .. } if !more.is_empty() => {
                    return Self::value(index, &name, value, more);
                }
                Option_ { value: Some(_), optional: true, .. } => {}
                Option_ { value: Some(value), .. } => return self.separate(index, &name, value),
            }
            rest = more;
        }
        Ok(())
    }

    /// The next word is the value, whatever it begins with: so reads getopt.
    fn separate(&mut self, index: usize, name: &[u8], value: &Value) -> Result<(), ArgumentError> {
        let Some(word) = self.argv.get(self.at) else {
            return Err(ArgumentError::new(index, format!("`{}` needs a value: {}", escape(name), value.shown())));
        };
        self.at += 1;
        Self::value(self.at - 1, name, value, word)
    }

    fn value(index: usize, name: &[u8], value: &Value, word: &[u8]) -> Result<(), ArgumentError> {
        let what = format!("`{}` is not a value for `{}`", escape(word), escape(name));
        if value.accepts(word) { Ok(()) } else { Err(Self::unfit(index, value, word, what)) }
    }

    /// A word that is not what `value` takes: what would be, or what is near where that is too much to list.
    fn unfit(index: usize, value: &Value, word: &[u8], what: String) -> ArgumentError {
        let words = value.words();
        if words.len() <= MOST_SHOWN {
            return ArgumentError::new(index, format!("{what}: {}", value.shown()));
        }
        let wrong = value.wrong_item(word);
        let nearest = near(&wrong, words.iter().map(String::as_str)).into_iter().map(str::to_owned).collect();
        let what = if wrong.as_bytes() == word { what } else { format!("{what}: `{}`", escape(wrong.as_bytes())) };
        ArgumentError { nearest, ..ArgumentError::new(index, what) }
    }

    fn unknown(&self, index: usize, word: &[u8]) -> ArgumentError {
        let mut error = ArgumentError::new(index, format!("`{}` is not an option that is allowed", escape(word)));
        let typed = String::from_utf8_lossy(word);
        if is_old_count(word) && self.named(b"-n").is_some() {
            error.nearest.push(format!("-n {}", typed.trim_start_matches('-')));
            return error;
        }
        let typed = typed.split('=').next().unwrap_or_default();
        let operands = self.form.operands.iter().flat_map(|operand| operand.value.words());
        // What is short is near to everything.
        let names = self.form.options.iter().flat_map(|option| &option.names);
        let names = names.filter(|name| name.starts_with('-') && name.len() > 3).chain(operands).map(String::as_str);
        error.nearest = near(typed, names.filter(|_| typed.len() > 3)).into_iter().map(str::to_owned).collect();
        error
    }

    fn unknown_letter(&self, index: usize, word: &[u8], letter: u8) -> ArgumentError {
        let mut error = self.unknown(index, word);
        if word.len() > 2 && letter.is_ascii_alphanumeric() {
            let letter = char::from(letter);
            error.what = format!("`-{letter}` in `{}` is not an option that is allowed", escape(word));
        }
        error
    }

    /// Hands the operands to their specifications, in order.
    fn check_operands(&self) -> Result<(), ArgumentError> {
        let mut left = self.operands.iter();
        for operand in self.form.operands.iter().filter(|operand| self.is_wanted(operand)) {
            let mut taken = 0;
            while taken == 0 || operand.many {
                let Some(&index) = left.next() else { break };
                if !operand.value.accepts(&self.argv[index]) {
                    let word = &self.argv[index];
                    let what = format!("`{}` is not allowed here", escape(word));
                    return Err(Self::unfit(index, &operand.value, word, what));
                }
                taken += 1;
            }
            if taken == 0 && !operand.optional {
                return Err(ArgumentError::new(self.argv.len(), format!("it must name {}", operand.name)));
            }
        }
        match left.next() {
            Some(&index) => {
                let what = format!("`{}` is one word more than is allowed", escape(&self.argv[index]));
                Err(ArgumentError { surplus: true, ..ArgumentError::new(index, what) })
            }
            None => Ok(()),
        }
    }

    fn is_wanted(&self, operand: &Operand) -> bool {
        !self.has_seen(&operand.unless)
    }

    /// Whether one of these options was said, by whichever of its names.
    fn has_seen(&self, names: &[String]) -> bool {
        let seen = |name: &String| self.seen.iter().any(|option| self.form.options[*option].names.contains(name));
        names.iter().any(seen)
    }

    fn reads_stdin(&self) -> bool {
        match self.form.stdin {
            Stdin::Never => false,
            Stdin::WithoutFiles => {
                // Operands that are no files come first in every form.
                let others = self.form.operands.iter().filter(|o| self.is_wanted(o) && o.value != Value::Path).count();
                let mut files = self.operands.iter().skip(others).peekable();
                files.peek().is_none() || files.any(|index| self.argv[*index] == b"-")
            }
        }
    }
}

fn first_spelling(word: &str) -> String {
    word.split('|').next().unwrap_or_default().to_owned()
}

fn is_digits(word: &[u8]) -> bool {
    (1..=9).contains(&word.len()) && word.iter().all(u8::is_ascii_digit)
}

/// `-5`, `+5`, `-5f`, `+5f`
fn is_old_count(word: &[u8]) -> bool {
    let unsigned = word.strip_prefix(b"-").or_else(|| word.strip_prefix(b"+"));
    unsigned.is_some_and(|word| is_digits(word.strip_suffix(b"f").unwrap_or(word)))
}
