//! The keys' contract, run against each adapter.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path, sync::Arc};

use async_trait::async_trait;
use reinstate_domain::ids::AccountId;
use reinstate_store::{
    keys::{self, Keys, SqliteKeys},
    master::Secret,
    postgres::{PostgresKeys, Settings},
};
use support::{database, keys_contract::Place};

mod support;

/// Whether any file below the folder has these bytes.
fn is_anywhere_in(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return is_anywhere_in(&path, bytes);
        }
        // One that is gone has nothing.
        fs::read(path).unwrap_or_default().windows(bytes.len()).any(|w| w == bytes)
    })
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn connection(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.0.path().join("keys.sqlite")).unwrap()
    }
}

#[async_trait]
impl Place for Folder {
    async fn open(&self, wrapping: Secret) -> Arc<dyn Keys> {
        Arc::new(SqliteKeys::open(&self.0.path().join("keys.sqlite"), wrapping).unwrap())
    }

    async fn wrapped(&self, account: &AccountId) -> Option<Vec<u8>> {
        let select = "SELECT wrapped FROM keys WHERE account = ?1";
        self.connection().query_row(select, (account.as_str(),), |row| row.get(0)).unwrap()
    }

    async fn tamper(&self, account: &AccountId, wrapped: &[u8]) {
        let update = "UPDATE keys SET wrapped = ?1 WHERE account = ?2";
        self.connection().execute(update, (wrapped, account.as_str())).unwrap();
    }

    async fn has_anywhere(&self, bytes: &[u8]) -> bool {
        is_anywhere_in(self.0.path(), bytes)
    }
}

struct Database(String);

#[async_trait]
impl Place for Database {
    async fn open(&self, wrapping: Secret) -> Arc<dyn Keys> {
        Arc::new(PostgresKeys::open(&Settings::new(&self.0), wrapping).await.unwrap())
    }

    async fn wrapped(&self, account: &AccountId) -> Option<Vec<u8>> {
        let select =
            format!("SELECT encode(wrapped, 'hex') FROM reinstate_keys.keys WHERE account = '{account}'");
        let text = database::psql(&self.0, &select).await;
        (!text.is_empty()).then(|| hex::decode(text).unwrap())
    }

    async fn tamper(&self, account: &AccountId, wrapped: &[u8]) {
        let wrapped = hex::encode(wrapped);
        let update = "UPDATE reinstate_keys.keys SET wrapped = decode(";
        database::psql(&self.0, &format!("{update}'{wrapped}', 'hex') WHERE account = '{account}'")).await;
    }

    /// In the files of tables and indexes. The write-ahead log has what was written until PostgreSQL reuses its files.
    async fn has_anywhere(&self, bytes: &[u8]) -> bool {
        database::psql(&self.0, "CHECKPOINT").await;
        let oid = "SELECT oid FROM pg_database WHERE datname = current_database()";
        let files = format!("data/base/{}", database::psql(&self.0, oid).await);
        is_anywhere_in(&database::server().folder().join(files), bytes)
    }
}

keys_contract!(sqlite, Folder(tempfile::tempdir().unwrap()));
keys_contract!(postgres, Database(database::empty().await));

#[tokio::test]
async fn a_store_of_keys_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.sqlite");
    drop(SqliteKeys::open(&path, Secret::new([7; 32])).unwrap());
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 2).unwrap();
    let refused = SqliteKeys::open(&path, Secret::new([7; 32])).map(|_| ()).unwrap_err();
    assert!(matches!(refused, keys::Error::NewerVersion { found: 2, known: 1, .. }));
}
