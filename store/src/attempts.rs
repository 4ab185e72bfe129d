//! How often the examination of a piece of evidence was begun and not ended. Evidence that brings its workers down leaves no
//! other trace, so this is counted outside of them, and before each examination.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use reinstate_domain::ids::EvidenceId;
use rusqlite::Connection;

#[derive(Debug, thiserror::Error)]
#[error("the count of examinations does not answer")]
pub struct Unavailable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Counts, durably.
#[async_trait]
pub trait Attempts: Send + Sync {
    /// Notes that an examination begins, before it does. Returns how many were begun before and have not ended.
    async fn begin(&self, evidence: EvidenceId) -> Result<u32, Unavailable>;

    /// Notes that the examination came to an end, well or not: whoever began it lived through it. Forgets the evidence.
    async fn end(&self, evidence: EvidenceId) -> Result<(), Unavailable>;
}

/// Counts in a SQLite file: for one process. Outlives the process; after a power cut the last counts may be missing, which gives
/// the evidence another chance.
#[derive(Debug, Clone)]
pub struct SqliteAttempts(Arc<Mutex<Connection>>);

impl SqliteAttempts {
    /// Opens the file, and makes it when there is none. Blocks.
    ///
    /// # Errors
    /// When it can't be used.
    pub fn open(path: &Path) -> Result<Self, Unavailable> {
        let prepare = |connection: Connection| {
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.execute_batch(
                "CREATE TABLE IF NOT EXISTS attempts (evidence TEXT PRIMARY KEY, begun INTEGER NOT NULL) STRICT",
            )?;
            Ok(Self(Arc::new(Mutex::new(connection))))
        };
        Connection::open(path).and_then(prepare).map_err(|e| Unavailable(Box::new(e)))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let connection = Arc::clone(&self.0);
        let task = tokio::task::spawn_blocking(move || {
            work(&connection.lock().unwrap_or_else(PoisonError::into_inner))
        });
        let done = task.await.map_err(|e| Unavailable(Box::new(e)))?;
        done.map_err(|e| Unavailable(Box::new(e)))
    }
}

#[async_trait]
impl Attempts for SqliteAttempts {
    async fn begin(&self, evidence: EvidenceId) -> Result<u32, Unavailable> {
        self.blocking(move |connection| {
            let begun: u32 = connection.query_row(
                "INSERT INTO attempts (evidence, begun) VALUES (?1, 1)
                 ON CONFLICT (evidence) DO UPDATE SET begun = begun + 1 RETURNING begun",
                (evidence.to_string(),),
                |row| row.get(0),
            )?;
            Ok(begun - 1)
        })
        .await
    }

    async fn end(&self, evidence: EvidenceId) -> Result<(), Unavailable> {
        self.blocking(move |connection| {
            connection.execute("DELETE FROM attempts WHERE evidence = ?1", (evidence.to_string(),))?;
            Ok(())
        })
        .await
    }
}
