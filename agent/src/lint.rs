//! `pact-agent whitelist lint`: reads files of programs as the agent would, looks at what they name on this node, and
//! says what is wrong with each and what to do.
//!
//! **Invariant:** a finding is what keeps a program from being used on this node, or from being harmless; what is only worth
//! knowing is a note and ends with 0. Nothing is changed.
//! **Not here:** what the agent refuses: it refuses by itself, when it starts and when a program does.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::unistd::Group;
use pact_proto::program::{Capability, Program};

use crate::sandbox::binary::Binary;
use crate::source;

/// What is said of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    file: PathBuf,
    what: String,
    /// What to do; empty for a note.
    fix: &'static str,
}

impl Finding {
    /// It keeps the program from being used, or from being harmless.
    pub fn is_serious(&self) -> bool {
        !self.fix.is_empty()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, what, fix } = self;
        if fix.is_empty() {
            return write!(f, "{}: note: {what}", file.display());
        }
        write!(f, "{}: {what}\n  fix: {fix}", file.display())
    }
}

/// Programs that run what they are given: no schema makes them harmless.
const INTERPRETERS: &[&str] = &[
    "ash", "awk", "bash", "busybox", "csh", "dash", "emacs", "env", "fish", "gawk", "gdb", "ksh", "lua", "mawk",
    "nano", "node", "perl", "php", "python", "ruby", "sed", "sh", "tclsh", "tcsh", "toybox", "vi", "view", "vim",
    "xargs", "zsh",
];
/// Those that page start other programs when a key is pressed, unless they are told not to.
const PAGERS: &[&str] = &["less", "more", "most"];
const SECURE: &str = "LESSSECURE=1";
/// Too much at once.
const WHOLE: &[&str] = &["/", "/dev", "/opt", "/run", "/usr", "/usr/local", "/var", "/var/lib"];
/// What nobody's program needs to read, nor anything in it: programs, people's files, keys, pact's own.
const CLOSED: &[&str] = &[
    "/bin",
    "/boot",
    "/etc/gshadow",
    "/etc/pact",
    "/etc/shadow",
    "/etc/ssh",
    "/home",
    "/root",
    "/sbin",
    "/tmp",
    "/usr/bin",
    "/usr/libexec",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/sbin",
    "/var/lib/pact",
    "/var/tmp",
];
/// Drivers that do what they are asked by ioctl, and nothing else when they are written to.
const CONTROLS: &[&str] = &["/dev/nvidia", "/dev/dri/", "/dev/kfd", "/dev/infiniband/", "/dev/lnet"];

/// Everything worth saying of these files, and of the files of programs in these directories.
pub fn lint(paths: &[PathBuf]) -> Vec<Finding> {
    paths.iter().flat_map(|path| if path.is_dir() { directory(path) } else { file(path) }).collect()
}

fn directory(path: &Path) -> Vec<Finding> {
    let unreadable = |error: std::io::Error| Finding {
        file: path.to_owned(),
        what: format!("it cannot be read: {error}"),
        fix: "name a directory with files of programs, or such a file",
    };
    let items = match std::fs::read_dir(path).and_then(Iterator::collect::<std::io::Result<Vec<_>>>) {
        Ok(items) => items,
        Err(error) => return vec![unreadable(error)],
    };
    let mut files: Vec<_> = items.into_iter().map(|item| item.path()).collect();
    files.sort();
    let is_program = |path: &&PathBuf| path.extension() == Some(OsStr::new("toml"));
    files.iter().filter(is_program).flat_map(|path| file(path)).collect()
}

fn file(path: &Path) -> Vec<Finding> {
    let program = match source::program(path) {
        Ok(program) => program,
        Err(error) => {
            let text = error.to_string();
            let what = text.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&text).to_owned();
            let fix = "the agent does not start with it: see CONTRIBUTING.md for how a program is described";
            return vec![Finding { file: path.to_owned(), what, fix }];
        }
    };
    let mut findings = Findings { file: path, all: Vec::new() };
    binary(&program, &mut findings);
    profile(&program, &mut findings);
    pager(&program, &mut findings);
    findings.all
}

/// Of one file.
struct Findings<'a> {
    file: &'a Path,
    all: Vec<Finding>,
}

impl Findings<'_> {
    fn serious(&mut self, what: String, fix: &'static str) {
        self.all.push(Finding { file: self.file.to_owned(), what, fix });
    }

    fn note(&mut self, what: String) {
        self.serious(what, "");
    }
}

fn binary(program: &Program, findings: &mut Findings<'_>) {
    let Some(there) = program.paths().iter().find(|path| path.exists()) else {
        return findings.note("it is not installed on this node".to_owned());
    };
    if let Err(error) = Binary::find(program.paths()) {
        let fix = "name the program itself: a file of root's in directories of root's, no script and not set-uid";
        return findings.serious(error.to_string(), fix);
    }
    let Some(real) = there.canonicalize().ok().and_then(|real| Some(real.file_name()?.to_str()?.to_owned())) else {
        return;
    };
    let name = real.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if INTERPRETERS.contains(&name) {
        let what = format!("{} is {real}, which runs what it is given", there.display());
        findings.serious(what, "leave it out: whatever its arguments are, its input may be a program");
    } else if real != program.name().as_str() && program.applet().is_none() {
        let what = format!("{} is {real}, which may be many programs in one", there.display());
        findings.serious(what, "say which by `applet`, which becomes its first argument");
    }
}

