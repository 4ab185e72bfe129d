//! The attempts' contract, run against each adapter.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use async_trait::async_trait;
use reinstate_store::{
    attempts::{Attempts, SqliteAttempts},
    postgres::{Postgres, Settings},
};
use support::{attempts_contract::Place, database};

mod support;

struct Folder(tempfile::TempDir);

#[async_trait]
impl Place for Folder {
    async fn open(&self) -> Arc<dyn Attempts> {
        Arc::new(SqliteAttempts::open(&self.0.path().join("attempts.sqlite")).unwrap())
    }
}

struct Database(String);

#[async_trait]
impl Place for Database {
    async fn open(&self) -> Arc<dyn Attempts> {
        Arc::new(Postgres::open(&Settings::new(&self.0), None).await.unwrap().attempts())
    }
}

attempts_contract!(sqlite, Folder(tempfile::tempdir().unwrap()));
attempts_contract!(postgres, Database(database::empty().await));
