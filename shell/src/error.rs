//! What ends `pact`, and with which code.

use std::error::Error;

use pact_client::settings::SettingsError;
use pact_client::{ClientError, NoWay, Place, TlsError};
use pact_proto::exit::ExitCode;
use pact_proto::view::escape;

use crate::confine::ConfineError;
use crate::invocation::Unusable;

/// Why `pact` itself failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShellError {
    /// Words that mean nothing.
    #[error(transparent)]
    Invocation(#[from] Unusable),
    /// The kernel does not give what is asked of it.
    #[error(transparent)]
    Confine(#[from] ConfineError),
    /// No session, or no session any more.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Settings that cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Certificates that cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The journal knows no way to a node.
    #[error(transparent)]
    NoWay(NoWay),
    /// A set of nodes in which there is none.
    #[error("exec: there is no node in this set")]
    NoNodes,
    /// Input that cannot be given to all nodes.
    #[error("standard input: {0}")]
    Input(String),
    /// One of the three streams, or the runtime that watches them.
    #[error("{what}: it cannot be used")]
    Io {
        /// `standard input`, …
        what: &'static str,
        /// The refusal.
        #[source]
        source: std::io::Error,
    },
    /// The line editor.
    #[error("prompt: the line editor failed: {0}")]
    Editor(String),
}

impl ShellError {
    pub(crate) fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    /// The number that the caller's shell sees.
    pub(crate) fn code(&self) -> u8 {
        let code = match self {
            Self::Invocation(_)
            | Self::Confine(_)
            | Self::Settings(_)
            | Self::Tls(_)
            | Self::NoNodes
            | Self::Input(_)
            | Self::Io { .. }
            | Self::Editor(_) => ExitCode::General,
            Self::NoWay(_) => ExitCode::Unreachable,
            Self::Client(ClientError::Refused(refusal)) => return refusal.code,
            Self::Client(ClientError::Protocol(_) | ClientError::Endpoint(_)) => ExitCode::General,
            Self::Client(ClientError::Access(_)) => ExitCode::Auth,
            Self::Client(ClientError::Ended(_)) => ExitCode::General,
            Self::Client(
                ClientError::Unreachable { .. }
                | ClientError::NotTheAgent { .. }
                | ClientError::Impostor { .. }
                | ClientError::Silent { .. }
                | ClientError::Lost,
            ) => ExitCode::Unreachable,
        };
        code.number()
    }

    /// `<what>: <why>`, with what is behind it.
    pub(crate) fn reason(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        text
    }

    /// `pact: <what>: <why>`, with what to do.
    pub(crate) fn told(&self) -> String {
        let (text, hint) = (format!("pact: {}", self.reason()), self.hint());
        let text = escape(text.as_bytes());
        if hint.is_empty() { format!("{text}\n") } else { format!("{text}\nhint: {}\n", escape(hint.as_bytes())) }
    }

    fn hint(&self) -> &str {
        match self {
            Self::Invocation(unusable) => unusable.hint(),
            Self::Confine(_) => "the node's console is the way in until it runs a kernel that has it",
            Self::Client(ClientError::Refused(refusal)) => &refusal.hint,
            Self::Client(ClientError::Unreachable { place: Place::Socket(_), source })
                if source.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                "only members of the group `pact` reach the agent; ask who administers this node"
            }
            Self::Client(
                ClientError::Unreachable { place: Place::Journal { .. }, .. }
                | ClientError::Silent { place: Place::Journal { .. }, .. },
            ) => "the journal is the way to every node: see whether it is up, and whether `endpoint` names it",
            Self::Client(
                ClientError::Unreachable { place: Place::Node { .. }, .. }
                | ClientError::Silent { place: Place::Node { .. }, .. },
            ) => "see on the node whether its agent is up, and whether a firewall is between",
            Self::Client(ClientError::Impostor { .. }) => {
                "nothing was sent to it: see whether `ca` is the site's authority, and tell who runs the site if it is"
            }
            Self::Client(ClientError::Ended(_)) => "open a new one",
            Self::Client(ClientError::Access(_)) => "get a new token, and try again",
            Self::Client(ClientError::Endpoint(_)) => "write it like `journal01:9443`",
            Self::Client(ClientError::Unreachable { .. } | ClientError::Silent { .. } | ClientError::Lost) => {
                "pact-agent runs this node's lines: see on the node's console whether it is up"
            }
            Self::Client(ClientError::NotTheAgent { .. }) => "tell who administers this node: this should not be",
            Self::Client(ClientError::Protocol(_)) => "pact and pact-agent must be of the same release",
            Self::Settings(SettingsError::NoEndpoint) => {
                "say --endpoint HOST:PORT, set PACT_ENDPOINT, or write `endpoint` into ~/.config/pact/cli.toml"
            }
            Self::Settings(SettingsError::NoToken) => {
                "set PACT_TOKEN or PACT_TOKEN_FILE, or write `token_file` into ~/.config/pact/cli.toml"
            }
            Self::NoWay(_) => "see whether its agent is up, and whether `listen` is in its [journal]",
            Self::Settings(_) | Self::Tls(_) | Self::NoNodes | Self::Input(_) | Self::Io { .. } | Self::Editor(_) => "",
        }
    }
}
