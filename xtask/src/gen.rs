//! `cargo xtask gen`: Rust from the .proto files, checked in, so that a build needs no protoc.
//!
//! **Invariant:** `gen --check` fails when what is checked in is not what the .proto files say.

use std::path::Path;

use prost::Message;

use crate::error::{Error, Result};
use crate::root;

const FILES: [&str; 5] = [
    "pact/v1/entry.proto",
    "pact/v1/session.proto",
    "pact/v1/journal.proto",
    "pact/v1/access.proto",
    "pact/host/v1/host.proto",
];

/// Writes `proto/src/gen`.
pub(crate) fn write() -> Result<()> {
    generate(&root().join("proto/src/gen"))
}

/// Compares `proto/src/gen` with what would be written.
pub(crate) fn check() -> Result<()> {
    let fresh = tempfile::tempdir()?;
    generate(fresh.path())?;
    let kept = root().join("proto/src/gen");
    for name in ["pact.v1.rs", "pact.host.v1.rs"] {
        if std::fs::read(kept.join(name))? != std::fs::read(fresh.path().join(name))? {
            return Err(Error::failed(format!(
                "proto/src/gen/{name} is not what the .proto files say: run `cargo xtask gen`"
            )));
        }
    }
    Ok(())
}

fn generate(into: &Path) -> Result<()> {
    let include = root().join("proto/proto");
    let set = protox::compile(FILES, [&include]).map_err(|e| Error::failed(format!("{e:?}")))?;
    let encoded = set.encode_to_vec();
    let scratch = tempfile::tempdir()?;
    let descriptor = scratch.path().join("set.bin");
    std::fs::write(&descriptor, encoded)?;
    tonic_prost_build::configure()
        .out_dir(into)
        .file_descriptor_set_path(&descriptor)
        .skip_protoc_run()
        .compile_protos(&FILES.map(|f| include.join(f)), &[include])?;
    Ok(())
}
