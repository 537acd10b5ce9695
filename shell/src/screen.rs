//! What reaches a terminal from a program that draws on it: an allowlist of what draws; everything else is dropped.
//!
//! **Invariant:** nothing that leaves this module makes a terminal answer, store, print or run anything: no OSC, DCS or
//! other string, no query, no report of mouse or focus, no title, no reset; nor
//! does it move tab stops or take away what has scrolled out of sight. Where a stream is cut into pieces changes
//! nothing. `undo` brings a terminal back from whatever passed.
//! **Not here:** lines of text (`crate::output`), where what is not text is shown and not dropped.

use std::collections::BTreeSet;

use pact_proto::view::is_plain;

/// A sequence that is longer draws nothing.
const LONGEST: usize = 64;
/// More repeats of one character are no line of any terminal.
const MOST_REPEATS: u32 = 1000;
/// Shown in place of what is no text.
const WRONG: &str = "\u{fffd}";

/// Private modes (DECSET) that change how a terminal draws, or which of two spellings a key has. Not here: reports of
/// mouse and focus, and what a terminal does beside drawing.
const MODES: [u16; 12] = [1, 5, 6, 7, 12, 25, 47, 1047, 1048, 1049, 2004, 2026];
/// Modes that are on where nobody has changed anything. That the cursor blinks (12) is a matter of taste, and is left.
const USUALLY_ON: [u16; 2] = [7, 25];
/// Modes by which a terminal shows its other screen.
const OTHER_SCREEN: [u16; 3] = [47, 1047, 1049];
/// What undo leaves: cursors that are saved, and the taste of who made the terminal.
const LEFT: [u16; 2] = [12, 1048];

/// What a terminal is in because of what passed.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    state: State,
    /// Private modes that are not as usual.
    changed: BTreeSet<u16>,
    inserts: bool,
    keypad: bool,
    shifted: bool,
    /// A character set other than the usual is in G0 or G1.
    drawn_sets: bool,
    region: bool,
    coloured: bool,
    cursor: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Text,
    Escape,
    /// `ESC (` or `ESC )`: which, and a set will follow.
    Set(u8),
    /// `ESC [` and what came of it.
    Csi(Vec<u8>),
    /// A string that nobody shall have, until its end.
    Dropped,
    /// In it, an ESC.
    DroppedEscape,
    /// A sequence that is too long, until its final byte.
    Overlong,
    /// An `ESC` with an intermediate byte that draws nothing: one more byte belongs to it.
    Ignored,
    Character(Vec<u8>),
}

