//! Named places where a test can end the journal, as a power cut would. Nothing without the feature `failpoints`.

/// Where a test can stop the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failpoint {
    /// Written, and nothing of it flushed.
    BeforeSync,
    /// On the disk; the head does not say so yet.
    BeforeHead,
    /// In the log and on the disk; not applied.
    BeforeApply,
    /// Applied; nobody was told.
    AfterApply,
}

impl Failpoint {
    #[cfg(feature = "failpoints")]
    const fn name(self) -> &'static str {
        match self {
            Self::BeforeSync => "before-sync",
            Self::BeforeHead => "before-head",
            Self::BeforeApply => "before-apply",
            Self::AfterApply => "after-apply",
        }
    }
}

/// Ends the process with SIGKILL where `PACT_FAILPOINT` says `name:n` and this place is reached for the nth time.
#[cfg(feature = "failpoints")]
pub(crate) fn hit(point: Failpoint) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static TIMES: AtomicU64 = AtomicU64::new(0);
    let wanted = std::env::var("PACT_FAILPOINT").unwrap_or_default();
    let Some((name, nth)) = wanted.split_once(':') else { return };
    if name == point.name() && nth.parse() == Ok(TIMES.fetch_add(1, Ordering::Relaxed) + 1) {
        let myself = rustix::process::getpid();
        // SIGKILL comes before this returns, or never: then the test fails, which is right.
        let _never = rustix::process::kill_process(myself, rustix::process::Signal::KILL);
    }
}

/// Nothing: this journal was built without failpoints.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn hit(_: Failpoint) {}
