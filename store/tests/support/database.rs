//! A PostgreSQL for all tests of a binary, and a database for each of them.

use std::sync::atomic::{AtomicU32, Ordering};

use reinstate_cluster::postgres::Postgres as Server;
use reinstate_store::postgres::{Postgres, Settings};

pub fn server() -> &'static Server {
    Server::of_this_process().unwrap()
}

/// The URL of a new, empty database.
pub async fn empty() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    tokio::task::spawn_blocking(move || server().create_database(&name).unwrap()).await.unwrap()
}

/// Empty read models in a database of their own.
pub async fn models() -> Postgres {
    Postgres::open(&Settings::new(&empty().await), None).await.unwrap()
}

/// Sets a database's clock so many seconds ahead, or back.
pub async fn set_clock(url: &str, ahead: i64) {
    let database = url.rsplit_once('/').unwrap().1.to_owned();
    tokio::task::spawn_blocking(move || server().set_clock(&database, ahead).unwrap()).await.unwrap();
}

/// Runs SQL as an operator would.
pub async fn psql(url: &str, sql: &str) -> String {
    let (database, sql) = (url.rsplit_once('/').unwrap().1.to_owned(), sql.to_owned());
    tokio::task::spawn_blocking(move || server().psql(&database, &sql).unwrap()).await.unwrap()
}
