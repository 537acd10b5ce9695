//! How many rows of a terminal a text takes.

use super::syntax::width;

/// Of a terminal with so many columns; colours take none.
pub fn rows(text: &[u8], columns: u16) -> usize {
    let columns = usize::from(columns.max(1));
    let text = String::from_utf8_lossy(text);
    text.lines().map(|line| width(&plain(line)).div_ceil(columns).max(1)).sum()
}

/// Without the sequences that colour it.
fn plain(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, behind)| behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_as_a_terminal_breaks_them() {
        for (text, columns, expected) in [
            ("", 80, 0),
            ("one\n", 80, 1),
            ("one\ntwo", 80, 2),
            ("\n\n", 80, 2),
            ("12345", 5, 1),
            ("123456", 5, 2),
            ("\u{1b}[31m12345\u{1b}[0m\n", 5, 1),
            ("漢字漢", 4, 2),
        ] {
            assert_eq!(rows(text.as_bytes(), columns), expected, "{text:?}");
        }
    }
}
