//! The prompt: lines are typed, sent, and shown, until somebody leaves.
//!
//! **Invariant:** while a line is typed the agent is listened to; when it goes, so does the prompt.
//! **Not here:** what a line means. `exit` is sent like any other line, so that it is on record, and then obeyed.

mod ask;
mod complete;
mod editor;
mod highlight;
mod hint;
mod history;
mod keys;
mod knowledge;
mod menu;
mod plain;
mod probe;
mod prompt;
mod typeahead;

use std::sync::Arc;

use pact_client::{ClientError, Context, Event, LineForm};
use pact_proto::view::escape;

use crate::cut;
use crate::engine::{Ended, Engine, Reads};
use crate::error::ShellError;
use crate::script::leaves;
use crate::signals::Heard;
use crate::streams::Input;
use crate::terminal;
use ask::{Asker, Question, Questions};
use editor::{Editor, Parts, Typed};
use history::History;
pub(crate) use history::{HistoryError, HistoryFile, path_in};
use knowledge::Shared;
use plain::Plain;
use probe::Answer;
pub(crate) use probe::Probe;
use prompt::Prompt;
use typeahead::Typeahead;

/// Everything of a prompt that does not need the agent.
pub(crate) struct Prepared {
    knowledge: Arc<Shared>,
    source: Source,
    asker: Option<Asker>,
    questions: Questions,
    colour: bool,
    /// Lines that were typed before there was a prompt.
    ahead: Vec<String>,
    /// Why the history is not kept.
    forgets: Option<HistoryError>,
}

/// Where lines come from.
enum Source {
    Editor(Editor),
    Plain(Plain),
}

struct Repl<'a> {
    engine: &'a mut Engine,
    prompt: Prompt,
    knowledge: Arc<Shared>,
    colour: bool,
    source: Source,
    /// For an editor that is still to be made.
    asker: Option<Asker>,
    questions: Questions,
    /// What the agent was asked last, and how often it was asked.
    question: Option<Question>,
    asked: u64,
}

/// Makes what can be made while the agent opens the session: for a terminal that answers, the editor.
pub(crate) async fn prepare(
    probe: Option<Probe>,
    history: Result<Option<HistoryFile>, HistoryError>,
    colour: bool,
    input: Input,
) -> Result<Prepared, ShellError> {
    let answer = match probe {
        Some(probe) => probe.answer(&input).await,
        None => Answer::default(),
    };
    let (file, forgets) = match history {
        Ok(file) => (file, None),
        Err(error) => (None, Some(error)),
    };
    let Typeahead { lines: ahead, begun } = Typeahead::read(&answer.typed);
    let knowledge = Arc::new(Shared::empty());
    let (asker, questions) = ask::channel();
    let mut asker = Some(asker);
    let source = if answer.answers {
        let history = Box::new(|| History::load(file));
        let (knowledge, asker) = (Arc::clone(&knowledge), asker.take());
        Source::Editor(Editor::start(Parts { knowledge, asker, history, colour, begun })?)
    } else {
        terminal::edit_lines();
        let history = History::load(file).map_err(|error| ShellError::Editor(error.to_string()))?;
        Source::Plain(Plain::new(input, history, begun))
    };
    Ok(Prepared { knowledge, source, asker, questions, colour, ahead, forgets })
}

/// Shows prompts until somebody leaves; what to end with.
pub(crate) async fn run(engine: &mut Engine, context: Context, prepared: Prepared) -> Result<u8, ShellError> {
    let Prepared { knowledge, source, asker, questions, colour, ahead, forgets } = prepared;
    if let Some(error) = forgets {
        let why = std::error::Error::source(&error).map_or_else(String::new, |why| format!(": {why}"));
        engine.say_beside(&format!("pact: {}\n", escape(format!("{error}{why}").as_bytes())));
        engine.flush().await?;
    }
    let node = context.node.as_ref();
    let prompt = Prompt::new(node.ok_or_else(|| ClientError::Protocol("a prompt is a node's".to_owned()))?);
    knowledge.replace(context);
    let mut repl = Repl { engine, prompt, knowledge, colour, source, asker, questions, question: None, asked: 0 };
    if let Some(code) = repl.lines(ahead).await? {
        return Ok(code);
    }
    if let Some(code) = repl.typed_ahead().await? {
        return Ok(code);
    }
    repl.converse().await
}

