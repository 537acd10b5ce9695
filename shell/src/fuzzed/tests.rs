//! The corpus of the fuzz target, pieces of it in any order, and that the terminal of the check sees what it should.

use std::path::Path;

use proptest::prelude::*;

use super::*;

/// The files of the corpus, in the order of their names.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/terminal");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    let mut files: Vec<_> =
        files.map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap())).collect();
    files.sort();
    assert!(files.len() > 50);
    files
}

fn holds(bytes: &[u8]) -> bool {
    std::panic::catch_unwind(|| terminal(bytes)).is_ok()
}

#[test]
fn the_corpus_holds() {
    for (name, bytes) in corpus() {
        assert!(holds(&bytes), "{name} does not hold");
    }
}

#[test]
fn half_of_what_is_in_the_corpus_holds_too() {
    for (name, bytes) in corpus() {
        for end in 0..bytes.len() {
            assert!(holds(&bytes[..end]), "the first {end} bytes of {name} do not hold");
            assert!(holds(&bytes[end..]), "{name} without its first {end} bytes does not hold");
        }
    }
}

#[test]
fn a_check_that_is_not_met_is_heard() {
    let meets = |text: &str, lists: Lists| std::panic::catch_unwind(|| Terminal::default().read(text, lists)).is_ok();
    for text in
        ["\u{1b}]0;t\u{7}", "\u{1b}[6n", "\u{1b}[?1000h", "\u{1b}[3J", "\u{1b}c", "\u{9b}", "\u{202e}", "\u{1b}["]
    {
        assert!(!meets(text, Lists::Line) && !meets(text, Lists::Screen), "{text:?}");
    }
    for text in ["\u{1b}[2J", "\r", "\u{8}", "\u{1b}7", "\u{1b}[8m"] {
        assert!(!meets(text, Lists::Line) && meets(text, Lists::Screen), "{text:?}");
    }
    for left in ["\u{1b}[?1049h", "\u{1b}[31m", "\u{1b}(0", "\u{e}", "\u{1b}[?6h", "\u{1b}[31m\u{1b}7\u{1b}[m\u{1b}8"] {
        let mut terminal = Terminal::default();
        terminal.read(left, Lists::Screen);
        assert!(!terminal.is_as_before(), "{left:?}");
    }
}

/// Pieces of the corpus, what begins a sequence, what ends one, and any bytes at all.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let seeds: Vec<Vec<u8>> = corpus().into_iter().map(|(_, bytes)| bytes).collect();
    let part = (prop::sample::select(seeds), any::<prop::sample::Index>(), any::<prop::sample::Index>());
    let part = part.prop_map(|(bytes, from, length)| {
        let from = from.index(bytes.len() + 1);
        bytes[from..from + length.index(bytes.len() - from + 1)].to_vec()
    });
    let words = prop::sample::select(vec![
        "\x1b", "\x1b[", "\x1b[?", "\x1b]", "\x1bP", "\x1b\\", "\x07", "\x18", "\u{9b}", ";", "3", "6", "1049", "1048",
        "h", "l", "m", "31m", "n", "c", "J", "r", "s", "u", "T", "7", "8", "(0", ")0", "\x0e", " q", "$p", "+", "\r",
        "\n",
    ]);
    let piece = prop_oneof![
        3 => part,
        3 => words.prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Sequences that change what stays, in any order.
fn drawing() -> impl Strategy<Value = Vec<u8>> {
    let mode = (prop::sample::select(vec![1, 5, 6, 7, 12, 25, 47, 1047, 1048, 1049, 2004, 2026]), any::<bool>());
    let mode = mode.prop_map(|(mode, on)| format!("\x1b[?{mode}{}", if on { 'h' } else { 'l' }));
    let others = prop::sample::select(vec![
        "\x1b7",
        "\x1b8",
        "\x1b[s",
        "\x1b[u",
        "\x1b[31m",
        "\x1b[m",
        "\x1b(0",
        "\x1b(B",
        "\x1b)0",
        "\x1b)B",
        "\x0e",
        "\x0f",
        "\x1b[4h",
        "\x1b[4l",
        "\x1b=",
        "\x1b>",
        "\x1b[2;9r",
        "\x1b[r",
        "\x1b[2 q",
        "\x1b[0 q",
        "x",
    ]);
    let piece = prop_oneof![mode, others.prop_map(str::to_owned)];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_node_sends_holds(bytes in hostile()) {
        terminal(&bytes);
    }

    #[test]
    fn whatever_is_drawn_is_undone(bytes in drawing()) {
        terminal(&bytes);
    }
}
