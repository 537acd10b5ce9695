//! The programs that are shipped: what may be said to them, and what comes of it.

use std::collections::BTreeSet;

use pact_proto::grammar::{self, Line};
use pact_proto::program::{Program, Schema};

use crate::{case, cases, program, programs};

#[test]
fn every_program_has_cases_and_every_case_a_program() {
    let stems = |folder: String| -> BTreeSet<String> {
        let names = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
        names.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
    };
    let programs = stems(format!("{}/../examples/programs", env!("CARGO_MANIFEST_DIR")));
    assert_eq!(programs, stems(case("programs").display().to_string()));
}

#[test]
fn arguments_are_allowed_as_the_cases_say() {
    for program in programs() {
        let schema = program.schema();
        cases::check(&case(&format!("programs/{}.cases", program.name())), |typed| judged(schema, typed));
    }
}

fn judged(schema: &Schema, typed: &[u8]) -> String {
    let parsed = grammar::parse(Line::new(typed)).unwrap_or_else(|bad| panic!("{bad}"));
    let line = parsed.expand(Vec::new()).unwrap_or_else(|bad| panic!("{bad}"));
    let argv = line.stages()[0].words();
    assert_eq!(argv[0], schema.name().as_str().as_bytes());
    match schema.match_argv(argv) {
        Ok(found) => {
            let effect = format!("{:?}", found.effect).to_lowercase();
            let stdin = if found.reads_stdin { ", reads stdin" } else { "" };
            let terminal = if found.terminal { ", needs a terminal" } else { "" };
            format!("  {effect}{stdin}{terminal}\n")
        }
        Err(error) => {
            let near = match error.nearest() {
                [] => String::new(),
                names => format!("\n  near: {}", names.join(", ")),
            };
            format!("  refused at word {}: {}{near}\n", error.index, error.message())
        }
    }
}

/// The client sees what the agent sees.
#[test]
fn a_schema_survives_the_way_to_the_client() {
    for program in programs() {
        let schema = program.schema();
        assert_eq!(Schema::from_json(&schema.to_json()).as_ref(), Ok(schema));
    }
}

#[test]
fn what_is_wrong_with_a_program_is_named() {
    let file = |rest: &str| format!("name = \"x\"\nabout = \"\"\npaths = [\"/bin/x\"]\n{rest}");
    let form = |rest: &str| file(&format!("[[form]]\neffect = \"read\"\n{rest}"));
    let option = |names: &str, rest: &str| form(&format!("options = [{{ names = [{names}], about = \"\"{rest} }}]"));
    for (text, expected) in [
        (file(""), "missing field `form`"),
        (file("form = []"), "form: there must be one at least"),
        (form("").replace("/bin/x", "bin/x"), "bin/x is not an absolute path"),
        (form("").replace("/bin/x", "/bin/../x"), "/bin/../x is not an absolute path"),
        (form("").replace("[\"/bin/x\"]", "[]"), "paths: there must be one at least"),
        (form("").replace("\"x\"", "\"help\""), "name: help is a command of pact"),
        (form("").replace("\"x\"", "\"../x\""), "is not a program name"),
        (form("effekt = \"read\""), "line 6: unknown field `effekt`"),
        (form("with = [\"none\"]"), "form 1: with: there is no set \"none\""),
        (form("words = [\"-x\"]"), "form 1: a sub-command cannot be empty or begin with '-'"),
        (form("digits = \"+\""), "unknown variant `+`"),
        (option("", ""), "form 1: an option has no name"),
        (option("\"-a\", \"-a\"", ""), "form 1: -a is spelled twice"),
        (option("\"--a=b\"", ""), "form 1: \"--a=b\" is not a spelling"),
        (option("\"-a\"", ", optional = true"), "form 1: -a has no value that could be optional"),
        (option("\"-ab\"", "").replace("[[form]]", "[[form]]\nbundle = true"), "-ab is no spelling where options"),
        (option("\"ab\"", "").replace("[[form]]", "[[form]]\nbundle = true"), "ab is no spelling where options"),
        (form("operands = [{ name = \"A\", value = \"text\", unless = [\"-q\"] }]"), "unless: -q is not an option"),
        (
            form("operands = [{ name = \"A\", value = \"text\", many = true }, { name = \"B\", value = \"text\" }]"),
            "only the last operand can take many words",
        ),
    ] {
        let error = Program::from_toml(&text).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(expected), "{text}\n{error}\nshould say {expected}");
    }
}

#[test]
fn completion_offers_what_may_come_next() {
    let next = |name: &str, before: &[&str], partial: &str| -> Vec<String> {
        let before: Vec<Vec<u8>> = before.iter().map(|word| word.as_bytes().to_vec()).collect();
        program(name).schema().completions(&before, partial).into_iter().map(|(word, _)| word).collect()
    };
    assert_eq!(next("grep", &[], "--in"), ["--invert-match", "--initial-tab", "--include"]);
    assert_eq!(next("grep", &[], "--color=a"), ["--color=always", "--color=auto"]);
    assert_eq!(next("tail", &["--follow"], ""), Vec::<String>::new());
    assert_eq!(next("ip", &["addr", "show", "scope"], "ho"), ["host"]);
    assert!(next("ip", &["addr", "show"], "").contains(&"dev".to_owned()));
    assert!(next("ip", &[], "-b").contains(&"-br".to_owned()));
    assert_eq!(next("ip", &["addr", "show"], "-b"), Vec::<String>::new());
    assert!(next("ip", &[], "ro").contains(&"route".to_owned()));
    assert!(next("dmesg", &["--level"], "er").contains(&"err".to_owned()));
}

/// ps reads words a second time, as BSD options, when it cannot read them the first time; `e` then shows what the
/// environments of processes hold. Whatever a schema allows must never come to that. Runs the real ps.
#[test]
fn no_allowed_ps_shows_an_environment() {
    const MARK: &str = "PACT_TEST_MARK=7f3a";
    let words: &[&str] = &[
        "-e",
        "-A",
        "-f",
        "-H",
        "-L",
        "-T",
        "-w",
        "-eux",
        "-ue",
        "-ax",
        "e",
        "ax",
        "aux",
        "axe",
        "-u",
        "xe",
        "-C",
        "-p",
        "1",
        "-o",
        "args",
        "-y",
        "-efH",
        "-eLf",
        "--forest",
        "-eo",
        "pid,args",
        "-V",
        "--sort=pid",
        "-g",
    ];
    let schema = program("ps");
    let mut allowed = 0;
    let pairs = words.iter().flat_map(|a| words.iter().map(move |b| vec![*a, *b]));
    let triples =
        words.iter().flat_map(move |a| words.iter().flat_map(move |b| words.iter().map(move |c| vec![*a, *b, *c])));
    // Every pair, and one triple in thirteen: all of them take a minute, and thirteen is prime to their number.
    for argv in pairs.chain(triples.step_by(13)) {
        let whole: Vec<Vec<u8>> = std::iter::once("ps").chain(argv.iter().copied()).map(Into::into).collect();
        if schema.schema().match_argv(&whole).is_err() {
            continue;
        }
        allowed += 1;
        let (name, value) = MARK.split_once('=').unwrap();
        let shown = std::process::Command::new("/usr/bin/ps").args(&argv).env(name, value).output().unwrap();
        assert!(!String::from_utf8_lossy(&shown.stdout).contains(MARK), "ps {argv:?}");
    }
    assert!(allowed > 50, "{allowed}");
}
