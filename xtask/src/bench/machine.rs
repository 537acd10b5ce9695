//! The machine and its mood: figures without them mean little.

use std::fmt;
use std::fs;

use serde::Serialize;

use crate::error::Result;

/// What was measured on.
#[derive(Serialize)]
pub(super) struct Machine {
    taken: String,
    kernel: String,
    processor: String,
    processors: usize,
    /// Of the last minute, when the figures were begun and when they were done.
    load_before: String,
    load_after: String,
}

impl Machine {
    pub(super) fn look() -> Result<Self> {
        let cpus = fs::read_to_string("/proc/cpuinfo")?;
        let model =
            cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
        Ok(Self {
            taken: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            processor: model.unwrap_or("unknown").to_owned(),
            processors: std::thread::available_parallelism()?.get(),
            load_before: load()?,
            load_after: String::new(),
        })
    }

    pub(super) fn after(self) -> Result<Self> {
        Ok(Self { load_after: load()?, ..self })
    }
}

fn load() -> Result<String> {
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(load.split(' ').next().unwrap_or_default().to_owned())
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { taken, kernel, processor, processors, load_before, load_after } = self;
        write!(f, "{taken}, Linux {kernel}, {processors} × {processor}; load {load_before} before, {load_after} after")
    }
}
