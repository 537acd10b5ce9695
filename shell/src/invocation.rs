//! How `pact` was called, and what that means.
//!
//! **Invariant:** as login shell only `-c LINE`, `-l` and `-i` exist, and nothing in the environment or in the user's
//! files decides which mode it is.
//! **Why:** a login shell's words are chosen by whoever logs in: by ssh's command, by su, by the name it was given.

mod options;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

use pact_proto::command::{
    self, CapArguments, Command, DoctorArguments, ExecArguments, HelpArguments, ShellArguments, StatusArguments,
};
use pact_proto::grammar::{Head, Parsed, parse_words};
use pact_proto::model::NodeName;
use pact_proto::view::{self, Style, escape, near};

use crate::error::ShellError;

pub(crate) use options::Common;

/// What is asked of `pact`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    /// Lines: at a prompt, or from standard input.
    Lines,
    /// One line, as typed.
    Line(Vec<u8>),
    /// One of pact's own commands, split into words by the caller's shell.
    Words(Vec<Vec<u8>>, Common),
    /// The same, which the journal answers too.
    Nearest(Vec<Vec<u8>>, Common),
    /// `--help`
    Help,
    /// `--version`
    Version,
    /// What a workstation's shell completes `pact` with.
    Completions(command::Shell),
    /// Something of other nodes.
    Remote(Remote, Common),
}

/// What a workstation asks of other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Remote {
    /// The prompt of one.
    Shell(NodeName),
    /// One of pact's own commands on one.
    Line(NodeName, Vec<Vec<u8>>),
    /// One of pact's own commands, which the journal answers.
    Journal(Vec<Vec<u8>>),
    /// A line on one or many, word by word as the caller's shell has split it.
    Exec(ExecArguments, Vec<Vec<u8>>),
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// sshd, login or su, on behalf of somebody for whom this is the shell.
    Login,
    /// Somebody at a shell of their own.
    Command,
}

/// Words that mean nothing: one sentence, and what to type instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Unusable {
    message: String,
    hint: String,
}

impl Unusable {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }

    /// The caller gave `pact` no name.
    pub(crate) fn nameless() -> Self {
        Self::new("invocation: there is no name in argv[0]", "a program is called with its name first")
    }

    pub(crate) fn hint(&self) -> &str {
        &self.hint
    }
}

impl Mode {
    /// A leading `-` is how login programs mark a login shell. Otherwise the account says it: `names_this` is whether
    /// the shell in the passwd entry is this binary, and `None` where that cannot be read.
    pub(crate) fn of(name: &OsStr, names_this: Option<bool>) -> Self {
        if name.as_encoded_bytes().starts_with(b"-") || names_this.unwrap_or(true) {
            Self::Login
        } else {
            Self::Command
        }
    }
}

impl Invocation {
    /// Reads the words behind the name.
    pub(crate) fn read(mode: Mode, words: Vec<OsString>) -> Result<Self, Unusable> {
        let words: Vec<_> = words.into_iter().map(OsString::into_vec).collect();
        let (common, words) = match mode {
            Mode::Login => (Common::default(), words),
            Mode::Command => options::take(words)?,
        };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            match (word.as_slice(), mode) {
                (b"--help" | b"-h", Mode::Command) => return Ok(Self::Help),
                (b"--version" | b"-V", Mode::Command) => return Ok(Self::Version),
                ([b'-', letters @ ..], _) if are_letters(letters) => {
                    if letters.ends_with(b"c") {
                        common.are_for_nothing_else()?;
                        return line(words);
                    }
                }
                ([b'-', ..], Mode::Command) => return Err(no_option(&word)),
                (_, Mode::Command) => return command(std::iter::once(word).chain(words).collect(), common),
                (_, Mode::Login) => return Err(not_for_a_login_shell(&word)),
            }
        }
        common.are_for_nothing_else()?;
        Ok(Self::Lines)
    }
}

