//! The contract and the shared vocabulary of pact: wire, grammar, tables, model, view, exit codes.
//!
//! **Invariant:** nothing here does I/O, knows a clock or starts a runtime; equal input gives equal output.
//! **Not here:** who may do what (`pact-policy`), and anything that runs (`pact-agent`).

pub mod command;
pub mod exit;
pub mod grammar;
pub mod model;
pub mod nodeset;
pub mod program;
pub mod resume;
pub mod toml;
pub mod view;

/// Generated from `proto/pact/**.proto` by `cargo xtask gen`. Wire types stop at the edge of each crate.
#[expect(
    missing_docs,
    unused_qualifications,
    clippy::pedantic,
    clippy::allow_attributes,
    reason = "generated; the .proto files are the documentation"
)]
pub mod wire {
    /// `pact.v1`: sessions and entries.
    pub mod v1 {
        include!("gen/pact.v1.rs");
    }
    /// `pact.host.v1`: agent, launcher and host on one node.
    pub mod host {
        include!("gen/pact.host.v1.rs");
    }
}
