//! The prompt: `pact:<node>> `, always the same.

use std::borrow::Cow;

use pact_proto::model::NodeName;
use reedline::{Color, PromptEditMode, PromptHistorySearch};

/// Left what the specification says, right nothing yet.
#[derive(Clone, Debug)]
pub(super) struct Prompt(String);

impl Prompt {
    pub(super) fn new(node: &NodeName) -> Self {
        Self(format!("pact:{node}> "))
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl reedline::Prompt for Prompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(search `{}`) ", pact_proto::view::escape(search.term.as_bytes())))
    }

    fn get_prompt_color(&self) -> Color {
        Color::Default
    }

    fn get_indicator_color(&self) -> Color {
        Color::Default
    }
}
