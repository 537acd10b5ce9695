//! Exit codes of pact itself. Programs keep their own; see the README for how to tell them apart.
//!
//! **Invariant:** the numbers are the specification's and never change.

/// What pact's own commands and failures end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// It worked.
    Success = 0,
    /// Anything without a number of its own; unreadable lines too.
    General = 1,
    /// Who asks is not known, or may not run this.
    Auth = 2,
    /// The policy of the vCluster says no.
    Policy = 3,
    /// Somebody else changed it meanwhile.
    Conflict = 4,
    /// Nobody answered in time: journal, agent or node.
    Unreachable = 5,
    /// Not on the whitelist, or an argument that no schema allows.
    NotWhitelisted = 6,
    /// Rolling back would take something away that is in use.
    ActiveConsumers = 10,
}

impl ExitCode {
    /// Every code, in the order of its number.
    pub const ALL: [Self; 8] = [
        Self::Success,
        Self::General,
        Self::Auth,
        Self::Policy,
        Self::Conflict,
        Self::Unreachable,
        Self::NotWhitelisted,
        Self::ActiveConsumers,
    ];

    /// The number that a shell sees.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::ExitCode;

    #[test]
    fn numbers_are_the_specifications() {
        assert_eq!(ExitCode::ALL.map(ExitCode::number), [0, 1, 2, 3, 4, 5, 6, 10]);
    }
}
