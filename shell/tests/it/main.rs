//! `pact` and `pact-agent` as they are built, on a node of their own: what people type, what they see, what is on
//! record.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod attacks;
mod broken;
#[expect(dead_code, reason = "what checks and blesses them is for the crates whose they are")]
#[path = "../../../proto/tests/it/cases.rs"]
mod cases;
mod conversations;
mod floor;
mod hostile;
#[expect(dead_code, reason = "the terminal is for the control, which is one of the agent's tests")]
#[path = "../../../agent/tests/it/hostile.rs"]
mod hostile_program;
mod inside;
mod invocation;
mod journal;
mod keys;
mod limits;
mod lines;
mod login;
mod node;
mod prompt;
mod recordings;
mod records;
mod remote;
mod screens;
mod seat;
mod site;
mod stuck;
mod uplink;
mod wire;
