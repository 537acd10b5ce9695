//! How a result is shown: for people or for programs.

use super::value::{Value, json, yaml, yaml_item};
use crate::wire::v1::OutputFormat;

/// What the client asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One object, or one a line for streams.
    Json,
    /// The same in YAML.
    Yaml,
}

impl Format {
    /// A client that says nothing is a person.
    pub fn of(wire: OutputFormat) -> Self {
        match wire {
            OutputFormat::Unspecified | OutputFormat::Text => Self::Text,
            OutputFormat::Json => Self::Json,
            OutputFormat::Yaml => Self::Yaml,
        }
    }

    /// A result that is whole.
    pub fn whole(self, text: impl FnOnce() -> String, value: impl FnOnce() -> Value) -> String {
        match self {
            Self::Text => text(),
            Self::Json => json(&value()),
            Self::Yaml => yaml(&value()),
        }
    }

    /// One of many that come one after the other.
    pub fn item(self, text: impl FnOnce() -> String, value: impl FnOnce() -> Value) -> String {
        match self {
            Self::Text => text(),
            Self::Json => json(&value()),
            Self::Yaml => yaml_item(&value()),
        }
    }
}
