//! What the node is asked while somebody types: which files could be meant.
//!
//! **Invariant:** the editor waits 150 ms at most, and then goes on without an answer; one that comes later is thrown
//! away. What was answered is not asked again while the same word grows.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long a key may take.
const PATIENCE: Duration = Duration::from_millis(150);
/// An agent that has more leaves some out.
const WHOLE: usize = 200;
/// Files come and go.
const FRESH: Duration = Duration::from_secs(2);

/// What could stand at `cursor` of `line`?
pub(super) struct Question {
    pub(super) line: String,
    pub(super) cursor: usize,
    answer: SyncSender<Vec<Vec<u8>>>,
}

impl Question {
    /// Whoever asked may have given up.
    pub(super) fn answer(self, words: Vec<Vec<u8>>) {
        let _late = self.answer.send(words);
    }
}

/// The editor's end.
pub(super) struct Asker {
    questions: UnboundedSender<Question>,
    last: Option<Answered>,
}

/// The session's end.
pub(super) type Questions = UnboundedReceiver<Question>;

struct Answered {
    /// The line before the word, and the word.
    before: String,
    word: String,
    words: Vec<String>,
    /// None was left out.
    is_whole: bool,
    at: Instant,
}

/// Both ends.
pub(super) fn channel() -> (Asker, Questions) {
    let (asks, questions) = unbounded_channel();
    (Asker { questions: asks, last: None }, questions)
}

impl Asker {
    /// Words that could stand in place of the one from `start` to `cursor`. Names that cannot be typed are left out.
    pub(super) fn ask(&mut self, line: &str, start: usize, cursor: usize) -> Vec<String> {
        let (Some(before), Some(word)) = (line.get(..start), line.get(start..cursor)) else { return Vec::new() };
        if let Some(last) = self.last.as_ref().filter(|last| last.holds_for(before, word)) {
            return last.words.iter().filter(|known| known.starts_with(word)).cloned().collect();
        }
        let Some(answer) = self.send(line, cursor) else { return Vec::new() };
        let Ok(words) = answer.recv_timeout(PATIENCE) else { return Vec::new() };
        let is_whole = words.len() < WHOLE;
        let words: Vec<String> = words.into_iter().filter_map(|word| String::from_utf8(word).ok()).collect();
        let (before, word) = (before.to_owned(), word.to_owned());
        self.last = Some(Answered { before, word, words: words.clone(), is_whole, at: Instant::now() });
        words
    }

    fn send(&self, line: &str, cursor: usize) -> Option<Receiver<Vec<Vec<u8>>>> {
        let (answer, answered) = sync_channel(1);
        let question = Question { line: line.to_owned(), cursor, answer };
        self.questions.send(question).ok().map(|()| answered)
    }
}

impl Answered {
    /// The same directory, all of what was in it, and no quotes, which make a word of other bytes.
    fn holds_for(&self, before: &str, word: &str) -> bool {
        let grown = word.strip_prefix(&self.word).filter(|_| self.before == before);
        grown.is_some_and(|grown| !grown.contains(['/', '\'', '"', '\\']))
            && !self.word.contains(['\'', '"', '\\'])
            && self.is_whole
            && self.at.elapsed() < FRESH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_grows_is_asked_for_once() {
        let (mut asker, mut questions) = channel();
        let answers = std::thread::spawn(move || {
            let mut lines = Vec::new();
            while let Some(question) = questions.blocking_recv() {
                lines.push(question.line.clone());
                question.answer(vec![b"/etc/passwd".to_vec(), b"/etc/profile".to_vec(), vec![0xff]]);
            }
            lines
        });
        assert_eq!(asker.ask("cat /etc/p", 4, 10), ["/etc/passwd", "/etc/profile"]);
        assert_eq!(asker.ask("cat /etc/pr", 4, 11), ["/etc/profile"]);
        assert_eq!(asker.ask("cat /etc/", 4, 9).len(), 2);
        assert_eq!(asker.ask("cat /etc/p/", 4, 11).len(), 2);
        assert_eq!(asker.ask("ls /etc/p/", 3, 10).len(), 2);
        drop(asker);
        assert_eq!(answers.join().unwrap(), ["cat /etc/p", "cat /etc/", "cat /etc/p/", "ls /etc/p/"]);
    }

    #[test]
    fn nobody_waits_for_an_answer_that_does_not_come() {
        let (mut asker, questions) = channel();
        let begun = Instant::now();
        assert_eq!(asker.ask("cat /", 4, 5), Vec::<String>::new());
        assert!(begun.elapsed() >= PATIENCE);
        drop(questions);
        assert_eq!(asker.ask("cat /", 4, 5), Vec::<String>::new());
    }
}
