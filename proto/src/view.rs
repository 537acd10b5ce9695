//! Rendering, as pure functions: what people see, from values.
//!
//! **Invariant:** bytes that somebody typed or a node wrote are shown escaped; equal input gives equal output.

mod cap;
mod doctor;
mod escape;
mod explain;
mod fleet;
mod fold;
mod format;
mod help;
mod log;
mod near;
mod record;
mod rows;
mod status;
mod syntax;
mod value;

pub use cap::{Capabilities, Cpu, Disk, Gpu, Health, Nic, Numa, cap, cap_value};
pub use doctor::{doctor, doctor_value};
pub use escape::{escape, is_plain};
pub use explain::{ExplainedStage, Explanation, explanation, explanation_value, suggestions, suggestions_value};
pub use fleet::{
    ClusterStatus, FleetLink, FleetNode, cluster, cluster_value, findings, fleet, fleet_value, health, health_value,
    revoked, revoked_value,
};
pub use format::Format;
pub use help::help;
pub use log::{entry_value, log_line, numbered_line, unreadable_value};
pub use near::near;
pub use record::{record, record_value};
pub use rows::rows;
pub use status::{JournalStatus, NodeStatus, status, status_value, whoami, whoami_value};
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
