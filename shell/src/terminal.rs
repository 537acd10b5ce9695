//! The terminal that `pact` was given: what it is, and its modes as they were found.
//!
//! **Invariant:** however `pact` ends, the modes are again what they were.

use std::io::{IsTerminal, Write, stderr, stdin, stdout};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use pact_client::Terminal;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

static FOUND: OnceLock<Termios> = OnceLock::new();
/// A line editor may have changed more than the modes.
static EDITED: AtomicBool = AtomicBool::new(false);

/// A program draws, and whoever sees to it that its traces go has not come to that yet.
static DRAWN_ON: AtomicBool = AtomicBool::new(false);

/// Longer names are none.
const LONGEST_TERM: usize = 64;
/// What an editor turns on or off: bracketed paste, colours, the cursor.
const UNDO: &[u8] = b"\x1b[?2004l\x1b[0m\x1b[?25h";

/// What a program that draws may have turned on, where nobody knows what it was.
const UNDO_DRAWING: &[u8] =
    b"\x0f\x1b(B\x1b)B\x1b[4l\x1b[?6l\x1b[r\x1b[?47l\x1b[?1047l\x1b[?1049l\x1b[?1l\x1b>\x1b[?5l\x1b[?7h\x1b[?2004l\
      \x1b[?2026l\x1b[0 q\x1b[0m\x1b[?25h";

/// Looks at the three streams and the environment.
pub(crate) fn look() -> Terminal {
    let term = std::env::var("TERM").ok().filter(|term| term.len() <= LONGEST_TERM).unwrap_or_default();
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let (stdin, stdout, stderr) = (stdin().is_terminal(), stdout().is_terminal(), stderr().is_terminal());
    Terminal { colour: !unwanted && !is_dumb(&term), term, size: size(), stdin, stdout, stderr }
}

/// It has no cursor to move.
pub(crate) fn is_dumb(term: &str) -> bool {
    matches!(term, "" | "dumb")
}

/// Columns and rows, where anybody knows.
pub(crate) fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(stdout()).or_else(|_| tcgetwinsize(stdin())).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// Remembers the modes. Called before anything changes them.
pub(crate) fn remember() {
    if let Ok(modes) = tcgetattr(stdin()) {
        let _once = FOUND.set(modes);
    }
}

/// The modes as they were found.
pub(crate) fn found() -> Option<&'static Termios> {
    FOUND.get()
}

/// Between the prompts of a line editor: what is typed waits for the next one as the keys that it is, unseen; Ctrl-C and
/// Ctrl-\ are signals still, and Ctrl-Z is nothing, because there is no job control.
///
/// **Why:** where the terminal edits lines itself, Enter becomes a line feed, and an editor that is given one throws away
/// what was typed behind it. Nobody else reads this terminal: programs have their own input.
pub(crate) fn leave_keys_to_editor() {
    let Some(mut modes) = found().cloned() else { return };
    modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    modes.input_modes.remove(InputModes::ICRNL | InputModes::INLCR | InputModes::IGNCR);
    modes.special_codes[SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    set_without_suspend(modes);
}

/// The terminal edits lines, and Ctrl-Z is nothing.
pub(crate) fn edit_lines() {
    if let Some(modes) = found() {
        set_without_suspend(modes.clone());
    }
}

fn set_without_suspend(mut modes: Termios) {
    // What POSIX calls _POSIX_VDISABLE.
    modes.special_codes[SpecialCodeIndex::VSUSP] = 0;
    let _gone = tcsetattr(stdin(), OptionalActions::Now, &modes);
}

/// While it lives, every key is a byte, and every byte that is written is meant for the terminal.
pub(crate) struct Raw(Option<Termios>);

impl Raw {
    pub(crate) fn enter() -> Self {
        let before = tcgetattr(stdin()).ok();
        if let Some(before) = &before {
            let mut modes = before.clone();
            modes.make_raw();
            DRAWN_ON.store(true, Ordering::Relaxed);
            let _gone = tcsetattr(stdin(), OptionalActions::Now, &modes);
        }
        Self(before)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _gone = tcsetattr(stdin(), OptionalActions::Now, before);
        }
        DRAWN_ON.store(false, Ordering::Relaxed);
    }
}

/// From now on a line editor draws.
pub(crate) fn will_be_edited() {
    EDITED.store(true, Ordering::Relaxed);
}

/// Puts everything back. Where the terminal has gone, nobody misses it.
pub(crate) fn restore() {
    if let Some(modes) = found() {
        let _gone = tcsetattr(stdin(), OptionalActions::Now, modes);
    }
    let mut out = stdout();
    if DRAWN_ON.load(Ordering::Relaxed) {
        let _gone = out.write_all(UNDO_DRAWING).and_then(|()| out.flush());
    }
    if EDITED.load(Ordering::Relaxed) {
        let _gone = out.write_all(UNDO).and_then(|()| out.flush());
    }
}

/// A bug must not leave the terminal raw, nor show a stranger's bytes.
pub(crate) fn restore_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        restore();
        let place = panic.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let _gone = writeln!(stderr(), "pact: internal: a bug ended this session{place}");
    }));
}
