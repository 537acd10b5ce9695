//! What reaches a terminal: an allowlist of text, tab, newline and SGR colours; everything else is shown escaped.
//!
//! **Invariant:** the only ESC that leaves this module begins `ESC [ digits;… m` with parameters that colour text;
//! where a stream is cut into pieces changes nothing.
//! **Why:** a terminal obeys what it is shown. Programs print what others wrote, and a node is less trusted than the
//! terminal that looks at it.
//! **Not here:** pipes and files, which get the bytes as they are.

use pact_proto::view::escape;

/// A CSI sequence longer than this colours nothing.
const MOST_PARAMETERS: usize = 64;
const RESET: &[u8] = b"\x1b[0m";

/// The filter of one stream.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    state: State,
    /// A colour is on.
    coloured: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Text,
    /// A carriage return, which a newline may still follow.
    Return,
    Escape,
    /// `ESC [` and what of its parameters has come.
    Csi(Vec<u8>),
    /// The first bytes of a character.
    Character(Vec<u8>),
}

impl Filter {
    /// Appends to `out` what of `bytes` a terminal may have.
    pub(crate) fn pass(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            self.byte(*byte, out);
        }
    }

    /// The line is over: what was begun is shown, and colours end.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.give_up(out);
        if std::mem::take(&mut self.coloured) {
            out.extend_from_slice(RESET);
        }
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match &mut self.state {
            State::Text => self.text(byte, out),
            State::Return if byte == b'\n' => {
                self.state = State::Text;
                out.extend_from_slice(b"\r\n");
            }
            State::Escape if byte == b'[' => self.state = State::Csi(Vec::new()),
            State::Csi(parameters) if is_parameter(byte) && parameters.len() < MOST_PARAMETERS => parameters.push(byte),
            State::Csi(parameters) if byte == b'm' && colours(parameters) => {
                self.coloured = !is_reset(parameters);
                out.extend_from_slice(b"\x1b[");
                out.append(parameters);
                out.push(b'm');
                self.state = State::Text;
            }
            State::Character(begun) if (0x80..0xc0).contains(&byte) => {
                begun.push(byte);
                self.character(out);
            }
            State::Return | State::Escape | State::Csi(_) | State::Character(_) => {
                self.give_up(out);
                self.text(byte, out);
            }
        }
    }

    fn text(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'\t' | b'\n' | 0x20..=0x7e => out.push(byte),
            b'\r' => self.state = State::Return,
            0x1b => self.state = State::Escape,
            0xc2..=0xf4 => self.state = State::Character(vec![byte]),
            _ => show(&[byte], out),
        }
    }

    /// A character that is whole is shown; one that cannot become any is escaped as far as it went wrong.
    fn character(&mut self, out: &mut Vec<u8>) {
        let State::Character(begun) = &mut self.state else { return };
        let wrong = match std::str::from_utf8(begun) {
            Ok(_) => begun.len(),
            Err(error) => match error.error_len() {
                None => return,
                Some(length) => length,
            },
        };
        let begun = std::mem::take(begun);
        self.state = State::Text;
        show(&begun[..wrong], out);
        for byte in &begun[wrong..] {
            self.byte(*byte, out);
        }
    }

    /// Shows what was held back for a sequence that did not come.
    fn give_up(&mut self, out: &mut Vec<u8>) {
        match std::mem::take(&mut self.state) {
            State::Text => {}
            State::Return => show(b"\r", out),
            State::Escape => show(b"\x1b", out),
            State::Csi(parameters) => {
                show(b"\x1b[", out);
                show(&parameters, out);
            }
            State::Character(begun) => show(&begun, out),
        }
    }
}

fn show(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(escape(bytes).as_bytes());
}

fn is_parameter(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b';'
}

fn is_reset(parameters: &[u8]) -> bool {
    parameters.iter().all(|byte| matches!(byte, b'0' | b';'))
}

