//! Judgements, as the text files in `cases/` say them, with the programs that are shipped.

#![expect(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "../../../proto/tests/it/cases.rs"]
mod cases;

use std::path::Path;

use pact_policy::{Identity, Judged, Peer, Place, Policy, Whitelist, judge};
use pact_proto::grammar::{self, Line};
use pact_proto::program::Program;
use pact_proto::view::{self, Style, escape};

/// Accounts are called after their roles.
const POLICY: &str = r#"
bind = [
  { user = "admin", principal = "admin@example.org", roles = ["pact-platform-admin"] },
  { user = "ops", principal = "ops@example.org", roles = ["pact-ops-ml-training"] },
  { user = "elsewhere", principal = "elsewhere@example.org", roles = ["pact-ops-other", "pact-viewer-other"] },
  { user = "regulated", principal = "regulated@example.org", roles = ["pact-regulated-ml-training"] },
  { user = "viewer", principal = "viewer@example.org", roles = ["pact-viewer-ml-training"] },
  { user = "both", principal = "both@example.org", roles = ["pact-viewer-ml-training", "pact-ops-ml-training"] },
  { user = "ai", principal = "ai@example.org", roles = ["pact-service-ai"] },
  { user = "agent", principal = "agent@example.org", roles = ["pact-service-agent"] },
  { user = "nothing", principal = "nothing@example.org", roles = [] },
]
programs.disabled = ["wc"]
"#;

/// A program with a form of every effect; what is shipped only reads.
const GADGET: &str = r#"
name = "gadget"
about = "for tests"
paths = ["/usr/bin/gadget"]
form = [
  { words = ["show"], effect = "read" },
  { words = ["turn"], effect = "change" },
  { words = ["break"], effect = "destructive" },
  { words = ["watch"], effect = "read", terminal = true },
]
"#;

fn examples(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn whitelist() -> Whitelist {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/programs");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    Whitelist::new(files.chain([GADGET.to_owned()]).map(|text| Program::from_toml(&text).unwrap()).collect()).unwrap()
}

fn place() -> Place {
    Place { node: "node042".parse().unwrap(), vcluster: "ml-training".parse().unwrap() }
}

fn somebody(policy: &Policy, user: &str) -> Identity {
    let uid = if user == "root" { 0 } else { 1000 };
    policy.identify(&Peer { uid, user: Some(user.to_owned()) }, &place().node).unwrap()
}

fn judged(policy: &Policy, whitelist: &Whitelist, user: &str, line: &[u8]) -> String {
    let expanded = match grammar::parse(Line::new(line)).and_then(|parsed| parsed.expand(Vec::new())) {
        Ok(expanded) => expanded,
        Err(bad) => return format!("  1 {}\n", bad.message()),
    };
    let words = expanded.stages().to_vec();
    match judge(policy, whitelist, &somebody(policy, user), &place(), expanded) {
        Judged::Permitted(line) => {
            let argv: Vec<_> = line.stages().iter().map(|stage| stage.argv.clone()).collect();
            assert_eq!(argv, words, "what was judged is what is permitted");
            let stdin = if line.reads_stdin() { ", reads stdin" } else { "" };
            let terminal = if line.stages().iter().any(|stage| stage.terminal) { ", needs a terminal" } else { "" };
            format!("  permitted: {:?}, {} programs{stdin}{terminal}\n", line.effect(), line.stages().len())
        }
        Judged::Refused(refused) => {
            let place = refused.span().map(|span| format!(" at `{}`", escape(&line[span]))).unwrap_or_default();
            let hint = if refused.hint().is_empty() { String::new() } else { format!("\n  hint: {}", refused.hint()) };
            format!("  {}{place} {}{hint}\n", refused.code().number(), refused.message())
        }
    }
}

fn check(file: &str, policy: &Policy) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(file);
    let whitelist = whitelist();
    cases::check(&path, |typed| {
        let (user, line) = split(typed);
        judged(policy, &whitelist, user, line)
    });
}

/// `account: line`
fn split(typed: &[u8]) -> (&str, &[u8]) {
    let at = typed.windows(2).position(|pair| pair == b": ").expect("a case is `account: line`");
    (std::str::from_utf8(&typed[..at]).unwrap(), &typed[at + 2..])
}

#[test]
fn lines_are_judged_as_the_cases_say() {
    check("judgement.cases", &Policy::from_toml(POLICY).unwrap());
}

