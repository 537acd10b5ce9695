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
/// The one of them that keeps the cursor, and what is kept with it.
const KEEPS_CURSOR: u16 = 1049;
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
    region: bool,
    cursor: bool,
    pen: Pen,
    /// Of the cursors that were saved, whichever: a terminal has one for each of its screens.
    saved: Pen,
}

/// What a terminal saves with its cursor, and brings back with it. Each is true where it may not be as usual.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own of a terminal")]
struct Pen {
    shifted: bool,
    /// A character set other than the usual is in G0 or G1.
    drawn_sets: bool,
    coloured: bool,
    /// Rows count from the region's first (mode 6).
    origin: bool,
}

impl Pen {
    fn or(self, other: Self) -> Self {
        Self {
            shifted: self.shifted || other.shifted,
            drawn_sets: self.drawn_sets || other.drawn_sets,
            coloured: self.coloured || other.coloured,
            origin: self.origin || other.origin,
        }
    }

    fn is_unusual(self) -> bool {
        self.shifted || self.drawn_sets || self.coloured || self.origin
    }
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
        if self.inserts {
            say("\x1b[4l");
        }
        if self.keypad {
            say("\x1b>");
        }
        let other_screen = OTHER_SCREEN.into_iter().find(|mode| self.changed.contains(mode));
        let gets_cursor_back = other_screen == Some(KEEPS_CURSOR);
        if self.region {
            // It moves the cursor.
            say(if gets_cursor_back { "\x1b[r" } else { "\x1b7\x1b[r\x1b8" });
        }
        for mode in &self.changed {
            if !(OTHER_SCREEN.contains(mode) || LEFT.contains(mode)) {
                say(&format!("\x1b[?{mode}{}", if USUALLY_ON.contains(mode) { 'h' } else { 'l' }));
            }
        }
        if self.cursor {
            say("\x1b[0 q");
        }
        if let Some(mode) = other_screen {
            say(&format!("\x1b[?{mode}l"));
        }
        // Behind the other screen: with the cursor comes back what was saved with it.
        self.undo_pen(gets_cursor_back, say);
    }

    fn undo_pen(&self, gets_cursor_back: bool, mut say: impl FnMut(&str)) {
        let pen = if gets_cursor_back { self.pen.or(self.saved) } else { self.pen };
        if pen.shifted {
            say("\x0f");
        }
        if pen.drawn_sets {
            say("\x1b(B\x1b)B");
        }
        if pen.coloured {
            say("\x1b[0m");
        }
        if pen.origin {
            // Which moves the cursor to the top, where text is: a prompt is better below it.
            say("\x1b[?6l\x1b[999H");
        }
        // What the next program would bring back.
        if self.saved.is_unusual() || (self.region && pen.is_unusual()) {
            say("\x1b7");
        }
    }

    fn save(&mut self) {
        self.saved = self.saved.or(self.pen);
    }

    fn restore(&mut self) {
        self.pen = self.pen.or(self.saved);
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
                self.pen.shifted = byte == 0x0e;
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
            b'7' | b'8' => {
                if byte == b'7' {
                    self.save();
                } else {
                    self.restore();
                }
                out.extend([0x1b, byte]);
            }
            b'D' | b'E' | b'M' => out.extend([0x1b, byte]),
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
            self.pen.drawn_sets = self.pen.drawn_sets || byte != b'B';
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
            // What has scrolled away is the person's, by whichever spelling.
            (_, _, b'J') if !is_in_sight(text.trim_start_matches('?')) => {}
            (Some(what), _, b'J' | b'K') if is_numbers(what) => pass(text),
            (Some(_), _, _) => {}
            (None, Some(style), b'q') if is_numbers(style) => {
                self.cursor = true;
                pass(text);
            }
            (None, _, b'm') if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b';' || byte == b':') => {
                self.pen.coloured = !text.bytes().all(|byte| matches!(byte, b'0' | b';'));
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
            (None, _, b'b') if is_number(text) && (text.is_empty() || is_at_most(text, MOST_REPEATS)) => pass(text),
            (None, _, b's' | b'u') if text.is_empty() => {
                pass(text);
                if end == b's' { self.save() } else { self.restore() }
            }
            // With more than one number, `T` begins to follow the mouse.
            (None, _, b'S' | b'T') if !is_number(text) => {}
            (None, _, b'@'..=b'Z' | b'`' | b'a' | b'd' | b'e' | b'f') if is_numbers(text) && is_drawn(end) => {
                pass(text);
            }
            (None, _, _) => {}
        }
    }

    fn mode(&mut self, mode: u16, on: bool) {
        match (mode, on) {
            (6, _) => return self.pen.origin = on,
            (1048 | KEEPS_CURSOR, true) => self.save(),
            (1048 | KEEPS_CURSOR, false) => self.restore(),
            (_, _) => {}
        }
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

/// One, or none, which is the usual one.
fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_at_most(text: &str, most: u32) -> bool {
    text.parse().is_ok_and(|number: u32| number <= most)
}

/// Of erasing: up to the cursor, from it, or both; 3 is what has scrolled away.
fn is_in_sight(text: &str) -> bool {
    is_number(text) && (text.is_empty() || is_at_most(text, 2))
}

#[cfg(test)]
mod tests;
