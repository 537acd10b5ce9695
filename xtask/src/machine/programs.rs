//! Programs that tests and demo start, the Debian packages that bring them, and why they are needed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::run::to_its_end;
use crate::say::say;

/// What a program is needed for.
struct Needed {
    program: &'static str,
    package: &'static str,
    why: &'static str,
}

const fn needed(program: &'static str, package: &'static str, why: &'static str) -> Needed {
    Needed { program, package, why }
}

/// A row for everything beside cargo that a test, the demo or the bench starts. Rust's own linker is `cc`.
const TABLE: &[Needed] = &[
    needed("cc", "gcc", "links the programs"),
    needed("bash", "bash", "is what the prompt's speed is compared with"),
    needed("mount", "mount", "gives a test's node its own accounts and its own /run"),
    needed("umount", "mount", "takes a full disk away from a test's node"),
    needed("unshare", "util-linux", "makes a test's node a mount namespace of its own"),
    needed("nsenter", "util-linux", "enters the namespace of a test's node"),
    needed("setpriv", "util-linux", "becomes an account of a test's node"),
    needed("setsid", "util-linux", "gives a program a terminal of its own"),
    needed("dmesg", "util-linux", "is on the whitelist"),
    needed("grep", "grep", "is on the whitelist"),
    needed("cat", "coreutils", "is on the whitelist, with many of its package"),
    needed("diff", "diffutils", "is on the whitelist"),
    needed("file", "file", "is on the whitelist"),
    needed("find", "findutils", "is on the whitelist"),
    needed("free", "procps", "is on the whitelist, with many of its package"),
    needed("hostname", "hostname", "is on the whitelist"),
    needed("ip", "iproute2", "is on the whitelist"),
    needed("less", "less", "is on the whitelist"),
    needed("tmux", "tmux", "is the terminal on which screens are compared with those of bash"),
    needed("sshd", "openssh-server", "is a way in that is tried, and what sessions over a network are compared with"),
    needed("ssh", "openssh-client", "is a way in that is tried, and what sessions over a network are compared with"),
    needed("ssh-keygen", "openssh-client", "makes keys for ssh and sshd"),
];

/// Sees to it that every program is there, and installs what is missing unless told not to.
pub(crate) fn ensure(install: bool) -> Result<()> {
    all(TABLE, install)
}

fn all(table: &[Needed], install: bool) -> Result<()> {
    let missing = missing(table, &search_path());
    if missing.is_empty() {
        return Ok(());
    }
    for row in &missing {
        say(format!("xtask: {} is missing: it {}; the package {} has it", row.program, row.why, row.package));
    }
    let packages = packages(&missing);
    if !install {
        return Err(Error::failed(format!("missing packages: {}", packages.join(" "))));
    }
    install_packages(&packages)?;
    match self::missing(table, &search_path()).as_slice() {
        [] => Ok(()),
        [row, ..] => {
            Err(Error::failed(format!("{} is still missing after {} was installed", row.program, row.package)))
        }
    }
}

/// The search path of whoever runs this, and the directories of the administrator's programs.
fn search_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).collect()
}

fn missing<'t>(table: &'t [Needed], path: &[PathBuf]) -> Vec<&'t Needed> {
    let is_there = |row: &&Needed| path.iter().any(|directory| is_program(&directory.join(row.program)));
    table.iter().filter(|row| !is_there(row)).collect()
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn packages(missing: &[&Needed]) -> Vec<&'static str> {
    let mut packages: Vec<_> = missing.iter().map(|row| row.package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn install_packages(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    if !search_path().iter().any(|directory| is_program(&directory.join("apt-get"))) {
        return Err(Error::failed(format!("there is no apt-get here: install what Debian calls {names}")));
    }
    super::must_be_root(&format!("installing {names}"))?;
    say(format!("xtask: installing {names}"));
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(words).env("DEBIAN_FRONTEND", "noninteractive");
        to_its_end(&mut command, &format!("apt-get {}", words.join(" ")))
    };
    apt(&["update"])?;
    apt(&[&["install", "--yes", "--no-install-recommends"], packages].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_once_a_package() {
        let place = tempfile::tempdir().unwrap();
        let script = place.path().join("present");
        std::fs::write(&script, "").unwrap();
        let table = [needed("present", "here", "x"), needed("b", "pkg", "x"), needed("a", "pkg", "x")];
        let path = [place.path().to_owned()];
        // A file that nobody may execute is no program.
        assert_eq!(packages(&missing(&table, &path)), ["here", "pkg"]);
        std::os::unix::fs::chown(&script, None, None).unwrap();
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(packages(&missing(&table, &path)), ["pkg"]);
    }
}
