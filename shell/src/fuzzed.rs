//! What must hold of any bytes that a node sends to be shown on a terminal. The fuzz target `terminal` reads this file and
//! both filters by their paths, because nothing can depend on a binary; the tests below run it on the corpus.
//!
//! **Invariant:** the terminal here knows nothing of the filters: it reads what they wrote as ECMA-48 has it, and panics
//! where it meets what is on no list.

use std::collections::BTreeSet;

use crate::output::Filter;
use crate::screen::Screen;

/// Either filter: a piece, and at the end what takes it back.
type Pass<'a> = (&'a dyn Fn(&[&[u8]]) -> (Vec<u8>, Vec<u8>), usize);

/// More than so many bytes of a terminal for one that came, and so many more at the end, would be a way to drown somebody.
const LINES: usize = 4;
const SCREENS: usize = 4;
const AT_THE_END: usize = 128;

/// As what a program wrote, in a line and on a screen.
pub(crate) fn terminal(bytes: &[u8]) {
    let (shown, end) = checked((&line, LINES), bytes);
    let mut terminal = Terminal::default();
    terminal.read(&shown, Lists::Line);
    terminal.read(&end, Lists::Line);
    assert!(terminal.is_as_before(), "{terminal:?}: {shown:?} {end:?}");

    let (shown, end) = checked((&screen, SCREENS), bytes);
    let mut terminal = Terminal::default();
    terminal.read(&shown, Lists::Screen);
    terminal.read(&end, Lists::Screen);
    assert!(terminal.is_as_before(), "{terminal:?}: {shown:?} {end:?}");
}

fn line(pieces: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
    let (mut filter, mut out, mut end) = (Filter::default(), Vec::new(), Vec::new());
    for piece in pieces {
        filter.pass(piece, &mut out);
    }
    filter.finish(&mut end);
    let mut again = Vec::new();
    filter.finish(&mut again);
    assert!(again.is_empty(), "what has ended has ended");
    (out, end)
}

fn screen(pieces: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
    let (mut screen, mut out, mut end) = (Screen::default(), Vec::new(), Vec::new());
    for piece in pieces {
        screen.pass(piece, &mut out);
    }
    screen.undo(&mut end);
    (out, end)
}

/// What a filter makes of the bytes, which is the same wherever they are cut, and not much more than they are.
fn checked((pass, most): Pass<'_>, bytes: &[u8]) -> (String, String) {
    let whole = pass(&[bytes]);
    for size in [1, 2, 3, 5] {
        assert_eq!(pass(&bytes.chunks(size).collect::<Vec<_>>()), whole, "in pieces of {size}: {bytes:02x?}");
    }
    for cut in (0..bytes.len()).step_by(bytes.len() / 16 + 1) {
        let (before, after) = bytes.split_at(cut);
        assert_eq!(pass(&[before, &[], after]), whole, "cut at {cut}: {bytes:02x?}");
    }
    assert!(whole.0.len() <= most * bytes.len(), "{} of {}: {bytes:02x?}", whole.0.len(), bytes.len());
    assert!(whole.1.len() <= AT_THE_END, "{:?}", whole.1);
    let text = |bytes| String::from_utf8(bytes).expect("what a terminal gets is UTF-8");
    (text(whole.0), text(whole.1))
}

/// What may come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lists {
    Line,
    Screen,
}

/// What stays of what came: nothing of it may, once the end has come too.
#[derive(Debug, Default)]
struct Terminal {
    /// Private modes that are not as they are in a terminal that was made just now.
    modes: BTreeSet<u16>,
    pen: Pen,
    /// With the cursor, `ESC 7` and `CSI s` keep the pen, and so do modes 1048 and 1049.
    saved: Pen,
    inserts: bool,
    keypad: bool,
    region: bool,
    cursor: bool,
}

/// What DEC's terminals keep with a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Pen {
    coloured: bool,
    shifted: bool,
    /// What G0 and G1 hold, where it is not ASCII.
    sets: [Option<char>; 2],
    origin: bool,
}

impl Terminal {
    /// What a terminal's own taste is, and where the cursor is that it keeps, may be otherwise.
    fn is_as_before(&self) -> bool {
        let modes = self.modes.iter().all(|mode| [12, 1048].contains(mode));
        let pens = self.pen == Pen::default() && self.saved == Pen::default();
        modes && pens && !(self.inserts || self.keypad || self.region || self.cursor)
    }

