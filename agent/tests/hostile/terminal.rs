//! Terminals: typing on the keyboard of whoever started us, stealing or opening one.

use crate::sys::{self, Errno, O_NONBLOCK, O_RDWR, nr};
use crate::tries::Tries;
use crate::verdict::{Tried, judge, judge_with, needed};

const TIOCSTI: usize = 0x5412;
const TIOCLINUX: usize = 0x541c;
const TIOCSETD: usize = 0x5423;
/// What a filter that compares 64 bits does not see, and the kernel does not look at.
const HIGH: usize = 1 << 32;
/// The descriptor or the pointer was looked at: the call itself was not kept away from the driver.
const LOOKED: [Errno; 3] = [sys::ENOTTY, sys::EFAULT, sys::EINVAL];

pub fn add(tries: &mut Tries) {
    for (name, request) in [("sti", TIOCSTI), ("linux", TIOCLINUX)] {
        for (suffix, high) in [("", 0), ("-high-bit", HIGH), ("-all-high-bits", 0xffff_ffff << 32)] {
            for descriptor in 0..3 {
                tries.add(format!("tty-{name}-{descriptor}{suffix}"), move |_| control(descriptor, request | high));
            }
            tries.add(format!("tty-{name}-own{suffix}"), move |_| {
                // Without a controlling terminal there is ENXIO.
                let terminal = sys::open("/dev/tty", O_RDWR | O_NONBLOCK);
                control(needed(terminal, &[sys::ENXIO], "open /dev/tty")?, request | high)
            });
        }
    }
    for (name, path) in [
        ("ptmx", "/dev/ptmx"),
        ("pts-ptmx", "/dev/pts/ptmx"),
        ("console", "/dev/console"),
        ("tty0", "/dev/tty0"),
        ("tty1", "/dev/tty1"),
        ("vcs", "/dev/vcs"),
        ("serial", "/dev/ttyS0"),
        ("input", "/dev/input/event0"),
    ] {
        tries.add(format!("tty-open-{name}"), move |_| opens(path));
    }
    tries.add("tty-open-other", |world| opens(world.text("tty")?));
    tries.add("tty-steal-other", |world| {
        const TIOCSCTTY: usize = 0x540e;
        let _leader = sys::call(nr::SETSID, &[]);
        let terminal = needed(sys::open(world.text("tty")?, O_RDWR | O_NONBLOCK), &[], "open")?;
        Ok(judge(sys::call(nr::IOCTL, &[terminal, TIOCSCTTY, 0]), &[], "controlling terminal"))
    });
    tries.add("tty-discipline-other", |world| {
        let terminal = needed(sys::open(world.text("tty")?, O_RDWR | O_NONBLOCK), &[], "open")?;
        control(terminal, TIOCSETD)
    });
}

/// With a null pointer: no byte is typed.
fn control(descriptor: usize, request: usize) -> Tried {
    // EIO: this kernel lets nobody type for others (dev.tty.legacy_tiocsti=0).
    Ok(judge_with(sys::call(nr::IOCTL, &[descriptor, request, 0]), &LOOKED, &[sys::EIO], "ioctl"))
}

fn opens(path: &str) -> Tried {
    let opened = sys::open(path, O_RDWR | O_NONBLOCK).inspect(|descriptor| sys::close(*descriptor));
    Ok(judge(opened, &[sys::EIO, sys::ENXIO, sys::ENODEV], "open"))
}
