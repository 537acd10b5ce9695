//! A line that is refused: the line, a caret, one sentence, what to type instead.

use std::ops::Range;

use nu_ansi_term::Color;

use super::{Style, escape};

/// What is wrong with a line, as the agent or the grammar says it.
#[derive(Clone, Debug)]
pub struct Complaint<'a> {
    /// What was typed.
    pub line: &'a [u8],
    /// The bytes that it is about.
    pub span: Option<Range<usize>>,
    /// `<what>: <why>`.
    pub message: &'a str,
    /// What to do; may be empty.
    pub hint: &'a str,
}

/// Carets for as much of the place as fits; a longer one tells nothing more.
const MOST_CARETS: usize = 40;

/// Several lines of text, each with its newline.
pub fn complain(complaint: &Complaint<'_>, style: Style) -> String {
    let mut text = String::new();
    if let Some(span) = complaint.span.as_ref().filter(|span| span.start <= complaint.line.len()) {
        let (shown, caret) = window(complaint.line, span, usize::from(style.columns.max(20)));
        text.push_str(&format!("  {shown}\n  {}\n", paint(&caret, style)));
    }
    text.push_str(&format!("pact: {}\n", escape(complaint.message.as_bytes())));
    if !complaint.hint.is_empty() {
        text.push_str(&format!("hint: {}\n", escape(complaint.hint.as_bytes())));
    }
    text
}

fn paint(caret: &str, style: Style) -> String {
    if style.colour { Color::Red.bold().paint(caret).to_string() } else { caret.to_owned() }
}

/// The part of the line around the place, and the carets under it.
fn window(line: &[u8], span: &Range<usize>, columns: usize) -> (String, String) {
    let end = span.end.clamp(span.start, line.len());
    let before = escape(&line[..span.start]);
    let place = escape(&line[span.start..end]);
    let after = escape(&line[end..]);
    let room = columns.saturating_sub(4);
    let skip = width(&before).saturating_sub(room / 2);
    let before: String = if skip == 0 { before } else { format!("…{}", tail(&before, skip)) };
    let carets = width(&place).clamp(1, MOST_CARETS);
    let mut shown = format!("{before}{place}{after}");
    if width(&shown) > room {
        shown = format!("{}…", head(&shown, room));
    }
    (shown, format!("{}{}", " ".repeat(width(&before)), "^".repeat(carets.min(room))))
}

/// Columns that a terminal uses; East Asian wide characters take two.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

fn columns(c: char) -> usize {
    let wide = matches!(u32::from(c),
        0x1100..=0x115f | 0x2e80..=0x303e | 0x3041..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd);
    let combining = matches!(u32::from(c), 0x300..=0x36f | 0x1ab0..=0x1aff | 0x20d0..=0x20ff | 0xfe20..=0xfe2f);
    if combining { 0 } else { 1 + usize::from(wide) }
}

fn tail(text: &str, skip: usize) -> String {
    let mut gone = 0;
    text.chars()
        .skip_while(|c| {
            gone += columns(*c);
            gone <= skip
        })
        .collect()
}

fn head(text: &str, keep: usize) -> String {
    let mut used = 0;
    text.chars()
        .take_while(|c| {
            used += columns(*c);
            used < keep
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complain_about(line: &str, span: Range<usize>, columns: u16) -> String {
        let complaint = Complaint { line: line.as_bytes(), span: Some(span), message: "a: b", hint: "do c" };
        complain(&complaint, Style { colour: false, columns })
    }

    #[test]
    fn the_caret_stands_under_the_place() {
        assert_eq!(complain_about("uname ; id", 6..7, 80), "  uname ; id\n        ^\npact: a: b\nhint: do c\n");
        assert_eq!(complain_about("漢 ; id", 4..5, 80), "  漢 ; id\n     ^\npact: a: b\nhint: do c\n");
        assert_eq!(complain_about("a\u{1b}b;", 3..4, 80), "  a^[b;\n      ^\npact: a: b\nhint: do c\n");
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let line = format!("{};{}", "a".repeat(500), "b".repeat(500));
        let text = complain_about(&line, 500..501, 40);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].chars().count() <= 40, "{text}");
        assert_eq!(lines[0].chars().nth(lines[1].chars().count() - 1), Some(';'), "{text}");
    }

    #[test]
    fn a_span_outside_the_line_harms_nobody() {
        assert!(complain_about("abc", 2..99, 80).contains('^'));
        assert!(!complain_about("abc", 50..99, 80).contains('^'));
    }
}
