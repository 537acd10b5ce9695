//! File patterns of a line become words: looked up by the session's host, inside the sandbox.
//!
//! **Invariant:** nothing is looked up for somebody who may not start the program that would read it; such a line is
//! refused by the judgement, with its patterns as they were typed.

use std::os::fd::OwnedFd;
use std::time::Duration;

use pact_proto::exit::ExitCode;
use pact_proto::grammar::{MAX_WORDS, Parsed, Stage};
use pact_proto::model::LineId;
use pact_proto::wire::host::Expand;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use super::attended::attended;
use super::inbound::Inbound;
use super::line::Unexpanded;
use super::{Refusal, Session};

/// A file system that does not answer in this time is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// 256 paths, each as long as a path can be.
const MOST_BYTES: u64 = 257 * 4097;

impl Session<'_> {
    /// One list for every pattern of the line, in order.
    pub(super) async fn expand_patterns(
        &mut self,
        id: LineId,
        parsed: &Parsed,
        inbound: &mut Inbound,
    ) -> Result<Vec<Vec<Vec<u8>>>, Unexpanded> {
        let mut found = Vec::new();
        for stage in parsed.programs() {
            let patterns: Vec<Vec<u8>> =
                stage.words().iter().filter_map(|word| word.pattern()).map(|p| p.as_typed().to_vec()).collect();
            match self.program_to_read(stage) {
                _ if patterns.is_empty() => {}
                Some(program) => match attended(self.look_up(id, program, patterns), inbound, Some(PATIENCE)).await {
                    Ok(looked_up) => found.extend(looked_up.map_err(|why| refusal(parsed, &why))?),
                    Err(cut) => {
                        // Whatever it waits for, nobody waits for it any more.
                        self.abandon_host().await;
                        let refusal = refusal(parsed, &format!("files: {}", cut.reason()));
                        return Err(Unexpanded { refusal, over: cut.over() });
                    }
                },
                None => found.extend(patterns.into_iter().map(|typed| vec![typed])),
            }
        }
        Ok(found)
    }

    /// The program of a stage, where this caller may start it and the sandbox holds.
    fn program_to_read(&self, stage: &Stage) -> Option<String> {
        let name = stage.words().first()?.literal()?;
        let visible = self.node.policy.visible(&self.identity(), &self.node.place, &self.node.whitelist);
        let program = visible.programs.iter().find(|program| program.name().as_str().as_bytes() == name)?;
        self.node.sandbox.failures.is_empty().then(|| program.name().to_string())
    }

    async fn look_up(
        &mut self,
        id: LineId,
        program: String,
        patterns: Vec<Vec<u8>>,
    ) -> Result<Vec<Vec<Vec<u8>>>, String> {
        let count = patterns.len();
        let most = u32::try_from(MAX_WORDS).unwrap_or(u32::MAX);
        let host = self.host().await?;
        let names = host.expand(Expand { line_id: id.0, program, patterns, most }).await;
        let bytes = read(names.map_err(|error| error.to_string())?, MOST_BYTES).await;
        // The host can take the line itself only when this is over.
        let _over = host.ended(id).await;
        lists(&bytes.map_err(|error| format!("files: {error}"))?, count)
    }
}

/// What a stage of the host found; at most so many bytes.
pub(super) async fn read(names: OwnedFd, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe::Receiver::from_owned_fd(names)?.take(most).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// Names, each ended by NUL, and an empty one after each pattern.
pub(super) fn lists(bytes: &[u8], count: usize) -> Result<Vec<Vec<Vec<u8>>>, String> {
    let mut lists = vec![Vec::new()];
    for name in bytes.split_inclusive(|byte| *byte == 0) {
        match name {
            [0] => lists.push(Vec::new()),
            [name @ .., 0] => lists.last_mut().map(|list| list.push(name.to_vec())).unwrap_or_default(),
            _ => return Err("files: the list of names was cut short".to_owned()),
        }
    }
    lists.pop();
    if lists.len() == count { Ok(lists) } else { Err("files: the list of names was cut short".to_owned()) }
}

fn refusal(parsed: &Parsed, why: &str) -> Refusal {
    Refusal::new(parsed.line().as_bytes(), ExitCode::General, why, "write the names out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_was_cut_short_is_no_list() {
        let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(lists(b"a\0b\0\0\0", 2), Ok(vec![words(&["a", "b"]), words(&[])]));
        for cut in [&b"a\0b\0"[..], b"a\0b", b"", b"a\0\0"] {
            assert!(lists(cut, 2).is_err(), "{cut:?}");
        }
    }
}
