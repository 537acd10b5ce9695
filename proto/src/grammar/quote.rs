//! Words as they could have been typed: the inverse of parsing.
//!
//! **Not here:** words that are not UTF-8. Nobody can type them; whoever shows them, shows their bytes.

use super::parsed::is_assignment;

/// One word.
pub fn quote(word: &[u8]) -> String {
    let text = String::from_utf8_lossy(word);
    if !text.is_empty() && text.chars().all(is_plain) && !is_assignment(&text) {
        return text.into_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        match c {
            '\'' => quoted.push_str("'\\''"),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

/// A pipeline.
pub fn quote_line<'a>(stages: impl IntoIterator<Item = &'a [Vec<u8>]>) -> String {
    let stage = |words: &[Vec<u8>]| words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
    stages.into_iter().map(stage).collect::<Vec<_>>().join(" | ")
}

/// Means itself at every place of a word.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-./:,+@%^=".contains(c) || (!c.is_ascii() && !c.is_whitespace() && !c.is_control())
}