fn profile(program: &Program, findings: &mut Findings<'_>) {
    let profile = program.profile();
    for path in profile.read.iter().chain(&profile.list) {
        if path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
            let what = format!("{} is a symbolic link, and the program does not start", path.display());
            findings.serious(what, "name what it leads to");
        }
    }
    for path in &profile.controls {
        if !CONTROLS.iter().any(|known| path.to_string_lossy().starts_with(known)) {
            let what = format!("it may write to {}", path.display());
            findings.serious(what, "leave it out: what is written to a device is more than a schema bounds");
        }
    }
    for path in profile.devices.iter().chain(&profile.controls) {
        if path.metadata().is_ok_and(|metadata| !metadata.file_type().is_char_device()) {
            let what = format!("{} is no character device, and the program does not start", path.display());
            findings.serious(what, "name a character device, or leave it out");
        }
    }
    for path in &profile.read {
        let is_closed = CLOSED.iter().any(|other| path.starts_with(other));
        if is_closed || WHOLE.iter().any(|other| Path::new(other) == path) {
            let what = format!("it may read all of {}", path.display());
            findings.serious(what, "name the files or directories in it that the program needs");
        } else if let Ok(metadata) = path.metadata()
            && metadata.mode() & 0o002 != 0
        {
            let what = format!("it reads {}, which everybody may write", path.display());
            findings
                .serious(what, "what others put there, a link too, is read with this program's rights: leave it out");
        }
    }
    if profile.capabilities.contains(&Capability::DacReadSearch) {
        let read: Vec<_> = profile.read.iter().map(|path| path.display().to_string()).collect();
        findings.note(format!("it reads what only root may, in {}", read.join(", ")));
    }
    for group in &profile.groups {
        if !matches!(Group::from_name(group), Ok(Some(_))) {
            findings.note(format!("group {group} does not exist on this node, and is not given"));
        }
    }
    for path in profile.devices.iter().chain(&profile.controls).chain(&profile.sockets) {
        if !path.exists() {
            findings.note(format!("{} is not there on this node", path.display()));
        }
    }
}

fn pager(program: &Program, findings: &mut Findings<'_>) {
    let has_terminal = program.schema().forms().iter().any(|form| form.terminal);
    let is_pager = PAGERS.contains(&program.name().as_str());
    if has_terminal && is_pager && !program.profile().environment.iter().any(|pair| pair == SECURE) {
        let what = "it is a pager on a terminal, and its keys name programs and files".to_owned();
        findings.serious(what, "put LESSSECURE=1 into the profile's environment");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const FORM: &str = "[[form]]\neffect = \"read\"\n";

    /// What is said of a program of this name, with this program file, and these lines in its profile.
    fn said(name: &str, file: impl FnOnce(&Path), profile: &str) -> Vec<String> {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let program = place.path().join(name);
        file(&program);
        let toml = place.path().join(format!("{name}.toml"));
        let paths = format!("paths = [\"{}\"]", program.display());
        fs::write(&toml, format!("name = \"{name}\"\nabout = \"x\"\n{paths}\n[profile]\n{profile}\n{FORM}")).unwrap();
        let shown = |finding: &Finding| finding.to_string().replace(&place.path().display().to_string(), "DIR");
        lint(&[place.path().to_owned()]).iter().map(shown).collect()
    }

    /// Makes the file of a program.
    type Made = fn(&Path);

    fn copy(path: &Path) {
        fs::copy("/usr/bin/uname", path).unwrap();
    }

    #[test]
    fn each_finding_says_what_is_wrong_and_what_to_do() {
        let none: [&str; 0] = [];
        assert_eq!(said("uname", copy, "read = [\"/proc\"]"), none);
        let cases: [(&str, Made, &str, &str); 13] = [
            ("gone", |_| (), "", "note: it is not installed"),
            ("script", |path| fs::write(path, "#!/bin/sh\n").unwrap(), "", "fix: name the program itself"),
            ("lsmod", |path| symlink("/usr/bin/uname", path).unwrap(), "", "many programs in one"),
            ("bash", copy, "", "runs what it is given"),
            ("python3.11", copy, "", "python3.11, which runs what it is given"),
            ("uname", copy, "read = [\"/usr/bin\"]", "it may read all of /usr/bin"),
            ("uname", copy, "read = [\"/dev/shm\"]", "which everybody may write"),
            ("uname", copy, "groups = [\"no-such-group\"]", "note: group no-such-group"),
            ("uname", copy, "devices = [\"/dev/no-such\"]", "note: /dev/no-such is not there"),
            ("uname", copy, "controls = [\"/dev/null\"]", "it may write to /dev/null"),
            ("uname", copy, "devices = [\"/etc/passwd\"]", "is no character device"),
            ("uname", copy, "read = [\"/home/alice\"]", "it may read all of /home/alice"),
            ("uname", copy, "read = [\"/etc/mtab\"]", "is a symbolic link"),
        ];
        for (name, file, profile, expected) in cases {
            let said = said(name, file, profile);
            assert!(said.len() == 1 && said[0].contains(expected), "{name}: {expected}: {said:?}");
        }
        let findings = lint(&["/no/such/file.toml".into()]);
        assert!(findings.len() == 1 && findings[0].is_serious(), "{findings:?}");
    }

    #[test]
    fn what_ships_has_no_findings() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/programs");
        let findings = lint(&[folder.into()]);
        let serious: Vec<_> = findings.iter().filter(|finding| finding.is_serious()).map(ToString::to_string).collect();
        assert!(serious.is_empty(), "{serious:#?}");
    }
}
