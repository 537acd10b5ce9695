//! Writing anywhere: new files where everybody may write, and every way to change one that everybody may write.
//!
//! **Invariant:** what a try makes, it removes again; what it changes or removes are `victim`, `doomed` and `doomed.d`
//! inside of `writable=`, which the caller has made for it.

use crate::sys::{self, AT_FDCWD, Errno, O_CREAT, O_EXCL, O_RDWR, O_TRUNC, O_WRONLY, at, c, nr};
use crate::tries::Tries;
use crate::verdict::{Tried, Verdict, judge, judge_with, needed};
use crate::world::World;

/// Where a sandbox may have nothing at all.
const NOT_THERE: [Errno; 2] = [sys::ENOENT, sys::ENOTDIR];

pub fn add(tries: &mut Tries) {
    for (name, directory) in [
        ("tmp", "/tmp"),
        ("shm", "/dev/shm"),
        ("var-tmp", "/var/tmp"),
        ("run", "/run"),
        ("etc", "/etc"),
        ("root", "/"),
        ("cwd", "."),
    ] {
        tries.add(format!("write-create-{name}"), move |_| create(directory));
    }
    tries.add("write-create-home", |_| {
        let home = std::env::var("HOME").map_err(|_| Verdict::Unclear("HOME is not set".to_owned()))?;
        create(&home)
    });
    tries.add("write-create-writable", |world| create(world.text("writable")?));
    tries.add("write-tmpfile-writable", |world| {
        const O_TMPFILE: usize = 0o20_200_000;
        Ok(judge(sys::open(world.text("writable")?, O_TMPFILE | O_RDWR), &[], "O_TMPFILE"))
    });
    for (name, path) in [
        ("oom-score", "/proc/self/oom_score_adj"),
        ("hostname", "/proc/sys/kernel/hostname"),
        ("core-pattern", "/proc/sys/kernel/core_pattern"),
        ("sysrq", "/proc/sysrq-trigger"),
        ("binfmt", "/proc/sys/fs/binfmt_misc/register"),
        ("uevent-helper", "/sys/kernel/uevent_helper"),
        ("loginuid", "/proc/self/loginuid"),
        ("uid-map", "/proc/self/uid_map"),
        ("own-memory", "/proc/self/mem"),
    ] {
        // Only opened, never written to.
        tries.add(format!("write-{name}"), move |_| Ok(judge(sys::open(path, O_WRONLY), &[], "open for writing")));
    }
    changes(tries);
    entries(tries);
}

fn create(directory: &str) -> Tried {
    let path = fresh(directory);
    let made = sys::open(&path, O_CREAT | O_EXCL | O_WRONLY);
    if made.is_ok() {
        remove(&path);
    }
    Ok(judge_with(made, &[], &NOT_THERE, "create"))
}

fn fresh(directory: &str) -> String {
    format!("{directory}/.{}", sys::fresh_name())
}

fn remove(path: &str) {
    let _gone = sys::call(nr::UNLINK, &[at(&c(path))]);
}

/// Changes of a file that is there and that everybody may write.
fn changes(tries: &mut Tries) {
    add_change(tries, "open", |path| sys::open(path, O_WRONLY));
    add_change(tries, "append", |path| sys::open(path, O_WRONLY | 0o2000));
    add_change(tries, "open-truncating", |path| sys::open(path, O_TRUNC));
    add_change(tries, "truncate", |path| sys::call(nr::TRUNCATE, &[at(&c(path)), 0]));
    add_change(tries, "chmod", |path| sys::call(nr::CHMOD, &[at(&c(path)), 0o666]));
    add_change(tries, "fchmodat2", |path| sys::call(nr::FCHMODAT2, &[AT_FDCWD, at(&c(path)), 0o666, 0]));
    add_change(tries, "chown", |path| sys::call(nr::LCHOWN, &[at(&c(path)), 0, 0]));
    add_change(tries, "times", |path| sys::call(nr::UTIMENSAT, &[AT_FDCWD, at(&c(path)), 0, 0]));
    add_change(tries, "attribute", |path| {
        sys::call(nr::SETXATTR, &[at(&c(path)), at(c"user.hostile"), at(c"x"), 1, 0])
    });
    tries.add("write-victim-flags", |world| {
        const GET_FLAGS: usize = 0x8008_6601;
        const SET_FLAGS: usize = 0x4008_6602;
        let file = needed(sys::open(&victim(world)?, 0), &NOT_THERE, "open")?;
        let mut flags = 0_u64;
        let read = sys::call(nr::IOCTL, &[file, GET_FLAGS, &raw mut flags as usize]);
        needed(read, &[], "FS_IOC_GETFLAGS")?;
        Ok(judge(sys::call(nr::IOCTL, &[file, SET_FLAGS, &raw const flags as usize]), &[], "FS_IOC_SETFLAGS"))
    });
}

fn add_change(tries: &mut Tries, name: &str, change: impl Fn(&str) -> sys::Answer + 'static) {
    tries.add(format!("write-victim-{name}"), move |world| {
        let path = victim(world)?;
        Ok(judge_with(change(&path), &[], &NOT_THERE, "change"))
    });
}

fn victim(world: &World) -> Result<String, Verdict> {
    Ok(format!("{}/victim", world.text("writable")?))
}

/// Entries of a directory that everybody may write.
fn entries(tries: &mut Tries) {
    add_entry(tries, "mkdir", |_, new| sys::call(nr::MKDIR, &[new, 0o700]));
    add_entry(tries, "mkdirat", |_, new| sys::call(nr::MKDIRAT, &[AT_FDCWD, new, 0o700]));
    add_entry(tries, "fifo", |_, new| sys::call(nr::MKNOD, &[new, 0o010_600, 0]));
    add_entry(tries, "device", |_, new| sys::call(nr::MKNOD, &[new, 0o020_600, 0x103]));
    add_entry(tries, "symlink", |_, new| sys::call(nr::SYMLINK, &[at(c"/etc/shadow"), new]));
    add_entry(tries, "link", |victim, new| sys::call(nr::LINK, &[victim, new]));
    add_entry(tries, "rename", |victim, new| {
        let moved = sys::call(nr::RENAME, &[victim, new])?;
        sys::call(nr::RENAME, &[new, victim]).map(|_| moved)
    });
    tries.add("write-entry-unlink", |world| {
        let path = c(&format!("{}/doomed", world.text("writable")?));
        Ok(judge_with(sys::call(nr::UNLINK, &[at(&path)]), &[], &NOT_THERE, "unlink"))
    });
    tries.add("write-entry-rmdir", |world| {
        let path = c(&format!("{}/doomed.d", world.text("writable")?));
        Ok(judge_with(sys::call(nr::RMDIR, &[at(&path)]), &[], &NOT_THERE, "rmdir"))
    });
}

/// `make` gets the victim and a name that is free.
fn add_entry(tries: &mut Tries, name: &str, make: impl Fn(usize, usize) -> sys::Answer + 'static) {
    tries.add(format!("write-entry-{name}"), move |world| {
        let (old, new) = (c(&victim(world)?), fresh(world.text("writable")?));
        let new_name = c(&new);
        let made = make(at(&old), at(&new_name));
        if made.is_ok() {
            remove(&new);
            let _gone = sys::call(nr::RMDIR, &[at(&new_name)]);
        }
        Ok(judge_with(made, &[], &NOT_THERE, "make"))
    });
}
