//! What agent and journal both ask of a disk, and of files that say what they do.
//!
//! **Invariant:** what is damaged, gone or somebody else's is an error that names the file; nothing is papered over.
//! **Not here:** what is stored, and what it means.

pub mod disk;
mod error;
pub mod failpoint;
pub mod mark;
pub mod trusted;

pub use disk::Disk;
pub use error::DiskError;
