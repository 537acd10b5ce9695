//! How `pact` may be called, and what nobody can make of it: by its words, by the environment.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use pact_proto::command::{COMMON, TABLE};

use crate::lines::find;
use crate::node::{Account, Node, Said};
use crate::prompt::login_words;

fn login(node: &Node, words: &[&str]) -> Command {
    let shell = node.shell();
    let mut command = node.program(Account::Alice, &[&login_words(&shell), words].concat());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn said(command: &mut Command) -> Said {
    command.output().unwrap().into()
}

#[test]
fn a_login_shell_takes_a_line_and_nothing_else() {
    let node = Node::start();
    for (words, code, stdout, stderr) in [
        (&["-c", "uname -s"][..], 0, "Linux\n", ""),
        (&["-lc", "uname -s"], 0, "Linux\n", ""),
        (&["-l", "-i", "-c", "uname -s"], 0, "Linux\n", ""),
        (&["-c", "grep -c nobody-is-called-this /etc/passwd"], 1, "0\n", ""),
        (&["-c", "--help"], 6, "", "pact: --help"),
        (&["-c", "sudo id"], 6, "", "pact: sudo"),
        (&["-c", ""], 1, "", "pact: the line is empty"),
        (&["-c"], 1, "", "pact: -c: "),
        (&["-c", "uname", "more"], 1, "", "pact: -c: "),
        (&["--config", "/tmp/x", "-c", "uname"], 1, "", "pact: `--config`: "),
        (&["script.sh"], 1, "", "pact: `script.sh`: "),
        (&["/etc/passwd"], 1, "", "pact: `/etc/passwd`: "),
        (&["-x"], 1, "", "pact: `-x`: "),
        (&["-"], 1, "", "pact: `-`: "),
        (&["--"], 1, "", "pact: `--`: "),
        (&[""], 1, "", "pact: ``: "),
        (&["--help"], 1, "", "pact: `--help`: "),
        (&["--version"], 1, "", "pact: `--version`: "),
        (&["status"], 1, "", "pact: `status`: "),
        // Nothing to read: no line, and no prompt.
        (&[], 0, "", ""),
        (&["-l"], 0, "", ""),
    ] {
        let said = said(&mut login(&node, words));
        assert_eq!((said.code, said.stdout.as_str()), (Some(code), stdout), "{words:?}: {said:?}");
        assert!(said.stderr.contains(stderr), "{words:?}: {said:?}");
        assert!(said.stderr.is_empty() == stderr.is_empty(), "{words:?}: {said:?}");
    }
}

/// Root's shell is another one, so `pact` is a command there.
#[test]
fn at_a_shell_of_its_own_it_takes_commands() {
    let node = Node::start();
    for (words, code, stdout, stderr) in [
        (&["status"][..], 0, "Node: node042", ""),
        (&["log", "-n", "1"], 0, "LINE", ""),
        (&["-c", "status | wc -l"], 2, "", "pact: "),
        (&["--help"], 0, "pact - the shell of a node", ""),
        (&["--version"], 0, "pact 0.", ""),
        (&["completions", "bash"], 0, "_pact()", ""),
        (&["completions", "tcsh"], 1, "", "invalid value 'tcsh' for '<SHELL>'; there are bash, zsh, fish"),
        (&["-c", "completions bash"], 3, "", "hint: type it on a workstation"),
        (&["staus"], 1, "", "hint: near: status"),
        (&["uname"], 1, "", "hint: `pact help`"),
        (&["--config", "/tmp/x"], 1, "", "pact: `--config`: there is no such option"),
    ] {
        let said = node.run(Account::Root, words);
        assert_eq!(said.code, Some(code), "{words:?}: {said:?}");
        assert!(said.stdout.contains(stdout) && said.stderr.contains(stderr), "{words:?}: {said:?}");
        assert_eq!(
            (said.stdout.is_empty(), said.stderr.is_empty()),
            (stdout.is_empty(), stderr.is_empty()),
            "{said:?}"
        );
    }
}

#[test]
fn without_a_name_it_is_refused() {
    let node = Node::start();
    // The kernel gives a program that is called without words an empty first one.
    let shell = node.shell();
    let words = ["bash", "-c", "exec -a '' \"$0\" -c uname", &shell];
    let said = said(node.program(Account::Alice, &words).stdin(Stdio::null()));
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""), "{said:?}");
    assert!(said.stderr.contains("argv[0]"), "{said:?}");
}

