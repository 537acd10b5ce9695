//! Where policy and programs come from: files that root owns, today.
//!
//! **Invariant:** all or nothing: one unreadable file, and the agent does not start.
//! **Why:** one function each, so that the journal can become the source without anybody else noticing.

use std::path::Path;

use pact_files::trusted::{self, Secrecy};
use pact_policy::{Policy, Whitelist};
use pact_proto::program::Program;

use crate::config::{ConfigError, read_roots};
use crate::recording::Key;

/// The policy.
pub(crate) fn policy(path: &Path) -> Result<Policy, ConfigError> {
    Policy::from_toml(&read_roots(path)?).map_err(|e| ConfigError::wrong(path, e.to_string()))
}

/// The whitelist: every `<name>.toml` in a directory, each named after its program.
pub(crate) fn whitelist(directory: &Path) -> Result<Whitelist, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: directory.to_owned(), source };
    let mut paths = std::fs::read_dir(directory)
        .and_then(|items| items.map(|item| item.map(|item| item.path())).collect::<std::io::Result<Vec<_>>>())
        .map_err(unreadable)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let programs = paths.iter().map(|path| program(path)).collect::<Result<Vec<_>, _>>()?;
    Whitelist::new(programs).map_err(|e| ConfigError::wrong(directory, e.to_string()))
}

/// The key of recordings.
pub(crate) fn recordings_key(path: &Path) -> Result<Key, ConfigError> {
    let bytes = trusted::read(path, Secrecy::Roots)?;
    let key = std::str::from_utf8(&bytes).ok().and_then(Key::from_text);
    key.ok_or_else(|| ConfigError::wrong(path, "it is not 64 hexadecimal digits"))
}

/// One program, of a file that is named after it.
pub(crate) fn program(path: &Path) -> Result<Program, ConfigError> {
    let program = Program::from_toml(&read_roots(path)?).map_err(|e| ConfigError::wrong(path, e.to_string()))?;
    if path.file_stem().and_then(|stem| stem.to_str()) != Some(program.name().as_str()) {
        return Err(ConfigError::wrong(path, format!("it must be named {}.toml", program.name())));
    }
    Ok(program)
}
