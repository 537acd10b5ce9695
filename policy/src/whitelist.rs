//! Which programs there are on a node.

use std::collections::BTreeMap;

use pact_proto::model::ProgramName;
use pact_proto::program::Program;

/// The programs of a node by name.
#[derive(Clone, Debug, Default)]
pub struct Whitelist(BTreeMap<String, Program>);

/// Two programs of one name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("program {0} is there twice")]
pub struct WhitelistError(ProgramName);

impl Whitelist {
    /// Of these programs.
    pub fn new(programs: Vec<Program>) -> Result<Self, WhitelistError> {
        let mut by_name = BTreeMap::new();
        for program in programs {
            let name = program.name().clone();
            if by_name.insert(name.as_str().to_owned(), program).is_some() {
                return Err(WhitelistError(name));
            }
        }
        Ok(Self(by_name))
    }

    /// By the name that was typed.
    pub fn get(&self, name: &[u8]) -> Option<&Program> {
        self.0.get(std::str::from_utf8(name).ok()?)
    }

    /// In the order of their names.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        self.0.values()
    }

    /// In their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
