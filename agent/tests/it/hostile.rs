//! The hostile program for tests: built, given something to reach for, and its answers read.
//!
//! **Invariant:** a try that this machine can judge is one that succeeds without a sandbox; the table below names all
//! others with the reason and with the fact that decides. Nothing else is excused anywhere.
//! **Why:** also used by the tests of the shell, which include this file by its path.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, socket};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

/// What a try came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// By which error or signal.
    Refused(String),
    /// What was done.
    Succeeded(String),
    /// Why nobody can tell.
    Unclear(String),
}

/// Answers by the name of the try.
pub(crate) type Verdicts = BTreeMap<String, Verdict>;

/// The program, built once a process. It lies where every user can reach it as far as the checkout allows.
pub(crate) fn build() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(compile).clone()
}

fn compile() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/tests/hostile/hostile.rs");
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (fresh, built) = (place.join(format!("hostile-{}", std::process::id())), place.join("hostile"));
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler)
        .args(["--edition", "2024", "-O", "-D", "warnings", "-C", "target-feature=+crt-static", "-C", "panic=abort"])
        .arg(source)
        .arg("-o")
        .arg(&fresh)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Another test process may be running what the last one built.
    fs::rename(&fresh, &built).unwrap();
    built
}

/// Reads `NAME: verdict` lines. A line that is none is an error: nothing of what was said is left out.
pub(crate) fn parse(output: &str) -> Result<Verdicts, String> {
    output.lines().map(|line| verdict(line).ok_or_else(|| format!("not a verdict: {line:?}"))).collect()
}

fn verdict(line: &str) -> Option<(String, Verdict)> {
    let (name, said) = line.split_once(": ")?;
    let refused = said.strip_prefix("refused (").and_then(|how| how.strip_suffix(')')).map(str::to_owned);
    let verdict = refused
        .map(Verdict::Refused)
        .or_else(|| said.strip_prefix("SUCCEEDED").map(|what| Verdict::Succeeded(what.trim_start().to_owned())))
        .or_else(|| said.strip_prefix("unclear ").map(|why| Verdict::Unclear(why.to_owned())))?;
    Some((name.to_owned(), verdict))
}

/// The names of the tries that `all` makes.
pub(crate) fn names() -> Vec<String> {
    let output = Command::new(build()).arg("list").output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// What the program may reach for: files, sockets and a terminal, all of them the test's own.
pub(crate) struct Bait {
    place: TempDir,
    tcp: TcpListener,
    name: String,
    _path: UnixListener,
    _abstract: [OwnedFd; 3],
    terminals: [Terminal; 2],
}

/// A terminal that nobody types on.
struct Terminal {
    path: String,
    _keyboard: OwnedFd,
}

impl Terminal {
    fn open() -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let path = ptsname(&keyboard, Vec::new()).unwrap().into_string().unwrap();
        set_mode(Path::new(&path), 0o666);
        Self { path, _keyboard: keyboard }
    }
}

