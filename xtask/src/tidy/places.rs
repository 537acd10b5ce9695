//! What may stand in few places only: `unsafe`, starting a process, printing.
//!
//! **Invariant:** each list names its places and why; a place that no longer needs its permission is a finding too.

use super::Finding;
use super::tree::{File, Tree};

/// A kind of code, and where it may stand.
struct Rule {
    what: &'static str,
    words: &'static [&'static str],
    /// A file, a folder, or a module with its folder; and why.
    places: &'static [(&'static str, &'static str)],
    fix: &'static str,
    /// Whether tests are held to it.
    in_tests: bool,
}

const RULES: [Rule; 3] = [
    Rule {
        what: "`unsafe`",
        words: &["unsafe"],
        places: &[
            ("agent/src/sandbox/sys.rs", "the calls to the kernel that no library makes safe"),
            ("agent/tests/hostile/sys.rs", "the hostile program tries what no library offers"),
        ],
        fix: "write it with safe calls, or put the call into agent/src/sandbox/sys.rs with JUSTIFICATION and SAFETY",
        in_tests: true,
    },
    Rule {
        what: "starts a process",
        words: &["Command::new", "fork", "vfork", "kernel_fork", "posix_spawn", "execve", "execveat", "fexecve"],
        places: &[
            ("agent/src/launcher", "it makes the hosts"),
            ("agent/src/host", "it makes the stages"),
            ("agent/src/sandbox", "it has the calls that launcher and host make"),
            ("shell/src/remote/pager.rs", "its user's own pager at a workstation, before pact is confined"),
            ("shell/src/injected.rs", "it tries, where it must not be possible; it is in no release"),
            ("xtask/src", "automation starts programs; it does not ship"),
        ],
        fix: "only agent/src/launcher and agent/src/host start processes: ask the launcher",
        in_tests: false,
    },
    Rule {
        what: "prints",
        words: &["println!", "print!", "eprintln!", "eprint!", "dbg!"],
        places: &[
            ("xtask/src/say.rs", "the one place where a task speaks"),
            ("agent/src/main.rs", "why a service does not serve, for whoever started it"),
            ("journal/src/main.rs", "the same, and what `verify` found"),
        ],
        fix: "return the text to what renders it, or argue the place in xtask/src/tidy/places.rs",
        in_tests: false,
    },
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    RULES.iter().flat_map(|rule| rule.check(tree)).collect()
}

impl Rule {
    fn check(&self, tree: &Tree) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut used = vec![false; self.places.len()];
        for file in tree.rust().filter(|file| self.in_tests || !file.is_test()) {
            let lines = self.lines(file);
            match self.places.iter().position(|(place, _)| is_in(&file.path, place)) {
                Some(place) => used[place] |= !lines.is_empty(),
                None => {
                    findings.extend(lines.into_iter().map(|line| Finding::new(&file.path, line, self.what, self.fix)));
                }
            }
        }
        let idle = self.places.iter().zip(used).filter(|(_, used)| !used);
        findings.extend(idle.map(|((place, why), _)| {
            let what = format!("{} has permission ({why}) and does not use it: {}", place, self.what);
            Finding::new("xtask/src/tidy/places.rs", 0, what, "take it off the list")
        }));
        findings
    }

    fn lines(&self, file: &File) -> Vec<usize> {
        let code = if self.in_tests { file.code.clone() } else { file.shipped() };
        let has_one = |line: &str| self.words.iter().any(|word| has(line, word));
        code.lines().enumerate().filter(|(_, line)| has_one(line)).map(|(at, _)| at + 1).collect()
    }
}

/// Whether a file is the place, lies in it, or is the module of that name.
fn is_in(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest == ".rs" || rest.starts_with('/'))
}

/// Whether a word stands in a line of code as itself: not inside a longer name, and not clap's `Command`.
fn has(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        !before.ends_with(is_name) && !after.starts_with(is_name) && !before.ends_with("clap::")
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::of;
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let findings = check(&of(&[(path, text)]));
        findings.iter().filter(|f| f.path == path).map(ToString::to_string).collect()
    }

    #[test]
    fn code_in_a_place_that_has_no_permission() {
        for (path, text) in [
            ("proto/src/a.rs", "fn a() { unsafe { b() } }"),
            ("agent/src/sandbox.rs", "unsafe fn a() {}"),
            ("agent/tests/it/a.rs", "fn a() { unsafe { b() } }"),
            ("agent/src/session.rs", "use x;\nfn a() { std::process::Command::new(\"sh\"); }"),
            ("agent/src/hostile.rs", "fn a() { sys::fork(); }"),
            ("shell/src/main.rs", "fn a() { libc::fork(); }"),
            ("shell/src/main.rs", "fn a() { println!(\"x\"); }"),
            ("policy/src/a.rs", "fn a() { dbg!(1); }"),
        ] {
            assert_eq!(found(path, text).len(), 1, "{path}: {text}: {:?}", found(path, text));
        }
        let line = &found("agent/src/session.rs", "use x;\nfn a() { Command::new(\"sh\"); }")[0];
        assert!(line.starts_with("agent/src/session.rs:2: starts a process: only agent/src/launcher"), "{line}");
    }

    #[test]
    fn what_only_looks_like_it() {
        for (path, text) in [
            ("proto/src/a.rs", "// unsafe\nconst A: &str = \"unsafe\";\n#![expect(unsafe_code, reason = \"x\")]"),
            ("proto/src/a.rs", "fn a() { clap::Command::new(\"log\"); }"),
            ("agent/src/sandbox/sys.rs", "fn a() { unsafe { b() } }"),
            ("agent/src/host/stage.rs", "fn a() { sys::fork(); }"),
            ("agent/src/a.rs", "const A: i64 = SYS_execve;"),
            ("agent/tests/it/a.rs", "fn a() { Command::new(\"sh\"); println!(\"x\"); }"),
            ("agent/src/a.rs", "#[cfg(test)]\nmod tests { fn a() { Command::new(\"sh\"); } }"),
        ] {
            assert_eq!(found(path, text), Vec::<String>::new(), "{path}: {text}");
        }
    }

    #[test]
    fn a_permission_that_nobody_uses() {
        let findings = check(&of(&[("agent/src/sandbox/sys.rs", "fn a() {}")]));
        assert!(findings.iter().any(|f| f.to_string().contains("sys.rs has permission")), "{findings:?}");
    }
}
