//! A person at a terminal: types, looks at the screen, and says what was waited for when it does not come.

use std::process::Command;
use std::time::Instant;

use pact_xtask::interrupt::Interrupt;
use pact_xtask::terminal::Terminal;

use crate::node::{Account, Node, PATIENCE};

/// What the specification says that it looks like.
pub(crate) const PROMPT: &str = "pact:node042> ";

pub(crate) const ENTER: &str = "\r";
pub(crate) const CTRL_C: &str = "\x03";
pub(crate) const CTRL_D: &str = "\x04";
const CTRL_L: &str = "\x0c";
pub(crate) const UP: &str = "\x1b[A";
pub(crate) const TAB: &str = "\t";

/// High enough that no test scrolls.
const ROWS: u16 = 200;
const COLUMNS: u16 = 100;

/// A person, a terminal, and what runs there.
pub(crate) struct Seat {
    pub(crate) terminal: Terminal,
    /// The row of the last prompt that was waited for.
    row: u16,
}

impl Seat {
    /// Starts something that takes its standard input as its terminal.
    pub(crate) fn open(command: &mut Command) -> Self {
        let terminal = Terminal::start(command, ROWS, COLUMNS, &Interrupt::default()).unwrap();
        Self { terminal, row: 0 }
    }

    /// At the prompt of an account.
    pub(crate) fn at(node: &Node, account: Account) -> Self {
        let mut seat = Self::open(&mut node.pact_on_terminal(account, &[]));
        seat.prompt();
        seat
    }

    pub(crate) fn keys(&mut self, keys: &str) {
        self.terminal.send(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen shows it.
    pub(crate) fn until(&mut self, what: &str, shows: impl FnMut(&Terminal) -> bool) {
        let came = self.terminal.until(Instant::now() + PATIENCE, shows).unwrap();
        assert!(came, "waited in vain for {what}:\n{}", self.screen());
    }

    /// Waits until this text is somewhere on the screen.
    pub(crate) fn shows(&mut self, text: &str) {
        self.until(text, |terminal| terminal.screen().contents().contains(text));
    }

    /// Waits until this stands behind the prompt, with the cursor at its end. What is behind the cursor is a hint.
    pub(crate) fn typed(&mut self, text: &str) {
        let wanted = format!("{PROMPT}{text}");
        self.until(&format!("`{text}` behind the prompt"), |terminal| is_at(terminal, &wanted));
    }

    /// Waits for a prompt behind which nothing stands: the same as before, or a new one.
    pub(crate) fn prompt(&mut self) {
        self.prompt_from(self.row);
    }

    /// Waits for a prompt below the last one.
    pub(crate) fn next_prompt(&mut self) {
        self.prompt_from(self.row + 1);
    }

    /// Waits for a prompt wherever the screen has it.
    pub(crate) fn prompt_anywhere(&mut self) {
        self.prompt_from(0);
    }

    fn prompt_from(&mut self, row: u16) {
        self.until(&format!("a prompt in row {row} or below"), |terminal| {
            terminal.screen().cursor_position().0 >= row && is_at(terminal, PROMPT)
        });
        self.row = self.terminal.screen().cursor_position().0;
    }

    /// Clears the screen at a prompt.
    pub(crate) fn clear(&mut self) {
        self.keys(CTRL_L);
        self.until("a prompt at the top", |terminal| {
            terminal.screen().cursor_position().0 == 0 && is_at(terminal, PROMPT)
        });
        self.row = 0;
    }

    /// Types a line; what it shows before the next prompt.
    pub(crate) fn line(&mut self, line: &str) -> String {
        let typed = self.row;
        self.keys(&format!("{line}{ENTER}"));
        self.next_prompt();
        self.terminal.screen().contents_between(typed + 1, 0, self.row, 0).trim_end().to_owned()
    }

    /// What stands behind the prompt, hint and all.
    pub(crate) fn behind_prompt(&self) -> String {
        let row = self.terminal.row(self.terminal.screen().cursor_position().0);
        row.strip_prefix(PROMPT).unwrap_or(&row).trim_end().to_owned()
    }

    /// The row of the cursor, as far as it has this colour.
    pub(crate) fn in_colour(&self, colour: u8) -> String {
        let screen = self.terminal.screen();
        let (row, _) = screen.cursor_position();
        let cells = (0..screen.size().1).filter_map(|column| screen.cell(row, column));
        let coloured = cells.filter(|cell| cell.fgcolor() == vt100::Color::Idx(colour));
        coloured.map(vt100::Cell::contents).collect()
    }

    /// Waits until it has ended; with which status.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let ended = self.terminal.until(Instant::now() + PATIENCE, Terminal::has_ended).unwrap();
        assert!(ended, "waited in vain for the end:\n{}", self.screen());
        self.terminal.status().unwrap().code()
    }

    /// The screen, without the empty rows at its end.
    pub(crate) fn screen(&self) -> String {
        self.terminal.rows().join("\n").trim_end().to_owned()
    }
}

/// Whether the row of the cursor begins so, and the cursor stands behind it.
fn is_at(terminal: &Terminal, text: &str) -> bool {
    let (row, column) = terminal.screen().cursor_position();
    usize::from(column) == text.chars().count() && terminal.row(row).starts_with(text)
}
