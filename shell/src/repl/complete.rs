//! Tab: what could stand under the cursor.

use std::sync::Arc;

use pact_proto::grammar::quote;
use reedline::{CompletionResult, Span, Suggestion};

use super::knowledge::Shared;

/// Answers reedline.
pub(super) struct Completer(Arc<Shared>);

impl Completer {
    pub(super) fn new(knowledge: Arc<Shared>) -> Self {
        Self(knowledge)
    }
}

impl reedline::Completer for Completer {
    fn complete(&mut self, line: &str, cursor: usize) -> CompletionResult {
        let Some((span, found)) = self.0.get().candidates(line, cursor) else {
            return CompletionResult::fresh(Vec::new());
        };
        let suggestion = |candidate: super::knowledge::Candidate| Suggestion {
            value: quote(candidate.text.as_bytes()),
            description: Some(candidate.about).filter(|about| !about.is_empty()),
            span: Span::new(span.start, span.end),
            append_whitespace: true,
            ..Suggestion::default()
        };
        CompletionResult::fresh(found.into_iter().map(suggestion).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use reedline::Completer as _;

    use super::super::knowledge::tests::shared;
    use super::*;

    #[test]
    fn the_word_under_the_cursor_is_replaced() {
        let result = Completer::new(shared()).complete("uname | gre -i", 11);
        let found: Vec<_> = result.suggestions().iter().map(|s| (s.value.clone(), s.span)).collect();
        assert_eq!(found, [("grep".to_owned(), Span::new(8, 11))]);
        assert!(Completer::new(shared()).complete("uname ; gre", 11).suggestions().is_empty());
    }
}