/// Whoever logs in, or whoever starts the login, chooses the environment.
#[test]
fn the_environment_does_nothing() {
    let node = Node::start();
    let evil = node.path("alice/evil");
    let mark = node.path("alice/mark");
    std::fs::write(&evil, format!("#!/bin/sh\ntouch {}\necho evil\n", mark.display())).unwrap();
    std::fs::set_permissions(&evil, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink(&evil, node.path("alice/uname")).unwrap();
    // What shells and programs read when they begin.
    for name in [".profile", ".bashrc", ".lessfilter", ".toprc", ".inputrc", ".gitconfig", ".pam_environment"] {
        std::os::unix::fs::symlink(&evil, node.path("alice").join(name)).unwrap();
    }
    let (home, evil) = (node.path("alice").display().to_string(), evil.display().to_string());
    for (name, value) in [
        ("PATH", home.as_str()),
        ("BASH_ENV", &evil),
        ("ENV", &evil),
        ("LD_PRELOAD", &evil),
        ("LD_LIBRARY_PATH", &home),
        ("LD_AUDIT", &evil),
        ("PACT_ENDPOINT", "unix:/nowhere"),
        ("PACT_SOCKET", "/nowhere"),
        ("PACT_CONFIG", &evil),
        ("PACT_OUTPUT", "json"),
        ("HOME", "/nowhere"),
        ("SHELL", &evil),
        ("IFS", "n"),
        ("PS1", &evil),
        ("PROMPT_COMMAND", &evil),
        ("EDITOR", &evil),
        ("PAGER", &evil),
        ("PACT_PAGER", &evil),
        ("PACT_POLICY", "allow-all"),
        ("BASH_FUNC_ls%%", "() { id; }"),
        ("SHELLOPTS", "xtrace"),
        ("SLURM_CONF", &evil),
        ("SSL_CERT_FILE", &evil),
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ("GREP_OPTIONS", "-v"),
        ("POSIXLY_CORRECT", "1"),
        ("LANG", "xx_XX.nothing"),
        ("RUST_LOG", "trace"),
        ("RUST_BACKTRACE", "full"),
        ("TERM", "../../../etc/passwd"),
    ] {
        let shell = node.shell();
        // In the environment of `pact` alone, not of what starts it.
        let setting = format!("{name}={value}");
        let mut command = node.program(Account::Alice, &["env", &setting, &shell, "-c", "uname -s"]);
        let said = said(command.stdin(Stdio::null()));
        // The dynamic loader itself complains about what it does not load.
        let stderr: Vec<&str> = said.stderr.lines().filter(|line| !line.starts_with("ERROR: ld.so: ")).collect();
        assert_eq!((said.stdout.as_str(), said.code), ("Linux\n", Some(0)), "{name}: {said:?}");
        assert!(stderr.is_empty(), "{name}: {said:?}");
    }
    assert!(!mark.exists(), "something was started");
    let records = node.records();
    let lines = records.iter().filter(|record| record.contains("LINE") && record.contains("uname -s")).count();
    assert_eq!(lines, 30, "{records:#?}");
    find(&records, "SESSION", "alice@example.org");
}

/// What bash offers for words that stop here.
fn offered(script: &Path, words: &[&str]) -> Vec<String> {
    let last = words.len() - 1;
    let ask = "script=$1 last=$2; shift 2; source \"$script\"; COMP_WORDS=(\"$@\"); COMP_CWORD=$last
        _pact pact \"${COMP_WORDS[last]}\" \"${COMP_WORDS[last-1]}\"; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", ask, "bash"]).arg(script).arg(last.to_string()).args(words);
    let said: Said = bash.env_clear().env("PATH", "/usr/bin:/bin").output().unwrap().into();
    assert!(said.stderr.is_empty(), "{words:?}: {said:?}");
    said.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_what_there_is() {
    let written = Command::new(env!("CARGO_BIN_EXE_pact")).args(["completions", "bash"]).env_clear().output().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("pact");
    std::fs::write(&script, written.stdout).unwrap();
    let commands = offered(&script, &["pact", ""]);
    let common = COMMON.iter().map(|option| format!("--{}", option.name));
    for descriptor in TABLE {
        let name = descriptor.name;
        assert!(commands.iter().any(|offered| offered == name), "{name}: {commands:?}");
        let offered = offered(&script, &["pact", name, "-"]);
        for option in descriptor.options().into_iter().map(|(spelled, _)| spelled).chain(common.clone()) {
            assert!(offered.contains(&option), "{name}: {option}: {offered:?}");
        }
    }
    for (words, expected) in [
        (&["pact", "sta"][..], &["status"][..]),
        (&["pact", "log", "--aut"], &["--author"]),
        (&["pact", "completions", "z"], &["zsh"]),
        (&["pact", "status", "--output", ""], &["text", "json", "yaml"]),
        // A value of one character is no command.
        (&["pact", "--timeout", "5", "sta"], &["status"]),
    ] {
        assert_eq!(offered(&script, words), expected, "{words:?}");
    }
}
