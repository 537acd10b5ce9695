//! What a task tells the person who ran it: progress on stderr, results on stdout.
//!
//! **Invariant:** nothing else in `xtask` prints.

/// One line of progress, or what is wrong.
#[expect(clippy::print_stderr, reason = "a task talks to the person who ran it")]
pub(crate) fn say(line: impl std::fmt::Display) {
    eprintln!("{line}");
}

/// A result.
#[expect(clippy::print_stdout, reason = "a task's result is for the person who ran it, or for a file")]
pub(crate) fn show(text: impl std::fmt::Display) {
    print!("{text}");
}
