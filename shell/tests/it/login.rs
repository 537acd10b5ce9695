//! The README says how pact becomes the login shell of an account: its own lines do it here, on a node that has nothing of
//! pact yet, and `pact doctor` finds nothing serious in what they leave.
//!
//! **Why:** what a stranger copies must be what is tried. /etc, /usr/bin, /usr/sbin and /var/lib are overlays in a mount
//! namespace of this test, so that accounts are made with the machine's own tools and nothing of the machine is changed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::node::{Said, until};

/// What makes a machine of one's own: it ends when its standard input does.
const MACHINE: &str = r#"
set -e
mount -t tmpfs -o mode=755 tmpfs /run
mkdir "$1/memory" && mount -t tmpfs -o mode=755 tmpfs "$1/memory"
for name in etc usr/bin usr/sbin var/lib; do
    mkdir -p "$1/memory/$name" "$1/memory/work/$name"
    mount -t overlay -o "lowerdir=/$name,upperdir=$1/memory/$name,workdir=$1/memory/work/$name" overlay "/$name"
done
mkdir -p /var/lib/pact "$1/pact" /run/sshd && mount --bind "$1/pact" /var/lib/pact
sed -i '/^pact:/d; /^alice:/d; /^pact-agent:/d' /etc/passwd /etc/group /etc/shadow /etc/gshadow
useradd --create-home --home-dir "$1/alice" --shell /bin/bash --password '*' alice
echo ready
exec cat
"#;

/// A machine that has nothing of pact yet.
struct Machine {
    holder: Child,
    /// What was started on it and goes on.
    started: Vec<Child>,
    place: TempDir,
}