/// Every line that the cases of the programs hold: `judged` compares what is permitted with what was typed.
#[test]
fn the_argv_that_is_permitted_is_the_one_that_was_typed() {
    let (policy, whitelist) = (Policy::from_toml(POLICY).unwrap(), whitelist());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/cases/programs");
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let typed = cases::all_typed(&std::fs::read_to_string(&file).unwrap());
        let is_permitted = |line: &&Vec<u8>| judged(&policy, &whitelist, "admin", line).starts_with("  permitted");
        let permitted = typed.iter().filter(is_permitted).count();
        let is_disabled = file.file_stem().unwrap() == "wc";
        assert_eq!(permitted == 0, is_disabled, "{}", file.display());
    }
}

#[test]
fn service_ai_starts_programs_only_where_the_policy_says() {
    check("service-ai.cases", &Policy::from_toml(&format!("{POLICY}\nservice_ai.programs = true\n")).unwrap());
}

#[test]
fn known_ways_out_of_restricted_shells_end_here() {
    check("ways-out.cases", &Policy::from_toml(&POLICY.replace("[\"wc\"]", "[]")).unwrap());
}

/// A line of this program that its cases say is allowed.
fn allowed(program: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/cases/programs").join(format!("{program}.cases"));
    let cases = std::fs::read_to_string(path).unwrap();
    let lines: Vec<_> = cases.lines().collect();
    let is_allowed = |pair: &&[&str]| pair[0].starts_with("> ") && pair[1].starts_with("  read");
    lines.windows(2).find(is_allowed).unwrap()[0].strip_prefix("> ").unwrap().to_owned()
}

/// What is said of a line, and that it is what becomes of it.
#[test]
fn a_line_is_explained_as_it_is_judged() {
    let (policy, whitelist) = (Policy::from_toml(POLICY).unwrap(), whitelist());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/explained.cases");
    cases::check(&path, |typed| {
        let (user, line) = split(typed);
        let who = somebody(&policy, user);
        let found = pact_policy::explain((&policy, &whitelist), &who, &place(), line, |_| None);
        let judged = judged(&policy, &whitelist, user, line);
        let code = judged.trim_start().split(' ').next().unwrap_or_default().parse().unwrap_or(0);
        // A pattern that stands for itself is no file.
        assert!(found.code == code || line.contains(&b'*'), "{judged}");
        let text = view::explanation(&found, Style { colour: false, columns: 100 });
        text.lines().map(|row| format!("  {row}\n")).collect()
    });
}

#[test]
fn the_policy_that_is_shipped_lets_its_persons_in() {
    let policy = Policy::from_toml(&examples("policy.toml")).unwrap();
    let whitelist = whitelist();
    for user in ["alice", "bob"] {
        assert_eq!(judged(&policy, &whitelist, user, b"dmesg | tail -5"), "  permitted: Read, 2 programs\n", "{user}");
    }
    let stranger = Peer { uid: 1002, user: Some("eve".to_owned()) };
    assert!(policy.identify(&stranger, &place().node).is_err());
    assert_eq!(policy.limits(), &pact_policy::Limits::default(), "the file says that these are the defaults");
}

#[test]
fn what_one_may_name_is_what_one_may_use() {
    let (policy, whitelist) = (Policy::from_toml(POLICY).unwrap(), whitelist());
    for user in ["admin", "ops", "elsewhere", "regulated", "viewer", "both", "ai", "agent", "nothing", "root"] {
        let who = somebody(&policy, user);
        let visible = policy.visible(&who, &place(), &whitelist);
        for name in pact_proto::command::TABLE.iter().map(|descriptor| descriptor.name) {
            let line = match name {
                "exec" => "exec n1 -- uname",
                "completions" => "completions bash",
                "shell" => "shell n1",
                "policy" => "policy matrix",
                "revoke" => "revoke a@example.org -m left",
                name => name,
            };
            let permitted = judged(&policy, &whitelist, user, line.as_bytes()).starts_with("  permitted");
            assert_eq!(visible.commands.contains(&name), permitted, "{user}: {name}");
        }
        for name in whitelist.names() {
            let line = if name == "gadget" { "gadget show".to_owned() } else { allowed(name) };
            let line = line.as_str();
            let permitted = judged(&policy, &whitelist, user, line.as_bytes()).starts_with("  permitted");
            let seen = visible.programs.iter().any(|program| program.name().as_str() == name);
            assert_eq!(seen, permitted, "{user}: {line}");
        }
    }
}

#[test]
fn the_matrix_is_what_is_checked_in() {
    cases::golden(&Path::new(env!("CARGO_MANIFEST_DIR")).join("matrix.txt"), &pact_policy::matrix());
}

#[test]
fn two_programs_of_one_name_are_refused() {
    let gadget = || Program::from_toml(GADGET).unwrap();
    let error = Whitelist::new(vec![gadget(), gadget()]).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("program gadget is there twice"));
}
