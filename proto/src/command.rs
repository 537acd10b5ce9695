//! The table of pact's own commands.
//!
//! **Invariant:** parser, help, completion and the role matrix come from this table; a command that is not built is
//! not in it. Parsing checks, and never acts.
//! **Not here:** who may use a command (`pact-policy`), what it does (`pact-agent`).

mod cap;
mod cluster;
mod completions;
mod doctor;
mod exec;
mod exit;
mod health;
mod help;
mod log;
mod policy;
mod revoke;
mod shell;
mod since;
mod status;
mod tree;
mod watch;
mod whoami;

pub use cap::CapArguments;
use clap::error::{ContextKind, ContextValue, ErrorKind};
pub use completions::{CompletionsArguments, Shell};
pub use doctor::DoctorArguments;
pub use exec::ExecArguments;
pub use help::HelpArguments;
pub use log::{LogArguments, Show, is_of};
pub use policy::{PolicyArguments, PolicyQuestion};
pub use revoke::RevokeArguments;
pub use shell::ShellArguments;
pub use since::{InvalidSince, Since};
pub use status::StatusArguments;
pub use tree::{COMMON, CommonOption, tree};
pub use watch::WatchArguments;

/// A command with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `log`
    Log(LogArguments),
    /// `cap`
    Cap(CapArguments),
    /// `doctor`
    Doctor(DoctorArguments),
    /// `status`
    Status(StatusArguments),
    /// `exec`
    Exec(ExecArguments),
    /// `shell`
    Shell(ShellArguments),
    /// `watch`
    Watch(WatchArguments),
    /// `cluster`
    Cluster,
    /// `health`
    Health,
    /// `policy`
    Policy(PolicyArguments),
    /// `revoke`
    Revoke(RevokeArguments),
    /// `whoami`
    Whoami,
    /// `completions`
    Completions(CompletionsArguments),
    /// `help`
    Help(HelpArguments),
    /// `exit`
    Exit,
}

impl Command {
    /// Whether a terminal may have too few rows for what it shows. What goes on by itself is not meant.
    pub fn may_be_long(&self) -> bool {
        match self {
            // It has the terminal itself.
            Self::Log(LogArguments { show: Some(Show::Play { .. }), .. }) => false,
            Self::Log(_)
            | Self::Cap(_)
            | Self::Doctor(_)
            | Self::Help(_)
            | Self::Policy(_)
            | Self::Cluster
            | Self::Health
            | Self::Status(_) => true,
            Self::Exec(_)
            | Self::Shell(_)
            | Self::Watch(_)
            | Self::Revoke(_)
            | Self::Whoami
            | Self::Completions(_)
            | Self::Exit => false,
        }
    }

    /// As it stands in the table.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Log(_) => "log",
            Self::Cap(_) => "cap",
            Self::Doctor(_) => "doctor",
            Self::Status(_) => "status",
            Self::Exec(_) => "exec",
            Self::Shell(_) => "shell",
            Self::Watch(_) => "watch",
            Self::Cluster => "cluster",
            Self::Health => "health",
            Self::Policy(_) => "policy",
            Self::Revoke(_) => "revoke",
            Self::Whoami => "whoami",
            Self::Completions(_) => "completions",
            Self::Help(_) => "help",
            Self::Exit => "exit",
        }
    }
}

/// What a command or a form of a program does to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Nothing.
    Read,
    /// Something that can be undone.
    Change,
    /// Something that cannot.
    Destructive,
}

/// One row of the table.
#[derive(Debug)]
pub struct Descriptor {
    /// As it is typed.
    pub name: &'static str,
    /// Other spellings.
    pub aliases: &'static [&'static str],
    /// One line.
    pub about: &'static str,
    /// The rest of its help.
    pub long: &'static str,
    /// A line, and what it does.
    pub examples: &'static [(&'static str, &'static str)],
    /// What it does to the node.
    pub effect: Effect,
    arguments: fn(clap::Command) -> clap::Command,
    build: fn(&clap::ArgMatches) -> Result<Command, clap::Error>,
}

/// Every command that is built.
pub const TABLE: &[Descriptor] = &[
    cap::DESCRIPTOR,
    cluster::DESCRIPTOR,
    completions::DESCRIPTOR,
    doctor::DESCRIPTOR,
    exec::DESCRIPTOR,
    exit::DESCRIPTOR,
    health::DESCRIPTOR,
    help::DESCRIPTOR,
    log::DESCRIPTOR,
    policy::DESCRIPTOR,
    revoke::DESCRIPTOR,
    shell::DESCRIPTOR,
    status::DESCRIPTOR,
    watch::DESCRIPTOR,
    whoami::DESCRIPTOR,
];

/// By name or other spelling.
pub fn find(name: &str) -> Option<&'static Descriptor> {
    TABLE.iter().find(|descriptor| descriptor.name == name || descriptor.aliases.contains(&name))
}

/// Words that are not arguments of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadArguments {
    /// One sentence.
    pub(crate) message: String,
    /// Which word, where it is one.
    pub(crate) word: Option<usize>,
}

/// Reads a command's arguments; `--help` among them asks for its help.
pub(crate) fn parse(descriptor: &'static Descriptor, words: &[Vec<u8>]) -> Result<Command, BadArguments> {
    if words.iter().any(|word| word == b"--help" || word == b"-h") {
        return Ok(Command::Help(HelpArguments { topic: Some(descriptor.name.to_owned()) }));
    }
    let words: Vec<String> = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let matched = descriptor.grammar().try_get_matches_from(&words).and_then(|matches| (descriptor.build)(&matches));
    matched.map_err(|error| bad(descriptor, &error, &words))
}

