//! What is found on nodes made for it. One is as it should be, and each case spoils one thing.

mod others;
mod sshd;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use super::*;

const SSHD: &str = "\
Subsystem sftp /usr/lib/openssh/sftp-server
AcceptEnv LANG LC_*
DisableForwarding yes
AllowAgentForwarding no
PermitUserRC no
";
const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/bash
alice:x:1000:1000:Alice:/home/alice:/usr/bin/pact
bob:x:1001:1001::/home/bob:/bin/pact
carol:x:1002:1002::/home/carol:/bin/bash
";
const GROUP: &str = "root:x:0:\npact:x:900:alice,bob\nalice:x:1000:\nbob:x:1001:\nsudo:x:27:carol\n";

/// A node below a temporary directory.
struct Node(tempfile::TempDir);

impl Node {
    /// Nothing is wrong with it.
    fn sound() -> Self {
        let node = Self(tempfile::tempdir().unwrap());
        for directory in ["usr/bin", "etc/pam.d", "etc/pact/programs", "home/alice/.ssh", "home/bob", "var/spool/cron"]
        {
            fs::create_dir_all(node.at(directory)).unwrap();
        }
        for (name, uid) in [("alice", 1000), ("bob", 1001)] {
            chown(node.at(&format!("home/{name}")), Some(uid), Some(uid)).unwrap();
        }
        symlink("usr/bin", node.at("bin")).unwrap();
        node.write("/etc/passwd", PASSWD);
        node.write("/etc/group", GROUP);
        node.write("/etc/shadow", "root:*:1::::::\nalice:!:1::::::\ncarol::1::::::\n");
        node.write("/etc/shells", "# shells\n/bin/sh\n/bin/bash\n");
        node.write("/etc/ssh/sshd_config", SSHD);
        node.write("/etc/sudoers", "Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n");
        node.write("/etc/pact/policy.toml", "");
        node.write("/usr/bin/pact", "a program");
        node.mode("/usr/bin/pact", 0o755);
        node
    }

    /// Sound, but for these files.
    fn with(files: &[(&str, &str)]) -> Self {
        let node = Self::sound();
        for (path, text) in files {
            node.write(path, text);
        }
        node
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn findings(&self) -> Vec<Finding> {
        examine(&Examined {
            root: self.0.path().to_owned(),
            shells: vec!["/usr/bin/pact".into()],
            own: vec!["/etc/pact".into(), "/etc/pact/programs".into(), "/usr/bin/pact-agent".into()],
            socket_group: "pact".into(),
        })
    }

    fn said(&self) -> Vec<String> {
        let shown = |finding: Finding| {
            assert!(!finding.fix.is_empty(), "{finding:?}");
            format!("{} {} {}: {} | {}", finding.severity, finding.check, finding.place, finding.what, finding.fix)
        };
        self.findings().into_iter().map(shown).collect()
    }

    /// Exactly these, in any order: each begins with severity and check, and has the other parts somewhere.
    fn expect(&self, case: &str, expected: &[&[&str]]) {
        let said = self.said();
        let is_said =
            |parts: &[&str], said: &String| said.starts_with(parts[0]) && parts.iter().all(|part| said.contains(part));
        for parts in expected {
            assert!(said.iter().any(|said| is_said(parts, said)), "{case}: {parts:?}: {said:#?}");
        }
        assert_eq!(said.len(), expected.len(), "{case}: {said:#?}");
    }
}

#[test]
fn of_a_sound_node_nothing_is_said() {
    Node::sound().expect("sound", &[]);
}

#[test]
fn an_empty_root_is_no_panic() {
    let node = Node(tempfile::tempdir().unwrap());
    let nobody = ["note accounts /etc/passwd", "nobody on this node"];
    node.expect("empty", &[&nobody, &["serious files /usr/bin/pact", "not there"]]);
}

/// Spoils a file.
type Spoil = fn(&Path);

/// Every file that is read, spoilt in every way: it ends, and the file is named.
#[test]
fn what_cannot_be_read_is_said() {
    let files = [
        ("/etc/passwd", "accounts"),
        ("/etc/group", "accounts"),
        ("/etc/shadow", "accounts"),
        ("/etc/shells", "shells"),
        ("/etc/ssh/sshd_config", "sshd"),
        ("/etc/sudoers", "sudo"),
        ("/etc/doas.conf", "sudo"),
        ("/etc/ld.so.preload", "files"),
        ("/etc/ld.so.conf", "files"),
        ("/home/alice/.ssh/authorized_keys", "sshd"),
        ("/home/alice/.forward", "jobs"),
    ];
    let ways: [(&str, Spoil); 5] = [
        ("directory", |path| fs::create_dir(path).unwrap()),
        ("pipe", |path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRUSR).unwrap()),
        ("circle", |path| symlink(path.file_name().unwrap(), path).unwrap()),
        ("large", |path| fs::write(path, "a line\n".repeat(1_500_000)).unwrap()),
        ("one byte too large", |path| fs::write(path, vec![b' '; (1 << 20) + 1]).unwrap()),
    ];
    for (file, check) in files {
        for (way, spoil) in ways {
            let node = Node::sound();
            let path = node.at(file);
            let _ = fs::remove_file(&path);
            spoil(&path);
            let said = node.said();
            let start = format!("{check} {file}: it cannot be examined");
            assert!(said.iter().any(|said| said.contains(&start)), "{file}: {way}: {said:#?}");
        }
    }
    let node = Node::with(&[("/etc/shells", &" ".repeat(1 << 20))]);
    node.expect("as large as may be", &[]);
}

