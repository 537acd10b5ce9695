//! Case files: text that says what is typed and what comes of it, for people who read no Rust.
//!
//! A case is a line that begins with `> `, or with `x> ` where bytes that no editor shows are written as `\xNN`, `\n`,
//! `\r`, `\t`, `\0`, `\u{NNNN}` and `\\`; what is expected stands below it, up to an empty line. Lines that begin with
//! `#` are for the reader. `BLESS=1` writes what came in place of what was expected.

use std::fmt::Write as _;
use std::path::Path;

/// Runs every case of a file.
pub(crate) fn check(path: &Path, answer: impl Fn(&[u8]) -> String) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(!all_typed(&text).is_empty(), "{}: it holds no case", path.display());
    let mut came = String::new();
    for block in text.split("\n\n") {
        for line in block.trim_matches('\n').lines() {
            if line.starts_with('#') {
                came.push_str(line);
                came.push('\n');
            }
            let Some(typed) = typed(line) else { continue };
            writeln!(came, "{line}\n{}", answer(&typed).trim_end()).unwrap();
        }
        came.push('\n');
    }
    let came = format!("{}\n", came.trim_end());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &came).unwrap();
    }
    compare(path, &text, &came);
}

/// What is typed in the cases of a file, one after the other.
pub(crate) fn all_typed(text: &str) -> Vec<Vec<u8>> {
    text.lines().filter_map(typed).collect()
}

fn typed(line: &str) -> Option<Vec<u8>> {
    match (line.strip_prefix("> "), line.strip_prefix("x> ")) {
        (Some(typed), _) => Some(typed.as_bytes().to_vec()),
        (_, escaped) => escaped.map(unescape),
    }
}

/// Compares a whole file with what came.
pub(crate) fn golden(path: &Path, came: &str) {
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, came).unwrap();
    }
    compare(path, &std::fs::read_to_string(path).unwrap_or_default(), came);
}

fn compare(path: &Path, expected: &str, came: &str) {
    if std::env::var_os("BLESS").is_some() {
        return;
    }
    let differs = expected.lines().zip(came.lines()).position(|(a, b)| a != b);
    let at = differs.unwrap_or_else(|| expected.lines().count().min(came.lines().count()));
    let around = |text: &str| text.lines().skip(at.saturating_sub(3)).take(8).collect::<Vec<_>>().join("\n");
    assert!(
        expected == came,
        "{}, line {}: expected\n{}\n\ncame\n{}\n",
        path.display(),
        at + 1,
        around(expected),
        around(came)
    );
}

/// `\x1b` and its like to bytes.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match chars.next() {
            Some('n') => bytes.push(b'\n'),
            Some('r') => bytes.push(b'\r'),
            Some('t') => bytes.push(b'\t'),
            Some('0') => bytes.push(0),
            Some('\\') => bytes.push(b'\\'),
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            Some('u') => {
                let digits: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
                let c = char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap();
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => panic!("{text}: \\{other:?} is no escape"),
        }
    }
    bytes
}
