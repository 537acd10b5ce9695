//! The prompt: lines are typed, sent, and shown, until somebody leaves.
//!
//! **Invariant:** while a line is typed the agent is listened to; when it goes, so does the prompt.
//! **Not here:** what a line means. `exit` is sent like any other line, so that it is on record, and then obeyed.

mod complete;
mod editor;
mod highlight;
mod hint;
mod history;
mod keys;
mod knowledge;
mod plain;
mod probe;
mod prompt;
mod typeahead;

use std::sync::Arc;

use pact_client::{Context, Event, LineForm};
use pact_proto::view::escape;

use crate::engine::{Ended, Engine};
use crate::error::ShellError;
use crate::script::{MOST_SENT, leaves};
use crate::signals::Heard;
use crate::streams::Input;
use crate::terminal;
use editor::{Editor, Parts, Typed};
use history::History;
pub(crate) use history::{HistoryError, HistoryFile, path_in};
use knowledge::Shared;
use plain::Plain;
pub(crate) use probe::{Answer, Probe};
use prompt::Prompt;
use typeahead::Typeahead;

/// What a prompt begins with.
pub(crate) struct Beginning {
    pub(crate) context: Context,
    pub(crate) history: Result<Option<HistoryFile>, HistoryError>,
    pub(crate) answer: Answer,
    pub(crate) colour: bool,
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
    size: Option<(u16, u16)>,
}

/// Shows prompts until somebody leaves; what to end with.
pub(crate) async fn run(engine: &mut Engine, beginning: Beginning) -> Result<u8, ShellError> {
    let Beginning { context, history, answer, colour } = beginning;
    let prompt = Prompt::new(&context.node);
    let knowledge = Arc::new(Shared::new(context));
    let file = match history {
        Ok(file) => file,
        Err(error) => {
            let why = std::error::Error::source(&error).map_or_else(String::new, |why| format!(": {why}"));
            engine.say_beside(&format!("pact: {}\n", escape(format!("{error}{why}").as_bytes())));
            None
        }
    };
    let history = History::load(file).map_err(|error| ShellError::Editor(error.to_string()))?;
    let Typeahead { lines, begun } = Typeahead::read(&answer.typed);
    let source = if answer.answers {
        let parts = Parts { prompt: prompt.clone(), knowledge: Arc::clone(&knowledge), history, colour, begun };
        Source::Editor(Editor::start(parts)?)
    } else {
        let input = Input::open().map_err(ShellError::io("standard input"))?;
        Source::Plain(Plain::new(input, history, begun))
    };
    let mut repl = Repl { engine, prompt, knowledge, colour, source, size: terminal::size() };
    for line in lines {
        repl.engine.out.say(&format!("{}{}\n", repl.prompt.text(), escape(line.as_bytes())));
        if let Some(code) = repl.line(line.into_bytes()).await? {
            return Ok(code);
        }
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
            self = self.with_editor_where_possible()?;
        }
    }

    /// One line to its end; a code where the session is over with it.
    async fn line(&mut self, mut line: Vec<u8>) -> Result<Option<u8>, ShellError> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        let size = terminal::size();
        if let (true, Some((columns, rows))) = (size != self.size, size) {
            self.engine.session.outgoing.resize(columns, rows).await?;
            self.engine.style.columns = columns;
            self.size = size;
        }
        line.truncate(MOST_SENT);
        let leaves = leaves(&line);
        Ok(match self.engine.run(LineForm::Text(line), None).await? {
            Ended::Ran { code: 0, .. } if leaves => Some(0),
            Ended::Ran { .. } | Ended::Refused(_) => None,
            Ended::Left(code) => Some(code),
        })
    }

    /// Waits for a line, and listens to the agent meanwhile.
    async fn next(&mut self) -> Result<Next, ShellError> {
        self.show_plain_prompt().await?;
        loop {
            tokio::select! {
                typed = self.source.next() => return Ok(Next::Typed(typed?)),
                event = self.engine.session.incoming.next() => match event {
                    Ok(event) => self.heard_agent(event).await?,
                    Err(error) => {
                        self.abandon_prompt().await?;
                        return Err(error.into());
                    }
                },
                heard = self.engine.signals.next() => match heard {
                    Heard::Leave(code) => {
                        self.abandon_prompt().await?;
                        return Ok(Next::Left(code));
                    }
                    // At an editor these are keys; without one Ctrl-C throws the line away.
                    Heard::Interrupt | Heard::Quit if matches!(self.source, Source::Plain(_)) => {
                        self.engine.out.say("\n");
                        self.show_plain_prompt().await?;
                    }
                    Heard::Interrupt | Heard::Quit => {}
                },
            }
        }
    }

    async fn heard_agent(&mut self, event: Event) -> Result<(), ShellError> {
        match event {
            Event::Context(context) => self.knowledge.replace(context),
            Event::Notice(text) => {
                let text = escape(format!("pact: {text}").as_bytes());
                match &self.source {
                    Source::Editor(editor) => editor.notify(&text),
                    Source::Plain(_) => {
                        self.engine.err.say(&format!("\n{text}\n"));
                        self.engine.flush().await?;
                        self.show_plain_prompt().await?;
                    }
                }
            }
            // Of a line that has ended, or for a right prompt that does not exist yet.
            Event::Credit(_) | Event::Candidates { .. } | Event::Marks(_) => {}
            Event::Accepted { .. } | Event::Refused(_) | Event::Stdout(_) | Event::Stderr(_) | Event::Exit(_) => {
                let what = "an answer to no line".to_owned();
                return Err(pact_client::ClientError::Protocol(what).into());
            }
        }
        Ok(())
    }

    async fn show_plain_prompt(&mut self) -> Result<(), ShellError> {
        if let Source::Plain(plain) = &self.source {
            if !self.engine.out.is_at_line_start() {
                self.engine.out.say("\n");
            }
            let text = format!("{}{}", self.prompt.text(), escape(plain.begun()));
            self.engine.out.say(&text);
            self.engine.flush().await?;
        }
        Ok(())
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
                let parts = Parts {
                    prompt: self.prompt.clone(),
                    knowledge: Arc::clone(&self.knowledge),
                    history: plain.into_history(),
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
    async fn next(&mut self) -> Result<Typed, ShellError> {
        match self {
            Self::Editor(editor) => Ok(editor.next().await),
            Self::Plain(plain) => plain.next().await.map_err(ShellError::io("standard input")),
        }
    }
}
