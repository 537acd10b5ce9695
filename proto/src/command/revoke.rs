//! `revoke`: what was issued to somebody counts no more.

use clap::{Args, FromArgMatches};

use super::{Command, Descriptor, Effect};
use crate::model::Principal;

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "revoke",
    aliases: &[],
    about: "end the sessions of a person, and take none of their tokens that was issued until now",
    long: "Within seconds every open session of this person ends, on every node and with the journal. Tokens that the \
           identity provider issues from now on are taken again: to keep somebody out, close their account there first.",
    examples: &[("revoke alice@example.org -m 'lost laptop'", "whatever alice has open ends")],
    effect: Effect::Change,
    arguments: RevokeArguments::augment_args,
    build: |matches| RevokeArguments::from_arg_matches(matches).map(Command::Revoke),
};

/// `revoke`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct RevokeArguments {
    /// whose
    #[arg(value_name = "PRINCIPAL")]
    pub principal: Principal,
    /// why, for the record
    #[arg(short = 'm', long = "message", value_name = "MESSAGE", value_parser = message)]
    pub message: String,
}

/// The longest reason, in bytes.
const MOST_MESSAGE: usize = 1024;

fn message(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("a reason is wanted".to_owned()),
        long if long.len() > MOST_MESSAGE => Err(format!("at most {MOST_MESSAGE} bytes")),
        reason => Ok(reason.to_owned()),
    }
}
