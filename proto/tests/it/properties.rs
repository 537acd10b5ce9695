//! Random input: printing and parsing are inverse, nothing panics, nothing slips through.

use pact_proto::grammar::{self, Argv, Component, Line, Pattern};
use pact_proto::view::{self, Style};
use proptest::prelude::*;

use crate::fuzzed;

/// Text with the characters that matter in a line far more often than chance has them.
fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(" \t|;&<>(){}$`!~#=*?[]-\\'\"a^/+%:".chars().collect::<Vec<_>>());
    let odd = prop::sample::select(vec!['\n', '\r', '\0', '\u{1b}', '\u{85}', '\u{202e}', '\u{200b}', 'é', '漢']);
    prop::collection::vec(prop_oneof![6 => special, 1 => odd, 2 => any::<char>()], 0..40)
        .prop_map(|chars| chars.into_iter().collect())
}

/// A word that may be in a line.
fn word() -> impl Strategy<Value = Vec<u8>> {
    let fits = |c: &char| {
        let may = || grammar::parse_words(vec![b"x".to_vec(), c.to_string().into_bytes()]).is_ok();
        c.is_ascii_graphic() || *c == ' ' || may()
    };
    text().prop_map(move |text| text.chars().filter(fits).collect::<String>().into_bytes())
}

fn argv(line: &str) -> Result<Vec<Vec<Vec<u8>>>, String> {
    let parsed = grammar::parse(Line::new(line)).map_err(|bad| format!("{line}: {bad}"))?;
    let expanded = parsed.expand(Vec::new()).map_err(|bad| format!("{line}: {bad}"))?;
    Ok(expanded.stages().iter().map(|argv: &Argv| argv.words().to_vec()).collect())
}

