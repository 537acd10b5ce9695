//! Tab: what could stand under the cursor.

use std::sync::Arc;

use pact_proto::grammar::quote;
use reedline::{CompletionResult, Span, Suggestion};

use super::ask::Asker;
use super::knowledge::{Candidate, Shared};

/// Answers reedline.
pub(super) struct Completer {
    knowledge: Arc<Shared>,
    asker: Option<Asker>,
}

impl Completer {
    pub(super) fn new(knowledge: Arc<Shared>, asker: Option<Asker>) -> Self {
        Self { knowledge, asker }
    }
}

impl reedline::Completer for Completer {
    fn complete(&mut self, line: &str, cursor: usize) -> CompletionResult {
        let knowledge = self.knowledge.get();
        let Some((span, mut found)) = knowledge.candidates(line, cursor) else {
            return CompletionResult::fresh(Vec::new());
        };
        if let Some(asker) = self.asker.as_mut().filter(|_| knowledge.may_be_path(line, cursor)) {
            found.extend(asker.ask(line, span.start, cursor).into_iter().filter_map(Candidate::of_file));
        }
        let suggestion = |candidate: Candidate| Suggestion {
            append_whitespace: !candidate.text.ends_with('/'),
            value: quote(candidate.text.as_bytes()),
            description: Some(candidate.about).filter(|about| !about.is_empty()),
            span: Span::new(span.start, span.end),
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
        let result = Completer::new(shared(), None).complete("uname | gre -i", 11);
        let found: Vec<_> = result.suggestions().iter().map(|s| (s.value.clone(), s.span)).collect();
        assert_eq!(found, [("grep".to_owned(), Span::new(8, 11))]);
        assert!(Completer::new(shared(), None).complete("uname ; gre", 11).suggestions().is_empty());
    }
}
