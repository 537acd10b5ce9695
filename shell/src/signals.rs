//! The signals that `pact` hears.
//!
//! **Invariant:** Ctrl-C and Ctrl-\ are the line's; SIGTERM and SIGHUP end the session in order.

use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-\.
    Quit,
    /// Close the session, and end with this code.
    Leave(u8),
}

impl Heard {
    /// What `pact` ends with when its terminal has gone.
    pub(crate) const HANGUP: u8 = 128 + 1;

    /// What `pact` ends with where there is no line to hand it to.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Interrupt => ended_by(Number::INT),
            Self::Quit => ended_by(Number::QUIT),
            Self::Leave(code) => code,
        }
    }
}

/// All of them.
pub(crate) struct Signals {
    interrupt: Signal,
    quit: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.interrupt.recv() => Heard::Interrupt,
            _ = self.quit.recv() => Heard::Quit,
            _ = self.terminate.recv() => Heard::Leave(ended_by(Number::TERM)),
            _ = self.hangup.recv() => Heard::Leave(ended_by(Number::HUP)),
        }
    }
}

/// SIGWINCH: the terminal is of another size.
pub(crate) struct Resizes(Signal);

impl Resizes {
    pub(crate) fn listen() -> io::Result<Self> {
        signal(SignalKind::window_change()).map(Self)
    }

    /// The next one.
    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}

/// As every shell reports it.
fn ended_by(signal: Number) -> u8 {
    u8::try_from(128 + signal.as_raw()).unwrap_or(u8::MAX)
}
