//! The kernel's log, as far as it is kept.
//!
//! **Invariant:** only what the kernel wrote counts, and of that what begins as the driver begins: whoever may write to
//! the log can not say that they are the kernel, and what they named (a program, a control group) stands behind
//! something of the kernel's.
//! **Source:** Documentation/ABI/testing/dev-kmsg.

use std::fs::File;
use std::io::Read;

/// A record is not longer.
const RECORD: usize = 8 * 1024;
/// No kernel keeps more.
const MOST: usize = 1 << 20;
const FACILITY: u32 = 3;

/// What it says of drivers, oldest first; none where it cannot be read. It must not wait for what comes next.
pub(super) fn read(mut file: File) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    let mut record = vec![0; RECORD];
    for _ in 0..MOST {
        match file.read(&mut record) {
            Ok(0) => break,
            Ok(length) => lines.extend(of_kernel(&String::from_utf8_lossy(&record[..length]))),
            // What was next is gone by now: the one after it comes.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
            Err(_) => return None,
        }
    }
    Some(lines)
}

/// The text of a record, `priority,number,time,flags;text`, that the kernel wrote about a driver of GPUs.
pub(super) fn of_kernel(record: &str) -> Option<String> {
    let (header, text) = record.split_once(';')?;
    let priority: u32 = header.split(',').next()?.parse().ok()?;
    (priority >> FACILITY == 0 && text.starts_with("NVRM: "))
        .then(|| text.lines().next().unwrap_or_default().to_owned())
}
