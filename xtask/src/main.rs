//! The program behind `cargo xtask <task>`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pact_xtask::run(&std::env::args().skip(1).collect::<Vec<_>>())
}
