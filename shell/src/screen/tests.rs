//! What draws passes and is undone; what does not is dropped. More is in `crate::fuzzed`.

use proptest::prelude::*;

use super::*;

fn passed(pieces: &[&[u8]]) -> (String, String) {
    let (mut screen, mut out, mut undo) = (Screen::default(), Vec::new(), Vec::new());
    for piece in pieces {
        screen.pass(piece, &mut out);
    }
    screen.undo(&mut undo);
    let text = |bytes| String::from_utf8(bytes).expect("what a terminal gets is UTF-8");
    (text(out), text(undo))
}

#[test]
fn what_draws_passes_and_is_undone() {
    for (bytes, undo) in [
        ("plain\ttext\r\n\x08\x07", ""),
        ("é 漢 e\u{301} 😀", ""),
        ("\x1b[H\x1b[2J\x1b[3;4H\x1b[K\x1b[5A\x1b[2L\x1b[P\x1b[4@\x1b[X\x1b[d\x1b[1G\x1b[S\x1b[T\x1bM\x1b7\x1b8", ""),
        ("\x1b[1;38;5;196mred", "\x1b[0m"),
        ("\x1b[7mtitle\x1b[27m\x1b[m", ""),
        ("\x1b[?1049h\x1b[?25l\x1b[?1h\x1b=", "\x1b>\x1b[?1l\x1b[?25h\x1b[?1049l"),
        ("\x1b[?1049h\x1b[?1049l\x1b[?25l\x1b[?25h", ""),
        ("\x1b[2;20r", "\x1b7\x1b[r\x1b8"),
        ("\x1b[?47h\x1b[2;20r", "\x1b7\x1b[r\x1b8\x1b[?47l"),
        ("\x1b[?1049h\x1b[2;20r", "\x1b[r\x1b[?1049l"),
        ("\x1b[?6h", "\x1b[?6l\x1b[999H"),
        ("\x1b[?6h\x1b[?6l", ""),
        // What was saved comes back with the cursor.
        ("\x1b[31m\x1b7\x1b[m\x1b8", "\x1b[0m\x1b7"),
        ("\x1b[31m\x1b[s\x1b[m", "\x1b7"),
        ("\x1b[31m\x1b[?1049h\x1b[m", "\x1b[?1049l\x1b[0m\x1b7"),
        ("\x1b(0\x1b[?1049h\x1b(B", "\x1b[?1049l\x1b(B\x1b)B\x1b7"),
        ("\x1b(0lqk\x1b(B\x0eqqq", "\x0f\x1b(B\x1b)B"),
        ("\x1b[4h\x1b[?7l\x1b[2 q", "\x1b[4l\x1b[?7h\x1b[0 q"),
        ("x\x1b[79b", ""),
        ("\x1b[?2004h", "\x1b[?2004l"),
    ] {
        assert_eq!(passed(&[bytes.as_bytes()]), (bytes.to_owned(), undo.to_owned()), "{bytes:?}");
    }
}

#[test]
fn what_does_not_draw_is_dropped() {
    for (bytes, shown) in [
        (&b"a\x1b]0;title\x07b"[..], "ab"),
        (b"a\x1b]52;c;aGk=\x1b\\b", "ab"),
        (b"a\x1bP$q\"p\x1b\\b\x1b_x\x1b\\c\x1b^y\x1b\\d\x1bXz\x1b\\e", "abcde"),
        (b"a\x1b]8;;http://x\x1b[31mb", "a\x1b[31mb"),
        (b"\x1b[6n\x1b[5n\x1b[c\x1b[>c\x1b[=c\x1b[0x\x1bZ\x05", ""),
        (b"\x1b[?1000;1006h\x1b[?1004h\x1b[?9h\x1b[?1;1002;25l", "\x1b[?1l\x1b[?25l"),
        (b"\x1b[8;50;200t\x1b[21t\x1b[i\x1b[5i\x1b[?5i", ""),
        (b"\x1b[!p\x1bc\x1b#8\x1b%G\x1b[?2026$p\x1b[>4;2m\x1b[=1u\x1b[>1u", ""),
        (b"\x1b[3g\x1bH\x1b[3J\x1b[03J\x1b[?3J\x1b[3;0J\x1b[;3J\x1b[??3J", ""),
        (b"\x1b[99999b\x1b[+5b\x1b[61\"p\x1b[1;1Q\x1b[R\x1b[1;2;3;4;5T", ""),
        (b"\x00\x01\x0b\x0c\x11\x13\x7f", ""),
        (b"\xff\xc3(\xe6\xbc", "\u{fffd}\u{fffd}("),
        ("\u{9b}31m\u{202e}x".as_bytes(), "\u{fffd}31m\u{fffd}x"),
        (b"\x1b[3\x1b[31mx", "\x1b[31mx"),
        (b"\x1b[3\x18x\x1b]0;t\x1ay", "xy"),
        (b"\x1b[3\nm", "m"),
        (b"\x1b]never ended", ""),
    ] {
        assert_eq!(passed(&[bytes]).0, shown, "{bytes:?}");
    }
    let long = [b"\x1b[".to_vec(), vec![b'1'; 1000], b"mx".to_vec()].concat();
    assert_eq!(passed(&[&long]).0, "x");
}

/// What a terminal could answer to, print or store.
fn is_harmless(text: &str) -> bool {
    let mut parts = text.split('\x1b');
    let plain = |part: &str| part.chars().all(|c| is_plain(c) || "\x07\x08\t\n\r\x0e\x0f\u{fffd}".contains(c));
    parts.next().is_none_or(plain)
        && parts.all(|part| {
            let Some(first) = part.chars().next() else { return false };
            let end = part.find(|c: char| ('@'..='~').contains(&c) && c != '[').unwrap_or(0);
            match first {
                '[' => !"cnqtxipyQRNOUVWY".contains(&part[end..=end]) || part[..end].ends_with(' '),
                '(' | ')' | '7' | '8' | '=' | '>' | 'D' | 'E' | 'M' => plain(&part[1..]),
                _ => false,
            }
        })
}

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        prop::sample::select(vec![
            "\x1b[", "\x1b]0;", "\x1bP", "\x1b", "\x1b(", "?1049h", "?1000h", "31m", "6n", "c", "2 q", "\x1b\\",
            "\x07", "漢", "\u{9b}", "\u{202e}", "12;5", "r", "t", "$p",
        ])
        .prop_map(|text: &str| text.as_bytes().to_vec()),
    ];
    prop::collection::vec(piece, 0..64).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_comes_is_harmless(bytes in hostile()) {
        let (shown, undo) = passed(&[&bytes]);
        prop_assert!(is_harmless(&shown), "{shown:?}");
        prop_assert!(is_harmless(&undo), "{undo:?}");
    }

    #[test]
    fn where_it_is_cut_changes_nothing(bytes in hostile(), cut in any::<prop::sample::Index>()) {
        let (before, after) = bytes.split_at(cut.index(bytes.len() + 1));
        prop_assert_eq!(passed(&[before, after]), passed(&[&bytes]));
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(passed(&single), passed(&[&bytes]));
    }

    /// What passed once passes again: there is nothing in it that is not on the list.
    #[test]
    fn twice_is_once(bytes in hostile()) {
        let once = passed(&[&bytes]).0;
        prop_assert_eq!(passed(&[once.as_bytes()]).0, once);
    }
}
