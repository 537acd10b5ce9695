//! The prompt: left `pact:<node>> `, always the same; right what is not as it should be.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use pact_proto::model::NodeName;
use pact_proto::view::escape;
use reedline::{Color, PromptEditMode, PromptHistorySearch};

/// What stands beside the line. Clones show the same marks.
#[derive(Clone, Debug)]
pub(super) struct Prompt {
    left: String,
    marks: Arc<Mutex<Vec<String>>>,
}

impl Prompt {
    pub(super) fn new(node: &NodeName) -> Self {
        Self { left: format!("pact:{node}> "), marks: Arc::default() }
    }

    pub(super) fn text(&self) -> &str {
        &self.left
    }

    /// From now on the right prompt shows these.
    pub(super) fn mark(&self, marks: Vec<String>) {
        *self.marks.lock().unwrap_or_else(PoisonError::into_inner) = marks;
    }

    /// In brackets, each; escaped, because an agent says them.
    fn marked(&self) -> String {
        let marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let shown: Vec<_> = marks.iter().map(|mark| format!("[{}]", escape(mark.as_bytes()))).collect();
        shown.join(" ")
    }
}

impl reedline::Prompt for Prompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.left)
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Owned(self.marked())
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(search `{}`) ", escape(search.term.as_bytes())))
    }

    fn get_prompt_color(&self) -> Color {
        Color::Default
    }

    fn get_indicator_color(&self) -> Color {
        Color::Default
    }
}
