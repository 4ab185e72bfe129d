//! What this process knows of how far the rows are: told by NOTIFY, and looked up now and then in case a notification was lost.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use reinstate_domain::entry::Position;
use tokio::{sync::watch, task::JoinHandle};
use tokio_postgres::AsyncMessage;

use super::{
    Error, clock,
    connect::{Connector, Dedicated},
    rows,
};
use crate::clock::Difference;

/// Each commit of rows notifies it, with `PARTITION:NEXT`, or with [`ROWS`].
pub(super) const CHANNEL: &str = "reinstate_rows";

/// The notification that rows changed without the checkpoint.
pub(super) const ROWS: &str = "rows";

/// How often it looks without being told.
const LOOK: Duration = Duration::from_millis(500);

/// The rest before it connects again.
const REST: Duration = Duration::from_millis(250);

/// Progress of the rows, for whoever waits for it.
#[derive(Debug)]
pub(super) struct Feed {
    checkpoints: watch::Sender<HashMap<u32, u64>>,
    changes: watch::Sender<u64>,
    trouble: Mutex<Option<String>>,
    clock: Mutex<Option<Difference>>,
    listening: AtomicBool,
    listener: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Feed {
    fn drop(&mut self) {
        let listener = self.listener.get_mut().unwrap_or_else(PoisonError::into_inner);
        listener.iter().for_each(JoinHandle::abort);
    }
}

impl Feed {
    /// Listens until it is dropped.
    pub(super) fn start(connector: Connector) -> Arc<Self> {
        let feed = Arc::new(Self {
            checkpoints: watch::Sender::default(),
            changes: watch::Sender::default(),
            trouble: Mutex::default(),
            clock: Mutex::default(),
            listening: AtomicBool::new(false),
            listener: Mutex::default(),
        });
        let weak = Arc::downgrade(&feed);
        let listener = tokio::spawn(async move {
            loop {
                let listened = listen(&connector, &weak).await;
                let Some(feed) = weak.upgrade() else { return };
                feed.listening.store(false, Ordering::Relaxed);
                if let Err(error) = listened {
                    if feed.trouble().is_none() {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(error, "PostgreSQL's notifications are not heard");
                    }
                    feed.set_trouble(Some(error.to_string()));
                }
                drop(feed);
                tokio::time::sleep(REST).await;
            }
        });
        *feed.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
        feed
    }

    /// The rows have everything of the partition before `next`.
    pub(super) fn reached(&self, partition: u32, next: u64) {
        let moved = self.checkpoints.send_if_modified(|checkpoints| {
            let known = checkpoints.entry(partition).or_default();
            let moved = *known < next;
            *known = next.max(*known);
            moved
        });
        if moved {
            self.changed();
        }
    }

    /// A server that came back may have other rows than it had: those of a backup, or of a replica that was behind.
    fn forget(&self) {
        self.checkpoints.send_modify(HashMap::clear);
    }

    /// Rows changed and no checkpoint did.
    pub(super) fn changed(&self) {
        self.changes.send_modify(|n| *n += 1);
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Returns true as soon as it has heard that the rows have this position; false after a while, and at once when it hears nothing.
    pub(super) async fn wait(&self, position: Position) -> bool {
        let mut checkpoints = self.checkpoints.subscribe();
        if !self.listening.load(Ordering::Relaxed) {
            return has(&checkpoints.borrow(), position);
        }
        let there = checkpoints.wait_for(|checkpoints| has(checkpoints, position));
        matches!(tokio::time::timeout(LOOK, there).await, Ok(Ok(_)))
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// How the clocks differ, as far as was last seen.
    pub(super) fn clock(&self) -> Option<Difference> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_clock(&self, difference: Option<Difference>) {
        let before = std::mem::replace(
            &mut *self.clock.lock().unwrap_or_else(PoisonError::into_inner),
            difference.clone(),
        );
        match (before, difference) {
            (None, Some(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "nothing is decided")
            }
            (Some(_), None) => tracing::info!("the clocks agree again"),
            _ => {}
        }
    }

    fn heard(&self, payload: &str) {
        let progress = payload.split_once(':');
        match progress.and_then(|(partition, next)| Some((partition.parse().ok()?, next.parse().ok()?))) {
            Some((partition, next)) => self.reached(partition, next),
            None => self.changed(),
        }
    }
}

fn has(checkpoints: &HashMap<u32, u64>, position: Position) -> bool {
    checkpoints.get(&position.partition).is_some_and(|next| *next > position.offset)
}

/// Listens on one connection until it ends or does not answer.
async fn listen(connector: &Connector, feed: &Weak<Feed>) -> Result<(), Error> {
    let (client, mut wire) = connector.connect().await?;
    let (heard, mut notifications) = tokio::sync::mpsc::unbounded_channel();
    let driver = tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|cx| wire.poll_message(cx)).await {
            if let AsyncMessage::Notification(notification) = message
                && heard.send(notification.payload().to_owned()).is_err()
            {
                return;
            }
        }
    });
    let client = Dedicated::of(client, driver);
    let listen = async {
        client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
        // One row at least, for the clock.
        let look = format!(
            "SELECT {}, partition, next FROM (SELECT) AS nothing LEFT JOIN reinstate.checkpoints ON true",
            clock::NOW
        );
        client.prepare(&look).await
    };
    let look =
        tokio::time::timeout(connector.timeout(), listen).await.map_err(|_| connector.timed_out())??;
    let mut first = true;
    loop {
        let asked = Timestamp::now();
        let looked = tokio::time::timeout(connector.timeout(), client.query(&look, &[])).await;
        let rows = looked.map_err(|_| connector.timed_out())??;
        let Some(feed) = feed.upgrade() else { return Ok(()) };
        if std::mem::take(&mut first) {
            feed.forget();
        }
        if let Some(row) = rows.first() {
            feed.set_clock(clock::difference(connector, asked, row.get(0)));
        }
        for row in rows {
            let (partition, next): (Option<i32>, Option<i64>) = (row.get(1), row.get(2));
            if let Some((partition, next)) = partition.zip(next) {
                feed.reached(rows::unsigned(partition), rows::unsigned(next));
            }
        }
        feed.listening.store(true, Ordering::Relaxed);
        feed.set_trouble(None);
        let until = tokio::time::Instant::now() + LOOK;
        // Until it is time, or the connection ended: the next statement says how.
        while let Ok(Some(payload)) = tokio::time::timeout_at(until, notifications.recv()).await {
            feed.heard(&payload);
        }
    }
}
