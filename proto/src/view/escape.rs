//! How bytes that nobody vouches for are shown.

/// A character that means nothing but itself to a terminal and hides nothing.
pub fn is_plain(c: char) -> bool {
    !c.is_control() && !is_invisible(c)
}

/// Control sequences as `^[`, other oddities as `\u{…}` and `\xNN`; the rest as it is.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push(&mut text, c);
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

fn push(text: &mut String, c: char) {
    match c {
        '\u{0}'..='\u{1f}' => {
            text.push('^');
            text.push(char::from(c as u8 + 0x40));
        }
        '\u{7f}' => text.push_str("^?"),
        c if is_plain(c) => text.push(c),
        c => text.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
    }
}

/// Bidirectional controls, zero-width characters, tags and the like: what Unicode ignores by default, and what ends lines
/// and annotations.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_a_terminal_that_means_something_to_it() {
        assert_eq!(escape(b"a\x1b[2Jb\r\n\x7f"), "a^[[2Jb^M^J^?");
        assert_eq!(escape("x\u{9b}y\u{202e}z\u{200b}".as_bytes()), "x\\u{9b}y\\u{202e}z\\u{200b}");
        assert_eq!(escape("a\u{34f}\u{180b}\u{1d173}".as_bytes()), "a\\u{34f}\\u{180b}\\u{1d173}");
        assert_eq!(escape(b"\xff\xfeok"), "\\xff\\xfeok");
        assert_eq!(escape("é 漢 |".as_bytes()), "é 漢 |");
    }
}