/// `-l`, `-i`, `-c`, and as login programs join them: `-lc`.
fn are_letters(letters: &[u8]) -> bool {
    let before_c = letters.strip_suffix(b"c").unwrap_or(letters);
    !letters.is_empty() && before_c.iter().all(|letter| matches!(letter, b'l' | b'i'))
}

fn line(mut words: impl Iterator<Item = Vec<u8>>) -> Result<Invocation, Unusable> {
    let hint = "write `pact -c 'LINE'`";
    let Some(line) = words.next() else { return Err(Unusable::new("-c: there is no line behind it", hint)) };
    match words.next() {
        None => Ok(Invocation::Line(line)),
        Some(more) => {
            Err(Unusable::new(format!("-c: it takes one line, and `{}` is one word more", escape(&more)), hint))
        }
    }
}

fn command(words: Vec<Vec<u8>>, common: Common) -> Result<Invocation, Unusable> {
    let name = String::from_utf8_lossy(&words[0]).into_owned();
    if command::find(&name).is_some() {
        return match way(&words)? {
            Way::Remote(asked) => Ok(Invocation::Remote(asked, common)),
            Way::Nearest => Ok(Invocation::Nearest(words, common)),
            Way::Here(shell) => common.are_for_nothing_else().map(|()| Invocation::Completions(shell)),
            Way::Agent => common.are_for_this_node().map(|()| Invocation::Words(words, common)),
        };
    }
    let shown = escape(&words[0]);
    let known = command::TABLE.iter().map(|descriptor| descriptor.name);
    let hint = match near(&name, known).as_slice() {
        [] => "`pact help` lists the commands; `pact -c 'LINE'` runs programs".to_owned(),
        names => format!("near: {}", names.join(", ")),
    };
    Err(Unusable::new(format!("`{shown}`: there is no such command of pact"), hint))
}

/// Who answers a command that is typed outside of a prompt.
enum Way {
    /// `pact` itself.
    Here(command::Shell),
    /// The agent of this node.
    Agent,
    /// Another node, or the journal.
    Remote(Remote),
    /// The agent of this node, and where there is none the journal.
    Nearest,
}

fn way(words: &[Vec<u8>]) -> Result<Way, Unusable> {
    let parsed = parse_words(without_line(words))
        .map_err(|unreadable| Unusable::new(unreadable.message().clone(), unreadable.hint().clone()))?;
    let Head::Command(stage) = parsed.head() else { return Ok(Way::Agent) };
    let asked = match stage.command() {
        Command::Shell(ShellArguments { node }) => Remote::Shell(node.clone()),
        Command::Exec(asked) => {
            let line = words.iter().skip_while(|word| *word != b"--").skip(1).cloned().collect();
            Remote::Exec(asked.clone(), line)
        }
        // There it is the node's own.
        Command::Status(StatusArguments { node: Some(node), .. })
        | Command::Cap(CapArguments { node: Some(node) })
        | Command::Doctor(DoctorArguments { node: Some(node) }) => Remote::Line(node.clone(), vec![words[0].clone()]),
        Command::Status(StatusArguments { vcluster: Some(_), .. })
        | Command::Cluster
        | Command::Health
        | Command::Revoke(_) => Remote::Journal(words.to_vec()),
        Command::Completions(asked) => return Ok(Way::Here(asked.shell)),
        Command::Status(StatusArguments { node: None, vcluster: None })
        | Command::Cap(CapArguments { node: None })
        | Command::Doctor(DoctorArguments { node: None })
        | Command::Log(_)
        | Command::Policy(_)
        | Command::Watch(_)
        | Command::Whoami => return Ok(Way::Nearest),
        Command::Help(_) | Command::Exit => return Ok(Way::Agent),
    };
    Ok(Way::Remote(asked))
}

