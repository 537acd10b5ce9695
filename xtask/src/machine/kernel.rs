//! What the kernel must have, each feature by its name.
//!
//! **Why:** the sandbox has no weaker form to fall back to, so a test machine without one of these would prove nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};

use crate::error::{Error, Result};

/// The floor: ABI 3 is the first that refuses truncation.
const FLOOR: ABI = ABI::V3;
const ACTIONS: &str = "/proc/sys/kernel/seccomp/actions_avail";

/// Ends with the name of every feature that is not there.
pub(crate) fn ensure() -> Result<()> {
    let checks = [landlock(), notifications(Path::new(ACTIONS)), namespaces(), control_groups(), terminals()];
    let missing: Vec<String> = checks.into_iter().filter_map(std::result::Result::err).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::failed(format!("this machine lacks what the sandbox stands on:\n  {}", missing.join("\n  "))))
}

/// A ruleset that needs the floor can be made. It is never enforced.
fn landlock() -> std::result::Result<(), String> {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let made = ruleset.handle_access(AccessFs::from_all(FLOOR)).and_then(Ruleset::create);
    made.map(drop).map_err(|error| format!("landlock, ABI {FLOOR} or newer (Linux 6.2): {error}"))
}

/// One exec and no second one is a question that the kernel asks the host.
fn notifications(actions: &Path) -> std::result::Result<(), String> {
    let found = fs::read_to_string(actions).unwrap_or_default();
    if found.split_whitespace().any(|action| action == "user_notif") {
        return Ok(());
    }
    Err(format!("seccomp user notification (Linux 5.5): `user_notif` is not in {}", actions.display()))
}

fn namespaces() -> std::result::Result<(), String> {
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match unshare.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("mount namespaces: `unshare --mount true` is refused".to_owned()),
        Err(error) => Err(format!("mount namespaces: unshare: {error}")),
    }
}

/// Ending a line ends all that it left behind, which only `cgroup.kill` does without a race.
fn control_groups() -> std::result::Result<(), String> {
    let what = "control groups v2 with cgroup.kill (Linux 5.14)";
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let top = hierarchy(&mounts).ok_or_else(|| format!("{what}: no cgroup2 is mounted"))?;
    // The top has no such file; every group below it has.
    let probe = top.join(format!("pact-xtask-{}", std::process::id()));
    fs::create_dir(&probe).map_err(|error| format!("{what}: no group can be made in {}: {error}", top.display()))?;
    let can_kill = probe.join("cgroup.kill").exists();
    fs::remove_dir(&probe).map_err(|error| format!("{what}: {} cannot be removed: {error}", probe.display()))?;
    if can_kill { Ok(()) } else { Err(format!("{what}: a group in {} has no such file", top.display())) }
}

/// Where version 2 is mounted: its type stands after the ` - `, its place before.
fn hierarchy(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        (after.split(' ').next() == Some("cgroup2")).then(|| before.split(' ').nth(4).map(PathBuf::from))?
    })
}

fn terminals() -> std::result::Result<(), String> {
    use rustix::pty::{OpenptFlags, openpt};
    openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)
        .map(drop)
        .map_err(|error| format!("pseudo terminals: /dev/ptmx: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hybrid_machine_has_version_2_below() {
        let hybrid = "30 23 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      31 23 0:27 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 none rw\n";
        assert_eq!(hierarchy(hybrid), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(hierarchy("30 23 0:26 / /sys/fs/cgroup rw - cgroup cgroup rw\n"), None);
        // A path that only looks like it.
        assert_eq!(hierarchy("30 23 0:26 / /cgroup2 rw - tmpfs cgroup2 rw\n"), None);
    }

    #[test]
    fn a_kernel_without_notification_is_named() {
        let place = tempfile::tempdir().unwrap();
        let actions = place.path().join("actions");
        fs::write(&actions, "kill_process trap errno log allow\n").unwrap();
        assert!(notifications(&actions).unwrap_err().contains("user_notif"));
        fs::write(&actions, "kill_process user_notif\n").unwrap();
        assert_eq!(notifications(&actions), Ok(()));
    }
}
