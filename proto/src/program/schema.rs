//! What a program may be called with, as data.
//!
//! **Invariant:** a schema that exists has been checked: names are spelled once a form, and mean one thing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::value::Value;
use crate::command::Effect;
use crate::model::ProgramName;

/// What one program may be called with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    name: ProgramName,
    about: String,
    forms: Vec<Form>,
}

/// One way to call it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the file that an administrator writes")]
pub struct Form {
    /// What this form is for, where a program has several.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Sub-commands in order; each the spellings that mean it, joined by `|`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// What it does to the node.
    pub effect: Effect,
    /// When it reads its standard input.
    #[serde(default)]
    pub stdin: Stdin,
    /// It draws on a terminal.
    #[serde(default, skip_serializing_if = "is_false")]
    pub terminal: bool,
    /// It reads options as getopt does: `-abc` is `-a -b -c`, `-n5` is `-n 5`. Without it a word is one spelling.
    #[serde(default, skip_serializing_if = "is_false")]
    pub bundle: bool,
    /// Where `-5` is an option.
    #[serde(default, skip_serializing_if = "Digits::is_never")]
    pub digits: Digits,
    /// It reads a word that begins with `+` as commands: there are only those that are named here.
    #[serde(default, skip_serializing_if = "is_false")]
    pub plus: bool,
    /// Options with a dash stand before the first sub-command, and nowhere else.
    #[serde(default, skip_serializing_if = "is_false")]
    pub options_first: bool,
    /// After `--`, every word is an operand.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dashes: bool,
    /// Sets of the program's file whose options may be said too; a checked form has none left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// One of these options must be said, by whichever of its names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// What may be said, in any order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<Option_>,
    /// What it is said about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operands: Vec<Operand>,
}

/// One option, or one keyword of a program that has keywords.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Option_ {
    /// Its exact spellings.
    pub names: Vec<String>,
    /// What it means.
    pub about: String,
    /// The value that it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The value may be left out, and is attached where it is not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

/// One operand, or the rest of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Operand {
    /// As help shows it.
    pub name: String,
    /// What it may be.
    pub value: Value,
    /// It may be left out.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
    /// It takes all words that are left.
    #[serde(default, skip_serializing_if = "is_false")]
    pub many: bool,
    /// It is not there when one of these options is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<String>,
}

/// When a form reads its standard input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stdin {
    /// Never.
    #[default]
    Never,
    /// When no operand is a path, or one is `-`.
    WithoutFiles,
}

/// Where a number behind a dash is an option, as older programs have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Digits {
    /// Nowhere.
    #[default]
    Never,
    /// Wherever an option may stand: grep.
    Anywhere,
    /// As the first word: head.
    First,
    /// As the first word, with one operand at most and no other option; `+5`, `-5f` and `+5f` too: tail.
    Alone,
}

impl Digits {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
    fn is_never(&self) -> bool {
        *self == Self::Never
    }
}

/// A schema that cannot be used: key, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {what}")]
pub struct SchemaError {
    key: String,
    what: String,
}

impl SchemaError {
    pub(super) fn wrong(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self { key: key.into(), what: what.into() }
    }

    /// Line and message, never the text of the file.
    pub(super) fn toml(text: &str, error: &toml_edit::de::Error) -> Self {
        let (line, what) = crate::toml::wrong(text, error);
        Self::wrong(format!("line {line}"), what)
    }
}

/// As it goes to the client.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaFile {
    name: String,
    about: String,
    form: Vec<Form>,
}

impl Schema {
    pub(super) fn new(name: &str, about: String, forms: Vec<Form>) -> Result<Self, SchemaError> {
        let name: ProgramName = name.parse().map_err(|e| SchemaError::wrong("name", format!("{e}")))?;
        if crate::command::find(name.as_str()).is_some() || name.as_str() == "pact" {
            return Err(SchemaError::wrong("name", format!("{name} is a command of pact")));
        }
        if forms.is_empty() {
            return Err(SchemaError::wrong("form", "there must be one at least"));
        }
        for (index, form) in forms.iter().enumerate() {
            form.check().map_err(|what| SchemaError::wrong(format!("form {}", index + 1), what))?;
        }
        Ok(Self { name, about, forms })
    }

    /// For the client: without paths and profile, which are nobody's business there.
    pub fn to_json(&self) -> String {
        let file = SchemaFile { name: self.name.to_string(), about: self.about.clone(), form: self.forms.clone() };
        // Serialising strings, lists and enums cannot fail; an empty schema would be refused by `from_json`.
        serde_json::to_string(&file).unwrap_or_default()
    }

    /// What `to_json` wrote.
    pub fn from_json(json: &str) -> Result<Self, SchemaError> {
        let file: SchemaFile = serde_json::from_str(json).map_err(|e| SchemaError::wrong("schema", e.to_string()))?;
        Self::new(&file.name, file.about, file.form)
    }

    /// As it is typed.
    pub fn name(&self) -> &ProgramName {
        &self.name
    }

    /// One line.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// The ways to call it.
    pub fn forms(&self) -> &[Form] {
        &self.forms
    }
}

impl Form {
    fn check(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for option in &self.options {
            if option.names.is_empty() {
                return Err("an option has no name".to_owned());
            }
            for name in &option.names {
                if name.is_empty() || name == "-" || name == "--" || name.contains(['=', ' ', '|']) {
                    return Err(format!("{name:?} is not a spelling"));
                }
                if !seen.insert(name) {
                    return Err(format!("{name} is spelled twice"));
                }
            }
            if option.optional && option.value.is_none() {
                return Err(format!("{} has no value that could be optional", option.names[0]));
            }
        }
        for name in self.operands.iter().flat_map(|operand| &operand.unless) {
            if !seen.contains(name) {
                return Err(format!("unless: {name} is not an option of this form"));
            }
        }
        if let Some(name) = self.needs.iter().find(|name| !seen.contains(name)) {
            return Err(format!("needs: {name} is not an option of this form"));
        }
        if self.operands.iter().rev().skip(1).any(|operand| operand.many) {
            return Err("only the last operand can take many words".to_owned());
        }
        if self.words.iter().any(|word| word.split('|').any(|w| w.is_empty() || w.starts_with('-'))) {
            return Err("a sub-command cannot be empty or begin with '-'".to_owned());
        }
        self.check_spellings()
    }

    /// What getopt would read in another way than the form says cannot be a spelling.
    fn check_spellings(&self) -> Result<(), String> {
        if let Some(set) = self.with.first() {
            return Err(format!("with: there is no set {set:?}"));
        }
        let getopt = |name: &str| {
            name.starts_with("--") || (name.len() == 2 && name.starts_with('-')) || (self.plus && name.starts_with('+'))
        };
        let mut names = self.options.iter().flat_map(|option| &option.names);
        match names.find(|name| self.bundle && !getopt(name)) {
            Some(name) => Err(format!("{name} is no spelling where options can be bundled")),
            None => Ok(()),
        }
    }
}

impl Option_ {
    /// `--name` and iproute2's `-name`: a value is attached with `=`.
    pub(super) fn is_long(name: &str) -> bool {
        name.starts_with("--") || (name.starts_with('-') && name.chars().count() > 2)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_false(value: &bool) -> bool {
    !value
}
