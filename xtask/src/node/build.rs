//! The programs that a node is made from.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::run::cargo;

/// How they are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    /// Quickly.
    Debug,
    /// As they are released.
    Release,
}

impl Build {
    /// Builds `pact`, `pact-agent` and `pact-journal`; where they are then.
    pub(crate) fn make(self) -> Result<PathBuf> {
        let mut words =
            vec!["build", "--package", "pact-agent", "--package", "pact-journal", "--package", "pact-shell"];
        let (folder, flag) = match self {
            Self::Debug => ("debug", None),
            Self::Release => ("release", Some("--release")),
        };
        words.extend(flag);
        cargo(&words)?;
        let me = std::env::current_exe()?;
        let target = me.parent().and_then(Path::parent);
        target
            .map(|target| target.join(folder))
            .ok_or_else(|| Error::failed("this program lies in no target directory"))
    }
}
