//! Reading what no profile names: secrets, other processes, devices, the agent's own files; by path, by link, by
//! handle, by descriptor, from another working directory.

use crate::sys::{self, AT_FDCWD, Errno, O_DIRECTORY, O_NONBLOCK, O_PATH, at, c, nr};
use crate::tries::Tries;
use crate::verdict::{Tried, Verdict, judge, judge_with, needed};
use crate::world::OTHERS;

/// A device or a socket was found, and only its nature stood in the way.
const ONLY_ITS_NATURE: [Errno; 4] = [sys::ENXIO, sys::EIO, sys::ENODEV, sys::EBUSY];
const SHADOW: &str = "/etc/shadow";

pub fn add(tries: &mut Tries) {
    for (name, path) in [
        ("shadow", SHADOW),
        ("root-home", "/root"),
        ("kcore", "/proc/kcore"),
        ("kpagecount", "/proc/kpagecount"),
        ("mem", "/dev/mem"),
        ("kmsg", "/dev/kmsg"),
        ("program", "/usr/bin/id"),
        ("programs", "/usr/bin"),
        ("fuse", "/dev/fuse"),
        ("net-tun", "/dev/net/tun"),
        ("kvm", "/dev/kvm"),
        ("loop-control", "/dev/loop-control"),
    ] {
        tries.add(format!("read-{name}"), move |_| readable(path));
    }
    tries.add("read-disk", |_| readable(disk()?));
    for key in ["secret", "spool", "config", "link"] {
        tries.add(format!("read-{key}"), move |world| hidden(world.text(key)?));
    }
    for who in OTHERS {
        for file in ["mem", "fd/0", "root/etc/passwd", "cwd"] {
            tries.add(format!("read-{who}-{}", file.replace('/', "-")), move |world| {
                readable(&format!("/proc/{}/{file}", world.pid(who)?))
            });
        }
        for file in ["environ", "maps", "auxv", "io", "stack", "syscall"] {
            tries.add(format!("read-{who}-{file}"), move |world| text(&format!("/proc/{}/{file}", world.pid(who)?)));
        }
    }
    detours(tries);
    tries.add("read-handle", |world| {
        let handle = asked_handle(world.text("secret")?).unwrap_or_else(|_| guessed_handle());
        Ok(by_handle(&handle))
    });
    tries.add("read-handle-guessed", |_| Ok(by_handle(&guessed_handle())));
    tries.add("read-descriptors", |_| inherited(""));
    tries.add("read-descriptors-openat", |_| inherited("etc/passwd"));
    tries.add("read-chroot", |_| Ok(judge(sys::call(nr::CHROOT, &[at(c"/")]), &[], "chroot")));
}

/// Ways to the secret that do not name it by its absolute path.
fn detours(tries: &mut Tries) {
    tries.add("read-chdir-root", |_| Ok(judge(sys::call(nr::CHDIR, &[at(c"/root")]), &[], "chdir to /root")));
    tries.add("read-secret-chdir", |world| {
        let (directory, name) = split(world.text("secret")?)?;
        needed(sys::call(nr::CHDIR, &[at(&c(directory))]), &[sys::ENOENT], "chdir")?;
        hidden(name)
    });
    tries.add("read-secret-fchdir", |world| {
        let (directory, name) = split(world.text("secret")?)?;
        let opened = needed(sys::open(directory, O_PATH | O_DIRECTORY), &[sys::ENOENT], "open")?;
        needed(sys::call(nr::FCHDIR, &[opened]), &[], "fchdir")?;
        hidden(name)
    });
    tries.add("read-secret-reopened", |world| {
        let opened = needed(sys::open(world.text("secret")?, O_PATH), &[sys::ENOENT], "open")?;
        hidden(&format!("/proc/self/fd/{opened}"))
    });
    tries.add("read-secret-dotdot", |world| hidden(&format!("{}{}", "../".repeat(32), world.text("secret")?)));
    tries.add("read-secret-proc-root", |world| hidden(&format!("/proc/self/root{}", world.text("secret")?)));
    tries.add("read-secret-task-cwd", |world| {
        let path = world.text("secret")?;
        hidden(&format!("/proc/thread-self/cwd/{}{path}", "../".repeat(32)))
    });
    tries.add("read-secret-openat2", |world| {
        let path = c(world.text("secret")?);
        let how = [0_u64; 3];
        let answer = sys::call(nr::OPENAT2, &[AT_FDCWD, at(&path), how.as_ptr() as usize, size_of_val(&how)]);
        Ok(judge_with(answer, &[], &[sys::ENOENT], "openat2"))
    });
}

