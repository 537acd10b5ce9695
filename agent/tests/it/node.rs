//! A node for the tests of a running agent.

use std::path::Path;

use pact_xtask::interrupt::Interrupt;
use pact_xtask::node::{Node, Setup};

/// One whose agent serves, with these programs beside those that are shipped.
pub(crate) fn with(programs: &[(&str, &str)]) -> Node {
    let built = Path::new(env!("CARGO_BIN_EXE_pact-agent")).parent().unwrap();
    let shipped = pact_xtask::root().join("examples/programs");
    // The example's reserve is written out at the start; what takes time for nothing is small here.
    let setup = Setup { built, programs: &shipped, agent: "spool_reserve_bytes = 1048576", policy: "" };
    let mut node = Node::prepare(&setup, &Interrupt::default()).unwrap();
    for (name, schema) in programs {
        std::fs::write(node.path("etc/programs").join(format!("{name}.toml")), schema).unwrap();
    }
    node.start_agent(&[]).unwrap();
    node
}
