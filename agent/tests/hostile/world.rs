//! What the one who calls says about the machine: `key=value` words.

use std::collections::BTreeMap;

use crate::sys::{self, nr};
use crate::verdict::Verdict;

/// Processes that a try may be aimed at, by the name of their parameter.
pub const OTHERS: [&str; 4] = ["host", "agent", "pact", "other"];

/// The parameters.
pub struct World {
    words: BTreeMap<String, String>,
    /// The name of the try.
    pub name: String,
}

impl World {
    /// Of the words after the command; a word that is none is an error.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let pairs = words.iter().map(|word| {
            let (key, value) = word.split_once('=').ok_or_else(|| format!("{word} is not KEY=VALUE"))?;
            Ok((key.to_owned(), value.to_owned()))
        });
        Ok(Self { words: pairs.collect::<Result<_, String>>()?, name: String::new() })
    }

    /// A parameter that the try cannot do without.
    pub fn text(&self, key: &str) -> Result<&str, Verdict> {
        let missing = || Verdict::Unclear(format!("needs {key}="));
        self.words.get(key).map(String::as_str).filter(|value| !value.is_empty()).ok_or_else(missing)
    }

    /// A process.
    pub fn pid(&self, key: &str) -> Result<usize, Verdict> {
        let pid = self.text(key)?.parse().map_err(|_| Verdict::Unclear(format!("{key}= is no number")))?;
        let own = sys::call(nr::GETPID, &[]).unwrap_or(0);
        if pid == own { Err(Verdict::Unclear(format!("{key}= is this process"))) } else { Ok(pid) }
    }

    /// This program's file: as the caller says, or as it was started, or as /proc has it.
    pub fn own_path(&self) -> String {
        let started = std::env::args().next().filter(|path| path.starts_with('/'));
        let shown = || std::fs::read_link("/proc/self/exe").ok().map(|path| path.display().to_string());
        let given = self.words.get("self").cloned();
        given.or_else(shown).or(started).unwrap_or_else(|| "/proc/self/exe".to_owned())
    }
}
