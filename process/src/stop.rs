//! The wish that the process end: SIGTERM or SIGINT. Whoever holds one finishes what was begun and begins nothing more.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Tells when the process is to end. Clones tell the same.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// Asks for the end by hand. Dropped, it asks too.
#[derive(Debug)]
pub struct Request(watch::Sender<bool>);

impl Request {
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Watches the process's signals from now on. A second signal changes nothing: the end is under way.
    ///
    /// # Errors
    /// When the system does not let them be watched.
    pub fn on_signal() -> std::io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (request, stop) = Self::by_hand();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping: what was begun is finished first");
            request.stop();
        });
        Ok(stop)
    }

    /// For a program that decides by itself, and for tests.
    #[must_use]
    pub fn by_hand() -> (Request, Self) {
        let (sender, receiver) = watch::channel(false);
        (Request(sender), Self(receiver))
    }

    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once the end was asked for.
    pub async fn requested(&self) {
        // Nobody is left to ask: the end as well.
        let _ = self.0.clone().wait_for(|stop| *stop).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_who_waits_for_the_end_learns_of_it_also_who_comes_later() {
        let (request, stop) = Stop::by_hand();
        let waiting = tokio::spawn({
            let stop = stop.clone();
            async move { stop.requested().await }
        });
        assert!(!stop.is_requested());
        request.stop();
        waiting.await.unwrap();
        stop.requested().await;
        assert!(stop.is_requested());
    }
}
