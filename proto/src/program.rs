//! The table of programs: what may be started, with which arguments, in which sandbox.
//!
//! **Invariant:** an argument is allowed because a schema spells it out; there are no lists of what is forbidden.
//! Spellings are exact: the abbreviations that GNU and iproute2 accept are not spellings.
//! **Not here:** who may start a program (`pact-policy`); whether the file is what it should be (`pact-agent`).

mod complete;
mod matching;
mod profile;
mod schema;
mod value;

use std::path::PathBuf;

use serde::Deserialize;

use crate::model::ProgramName;
pub use matching::{ArgumentError, Match};
pub use profile::{Capability, Family, Profile};
pub use schema::{Digits, Form, Operand, Option_, Schema, SchemaError, Stdin};
pub use value::Value;

/// One program of the whitelist.
#[derive(Clone, Debug)]
pub struct Program {
    schema: Schema,
    paths: Vec<PathBuf>,
    applet: Option<String>,
    profile: Profile,
}

/// As it stands in `<name>.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProgramFile {
    name: String,
    about: String,
    paths: Vec<PathBuf>,
    applet: Option<String>,
    #[serde(default)]
    profile: Profile,
    #[serde(default)]
    set: Vec<OptionSet>,
    form: Vec<Form>,
}

/// Options that several forms of one program share.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OptionSet {
    name: String,
    options: Vec<Option_>,
}

impl Program {
    /// Reads and checks one program's file.
    pub fn from_toml(text: &str) -> Result<Self, SchemaError> {
        let file: ProgramFile = toml_edit::de::from_str(text).map_err(|error| SchemaError::toml(text, &error))?;
        let forms = file.form.into_iter().map(|form| with_sets(form, &file.set)).collect();
        let schema = Schema::new(&file.name, file.about, forms)?;
        if file.paths.is_empty() {
            return Err(SchemaError::wrong("paths", "there must be one at least"));
        }
        let profile = &file.profile;
        let every = file.paths.iter().chain(&profile.read).chain(&profile.devices);
        let every = every.chain(&profile.list).chain(&profile.controls).chain(&profile.sockets);
        for path in every {
            let parts_are_names = !path.components().any(|part| matches!(part, std::path::Component::ParentDir));
            if !path.is_absolute() || !parts_are_names {
                return Err(SchemaError::wrong("paths", format!("{} is not an absolute path", path.display())));
            }
        }
        // Below /run a session has only what is named here; elsewhere nothing would bound what can be connected to.
        if profile.sockets.iter().any(|socket| !socket.starts_with("/run")) {
            return Err(SchemaError::wrong("profile.sockets", "a socket must be below /run"));
        }
        if profile.families.contains(&Family::Unix) && profile.sockets.is_empty() {
            return Err(SchemaError::wrong("profile.families", "unix: name the sockets that are meant"));
        }
        if let Some(odd) = profile.environment.iter().find(|pair| !is_variable(pair)) {
            return Err(SchemaError::wrong("profile.environment", format!("{odd:?} is not NAME=value")));
        }
        Ok(Self { schema, paths: file.paths, applet: file.applet, profile: file.profile })
    }

    /// As it is typed.
    pub fn name(&self) -> &ProgramName {
        self.schema.name()
    }

    /// What it may be called with.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Where its file may be, the first that exists is it.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// What argv[0] must be, where the file is many programs in one.
    pub fn applet(&self) -> Option<&str> {
        self.applet.as_deref()
    }

    /// What it needs from the sandbox.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }
}

/// A name in capitals, and a value that is plain text. What the loader would read is nothing that a program needs.
fn is_variable(pair: &str) -> bool {
    let Some((name, value)) = pair.split_once('=') else { return false };
    let named = name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    named && !name.is_empty() && !name.starts_with("LD_") && value.bytes().all(|b| (b' '..=b'~').contains(&b))
}

/// Puts the options of the sets that a form names behind its own. The name of a set that is not there stays, and the
/// form's check refuses it.
fn with_sets(mut form: Form, sets: &[OptionSet]) -> Form {
    let wanted = std::mem::take(&mut form.with);
    for name in wanted {
        match sets.iter().find(|set| set.name == name) {
            Some(set) => form.options.extend(set.options.iter().cloned()),
            None => form.with.push(name),
        }
    }
    form
}