#[test]
fn a_hash_behind_something_quoted_is_no_comment() {
    for (line, bare) in [("\\ #", "x#"), ("\"\"#", "x#"), ("'a b'#c", "x#c"), ("a \\# b", "a x b")] {
        assert_eq!(fuzzed::unquoted(line), bare);
        assert!(grammar::parse(Line::new(line)).is_ok(), "{line}");
    }
    assert!(grammar::parse(Line::new("a #b")).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn printing_and_parsing_are_inverse(stages in prop::collection::vec(prop::collection::vec(word(), 1..5), 1..4)) {
        let line = grammar::quote_line(stages.iter().map(Vec::as_slice));
        let name = |stage: &[Vec<u8>]| String::from_utf8_lossy(&stage[0]).into_owned();
        let taken = |name: &str| name == "cd" || name == "pact" || pact_proto::command::find(name).is_some();
        prop_assume!(!taken(&name(&stages[0])));
        prop_assert_eq!(argv(&line), Ok(stages));
    }

    #[test]
    fn words_and_their_line_are_the_same(words in prop::collection::vec(word(), 1..6)) {
        if let Ok(parsed) = grammar::parse_words(words) {
            let again = grammar::parse(parsed.line().clone()).unwrap();
            prop_assert_eq!(again.head(), parsed.head());
            prop_assert_eq!(again.programs(), parsed.programs());
        }
    }

    #[test]
    fn nothing_that_a_shell_reads_gets_through(line in text()) {
        if grammar::parse(Line::new(line.as_str())).is_ok() {
            fuzzed::assert_means_nothing_to_a_shell(&line);
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        match grammar::parse(Line::new(bytes.clone())) {
            Ok(parsed) => prop_assert_eq!(parsed.line().as_bytes(), bytes.as_slice()),
            Err(bad) => {
                prop_assert!(bad.span().start <= bad.span().end && bad.span().end <= bytes.len());
                prop_assert!(!bad.message().is_empty() && !bad.hint().is_empty());
            }
        }
    }

    #[test]
    fn what_was_accepted_holds_no_control_bytes(line in text()) {
        for word in argv(&line).into_iter().flatten().flatten() {
            let word = String::from_utf8(word).unwrap();
            prop_assert!(!word.contains(|c: char| c.is_control() && c != '\t'), "{:?}", word);
        }
    }

    #[test]
    fn tokens_lie_in_the_line_one_behind_the_other(line in text()) {
        let mut end = 0;
        for token in grammar::tokens(&line) {
            prop_assert!(token.span.start >= end && token.span.start < token.span.end, "{:?}", token);
            prop_assert!(line.get(token.span.clone()).is_some(), "{:?}", token);
            end = token.span.end;
        }
        let faulty = grammar::tokens(&line).iter().any(|token| token.kind == grammar::TokenKind::Fault);
        prop_assert!(!(faulty && argv(&line).is_ok()), "what is coloured as refused is refused: {}", line);
    }

    #[test]
    fn the_word_under_the_cursor_lies_before_it(line in text(), cursor in 0_usize..60) {
        if let Some(here) = grammar::at_cursor(&line, cursor) {
            prop_assert!(here.span.end == cursor && line.get(here.span).is_some());
        }
    }

    #[test]
    fn no_file_that_a_pattern_finds_is_an_option(found in prop::collection::vec("[-+a./]{1,4}", 1..5)) {
        let parsed = grammar::parse(Line::new("tail * -n 5")).unwrap();
        let found: Vec<Vec<u8>> = found.into_iter().map(String::into_bytes).collect();
        let expanded = parsed.expand(vec![found.clone()]).unwrap();
        for (word, name) in expanded.stages()[0].words()[1..].iter().zip(&found) {
            prop_assert!(!word.starts_with(b"-") && !word.starts_with(b"+"));
            prop_assert!(word.ends_with(name));
        }
    }

    #[test]
    fn a_pattern_matches_what_it_says(typed in "[ab.*?]{0,6}(\\[!?[ab.]{1,3}\\]){0,2}[ab*?]{0,3}", name in "[abc.]{0,8}") {
        if let Some(pattern) = Pattern::parse(typed.as_bytes()) {
            prop_assert_eq!(pattern.as_typed(), typed.as_bytes());
            let components = pattern.components();
            prop_assert_eq!(components.len(), 1);
            if let Component::Matching(matcher) = &components[0] {
                prop_assert_eq!(matcher.matches(&name), naive(&typed, &name, true), "{} {}", typed, name);
            }
        }
    }

    #[test]
    fn what_is_shown_moves_no_terminal(bytes in prop::collection::vec(any::<u8>(), 0..100), from in 0_usize..120) {
        let plain = |text: &str| text.chars().all(|c| c == '\n' || view::is_plain(c));
        prop_assert!(view::escape(&bytes).chars().all(view::is_plain));
        let span = Some(from..from.saturating_add(bytes.len()));
        let message = String::from_utf8_lossy(&bytes);
        let complaint = view::Complaint { line: &bytes, span, message: &message, hint: &message };
        let style = Style { colour: false, columns: 40 };
        prop_assert!(plain(&view::complain(&complaint, style)));
    }
}

/// The meaning of a pattern, without any thought of speed.
fn naive(pattern: &str, name: &str, start: bool) -> bool {
    let mut chars = pattern.chars();
    let Some(first) = chars.next() else { return name.is_empty() };
    if start && name.starts_with('.') && first != '.' {
        return false;
    }
    let rest = chars.as_str();
    let after_one = |name: &str| name.chars().next().map(|c| name[c.len_utf8()..].to_owned());
    match first {
        '*' => (0..=name.len()).filter(|at| name.is_char_boundary(*at)).any(|at| naive(rest, &name[at..], false)),
        '?' => after_one(name).is_some_and(|name| naive(rest, &name, false)),
        '[' => {
            let (negated, set) = rest.strip_prefix('!').map_or((false, rest), |set| (true, set));
            let end = set[1..].find(']').map_or(set.len(), |at| at + 1);
            let taken = name.chars().next().is_some_and(|c| set[..end].contains(c) != negated);
            taken && after_one(name).is_some_and(|name| naive(&set[end + 1..], &name, false))
        }
        literal => name.strip_prefix(literal).is_some_and(|name| naive(rest, name, false)),
    }
}
