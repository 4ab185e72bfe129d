//! The questions, and their answers.

use async_trait::async_trait;
use jiff::Timestamp;
use reinstate_domain::{
    entry::Position,
    ids::{AccountId, CaseId},
};
use tokio::sync::watch;
use tokio_postgres::{Row, types::ToSql};
use uuid::Uuid;

use super::{
    Error, Postgres,
    rows::{
        account_id, account_status, case_id, nanoseconds, parse, position, reactivation_status, signed,
        timestamp, unsigned,
    },
};
use crate::read_models::{
    self, AccountRow, AccountStatus, Due, ReactivationRow, ReactivationStatus, ReadModels, Snapshots,
};

impl From<Error> for read_models::Error {
    fn from(error: Error) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

type Answer<T> = Result<T, read_models::Error>;

impl Postgres {
    /// Asks one thing, within the bound. A connection that broke while it lay in the pool, as all do when the server restarts, is
    /// worth one more try.
    pub(super) async fn read(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        self.pool
            .within(async {
                match self.read_once(sql, params).await {
                    Err(Error::Broken(_)) => self.read_once(sql, params).await,
                    answered => answered,
                }
            })
            .await
    }

    async fn read_once(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        let client = self.pool.lease().await?;
        let statement = client.prepare_cached(sql).await?;
        let rows = client.query(&statement, params).await?;
        client.done();
        Ok(rows)
    }

    /// As [`Postgres::read`], of the schema's tables: `{}` stands for it.
    async fn ask(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        self.read(&sql.replace("{}", &self.tables.schema), params).await
    }
}

fn rows<T: serde::de::DeserializeOwned>(rows: &[Row]) -> Answer<Vec<T>> {
    Ok(rows.iter().map(|row| parse(row, 0)).collect::<Result<_, Error>>()?)
}

#[async_trait]
impl Snapshots for Postgres {
    async fn account(&self, id: &AccountId) -> Answer<Option<AccountRow>> {
        let found = self.ask("SELECT row::text FROM {}.accounts WHERE account = $1", &[&id.as_str()]).await?;
        Ok(rows(&found)?.pop())
    }

    async fn checkpoint(&self, partition: u32) -> Answer<u64> {
        let found = self.read(&self.tables.checkpoint, &[&signed::<_, i32>(partition)]).await?;
        Ok(found.first().map_or(0, |row| unsigned(row.get::<_, i64>(0))))
    }
}

#[async_trait]
impl ReadModels for Postgres {
    async fn accounts(
        &self,
        status: Option<AccountStatus>,
        after: Option<&AccountId>,
        limit: usize,
    ) -> Answer<Vec<AccountRow>> {
        // Every id comes after the empty text.
        let (after, limit) = (after.map_or("", AccountId::as_str), signed::<_, i64>(limit));
        let found = match status {
            None => {
                let all = "SELECT row::text FROM {}.accounts WHERE account > $1 ORDER BY account LIMIT $2";
                self.ask(all, &[&after, &limit]).await?
            }
            Some(status) => {
                let some = "SELECT row::text FROM {}.accounts WHERE status = $3 AND account > $1
                            ORDER BY account LIMIT $2";
                self.ask(some, &[&after, &limit, &account_status(status)]).await?
            }
        };
        rows(&found)
    }

    async fn reactivation(&self, id: CaseId) -> Answer<Option<ReactivationRow>> {
        let found =
            self.ask("SELECT row::text FROM {}.reactivations WHERE case_id = $1", &[id.as_uuid()]).await?;
        Ok(rows(&found)?.pop())
    }

    async fn reactivations_of(&self, ids: &[CaseId]) -> Answer<Vec<ReactivationRow>> {
        let ids: Vec<Uuid> = ids.iter().map(|id| *id.as_uuid()).collect();
        rows(&self.ask("SELECT row::text FROM {}.reactivations WHERE case_id = ANY($1)", &[&ids]).await?)
    }

