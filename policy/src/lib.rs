//! Who may do what: pure functions from facts to a verdict.
//!
//! **Not here:** I/O, clocks, async.
