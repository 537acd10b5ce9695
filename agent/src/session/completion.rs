//! Names on the node that could stand under the cursor: files, by the eyes of the program that would read them.
//!
//! **Invariant:** whoever types gets an answer soon, if need be an empty one: it is advice, and nothing of the line. A
//! host that waits for a file system is ended, and the next line gets another one.
//! **Not here:** what the client knows by itself: programs, commands, their options and values.

use std::os::fd::OwnedFd;
use std::time::Duration;

use pact_proto::grammar::at_cursor;
use pact_proto::program::{Profile, Program};
use pact_proto::wire::host::List;
use pact_proto::wire::v1::server_message::Kind as Reply;
use pact_proto::wire::v1::{Candidate, Candidates, Complete};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::time::sleep;

use super::inbound::Inbound;
use super::{Over, Session};

/// Who waits longer has typed on.
const PATIENCE: Duration = Duration::from_millis(140);
/// More names than these are looked up by typing more.
const MOST: u32 = 200;
/// So many names, each as long as a name can be.
const MOST_BYTES: u64 = 201 * 257;

impl Session<'_> {
    /// Answers, also when there is nothing to say.
    pub(super) async fn complete(&mut self, asked: Complete, inbound: &mut Inbound) -> Result<(), Over> {
        let found = match self.wanted(&asked) {
            Some(wanted) => {
                let named = tokio::select! {
                    names = self.names(&wanted) => Some(names),
                    () = sleep(PATIENCE) => None,
                    // Somebody has typed on.
                    message = inbound.next() => {
                        inbound.put_back(message?);
                        None
                    }
                };
                if named.is_none() {
                    self.abandon_host().await;
                }
                named.unwrap_or_default()
            }
            None => Vec::new(),
        };
        let candidates = found.into_iter().map(|text| Candidate { text, about: String::new() }).collect();
        Ok(self.out.send(Reply::Candidates(Candidates { id: asked.id, candidates })).await?)
    }

    /// What is to be looked up; nothing where no path could stand, or none of this person's.
    fn wanted(&self, asked: &Complete) -> Option<Wanted> {
        let line = std::str::from_utf8(&asked.line).ok()?;
        let here = at_cursor(line, usize::try_from(asked.cursor).ok()?)?;
        let (name, before) = here.before.split_first()?;
        let visible = self.node.policy.visible(&self.identity(), &self.node.place, &self.node.whitelist);
        let program = visible.programs.iter().find(|program| program.name().as_str().as_bytes() == name.as_slice())?;
        let path = program.schema().path(before, &here.partial)?;
        let is_possible = self.node.sandbox.failures.is_empty() && !path.contains('\0');
        is_possible.then(|| Wanted::new(program, &here.partial, path))
    }

    /// Words that begin as what was typed does.
    async fn names(&mut self, wanted: &Wanted) -> Vec<Vec<u8>> {
        let mut found: Vec<Vec<u8>> = wanted.on_the_way.iter().map(|path| wanted.word(path.as_bytes())).collect();
        if let Some(names) = self.listed(wanted).await {
            found.extend(names.iter().map(|name| wanted.word(&[wanted.directory.as_bytes(), name].concat())));
        }
        found.sort();
        found.dedup();
        found
    }

    async fn listed(&mut self, wanted: &Wanted) -> Option<Vec<Vec<u8>>> {
        if wanted.directory.is_empty() {
            return None;
        }
        let (line_id, directory) = (self.last_line.0 + 1, wanted.directory.clone().into_bytes());
        let (program, prefix) = (wanted.program.clone(), wanted.prefix.clone().into_bytes());
        let host = self.host().await.ok()?;
        let names = host.list(List { line_id, program, directory, prefix, most: MOST }).await.ok()?;
        let bytes = read(names).await.ok()?;
        let _over = host.ended(pact_proto::model::LineId(line_id)).await;
        let list = bytes.strip_suffix(b"\0")?;
        Some(list.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
    }
}

/// The beginning of a path.
struct Wanted {
    program: String,
    /// What stands before it in its word, as in `--file=`.
    before: String,
    /// With its slash; empty where nothing was typed that is in any.
    directory: String,
    prefix: String,
    /// Directories on the way to what the program may read.
    on_the_way: Vec<String>,
}

impl Wanted {
    fn new(program: &Program, word: &str, path: &str) -> Self {
        let (directory, prefix) = path.rfind('/').map_or(("", path), |slash| path.split_at(slash + 1));
        Self {
            program: program.name().to_string(),
            before: word.strip_suffix(path).unwrap_or_default().to_owned(),
            directory: directory.to_owned(),
            prefix: prefix.to_owned(),
            on_the_way: on_the_way(program.profile(), path),
        }
    }

    /// The whole word.
    fn word(&self, path: &[u8]) -> Vec<u8> {
        [self.before.as_bytes(), path].concat()
    }
}

/// What leads from `path` to something that may be read, one step of each.
fn on_the_way(profile: &Profile, path: &str) -> Vec<String> {
    let step = |read: &String| {
        let behind = read.strip_prefix(path)?;
        let end = behind.find('/').map(|slash| path.len() + slash + 1);
        // The root alone is no step.
        let end = if path.is_empty() { read.get(1..)?.find('/').map(|slash| slash + 2) } else { end };
        (!behind.is_empty()).then(|| end.map_or_else(|| read.clone(), |end| read[..end].to_owned()))
    };
    let reads = profile.read.iter().map(|read| {
        let is_directory = read.is_dir();
        format!("{}{}", read.display(), if is_directory { "/" } else { "" })
    });
    reads.filter_map(|read| step(&read)).collect()
}

async fn read(names: OwnedFd) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe::Receiver::from_owned_fd(names)?.take(MOST_BYTES).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_read_is_found_step_by_step() {
        let read = ["/etc", "/proc", "/usr/share/zoneinfo", "/usr/lib/os-release"];
        let profile = Profile { read: read.iter().map(Into::into).collect(), ..Profile::default() };
        for (path, expected) in [
            ("", &["/etc/", "/proc/", "/usr/", "/usr/"][..]),
            ("/", &["/etc/", "/proc/", "/usr/", "/usr/"]),
            ("/e", &["/etc/"]),
            ("/usr", &["/usr/", "/usr/"]),
            ("/usr/", &["/usr/share/", "/usr/lib/"]),
            ("/usr/lib/o", &["/usr/lib/os-release"]),
            ("/etc/", &[]),
            ("/x", &[]),
        ] {
            assert_eq!(on_the_way(&profile, path), expected, "{path}");
        }
    }
}
