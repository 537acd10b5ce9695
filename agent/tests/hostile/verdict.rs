//! What a try came to, and by which answers of the kernel one tells.
//!
//! **Invariant:** every try says which errors mean that it got past the place where a sandbox would refuse it; an
//! error that nobody expected is `unclear`, never taken for a refusal.

use std::fmt;

use crate::sys::{Answer, EACCES, ENOSYS, EPERM, EROFS, Errno};

/// What a try came to.
pub enum Verdict {
    /// The kernel refused; by which error or signal.
    Refused(String),
    /// It was done, or would have been with arguments that were not made harmless.
    Succeeded(String),
    /// This machine or this call cannot tell.
    Unclear(String),
    /// Another program that this one became has already said that it succeeded.
    Said,
}

impl Verdict {
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Refused(_) => 0,
            Self::Succeeded(_) | Self::Said => SUCCEEDED,
            Self::Unclear(_) => UNCLEAR,
        }
    }
}

/// How the kernel ends a process that makes a call which its filter kills for.
pub const SIGSYS: i32 = 31;
/// The exit code that means "got out".
pub const SUCCEEDED: i32 = 10;
/// The exit code that means "cannot tell".
pub const UNCLEAR: i32 = 11;

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(how) => write!(f, "refused ({how})"),
            Self::Succeeded(what) => write!(f, "SUCCEEDED {what}"),
            Self::Unclear(why) => write!(f, "unclear {why}"),
            Self::Said => f.write_str("SUCCEEDED"),
        }
    }
}

/// `Err` is for what a try needs before it can begin.
pub type Tried = Result<Verdict, Verdict>;

/// Judges an answer: `past` are errors from behind the place where a sandbox refuses.
pub fn judge(answer: Answer, past: &[Errno], what: &str) -> Verdict {
    judge_with(answer, past, &[], what)
}

/// Judges an answer where some errors beside the usual ones are a refusal too.
pub fn judge_with(answer: Answer, past: &[Errno], refused: &[Errno], what: &str) -> Verdict {
    match answer {
        Ok(_) => Verdict::Succeeded(what.to_owned()),
        Err(error) if past.contains(&error) => Verdict::Succeeded(format!("{what} (got past: {error})")),
        Err(error) if [EPERM, EACCES, ENOSYS, EROFS].contains(&error) || refused.contains(&error) => {
            Verdict::Refused(error.to_string())
        }
        Err(error) => Verdict::Unclear(format!("{what}: {error}")),
    }
}

/// For what a try needs and may be refused itself: that refusal is one of the try.
pub fn needed(answer: Answer, refused: &[Errno], what: &str) -> Result<usize, Verdict> {
    answer.map_err(|error| judge_with(Err(error), &[], refused, what))
}
