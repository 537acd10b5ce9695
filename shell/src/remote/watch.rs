//! `watch` from a workstation: where the journal goes away, it is waited for.
//!
//! **Invariant:** what the journal told is remembered with the bytes that told it, so that nothing is missed and
//! nothing shown twice, whatever broke in between.

use std::time::Duration;

use pact_client::settings::Settings;
use pact_client::{ClientError, LineForm, OpenOptions};
use pact_proto::command::{Command, WatchArguments};
use pact_proto::grammar::{Head, parse_words};
use tokio::time::sleep;

use super::with_journal;
use crate::engine::{Ended, Engine, Reads};
use crate::error::ShellError;

/// Between attempts to reach a journal that is away.
const SOONEST: Duration = Duration::from_millis(100);
const LATEST: Duration = Duration::from_secs(5);

/// What is watched.
pub(super) struct Watch {
    arguments: WatchArguments,
}

impl Watch {
    /// Where these words are `watch`.
    pub(super) fn of(words: &[Vec<u8>]) -> Option<Self> {
        let parsed = parse_words(words.to_vec()).ok()?;
        let Head::Command(stage) = parsed.head() else { return None };
        let Command::Watch(arguments) = stage.command() else { return None };
        Some(Self { arguments: arguments.clone() })
    }

    /// Until it is ended by whoever watches, or refused.
    pub(super) async fn run(
        mut self,
        engine: &mut Engine,
        settings: &Settings,
        options: &OpenOptions,
    ) -> Result<Ended, ShellError> {
        loop {
            let lost = match engine.run(self.line(), Reads::Nothing).await {
                Ok(ended) => return Ok(ended),
                Err(ShellError::Client(error)) if is_away(&error) => error,
                Err(error) => return Err(error),
            };
            if engine.reached > 0 {
                self.arguments.since = Some(engine.reached);
            }
            let why = if matches!(lost, ClientError::Lost) {
                "the connection to the journal was lost".to_owned()
            } else {
                lost.to_string()
            };
            engine.say_beside(&format!("pact: watch: {why}; waiting for the journal\n"));
            engine.flush().await?;
            if let Some(left) = again(engine, settings, options).await? {
                return Ok(left);
            }
        }
    }

    fn line(&self) -> LineForm {
        let mut words = vec!["watch".to_owned()];
        if let Some(vcluster) = &self.arguments.vcluster {
            words.extend(["--vcluster".to_owned(), vcluster.to_string()]);
        }
        if let Some(since) = self.arguments.since {
            words.extend(["--since".to_owned(), since.to_string()]);
        }
        LineForm::Words(words.into_iter().map(String::into_bytes).collect())
    }
}

/// Opens another session; what came first, where that was a signal.
async fn again(engine: &mut Engine, settings: &Settings, options: &OpenOptions) -> Result<Option<Ended>, ShellError> {
    let mut pause = SOONEST;
    loop {
        let opened = tokio::select! {
            opened = async { sleep(pause).await; with_journal(settings, options).await } => opened,
            heard = engine.signals.next() => return Ok(Some(Ended::Left(heard.code()))),
        };
        match opened {
            Ok(session) => {
                engine.session = session;
                return Ok(None);
            }
            Err(ShellError::Client(error)) if is_away(&error) => pause = (pause * 2).min(LATEST),
            Err(error) => return Err(error),
        }
    }
}

/// It may be there again.
fn is_away(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } | ClientError::Silent { .. } | ClientError::Lost => true,
        ClientError::NotTheAgent { .. }
        | ClientError::Impostor { .. }
        | ClientError::Endpoint(_)
        | ClientError::Ended(_)
        | ClientError::Access(_)
        | ClientError::Refused(_)
        | ClientError::Protocol(_) => false,
    }
}
