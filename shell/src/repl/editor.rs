//! The line editor, on a thread of its own: reedline waits for keys while the session listens to the agent.
//!
//! **Invariant:** it reads one line when it is told to, so that what is typed while a line runs waits for the prompt.

use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender, channel};
use std::thread::Builder;

use pact_proto::view::escape;
use reedline::{EditCommand, ExternalPrinter, Reedline, ReedlineMenu, Signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::ask::Asker;
use super::complete::Completer;
use super::highlight::Highlighter;
use super::hint::Hinter;
use super::history::{History, listing};
use super::keys::{MENU, edit_mode};
use super::knowledge::{HISTORY, Shared};
use super::menu::Choices;
use super::prompt::Prompt;
use crate::error::ShellError;
use crate::terminal;

/// What came from the prompt.
#[derive(Debug)]
pub(super) enum Typed {
    /// A line, as it was submitted.
    Line(String),
    /// A line that is no text, for the agent to refuse and record.
    Bytes(Vec<u8>),
    /// Something to show that was asked for here.
    Show(String),
    /// Ctrl-C: the line was thrown away.
    Cancelled,
    /// Ctrl-D, or the terminal's end.
    End,
    /// The editor failed.
    Failed(String),
}

impl Typed {
    fn failed(error: &impl std::fmt::Display) -> Self {
        Self::Failed(escape(error.to_string().as_bytes()))
    }
}

/// What an editor is made from.
pub(super) struct Parts {
    pub(super) knowledge: Arc<Shared>,
    /// Who asks the node; there is one.
    pub(super) asker: Option<Asker>,
    /// Makes the history, on the editor's own thread.
    pub(super) history: Box<dyn FnOnce() -> reedline::Result<History> + Send>,
    pub(super) colour: bool,
    /// What was typed before the first prompt.
    pub(super) begun: String,
}

/// The session's end of it.
pub(super) struct Editor {
    go: Sender<(Prompt, String)>,
    /// What the next line begins with.
    begun: String,
    typed: UnboundedReceiver<Typed>,
    printer: SyncSender<String>,
    reads: bool,
}

impl Editor {
    pub(super) fn start(parts: Parts) -> Result<Self, ShellError> {
        let printer = ExternalPrinter::default();
        let sender = printer.sender();
        let (go, told) = channel();
        let (lines, typed) = unbounded_channel();
        let work = move || read(parts, printer, &told, &lines);
        terminal::leave_keys_to_editor();
        Builder::new().name("prompt".to_owned()).spawn(work).map_err(ShellError::io("prompt"))?;
        Ok(Self { go, begun: String::new(), typed, printer: sender, reads: false })
    }

    /// Shows the prompt, unless it stands there already.
    pub(super) fn begin(&mut self, prompt: &Prompt) {
        if !self.reads {
            terminal::will_be_edited();
            // A thread that has gone says so by its other end.
            let _gone = self.go.send((prompt.clone(), std::mem::take(&mut self.begun)));
            self.reads = true;
        }
    }

    /// The next line begins with this.
    pub(super) fn begin_with(&mut self, begun: String) {
        self.begun = begun;
    }

    /// The next line. Dropping this before it is ready loses nothing: the editor goes on.
    pub(super) async fn next(&mut self) -> Typed {
        let typed = self.typed.recv().await;
        self.reads = false;
        typed.unwrap_or_else(|| Typed::Failed("it ended".to_owned()))
    }

    /// Shows something above the line that is being typed.
    pub(super) fn notify(&self, text: &str) {
        // More than fits while somebody types is more than anybody reads.
        let _full = self.printer.try_send(text.to_owned());
    }
}

fn read(
    parts: Parts,
    printer: ExternalPrinter<String>,
    told: &std::sync::mpsc::Receiver<(Prompt, String)>,
    lines: &UnboundedSender<Typed>,
) {
    let knowledge = Arc::clone(&parts.knowledge);
    let mut editor = match editor(parts, printer) {
        Ok(editor) => editor,
        Err(error) => {
            let _gone = lines.send(Typed::failed(&error));
            return;
        }
    };
    let mut is_first = true;
    while let Ok((prompt, begun)) = told.recv() {
        if std::mem::take(&mut is_first) {
            // What may be named is known by now.
            editor = editor.with_abbreviations(knowledge.get().abbreviations());
        }
        // Without it, the lines of other sessions come later.
        let _later = editor.sync_history();
        if !begun.is_empty() {
            editor.run_edit_commands(&[EditCommand::InsertString(begun)]);
        }
        let typed = match editor.read_line(&prompt) {
            Ok(Signal::Success(line)) if line.trim() == HISTORY => Typed::Show(listing(&kept(&editor))),
            Ok(Signal::Success(line)) => Typed::Line(line),
            Ok(Signal::CtrlC) => Typed::Cancelled,
            Ok(Signal::CtrlD) => Typed::End,
            Ok(_) => Typed::Cancelled,
            Err(error) => Typed::failed(&error),
        };
        if lines.send(typed).is_err() {
            return;
        }
    }
}

fn kept(editor: &Reedline) -> Vec<String> {
    let every = reedline::SearchQuery::everything(reedline::SearchDirection::Forward, None);
    let found = editor.history().search(every).unwrap_or_default();
    found.into_iter().map(|item| item.command_line).collect()
}

fn editor(parts: Parts, printer: ExternalPrinter<String>) -> reedline::Result<Reedline> {
    let Parts { knowledge, asker, history, colour, begun } = parts;
    let mut editor = Reedline::create()
        .with_history(Box::new(history()?))
        .with_highlighter(Box::new(Highlighter::new(Arc::clone(&knowledge), colour)))
        .with_hinter(Box::new(Hinter::new(Arc::clone(&knowledge))))
        .with_completer(Box::new(Completer::new(knowledge, asker)))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(Choices::new(MENU))))
        .with_quick_completions(true)
        .with_partial_completions(true)
        .with_edit_mode(edit_mode())
        .with_ansi_colors(colour)
        .use_bracketed_paste(true)
        .with_external_printer(printer);
    if !begun.is_empty() {
        editor.run_edit_commands(&[EditCommand::InsertString(begun)]);
    }
    Ok(editor)
}
