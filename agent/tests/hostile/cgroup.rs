//! Control groups: into another one, a new one, past the limits of one's own.
//!
//! **Invariant:** only the process of the try moves, and it ends at once; limits are opened, never written.

use std::path::PathBuf;

use crate::sys::{self, O_WRONLY, at, c, nr};
use crate::tries::Tries;
use crate::verdict::{Tried, Verdict, judge, needed};
use crate::world::World;

/// Where a hierarchy may be mounted: v2 alone, v2 beside v1, and the controllers of v1.
const MOUNTS: [(&str, &str); 6] = [
    ("v2", "/sys/fs/cgroup"),
    ("unified", "/sys/fs/cgroup/unified"),
    ("memory", "/sys/fs/cgroup/memory"),
    ("pids", "/sys/fs/cgroup/pids"),
    ("cpu", "/sys/fs/cgroup/cpu"),
    ("freezer", "/sys/fs/cgroup/freezer"),
];

pub fn add(tries: &mut Tries) {
    for (name, mount) in MOUNTS {
        tries.add(format!("cgroup-leave-{name}"), move |_| {
            present(mount)?;
            join(&format!("{mount}/cgroup.procs"))
        });
        tries.add(format!("cgroup-create-{name}"), move |_| {
            present(mount)?;
            let new = c(&format!("{mount}/{}", sys::fresh_name()));
            let made = sys::call(nr::MKDIR, &[at(&new), 0o755]);
            if made.is_ok() {
                let _gone = sys::call(nr::RMDIR, &[at(&new)]);
            }
            Ok(judge(made, &[], "mkdir"))
        });
        tries.add(format!("cgroup-join-host-{name}"), move |world| join(&of_process(world, mount)?));
    }
    for (name, file) in [("kill", "cgroup.kill"), ("freeze", "cgroup.freeze"), ("subtree", "cgroup.subtree_control")] {
        tries.add(format!("cgroup-host-{name}"), move |world| {
            let mount = MOUNTS[..2].iter().map(|(_, mount)| *mount).find(|mount| present(mount).is_ok());
            let mount = mount.ok_or_else(|| Verdict::Unclear("no cgroup v2 here".to_owned()))?;
            let path = of_process(world, mount)?.replace("cgroup.procs", file);
            Ok(judge(sys::open(&path, O_WRONLY), &[], "open for writing"))
        });
    }
}

/// Whether a hierarchy is mounted there.
fn present(mount: &str) -> Result<(), Verdict> {
    let found = sys::open(&format!("{mount}/cgroup.procs"), sys::O_PATH);
    sys::close(found.map_err(|error| Verdict::Unclear(format!("no hierarchy at {mount}: {error}")))?);
    Ok(())
}

/// Writes the process of the try, and no other, to a list of processes.
fn join(path: &str) -> Tried {
    let list = needed(sys::open(path, O_WRONLY), &[], "open for writing")?;
    let own = b"0\n";
    Ok(judge(sys::call(nr::WRITE, &[list, own.as_ptr() as usize, own.len()]), &[], "moved"))
}

/// The list of processes of the group that the host is in.
fn of_process(world: &World, mount: &str) -> Result<String, Verdict> {
    present(mount)?;
    let pid = world.pid("host")?;
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup"));
    let groups = groups.map_err(|error| Verdict::Unclear(format!("/proc/{pid}/cgroup: {error}")))?;
    let controller = mount.strip_prefix("/sys/fs/cgroup/").filter(|name| *name != "unified").unwrap_or("");
    let group = groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let named = parts.next()?.split(',').any(|name| name == controller);
        parts.next().filter(|_| named)
    });
    let group = group.ok_or_else(|| Verdict::Unclear(format!("it is in no group of {controller:?}")))?;
    let path: PathBuf = [mount, group.trim_start_matches('/'), "cgroup.procs"].iter().collect();
    Ok(path.display().to_string())
}