    fn read(&mut self, text: &str, lists: Lists) {
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\u{1b}' => self.escape(&mut chars, lists),
                '\n' | '\t' => {}
                '\r' if lists == Lists::Line => assert!(chars.as_str().starts_with('\n'), "a line is written over"),
                '\r' | '\u{7}' | '\u{8}' => assert!(lists == Lists::Screen, "{c:?} in {text:?}"),
                '\u{e}' | '\u{f}' => {
                    assert!(lists == Lists::Screen, "{c:?} in {text:?}");
                    self.pen.shifted = c == '\u{e}';
                }
                c => assert!(is_seen(c), "{c:?} in {text:?}"),
            }
        }
    }

    fn escape(&mut self, chars: &mut std::str::Chars<'_>, lists: Lists) {
        let first = chars.next().expect("no sequence is left open");
        assert!(first == '[' || lists == Lists::Screen, "ESC {first:?} in a line");
        match first {
            '[' => {
                let text = chars.as_str();
                let end = text.find(|c| !matches!(c, ' '..='?')).expect("no sequence is left open");
                let (begun, behind) = text.split_at(end);
                *chars = behind.chars();
                let last = chars.next().expect("it was found");
                self.control(begun, last, lists);
            }
            '(' | ')' => {
                let set = chars.next().expect("no sequence is left open");
                assert!(matches!(set, '0' | 'A' | 'B'), "ESC {first} {set:?}");
                self.pen.sets[usize::from(first == ')')] = (set != 'B').then_some(set);
            }
            '7' => self.saved = self.pen.clone(),
            '8' => self.pen = self.saved.clone(),
            '=' | '>' => self.keypad = first == '=',
            'D' | 'E' | 'M' => {}
            _ => panic!("ESC {first:?}"),
        }
    }

    fn control(&mut self, begun: &str, last: char, lists: Lists) {
        let shown = format!("CSI {begun:?} {last:?}");
        assert!(begun.len() <= 64, "{shown}");
        let (private, rest) = begun.strip_prefix('?').map_or((false, begun), |rest| (true, rest));
        let numbers: Option<Vec<u64>> =
            rest.split(';').map(|n| if n.is_empty() { Some(0) } else { digits(n) }).collect();
        let Some(numbers) = numbers else { return self.odd(begun, last, lists) };
        if lists == Lists::Line {
            // Concealed and blinking text, and whatever is no colour, is not for a line.
            assert!(last == 'm' && !private && !is_hidden(&numbers), "{shown}");
        }
        let only = || {
            assert!(numbers.len() == 1, "{shown}");
            numbers[0]
        };
        match (private, last) {
            (false, 'm') => self.pen.coloured = numbers.iter().any(|n| *n != 0),
            (true, 'h' | 'l') => self.mode(only(), last == 'h'),
            (false, 'h' | 'l') => {
                assert_eq!(only(), 4, "{shown}");
                self.inserts = last == 'h';
            }
            // What has scrolled out of sight stays; a single `T` scrolls, with more numbers it begins to report the mouse.
            (_, 'J') => assert!(only() <= 2, "{shown}"),
            (true, 'K') => {}
            (false, 'S' | 'T') => assert!(numbers.len() == 1, "{shown}"),
            (false, 'b') => assert!(only() <= 1000, "{shown}"),
            (false, 'r') => self.region = numbers.iter().any(|n| *n != 0),
            (false, 's') => self.saved = self.pen.clone(),
            (false, 'u') => self.pen = self.saved.clone(),
            (false, '@' | 'A'..='I' | 'K'..='M' | 'P' | 'X' | 'Z' | '`' | 'a' | 'd' | 'e' | 'f') => {}
            (_, _) => panic!("{shown}"),
        }
    }

    /// With parts that are no numbers: colours with colons, and the form of the cursor.
    fn odd(&mut self, begun: &str, last: char, lists: Lists) {
        assert!(lists == Lists::Screen, "CSI {begun:?} {last:?}");
        match last {
            'm' => {
                assert!(begun.chars().all(|c| c.is_ascii_digit() || ":;".contains(c)), "{begun:?}");
                self.pen.coloured = true;
            }
            'q' => {
                let style = begun.strip_suffix(' ').unwrap_or_else(|| panic!("CSI {begun:?} q"));
                self.cursor = style.split(';').any(|n| !n.is_empty() && digits(n).unwrap() != 0);
            }
            _ => panic!("CSI {begun:?} {last:?}"),
        }
    }

    fn mode(&mut self, mode: u64, on: bool) {
        let mode = u16::try_from(mode).unwrap();
        let draws = [1, 5, 6, 7, 12, 25, 47, 1047, 1048, 1049, 2004, 2026];
        assert!(draws.contains(&mode), "mode {mode}");
        match mode {
            6 => self.pen.origin = on,
            1048 | 1049 if on => self.saved = self.pen.clone(),
            1048 | 1049 => self.pen = self.saved.clone(),
            _ => {}
        }
        // There is one other screen, by whichever name.
        let mode = if [47, 1047].contains(&mode) { 1049 } else { mode };
        if on == [7, 25].contains(&mode) || mode == 6 {
            self.modes.remove(&mode)
        } else {
            self.modes.insert(mode)
        };
    }
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().unwrap_or(u64::MAX))
}

/// A colour's own numbers are no attributes.
fn is_hidden(numbers: &[u64]) -> bool {
    let mut left = numbers;
    loop {
        left = match left {
            [] => return false,
            [38 | 48, 5, n, rest @ ..] if *n < 256 => rest,
            [38 | 48, 2, _, _, _, rest @ ..] => rest,
            [5 | 6 | 8 | 10..=21 | 26 | 28 | 38 | 48 | 50..=89 | 98 | 99 | 108.., ..] => return true,
            [_, rest @ ..] => rest,
        };
    }
}

/// Unicode 16: it is no control, nothing that directs or orders other text, and not ignored by default.
fn is_seen(c: char) -> bool {
    let is_ignored = matches!(u32::from(c),
        0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f | 0x2028..=0x202e
        | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0x1_bca0..=0x1_bca3
        | 0x1_d173..=0x1_d17a | 0xe_0000..=0xe_0fff);
    !c.is_control() && !is_ignored
}

#[cfg(test)]
mod tests;
