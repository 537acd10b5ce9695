//! Code that somebody else runs in the agent proper: what it asks of the launcher and of hosts, and what it gets. Nothing
//! without the feature `failpoints`.
//!
//! **Why:** what the network reaches may be taken over some day; that it gains nothing then can only be seen from inside.
//! **Not here:** what the kernel refuses it, which every agent tries when it starts (`crate::sandbox::probe`).

use std::path::Path;

use crate::link::Launcher;

/// Asks, where `PACT_FAILPOINT` says `injected`, and writes what came of it into a file of that name: a line each.
#[cfg(feature = "failpoints")]
pub(crate) async fn ask(launcher: &Launcher, directory: &Path) {
    if std::env::var("PACT_FAILPOINT").as_deref() != Ok("injected") {
        return;
    }
    let mut said = String::new();
    for (line_id, asked) in (1..).zip(asks::all()) {
        let name = asked.name;
        let got = asks::one(launcher, line_id, asked).await.unwrap_or_else(|why| format!("refused: {why}"));
        said += &format!("{name}: {}\n", got.trim_end().replace('\n', " "));
    }
    // A test waits for it in vain where it cannot be written.
    let _in_vain = std::fs::write(directory.join("injected"), said);
}

/// Nothing: this was built without failpoints.
#[cfg(not(feature = "failpoints"))]
#[expect(clippy::unused_async, reason = "with failpoints it waits")]
pub(crate) async fn ask(_: &Launcher, _: &Path) {}

#[cfg(feature = "failpoints")]
mod asks {
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::OwnedFd;

    use pact_proto::model::{LineId, SessionId};
    use pact_proto::wire::host::{List, Stage, Start};

    use crate::link::{Launcher, LinkError, Written};

    /// Something that is asked of a host.
    pub(super) struct Asked {
        pub(super) name: &'static str,
        what: What,
    }

    enum What {
        Start {
            program: &'static str,
            argv: &'static [&'static str],
            environment: &'static [&'static str],
        },
        /// Names of files, with what a program may read.
        List {
            program: &'static str,
            path: &'static str,
        },
    }

    const fn start(name: &'static str, program: &'static str, argv: &'static [&'static str]) -> Asked {
        Asked { name, what: What::Start { program, argv, environment: &[] } }
    }

    pub(super) fn all() -> Vec<Asked> {
        let preloading = &["LD_PRELOAD=/tmp/evil.so", "LD_LIBRARY_PATH=/tmp", "TERM=xterm"];
        vec![
            start("what is allowed", "uname", &["uname", "-s"]),
            start("a shell", "bash", &["bash", "-c", "id"]),
            start("a path", "/bin/sh", &["/bin/sh"]),
            start("another name", "uname", &["sh", "-c", "id"]),
            start("arguments that nobody may give", "dmesg", &["dmesg", "--clear"]),
            start("no argv", "uname", &[]),
            start("the probe", "pact-agent", &["pact-agent", "--probe"]),
            Asked {
                name: "an environment",
                what: What::Start { program: "uname", argv: &["uname", "-s"], environment: preloading },
            },
            Asked { name: "names by no program", what: What::List { program: "bash", path: "/root/" } },
            Asked { name: "names where nobody reads", what: What::List { program: "uname", path: "/root/" } },
        ]
    }

    /// What it wrote, errors too.
    pub(super) async fn one(launcher: &Launcher, line_id: u64, asked: Asked) -> Result<String, LinkError> {
        let mut host = launcher.open_session(SessionId::from_slice(&[7; 16]).ok_or(LinkError::HostGone)?).await?;
        let ends: Vec<OwnedFd> = match asked.what {
            What::Start { program, argv, environment } => {
                let argv = argv.iter().map(|word| word.as_bytes().to_vec()).collect();
                let stages = vec![Stage { program: program.to_owned(), argv }];
                let environment = environment.iter().map(|&pair| pair.to_owned()).collect();
                let start = Start { line_id, stages, reads_stdin: false, environment, terminal: None };
                match host.start(start).await?.output {
                    Written::Pipes { stdout, stderr } => vec![stdout, stderr],
                    Written::Terminal { .. } => Vec::new(),
                }
            }
            What::List { program, path } => {
                let list = List { line_id, program: program.to_owned(), path: path.into(), most: 10 };
                vec![host.list(list).await?]
            }
        };
        let mut said = Vec::new();
        for end in ends {
            File::from(end).read_to_end(&mut said)?;
        }
        host.ended(LineId(line_id)).await;
        Ok(format!("got {}", String::from_utf8_lossy(&said).replace('\0', " ")))
    }
}
