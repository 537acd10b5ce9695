//! Which sessions one connection has open: a connection without any is not waited for when it breaks.

use std::sync::Arc;

use tokio::sync::watch;

/// The open sessions of a connection. Clones count the same ones.
#[derive(Clone)]
pub struct OpenSessions(Arc<watch::Sender<u32>>);

/// One of them, until it is dropped.
pub struct OpenSession(OpenSessions);

impl Default for OpenSessions {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl OpenSessions {
    /// One more.
    pub fn enter(&self) -> OpenSession {
        self.0.send_modify(|count| *count += 1);
        OpenSession(self.clone())
    }

    /// Waits until there is none.
    pub async fn none(&self) {
        // The sender is here as long as it is waited for.
        let mut told = self.0.subscribe();
        let _gone = told.wait_for(|count| *count == 0).await;
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}
