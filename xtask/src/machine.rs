//! What the tests and the demo need of a machine: programs, which can be installed, and a kernel, which cannot.
//!
//! **Invariant:** nothing that is missing leads to a test that is quietly left out: it is named and the task ends.

pub(crate) mod kernel;
pub(crate) mod programs;

use crate::error::{Error, Result};

/// Ends in one sentence when whoever runs this is not root.
pub(crate) fn must_be_root(what: &str) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Error::failed(format!(
        "{what} makes mount namespaces, control groups and processes of other accounts, which root alone may: run it as root"
    )))
}
