//! Which sessions one connection has open: a connection without any is not waited for when it breaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The open sessions of a connection. Clones count the same ones.
#[derive(Clone, Default)]
pub struct OpenSessions(Arc<AtomicU32>);

/// One of them, until it is dropped.
pub struct OpenSession(OpenSessions);

impl OpenSessions {
    /// One more.
    pub fn enter(&self) -> OpenSession {
        self.0.fetch_add(1, Ordering::Relaxed);
        OpenSession(self.clone())
    }

    /// Whether there are any.
    pub fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
