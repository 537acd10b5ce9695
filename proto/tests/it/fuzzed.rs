//! What must hold of any bytes at all. The fuzz targets call these functions, and `corpus.rs` runs them on every file
//! of the corpus with a stable compiler.

use std::fmt::Debug;
use std::sync::OnceLock;

use pact_proto::grammar::{self, Argv, Component, Head, Line, Parsed, Pattern};
use pact_proto::model::{Entry, NodeName};
use pact_proto::nodeset::{self, NodeSet};
use pact_proto::program::{Program, Schema};
use pact_proto::resume::Frame;
use pact_proto::view::{self, Style};
use pact_proto::wire::{host, v1};
use prost::Message;

/// As a line: it is read or refused, what was read holds nothing that a shell would read, and prints as a line that
/// reads the same.
pub(crate) fn grammar(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let mut end = 0;
        for token in grammar::tokens(text) {
            assert!(token.span.start >= end && text.get(token.span.clone()).is_some(), "{token:?}");
            end = token.span.end;
        }
        for cursor in 0..=bytes.len().min(64) {
            let here = grammar::at_cursor(text, cursor);
            assert!(here.is_none_or(|here| text.get(here.span).is_some()));
        }
    }
    let parsed = match grammar::parse(Line::new(bytes)) {
        Ok(parsed) => parsed,
        Err(bad) => return assert!(bad.span().end <= bytes.len() && !bad.message().is_empty()),
    };
    let text = std::str::from_utf8(bytes).unwrap();
    assert_means_nothing_to_a_shell(text);
    assert!(parsed.patterns().iter().all(|pattern| Pattern::parse(pattern.as_typed()).as_ref() == Some(*pattern)));
    if matches!(parsed.head(), Head::Command(_)) || parsed.has_patterns() {
        return;
    }
    let expanded = parsed.expand(Vec::new()).unwrap();
    let line = grammar::quote_line(expanded.stages().iter().map(Argv::words));
    // `\0` cannot be in a line, and whatever else a line holds is a bound that printing may cross.
    if let Ok(again) = grammar::parse(Line::new(line)) {
        assert_eq!(words(again), expanded.stages());
    } else {
        assert!(bytes.len() > grammar::MAX_LINE / 4, "a short line prints as one that can be read");
    }
}

fn words(parsed: Parsed) -> Vec<Argv> {
    parsed.expand(Vec::new()).unwrap().stages().to_vec()
}

/// Of a line that was accepted: it holds no control character but tab, and unquoted no operator but the pipe.
pub(crate) fn assert_means_nothing_to_a_shell(line: &str) {
    let bare = unquoted(line);
    // `!` and `^` stand for "none of" at the start of a set, where they are no history.
    let bare = bare.replace("[!", "[");
    assert!(!bare.contains([';', '&', '<', '>', '(', ')', '{', '}', '$', '`', '!', '~']), "{line}");
    assert!(!bare.contains("||") && !bare.contains(" #") && !bare.starts_with('#'), "{line}");
    assert!(!line.contains(|c: char| c.is_control() && c != '\t'), "{line:?}");
}

/// What a line holds outside quotes and behind no backslash, by the few rules that POSIX has for it. What is quoted is an
/// `x`: it is a part of its word, and so a `#` behind it begins none.
pub(crate) fn unquoted(line: &str) -> String {
    let (mut bare, mut quote, mut chars) = (String::new(), None, line.chars());
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\'' | '"') => {
                bare.push('x');
                quote = Some(c);
            }
            (Some(open), c) if open == c => quote = None,
            (None, '\\') => {
                bare.push('x');
                chars.next();
            }
            (Some('"'), '\\') => drop(chars.next()),
            (None, c) => bare.push(c),
            (Some(_), _) => {}
        }
    }
    bare
}

