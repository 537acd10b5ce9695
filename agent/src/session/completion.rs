//! Names on the node that could stand under the cursor: files, by the eyes of the program that would read them.
//!
//! **Invariant:** whoever types gets an answer soon, if need be an empty one: it is advice, and nothing of the line. A
//! host that waits for a file system is ended, and the next line gets another one.
//! **Not here:** what the client knows by itself: programs, commands, their options and values.

use std::time::{Duration, Instant};

use pact_proto::grammar::at_cursor;
use pact_proto::model::LineId;
use pact_proto::wire::host::List;
use pact_proto::wire::v1::server_message::Kind as Reply;
use pact_proto::wire::v1::{Candidate, Candidates, Complete};
use tokio::time::timeout;

use super::expansion::{lists, read};
use super::{Over, Session};

/// Who waits longer has typed on.
const PATIENCE: Duration = Duration::from_millis(140);
/// More names than these are looked up by typing more.
const MOST: u32 = 200;
/// So many paths, each as long as a path can be.
const MOST_BYTES: u64 = 201 * 4097;
/// Nobody who types asks more often.
const PER_MINUTE: u32 = 1200;

impl Session<'_> {
    /// Answers, also when there is nothing to say.
    pub(super) async fn complete(&mut self, asked: Complete) -> Result<(), Over> {
        let found = match self.wanted(&asked) {
            Some(wanted) => match timeout(PATIENCE, self.words(&wanted)).await {
                Ok(words) => words.unwrap_or_default(),
                Err(_) => {
                    self.abandon_host().await;
                    Vec::new()
                }
            },
            None => Vec::new(),
        };
        let candidates = found.into_iter().map(|text| Candidate { text, about: String::new() }).collect();
        Ok(self.out.send(Reply::Candidates(Candidates { id: asked.id, candidates })).await?)
    }

    /// What is to be looked up; nothing where no path could stand, or where this person would not be served now.
    fn wanted(&self, asked: &Complete) -> Option<Wanted> {
        let node = self.node;
        let line = std::str::from_utf8(&asked.line).ok()?;
        let here = at_cursor(line, usize::try_from(asked.cursor).ok()?)?;
        let (name, before) = here.before.split_first()?;
        let visible = node.policy.visible(&self.identity(), &node.place, &node.whitelist);
        let program = visible.programs.iter().find(|program| program.name().as_str().as_bytes() == name.as_slice())?;
        let path = program.schema().path(before, &here.partial)?;
        let is_let_in = self.proof.ticket().is_none_or(|held| held.lasts().is_ok());
        let is_possible = node.sandbox.failures.is_empty() && node.spool.has_room() && !path.contains('\0');
        let is_in_time = || node.completions.count(&self.who, PER_MINUTE, Instant::now()).is_ok();
        (is_let_in && is_possible && is_in_time()).then(|| Wanted {
            program: program.name().to_string(),
            before: here.partial.strip_suffix(path).unwrap_or_default().to_owned(),
            path: path.to_owned(),
        })
    }

    /// Words that begin as what was typed does.
    async fn words(&mut self, wanted: &Wanted) -> Option<Vec<Vec<u8>>> {
        let line_id = self.last_line.0 + 1;
        let (program, path) = (wanted.program.clone(), wanted.path.clone().into_bytes());
        let host = self.host().await.ok()?;
        let paths = host.list(List { line_id, program, path, most: MOST }).await.ok()?;
        let bytes = read(paths, MOST_BYTES).await.ok()?;
        // The host can take the next line only when this is over.
        let _over = host.ended(LineId(line_id)).await;
        let paths = lists(&bytes, 1).ok()?.pop()?;
        Some(paths.iter().map(|path| [wanted.before.as_bytes(), path].concat()).collect())
    }
}

/// The beginning of a path.
struct Wanted {
    program: String,
    /// What stands before it in its word, as in `--file=`.
    before: String,
    path: String,
}