impl Descriptor {
    /// The command's arguments, as clap knows them; built, since clap panics when it prints an operand before.
    pub(crate) fn grammar(&self) -> clap::Command {
        let command = clap::Command::new(self.name);
        let command = command.no_binary_name(true).disable_help_flag(true).disable_version_flag(true);
        let mut command = (self.arguments)(command);
        command.build();
        command
    }

    /// `log [OPTIONS]`
    pub fn usage(&self) -> String {
        let usage = self.grammar().render_usage().to_string();
        // clap puts a second form under the first one, behind where its own "Usage: " stands.
        usage.trim_start_matches("Usage: ").replace("\n       ", "\n  ")
    }

    /// Its options and operands: spelling and what it means.
    pub fn arguments(&self) -> Vec<(String, String)> {
        let command = self.grammar();
        let row = |argument: &clap::Arg| {
            let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
            (format!("{short}{argument}"), argument.get_help().map(ToString::to_string).unwrap_or_default())
        };
        command.get_arguments().map(row).collect()
    }

    /// What the word behind `before`, which begins as `partial` does, is: the words that it may be, where there are only
    /// these, and its name in capitals. `None` where no value can stand there.
    pub fn value(&self, before: &[Vec<u8>], partial: &str) -> Option<(Vec<String>, String)> {
        let command = self.grammar();
        let named = |word: &str| {
            let word = word.split('=').next().unwrap_or(word);
            command.get_arguments().find(|argument| {
                let long = argument.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long));
                long || argument.get_short().is_some_and(|short| word == format!("-{short}"))
            })
        };
        let takes = |argument: &&clap::Arg| argument.get_action().takes_values();
        let words: Vec<_> = before.iter().map(|word| String::from_utf8_lossy(word)).collect();
        let argument = if partial.starts_with("--") && partial.contains('=') {
            named(partial).filter(takes)?
        } else if let Some(option) =
            words.last().filter(|word| !word.contains('=')).and_then(|w| named(w)).filter(takes)
        {
            option
        } else {
            let mut operands = 0;
            let mut is_value = false;
            for word in &words {
                operands += usize::from(!is_value && !word.starts_with('-'));
                is_value = !word.contains('=') && named(word).is_some_and(|argument| takes(&argument));
            }
            command.get_positionals().filter(|argument| !argument.is_last_set()).nth(operands)?
        };
        let words = argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        let name = argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
        Some((words, name.unwrap_or_default()))
    }

    /// The spellings of its options, for completion.
    pub fn options(&self) -> Vec<(String, String)> {
        let command = self.grammar();
        let spelled = |argument: &clap::Arg| {
            let about = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let long = argument.get_long().map(|long| (format!("--{long}"), about.clone()));
            let short = argument.get_short().map(|short| (format!("-{short}"), about));
            long.into_iter().chain(short).collect::<Vec<_>>()
        };
        command.get_arguments().flat_map(spelled).collect()
    }
}

/// An argument's name without what clap puts around it: `<PRINCIPAL>`, `--message <MESSAGE>`, `-- <WORDS>...`.
fn bare(name: &str) -> &str {
    let name = name.trim_start_matches("-- ");
    let first = name.split(' ').next().unwrap_or(name);
    if first.starts_with('-') { first } else { name.trim_matches(['<', '>', '.'].as_slice()) }
}

fn bad(descriptor: &Descriptor, error: &clap::Error, words: &[String]) -> BadArguments {
    if let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg)
        && error.kind() == ErrorKind::MissingRequiredArgument
    {
        // What stands behind `--` has it in its usage.
        let names: Vec<_> = missing.iter().map(|name| bare(name)).collect();
        return BadArguments { message: format!("{} {} missing", names.join(" and "), are(names.len())), word: None };
    }
    let of_subcommand = [
        ErrorKind::MissingSubcommand,
        ErrorKind::InvalidSubcommand,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
    ];
    if of_subcommand.contains(&error.kind()) {
        let grammar = descriptor.grammar();
        let names: Vec<_> = grammar.get_subcommands().map(clap::Command::get_name).collect();
        let word = (error.kind() == ErrorKind::InvalidSubcommand).then_some(0);
        return BadArguments { message: format!("it must say which: {}", names.join(", ")), word };
    }
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let is_value = matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation);
    let culprit = context(if is_value { ContextKind::InvalidValue } else { ContextKind::InvalidArg });
    let word =
        culprit.and_then(|text| words.iter().position(|word| *word == text || word.ends_with(&format!("={text}"))));
    if let (Some(at), ErrorKind::UnknownArgument) = (word, error.kind())
        && !words[at].starts_with('-')
        && descriptor.grammar().get_arguments().any(clap::Arg::is_last_set)
    {
        let example = descriptor.examples.first().map_or("", |(line, _)| line);
        return BadArguments { message: format!("the line stands behind `--`, as in `{example}`"), word };
    }
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let meant = context(ContextKind::SuggestedArg).map(|name| format!("; did you mean {name}?")).unwrap_or_default();
    // clap names them in a line of their own.
    let there_are = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(names)) if !names.is_empty() => format!("; there are {}", names.join(", ")),
        _ => String::new(),
    };
    BadArguments { message: format!("{first}{there_are}{meant}"), word }
}

fn are(several: usize) -> &'static str {
    if several == 1 { "is" } else { "are" }
}