/// As words for a program, separated by NUL; the first is its name, and what is no name stands for any program. Agent and
/// client agree on them.
pub(crate) fn program(bytes: &[u8]) {
    static PROGRAMS: OnceLock<Vec<(Schema, Schema)>> = OnceLock::new();
    let programs = PROGRAMS.get_or_init(|| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/programs");
        let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let schema = |path| Program::from_toml(&std::fs::read_to_string(path).unwrap()).unwrap().schema().clone();
        let both = |schema: Schema| (Schema::from_json(&schema.to_json()).unwrap(), schema);
        paths.into_iter().map(schema).map(both).collect()
    });
    let mut words = bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec);
    let Some(named) = words.next() else { return };
    let any = named.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let found = programs.iter().find(|(_, schema)| schema.name().as_str().as_bytes() == named);
    let (sent, schema) = found.unwrap_or(&programs[any % programs.len()]);
    let argv: Vec<_> = std::iter::once(schema.name().as_str().as_bytes().to_vec()).chain(words).collect();
    let judged = schema.match_argv(&argv);
    assert_eq!(judged, sent.match_argv(&argv));
    match judged {
        Ok(_) => assert_is_passed_on(schema, &argv),
        Err(error) => {
            assert!((1..=argv.len()).contains(&error.index), "{error:?}");
            assert!(error.message().chars().all(view::is_plain), "{error:?}");
        }
    }
    assert_completes(schema, &argv);
}

fn assert_completes(schema: &Schema, argv: &[Vec<u8>]) {
    let partial = argv.last().map(|word| String::from_utf8_lossy(word).into_owned()).unwrap_or_default();
    let offered = schema.completions(argv.get(1..argv.len() - 1).unwrap_or_default(), &partial);
    assert!(offered.iter().all(|(word, _)| word.starts_with(&partial)));
}

/// An argv that a schema allows is the same behind every way to the process: as a line, as words, and as what a host is
/// asked for. What cannot be said in one of these ways is refused there, and is never another argv.
pub(crate) fn assert_is_passed_on(schema: &Schema, argv: &[Vec<u8>]) {
    let judged = schema.match_argv(argv);
    // What is not UTF-8 cannot be typed, and so has no quoted form.
    let can_be_typed = argv.iter().all(|word| std::str::from_utf8(word).is_ok());
    let typed = can_be_typed.then(|| grammar::parse(Line::new(grammar::quote_line([argv])))).and_then(Result::ok);
    for parsed in [typed, grammar::parse_words(argv.to_vec()).ok()].into_iter().flatten() {
        // A word of a caller's shell is no pattern, and quoting makes none.
        assert!(!parsed.has_patterns(), "{argv:?}");
        let stages = words(parsed);
        let [stage] = stages.as_slice() else { panic!("one stage becomes {}: {argv:?}", stages.len()) };
        assert_eq!(stage.words(), argv);
        assert_eq!(schema.match_argv(stage.words()), judged);
        let asked = host::Stage { program: schema.name().to_string(), argv: stage.words().to_vec() };
        let start = host::Start { stages: vec![asked], ..host::Start::default() };
        let came = host::Start::decode(start.encode_to_vec().as_slice()).unwrap();
        assert_eq!(came.stages[0].argv, argv);
    }
}

/// As the file of a program, and as the schema that a client is sent: it is one or it is refused, one survives the way to
/// the client, and whatever is said to it is judged.
pub(crate) fn schema(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let of_file = Program::from_toml(text).map(|program| program.schema().clone());
    for schema in [of_file, Schema::from_json(text)].into_iter().flatten() {
        assert_eq!(Schema::from_json(&schema.to_json()).as_ref(), Ok(&schema));
        let forms = || schema.forms().iter();
        let options = forms().flat_map(|form| form.options.iter().flat_map(|option| &option.names));
        let of_forms = forms().flat_map(|form| form.words.iter().flat_map(|word| word.split('|').map(str::to_owned)));
        let said: Vec<String> = of_forms.chain(options.cloned()).take(8).collect();
        for first in said.iter().map(String::as_str).chain(["-", "--", "-5", "+5", ""]) {
            for second in said.iter().map(String::as_str).chain(["", "x"]) {
                let argv: Vec<Vec<u8>> = [schema.name().as_str(), first, second].map(Into::into).to_vec();
                if schema.match_argv(&argv).is_ok() {
                    assert_is_passed_on(&schema, &argv);
                }
                assert_completes(&schema, &argv);
            }
        }
    }
}