#[test]
fn no_content_is_a_panic_or_goes_on_for_ever() {
    let noise: Vec<u8> = (0..60_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
    let long = "x".repeat(1 << 20);
    let quotes = "Match User \"\nInclude \"\\\nForceCommand\nAcceptEnv=\nSubsystem\n\"\n=\n\\\n".repeat(50);
    let colons =
        ":::::::\n::::\n%\n!!!\n,\n\"\n\\\nUser_Alias\nUser_Alias A\nUser_Alias A=\nA=:=\npermit\n#\n@include \n"
            .repeat(50);
    for content in [&noise[..], long.as_bytes(), quotes.as_bytes(), colons.as_bytes(), b"\0\0\n\xff\xfe"] {
        for file in [
            "/etc/passwd",
            "/etc/group",
            "/etc/shadow",
            "/etc/shells",
            "/etc/ssh/sshd_config",
            "/etc/sudoers",
            "/etc/doas.conf",
            "/etc/cron.allow",
            "/etc/ld.so.preload",
            "/etc/ld.so.conf",
            "/home/alice/.ssh/authorized_keys",
        ] {
            let node = Node::sound();
            node.write(file, content);
            for finding in node.findings() {
                let texts = [&finding.place, &finding.what, &finding.fix];
                assert!(texts.iter().all(|text| text.len() <= LONGEST), "{file}: {finding:?}");
            }
        }
    }
}

#[test]
fn what_is_left_out_is_counted_and_never_serious_for_a_note() {
    let mut findings = Findings::default();
    for number in 0..MOST + 50 {
        findings.note(Check::Jobs, &number.to_string(), "what", "fix");
    }
    findings.serious(Check::Sudo, "late", "what", "fix");
    let all = findings.all();
    assert_eq!((all.len(), all[0].place.as_str()), (MOST, "late"));
    assert_eq!(all[MOST - 1].what, "52 more findings are left out");
    assert_eq!(all[MOST - 1].severity, Severity::Note);
    for (number, last, severity) in [
        (MOST, "what", Severity::Serious),
        (MOST + 1, "2 more findings are left out", Severity::Serious),
        (MOST * 3, "401 more findings are left out", Severity::Serious),
    ] {
        let mut findings = Findings::default();
        (0..number).for_each(|number| findings.serious(Check::Jobs, &number.to_string(), "what", "fix"));
        let all = findings.all();
        let end = all.last().unwrap();
        assert_eq!((all.len(), end.what.as_str(), end.severity), (MOST, last, severity), "{number}");
    }
}

#[test]
fn texts_are_cut_at_characters() {
    for text in ["é".repeat(1000), "x".repeat(501), "x".repeat(500), "漢".repeat(167), String::new()] {
        let cut = cut(&text);
        assert!(cut.len() <= LONGEST && (text.len() <= LONGEST) == (cut == text), "{}", text.len());
    }
    assert_eq!(listed(["a", "b"]), "a and b");
    assert_eq!(listed(["a", "b", "c"]), "a, b and c");
    assert_eq!(listed(["a"; 10]), "a, a, a, a, a, a, a, a and 2 more");
}
