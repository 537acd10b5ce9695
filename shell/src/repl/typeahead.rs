//! What was typed before there was a prompt, as the terminal would have edited it.

/// Whole lines, and the one that is begun.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Typeahead {
    pub(super) lines: Vec<String>,
    pub(super) begun: String,
}

impl Typeahead {
    /// Reads keys: text, Enter, Backspace, Ctrl-U and Ctrl-C. Other keys need a line that is seen.
    pub(super) fn read(typed: &[u8]) -> Self {
        let mut ahead = Self::default();
        let text = String::from_utf8_lossy(typed);
        let mut keys = text.chars();
        while let Some(key) = keys.next() {
            match key {
                '\r' | '\n' => ahead.lines.push(std::mem::take(&mut ahead.begun)),
                '\u{7f}' | '\u{8}' => drop(ahead.begun.pop()),
                '\u{15}' | '\u{3}' => ahead.begun.clear(),
                '\u{1b}' => skip_sequence(&mut keys),
                key if key.is_control() => {}
                key => ahead.begun.push(key),
            }
        }
        ahead
    }
}

/// The rest of a key that is a sequence: an arrow, for one.
fn skip_sequence(keys: &mut std::str::Chars<'_>) {
    let mut ahead = keys.clone();
    if matches!(ahead.next(), Some('[' | 'O')) {
        *keys = ahead;
        let _last = keys.find(|key| !(key.is_ascii_digit() || *key == ';'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_lines() {
        for (typed, lines, begun) in [
            (&b"uname\rdf -h\rst"[..], &["uname", "df -h"][..], "st"),
            (b"unx\x7fame", &[], "uname"),
            (b"rm\x15df\x03\x1b[A\x1bOPps\x07\t", &[], "ps"),
            (b"\x7f\r", &[""], ""),
            ("é\u{7f}漢".as_bytes(), &[], "漢"),
            (b"", &[], ""),
        ] {
            let ahead = Typeahead::read(typed);
            assert_eq!(
                (ahead.lines.as_slice(), ahead.begun.as_str()),
                (&lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>()[..], begun),
                "{typed:?}"
            );
        }
    }
}