impl Repl<'_> {
    async fn converse(mut self) -> Result<u8, ShellError> {
        loop {
            let over = match self.next().await? {
                Next::Typed(Typed::Line(line)) => self.line(line.into_bytes()).await?,
                Next::Typed(Typed::Bytes(line)) => self.line(line).await?,
                Next::Typed(Typed::Show(text)) => {
                    self.engine.out.say(&text);
                    self.engine.flush().await?;
                    None
                }
                Next::Typed(Typed::Cancelled) => None,
                Next::Typed(Typed::End) => {
                    self.engine.out.say("\n");
                    self.engine.flush().await?;
                    Some(0)
                }
                Next::Typed(Typed::Failed(why)) => return Err(ShellError::Editor(why)),
                Next::Left(code) => Some(code),
            };
            if let Some(code) = over {
                return Ok(code);
            }
            if let Some(code) = self.typed_ahead().await? {
                return Ok(code);
            }
            self = self.with_editor_where_possible()?;
        }
    }

    /// What was typed to programs that had the terminal and did not read it.
    async fn typed_ahead(&mut self) -> Result<Option<u8>, ShellError> {
        loop {
            let unread = self.engine.take_unread();
            if unread.is_empty() {
                return Ok(None);
            }
            // A terminal throws away what was typed before Ctrl-C.
            let ended = unread.iter().rposition(|key| matches!(key, 0x03 | 0x1c)).map_or(0, |at| at + 1);
            let Typeahead { lines, begun } = Typeahead::read(&unread[ended..]);
            if let Some(code) = self.lines(lines).await? {
                return Ok(Some(code));
            }
            self.source.begin_with(begun);
        }
    }

    /// Lines that were typed ahead, as if they were typed now.
    async fn lines(&mut self, lines: Vec<String>) -> Result<Option<u8>, ShellError> {
        for line in lines {
            self.engine.out.say(&format!("{}{}\n", self.prompt.text(), escape(line.as_bytes())));
            if let Some(code) = self.line(line.into_bytes()).await? {
                return Ok(Some(code));
            }
        }
        Ok(None)
    }

    /// One line to its end; a code where the session is over with it.
    async fn line(&mut self, mut line: Vec<u8>) -> Result<Option<u8>, ShellError> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        line.truncate(cut::MOST_SENT);
        let leaves = leaves(&line);
        let ended = self.engine.run(LineForm::Text(line), Reads::Nothing).await?;
        self.prompt.mark(self.engine.marks());
        Ok(match ended {
            Ended::Ran { code: 0, .. } if leaves => Some(0),
            Ended::Ran { interrupted: true, .. } => {
                // A terminal that edits lines has shown the keys itself.
                let keys = if matches!(self.source, Source::Plain(_)) { "\n" } else { "^C\n" };
                self.engine.out.say(keys);
                self.engine.flush().await?;
                None
            }
            Ended::Ran { .. } | Ended::Refused(_) => None,
            Ended::Left(code) => Some(code),
        })
    }

    /// Waits for a line, and listens to the agent meanwhile.
    async fn next(&mut self) -> Result<Next, ShellError> {
        self.show_prompt().await?;
        loop {
            tokio::select! {
                typed = self.source.next() => {
                    // Enter was echoed behind the prompt.
                    self.engine.out.starts_line();
                    return Ok(Next::Typed(typed?));
                }
                Some(question) = self.questions.recv() => self.ask(question).await?,
                event = self.engine.session.incoming.next() => {
                    let heard = match event {
                        Ok(event) => self.heard_agent(event).await,
                        Err(error) => Err(error.into()),
                    };
                    if let Err(error) = heard {
                        self.abandon_prompt().await?;
                        return Err(error);
                    }
                }
                heard = self.engine.signals.next() => match heard {
                    Heard::Leave(code) => {
                        self.abandon_prompt().await?;
                        return Ok(Next::Left(code));
                    }
                    // At an editor these are keys; without one Ctrl-C throws the line away.
                    Heard::Interrupt | Heard::Quit if matches!(self.source, Source::Plain(_)) => {
                        self.source.begin_with(String::new());
                        self.engine.out.say("\n");
                        self.show_prompt().await?;
                    }
                    Heard::Interrupt | Heard::Quit => {}
                },
            }
        }
    }

    /// Passes a question on; what was asked before, nobody waits for any more.
    async fn ask(&mut self, question: Question) -> Result<(), ShellError> {
        self.asked += 1;
        let cursor = u32::try_from(question.cursor).unwrap_or(u32::MAX);
        self.engine.session.outgoing.complete(self.asked, question.line.clone().into_bytes(), cursor).await?;
        self.question = Some(question);
        Ok(())
    }

    async fn heard_agent(&mut self, event: Event) -> Result<(), ShellError> {
        match event {
            Event::Context(context) => self.knowledge.replace(context),
            Event::Notice(text) => self.notify(&text).await?,
            Event::Away | Event::Back => {
                let text = self.engine.away_or_back();
                self.prompt.mark(self.engine.marks());
                self.notify(&text).await?;
            }
            Event::Candidates { id, words } => {
                if let Some(question) = self.question.take_if(|_| id == self.asked) {
                    question.answer(words.into_iter().map(|(word, _)| word).collect());
                }
            }
            Event::Marks(marks) => {
                self.engine.is_marked(marks);
                self.prompt.mark(self.engine.marks());
            }
            // Of a line that has ended.
            Event::Credit(_) => {}
            Event::Accepted { .. } | Event::Refused(_) | Event::Stdout { .. } | Event::Stderr(_) | Event::Exit(_) => {
                let what = "an answer to no line".to_owned();
                return Err(ClientError::Protocol(what).into());
            }
        }
        Ok(())
    }

    /// Tells something while a line is typed.
    async fn notify(&mut self, text: &str) -> Result<(), ShellError> {
        let text = escape(format!("pact: {text}").as_bytes());
        match &self.source {
            Source::Editor(editor) => editor.notify(&text),
            Source::Plain(_) => {
                self.engine.err.say(&format!("\n{text}\n"));
                self.engine.flush().await?;
                self.show_prompt().await?;
            }
        }
        Ok(())
    }

    async fn show_prompt(&mut self) -> Result<(), ShellError> {
        match &mut self.source {
            Source::Editor(editor) => {
                editor.begin(&self.prompt);
                // Made here, while somebody looks at the prompt, the first keystroke finds it there.
                let _made = self.knowledge.get();
                Ok(())
            }
            Source::Plain(plain) => {
                if !self.engine.out.is_at_line_start() {
                    self.engine.out.say("\n");
                }
                self.engine.out.say(&format!("{}{}", self.prompt.text(), escape(plain.begun())));
                self.engine.flush().await
            }
        }
    }

    /// Something else is said now, and it begins a line.
    async fn abandon_prompt(&mut self) -> Result<(), ShellError> {
        terminal::restore();
        self.engine.out.say("\n");
        self.engine.flush().await
    }

    /// A terminal that answered late gets its editor after all.
    fn with_editor_where_possible(mut self) -> Result<Self, ShellError> {
        self.source = match self.source {
            Source::Plain(plain) if plain.may_become_editor() => {
                let history = plain.into_history();
                let parts = Parts {
                    knowledge: Arc::clone(&self.knowledge),
                    asker: self.asker.take(),
                    history: Box::new(|| Ok(history)),
                    colour: self.colour,
                    begun: String::new(),
                };
                Source::Editor(Editor::start(parts)?)
            }
            source @ (Source::Editor(_) | Source::Plain(_)) => source,
        };
        Ok(self)
    }
}

enum Next {
    Typed(Typed),
    Left(u8),
}

impl Source {
    /// The next line begins with what was typed ahead.
    fn begin_with(&mut self, begun: String) {
        match self {
            Self::Editor(editor) => editor.begin_with(begun),
            Self::Plain(plain) => plain.begin_with(begun),
        }
    }

    async fn next(&mut self) -> Result<Typed, ShellError> {
        match self {
            Self::Editor(editor) => Ok(editor.next().await),
            Self::Plain(plain) => plain.next().await.map_err(ShellError::io("standard input")),
        }
    }
}