/// The words without the line of `exec`, which the node reads, judges and has on record, whatever is in it.
fn without_line(words: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let behind = words.iter().position(|word| word == b"--").map_or(words.len(), |at| at + 1);
    let is_exec = words.first().is_some_and(|word| word == b"exec");
    if !is_exec || behind == words.len() {
        return words.to_vec();
    }
    let placeholder = b"-".to_vec();
    words[..behind].iter().cloned().chain([placeholder]).collect()
}

/// Whether these words ask for help, of whatever.
pub(crate) fn is_help(words: &[Vec<u8>]) -> bool {
    parse_words(words.to_vec()).is_ok_and(|parsed| asked_help(&parsed).is_some())
}

fn asked_help(parsed: &Parsed) -> Option<&HelpArguments> {
    match parsed.head() {
        Head::Command(stage) => match stage.command() {
            Command::Help(arguments) => Some(arguments),
            Command::Shell(_)
            | Command::Exec(_)
            | Command::Status(_)
            | Command::Cap(_)
            | Command::Doctor(_)
            | Command::Log(_)
            | Command::Watch(_)
            | Command::Completions(_)
            | Command::Cluster
            | Command::Health
            | Command::Policy(_)
            | Command::Revoke(_)
            | Command::Whoami
            | Command::Exit => None,
        },
        Head::Programs => None,
    }
}

/// Help where there is no agent to give it: of pact's own commands. Programs are a node's.
pub(crate) fn help(words: Vec<Vec<u8>>, columns: u16) -> Result<String, ShellError> {
    let parsed = parse_words(words).map_err(|bad| Unusable::new(bad.message().clone(), bad.hint().clone()))?;
    let commands: Vec<_> = command::TABLE.iter().map(|descriptor| descriptor.name).collect();
    let arguments = asked_help(&parsed).cloned().unwrap_or_default();
    let text = view::help(&arguments, &commands, &[], Style { colour: false, columns });
    text.map_err(|message| Unusable::new(message, "programs are a node's: ask there, as in `pact shell NODE`").into())
}

fn no_option(word: &[u8]) -> Unusable {
    Unusable::new(format!("`{}`: there is no such option", escape(word)), "`pact --help` shows how it is called")
}

fn not_for_a_login_shell(word: &[u8]) -> Unusable {
    let message = format!("`{}`: a login shell takes -c LINE, -l and -i, and nothing else", escape(word));
    Unusable::new(message, "log in, and type the line at the prompt")
}

