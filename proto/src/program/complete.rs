//! What could come next in the words of a program.

use super::schema::{Form, Option_, Schema};
use super::value::Value;

impl Schema {
    /// Words that could stand after `before` (without the program's name) and begin with `partial`, with what they
    /// mean.
    pub fn completions(&self, before: &[Vec<u8>], partial: &str) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = Vec::new();
        for form in self.forms() {
            for candidate in form.candidates(before, partial) {
                if candidate.0.starts_with(partial) && !found.contains(&candidate) {
                    found.push(candidate);
                }
            }
        }
        found
    }

    /// The part of `partial` that is the beginning of a path, where one could stand after `before`: all of it, or what
    /// is behind `--option=`.
    pub fn path<'a>(&self, before: &[Vec<u8>], partial: &'a str) -> Option<&'a str> {
        self.forms().iter().find_map(|form| form.path(before, partial))
    }
}

impl Form {
    fn path<'a>(&self, before: &[Vec<u8>], partial: &'a str) -> Option<&'a str> {
        let takes_path = |option: &Option_| option.value == Some(Value::Path);
        let named = |name: &str| self.options.iter().find(|option| option.names.iter().any(|n| n == name));
        if let (true, Some((name, path))) = (partial.starts_with("--"), partial.split_once('=')) {
            return named(name).filter(|option| takes_path(option)).map(|_| path);
        }
        if partial.starts_with('-') && !before.iter().any(|word| word == b"--") {
            return None;
        }
        let last = before.last().and_then(|word| std::str::from_utf8(word).ok());
        if let Some(option) = last.and_then(named).filter(|option| option.value.is_some() && !option.optional) {
            return takes_path(option).then_some(partial);
        }
        // Sub-commands come before any operand.
        let said = before.iter().filter(|word| !word.starts_with(b"-")).count();
        let is_operand = said >= self.words.len() && self.operands.iter().any(|operand| operand.value == Value::Path);
        is_operand.then_some(partial)
    }

    fn candidates(&self, before: &[Vec<u8>], partial: &str) -> Vec<(String, String)> {
        if let Some(values) = self.value_candidates(before.last(), partial) {
            return values;
        }
        let mut said = before.iter().filter(|word| !word.starts_with(b"-"));
        for word in &self.words {
            match said.next() {
                None => return self.sub_command(word, partial),
                Some(typed) if word.split('|').any(|spelling| spelling.as_bytes() == typed.as_slice()) => {}
                Some(_) => return Vec::new(),
            }
        }
        let options = self.spellings(partial).filter(|(name, _)| !(self.options_first && name.starts_with('-')));
        let operands =
            self.operands.iter().flat_map(|operand| operand.value.words()).map(|w| (w.clone(), String::new()));
        options.chain(operands).collect()
    }

    fn sub_command(&self, word: &String, partial: &str) -> Vec<(String, String)> {
        let may_have_options = partial.starts_with('-') && (!self.options_first || self.words.first() == Some(word));
        let options = may_have_options.then(|| self.spellings(partial)).into_iter().flatten();
        let first = word.split('|').next().unwrap_or_default().to_owned();
        std::iter::once((first, self.about.clone())).chain(options).collect()
    }

    /// Options are offered once a dash is typed; keywords always.
    fn spellings(&self, partial: &str) -> impl Iterator<Item = (String, String)> {
        let dashed = partial.starts_with('-');
        let all = self.options.iter().flat_map(|option| option.names.iter().map(|name| (name, &option.about)));
        all.filter(move |(name, _)| dashed == name.starts_with('-')).map(|(name, about)| (name.clone(), about.clone()))
    }

    /// `--color=al`, or a word behind an option that takes one of a few words.
    fn value_candidates(&self, last: Option<&Vec<u8>>, partial: &str) -> Option<Vec<(String, String)>> {
        if let Some((name, _)) = partial.split_once('=') {
            let option = self.options.iter().find(|option| option.names.iter().any(|n| n == name))?;
            let words = option.value.as_ref()?.words();
            return Some(words.iter().map(|word| (format!("{name}={word}"), option.about.clone())).collect());
        }
        let last = last?;
        let option =
            self.options.iter().find(|o| !o.optional && o.names.iter().any(|n| n.as_bytes() == last.as_slice()))?;
        let words = option.value.as_ref()?.words();
        Some(words.iter().map(|word| (word.clone(), option.about.clone())).collect())
    }
}
