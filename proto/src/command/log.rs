//! `log`: what is on record.

use clap::{Args, FromArgMatches};

use super::{Command, Descriptor, Effect, Since};
use crate::model::{Kind, Principal, Scope};

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "log",
    aliases: &[],
    about: "show what is on record, newest first",
    long: "One line an entry: number, time, kind, scope, author, then session and line in brackets and what \
           happened. Lines that were refused or could not be read are on record too. On a node it is what the journal has \
           of this node, or what is on this node itself while the journal is away; elsewhere what your roles are about. What programs wrote is left out, unless `--kind OUTPUT` \
           or `log show` asks for it.",
    examples: &[
        ("log", "the last 20 entries"),
        ("log -n 100 | grep OUTCOME", "how the last lines ended"),
        ("log --kind REFUSED --since 2h", "what was refused in the last two hours"),
        ("log --author alice@example.org", "what one person did"),
        ("log show 4711", "everything about entry 4711, with what its line wrote"),
        ("log play 4711", "what was seen on the terminal of that line: q ends it, a blank holds it"),
    ],
    effect: Effect::Read,
    arguments: LogArguments::augment_args,
    build: |matches| LogArguments::from_arg_matches(matches).map(Command::Log),
};

/// Whether an entry of this kind is listed. What a line wrote is only for whoever asks for it.
pub fn is_of(asked: Option<Kind>, kind: Kind) -> bool {
    asked.map_or(kind != Kind::Output, |asked| kind == asked)
}

/// The most entries that one `log` shows.
const MOST_ENTRIES: u32 = 10_000;

/// `log`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    subcommand_value_name = "show|play NUMBER"
)]
pub struct LogArguments {
    /// how many entries, 20 unless said otherwise
    #[arg(short = 'n', long = "number", value_name = "N", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(0..=i64::from(MOST_ENTRIES)))]
    pub number: u32,
    /// only entries about node:<name>, vc:<name> or global
    #[arg(long, value_name = "SCOPE")]
    pub scope: Option<Scope>,
    /// only what this person did
    #[arg(long, value_name = "AUTHOR")]
    pub author: Option<Principal>,
    /// only SESSION, END, LINE, REFUSED, OUTCOME, OUTPUT, AGENT, LOST, REJECT, REVOKE or DENIED
    #[arg(long, value_name = "KIND")]
    pub kind: Option<Kind>,
    /// only what is newer: 10m, 2h, 3d, 2026-01-31, or a time with its zone
    #[arg(long, value_name = "TIME")]
    pub since: Option<Since>,
    /// one entry, whole
    #[command(subcommand)]
    pub show: Option<Show>,
}

/// `log show`
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Show {
    /// show one entry whole, with what its line wrote
    #[command(disable_help_flag = true)]
    Show {
        /// its number, as `log` shows it
        #[arg(value_name = "NUMBER")]
        number: u64,
    },
    /// show again what was seen on a line's terminal; as an asciicast where this is none
    #[command(disable_help_flag = true)]
    Play {
        /// the number of any entry of the line, as `log` shows it
        #[arg(value_name = "NUMBER")]
        number: u64,
    },
}
