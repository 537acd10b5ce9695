//! Ways out of restricted shells (`shell/tests/attacks.tsv`): every line has the verdict that its row says, by every way in
//! which a line can be sent, and whatever is not a line has a test of its own.
//!
//! **Invariant:** the table is read here: a row that is added is played.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pact_xtask::interrupt::Interrupt;
use pact_xtask::ssh::Ssh;
use rustix::process::{Pid, Signal, kill_process};

use crate::conversations::{Person, can_be_typed, ends_by_itself};
use crate::node::{Account, Node, Said, until};
use crate::records::programs;
use crate::seat::Seat;

struct Row {
    id: String,
    line: Vec<u8>,
    verdicts: Vec<String>,
    /// The test that plays it, where it is no line.
    test: Option<String>,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Became {
    Refused(i32),
    Ran(i32),
}

/// They run, and what they show is for everybody: an environment without a secret, a file that cannot be read.
const HARMLESS: &[&str] = &["ARGW-18", "PROC-02"];

fn rows() -> Vec<Row> {
    let table = fs::read_to_string(format!("{}/tests/attacks.tsv", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let rows = table.lines().filter(|row| !row.is_empty() && !row.starts_with('#'));
    let row = |row: &str| match row.split('\t').collect::<Vec<_>>().as_slice() {
        [id, line, verdicts, test] => Row {
            id: (*id).to_owned(),
            line: unescaped(line),
            verdicts: verdicts.split(' ').map(str::to_owned).collect(),
            test: Some(*test).filter(|test| *test != "-").map(str::to_owned),
        },
        other => panic!("four columns: {other:?}"),
    };
    rows.map(row).collect()
}

/// C escapes for bytes that a table cannot hold; a backslash before anything else is one.
fn unescaped(text: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text);
    let hex = |text: &str, digits: usize| text.get(..digits).and_then(|text| u32::from_str_radix(text, 16).ok());
    while let Some(key) = rest.chars().next() {
        rest = &rest[key.len_utf8()..];
        let (length, byte) = match (key, rest.chars().next()) {
            ('\\', Some('n')) => (1, "\n".as_bytes().to_vec()),
            ('\\', Some('r')) => (1, "\r".as_bytes().to_vec()),
            ('\\', Some('x')) if hex(&rest[1..], 2).is_some() => {
                (3, vec![u8::try_from(hex(&rest[1..], 2).unwrap()).unwrap()])
            }
            ('\\', Some('u')) if hex(&rest[1..], 4).is_some() => {
                (5, char::from_u32(hex(&rest[1..], 4).unwrap()).unwrap().to_string().into_bytes())
            }
            (key, _) => (0, key.to_string().into_bytes()),
        };
        out.extend(byte);
        rest = &rest[length..];
    }
    out
}

fn became(said: &Said) -> Became {
    let code = said.code.unwrap_or(-1);
    let is_refused = said.stderr.lines().any(|line| line.starts_with("pact: "));
    // What is allowed may not be installed on the machine of a test.
    if is_refused && !said.stderr.contains("it is not installed on this node") {
        Became::Refused(code)
    } else {
        Became::Ran(code)
    }
}

impl Row {
    fn allows(&self, became: Became) -> bool {
        self.verdicts.iter().any(|verdict| match (verdict.as_str(), became) {
            ("DENY_PARSE", became) => became == Became::Refused(1),
            ("DENY_POLICY" | "DENY_ARGS" | "POLICY", became) => matches!(became, Became::Refused(2 | 3 | 6)),
            ("DENY", became) => matches!(became, Became::Refused(_)),
            ("CONTAIN", Became::Ran(0)) => HARMLESS.contains(&self.id.as_str()),
            ("CONTAIN", _) => true,
            ("ALLOW", became) => matches!(became, Became::Ran(_)),
            // An argument that the program's schema does not have is one nevertheless.
            ("ALLOW_LITERAL", became) => matches!(became, Became::Ran(_) | Became::Refused(6)),
            ("LIMIT", _) => true,
            (other, _) => panic!("{}: there is no verdict {other}", self.id),
        })
    }

    fn goes_on(&self) -> bool {
        self.verdicts.iter().any(|verdict| verdict == "LIMIT") || !ends_by_itself(&self.line)
    }
}

/// Every file of Rust in the workspace.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for item in fs::read_dir(folder).unwrap().map(|item| item.unwrap().path()) {
        if item.is_dir() && !item.ends_with("target") && !item.ends_with(".git") {
            sources(&item, found);
        } else if item.extension().is_some_and(|extension| extension == "rs") {
            found.push(item);
        }
    }
}

