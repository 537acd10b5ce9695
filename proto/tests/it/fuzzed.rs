//! What must hold of any bytes at all. The fuzz targets call these functions, and `corpus.rs` runs them on every file
//! of the corpus with a stable compiler.

use std::sync::OnceLock;

use pact_proto::grammar::{self, Argv, Component, Head, Line, Pattern};
use pact_proto::model::Entry;
use pact_proto::program::{Program, Schema};
use pact_proto::resume::Frame;
use pact_proto::view::{self, Style};

/// As a line: it is read or refused, and what was read prints as a line that reads the same.
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
    assert!(parsed.patterns().iter().all(|pattern| Pattern::parse(pattern.as_typed()).as_ref() == Some(*pattern)));
    if matches!(parsed.head(), Head::Command(_)) || parsed.has_patterns() {
        return;
    }
    let expanded = parsed.clone().expand(Vec::new()).unwrap();
    let line = grammar::quote_line(expanded.stages().iter().map(Argv::words));
    // `\0` cannot be in a line, and whatever else a line holds is a bound that printing may cross.
    if let Ok(again) = grammar::parse(Line::new(line)) {
        let words = |parsed: grammar::Parsed| parsed.expand(Vec::new()).map(|line| line.stages().to_vec());
        assert_eq!(words(again).unwrap(), expanded.stages());
    } else {
        assert!(bytes.len() > grammar::MAX_LINE / 4, "a short line prints as one that can be read");
    }
}

/// As words for a program, separated by NUL; the first byte chooses which. Agent and client agree on them.
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
    let Some((chosen, words)) = bytes.split_first() else { return };
    let (sent, schema) = &programs[usize::from(*chosen) % programs.len()];
    let words = words.split(|byte| *byte == 0).map(<[u8]>::to_vec);
    let argv: Vec<_> = std::iter::once(schema.name().as_str().as_bytes().to_vec()).chain(words).collect();
    let judged = schema.match_argv(&argv);
    assert_eq!(judged, sent.match_argv(&argv));
    if let Err(error) = judged {
        assert!((1..=argv.len()).contains(&error.index), "{error:?}");
        assert!(error.message().chars().all(view::is_plain), "{error:?}");
    }
    let partial = argv.last().map(|word| String::from_utf8_lossy(word).into_owned()).unwrap_or_default();
    let offered = schema.completions(&argv[1..argv.len() - 1], &partial);
    assert!(offered.iter().all(|(word, _)| word.starts_with(&partial)));
}

/// As a stored entry: it is one, or it is refused; one survives the way to disk and is shown in one harmless line.
pub(crate) fn entry(bytes: &[u8]) {
    let Ok(entry) = Entry::decode(bytes) else { return };
    assert_eq!(Entry::decode(&entry.encode()).as_ref(), Ok(&entry));
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
