//! Scripts: what is typed at the prompt, and what must be seen then.
//!
//! A line of a script is one of these; blanks before it do not count.
//!
//! | line | means |
//! | --- | --- |
//! | `# text` | nothing; so does an empty line |
//! | `as alice` | log in to the node as this account, in a terminal of its own |
//! | `at alice` | sit down at the workstation of this administrator, where a shell waits |
//! | `pact> text` | type this at the prompt of pact, then Enter |
//! | `$> text` | type this at the prompt of the workstation's shell, then Enter |
//! | `=> text` | what the line before showed has this in it |
//! | `!> text` | it has not |
//! | `ends N` | the session is over, with this status |

use crate::node::Account;

/// What to do, in order, with the number of the line that says so.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) steps: Vec<(usize, Step)>,
}

/// What must be waiting for a line when it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    Pact,
    Shell,
}

/// One thing to do or to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    LogIn(Account),
    SitDown(Account),
    Type(Prompt, String),
    Shows(String),
    ShowsNot(String),
    Ends(i32),
}

impl Script {
    /// Reads a script, or says in which line it makes no sense.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                let step = Step::read(line).map_err(|error| format!("{}: {error}", at + 1))?;
                steps.push((at + 1, step));
            }
        }
        let script = Self { steps };
        script.check()?;
        Ok(script)
    }

    /// A session begins with a login and ends before the next one.
    fn check(&self) -> Result<(), String> {
        let (mut is_in, mut has_typed) = (false, false);
        for (at, step) in &self.steps {
            let wrong = match step {
                Step::LogIn(_) | Step::SitDown(_) if is_in => Some("the session before has no `ends`"),
                Step::Type(..) | Step::Ends(_) if !is_in => {
                    Some("nobody is there: begin with `as alice` or `at alice`")
                }
                Step::Shows(_) | Step::ShowsNot(_) if !has_typed => Some("nothing was typed before this"),
                Step::LogIn(_) | Step::SitDown(_) | Step::Type(..) | Step::Ends(_) => None,
                Step::Shows(_) | Step::ShowsNot(_) => None,
            };
            if let Some(wrong) = wrong {
                return Err(format!("{at}: {wrong}"));
            }
            match step {
                Step::LogIn(_) | Step::SitDown(_) => (is_in, has_typed) = (true, false),
                Step::Type(..) => has_typed = true,
                Step::Ends(_) => is_in = false,
                Step::Shows(_) | Step::ShowsNot(_) => {}
            }
        }
        if is_in { Err(format!("{}: the last session has no `ends`", self.steps.len())) } else { Ok(()) }
    }
}

impl Step {
    fn read(line: &str) -> Result<Self, String> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        if rest.is_empty() {
            return Err(format!("`{verb}` needs something after it"));
        }
        match verb {
            "as" => match named(&Account::PERSONS, rest) {
                Some(account) => Ok(Self::LogIn(account)),
                None => Err(format!("the node has no account `{rest}`")),
            },
            "at" => match named(&Account::ADMINISTRATORS, rest) {
                Some(account) => Ok(Self::SitDown(account)),
                None => Err(format!("`{rest}` has no workstation")),
            },
            "pact>" => Ok(Self::Type(Prompt::Pact, rest.to_owned())),
            "$>" => Ok(Self::Type(Prompt::Shell, rest.to_owned())),
            "=>" => Ok(Self::Shows(rest.to_owned())),
            "!>" => Ok(Self::ShowsNot(rest.to_owned())),
            "ends" => rest.parse().map(Self::Ends).map_err(|_| format!("`{rest}` is no exit status")),
            _ => Err(format!("`{verb}` is none of: as, at, pact>, $>, =>, !>, ends")),
        }
    }
}

fn named(accounts: &[Account], name: &str) -> Option<Account> {
    accounts.iter().copied().find(|account| account.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read() {
        let text = "# hello\n\nas alice\npact> dmesg | tail -5\n  => [\n  !> pact: \npact> exit\nends 0\n";
        let steps: Vec<_> = Script::read(text).unwrap().steps;
        assert_eq!(
            steps,
            [
                (3, Step::LogIn(Account::Alice)),
                (4, Step::Type(Prompt::Pact, "dmesg | tail -5".to_owned())),
                (5, Step::Shows("[".to_owned())),
                (6, Step::ShowsNot("pact:".to_owned())),
                (7, Step::Type(Prompt::Pact, "exit".to_owned())),
                (8, Step::Ends(0)),
            ]
        );
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_line() {
        for (text, expected) in [
            ("\nuname\n", "2: `uname` needs something"),
            ("type uname\n", "1: `type` is none of"),
            ("as carol\n", "1: the node has no account `carol`"),
            ("at bob\n", "1: `bob` has no workstation"),
            ("pact> uname\n", "1: nobody is there"),
            ("as alice\n=> x\n", "2: nothing was typed"),
            ("as alice\nas bob\n", "2: the session before has no `ends`"),
            ("as alice\nends soon\n", "2: `soon` is no exit status"),
            ("as alice\n", "the last session has no `ends`"),
        ] {
            let error = Script::read(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn the_tour_can_be_read() {
        let tour = std::fs::read_to_string(crate::root().join("examples/tour.pact")).unwrap();
        assert!(Script::read(&tour).unwrap().steps.len() > 20);
    }
}