impl Machine {
    fn make() -> Self {
        let place = tempfile::Builder::new().prefix("pact-bare-").tempdir_in("/var/tmp").unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "slave", "sh", "-c", MACHINE, "sh"]).arg(place.path());
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n", "overlays cannot be mounted here");
        Self { holder, started: Vec::new(), place }
    }

    /// One on which the README's lines were typed.
    fn with_pact() -> Self {
        let mut machine = Self::make();
        let place = machine.place.path().to_owned();
        fs::create_dir(place.join("target")).unwrap();
        symlink(Path::new(env!("CARGO_BIN_EXE_pact")).parent().unwrap(), place.join("target/release")).unwrap();
        symlink(pact_xtask::root().join("examples"), place.join("examples")).unwrap();
        let lines = lines_of("As a login shell");
        assert_eq!(lines.len(), 10, "{lines:?}");
        for line in &lines {
            if let Some(service) = line.strip_suffix(" &") {
                machine.start(service);
                until("the agent to answer", || machine.run("pact status").code == Some(0));
                continue;
            }
            let said = machine.run(line);
            assert_eq!(said.code, Some(0), "{line}: {said:?}\n{}", fs::read_to_string(place.join("log")).unwrap());
        }
        machine
    }

    /// A line of a shell on it, as root.
    fn line(&self, line: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "nsenter"]);
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id()));
        command.args(["sh", "-ec", &format!("cd \"$0\"\n{line}")]).arg(self.place.path()).stdin(Stdio::null());
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/root");
        command
    }

    fn run(&self, line: &str) -> Said {
        self.line(line).output().unwrap().into()
    }

    fn start(&mut self, line: &str) {
        let mut command = self.line(&format!("exec {line}"));
        let log = fs::File::create(self.place.path().join("log")).unwrap();
        self.started.push(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    }

    /// A way in over the network, as the settings of the machine's sshd have it.
    fn ssh(&mut self) -> u16 {
        let key = self.place.path().join("key");
        let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
        assert!(made.unwrap().success());
        self.run("install -d -o alice -m 700 alice/.ssh && install -o alice -m 600 key.pub alice/.ssh/authorized_keys");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        // PAM would write into the machine's records of logins.
        let own = format!("-o UsePAM=no -o PidFile=none -o ListenAddress=127.0.0.1:{port}");
        self.start(&format!("/usr/sbin/sshd -D -e {own}"));
        until("sshd to listen", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        port
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for child in self.started.iter_mut().rev() {
            // One that ended by itself is gone.
            let _gone = kill_process(Pid::from_child(child), Signal::TERM);
            let _status = child.wait();
        }
        drop(self.holder.stdin.take());
        let _status = self.holder.wait();
    }
}

/// The lines under a heading of the README.
fn lines_of(heading: &str) -> Vec<String> {
    let readme = fs::read_to_string(pact_xtask::root().join("README.md")).unwrap();
    let (_, section) = readme.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    block.split_once("```").unwrap().0.lines().map(str::to_owned).collect()
}

#[test]
fn the_lines_of_the_readme_make_pact_a_login_shell_that_holds() {
    let mut machine = Machine::with_pact();
    let place = machine.place.path().to_owned();
    let port = machine.ssh();
    let key = place.join("key");
    let by = |program: &str, options: &[&str], words: &[&str]| -> Said {
        let mut command = Command::new(program);
        command.args(["-F", "none", "-q", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"]);
        command.args(["-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "-i"]).arg(&key);
        command.args(["-o", &format!("Port={port}")]).args(options).args(words);
        command.stdin(Stdio::null()).output().unwrap().into()
    };
    let uname = by("ssh", &[], &["alice@127.0.0.1", "uname", "-s"]);
    assert_eq!((uname.stdout.as_str(), uname.code), ("Linux\n", Some(0)), "{uname:?}");
    let bash = by("ssh", &[], &["alice@127.0.0.1", "bash", "-c", "id"]);
    assert_eq!((bash.stdout.as_str(), bash.code), ("", Some(6)), "{bash:?}");
    let copied = by("sftp", &[], &["alice@127.0.0.1:/etc/passwd", place.join("copied").to_str().unwrap()]);
    assert_ne!(copied.code, Some(0), "{copied:?}");
    assert!(!place.join("copied").exists());
    // Through the node to somewhere else: here, to its own sshd.
    let through = by("ssh", &["-W", &format!("127.0.0.1:{port}")], &["alice@127.0.0.1"]);
    assert!(through.code != Some(0) && !through.stdout.contains("SSH-"), "{through:?}");
    let su = machine.run("su alice -c 'uname -s'; su - alice -c 'bash'");
    assert_eq!((su.stdout.as_str(), su.code), ("Linux\n", Some(6)), "{su:?}");
    let records = machine.run("pact log -n 100").stdout;
    for refused in ["bash -c id", "sftp-server"] {
        assert!(records.lines().any(|row| row.contains(" REFUSED ") && row.contains(refused)), "{refused}: {records}");
    }

    // What goes around pact is found, whatever it is, and the status says so.
    machine.run("echo 'alice ALL=(ALL) ALL' > /etc/sudoers; echo /usr/bin/pact >> /etc/shells; rm /etc/ssh/sshd_config.d/pact.conf");
    let sick = machine.run("pact --output json doctor");
    assert_eq!(sick.code, Some(1), "{sick:?}");
    for check in ["\"check\":\"sudo\"", "\"check\":\"shells\"", "\"check\":\"sshd\""] {
        assert!(sick.stdout.contains(check), "{check}: {}", sick.stdout);
    }
}

/// With a password, and not root: whoever is asked for it gets pact, whatever they ask for, as long as pact is no shell that
/// people may choose.
#[test]
fn su_and_chsh_choose_no_other_shell() {
    let machine = Machine::with_pact();
    machine.run("useradd --no-create-home bob && echo alice:word | chpasswd");
    let by_bob = "setpriv --reuid=bob --regid=bob --clear-groups sh -c";
    let su = format!("{by_bob} 'echo word | su -s /bin/bash alice -c \"uname -s; id\"'");
    let said = machine.run(&su);
    assert_eq!((said.stdout.as_str(), said.code), ("", Some(1)), "{said:?}");
    assert!(said.stderr.contains("is not part of the grammar"), "{said:?}");
    let chsh = machine.run("setpriv --reuid=alice --regid=alice --init-groups chsh -s /bin/bash");
    assert_ne!(chsh.code, Some(0), "{chsh:?}");
    assert!(machine.run("grep ^alice: /etc/passwd").stdout.trim_end().ends_with(":/usr/bin/pact"));
    // Where it is one, su does as it is told; this is what `doctor` says of it.
    machine.run("echo /usr/bin/pact >> /etc/shells");
    let said = machine.run(&su);
    assert!(said.stdout.contains("uid="), "{said:?}");
}
