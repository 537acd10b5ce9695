//! Text that fits: broken at blanks, never inside a word.

/// Lines are no shorter than this, whatever the terminal says, and no longer than people like to read.
const NARROWEST: usize = 20;
const WIDEST: usize = 100;

/// Breaks a paragraph for lines that begin behind `indent` blanks. The first line is not indented: something stands
/// there.
pub(super) fn fold(paragraph: &str, indent: usize, columns: u16) -> String {
    let most = usize::from(columns).min(WIDEST).saturating_sub(indent).max(NARROWEST);
    let mut text = String::new();
    let mut used = 0;
    for word in paragraph.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > most {
            text.push_str(&format!("\n{:indent$}", ""));
            used = 0;
        } else if used > 0 {
            text.push(' ');
            used += 1;
        }
        text.push_str(word);
        used += length;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_blanks() {
        for (indent, columns, expected) in [
            (2, 80, "one two three four five six"),
            (2, 22, "one two three four\n  five six"),
            (4, 24, "one two three four\n    five six"),
            // A terminal that is narrower breaks the rest by itself.
            (4, 3, "one two three four\n    five six"),
        ] {
            assert_eq!(fold("one two three four five six", indent, columns), expected, "{indent} {columns}");
        }
        assert_eq!(fold("a-word-that-is-longer-than-a-line b", 0, 20), "a-word-that-is-longer-than-a-line\nb");
        assert_eq!(fold("", 2, 80), "");
    }
}
