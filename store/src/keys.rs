//! The accounts' own keys, outside the log. Deleting one erases a person: what it sealed can't be opened again, in no
//! log, blob or backup of them, while every hash still verifies.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use reinstate_domain::ids::AccountId;
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior};
use zeroize::Zeroizing;

use crate::{
    master::Secret,
    seal::{self, decrypt, encrypt},
};

/// An account's key. Does not print; wiped when dropped.
pub struct DataKey(Secret);

impl DataKey {
    /// A key whose bytes are known: for tests and for what is not kept.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.0
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The account had a key, which was erased. It never gets another one.
    #[error("the account's key was erased")]
    Erased,
    #[error("the store of keys does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the disk under the store of keys is full")]
    Full,
    /// The master key is another one than the account's key was wrapped with, or the store is damaged.
    #[error("the account's key can't be unwrapped")]
    Unwrap(#[source] seal::Error),
    #[error("{} was written by a newer version: its format is {found}, this program knows up to {known}", path.display())]
    NewerVersion { path: PathBuf, found: i64, known: i64 },
    /// The key is gone from the store and its bytes may still be on the disk.
    #[error("the erased key's bytes could not be wiped yet; erase it again")]
    NotWiped,
    #[error("the system has no randomness to give")]
    Random,
}

/// Where the keys are kept.
#[async_trait]
pub trait Keys: Send + Sync {
    /// The account's key, made and durably kept if it has none.
    ///
    /// # Errors
    /// [`Error::Erased`] for an account whose key was erased.
    async fn create_or_get(&self, account: &AccountId) -> Result<DataKey, Error>;

    /// The account's key; `None` when it has none, or none any more.
    async fn get(&self, account: &AccountId) -> Result<Option<DataKey>, Error>;

    /// Destroys the account's key for ever, also for an account that has none yet. When this returns, nothing in the store can
    /// bring it back. Says whether there was one. Again is the same as once.
    async fn erase(&self, account: &AccountId) -> Result<bool, Error>;
}

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
                Some(Some(wrapped)) => inner.unwrap(&account, &wrapped),
                Some(None) => Err(Error::Erased),
                None => {
                    let key = DataKey(Secret::random().map_err(|_| Error::Random)?);
                    let wrapped = encrypt(&inner.wrapping, &aad(&account), key.0.expose())
                        .map_err(|_| Error::Random)?;
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
            Some(Some(wrapped)) => inner.unwrap(&account, &wrapped).map(Some),
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

impl Inner {
    fn unwrap(&self, account: &AccountId, wrapped: &[u8]) -> Result<DataKey, Error> {
        let bytes = decrypt(&self.wrapping, &aad(account), wrapped).map_err(Error::Unwrap)?;
        let bytes: Zeroizing<[u8; 32]> =
            Zeroizing::new(bytes[..].try_into().map_err(|_| Error::Unwrap(seal::Error::DoesNotOpen))?);
        Ok(DataKey(Secret::new(*bytes)))
    }
}

/// A wrapped key is bound to its account: keys can't be exchanged in the file.
fn aad(account: &AccountId) -> Vec<u8> {
    [b"account key\0", account.as_str().as_bytes()].concat()
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
