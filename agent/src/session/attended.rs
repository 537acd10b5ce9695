//! Waiting for something without losing sight of the client.
//!
//! **Invariant:** whatever a session waits for while a line is on its way, it hears the client meanwhile, and where a
//! file system may never answer there is an end to the waiting.

use std::time::Duration;

use pact_proto::wire::v1::client_message::Kind;
use tokio::time::sleep;

use super::Over;
use super::inbound::Inbound;

/// Why the waiting ended before the work did.
#[derive(Debug)]
pub(super) enum Cut {
    /// The author wants no more of the line.
    Signal,
    /// The session is over.
    Over(Over),
    /// It took too long.
    Late,
}

impl Cut {
    /// For the record.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Signal => "its author",
            Self::Over(over) => over.reason(),
            Self::Late => "the node's files do not answer",
        }
    }

    /// The end of the session, if it is that.
    pub(super) fn over(self) -> Option<Over> {
        match self {
            Self::Signal | Self::Late => None,
            Self::Over(over) => Some(over),
        }
    }
}

/// Does `work`, at most for so long. What the client sends for the line's program is for nobody yet.
pub(super) async fn attended<T>(
    work: impl Future<Output = T>,
    inbound: &mut Inbound,
    at_most: Option<Duration>,
) -> Result<T, Cut> {
    let late = async {
        match at_most {
            Some(time) => sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(work, late);
    loop {
        tokio::select! {
            done = &mut work => return Ok(done),
            () = &mut late => return Err(Cut::Late),
            message = inbound.next() => match message {
                Ok(Kind::Signal(_)) => return Err(Cut::Signal),
                Ok(Kind::Close(_)) => return Err(Cut::Over(Over::Left)),
                Ok(Kind::Open(_) | Kind::Line(_) | Kind::Renew(_)) => {
                    return Err(Cut::Over(Over::Protocol("one line at a time")));
                }
                Ok(Kind::Stdin(_) | Kind::StdinEnd(_) | Kind::Resize(_) | Kind::Complete(_)) => {}
                Err(over) => return Err(Cut::Over(over)),
            },
        }
    }
}
