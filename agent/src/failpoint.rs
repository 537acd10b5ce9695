//! Named places where a test can end the agent, as a power cut would. Nothing without the feature `failpoints`.

/// Where a test can stop the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failpoint {
    /// The line is on disk; nothing of it has run.
    AfterRecord,
    /// All of it has run; its outcome is not on disk.
    BeforeOutcome,
}

impl Failpoint {
    #[cfg(feature = "failpoints")]
    const fn name(self) -> &'static str {
        match self {
            Self::AfterRecord => "after-record",
            Self::BeforeOutcome => "before-outcome",
        }
    }
}

/// Ends the process with SIGKILL where `PACT_FAILPOINT` names this place.
#[cfg(feature = "failpoints")]
pub(crate) fn hit(point: Failpoint) {
    if std::env::var("PACT_FAILPOINT").is_ok_and(|name| name == point.name()) {
        let myself = rustix::process::getpid();
        // SIGKILL comes before this returns, or never: then the test fails, which is right.
        let _never = rustix::process::kill_process(myself, rustix::process::Signal::KILL);
    }
}

/// Nothing: this agent was built without failpoints.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn hit(_: Failpoint) {}
