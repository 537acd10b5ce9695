//! What proto promises, driven by the text files in `cases/` and by random input.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod arguments;
mod cases;
mod corpus;
mod entries;
mod fuzzed;
mod grammar;
mod programs;
mod properties;
mod view;

use std::path::{Path, PathBuf};

use pact_proto::program::Program;

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(name)
}

/// One of the programs that are shipped.
fn program(name: &str) -> Program {
    let path = format!("{}/../examples/programs/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    Program::from_toml(&std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every program that is shipped, in the order of their names.
fn programs() -> Vec<Program> {
    let folder = format!("{}/../examples/programs", env!("CARGO_MANIFEST_DIR"));
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().unwrap().strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort();
    names.iter().map(|name| program(name)).collect()
}