impl Screen {
    /// Appends to `out` what of `bytes` a terminal may have.
    pub(crate) fn pass(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            self.byte(*byte, out);
        }
    }

    /// The program is gone: a terminal is again what it was before the first byte.
    pub(crate) fn undo(self, out: &mut Vec<u8>) {
        let mut say = |text: &str| out.extend_from_slice(text.as_bytes());
        if self.shifted {
            say("\x0f");
        }
        if self.drawn_sets {
            say("\x1b(B\x1b)B");
        }
        if self.inserts {
            say("\x1b[4l");
        }
        if self.keypad {
            say("\x1b>");
        }
        let other_screen = OTHER_SCREEN.iter().find(|mode| self.changed.contains(mode));
        if self.region || self.changed.contains(&6) {
            // Both move the cursor, which the usual screen gets back by itself.
            // What is saved with the cursor is the origin, too.
            say(if other_screen.is_some() { "\x1b[?6l\x1b[r" } else { "\x1b7\x1b[?6l\x1b[r\x1b8\x1b[?6l" });
        }
        for mode in &self.changed {
            if *mode == 6 || OTHER_SCREEN.contains(mode) || LEFT.contains(mode) {
                continue;
            }
            say(&format!("\x1b[?{mode}{}", if USUALLY_ON.contains(mode) { 'h' } else { 'l' }));
        }
        if self.cursor {
            say("\x1b[0 q");
        }
        if self.coloured {
            say("\x1b[0m");
        }
        if let Some(mode) = other_screen {
            say(&format!("\x1b[?{mode}l"));
        }
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match &mut self.state {
            State::Text => self.text(byte, out),
            State::Character(begun) if (0x80..0xc0).contains(&byte) => {
                begun.push(byte);
                self.character(out);
            }
            State::Character(_) => {
                self.state = State::Text;
                out.extend_from_slice(WRONG.as_bytes());
                self.text(byte, out);
            }
            // In the middle of anything: ESC begins anew, CAN and SUB end it.
            State::Escape | State::Set(_) | State::Csi(_) | State::Overlong | State::Ignored if byte == 0x1b => {
                self.state = State::Escape;
            }
            State::Escape
            | State::Set(_)
            | State::Csi(_)
            | State::Overlong
            | State::Ignored
            | State::Dropped
            | State::DroppedEscape
                if byte == 0x18 || byte == 0x1a =>
            {
                self.state = State::Text;
            }
            State::Escape => self.escape(byte, out),
            State::Set(which) => {
                let which = *which;
                self.set(which, byte, out);
            }
            State::Csi(_) => self.csi(byte, out),
            State::Overlong => {
                if (0x40..=0x7e).contains(&byte) {
                    self.state = State::Text;
                }
            }
            State::Ignored => self.state = State::Text,
            State::Dropped => match byte {
                0x07 => self.state = State::Text,
                0x1b => self.state = State::DroppedEscape,
                _ => {}
            },
            State::DroppedEscape => {
                self.state = State::Text;
                // Whatever it is but the string's end, it ends the string and means itself.
                if byte != b'\\' {
                    self.escape(byte, out);
                }
            }
        }
    }

    fn text(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            0x07 | 0x08 | b'\t' | b'\n' | b'\r' | 0x20..=0x7e => out.push(byte),
            0x0e | 0x0f => {
                self.shifted = byte == 0x0e;
                out.push(byte);
            }
            0x1b => self.state = State::Escape,
            0xc2..=0xf4 => self.state = State::Character(vec![byte]),
            0x80..=0xc1 | 0xf5..=0xff => out.extend_from_slice(WRONG.as_bytes()),
            0x00..=0x06 | 0x0b..=0x0d | 0x10..=0x1a | 0x1c..=0x1f | 0x7f => {}
        }
    }

    fn character(&mut self, out: &mut Vec<u8>) {
        let State::Character(begun) = &mut self.state else { return };
        let (shown, wrong) = match std::str::from_utf8(begun) {
            Ok(text) => (text.chars().next().filter(|c| is_plain(*c)), begun.len()),
            Err(error) => match error.error_len() {
                None => return,
                Some(length) => (None, length),
            },
        };
        let begun = std::mem::take(begun);
        self.state = State::Text;
        match shown {
            Some(_) => out.extend_from_slice(&begun),
            None => out.extend_from_slice(WRONG.as_bytes()),
        }
        for byte in &begun[wrong..] {
            self.byte(*byte, out);
        }
    }

    fn escape(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.state = match byte {
            b'[' => State::Csi(Vec::new()),
            b'(' | b')' => State::Set(byte),
            b']' | b'P' | b'X' | b'^' | b'_' => State::Dropped,
            0x20..=0x2f => State::Ignored,
            0x1b => State::Escape,
            _ => State::Text,
        };
        match byte {
            b'7' | b'8' | b'D' | b'E' | b'M' => out.extend([0x1b, byte]),
            b'=' | b'>' => {
                self.keypad = byte == b'=';
                out.extend([0x1b, byte]);
            }
            _ => {}
        }
    }

    /// ASCII, the British one, or lines and corners.
    fn set(&mut self, which: u8, byte: u8, out: &mut Vec<u8>) {
        self.state = State::Text;
        if matches!(byte, b'0' | b'A' | b'B') {
            self.drawn_sets = self.drawn_sets || byte != b'B';
            out.extend([0x1b, which, byte]);
        }
    }

    fn csi(&mut self, byte: u8, out: &mut Vec<u8>) {
        let State::Csi(begun) = &mut self.state else { return };
        match byte {
            0x20..=0x3f if begun.len() < LONGEST => begun.push(byte),
            0x20..=0x3f => self.state = State::Overlong,
            0x40..=0x7e => {
                let begun = std::mem::take(begun);
                self.state = State::Text;
                self.sequence(&begun, byte, out);
            }
            // A control or no ASCII within: no program that draws writes that.
            _ => self.state = State::Text,
        }
    }

    /// A whole control sequence.
    fn sequence(&mut self, begun: &[u8], end: u8, out: &mut Vec<u8>) {
        let text = std::str::from_utf8(begun).unwrap_or_default();
        let mut pass = |text: &str| {
            out.extend_from_slice(b"\x1b[");
            out.extend_from_slice(text.as_bytes());
            out.push(end);
        };
        match (text.strip_prefix('?'), text.strip_suffix(' '), end) {
            (Some(modes), _, b'h' | b'l') => {
                let wanted: Vec<u16> =
                    modes.split(';').filter_map(|mode| mode.parse().ok()).filter(|mode| MODES.contains(mode)).collect();
                for mode in &wanted {
                    self.mode(*mode, end == b'h');
                    pass(&format!("?{mode}"));
                }
            }
            (Some(what), _, b'J' | b'K') if is_numbers(what) => pass(text),
            (Some(_), _, _) => {}
            (None, Some(style), b'q') if is_numbers(style) => {
                self.cursor = true;
                pass(text);
            }
            (None, _, b'm') if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b';' || byte == b':') => {
                self.coloured = !text.bytes().all(|byte| matches!(byte, b'0' | b';'));
                pass(text);
            }
            (None, _, b'h' | b'l') if text == "4" => {
                self.inserts = end == b'h';
                pass(text);
            }
            (None, _, b'r') if is_numbers(text) => {
                self.region = !text.is_empty();
                pass(text);
            }
            (None, _, b'b') if text.is_empty() || text.parse().is_ok_and(|times: u32| times <= MOST_REPEATS) => {
                pass(text);
            }
            (None, _, b's' | b'u') if text.is_empty() => pass(text),
            // What has scrolled away is the person's.
            (None, _, b'J') if text == "3" => {}
            (None, _, b'@'..=b'Z' | b'`' | b'a' | b'd' | b'e' | b'f') if is_numbers(text) && is_drawn(end) => {
                pass(text);
            }
            (None, _, _) => {}
        }
    }

    fn mode(&mut self, mode: u16, on: bool) {
        if on == USUALLY_ON.contains(&mode) {
            self.changed.remove(&mode);
        } else {
            self.changed.insert(mode);
        }
    }
}

