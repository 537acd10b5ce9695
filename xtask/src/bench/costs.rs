//! What schemas and filters cost a line, in what is built as it is released: `shell/examples/costs.rs` measures, and this
//! takes the numbers.

use std::path::Path;
use std::process::Command;

use super::figure::{Figure, Samples, Target, Unit};
use crate::error::{Error, Result};
use crate::root;

const TIMES: usize = 5;
const NANOSECONDS: f64 = 1_000.0;

pub(super) fn measure(example: &Path) -> Result<Vec<Figure>> {
    let rows = [
        ("schemas", "a line of the cases: grammar and schemas", "grammar and schemas", "the grammar alone"),
        ("filter", "4 KiB of output: what a terminal may have of it", "the filter", "a copy of it as UTF-8"),
    ];
    let mut taken = Vec::new();
    for _ in 0..TIMES {
        let output = Command::new(example)
            .args([root().join("examples/programs"), root().join("proto/cases/programs")])
            .output()?;
        taken.push(String::from_utf8_lossy(&output.stdout).into_owned());
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Error::failed(format!("{}: {why}", example.display())));
        }
    }
    let number = |said: &str, name: &str, place: usize| -> Option<f64> {
        let row = said.lines().find(|row| row.starts_with(name))?;
        Some(row.split_ascii_whitespace().nth(place)?.parse::<f64>().ok()? / NANOSECONDS)
    };
    let of = |name: &str, place| taken.iter().filter_map(|said| number(said, name, place)).collect::<Vec<_>>();
    let figure = |(name, what, ours, peer): (&str, &str, &str, &str)| {
        let (one, other) = (Samples::of(ours, of(name, 1)), Samples::of(peer, of(name, 2)));
        Figure::new(what, Unit::Microseconds, one, other, Target::Median(50.0))
    };
    Ok(rows.map(figure).into())
}
