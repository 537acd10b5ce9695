//! A script, played on a terminal against the real programs.
//!
//! **Invariant:** a line is typed when the prompt is there, and what it showed is everything between it and the next
//! prompt; an expectation that does not hold is a failure with its line, and so is a prompt that does not come.

use std::time::{Duration, Instant};

use super::script::{Script, Step};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::node::{Account, NAME, Node};
use crate::say::show;
use crate::terminal::Terminal;

/// A line that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// High enough that a whole conversation stays on the screen, so that nothing is lost by scrolling.
const ROWS: u16 = 600;
const COLUMNS: u16 = 110;

/// Plays it and prints the conversation; what was expected and did not come.
pub(super) fn play(script: &Script, node: &Node, interrupt: &Interrupt) -> Result<Vec<String>> {
    let mut player = Player { node, interrupt, session: None, shown: String::new(), failures: Vec::new() };
    for (line, step) in &script.steps {
        player.take(*line, step)?;
    }
    Ok(player.failures)
}

struct Player<'n> {
    node: &'n Node,
    interrupt: &'n Interrupt,
    session: Option<Session>,
    /// What the last line showed.
    shown: String,
    failures: Vec<String>,
}

impl Player<'_> {
    fn take(&mut self, line: usize, step: &Step) -> Result<()> {
        match step {
            Step::LogIn(account) => {
                let session = Session::open(self.node, *account, self.interrupt);
                self.session = Some(session.map_err(|error| Error::failed(format!("{line}: {error}")))?);
            }
            Step::Type(text) => {
                let shown = self.session(line)?.run(text);
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

    fn session(&mut self, line: usize) -> Result<&mut Session> {
        self.session.as_mut().ok_or_else(|| Error::failed(format!("{line}: nobody is logged in")))
    }

    fn fails(&mut self, line: usize, what: &str) {
        show(format!("\n  ^ {what}\n"));
        self.failures.push(format!("{line}: {what}"));
    }
}

/// `pact` on a terminal.
struct Session {
    terminal: Terminal,
    /// The row of the present prompt.
    row: u16,
}

impl Session {
    fn open(node: &Node, account: Account, interrupt: &Interrupt) -> Result<Self> {
        let mut command = node.pact_on_terminal(account, &[]);
        command.env("NO_COLOR", "1");
        let terminal = Terminal::start(&mut command, ROWS, COLUMNS, interrupt)?;
        show(format!("--- {} logs in ---\n", account.name()));
        let mut session = Self { terminal, row: 0 };
        let came = session.until_prompt(0)?;
        let before = session.text(0, session.row);
        show(&before);
        if came { Ok(session) } else { Err(Error::failed(format!("no prompt came; {}", session.last_words()))) }
    }

    /// Types a line; what is shown before the next prompt, or before the end.
    fn run(&mut self, line: &str) -> Result<String> {
        let typed = self.row;
        let wraps = u16::try_from((prompt().len() + line.len()) / usize::from(COLUMNS)).unwrap_or(0);
        self.terminal.send(line.as_bytes())?;
        self.terminal.send(b"\r")?;
        let came = self.until_prompt(typed + wraps + 1)?;
        let end = if came { self.row } else { self.terminal.screen().cursor_position().0 + 1 };
        show(format!("{}{line}\n", prompt()));
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
        let came = self.terminal.until(Instant::now() + PATIENCE, |terminal| {
            let (row, column) = terminal.screen().cursor_position();
            row >= from && usize::from(column) == prompt().len() && terminal.row(row).starts_with(prompt().as_str())
        })?;
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

/// The prompt of the node, which nothing is typed behind yet.
fn prompt() -> String {
    format!("pact:{NAME}> ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root;

    /// A node from the programs that were built beside this test.
    fn node() -> Node {
        let me = std::env::current_exe().unwrap();
        let built = me.parent().unwrap().parent().unwrap();
        Node::start(built, &root().join("examples/programs"), &Interrupt::default()).unwrap()
    }

    #[test]
    fn the_tour_holds_and_leaves_nothing() {
        let node = node();
        let tour = std::fs::read_to_string(root().join("examples/tour.pact")).unwrap();
        let failures = play(&Script::read(&tour).unwrap(), &node, &Interrupt::default()).unwrap();
        assert_eq!(failures, Vec::<String>::new());
        let (place, agent) = (node.path(""), node.agent_pid());
        drop(node);
        assert!(!place.exists(), "{} is left", place.display());
        assert!(!std::path::Path::new(&format!("/proc/{agent}")).exists(), "the agent is left");
    }

    #[test]
    fn an_expectation_that_does_not_hold_is_named_with_its_line() {
        let node = node();
        let text = "as bob\npact> whoami\n=> bob@example.org\n=> alice@example.org\n!> bob@\npact> exit\nends 7\n";
        let failures = play(&Script::read(text).unwrap(), &node, &Interrupt::default()).unwrap();
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
