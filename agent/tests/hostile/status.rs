//! What this process is, as the kernel has it: identity, capabilities, filters, descriptors, limits.

use crate::sys::{self, nr};

const SHOWN: [&str; 12] = [
    "Uid",
    "Gid",
    "Groups",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
    "Umask",
];

const LIMITS: [(&str, usize); 8] =
    [("cpu", 0), ("fsize", 1), ("stack", 3), ("core", 4), ("nproc", 6), ("nofile", 7), ("memlock", 8), ("as", 9)];

/// Lines of `Key: value`.
pub fn show() -> i32 {
    let status = match std::fs::read_to_string("/proc/self/status") {
        Ok(status) => status,
        Err(error) => {
            println!("status: {error}");
            return 1;
        }
    };
    for line in status.lines().filter(|line| SHOWN.contains(&line.split(':').next().unwrap_or_default())) {
        println!("{}", line.replace('\t', " "));
    }
    for descriptor in (0..4096).filter(|fd| sys::call(nr::FCNTL, &[*fd, 1]).is_ok()) {
        let target = std::fs::read_link(format!("/proc/self/fd/{descriptor}"));
        println!(
            "descriptor {descriptor}: {}",
            target.map_or_else(|e| e.to_string(), |path| path.display().to_string())
        );
    }
    println!("cwd: {}", std::env::current_dir().map_or_else(|e| e.to_string(), |path| path.display().to_string()));
    for (key, value) in std::env::vars_os() {
        println!("environment {}: {}", key.display(), value.display());
    }
    for (name, resource) in LIMITS {
        let mut limit = [0_u64; 2];
        let _read = sys::call(nr::PRLIMIT64, &[0, resource, 0, limit.as_mut_ptr() as usize]);
        println!("limit {name}: {} {}", shown(limit[0]), shown(limit[1]));
    }
    for (name, number) in [("pid", nr::GETPID), ("ppid", 110), ("pgrp", 111)] {
        println!("{name}: {}", sys::call(number, &[]).unwrap_or(0));
    }
    0
}

fn shown(limit: u64) -> String {
    if limit == u64::MAX { "unlimited".to_owned() } else { limit.to_string() }
}
