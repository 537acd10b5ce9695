//! The line grammar, line by line.

use pact_proto::grammar::{self, Head, Line, MAX_LINE, MAX_STAGES, MAX_WORDS, Parsed, Unreadable, Word};
use pact_proto::view::escape;

use crate::{case, cases};

#[test]
fn lines_mean_what_the_cases_say() {
    cases::check(&case("grammar.cases"), |typed| shown(grammar::parse(Line::new(typed))));
}

/// Words that came split, one in each line of the file, separated by ` ¦ `.
#[test]
fn words_mean_themselves() {
    cases::check(&case("words.cases"), |typed| {
        let separator = " ¦ ".as_bytes();
        let mut words: Vec<Vec<u8>> = vec![Vec::new()];
        let mut rest = typed;
        while let Some((first, more)) = rest.split_first() {
            if rest.starts_with(separator) {
                words.push(Vec::new());
                rest = &rest[separator.len()..];
                continue;
            }
            words.last_mut().unwrap().push(*first);
            rest = more;
        }
        shown(grammar::parse_words(words))
    });
}

fn shown(parsed: Result<Parsed, Unreadable>) -> String {
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(bad) => {
            let place = escape(bad.line().as_bytes().get(bad.span()).unwrap_or_default());
            return format!("  refused at {:?} `{place}`: {}\n  hint: {}\n", bad.span(), bad.message(), bad.hint());
        }
    };
    let mut text = String::new();
    if let Head::Command(stage) = parsed.head() {
        let words: Vec<_> = stage.argv().words().iter().map(|word| format!("<{}>", escape(word))).collect();
        text.push_str(&format!("  command {}: {}\n", stage.command().name(), words.join(" ")));
    }
    for stage in parsed.programs() {
        text.push_str(&format!("  program {}\n", stage.words().iter().map(word).collect::<Vec<_>>().join(" ")));
    }
    text
}

fn word(word: &Word) -> String {
    match (word.literal(), word.pattern()) {
        (Some(literal), _) => format!("<{}>", escape(literal)),
        (None, Some(pattern)) => format!("files<{}>", escape(pattern.as_typed())),
        (None, None) => unreachable!("a word is one or the other"),
    }
}

fn refusal(line: String) -> String {
    grammar::parse(Line::new(line)).err().map(|bad| bad.message()).unwrap_or_default()
}

#[test]
fn lines_are_bounded() {
    let most = |name: &str, length: usize| format!("{name} {}", "a".repeat(length - name.len() - 1));
    assert_eq!(refusal(most("grep", MAX_LINE)), "");
    assert_eq!(refusal(most("grep", MAX_LINE + 1)), "the line has 8193 bytes, and 8192 are the most");
    assert_eq!(refusal(["cat"; MAX_STAGES].join(" | ")), "");
    assert_eq!(refusal(["cat"; MAX_STAGES + 1].join(" | ")), "the pipeline has more than 16 stages");
    assert_eq!(refusal(["cat"; 500].join("|")), "the pipeline has more than 16 stages");
    assert_eq!(refusal(["w"; MAX_WORDS].join(" ")), "");
    assert_eq!(refusal(["w"; MAX_WORDS + 1].join(" ")), "the line has more than 256 words");
    let words = |count| grammar::parse_words(vec![b"w".to_vec(); count]).err().map(|bad| bad.message());
    assert_eq!(words(MAX_WORDS), None);
    assert_eq!(words(MAX_WORDS + 1).as_deref(), Some("the line has more than 256 words"));
}

#[test]
fn files_take_the_place_of_their_pattern() {
    let parse = |line: &str| grammar::parse(Line::new(line)).unwrap();
    let expanded = parse("cat /a/* -n [x]").expand(vec![vec![b"-rf".to_vec(), b"+5".to_vec()], vec![b"x".to_vec()]]);
    let expanded = expanded.unwrap();
    let words: Vec<_> = expanded.stages()[0].words().iter().map(|w| String::from_utf8_lossy(w).into_owned()).collect();
    assert_eq!(words, ["cat", "./-rf", "./+5", "-n", "x"]);
    assert_eq!(expanded.span(0, 2), Some(4..8), "each file stands where its pattern stands");
    assert_eq!(expanded.expansions()[1], (b"[x]".to_vec(), vec![b"x".to_vec()]));

    let message = |found: Vec<Vec<Vec<u8>>>| parse("cat *").expand(found).err().map(|bad| bad.message());
    assert_eq!(message(vec![vec![]]).as_deref(), Some("no file matches `*`"));
    assert_eq!(message(Vec::new()).as_deref(), Some("no file matches `*`"));
    assert_eq!(message(vec![vec![b"f".to_vec(); MAX_WORDS - 1]]), None);
    assert_eq!(message(vec![vec![b"f".to_vec(); MAX_WORDS]]).as_deref(), Some("the line has more than 256 words"));
    assert!(message(vec![vec![b"a\0b".to_vec()]]).is_some());
}

#[test]
fn a_prompt_shows_what_will_be_refused() {
    use grammar::TokenKind::{Fault, Name, Pattern, Pipe, Quoted, Word};
    for (line, expected) in [
        ("grep -i 'a b' /var/* | wc", vec![Name, Word, Quoted, Pattern, Pipe, Name]),
        ("dmesg ; id", vec![Name, Fault, Word]),
        ("c*t", vec![Fault]),
        ("?", vec![Name]),
        ("pact ? x", vec![Name, Pattern, Word]),
        ("A=b uname", vec![Fault, Word]),
        ("uname A=b", vec![Name, Word]),
        ("| x", vec![Fault, Name]),
        ("a | | b", vec![Name, Pipe, Fault, Name]),
        ("ls --sort=*", vec![Name, Fault]),
        ("cat 'open", vec![Name, Fault]),
    ] {
        let kinds: Vec<_> = grammar::tokens(line).iter().map(|token| token.kind).collect();
        assert_eq!(kinds, expected, "{line}");
    }
}

#[test]
fn the_word_under_the_cursor_is_found() {
    let at = |line: &str| grammar::at_cursor(line, line.len());
    let cursor = at("dmesg | grep -i 'nv idia' /var/l").unwrap();
    assert_eq!((cursor.partial.as_str(), cursor.span.clone(), cursor.first_stage), ("/var/l", 26..32, false));
    assert_eq!(cursor.before, [b"grep".to_vec(), b"-i".to_vec(), b"nv idia".to_vec()]);
    assert_eq!(at("cat a\\ ").unwrap().partial, "a ");
    assert_eq!(at("cat ").unwrap().partial, "");
    assert_eq!(at("cat ; "), None);
    assert_eq!(grammar::at_cursor("é", 1), None);
}
