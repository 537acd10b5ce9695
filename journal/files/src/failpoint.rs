//! Named places where a test can end a process, as a power cut would. Nothing without the feature `failpoints`.
//!
//! **Why:** where a process can die between two steps is a fact of its code, and only its code can name it.

/// Ends the process with SIGKILL where `PACT_FAILPOINT` says `name`, or `name:n` and this place is reached for the nth
/// time.
#[cfg(feature = "failpoints")]
pub fn hit(place: &str) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static TIMES: AtomicU64 = AtomicU64::new(0);
    let wanted = std::env::var("PACT_FAILPOINT").unwrap_or_default();
    let (name, nth) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if name == place && nth.parse() == Ok(TIMES.fetch_add(1, Ordering::Relaxed) + 1) {
        let myself = rustix::process::getpid();
        // SIGKILL comes before this returns, or never: then the test fails, which is right.
        let _never = rustix::process::kill_process(myself, rustix::process::Signal::KILL);
    }
}

/// Nothing: this was built without failpoints.
#[cfg(not(feature = "failpoints"))]
pub fn hit(_: &str) {}