/// Of the capitals: cursor movement, erasing, inserting and deleting. Not here: N, O, Q, R, U, V, W, Y, which move
/// nothing on any terminal of today, or are answers.
fn is_drawn(end: u8) -> bool {
    !end.is_ascii_uppercase() || b"ABCDEFGHIJKLMPSTXZ".contains(&end)
}

fn is_numbers(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b';')
}

#[cfg(test)]
mod tests {
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
            (
                "\x1b[H\x1b[2J\x1b[3;4H\x1b[K\x1b[5A\x1b[2L\x1b[P\x1b[4@\x1b[X\x1b[d\x1b[1G\x1b[S\x1b[T\x1bM\x1b7\x1b8",
                "",
            ),
            ("\x1b[1;38;5;196mred", "\x1b[0m"),
            ("\x1b[7mtitle\x1b[27m\x1b[m", ""),
            ("\x1b[?1049h\x1b[?25l\x1b[?1h\x1b=", "\x1b>\x1b[?1l\x1b[?25h\x1b[?1049l"),
            ("\x1b[?1049h\x1b[?1049l\x1b[?25l\x1b[?25h", ""),
            ("\x1b[2;20r", "\x1b7\x1b[?6l\x1b[r\x1b8\x1b[?6l"),
            ("\x1b[?47h\x1b[2;20r", "\x1b[?6l\x1b[r\x1b[?47l"),
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
            (b"\x1b[3g\x1bH\x1b[3J", ""),
            (b"\x1b[99999b\x1b[61\"p\x1b[1;1Q\x1b[R", ""),
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
}
