//! What is wrong with how a node is set up, one thing each, and what to do.
//!
//! **Invariant:** the names of checks and severities stay as they are: programs read them.
//! **Not here:** what is looked at (`pact-agent`), and how it is shown (`view`).

use std::fmt;
use std::str::FromStr;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// Where: a file, with its line where there is one, or a name.
    pub place: String,
    /// A sentence that says what was found.
    pub what: String,
    /// A sentence that says what to do.
    pub fix: String,
    /// How bad it is.
    pub severity: Severity,
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// What the running kernel has.
    Kernel,
    /// The layers of the sandbox.
    Sandbox,
    /// The configuration of sshd, and what accounts add to it.
    Sshd,
    /// Accounts whose login shell is pact.
    Accounts,
    /// The list of shells that people may choose.
    Shells,
    /// What starts programs later or without a login.
    Jobs,
    /// Rules that let accounts be somebody else.
    Sudo,
    /// Who may write what everything depends on.
    Files,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Somebody may get around pact, or pact does not work.
    Serious,
    /// It is worth knowing.
    Note,
}

/// A name of no check, or of no severity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a check nor a severity")]
pub struct InvalidFinding(pub String);

impl Check {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 8] =
        [Self::Kernel, Self::Sandbox, Self::Sshd, Self::Accounts, Self::Shells, Self::Jobs, Self::Sudo, Self::Files];

    /// As programs read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Sandbox => "sandbox",
            Self::Sshd => "sshd",
            Self::Accounts => "accounts",
            Self::Shells => "shells",
            Self::Jobs => "jobs",
            Self::Sudo => "sudo",
            Self::Files => "files",
        }
    }
}

impl Severity {
    /// As programs read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Serious => "serious",
            Self::Note => "note",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Check {
    type Err = InvalidFinding;

    fn from_str(name: &str) -> Result<Self, InvalidFinding> {
        let found = Self::ALL.into_iter().find(|check| check.name() == name);
        found.ok_or_else(|| InvalidFinding(name.to_owned()))
    }
}

impl FromStr for Severity {
    type Err = InvalidFinding;

    fn from_str(name: &str) -> Result<Self, InvalidFinding> {
        let found = [Self::Serious, Self::Note].into_iter().find(|severity| severity.name() == name);
        found.ok_or_else(|| InvalidFinding(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_these_for_ever_and_read_back() -> Result<(), InvalidFinding> {
        let names = ["kernel", "sandbox", "sshd", "accounts", "shells", "jobs", "sudo", "files"];
        assert_eq!(Check::ALL.map(Check::name), names);
        for name in names {
            assert_eq!(name.parse::<Check>()?.to_string(), name);
        }
        for name in ["serious", "note"] {
            assert_eq!(name.parse::<Severity>()?.to_string(), name);
        }
        Ok(())
    }

    #[test]
    fn another_name_is_an_error() {
        for name in ["", "Sshd", "note", "sshd "] {
            assert!(name.parse::<Check>().is_err(), "{name}");
        }
        for name in ["", "sshd", "Note", "warning"] {
            assert!(name.parse::<Severity>().is_err(), "{name}");
        }
    }
}
