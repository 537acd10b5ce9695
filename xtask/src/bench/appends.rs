//! Appends that the journal acknowledges in a second, beside the durable writes alone.
//!
//! **Why:** what is measured must be built as it is released, and this program is not: `journal/examples/appends.rs`
//! measures both, and this takes the numbers.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::figure::{Figure, Samples, Target, Unit};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;

const TIMES: usize = 5;

pub(super) fn measure(example: &Path, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    let place = tempfile::Builder::new().prefix("pact-bench-").tempdir_in(crate::node::BELOW)?;
    let mut figures = Vec::new();
    for producers in [1_u32, 16, 256] {
        let (mut ours, mut peers) = (Vec::new(), Vec::new());
        for round in 0..TIMES {
            interrupt.check()?;
            let directory: PathBuf = place.path().join(format!("{producers}-{round}"));
            std::fs::create_dir(&directory)?;
            let output = Command::new(example).arg(&directory).args([&producers.to_string(), "2"]).output()?;
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let numbers: Vec<f64> = said.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
            let [one, other] = numbers.as_slice() else {
                let why = String::from_utf8_lossy(&output.stderr).into_owned();
                return Err(Error::failed(format!("{}: {said}{why}", example.display())));
            };
            ours.push(*one);
            peers.push(*other);
        }
        figures.push(Figure::new(
            format!("appends acknowledged, {producers} at a time"),
            Unit::ASecond,
            Samples::of("in the journal: log, chain, indexes", ours),
            Samples::of("write + fdatasync of the same batches", peers),
            Target::Stated,
        ));
    }
    Ok(figures)
}