/// As a message, which the first byte chooses: of persons, of nodes, and of what is between agent, launcher and host.
pub(crate) fn message(bytes: &[u8]) {
    const ALL: [fn(&[u8]); 11] = [
        is_stable::<v1::ClientMessage>,
        is_stable::<v1::ServerMessage>,
        is_stable::<v1::UplinkRequest>,
        is_stable::<v1::UplinkReply>,
        is_stable::<v1::ExchangeRequest>,
        is_stable::<v1::ExchangeReply>,
        is_stable::<v1::SignedTicket>,
        is_stable::<host::LauncherRequest>,
        is_stable::<host::LauncherReply>,
        is_stable::<host::HostRequest>,
        is_stable::<host::HostReply>,
    ];
    let Some((chosen, bytes)) = bytes.split_first() else { return };
    ALL[usize::from(*chosen) % ALL.len()](bytes);
}

/// It is a message or it is refused; one is the same once it was written, and is written the same ever after.
fn is_stable<M: Message + Default + PartialEq + Debug>(bytes: &[u8]) {
    let Ok(message) = M::decode(bytes) else { return };
    let written = message.encode_to_vec();
    let again = M::decode(written.as_slice()).unwrap();
    assert_eq!(again, message);
    assert_eq!(again.encode_to_vec(), written);
}

/// As a set of nodes: it is one or it is refused, and folded it means the same nodes.
pub(crate) fn nodes(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let set = match text.parse::<NodeSet>() {
        Ok(set) => set,
        Err(bad) => return assert!(bad.at <= text.len() && !bad.why.is_empty(), "{bad:?}"),
    };
    let names = set.expand(|_| Vec::new());
    assert!(names.len() <= nodeset::MOST);
    if names.is_empty() {
        return;
    }
    let again = nodeset::fold(&names).parse::<NodeSet>().unwrap().expand(|_| Vec::new());
    let sorted = |mut names: Vec<NodeName>| {
        names.sort();
        names
    };
    assert_eq!(sorted(again), sorted(names));
}

/// As a stored entry: it is one, or it is refused; one survives the way to disk and is shown in one harmless line.
pub(crate) fn entry(bytes: &[u8]) {
    let Ok(entry) = Entry::decode(bytes) else { return };
    let stored = entry.encode();
    let again = Entry::decode(&stored);
    assert_eq!(again.as_ref(), Ok(&entry));
    assert_eq!(again.map(|again| again.encode()), Ok(stored), "it is written the same ever after");
    let line = view::log_line(&entry, Style { colour: false, columns: 80 });
    assert!(line.strip_suffix('\n').is_some_and(|line| line.chars().all(view::is_plain)), "{line:?}");
}

/// As a file pattern and a name, with a newline between.
pub(crate) fn pattern(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (Some(typed), Some(name)) = (parts.next(), parts.next()) else { return };
    let (Some(pattern), Ok(name)) = (Pattern::parse(typed), std::str::from_utf8(name)) else { return };
    assert_eq!(pattern.as_typed(), typed);
    let components = pattern.components();
    assert!(components.iter().any(|component| matches!(component, Component::Matching(_))));
    for component in components {
        match component {
            Component::Name(literal) => assert!(!literal.contains('/')),
            Component::Matching(matcher) => {
                // A name of one component is never matched by more than itself.
                assert!(!(matcher.matches(name) && name.contains('/') && !typed.contains(&b'*')));
                assert!(!(matcher.matches(name) && name.starts_with('.') && !typed.contains(&b'.')));
            }
        }
    }
}

/// As the beginning of what a connection says: a frame is written as it was read, and half of one is none.
pub(crate) fn frame(bytes: &[u8]) {
    let Ok(Some(frame)) = Frame::read(bytes) else { return };
    let mut written = Vec::new();
    frame.put(&mut written);
    assert_eq!(Ok(written.len()), Frame::size_of(bytes[0]));
    assert!(bytes.starts_with(&written), "{frame:?}");
    for end in 0..written.len() {
        assert_eq!(Frame::read(&bytes[..end]), Ok(None), "{frame:?}");
    }
}