    async fn reactivations(
        &self,
        status: Option<ReactivationStatus>,
        after: Option<CaseId>,
        limit: usize,
    ) -> Answer<Vec<ReactivationRow>> {
        let (after, limit) = (after.map(|id| *id.as_uuid()), signed::<_, i64>(limit));
        let found = match (status, after) {
            (None, None) => {
                let sql = "SELECT row::text FROM {}.reactivations ORDER BY case_id LIMIT $1";
                self.ask(sql, &[&limit]).await?
            }
            (None, Some(after)) => {
                let sql =
                    "SELECT row::text FROM {}.reactivations WHERE case_id > $2 ORDER BY case_id LIMIT $1";
                self.ask(sql, &[&limit, &after]).await?
            }
            (Some(status), None) => {
                let sql =
                    "SELECT row::text FROM {}.reactivations WHERE status = $2 ORDER BY case_id LIMIT $1";
                self.ask(sql, &[&limit, &reactivation_status(status)]).await?
            }
            (Some(status), Some(after)) => {
                let sql = "SELECT row::text FROM {}.reactivations WHERE status = $2 AND case_id > $3
                           ORDER BY case_id LIMIT $1";
                self.ask(sql, &[&limit, &reactivation_status(status), &after]).await?
            }
        };
        rows(&found)
    }

    async fn timeline(&self, id: &AccountId, after: u64, limit: usize) -> Answer<Vec<Position>> {
        let sql = "SELECT partition, position FROM {}.timelines WHERE account = $1
                   ORDER BY position OFFSET $2 LIMIT $3";
        let (after, limit): (i64, i64) = (signed(after), signed(limit));
        let found = self.ask(sql, &[&id.as_str(), &after, &limit]).await?;
        Ok(found.iter().map(|row| position(row.get(0), row.get(1))).collect())
    }

    async fn is_effective(&self, id: &AccountId, at: Position) -> Answer<bool> {
        let sql = "SELECT 1 FROM {}.timelines WHERE account = $1 AND position = $2 AND partition = $3";
        let (partition, offset): (i32, i64) = (signed(at.partition), signed(at.offset));
        Ok(!self.ask(sql, &[&id.as_str(), &offset, &partition]).await?.is_empty())
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Answer<Vec<Due>> {
        let sql = "SELECT account, deadline_case, deadline FROM {}.accounts WHERE deadline <= $1
                   ORDER BY deadline, account LIMIT $2";
        let found = self.ask(sql, &[&nanoseconds(now), &signed::<_, i64>(limit)]).await?;
        let due = found.iter().map(|row| {
            let (case, at) = (case_id(row.get(1)), timestamp(row.get(2)));
            Ok(Due { account: account_id(row.get(0))?, case, at })
        });
        Ok(due.collect::<Result<_, Error>>()?)
    }

    async fn work(&self, partitions: &[u32], limit: usize) -> Answer<Vec<AccountId>> {
        let sql = "SELECT account FROM {}.accounts WHERE work_since IS NOT NULL AND partition = ANY($1)
                   ORDER BY work_since, account LIMIT $2";
        let partitions: Vec<i32> = partitions.iter().map(|p| signed(*p)).collect();
        let found = self.ask(sql, &[&partitions, &signed::<_, i64>(limit)]).await?;
        Ok(found.iter().map(|row| account_id(row.get(0))).collect::<Result<_, Error>>()?)
    }

    async fn quarantined(&self, limit: usize) -> Answer<Vec<AccountRow>> {
        let sql =
            "SELECT row::text FROM {}.accounts WHERE quarantined_at IS NOT NULL ORDER BY account LIMIT $1";
        rows(&self.ask(sql, &[&signed::<_, i64>(limit)]).await?)
    }

    async fn wait(&self, position: Position) -> Answer<()> {
        // While notifications are heard, nobody asks; now and then all the same, in case one was lost.
        while !self.feed.wait(position).await {
            if self.checkpoint(position.partition).await? > position.offset {
                break;
            }
        }
        Ok(())
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.feed.changes()
    }
}
