//! Ctrl-C, Ctrl-\, SIGTERM and SIGHUP end a task by its own way out, so that what it started is stopped and removed.
//!
//! **Why:** a signal's default is the end of the process on the spot, which runs nothing that cleans up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag::register;

use crate::error::{Error, Result};

/// What has come since this was made.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    from_keyboard: Arc<AtomicBool>,
    to_end: Arc<AtomicBool>,
}

impl Interrupt {
    /// From here on the signals are noted instead of obeyed.
    pub fn watch() -> Result<Self> {
        let watch = Self::default();
        register(SIGINT, Arc::clone(&watch.from_keyboard))?;
        register(SIGQUIT, Arc::clone(&watch.from_keyboard))?;
        register(SIGTERM, Arc::clone(&watch.to_end))?;
        register(SIGHUP, Arc::clone(&watch.to_end))?;
        Ok(watch)
    }

    /// Ends the task when any of them has come.
    pub fn check(&self) -> Result<()> {
        if self.from_keyboard.load(Ordering::Relaxed) || self.must_end() {
            return Err(Error::failed("interrupted"));
        }
        Ok(())
    }

    /// Whether the task must end even while the keyboard belongs to a program that it started.
    pub fn must_end(&self) -> bool {
        self.to_end.load(Ordering::Relaxed)
    }
}
