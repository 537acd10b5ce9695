//! What is shown behind the cursor: the most recent line that begins so, or the rest of the only word there can be.

use std::sync::Arc;

use nu_ansi_term::{Color, Style};
use reedline::{History, SearchQuery};

use super::knowledge::Shared;

/// Finds hints.
pub(super) struct Hinter {
    knowledge: Arc<Shared>,
    rest: String,
}

impl Hinter {
    pub(super) fn new(knowledge: Arc<Shared>) -> Self {
        Self { knowledge, rest: String::new() }
    }

    fn rest(&self, line: &str, cursor: usize, history: &dyn History) -> Option<String> {
        if line.trim().is_empty() || cursor != line.len() {
            return None;
        }
        let query = SearchQuery::last_with_prefix(line.to_owned(), history.session());
        let before = history.search(query).ok().and_then(|found| found.into_iter().next());
        match before {
            Some(entry) if entry.command_line.len() > line.len() => Some(entry.command_line[line.len()..].to_owned()),
            Some(_) | None => self.rest_of_word(line, cursor),
        }
    }

    fn rest_of_word(&self, line: &str, cursor: usize) -> Option<String> {
        let (span, found) = self.knowledge.get().candidates(line, cursor)?;
        let [only] = found.as_slice() else { return None };
        only.text.strip_prefix(&line[span]).filter(|rest| !rest.is_empty()).map(str::to_owned)
    }
}

impl reedline::Hinter for Hinter {
    fn handle(&mut self, line: &str, cursor: usize, history: &dyn History, colour: bool, _cwd: &str) -> String {
        // Without colour a hint would look like something that was typed.
        self.rest = if colour { self.rest(line, cursor, history).unwrap_or_default() } else { String::new() };
        if self.rest.is_empty() { String::new() } else { dim().paint(&self.rest).to_string() }
    }

    fn complete_hint(&self) -> String {
        self.rest.clone()
    }

    /// Up to the end of the next word.
    fn next_hint_token(&self) -> String {
        let blanks = self.rest.len() - self.rest.trim_start().len();
        let word = self.rest[blanks..].find(' ').map_or(self.rest.len(), |length| blanks + length);
        self.rest[..word].to_owned()
    }
}

fn dim() -> Style {
    Color::DarkGray.normal()
}

#[cfg(test)]
mod tests {
    use reedline::{FileBackedHistory, Hinter as _, HistoryItem};

    use super::super::knowledge::tests::shared;
    use super::*;

    #[test]
    fn the_most_recent_line_comes_first_then_the_only_word() {
        let mut history = FileBackedHistory::new(10).unwrap();
        for line in ["uname -r", "uname -a", "dmesg -T | tail -5"] {
            history.save(HistoryItem::from_command_line(line)).unwrap();
        }
        let mut hinter = Hinter::new(shared());
        for (line, rest, word) in [
            ("un", "ame -a", "ame"),
            ("dmesg -T", " | tail -5", " |"),
            ("stat", "us", "us"),
            ("h", "", ""),
            ("grep --line-n", "umber", "umber"),
            ("", "", ""),
            ("nothing", "", ""),
        ] {
            hinter.handle(line, line.len(), &history, true, "");
            assert_eq!((hinter.complete_hint(), hinter.next_hint_token()), (rest.into(), word.into()), "{line}");
            assert!(hinter.handle(line, line.len(), &history, false, "").is_empty());
        }
        hinter.handle("un", 1, &history, true, "");
        assert!(hinter.complete_hint().is_empty(), "a hint belongs to the end of the line");
    }
}
