//! Batches into rows.

use async_trait::async_trait;
use reinstate_domain::ids::AccountId;
use tokio_postgres::Client;

use super::{
    Error, Postgres,
    listen::CHANNEL,
    rows::{AccountColumns, ReactivationColumns, Tables, parse, signed},
};
use crate::read_models::{self, AccountRow, Batch, Projections, ReactivationRow};

/// Shared by everyone who changes live rows, for as long as their transaction; taken alone by whoever lets the views change over.
/// Taken before any table: a lock that came later could wait for one that waits for it.
pub(super) const WRITERS_LOCK: i64 = 0x7265_696e_7374_6102;

const SHARE: &str = "SELECT pg_advisory_xact_lock_shared($1)";
const NOTIFY: &str = "SELECT pg_notify($1, $2)";

#[async_trait]
impl Projections for Postgres {
    async fn apply(&self, batch: Batch) -> Result<(), read_models::Error> {
        let Batch { partition, from: expected, next, .. } = batch;
        let columns = Columns::of(&batch)?;
        let applied = self.pool.within(async {
            let client = self.pool.lease().await?;
            let moved = put(&client, &self.tables, &batch, &columns).await?;
            client.done();
            Ok(moved)
        });
        if !applied.await? {
            let found = read_models::Snapshots::checkpoint(self, partition).await?;
            return Err(read_models::Error::OutOfStep { partition, expected, found });
        }
        if self.tables.live {
            self.feed.reached(partition, next);
        }
        Ok(())
    }

    async fn accounts_of(&self, ids: &[AccountId]) -> Result<Vec<AccountRow>, read_models::Error> {
        let ids: Vec<&str> = ids.iter().map(AccountId::as_str).collect();
        let rows = self.read(&self.tables.accounts_of, &[&ids]).await?;
        Ok(rows.iter().map(|row| parse(row, 0)).collect::<Result<_, Error>>()?)
    }
}

/// One transaction in two exchanges: the checkpoint, and then everything of the batch, sent without waiting for each other's answers. False
/// when the checkpoint is elsewhere: then nothing was changed. An error leaves the connection in the middle of the transaction; it is
/// not to be used again, and the server rolls back.
async fn put(
    client: &deadpool_postgres::Object,
    tables: &Tables,
    batch: &Batch,
    columns: &Columns<'_>,
) -> Result<bool, Error> {
    let (partition, from, next): (i32, i64, i64) =
        (signed(batch.partition), signed(batch.from), signed(batch.next));
    let (share, notify) = (client.prepare_cached(SHARE).await?, client.prepare_cached(NOTIFY).await?);
    let checkpoint = if from == 0 { &tables.begin_checkpoint } else { &tables.move_checkpoint };
    let checkpoint = client.prepare_cached(checkpoint).await?;
    let accounts = client.prepare_cached(&tables.put_accounts).await?;
    let reactivations = client.prepare_cached(&tables.put_reactivations).await?;
    let timelines = client.prepare_cached(&tables.put_timelines).await?;
    let client: &Client = client;

    let shared = async { if tables.live { client.execute(&share, &[&WRITERS_LOCK]).await } else { Ok(0) } };
    let moved = async {
        if from == 0 {
            client.execute(&checkpoint, &[&partition, &next]).await
        } else {
            client.execute(&checkpoint, &[&partition, &next, &from]).await
        }
    };
    let (.., moved) = tokio::try_join!(biased; client.batch_execute("BEGIN"), shared, moved)?;
    if moved != 1 {
        client.batch_execute("ROLLBACK").await?;
        return Ok(false);
    }
    let told = async {
        if tables.live {
            client.execute(&notify, &[&CHANNEL, &format!("{}:{}", batch.partition, batch.next)]).await
        } else {
            Ok(0)
        }
    };
    tokio::try_join!(
        biased;
        columns.put_accounts(client, &accounts),
        columns.put_reactivations(client, &reactivations),
        columns.put_timelines(client, &timelines),
        told,
        // After a statement that failed this is a ROLLBACK, and the failure is what is returned.
        client.batch_execute("COMMIT"),
    )?;
    Ok(true)
}

