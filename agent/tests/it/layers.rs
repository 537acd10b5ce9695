//! Each layer of the sandbox alone: what it refuses by itself, and what it needs the others for.
//!
//! **Why:** a test of all layers together cannot see that one of them has stopped working.
//! **Not here:** rlimits, which are tried through the agent (`shell/tests/it/hostile.rs`).

use std::ffi::CString;
use std::fs::{self, File};
use std::path::Path;

use nix::fcntl::AtFlags;
use nix::unistd::execveat;
use pact_agent::sandbox::allowlist::Allowlist;
use pact_agent::sandbox::binary::Binary;
use pact_agent::sandbox::files::Files;
use pact_agent::sandbox::identity::Identity;
use pact_agent::sandbox::{namespace, once};
use pact_proto::program::Profile;

use crate::hostile::{Bait, Verdict, Verdicts, build, excused, is_like, parse};
use crate::throwaway;

/// With landlock of Linux 6.12 or later, which knows signals and abstract sockets. The program reads /proc and /sys.
#[test]
fn landlock_alone() {
    check(
        "landlock",
        &[
            "exec-sh* exec-script* exec-written* exec-loader*",
            "read-shadow read-root-home read-kmsg read-disk read-fuse read-kvm read-loop-control read-net-tun",
            "read-program read-programs read-secret* read-spool read-config read-link",
            "read-*-mem read-*-cwd read-*-fd-0 read-*-passwd read-*-io read-*-stack read-*-syscall",
            "write-create-* write-tmpfile-* write-oom-score write-hostname write-core-pattern write-uid-map",
            "write-entry-* write-victim-open* write-victim-append write-victim-truncate",
            "net-tcp-connect net-tcp6-connect net-tcp-bind net-unix-abstract* net-unix-bind",
            "proc-ptrace-seize-* proc-ptrace-attach-* proc-vm-* proc-signal-* proc-descriptor-* proc-compare-*",
            "ns-mount ns-mount-bind ns-mount-remount ns-setns-* tty-open-* tty-steal-other cgroup-*",
        ],
        // Itself it may always execute, a file without a path too; it knows no UDP, no modes and no times.
        "exec-self exec-memfd net-udp-send net-unix-path write-victim-chmod write-victim-times proc-limit-set-host \
         seccomp-filter ns-unshare-user tty-sti-0 cap-setuid abi-io-uring",
    );
}

#[test]
fn the_allowlist_alone() {
    check(
        "allowlist",
        &[
            "abi-* net-* ns-* seccomp-* tty-sti-* tty-linux-*",
            "cap-setuid cap-setgid cap-setre* cap-setgroups cap-setfs* cap-ambient cap-securebits",
            "exec-memfd* exec-x32* exec-int80 limit-nice limit-realtime",
            "proc-ptrace-* proc-vm-* proc-limit-* proc-descriptor-* proc-compare-* proc-advise-* proc-affinity-*",
            "proc-priority-* proc-io-priority-* proc-scheduler-* proc-move-* proc-migrate-* proc-perf-*",
            "proc-signal-pidfd-* proc-signal-queue-* read-chroot read-handle* read-secret-openat2",
            "write-entry-* write-victim-chmod write-victim-chown write-victim-times write-victim-attribute",
        ],
        // It counts nothing and sees no path, and to whom a signal goes is not its business.
        "exec-self exec-sh exec-loader-fork read-shadow read-secret write-create-tmp proc-signal-0-host tty-open-ptmx",
    );
}

#[test]
fn one_exec_alone() {
    // A listener of one's own would say yes: that is what the allowlist must refuse.
    check("once", &["exec-*"], "seccomp-listener abi-memfd read-shadow net-tcp-connect write-create-tmp");
}

#[test]
fn identity_alone() {
    check(
        "identity",
        &[
            "read-shadow read-root-home read-kpagecount read-chdir-root read-chroot read-handle*",
            "read-host-* read-agent-* read-pact-* read-other-*",
            "write-create-etc write-create-root write-hostname write-core-pattern write-victim-chmod write-victim-chown",
            "proc-ptrace-seize-* proc-ptrace-attach-* proc-vm-* proc-signal-* proc-limit-* proc-descriptor-*",
            "proc-affinity-* proc-priority-* proc-io-priority-* proc-scheduler-* proc-compare-*",
            "ns-mount ns-mount-bind ns-umount ns-pivot-root ns-setns-* ns-unshare-mount ns-unshare-net ns-clone-pid",
            "cap-* cgroup-* tty-open-console tty-open-tty0 tty-open-tty1 limit-nice limit-realtime",
            "abi-acct abi-reboot abi-swapon abi-sethostname abi-adjtimex net-socket-raw net-socket-packet",
        ],
        "exec-self read-secret write-create-tmp net-tcp-connect net-unix-abstract ns-unshare-user abi-io-uring \
         write-victim-times tty-sti-0 seccomp-listener",
    );
}