/// What `--help` says.
pub(crate) const HELP: &str = "\
pact - the shell of a node

  pact                 the prompt of this node, where its agent runs; lines, where standard input is a file or a pipe
  pact -c 'LINE'       one line: a command of pact, or programs joined by `|`
  pact COMMAND [ARG]…  one of pact's own commands, as in `pact status` or `pact log -n 5`
  pact shell NODE      the prompt of another node
  pact exec NODES -- LINE
                       one line on other nodes: node042, node[001-100], @<vCluster>; -b folds equal answers
  pact status NODE     how another node is; `pact status --vcluster X` shows all of a vCluster
  pact cap NODE        what another node has: processors, memory, GPUs and their health, network, disks
  pact log, watch, whoami
                       answered by this node's agent, and where there is none, or an option says so, by the journal
  pact cluster, pact health, pact revoke WHO -m WHY
                       answered by the journal; `revoke` ends all that a person has open
  pact completions bash|zsh|fish
                       completion for a workstation's shell
  pact help [NAME]     what you may run, and with which arguments
  pact --version       which pact this is

  Other nodes are reached through the journal:
  --endpoint HOST:PORT, --ca FILE, --token-file FILE, --timeout SECONDS, --output text|json|yaml, --no-color;
  PACT_ENDPOINT, PACT_CA, PACT_TOKEN, PACT_TOKEN_FILE, PACT_VCLUSTER, PACT_OUTPUT; ~/.config/pact/cli.toml, /etc/pact/cli.toml.

  As login shell it takes -c LINE, -l and -i, and nothing else.
  Exit status: the program's own; 1 for what cannot be read, 2 not for you, 3 against the policy,
  5 nobody answers, 6 not on the whitelist. What pact itself has to say begins with `pact: ` on standard error.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mode: Mode, words: &[&str]) -> Result<Invocation, String> {
        Invocation::read(mode, words.iter().map(OsString::from).collect()).map_err(|error| error.to_string())
    }

    fn line(text: &str) -> Invocation {
        Invocation::Line(text.into())
    }

    #[test]
    fn the_mode_is_the_accounts_and_never_a_name_somebody_chose() {
        for (name, names_this, mode) in [
            ("-pact", Some(false), Mode::Login),
            ("-sh", Some(false), Mode::Login),
            ("bash", Some(true), Mode::Login),
            ("pact", Some(true), Mode::Login),
            ("pact", None, Mode::Login),
            ("pact", Some(false), Mode::Command),
            ("bash", Some(false), Mode::Command),
        ] {
            assert_eq!(Mode::of(OsStr::new(name), names_this), mode, "{name} {names_this:?}");
        }
    }

    #[test]
    fn a_login_shell_takes_a_line_and_nothing_else() {
        for (words, meant) in [
            (&[][..], Invocation::Lines),
            (&["-l"], Invocation::Lines),
            (&["-i", "-l"], Invocation::Lines),
            (&["-li"], Invocation::Lines),
            (&["-c", "dmesg; id"], line("dmesg; id")),
            (&["-l", "-c", "uname"], line("uname")),
            (&["-lc", "uname"], line("uname")),
            (&["-c", "-c"], line("-c")),
            (&["-c", "--help"], line("--help")),
        ] {
            assert_eq!(read(Mode::Login, words), Ok(meant), "{words:?}");
        }
        for words in [
            &["--config", "/tmp/x", "-c", "dmesg"][..],
            &["script.sh"],
            &["status"],
            &["--help"],
            &["--version"],
            &["-h"],
            &["--"],
            &["-"],
            &[""],
            &["-c"],
            &["-c", "uname", "more"],
            &["-cl", "uname"],
            &["-x"],
            &["-lx"],
            &["-l", "uname"],
        ] {
            assert!(read(Mode::Login, words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn a_command_is_one_of_pacts_own() {
        let bytes = |words: &[&str]| words.iter().map(|w| w.as_bytes().to_vec()).collect::<Vec<_>>();
        let words = |words: &[&str]| Invocation::Words(bytes(words), Common::default());
        let nearest = |words: &[&str]| Invocation::Nearest(bytes(words), Common::default());
        let journal = |words: &[&str]| Invocation::Remote(Remote::Journal(bytes(words)), Common::default());
        assert_eq!(read(Mode::Command, &["log", "-n", "5"]), Ok(nearest(&["log", "-n", "5"])));
        for typed in [&["revoke", "a@example.org", "-m", "left"][..], &["status", "--vcluster", "ml"]] {
            assert_eq!(read(Mode::Command, typed), Ok(journal(typed)));
        }
        assert_eq!(read(Mode::Command, &["status"]), Ok(nearest(&["status"])));
        assert_eq!(read(Mode::Command, &["help", "status"]), Ok(words(&["help", "status"])));
        assert_eq!(read(Mode::Command, &["-c", "uname | wc"]), Ok(line("uname | wc")));
        assert_eq!(read(Mode::Command, &["--help"]), Ok(Invocation::Help));
        assert_eq!(read(Mode::Command, &["--version"]), Ok(Invocation::Version));
        assert_eq!(read(Mode::Command, &[]), Ok(Invocation::Lines));
        for words in [&["uname"][..], &["script.sh"], &["--config", "x"], &[""], &["-x"], &["\u{1b}[2J"]] {
            let error = read(Mode::Command, words).unwrap_err();
            assert!(!error.contains('\u{1b}'), "{error:?}");
        }
    }
}