#[test]
fn what_is_no_line_has_a_test() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut files);
    let mut tests = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if line == "#[test]" || line.starts_with("#[tokio::test") {
                let name = lines.find_map(|line| line.split("fn ").nth(1)).and_then(|name| name.split('(').next());
                tests.extend(name.map(str::to_owned));
            }
        }
    }
    let security = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../SECURITY.md")).unwrap();
    let past = security.split("## Past ways out of others").nth(1).unwrap();
    let named: Vec<_> = past.lines().filter_map(|row| row.strip_suffix(" |")?.rsplit(" | ").next()).skip(2).collect();
    assert!(named.len() > 10, "{named:?}");
    for test in named.iter().flat_map(|cell| cell.split(", ")) {
        assert!(tests.contains(test.trim_matches('`')), "SECURITY.md: there is no test {test}");
    }
    for row in rows() {
        match row.test {
            Some(test) => assert!(tests.contains(&test), "{}: there is no test {test}", row.id),
            None => assert!(!row.line.starts_with(b"["), "{}: it is no line, and names no test", row.id),
        }
    }
}

#[test]
fn lines_have_their_verdict_by_every_way() {
    let rows: Vec<_> = rows().into_iter().filter(|row| row.test.is_none()).collect();
    assert!(rows.len() > 100);
    let person = Person::new(&["pact-ops-ml-training"]);
    // What some rows reach for: a link to what nobody may read.
    fs::create_dir_all(person.node.path("logs")).unwrap();
    symlink("/etc/shadow", person.node.path("logs/link")).unwrap();
    let mut bind = person.node.enter("mount");
    assert!(bind.arg("--bind").arg(person.node.path("logs")).arg("/var/log").status().unwrap().success());
    let shadow = fs::read_to_string("/etc/shadow").unwrap();
    let secrets: Vec<_> = shadow.lines().chain([person.token.as_str()]).filter(|line| !line.is_empty()).collect();
    assert!(secrets.len() > 1);
    let mut wrong = Vec::new();
    let mut judge = |row: &Row, way: &str, became: Became, shown: &str| {
        if !row.allows(became) {
            wrong.push(format!("{} {way}: {became:?} of {}\n{shown}", row.id, row.line.escape_ascii()));
        }
        let told = secrets.iter().any(|secret| shown.contains(secret));
        assert!(!told, "{} {way}: a secret is shown: {shown}", row.id);
    };
    let ends: Vec<_> = rows.iter().filter(|row| !row.goes_on()).collect();
    for row in &ends {
        for (way, said) in ["-c", "exec"].iter().zip(person.by_words(&row.line)) {
            judge(row, way, became(&said), &format!("{said:?}"));
        }
        if !row.line.contains(&b'\n') {
            let said = by_input(&person.node, &row.line);
            judge(row, "standard input", became(&said), &format!("{said:?}"));
        }
    }
    let typed: Vec<_> = ends.iter().filter(|row| can_be_typed(&row.line)).collect();
    let lines: Vec<_> = typed.iter().map(|row| row.line.clone()).collect();
    for (way, shown) in ["prompt", "pact shell"].iter().zip(person.at_prompts(&lines)) {
        for (row, shown) in typed.iter().zip(shown.unwrap()) {
            // Which code it would be is not shown; what is said is compared elsewhere.
            let is_refused = shown.lines().any(|line| line.starts_with("pact: "))
                && !shown.contains("it is not installed on this node");
            let codes: &[i32] = &[1, 2, 3, 6];
            let is_right = if is_refused {
                codes.iter().any(|code| row.allows(Became::Refused(*code)))
            } else {
                row.allows(Became::Ran(0)) || row.allows(Became::Ran(1))
            };
            let code = if is_refused { 6 } else { 1 };
            let seen = if is_refused { Became::Refused(code) } else { Became::Ran(code) };
            if is_right {
                assert!(!secrets.iter().any(|secret| shown.contains(secret)), "{} {way}: {shown}", row.id);
            } else {
                judge(row, way, seen, &shown);
            }
        }
    }
    for row in rows.iter().filter(|row| row.goes_on()) {
        let code = ended(&person.node, &row.line);
        judge(row, "-c until Ctrl-C", code, "");
        until("its processes to be gone", || programs(person.node.agent_pid(), "").is_empty());
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

/// As a script.
fn by_input(node: &Node, line: &[u8]) -> Said {
    let mut command = node.pact(Account::Alice, &[]);
    let mut script = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = script.stdin.take().unwrap();
    // One that is not read to its end was refused before.
    let _refused = input.write_all(&[line, b"\n"].concat());
    drop(input);
    script.wait_with_output().unwrap().into()
}

/// What becomes of a line that may have no end: it has two seconds, and then a Ctrl-C.
fn ended(node: &Node, line: &[u8]) -> Became {
    let mut command = node.pact(Account::Alice, &["-c"]);
    // What it says must never keep it waiting.
    let said = node.path("said");
    let err = fs::File::create(&said).unwrap();
    command.arg(std::ffi::OsStr::from_bytes(line)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(err);
    let mut child = command.spawn().unwrap();
    if !ends_within(&mut child, Duration::from_secs(2)) {
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        assert!(ends_within(&mut child, Duration::from_secs(10)), "{} does not end", line.escape_ascii());
    }
    let stderr = String::from_utf8_lossy(&fs::read(said).unwrap()).into_owned();
    became(&Said { stdout: String::new(), stderr, code: child.wait().unwrap().code() })
}

fn ends_within(child: &mut Child, time: Duration) -> bool {
    let deadline = Instant::now() + time;
    while Instant::now() < deadline {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

/// Keys of a pager and of the prompt by which others start programs.
#[test]
fn keys_lead_nowhere() {
    let mut node = Node::prepare_with("", "");
    fs::create_dir_all(node.path("logs")).unwrap();
    fs::write(node.path("logs/node.log"), "the log begins\n").unwrap();
    assert!(node.enter("mount").arg("--bind").arg(node.path("logs")).arg("/var/log").status().unwrap().success());
    node.start_agent(&[]);
    let mut seat = Seat::at(&node, Account::Alice);
    seat.keys("less /var/log/node.log\r");
    seat.shows("(END)");
    let alone = programs(node.agent_pid(), "less\0");
    assert_eq!(alone.len(), 1, "{alone:?}");
    for keys in ["!sh\r", "| . sh\r", "v", ":e /etc/shadow\r", "s/tmp/pact-written\r", ":n\r"] {
        seat.keys(keys);
        // It says what it does not do, and searches on.
        seat.keys("\r/begins\r");
        seat.until("less to search", |terminal| terminal.screen().contents().contains("the log begins"));
        let others: Vec<_> =
            programs(node.agent_pid(), "").into_iter().filter(|name| !name.starts_with("less\0")).collect();
        assert!(!others.iter().any(|name| name.starts_with("sh\0") || name.starts_with("vi")), "{keys:?}: {others:?}");
        assert!(!seat.screen().contains("root:"), "{keys:?}: {}", seat.screen());
    }
    assert!(!Path::new("/tmp/pact-written").exists(), "a pager wrote a file");
    // Whatever it asks now.
    seat.keys("\x03\x03\x03");
    seat.prompt_anywhere();
    seat.clear();
    // The line editor has no other editor.
    seat.keys("una\x18\x05");
    seat.typed("una");
    seat.keys("\x03");
}

/// What OpenSSH starts for each of its clients is a line like any other.
#[test]
fn every_way_of_ssh_leads_to_the_grammar() {
    let node = Node::start();
    let ssh = Ssh::start(&node, &Interrupt::default()).unwrap();
    let said = |command: &mut Command| -> Said { command.stdin(Stdio::null()).output().unwrap().into() };
    let by_ssh = |options: &[&str], words: &[&str]| said(&mut ssh.of("alice", options, words));
    let uname = by_ssh(&[], &["uname", "-s"]);
    assert_eq!((uname.stdout.as_str(), uname.code), ("Linux\n", Some(0)), "{}", uname.stderr);
    for words in [
        &["bash", "--noprofile", "--norc"][..],
        &["rsync", "--server", "-e.Lsfx", ".", "f"],
        &["scp", "-t", "/tmp/x"],
        &["git-upload-pack", "'x.git'"],
        &["/usr/lib/openssh/sftp-server"],
        &["internal-sftp"],
    ] {
        let refused = by_ssh(&[], words);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(6), ""), "{words:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("it is not a whitelisted program"), "{words:?}: {}", refused.stderr);
        let name = words[0];
        let copies = name != "bash";
        assert_eq!(refused.stderr.contains("no files are copied"), copies, "{words:?}: {}", refused.stderr);
        until("it to be on record", || node.records().iter().any(|r| r.contains(" REFUSED ") && r.contains(name)));
    }
    let on_terminal = by_ssh(&["-tt"], &["bash"]);
    assert_eq!(on_terminal.code, Some(6), "{on_terminal:?}");
    // What sshd runs before a line, by the login shell too.
    fs::create_dir(node.path("alice/.ssh")).unwrap();
    fs::write(node.path("alice/.ssh/rc"), format!("touch {}\n", node.path("alice/mark").display())).unwrap();
    assert_eq!(by_ssh(&[], &["uname", "-s"]).stdout, "Linux\n");
    assert!(!node.path("alice/mark").exists(), "~/.ssh/rc was run");
    until("it to be on record", || node.records().iter().any(|r| r.contains(" REFUSED ") && r.contains(".ssh/rc")));
    // As sftp and scp start it: by the subsystem, whose program is a line for the login shell.
    for program in ["sftp", "scp"] {
        let copied = said(ssh.with(program).arg("alice@127.0.0.1:/etc/passwd").arg(node.path("copied")));
        assert_ne!(copied.code, Some(0), "{program}: {copied:?}");
        assert!(!node.path("copied").exists(), "{program} copied a file");
    }
}

/// A name is the file that the whitelist says, as it is at that moment, and only where root alone could have put it there.
#[test]
fn what_is_named_is_what_runs() {
    let mut node = Node::prepare("");
    let own = node.path("own");
    let (tool, read, pointer) = (own.join("tool"), own.join("read"), own.join("link"));
    fs::create_dir(&own).unwrap();
    fs::copy("/usr/bin/cat", &tool).unwrap();
    fs::write(own.join("other"), "another file\n").unwrap();
    fs::write(&read, "what may be read\n").unwrap();
    symlink(&read, &pointer).unwrap();
    let program = |name: &str, profile: &Path| {
        let text = format!(
            "name = \"{name}\"\nabout = \"\"\npaths = [\"{}\"]\n[profile]\nread = [\"{}\"]\n[[form]]\neffect = \"read\"\n\
             operands = [{{ name = \"FILE\", value = \"path\" }}]\n",
            tool.display(),
            profile.display()
        );
        fs::write(node.path(&format!("etc/programs/{name}.toml")), text).unwrap();
    };
    program("tool", &read);
    program("linked", &pointer);
    node.start_agent(&[]);
    let line = |line: &str| node.once(Account::Alice, line);
    let by_tool = format!("tool {}", read.display());
    assert_eq!(line(&by_tool).stdout, "what may be read\n");
    assert_ne!(line(&format!("tool {}", own.join("other").display())).code, Some(0));
    // A link in a profile could be turned to another file: it names none.
    let linked = line(&format!("linked {}", read.display()));
    assert!(linked.code != Some(0) && linked.stderr.contains("symbolic link"), "{linked:?}");
    // Whoever comes first in PATH, and whoever has the same name elsewhere, is nobody.
    let shadow = node.path("alice");
    for name in ["uname", "cat"] {
        fs::hard_link(&tool, shadow.join(name)).unwrap();
    }
    let path = format!("PATH={}", shadow.display());
    let words = ["/usr/bin/env", &path, &node.shell(), "-c", "uname -s"];
    let shadowed: Said = node.program(Account::Alice, &words).output().unwrap().into();
    assert_eq!(shadowed.stdout, "Linux\n");
    assert_eq!(line(&format!("{} /etc/hostname", shadow.join("cat").display())).code, Some(6));
    // What others could have written does not run, and what was put in its place is looked at anew.
    let mode = |mode| fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    mode(0o777);
    assert!(line(&by_tool).code != Some(0), "a program that anybody may write was run");
    mode(0o755);
    assert_eq!(line(&by_tool).stdout, "what may be read\n");
    fs::remove_file(&tool).unwrap();
    fs::rename(shadow.join("cat"), &tool).unwrap();
    std::os::unix::fs::chown(&tool, Some(Account::Alice.ids().0), None).unwrap();
    assert!(line(&by_tool).code != Some(0), "somebody's own program was run");
}

/// Every program of the whitelist that is on this machine does in its sandbox what its first cases say that it may, and
/// misses no call of the kernel.
#[test]
fn every_program_runs_in_its_sandbox() {
    let node = Node::start();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/cases/programs");
    let mut run = 0;
    let mut wrong = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|item| item.unwrap().path()) {
        let cases = fs::read_to_string(&path).unwrap();
        let rows: Vec<_> = cases.lines().collect();
        let allowed = rows.windows(2).filter(|pair| pair[0].starts_with("> ") && pair[1] == "  read");
        let lines =
            allowed.filter_map(|pair| pair[0].strip_prefix("> ")).filter(|line| ends_by_itself(line.as_bytes()));
        for line in lines.take(3) {
            let code = ended(&node, line.as_bytes());
            let said = fs::read_to_string(node.path("said")).unwrap();
            if said.contains("it is not installed on this node") {
                continue;
            }
            run += 1;
            let is_missed = said.contains("Function not implemented") || said.contains("pact: ");
            if is_missed || matches!(code, Became::Ran(126 | 127 | 159) | Became::Refused(_)) {
                wrong.push(format!("{line}: {code:?}: {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(run > 80, "{run} lines were run");
}