impl Bait {
    pub(crate) fn lay() -> Self {
        let place = tempfile::Builder::new().prefix("pact-bait-").tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        set_mode(place.path(), 0o755);
        fs::create_dir(at("writable")).unwrap();
        set_mode(&at("writable"), 0o777);
        for name in ["secret", "writable/victim", "writable/doomed"] {
            fs::write(at(name), "").unwrap();
            set_mode(&at(name), 0o666);
        }
        for name in ["writable/doomed.d", "hidden"] {
            fs::create_dir(at(name)).unwrap();
        }
        symlink("secret", at("link")).unwrap();
        fs::write(at("script"), "#!/bin/sh\necho \"$1: SUCCEEDED exec of a script\"\nexit 10\n").unwrap();
        set_mode(&at("script"), 0o755);
        let name = format!("pact-bait-{}", place.path().file_name().unwrap().to_string_lossy());
        let path = UnixListener::bind(at("socket")).unwrap();
        set_mode(&at("socket"), 0o777);
        let listeners = [SocketType::STREAM, SocketType::DGRAM, SocketType::SEQPACKET].map(|kind| listen(&name, kind));
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { place, tcp, name, _path: path, _abstract: listeners, terminals: [Terminal::open(), Terminal::open()] }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// For the program's own terminal.
    pub(crate) fn terminal(&self) -> &str {
        &self.terminals[0].path
    }

    /// Where everything lies.
    pub(crate) fn directory(&self) -> &Path {
        self.place.path()
    }

    /// `KEY=VALUE` for everything but processes and the agent's own files. `directory` is where the bait can be seen,
    /// which need not be where it lies.
    pub(crate) fn words(&self, directory: &Path) -> Vec<String> {
        let at = |name: &str| directory.join(name).display().to_string();
        vec![
            format!("self={}", build().display()),
            format!("secret={}", at("secret")),
            format!("link={}", at("link")),
            format!("writable={}", at("writable")),
            format!("script={}", at("script")),
            format!("socket={}", at("socket")),
            format!("abstract={}", self.name),
            format!("port={}", self.tcp.local_addr().unwrap().port()),
            format!("tty={}", self.terminals[1].path),
        ]
    }
}

fn listen(name: &str, kind: SocketType) -> OwnedFd {
    let socket = socket(AddressFamily::UNIX, kind, None).unwrap();
    bind(&socket, &SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap()).unwrap();
    if kind != SocketType::DGRAM {
        rustix::net::listen(&socket, 8).unwrap();
    }
    socket
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Why a try might fail without any sandbox, and whether this machine can tell all the same.
struct Excuse {
    /// A `*` is any text.
    name: &'static str,
    why: &'static str,
    tells: fn() -> bool,
}

const fn excuse(name: &'static str, why: &'static str, tells: fn() -> bool) -> Excuse {
    Excuse { name, why, tells }
}

const EXCUSES: [Excuse; 43] = [
    excuse("exec-at-dir-empty-emptypath*", "a directory is no program", || false),
    excuse("exec-at-cwd-empty-emptypath*", "a directory is no program", || false),
    excuse("exec-x32*", "few kernels are built with x32", || false),
    excuse("abi-x32-getpid", "few kernels are built with x32", || false),
    excuse("read-kcore", "not in every kernel", || exists("/proc/kcore")),
    excuse("read-mem", "not in every kernel", || exists("/dev/mem")),
    excuse("read-kmsg", "not in every container", || exists("/dev/kmsg")),
    excuse("read-kpagecount", "not in every kernel", || exists("/proc/kpagecount")),
    excuse("read-fuse", "not in every kernel", || exists("/dev/fuse")),
    excuse("read-kvm", "not on every machine", || exists("/dev/kvm")),
    excuse("read-loop-control", "not in every kernel", || exists("/dev/loop-control")),
    excuse("read-net-tun", "not in every kernel", || exists("/dev/net/tun")),
    excuse("read-disk", "a device control group may keep root from it", || false),
    excuse("write-create-root", "read-only where the control runs, because nothing may stay behind", || false),
    excuse("write-sysrq", "not in every kernel", || exists("/proc/sysrq-trigger")),
    excuse("write-binfmt", "not always mounted", || exists("/proc/sys/fs/binfmt_misc/register")),
    excuse("write-uevent-helper", "not in every kernel", || exists("/sys/kernel/uevent_helper")),
    excuse("write-loginuid", "not in every kernel", || exists("/proc/self/loginuid")),
    excuse("net-socket-ping", "only for groups that a sysctl names", || false),
    excuse("net-socket-vsock", "not in every kernel", || false),
    excuse("net-socket-alg", "not in every kernel", || false),
    excuse("net-socket-bluetooth", "not in every kernel", || false),
    excuse("net-socket-can", "not in every kernel", || false),
    excuse("net-socket-rds", "not in every kernel", || false),
    excuse("net-socket-tipc", "not in every kernel", || false),
    excuse("net-socket-kcm", "not in every kernel", || false),
    excuse("net-socket-xdp", "not in every kernel", || false),
    excuse("seccomp-prctl-exe-file", "needs CAP_SYS_RESOURCE", has_sys_resource),
    excuse("limit-raise-*", "needs CAP_SYS_RESOURCE", has_sys_resource),
    excuse("tty-open-vcs", "not in every kernel", || exists("/dev/vcs")),
    excuse("tty-open-serial", "not on every machine", || exists("/dev/ttyS0")),
    excuse("tty-open-input", "not on every machine", || exists("/dev/input/event0")),
    excuse("cgroup-*-v2", "mounted or not", || exists("/sys/fs/cgroup/cgroup.procs")),
    excuse("cgroup-*-unified", "mounted or not", || exists("/sys/fs/cgroup/unified/cgroup.procs")),
    excuse("cgroup-*-memory", "mounted or not", || exists("/sys/fs/cgroup/memory/cgroup.procs")),
    excuse("cgroup-*-pids", "mounted or not", || exists("/sys/fs/cgroup/pids/cgroup.procs")),
    excuse("cgroup-*-cpu", "mounted or not", || exists("/sys/fs/cgroup/cpu/cgroup.procs")),
    excuse("cgroup-*-freezer", "mounted or not", || exists("/sys/fs/cgroup/freezer/cgroup.procs")),
    excuse("cgroup-host-*", "the group at the top has no such file", || false),
    excuse("abi-kexec*", "not in every kernel", || false),
    excuse("abi-*-module", "not in every kernel", || exists("/proc/modules")),
    excuse("abi-io*", "not in every kernel", || false),
    excuse("abi-vhangup", "never tried as root", || false),
];

/// Why this machine cannot judge a try, where it cannot.
pub(crate) fn excused(name: &str) -> Option<&'static str> {
    EXCUSES.iter().find(|excuse| is_like(name, excuse.name) && !(excuse.tells)()).map(|excuse| excuse.why)
}

/// Whether a pattern, in which one `*` is any text, names the try.
pub(crate) fn is_like(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((head, tail)) => name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail),
    }
}

fn exists(path: &str) -> bool {
    Path::new(path).exists()
}

fn has_sys_resource() -> bool {
    const CAP_SYS_RESOURCE: u64 = 1 << 24;
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    u64::from_str_radix(effective.trim(), 16).unwrap() & CAP_SYS_RESOURCE != 0
}
