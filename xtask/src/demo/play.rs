//! A script, played on a terminal against the real programs.
//!
//! **Invariant:** a line is typed when the prompt is there, and what it showed is everything between it and the next
//! prompt; an expectation that does not hold is a failure with its line, and so is a prompt that does not come.

use std::process::Command;
use std::time::{Duration, Instant};

use super::script::{Prompt, Script, Step};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::node::NAME;
use crate::say::show;
use crate::stage::Stage;
use crate::terminal::Terminal;

/// A line that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// High enough that a whole conversation stays on the screen, so that nothing is lost by scrolling.
const ROWS: u16 = 600;
const COLUMNS: u16 = 110;

/// Plays it and prints the conversation; what was expected and did not come.
pub(super) fn play(script: &Script, stage: &Stage, interrupt: &Interrupt) -> Result<Vec<String>> {
    let mut player = Player { stage, interrupt, session: None, shown: String::new(), failures: Vec::new() };
    for (line, step) in &script.steps {
        player.take(*line, step)?;
    }
    Ok(player.failures)
}

struct Player<'s> {
    stage: &'s Stage,
    interrupt: &'s Interrupt,
    session: Option<Session>,
    /// What the last line showed.
    shown: String,
    failures: Vec<String>,
}

impl Player<'_> {
    fn take(&mut self, line: usize, step: &Step) -> Result<()> {
        match step {
            Step::LogIn(account) => {
                let command = self.stage.node.pact_on_terminal(*account, &[]);
                self.open(line, &format!("{} logs in", account.name()), command, None)?;
            }
            Step::SitDown(account) => {
                let workstation = self.stage.workstation(*account)?;
                let said = format!("{} is at a workstation", account.name());
                self.open(line, &said, workstation.shell_on_terminal(), Some(workstation.prompt()))?;
            }
            Step::Type(prompt, text) => {
                let shown = self.session(line)?.run(*prompt, text);
                self.shown = shown.map_err(|error| Error::failed(format!("{line}: {error}")))?;
            }
            Step::Shows(text) if !self.shown.contains(text) => {
                self.fails(line, &format!("`{text}` is not in what was shown"));
            }
            Step::ShowsNot(text) if self.shown.contains(text) => {
                self.fails(line, &format!("`{text}` is in what was shown"));
            }
            Step::Shows(_) | Step::ShowsNot(_) => {}
            Step::Ends(code) => {
                let ended = self.session(line)?.end()?;
                self.session = None;
                if ended != Some(*code) {
                    self.fails(line, &format!("the session ended with {ended:?}, not {code}"));
                }
            }
        }
        Ok(())
    }

    fn open(&mut self, line: usize, said: &str, mut command: Command, shell: Option<String>) -> Result<()> {
        show(format!("--- {said} ---\n"));
        let session = Session::open(&mut command, shell, self.interrupt);
        self.session = Some(session.map_err(|error| Error::failed(format!("{line}: {error}")))?);
        Ok(())
    }

    fn session(&mut self, line: usize) -> Result<&mut Session> {
        self.session.as_mut().ok_or_else(|| Error::failed(format!("{line}: nobody is there")))
    }

    fn fails(&mut self, line: usize, what: &str) {
        show(format!("\n  ^ {what}\n"));
        self.failures.push(format!("{line}: {what}"));
    }
}

/// A terminal, and what waits for lines there.
struct Session {
    terminal: Terminal,
    /// The prompt of the workstation's shell, where it began with one.
    shell: Option<String>,
    /// The row of the present prompt.
    row: u16,
    /// Whose it is.
    waits: Prompt,
}

impl Session {
    fn open(command: &mut Command, shell: Option<String>, interrupt: &Interrupt) -> Result<Self> {
        let terminal = Terminal::start(command.env("NO_COLOR", "1"), ROWS, COLUMNS, interrupt)?;
        let waits = if shell.is_some() { Prompt::Shell } else { Prompt::Pact };
        let mut session = Self { terminal, shell, row: 0, waits };
        let came = session.until_prompt(0)?;
        let before = session.text(0, session.row);
        show(&before);
        if came { Ok(session) } else { Err(Error::failed(format!("no prompt came; {}", session.last_words()))) }
    }

    /// What stands before a line.
    fn prompt(&self, prompt: Prompt) -> String {
        match (prompt, &self.shell) {
            (Prompt::Shell, Some(shell)) => shell.clone(),
            (Prompt::Pact, _) | (Prompt::Shell, None) => format!("pact:{NAME}> "),
        }
    }

