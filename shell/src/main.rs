//! The terminal of pact.
fn main() {}
