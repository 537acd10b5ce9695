//! Rust without what is not code: comments and literals become blanks, so that places stay where they are.
//!
//! **Why:** enough of the lexer to tell `unsafe` from a comment about it; a whole parser would be a dependency for that.

/// The text with comments and literals blanked; line breaks stay.
pub(super) fn only(text: &str) -> String {
    let mut lexer = Lexer { rest: text, code: String::with_capacity(text.len()) };
    while let Some(next) = lexer.rest.chars().next() {
        if !lexer.comment() && !lexer.literal() {
            lexer.keep(next.len_utf8());
        }
    }
    lexer.code
}

/// Blanks modules that are compiled for tests only, to their closing brace.
pub(super) fn without_tests(code: &str) -> String {
    let mut left = code.to_owned();
    let mut from = 0;
    while let Some(found) = left[from..].find("#[cfg(test)]") {
        let at = from + found;
        let after = at + "#[cfg(test)]".len();
        from = after;
        if !left[after..].trim_start().starts_with("mod ") {
            continue;
        }
        let body = left[after..].find(['{', ';']).map(|offset| after + offset);
        let Some(open) = body.filter(|open| left[*open..].starts_with('{')) else { continue };
        let end = closing(&left, open);
        left.replace_range(at..end, &blank(&left[at..end]));
    }
    left
}

/// One after the brace that closes the one at `open`.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return open + offset + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

fn blank(text: &str) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

struct Lexer<'t> {
    rest: &'t str,
    code: String,
}

impl Lexer<'_> {
    fn keep(&mut self, bytes: usize) {
        self.code.push_str(&self.rest[..bytes]);
        self.rest = &self.rest[bytes..];
    }

    fn drop(&mut self, bytes: usize) {
        self.code.push_str(&blank(&self.rest[..bytes]));
        self.rest = &self.rest[bytes..];
    }

    fn comment(&mut self) -> bool {
        if self.rest.starts_with("//") {
            self.drop(self.rest.find('\n').unwrap_or(self.rest.len()));
            return true;
        }
        if !self.rest.starts_with("/*") {
            return false;
        }
        let (mut depth, mut at) = (0_usize, 0);
        while at < self.rest.len() {
            let rest = &self.rest.as_bytes()[at..];
            if rest.starts_with(b"/*") {
                (depth, at) = (depth + 1, at + 2);
            } else if rest.starts_with(b"*/") {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    break;
                }
            } else {
                at += 1;
            }
        }
        self.drop(at);
        true
    }

    fn literal(&mut self) -> bool {
        let length = if self.inside_a_name() { None } else { raw(self.rest) };
        let length = length.or_else(|| quoted(self.rest)).or_else(|| character(self.rest));
        if let Some(length) = length {
            self.drop(length);
        }
        length.is_some()
    }

    /// `r` begins a raw string only where no name is being written.
    fn inside_a_name(&self) -> bool {
        self.code.ends_with(|c: char| c.is_alphanumeric() || c == '_')
    }
}

/// `r"…"`, `r#"…"#`, `br"…"`.
fn raw(rest: &str) -> Option<usize> {
    let after = rest.trim_start_matches(['b', 'c']).strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = body.find(&close).map_or(body.len(), |at| at + close.len());
    Some(rest.len() - body.len() + end)
}

fn quoted(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('"')?;
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            '"' if !escaped => return Some(at + 2),
            _ => escaped = c == '\\' && !escaped,
        }
    }
    Some(rest.len())
}

/// `'x'` and `'\n'`, but not the lifetime `'x`.
fn character(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('\'')?;
    if body.starts_with('\\') {
        return body.char_indices().skip(2).find(|(_, c)| *c == '\'').map(|(at, _)| at + 2);
    }
    let first = body.chars().next()?.len_utf8();
    body[first..].starts_with('\'').then_some(first + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_code_is_blank() {
        for (before, gone, after) in [
            ("a ", "// unsafe", "\nb"),
            ("a ", "/* un /* sa */ fe */", " b"),
            ("f(", "\"unsafe \\\" {\"", ")"),
            ("f(", "r#\"a \" b\"#", ", x)"),
            ("f(", "br\"\\\"", ", x)"),
            ("", "'{'", " 'a: &'a str"),
            ("", "'\\''", " x"),
            ("b", "'{'", " x"),
            ("var", "\"x\"", ""),
            ("r#gen::write()", "", ""),
        ] {
            let text = format!("{before}{gone}{after}");
            assert_eq!(only(&text), format!("{before}{}{after}", " ".repeat(gone.len())), "{text}");
        }
    }

    #[test]
    fn lines_stay_where_they_are() {
        let text = "a\n\"two\nlines\"\n/* three\n\n*/ b\n";
        assert_eq!(only(text).matches('\n').count(), text.matches('\n').count());
        assert_eq!(only(text).len(), text.len());
    }

    #[test]
    fn test_modules_go_and_the_rest_stays() {
        let code = "#[cfg(test)]\nmod tests;\nfn a() { b() }\n#[cfg(test)]\nmod more { fn c() { d() } }\nfn e() {}\n";
        let left = without_tests(code);
        assert!(left.contains("fn a()") && left.contains("fn e()") && !left.contains("fn c()"), "{left}");
        assert_eq!(left.len(), code.len());
    }
}
