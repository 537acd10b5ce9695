//! What is wrong with a text in TOML, and where.
//!
//! **Invariant:** the text itself is never quoted: whoever reads the complaint may not be whoever may read the file.

/// The line, from 1, and what is wrong there.
pub fn wrong(text: &str, error: &toml_edit::de::Error) -> (usize, String) {
    let before = error.span().and_then(|span| text.get(..span.start));
    (before.map_or(1, |before| before.matches('\n').count() + 1), error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_named_and_the_text_is_not() {
        let text = "name = \"x\"\n\nsecret = 7\n";
        let error = toml_edit::de::from_str::<std::collections::BTreeMap<String, String>>(text).unwrap_err();
        let (line, what) = wrong(text, &error);
        assert_eq!(line, 3);
        assert!(!what.contains("secret"), "{what}");
    }
}
