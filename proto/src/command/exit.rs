//! `exit`: the session is over.

use super::{Command, Descriptor, Effect};

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "exit",
    aliases: &["logout"],
    about: "end the session",
    long: "Ends the session; so does Ctrl-D on an empty line. What still runs in it is ended too.",
    examples: &[("exit", "end the session")],
    effect: Effect::Read,
    arguments: |command| command,
    build: |_| Ok(Command::Exit),
};
