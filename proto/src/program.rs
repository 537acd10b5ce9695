//! The table of programs: what may be started, with which arguments, in which sandbox.

mod profile;

pub use profile::{Capability, Family, Profile};