/// Opens for reading, and closes again.
fn readable(path: &str) -> Tried {
    Ok(judge(open_and_close(path), &ONLY_ITS_NATURE, "open"))
}

/// Opens and reads: some files of /proc refuse only then.
fn text(path: &str) -> Tried {
    let file = needed(sys::open(path, 0), &[], "open")?;
    let mut byte = 0_u8;
    Ok(match sys::call(nr::READ, &[file, &raw mut byte as usize, 1]) {
        Ok(0) => Verdict::Unclear("read nothing".to_owned()),
        answer => judge(answer, &[], "read"),
    })
}

/// Opens what a sandbox may also make disappear; the one who gave its path knows that it is there.
fn hidden(path: &str) -> Tried {
    Ok(judge_with(open_and_close(path), &ONLY_ITS_NATURE, &[sys::ENOENT], "open"))
}

fn open_and_close(path: &str) -> sys::Answer {
    sys::open(path, O_NONBLOCK).inspect(|opened| sys::close(*opened))
}

fn split(path: &str) -> Result<(&str, &str), Verdict> {
    path.rsplit_once('/').ok_or_else(|| Verdict::Unclear("secret= is not an absolute path".to_owned()))
}

/// The first disk that this machine might have.
fn disk() -> Result<&'static str, Verdict> {
    let disks = ["/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/xvda", "/dev/dm-0", "/dev/loop0"];
    let found = disks.into_iter().find(|path| sys::open(path, O_PATH).inspect(|fd| sys::close(*fd)).is_ok());
    found.ok_or_else(|| Verdict::Unclear("no disk is known here".to_owned()))
}

/// A file handle needs no way through the tree.
#[repr(C)]
struct Handle {
    bytes: u32,
    kind: u32,
    data: [u8; 128],
}

/// On many file systems inode 2 is the root, and generation 0 is any: such a handle needs nobody's help.
fn guessed_handle() -> Handle {
    const INODE_AND_GENERATION: u32 = 1;
    let mut data = [0; 128];
    data[0] = 2;
    Handle { bytes: 8, kind: INODE_AND_GENERATION, data }
}

fn asked_handle(path: &str) -> Result<Handle, Errno> {
    let mut handle = Handle { bytes: 128, kind: 0, data: [0; 128] };
    let mut mount = 0_i32;
    let (path, handle_at, mount_at) = (c(path), &raw mut handle as usize, &raw mut mount as usize);
    sys::call(nr::NAME_TO_HANDLE_AT, &[AT_FDCWD, at(&path), handle_at, mount_at, 0])?;
    Ok(handle)
}

fn by_handle(handle: &Handle) -> Verdict {
    // Any descriptor of that file system, and this program has its own file at least.
    let on_the_same = sys::open("/", 0).or_else(|_| sys::open("/proc/self/exe", 0)).unwrap_or(AT_FDCWD);
    let opened = sys::call(nr::OPEN_BY_HANDLE_AT, &[on_the_same, &raw const *handle as usize, 0]);
    // A handle that the file system does not know: permission had been given.
    judge(opened, &[sys::ESTALE], "open_by_handle_at")
}

/// Descriptors beyond the three that a program is given, as they are or as directories to open from.
fn inherited(below: &str) -> Tried {
    const GETFD: usize = 1;
    const MOST: usize = 4096;
    let open: Vec<usize> = (3..MOST).filter(|fd| sys::call(nr::FCNTL, &[*fd, GETFD]).is_ok()).collect();
    if below.is_empty() {
        return Ok(match open.first() {
            Some(fd) => Verdict::Succeeded(format!("descriptor {fd} is open")),
            None => Verdict::Refused("EBADF".to_owned()),
        });
    }
    let mut last = Verdict::Refused("EBADF".to_owned());
    for fd in open {
        last = judge_with(sys::open_at(fd, below, 0), &[], &[sys::ENOTDIR, sys::ENOENT], "openat");
        if matches!(last, Verdict::Succeeded(_)) {
            break;
        }
    }
    Ok(last)
}