    /// Types a line at a prompt; what is shown before the next one, or before the end.
    fn run(&mut self, at: Prompt, line: &str) -> Result<String> {
        let prompt = self.prompt(at);
        if self.waits != at {
            return Err(Error::failed(format!("`{prompt}` is not what waits here; {}", self.last_words())));
        }
        let typed = self.row;
        let wraps = u16::try_from((prompt.len() + line.len()) / usize::from(COLUMNS)).unwrap_or(0);
        self.terminal.send(line.as_bytes())?;
        self.terminal.send(b"\r")?;
        let came = self.until_prompt(typed + wraps + 1)?;
        let end = if came { self.row } else { self.terminal.screen().cursor_position().0 + 1 };
        show(format!("{prompt}{line}\n"));
        let shown = self.text(typed + wraps + 1, end);
        show(&shown);
        if came || self.terminal.has_ended() {
            return Ok(shown);
        }
        Err(Error::failed(format!("no prompt came after `{line}`; {}", self.last_words())))
    }

    /// The status with which it ended by itself.
    fn end(&mut self) -> Result<Option<i32>> {
        if !self.terminal.until(Instant::now() + PATIENCE, Terminal::has_ended)? {
            return Err(Error::failed(format!("the session goes on; {}", self.last_words())));
        }
        let status = self.terminal.status()?.code();
        show(format!("--- the session ended with {status:?} ---\n"));
        Ok(status)
    }

    /// Waits for a prompt in this row or below, with the cursor behind it.
    fn until_prompt(&mut self, from: u16) -> Result<bool> {
        let prompts = [Prompt::Pact, Prompt::Shell].map(|prompt| (prompt, self.prompt(prompt)));
        let mut found = None;
        let came = self.terminal.until(Instant::now() + PATIENCE, |terminal| {
            let (row, column) = terminal.screen().cursor_position();
            let shown = terminal.row(row);
            let is_there =
                |prompt: &str| row >= from && usize::from(column) == prompt.len() && shown.starts_with(prompt);
            found = prompts.iter().find(|(_, prompt)| is_there(prompt)).map(|(prompt, _)| *prompt);
            found.is_some()
        })?;
        self.waits = found.unwrap_or(self.waits);
        self.row = self.terminal.screen().cursor_position().0;
        if self.row + 2 >= ROWS {
            return Err(Error::failed(format!("the conversation has more than {ROWS} rows: play a shorter script")));
        }
        Ok(came)
    }

    /// From one row to before another, as it was written: a line that was too long for the screen is one line.
    fn text(&self, from: u16, to: u16) -> String {
        let written = self.terminal.screen().contents_between(from, 0, to, 0);
        let rows: Vec<&str> = written.trim_end().lines().map(str::trim_end).collect();
        rows.iter().map(|row| format!("{row}\n")).collect()
    }

    fn last_words(&self) -> String {
        let rows = self.terminal.rows();
        let last: Vec<&str> = rows.iter().map(String::as_str).filter(|row| !row.is_empty()).collect();
        format!("the screen ends with:\n  {}", last[last.len().saturating_sub(5)..].join("\n  "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root;

    /// A stage of the programs that were built beside this test.
    fn stage() -> Stage {
        let me = std::env::current_exe().unwrap();
        let built = me.parent().unwrap().parent().unwrap();
        Stage::set(built, &Interrupt::default()).unwrap()
    }

    #[test]
    fn the_tour_holds_and_leaves_nothing() {
        let stage = stage();
        let tour = std::fs::read_to_string(root().join("examples/tour.pact")).unwrap();
        let failures = play(&Script::read(&tour).unwrap(), &stage, &Interrupt::default()).unwrap();
        assert_eq!(failures, Vec::<String>::new());
        let places = [stage.node.path(""), stage.site.path("")];
        let processes = [stage.node.agent_pid(), stage.site.journal_pid()];
        drop(stage);
        for place in places {
            assert!(!place.exists(), "{} is left", place.display());
        }
        for process in processes {
            assert!(!std::path::Path::new(&format!("/proc/{process}")).exists(), "{process} is left");
        }
    }

    #[test]
    fn an_expectation_that_does_not_hold_is_named_with_its_line() {
        let stage = stage();
        let text = "as bob\npact> whoami\n=> bob@example.org\n=> alice@example.org\n!> bob@\npact> exit\nends 7\n";
        let failures = play(&Script::read(text).unwrap(), &stage, &Interrupt::default()).unwrap();
        assert_eq!(
            failures,
            [
                "4: `alice@example.org` is not in what was shown",
                "5: `bob@` is in what was shown",
                "7: the session ended with Some(0), not 7"
            ]
        );
    }
}
