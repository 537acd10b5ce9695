//! Namespaces and mounts: leaving the session's, making new ones, entering another's.
//!
//! **Invariant:** no mount is made: file system types and paths that do not exist are looked up after permission.

use crate::sys::{self, AT_FDCWD, Errno, at, nr};
use crate::tries::Tries;
use crate::verdict::{Tried, judge, needed};
use crate::world::World;

const NAMESPACES: [(&str, &str, usize); 8] = [
    ("mount", "mnt", 0x0002_0000),
    ("cgroup", "cgroup", 0x0200_0000),
    ("uts", "uts", 0x0400_0000),
    ("ipc", "ipc", 0x0800_0000),
    ("user", "user", 0x1000_0000),
    ("pid", "pid", 0x2000_0000),
    ("net", "net", 0x4000_0000),
    ("time", "time", 0x0000_0080),
];
/// Looked at after permission.
const LOOKED: [Errno; 6] = [sys::ENOENT, sys::ENODEV, sys::EINVAL, sys::EBADF, sys::ENOTDIR, sys::EFAULT];
const NOWHERE: &std::ffi::CStr = c"/hostile/no/such/place";

pub fn add(tries: &mut Tries) {
    for (name, file, flag) in NAMESPACES {
        tries.add(format!("ns-unshare-{name}"), move |_| Ok(judge(sys::call(nr::UNSHARE, &[flag]), &[], "unshare")));
        tries.add(format!("ns-setns-{name}"), move |world| enter(world, file, flag));
        tries.add(format!("ns-setns-pidfd-{name}"), move |world| {
            let pidfd = needed(sys::call(nr::PIDFD_OPEN, &[world.pid("host")?, 0]), &[], "pidfd_open")?;
            // A namespace that one is in already is no place to go to.
            Ok(judge(sys::call(nr::SETNS, &[pidfd, flag]), &[sys::EINVAL, sys::EUSERS], "setns"))
        });
        tries.add(format!("ns-clone3-{name}"), move |_| clone3(flag as u64));
        // clone has no room for the flag of time: its number is that of a signal.
        if flag > 0xff {
            tries.add(format!("ns-clone-{name}"), move |_| clone(flag));
        }
    }
    tries.add("ns-unshare-user-and-all", |_| {
        let all = NAMESPACES.iter().fold(0, |flags, (_, _, flag)| flags | flag);
        Ok(judge(sys::call(nr::UNSHARE, &[all]), &[], "unshare"))
    });
    mounts(tries);
}

fn enter(world: &World, file: &str, flag: usize) -> Tried {
    let path = format!("/proc/{}/ns/{file}", world.pid("host")?);
    let namespace = needed(sys::open(&path, 0), &[], "open")?;
    Ok(judge(sys::call(nr::SETNS, &[namespace, flag]), &[sys::EINVAL, sys::EUSERS], "setns"))
}

fn clone(flag: usize) -> Tried {
    extern "C" fn nothing(_argument: usize) -> i32 {
        sys::exit_now(0)
    }
    let child = sys::clone_process(flag | sys::SIGCHLD, nothing, 0);
    reap(child.map(|pid| pid as usize))
}

fn clone3(flag: u64) -> Tried {
    // flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls
    let arguments = [flag, 0, 0, 0, sys::SIGCHLD as u64, 0, 0, 0];
    let child = sys::call(nr::CLONE3, &[arguments.as_ptr() as usize, size_of_val(&arguments)]);
    if child == Ok(0) {
        sys::exit_now(0);
    }
    reap(child)
}

fn reap(child: sys::Answer) -> Tried {
    if let Ok(pid) = child {
        let _end = sys::wait(pid as i32);
    }
    Ok(judge(child, &[], "clone"))
}

fn mounts(tries: &mut Tries) {
    const CLONE_TREE: usize = 1;
    let mut made = |name: &str, make: fn() -> sys::Answer| {
        tries.add(format!("ns-{name}"), move |_| Ok(judge(make(), &LOOKED, "allowed")));
    };
    made("mount", || sys::call(nr::MOUNT, &[at(c"none"), at(c"/"), at(c"hostile-no-such-type"), 0, 0]));
    made("mount-bind", || sys::call(nr::MOUNT, &[at(NOWHERE), at(c"/"), 0, 0x1000, 0]));
    // Remounts what is no mount point.
    made("mount-remount", || sys::call(nr::MOUNT, &[0, at(c"/proc/self"), 0, 0x20, 0]));
    made("umount", || sys::call(nr::UMOUNT2, &[at(c"/proc/self"), 0]));
    made("pivot-root", || sys::call(nr::PIVOT_ROOT, &[at(NOWHERE), at(NOWHERE)]));
    made("open-tree", || sys::call(nr::OPEN_TREE, &[AT_FDCWD, at(c"/"), CLONE_TREE]));
    made("fsopen", || sys::call(nr::FSOPEN, &[at(c"tmpfs"), 0]));
    made("fspick", || sys::call(nr::FSPICK, &[AT_FDCWD, at(NOWHERE), 0]));
    made("move-mount", || sys::call(nr::MOVE_MOUNT, &[usize::MAX, at(c""), usize::MAX, at(c""), 0x44]));
    made("fsconfig", || sys::call(nr::FSCONFIG, &[usize::MAX, 0, 0, 0, 0]));
    made("fsmount", || sys::call(nr::FSMOUNT, &[usize::MAX, 0, 0]));
    made("mount-setattr", || {
        let attributes = [1_u64, 0, 0, 0];
        let (address, size) = (attributes.as_ptr() as usize, size_of_val(&attributes));
        sys::call(nr::MOUNT_SETATTR, &[AT_FDCWD, at(NOWHERE), 0, address, size])
    });
}
