//! The table of tries.

use crate::verdict::Tried;
use crate::world::World;
use crate::{
    abi, capability, cgroup, exec, exec_tricks, limit, namespace, net, process, read, seccomp, terminal, write,
};

/// One way that might lead out.
pub struct Try {
    pub name: String,
    pub run: Box<dyn Fn(&World) -> Tried>,
    /// Its refusal may take the processes around it along, so it is not one of `all`.
    pub alone: bool,
}

/// All of them.
#[derive(Default)]
pub struct Tries(Vec<Try>);

impl Tries {
    /// Every group in its order.
    pub fn every() -> Self {
        let mut tries = Self::default();
        exec::add(&mut tries);
        exec_tricks::add(&mut tries);
        read::add(&mut tries);
        write::add(&mut tries);
        net::add(&mut tries);
        process::add(&mut tries);
        namespace::add(&mut tries);
        seccomp::add(&mut tries);
        terminal::add(&mut tries);
        cgroup::add(&mut tries);
        limit::add(&mut tries);
        abi::add(&mut tries);
        capability::add(&mut tries);
        tries
    }

    pub fn add(&mut self, name: impl Into<String>, run: impl Fn(&World) -> Tried + 'static) {
        self.0.push(Try { name: name.into(), run: Box::new(run), alone: false });
    }

    pub fn add_alone(&mut self, name: impl Into<String>, run: impl Fn(&World) -> Tried + 'static) {
        self.0.push(Try { name: name.into(), run: Box::new(run), alone: true });
    }

    pub fn iter(&self) -> impl Iterator<Item = &Try> {
        self.0.iter()
    }
}