#[test]
fn the_mounts_alone() {
    check(
        "namespace",
        &["write-create-tmp write-create-var-tmp write-create-shm write-create-run write-create-home net-unix-agent"],
        "exec-self read-secret read-shadow write-create-etc write-create-writable net-unix-path net-unix-abstract \
         ns-unshare-user",
    );
}

/// `refused` are patterns of tries that this layer refuses by itself, `open` the names of some that it does not: they
/// show that no other layer is there.
fn check(layer: &str, refused: &[&str], open: &str) {
    let verdicts = behind(layer);
    for pattern in refused.iter().flat_map(|patterns| patterns.split(' ')) {
        let mut tried = verdicts.iter().filter(|(name, _)| is_like(name, pattern)).peekable();
        assert!(tried.peek().is_some(), "{layer}: no try is called {pattern}");
        for (name, verdict) in tried {
            let unclear = matches!(verdict, Verdict::Unclear(_)) && excused(name).is_some();
            assert!(unclear || matches!(verdict, Verdict::Refused(_)), "{layer}: {name}: {verdict:?}");
        }
    }
    for name in open.split_whitespace() {
        assert!(matches!(verdicts[name], Verdict::Succeeded(_)), "{layer} alone: {name}: {:?}", verdicts[name]);
    }
}

/// Runs the hostile program behind one layer; the child is this same test binary.
fn behind(layer: &str) -> Verdicts {
    let (bait, program, tests) = (Bait::lay(), build(), std::env::current_exe().unwrap());
    let command = "exec setsid --ctty --wait \"$1\" --exact layers::becomes_the_hostile_program --ignored \
                   --test-threads=1 --nocapture";
    let said = format!("{}/said", throwaway::SEEN);
    let environment = [("LAYER", layer), ("SAID", &said), ("PROGRAM", program.to_str().unwrap())];
    let output = throwaway::run(&bait, command, &[tests.to_str().unwrap()], &environment);
    let said = fs::read_to_string(bait.path("said")).unwrap_or_default();
    assert!(!said.is_empty(), "{layer}: {output:?}");
    parse(&said).unwrap()
}

#[test]
#[ignore = "the process behind the other tests here, which start it with their layer: it becomes the hostile program"]
fn becomes_the_hostile_program() {
    let told = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is for the test that starts this"));
    let (layer, words, said) = (told("LAYER"), told("WORDS"), File::create(told("SAID")).unwrap());
    let program = File::open(told("PROGRAM")).unwrap();
    let words: Vec<CString> =
        format!("hostile all {words}").split(' ').map(|word| CString::new(word).unwrap()).collect();
    rustix::stdio::dup2_stdout(said).unwrap();
    enforce(&layer, Path::new(&told("PROGRAM")));
    let error = execveat(&program, c"", &words, &[c"HOME=/run/home"], AtFlags::AT_EMPTY_PATH).unwrap_err();
    panic!("{layer}: {error}");
}

/// Bounds this process in one way.
fn enforce(layer: &str, program: &Path) {
    let profile = Profile { read: vec!["/proc".into(), "/sys".into()], ..Profile::default() };
    match layer {
        "landlock" => {
            let binary = Binary::find(&[program.to_owned()]).unwrap();
            Files::of_program(&binary, &profile).unwrap().enforce().unwrap();
        }
        "allowlist" => Allowlist::of_program(&profile).unwrap().enforce().unwrap(),
        "once" => {
            rustix::thread::set_no_new_privs(true).unwrap();
            let listener = once::install().unwrap();
            // Says yes once; exec ends this thread as it ends all others.
            let (silent, own) = (rustix::pipe::pipe().unwrap(), rustix::thread::gettid());
            std::thread::spawn(move || once::grant(listener, own, &silent.0));
        }
        "identity" => Identity::new(NOBODY, Vec::new(), &profile).assume().unwrap(),
        "namespace" => drop(namespace::enter(&[], &[]).unwrap()),
        other => panic!("no layer {other}"),
    }
}

/// In nobody's range.
const NOBODY: u32 = 1_999_999_999;
