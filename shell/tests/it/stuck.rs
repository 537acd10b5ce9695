//! A file system that never answers a read of its file, or of its directory: who asks it is in uninterruptible sleep, as on a dead file server.
//!
//! **Invariant:** when this is dropped the kernel ends every such sleep.
//! **Source:** linux/fuse.h; the messages are fixed structures in the machine's byte order.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use rustix::io::{FdFlags, fcntl_setfd};

use crate::node::Node;

/// The one file.
pub(crate) const FILE: &str = "file";
const FILE_NUMBER: u64 = 2;

const LOOKUP: u32 = 1;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const OPENDIR: u32 = 27;
const READDIR: u32 = 28;
const INIT: u32 = 26;
/// Of requests that have no answer: FORGET, INTERRUPT, BATCH_FORGET.
const SILENT: [u32; 3] = [2, 36, 42];
const ENOSYS: i32 = 38;

/// The server of it.
pub(crate) struct Stuck<'a> {
    node: &'a Node,
    on: PathBuf,
    /// Reads that nobody will answer.
    reads: Arc<AtomicU64>,
    serving: Option<JoinHandle<()>>,
}

impl<'a> Stuck<'a> {
    /// Mounts it on a directory of a node.
    pub(crate) fn mount(node: &'a Node, on: &Path) -> Self {
        use std::os::fd::AsRawFd;
        let mut device = File::options().read(true).write(true).open("/dev/fuse").unwrap();
        fcntl_setfd(&device, FdFlags::empty()).unwrap();
        let options = format!("fd={},rootmode=40755,user_id=0,group_id=0,allow_other", device.as_raw_fd());
        let mounted = node.enter("mount").args(["-i", "-t", "fuse", "-o", &options, "stuck"]).arg(on).status().unwrap();
        assert!(mounted.success(), "no file system was mounted");
        fcntl_setfd(&device, FdFlags::CLOEXEC).unwrap();
        let reads = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&reads);
        let serving = std::thread::spawn(move || {
            let mut request = vec![0; 1 << 20];
            // An error is how the kernel says that it is unmounted.
            while let Ok(length) = device.read(&mut request) {
                if u32::from_ne_bytes(request[4..8].try_into().unwrap()) == READ {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                if let Some(answer) = answer(&request[..length]) {
                    let _late = device.write_all(&answer);
                }
            }
        });
        Self { node, on: on.to_owned(), reads, serving: Some(serving) }
    }

    /// How many wait, or waited.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }
}

fn answer(request: &[u8]) -> Option<Vec<u8>> {
    let number = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap());
    let long = |at: usize| u64::from_ne_bytes(request[at..at + 8].try_into().unwrap());
    let (what, unique, node) = (number(4), long(8), long(16));
    let body = match what {
        INIT => {
            // Version 7.31, small writes, and nothing else that is new.
            let mut body = vec![0; 64];
            for (at, value) in [(0, 7_u32), (4, 31), (20, 4096)] {
                body[at..at + 4].copy_from_slice(&value.to_ne_bytes());
            }
            Ok(body)
        }
        LOOKUP => Ok([FILE_NUMBER.to_ne_bytes().to_vec(), vec![0; 32], attributes(FILE_NUMBER)].concat()),
        GETATTR => Ok([vec![0; 16], attributes(node)].concat()),
        // Without a page of the kernel's between, every reader asks.
        OPEN => Ok([vec![0; 8], 1_u32.to_ne_bytes().to_vec(), vec![0; 4]].concat()),
        OPENDIR => Ok(vec![0; 16]),
        READ | READDIR => return None,
        silent if SILENT.contains(&silent) => return None,
        _ => Err(-ENOSYS),
    };
    let (error, body) = body.map_or_else(|error| (error, Vec::new()), |body| (0, body));
    let length = u32::try_from(16 + body.len()).unwrap();
    Some([&length.to_ne_bytes()[..], &error.to_ne_bytes(), &unique.to_ne_bytes(), &body].concat())
}

/// struct fuse_attr: a directory, or a file of a few bytes that everybody may read.
fn attributes(node: u64) -> Vec<u8> {
    let mode: u32 = if node == FILE_NUMBER { 0o100_444 } else { 0o040_755 };
    let mut attributes = vec![0; 88];
    attributes[..8].copy_from_slice(&node.to_ne_bytes());
    attributes[8..16].copy_from_slice(&100_u64.to_ne_bytes());
    attributes[60..64].copy_from_slice(&mode.to_ne_bytes());
    attributes[64..68].copy_from_slice(&1_u32.to_ne_bytes());
    attributes
}

/// By force: whoever still waits on it is told that it is gone.
impl Drop for Stuck<'_> {
    fn drop(&mut self) {
        let _gone = self.node.enter("umount").args(["-i", "-f", "-l"]).arg(&self.on).status();
        if let Some(serving) = self.serving.take() {
            let _ended = serving.join();
        }
    }
}
