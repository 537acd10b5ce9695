//! Rendering, as pure functions: what people see, from values.
//!
//! **Invariant:** bytes that somebody typed or a node wrote are shown escaped; equal input gives equal output.

mod escape;
mod fold;
mod help;
mod log;
mod near;
mod status;
mod syntax;
mod value;

pub use escape::{escape, is_plain};
pub use help::help;
pub use log::{log_line, numbered_line};
pub use near::near;
pub use status::{JournalStatus, NodeStatus, status, whoami};
pub use syntax::{Complaint, complain};
pub use value::{Value, json, yaml, yaml_item};

/// What the terminal can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Colours are wanted.
    pub colour: bool,
    /// Its width.
    pub columns: u16,
}
