//! The keys of the embedded default.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use reinstate_domain::ids::AccountId;
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior};

use super::{Error, Keys, make, unwrap};
use crate::master::Secret;
use crate::seal::DataKey;

/// Keys in a SQLite file of their own, each wrapped by a key derived from the master key.
#[derive(Debug)]
pub struct SqliteKeys {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connection: Mutex<Connection>,
    wrapping: Secret,
}

const VERSION: i64 = 1;

/// `wrapped` is nonce and ciphertext, 72 bytes; NULL once it was erased. Rows are only added at the end and never move between
/// pages, so no copy of a key stays behind where `secure_delete` does not look.
const TABLES: &str = "
    CREATE TABLE keys (id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL UNIQUE, wrapped BLOB) STRICT;
";

impl SqliteKeys {
    /// Opens the file, and makes it when there is none. Blocks.
    ///
    /// # Errors
    /// [`Error::NewerVersion`], [`Error::Full`], [`Error::Unavailable`].
    pub fn open(path: &Path, wrapping: Secret) -> Result<Self, Error> {
        let mut connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(failed)?;
        let found: i64 =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
        if found > VERSION {
            return Err(Error::NewerVersion { path: path.to_owned(), found, known: VERSION });
        }
        let prepare = |c: &mut Connection| -> rusqlite::Result<()> {
            c.pragma_update(None, "journal_mode", "WAL")?;
            c.pragma_update(None, "synchronous", "FULL")?;
            c.pragma_update(None, "secure_delete", "ON")?;
            if found == 0 {
                let tx = c.transaction()?;
                tx.execute_batch(TABLES)?;
                tx.pragma_update(None, "user_version", VERSION)?;
                tx.commit()?;
            }
            Ok(())
        };
        prepare(&mut connection).map_err(failed)?;
        Ok(Self { inner: Arc::new(Inner { connection: Mutex::new(connection), wrapping }) })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner, &mut Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let inner = self.inner.clone();
        let task = tokio::task::spawn_blocking(move || {
            let mut connection = inner.connection.lock().unwrap_or_else(PoisonError::into_inner);
            work(&inner, &mut connection)
        });
        task.await.map_err(|e| Error::Unavailable(Box::new(e)))?
    }
}

#[async_trait]
impl Keys for SqliteKeys {
    async fn create_or_get(&self, account: &AccountId) -> Result<DataKey, Error> {
        let account = account.clone();
        self.blocking(move |inner, connection| {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
            match find(&tx, &account)? {
                Some(Some(wrapped)) => unwrap(&inner.wrapping, &account, &wrapped),
                Some(None) => Err(Error::Erased),
                None => {
                    let (key, wrapped) = make(&inner.wrapping, &account)?;
                    tx.execute(
                        "INSERT INTO keys (account, wrapped) VALUES (?1, ?2)",
                        (account.as_str(), wrapped),
                    )
                    .map_err(failed)?;
                    tx.commit().map_err(failed)?;
                    Ok(key)
                }
            }
        })
        .await
    }

    async fn get(&self, account: &AccountId) -> Result<Option<DataKey>, Error> {
        let account = account.clone();
        self.blocking(move |inner, connection| match find(connection, &account)? {
            Some(Some(wrapped)) => unwrap(&inner.wrapping, &account, &wrapped).map(Some),
            Some(None) | None => Ok(None),
        })
        .await
    }

    async fn erase(&self, account: &AccountId) -> Result<bool, Error> {
        let account = account.clone();
        self.blocking(move |_, connection| {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
            let had = matches!(find(&tx, &account)?, Some(Some(_)));
            tx.execute(
                "INSERT INTO keys (account, wrapped) VALUES (?1, NULL)
                 ON CONFLICT (account) DO UPDATE SET wrapped = NULL",
                (account.as_str(),),
            )
            .map_err(failed)?;
            tx.commit().map_err(failed)?;
            wipe_wal(connection)?;
            Ok(had)
        })
        .await
    }
}

/// `None`: never had a key. `Some(None)`: erased.
fn find(connection: &Connection, account: &AccountId) -> Result<Option<Option<Vec<u8>>>, Error> {
    connection
        .query_row("SELECT wrapped FROM keys WHERE account = ?1", (account.as_str(),), |row| row.get(0))
        .optional()
        .map_err(failed)
}

/// The WAL still has the page as it was before: moves it all into the file, where the page is overwritten, and cuts it to
/// nothing.
fn wipe_wal(connection: &Connection) -> Result<(), Error> {
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get(0)).map_err(failed)?;
    if busy == 0 { Ok(()) } else { Err(Error::NotWiped) }
}

fn failed(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full,
        _ => Error::Unavailable(Box::new(error)),
    }
}