/// Whether these parameters of SGR change how text looks, and hide none: 8 conceals, and is refused.
fn colours(parameters: &[u8]) -> bool {
    let text = std::str::from_utf8(parameters).unwrap_or_default();
    let numbers: Option<Vec<u8>> =
        text.split(';').map(|number| if number.is_empty() { Some(0) } else { number.parse().ok() }).collect();
    let Some(mut left) = numbers.as_deref() else { return false };
    loop {
        left = match left {
            [] => return true,
            [38 | 48, 5, _, rest @ ..] | [38 | 48, 2, _, _, _, rest @ ..] => rest,
            [0..=4 | 7 | 9 | 22..=24 | 27 | 29 | 30..=37 | 39..=47 | 49 | 90..=97 | 100..=107, rest @ ..] => rest,
            _ => return false,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filtered(pieces: &[&[u8]]) -> String {
        let (mut filter, mut out) = (Filter::default(), Vec::new());
        for piece in pieces {
            filter.pass(piece, &mut out);
        }
        filter.finish(&mut out);
        String::from_utf8(out).expect("what a terminal gets is UTF-8")
    }

    #[test]
    fn a_terminal_gets_text_and_colours() {
        for (bytes, shown) in [
            (&b"plain\ttext\n"[..], "plain\ttext\n"),
            (b"dos\r\n", "dos\r\n"),
            (b"rm -rf /\rls", "rm -rf /^Mls"),
            (b"\r\r\n", "^M\r\n"),
            (b"at the end\r", "at the end^M"),
            (b"\x1b[31mred\x1b[0m", "\u{1b}[31mred\u{1b}[0m"),
            (b"\x1b[1;38;5;196mred", "\u{1b}[1;38;5;196mred\u{1b}[0m"),
            (b"\x1b[38;2;1;2;3mx\x1b[m", "\u{1b}[38;2;1;2;3mx\u{1b}[m"),
            (b"\x1b[8mhidden", "^[[8mhidden"),
            (b"\x1b[38;5m", "^[[38;5m"),
            (b"\x1b[2J\x1b[H", "^[[2J^[[H"),
            (b"\x1b[6n\x1b[c\x1b[>1m\x1b[?25l", "^[[6n^[[c^[[>1m^[[?25l"),
            (b"\x1b]52;c;aGk=\x07", "^[]52;c;aGk=^G"),
            (b"\x1bP$q\x1b\\", "^[P$q^[\\"),
            (b"\x1b\x1b[31mx", "^[\u{1b}[31mx\u{1b}[0m"),
            (b"\x1b[", "^[["),
            (b"\x1b", "^["),
            (b"\x08\x0b\x0c\x00\x7f\x05\x0e", "^H^K^L^@^?^E^N"),
            ("é 漢 😀\n".as_bytes(), "é 漢 😀\n"),
            ("\u{9b}31m\u{202e}x\u{200b}".as_bytes(), "\\u{9b}31m\\u{202e}x\\u{200b}"),
            (b"\x9b31m\xff\xc3(\xe6\xbc", "\\x9b31m\\xff\\xc3(\\xe6\\xbc"),
            (b"\xf0\x80\x80\x80", "\\xf0\\x80\\x80\\x80"),
            (b"\xe6\x1b[2J", "\\xe6^[[2J"),
        ] {
            assert_eq!(filtered(&[bytes]), shown, "{bytes:?}");
        }
    }

    #[test]
    fn a_sequence_that_never_ends_is_not_kept_for_ever() {
        let long = [b"\x1b[".to_vec(), vec![b'1'; 1000], b"m".to_vec()].concat();
        assert_eq!(filtered(&[&long]), format!("^[[{}m", "1".repeat(1000)));
    }

    /// Every ESC begins an SGR sequence, and nothing else is a control byte but tab and newline.
    fn is_harmless(text: &str) -> bool {
        let mut left = text;
        while let Some(c) = left.chars().next() {
            if let Some(sequence) = left.strip_prefix("\u{1b}[") {
                let Some((parameters, rest)) = sequence.split_once('m') else { return false };
                if !parameters.bytes().all(is_parameter) {
                    return false;
                }
                left = rest;
                continue;
            }
            left = &left[c.len_utf8()..];
            let fits = match c {
                '\n' | '\t' => true,
                '\r' => left.starts_with('\n'),
                c => pact_proto::view::is_plain(c),
            };
            if !fits {
                return false;
            }
        }
        true
    }

    /// Bytes that are likely to mean something to a terminal.
    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            Just(b"\x1b[".to_vec()),
            Just(b"\x1b]0;".to_vec()),
            Just(b"31m".to_vec()),
            Just(b"\r\n".to_vec()),
            Just("漢\u{9b}\u{202e}".as_bytes().to_vec()),
        ];
        prop::collection::vec(piece, 0..64).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn whatever_comes_is_harmless(bytes in hostile()) {
            let shown = filtered(&[&bytes]);
            prop_assert!(is_harmless(&shown), "{shown:?}");
        }

        #[test]
        fn text_is_unchanged(text in "[ -~\\t\\né漢]*") {
            prop_assert_eq!(filtered(&[text.as_bytes()]), text);
        }

        #[test]
        fn where_it_is_cut_changes_nothing(bytes in hostile(), cut in any::<prop::sample::Index>()) {
            let (before, after) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(filtered(&[before, after]), filtered(&[&bytes]));
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(filtered(&single), filtered(&[&bytes]));
        }
    }
}
