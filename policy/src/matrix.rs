//! Who may use which command: one row a command, one column a standing.
//!
//! **Invariant:** a command of the table without a row here runs for nobody, and a test looks both ways. The rendered
//! table is checked in, so that an auditor can read it: `matrix.txt`.

use pact_proto::command::{Effect, TABLE};

use crate::identity::Standing;

/// Columns, in the order of the rendered table, with the names of their roles.
const COLUMNS: [(Standing, &str); 6] = [
    (Standing::PlatformAdmin, "platform-admin"),
    (Standing::Ops, "ops"),
    (Standing::Regulated, "regulated"),
    (Standing::Viewer, "viewer"),
    (Standing::ServiceAi, "service-ai"),
    (Standing::Root, "root"),
];

/// A command, and the standings that may use it.
const ROWS: &[(&str, &[Standing])] = &[
    ("cap", EVERYBODY),
    ("cluster", PERSONS),
    ("completions", EVERYBODY),
    ("doctor", KEEPERS),
    ("exec", PERSONS),
    ("exit", ANYBODY),
    ("health", PERSONS),
    ("help", EVERYBODY),
    ("log", EVERYBODY),
    ("policy", EVERYBODY),
    ("revoke", &[Standing::PlatformAdmin]),
    ("shell", PERSONS),
    ("status", EVERYBODY),
    ("watch", EVERYBODY),
    ("whoami", EVERYBODY),
];

/// Who can mend a node: what is wrong with it is not for others.
const KEEPERS: &[Standing] = &[Standing::PlatformAdmin, Standing::Ops, Standing::Root];

/// Root of a node is no person, and has no way to others.
const PERSONS: &[Standing] =
    &[Standing::PlatformAdmin, Standing::Ops, Standing::Regulated, Standing::Viewer, Standing::ServiceAi];

/// Whoever came in may leave, also who may do nothing else here.
const ANYBODY: &[Standing] = &[
    Standing::PlatformAdmin,
    Standing::Ops,
    Standing::Regulated,
    Standing::Viewer,
    Standing::ServiceAi,
    Standing::Root,
    Standing::Stranger,
];

const EVERYBODY: &[Standing] = &[
    Standing::PlatformAdmin,
    Standing::Ops,
    Standing::Regulated,
    Standing::Viewer,
    Standing::ServiceAi,
    Standing::Root,
];

impl Standing {
    /// As its column is named.
    pub(crate) fn name(self) -> &'static str {
        COLUMNS.iter().find(|(standing, _)| *standing == self).map_or("nobody", |(_, name)| *name)
    }
}

/// Whether somebody of this standing may use a command.
pub(crate) fn may_use(standing: Standing, command: &str) -> bool {
    ROWS.iter().any(|(name, allowed)| *name == command && allowed.contains(&standing))
}

/// Whether a form of a program with this effect is for this standing. `asked` is what the policy says of service-ai.
pub(crate) fn may_start(standing: Standing, effect: Effect, asked: bool) -> bool {
    match standing {
        Standing::PlatformAdmin | Standing::Ops => true,
        // A change of theirs needs a second person, which nobody can be asked for on a node alone.
        Standing::Viewer | Standing::Regulated => effect == Effect::Read,
        Standing::ServiceAi => asked && effect == Effect::Read,
        Standing::Root | Standing::Stranger => false,
    }
}

/// Whether what others saw on their terminals is for somebody of this standing: it is more than `log` tells.
pub(crate) fn may_see(standing: Standing) -> bool {
    match standing {
        Standing::PlatformAdmin | Standing::Ops => true,
        Standing::Viewer | Standing::Regulated | Standing::ServiceAi | Standing::Root | Standing::Stranger => false,
    }
}

/// The table for people: commands, then what programs may be started for.
pub fn matrix() -> String {
    let mut text = format!("{:18}", "");
    for (_, name) in COLUMNS {
        text.push_str(&format!(" {name:>14}"));
    }
    text.push('\n');
    for descriptor in TABLE {
        let cell = |standing| if may_use(standing, descriptor.name) { "yes" } else { "no" };
        line(&mut text, descriptor.name, cell);
    }
    for (name, effect) in [("read", Effect::Read), ("change", Effect::Change), ("destructive", Effect::Destructive)] {
        let cell = |standing| match (may_start(standing, effect, false), may_start(standing, effect, true)) {
            (true, _) => "yes",
            (false, true) => "if policy says",
            (false, false) => "no",
        };
        line(&mut text, &format!("programs: {name}"), cell);
    }
    text
}

fn line(text: &mut String, name: &str, cell: impl Fn(Standing) -> &'static str) {
    text.push_str(&format!("{name:18}"));
    for (standing, _) in COLUMNS {
        text.push_str(&format!(" {:>14}", cell(standing)));
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_row_and_every_row_a_command() {
        for descriptor in TABLE {
            assert!(ROWS.iter().any(|(name, _)| *name == descriptor.name), "{} has no row", descriptor.name);
        }
        for (name, _) in ROWS {
            assert!(TABLE.iter().any(|descriptor| descriptor.name == *name), "{name} is no command");
        }
    }

    #[test]
    fn a_stranger_may_nothing() {
        let of_strangers: Vec<_> =
            TABLE.iter().map(|it| it.name).filter(|name| may_use(Standing::Stranger, name)).collect();
        assert_eq!(of_strangers, ["exit"]);
        assert!(!may_start(Standing::Stranger, Effect::Read, true));
        assert!(!may_start(Standing::Root, Effect::Read, true));
    }
}
