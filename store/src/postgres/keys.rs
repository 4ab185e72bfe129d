//! The accounts' keys, for services that run as several processes.

use std::sync::Arc;

use async_trait::async_trait;
use reinstate_domain::ids::AccountId;
use tokio_postgres::{Row, types::ToSql};

use super::{Error, Settings, connect::Pool, schema};
use crate::{
    keys::{self, Keys, make, unwrap},
    master::Secret,
    seal::DataKey,
};

/// Keys in a schema of their own, `reinstate_keys`, each wrapped by a key derived from the master key. It may lie in another database
/// than the read models, and outlives them.
#[derive(Debug, Clone)]
pub struct PostgresKeys {
    pool: Pool,
    wrapping: Arc<Secret>,
}

impl From<Error> for keys::Error {
    fn from(error: Error) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl PostgresKeys {
    /// Connects and brings the schema up to date.
    ///
    /// # Errors
    /// One sentence that names what is wrong and the way out.
    pub async fn open(settings: &Settings, wrapping: Secret) -> Result<Self, Error> {
        let pool = Pool::new(settings)?;
        schema::migrate_keys(pool.connector()).await?;
        Ok(Self { pool, wrapping: Arc::new(wrapping) })
    }

    /// Each statement is a transaction of its own and says the same when it is said again, so one over a connection that broke is
    /// said again once.
    async fn ask(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        self.pool
            .within(async {
                match self.ask_once(sql, params).await {
                    Err(Error::Broken(_)) => self.ask_once(sql, params).await,
                    answered => answered,
                }
            })
            .await
    }

    async fn ask_once(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        let client = self.pool.lease().await?;
        let statement = client.prepare_cached(sql).await?;
        let rows = client.query(&statement, params).await?;
        client.done();
        Ok(rows)
    }

    /// `None`: never had a key. `Some(None)`: erased.
    async fn find(&self, account: &AccountId) -> Result<Option<Option<Vec<u8>>>, Error> {
        let select = "SELECT wrapped FROM reinstate_keys.keys WHERE account = $1";
        let found = self.ask(select, &[&account.as_str()]).await?;
        found.first().map(|row| row.try_get(0).map_err(Error::from)).transpose()
    }
}

#[async_trait]
impl Keys for PostgresKeys {
    async fn create_or_get(&self, account: &AccountId) -> Result<DataKey, keys::Error> {
        // Once more when two make it at the same time: the one that comes second finds the other's.
        for _ in 0..2 {
            match self.find(account).await? {
                Some(Some(wrapped)) => return unwrap(&self.wrapping, account, &wrapped),
                Some(None) => return Err(keys::Error::Erased),
                None => {}
            }
            let (key, wrapped) = make(&self.wrapping, account)?;
            let insert = "INSERT INTO reinstate_keys.keys (account, wrapped) VALUES ($1, $2)
                          ON CONFLICT (account) DO NOTHING RETURNING true";
            if !self.ask(insert, &[&account.as_str(), &wrapped]).await?.is_empty() {
                return Ok(key);
            }
        }
        // Nobody deletes rows.
        Err(keys::Error::Erased)
    }

    async fn get(&self, account: &AccountId) -> Result<Option<DataKey>, keys::Error> {
        match self.find(account).await? {
            Some(Some(wrapped)) => unwrap(&self.wrapping, account, &wrapped).map(Some),
            Some(None) | None => Ok(None),
        }
    }

    async fn erase(&self, account: &AccountId) -> Result<bool, keys::Error> {
        let erased = self.ask("SELECT reinstate_keys.erase($1)", &[&account.as_str()]).await?;
        Ok(erased.first().is_some_and(|row| row.get(0)))
    }
}