/// A batch by columns, as `unnest` takes them.
#[derive(Debug)]
pub(super) struct Columns<'a> {
    accounts: Vec<AccountColumns>,
    reactivations: Vec<ReactivationColumns>,
    timeline: Vec<(&'a str, i32, i64)>,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a Batch) -> Result<Self, Error> {
        Self::of_rows(&batch.accounts, &batch.reactivations, &batch.timeline)
    }

    pub(super) fn of_rows(
        accounts: &[AccountRow],
        reactivations: &[ReactivationRow],
        timeline: &'a [(AccountId, reinstate_domain::entry::Position)],
    ) -> Result<Self, Error> {
        Ok(Self {
            accounts: accounts.iter().map(AccountColumns::of).collect::<Result<_, _>>()?,
            reactivations: reactivations.iter().map(ReactivationColumns::of).collect::<Result<_, _>>()?,
            timeline: timeline
                .iter()
                .map(|(account, at)| (account.as_str(), signed(at.partition), signed(at.offset)))
                .collect(),
        })
    }

    pub(super) async fn put_accounts(
        &self,
        client: &Client,
        statement: &tokio_postgres::Statement,
    ) -> Result<u64, tokio_postgres::Error> {
        fn column<T>(rows: &[AccountColumns], get: impl Fn(&AccountColumns) -> T) -> Vec<T> {
            rows.iter().map(get).collect()
        }
        let rows = &self.accounts;
        if rows.is_empty() {
            return Ok(0);
        }
        let texts = |get: fn(&AccountColumns) -> &str| rows.iter().map(get).collect::<Vec<&str>>();
        client
            .execute(
                statement,
                &[
                    &texts(|row| &row.account),
                    &column(rows, |row| row.partition),
                    &column(rows, |row| row.position),
                    &column(rows, |row| row.version),
                    &column(rows, |row| row.status),
                    &column(rows, |row| row.deadline),
                    &column(rows, |row| row.deadline_case),
                    &column(rows, |row| row.work_since),
                    &column(rows, |row| row.quarantined_at),
                    &texts(|row| &row.row),
                ],
            )
            .await
    }

    pub(super) async fn put_reactivations(
        &self,
        client: &Client,
        statement: &tokio_postgres::Statement,
    ) -> Result<u64, tokio_postgres::Error> {
        fn column<T>(rows: &[ReactivationColumns], get: impl Fn(&ReactivationColumns) -> T) -> Vec<T> {
            rows.iter().map(get).collect()
        }
        let rows = &self.reactivations;
        if rows.is_empty() {
            return Ok(0);
        }
        let texts = |get: fn(&ReactivationColumns) -> &str| rows.iter().map(get).collect::<Vec<&str>>();
        client
            .execute(
                statement,
                &[
                    &column(rows, |row| row.case_id),
                    &texts(|row| &row.account),
                    &column(rows, |row| row.partition),
                    &column(rows, |row| row.position),
                    &column(rows, |row| row.version),
                    &column(rows, |row| row.status),
                    &texts(|row| &row.row),
                ],
            )
            .await
    }

    pub(super) async fn put_timelines(
        &self,
        client: &Client,
        statement: &tokio_postgres::Statement,
    ) -> Result<u64, tokio_postgres::Error> {
        if self.timeline.is_empty() {
            return Ok(0);
        }
        let accounts: Vec<&str> = self.timeline.iter().map(|row| row.0).collect();
        let partitions: Vec<i32> = self.timeline.iter().map(|row| row.1).collect();
        let positions: Vec<i64> = self.timeline.iter().map(|row| row.2).collect();
        client.execute(statement, &[&accounts, &partitions, &positions]).await
    }
}
