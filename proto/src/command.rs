//! The table of pact's own commands.
//!
//! **Invariant:** parser, help, completion and the role matrix come from this table; a command that is not built is
//! not in it. Parsing checks, and never acts.
//! **Not here:** who may use a command (`pact-policy`), what it does (`pact-agent`).

mod arguments;

pub use arguments::{HelpArguments, LogArguments, Since};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, FromArgMatches};

/// A command with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `log`
    Log(LogArguments),
    /// `status`
    Status,
    /// `whoami`
    Whoami,
    /// `help`
    Help(HelpArguments),
    /// `exit`
    Exit,
}

impl Command {
    /// As it stands in the table.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Log(_) => "log",
            Self::Status => "status",
            Self::Whoami => "whoami",
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
    Descriptor {
        name: "exit",
        aliases: &["logout"],
        about: "end the session",
        long: "Ends the session; so does Ctrl-D on an empty line. What still runs in it is ended too.",
        examples: &[("exit", "end the session")],
        effect: Effect::Read,
        arguments: |command| command,
        build: |_| Ok(Command::Exit),
    },
    Descriptor {
        name: "help",
        aliases: &["?"],
        about: "show what there is, or how one command or program is used",
        long: "Without a name it lists pact's commands and the programs that you may start. With a name it shows every \
               form that is allowed, option by option: what is not listed is refused.",
        examples: &[("help", "list what there is"), ("help grep", "show which options of grep are allowed")],
        effect: Effect::Read,
        arguments: HelpArguments::augment_args,
        build: |matches| HelpArguments::from_arg_matches(matches).map(Command::Help),
    },
    Descriptor {
        name: "log",
        aliases: &[],
        about: "show what is on record on this node, newest first",
        long: "One line an entry: number, time, kind, scope, author, then session and line in brackets and what \
               happened. Lines that were refused or could not be read are on record too.",
        examples: &[
            ("log", "the last 20 entries"),
            ("log -n 100 | grep OUTCOME", "how the last lines ended"),
            ("log --kind REFUSED --since 2h", "what was refused in the last two hours"),
            ("log --author alice@example.org", "what one person did"),
        ],
        effect: Effect::Read,
        arguments: LogArguments::augment_args,
        build: |matches| LogArguments::from_arg_matches(matches).map(Command::Log),
    },
    Descriptor {
        name: "status",
        aliases: &[],
        about: "show the state of this node",
        long: "State, vCluster, policy, records, which layers of the sandbox hold, and what is degraded.",
        examples: &[("status", "the state of this node")],
        effect: Effect::Read,
        arguments: |command| command,
        build: |_| Ok(Command::Status),
    },
    Descriptor {
        name: "whoami",
        aliases: &[],
        about: "show who you are to pact",
        long: "The principal that your lines are recorded under, how it was verified, and its roles.",
        examples: &[("whoami", "who you are, and your roles")],
        effect: Effect::Read,
        arguments: |command| command,
        build: |_| Ok(Command::Whoami),
    },
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
    matched.map_err(|error| bad(&error, &words))
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
        usage.trim_start_matches("Usage: ").to_owned()
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

fn bad(error: &clap::Error, words: &[String]) -> BadArguments {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let is_value = matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation);
    let culprit = context(if is_value { ContextKind::InvalidValue } else { ContextKind::InvalidArg });
    let word =
        culprit.and_then(|text| words.iter().position(|word| *word == text || word.ends_with(&format!("={text}"))));
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let meant = context(ContextKind::SuggestedArg).map(|name| format!("; did you mean {name}?")).unwrap_or_default();
    BadArguments { message: format!("{first}{meant}"), word }
}
