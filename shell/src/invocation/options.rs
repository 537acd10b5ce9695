//! The options that every command has on a workstation: where the journal is, who one is, how results are shown.
//!
//! **Invariant:** only what stands in `COMMON`, of which completion and man pages are made, is one of them; what stands
//! behind `--` is somebody else's, and is not looked at.

use pact_client::settings::{Output, Said};
use pact_proto::command::COMMON;
use pact_proto::view::escape;

use super::Unusable;

/// What was said beside the command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Common {
    /// Over what environment and files say.
    pub(crate) said: Said,
    /// `--no-color`
    pub(crate) is_plain: bool,
}

impl Common {
    /// A prompt, and a line as it is typed there, need none of them: one that is there means something that does not
    /// happen.
    pub(crate) fn are_for_nothing_else(&self) -> Result<(), Unusable> {
        if *self == Self::default() {
            return Ok(());
        }
        let message = "options: --endpoint, --ca, --token-file, --output, --timeout and --no-color are for commands";
        Err(Unusable::new(message, "at the prompt of this node, leave them away; NO_COLOR=1 takes colours away"))
    }

    /// What this node's agent answers is shown in any way, and asks nobody else.
    pub(crate) fn are_for_this_node(&self) -> Result<(), Unusable> {
        if !self.ask_the_journal() {
            return Ok(());
        }
        let message =
            "options: --endpoint, --ca, --token-file and --timeout are for what the journal and other nodes answer";
        Err(Unusable::new(message, "on this node, leave them away"))
    }

    /// Whether they say how to reach the journal.
    pub(crate) fn ask_the_journal(&self) -> bool {
        let Said { endpoint, ca, token_file, token, timeout, output: _, vcluster: _ } = &self.said;
        endpoint.is_some() || ca.is_some() || token_file.is_some() || token.is_some() || timeout.is_some()
    }
}

/// Takes them out of the words.
pub(crate) fn take(words: Vec<Vec<u8>>) -> Result<(Common, Vec<Vec<u8>>), Unusable> {
    let (mut common, mut rest) = (Common::default(), Vec::new());
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        // What stands behind `--` or `-c` is a line.
        if word == b"--" || is_c(&word) {
            rest.push(word);
            rest.extend(words);
            break;
        }
        let (name, joined) = split(&word);
        match name {
            _ if !is_common(name) => rest.push(word),
            b"--no-color" if joined.is_none() => common.is_plain = true,
            b"--endpoint" => common.said.endpoint = Some(value(name, joined, &mut words)?),
            b"--ca" => common.said.ca = Some(value(name, joined, &mut words)?.into()),
            b"--token-file" => common.said.token_file = Some(value(name, joined, &mut words)?.into()),
            b"--output" => common.said.output = Some(output(value(name, joined, &mut words)?)?),
            b"--timeout" => common.said.timeout = Some(seconds(&value(name, joined, &mut words)?)?),
            _ => rest.push(word),
        }
    }
    Ok((common, rest))
}

fn is_common(name: &[u8]) -> bool {
    name.strip_prefix(b"--").is_some_and(|name| COMMON.iter().any(|option| option.name.as_bytes() == name))
}

/// `-c`, `-lc`
fn is_c(word: &[u8]) -> bool {
    word.starts_with(b"-") && !word.starts_with(b"--") && word.ends_with(b"c")
}

/// `--name=value`
fn split(word: &[u8]) -> (&[u8], Option<&[u8]>) {
    match word.iter().position(|byte| *byte == b'=') {
        Some(at) if word.starts_with(b"--") => (&word[..at], Some(&word[at + 1..])),
        Some(_) | None => (word, None),
    }
}

fn value(name: &[u8], joined: Option<&[u8]>, words: &mut impl Iterator<Item = Vec<u8>>) -> Result<String, Unusable> {
    let shown = escape(name);
    let value = joined.map(<[u8]>::to_vec).or_else(|| words.next());
    let value =
        value.ok_or_else(|| Unusable::new(format!("{shown}: its value is missing"), "`pact --help` lists options"))?;
    String::from_utf8(value).map_err(|_| Unusable::new(format!("{shown}: its value is not UTF-8"), ""))
}

fn output(value: String) -> Result<Output, Unusable> {
    Output::read("--output", value).map_err(|error| Unusable::new(error.to_string(), ""))
}

fn seconds(value: &str) -> Result<u64, Unusable> {
    let bad = || Unusable::new(format!("--timeout: {value:?} is not a number of seconds from 1 to 86400"), "");
    value.parse().ok().filter(|seconds| (1..=86_400).contains(seconds)).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(words: &[&str]) -> Result<(Common, Vec<String>), String> {
        let words = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let (common, rest) = take(words).map_err(|error| error.to_string())?;
        Ok((common, rest.into_iter().map(|word| String::from_utf8(word).unwrap()).collect()))
    }

    #[test]
    fn options_stand_anywhere_before_the_line() {
        for words in [
            &["--endpoint", "a:1", "exec", "n1", "--", "uname", "--endpoint", "x"][..],
            &["exec", "--endpoint=a:1", "n1", "--", "uname", "--endpoint", "x"],
            &["exec", "n1", "--endpoint", "a:1", "--", "uname", "--endpoint", "x"],
        ] {
            let (common, rest) = taken(words).unwrap();
            assert_eq!(common.said.endpoint.as_deref(), Some("a:1"));
            assert_eq!(rest, ["exec", "n1", "--", "uname", "--endpoint", "x"]);
        }
    }

    #[test]
    fn every_one_that_completion_and_man_pages_name_is_taken() {
        for option in COMMON {
            let name = format!("--{}", option.name);
            let value = match option.value {
                "" => None,
                "SECONDS" => Some("5"),
                "FORMAT" => Some("json"),
                _ => Some("x"),
            };
            let words: Vec<_> = ["log", &name].into_iter().chain(value).chain(["-n", "5"]).collect();
            let (common, rest) = taken(&words).unwrap();
            assert_eq!(rest, ["log", "-n", "5"], "{name}");
            let refused = common.are_for_nothing_else().unwrap_err().to_string();
            assert!(refused.contains(&name), "{name}: {refused}");
            assert!(crate::invocation::HELP.contains(&name), "{name}");
        }
    }

    #[test]
    fn a_line_is_no_option() {
        let (common, rest) = taken(&["-lc", "--no-color"]).unwrap();
        assert_eq!((common, rest), (Common::default(), vec!["-lc".to_owned(), "--no-color".to_owned()]));
    }

    #[test]
    fn what_is_wrong_with_a_value_is_said() {
        for (words, expected) in [
            (&["--endpoint"][..], "--endpoint: its value is missing"),
            (&["--timeout", "soon"], "--timeout: \"soon\" is not a number of seconds"),
            (&["--timeout=0"], "is not a number of seconds"),
            (&["--output=xml"], "--output: \"xml\" is not text, json or yaml"),
        ] {
            assert!(taken(words).unwrap_err().contains(expected), "{words:?}");
        }
    }
}
