//! All rows as they are at one moment, for comparing them with the log.

use std::{collections::BTreeMap, ops::Bound};

use futures_util::TryStreamExt;
use reinstate_domain::{entry::Position, ids::AccountId};
use tokio_postgres::Row;

use super::{
    Error, Postgres,
    connect::Dedicated,
    generation::alone,
    rows::{
        ACCOUNT, AccountColumns, REACTIVATION, ReactivationColumns, TIMELINE, account_id, position, signed,
        unsigned,
    },
};
use crate::read_models::{AccountRow, ReactivationRow};

/// A part of the accounts, by the order of their ids.
pub type Range = (Bound<AccountId>, Bound<AccountId>);

/// A moment of the rows, whatever happens to them meanwhile. Writers and queries notice nothing.
#[derive(Debug)]
pub struct Snapshot {
    connection: Dedicated,
    checkpoints: BTreeMap<u32, u64>,
}

/// What the rows say of one account, or should say: every column of every row, comparable byte for byte.
#[derive(Debug, Default, PartialEq)]
pub struct Stored {
    account: Option<Texts>,
    reactivations: BTreeMap<String, Texts>,
    timeline: Vec<Position>,
}

/// A row's columns, each as PostgreSQL writes it.
type Texts = Vec<Option<String>>;

/// What of an account's rows is not as the log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Account,
    Reactivations,
    Timeline,
}

impl Stored {
    /// What should be stored.
    ///
    /// # Errors
    /// [`Error::Json`].
    pub fn of(
        account: &AccountRow,
        reactivations: &[ReactivationRow],
        timeline: Vec<Position>,
    ) -> Result<Self, Error> {
        let mut stored = Self { timeline, ..Self::default() };
        // An account of which only void entries are in the log has no row.
        if account.head.version > 0 || account.quarantine.is_some() {
            stored.account = Some(account_texts(AccountColumns::of(account)?));
        }
        for row in reactivations {
            let texts = reactivation_texts(ReactivationColumns::of(row)?);
            stored.reactivations.insert(row.case.id.to_string(), texts);
        }
        Ok(stored)
    }

    /// The parts that are not the same.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<Part> {
        let parts = [
            (Part::Account, self.account == other.account),
            (Part::Reactivations, self.reactivations == other.reactivations),
            (Part::Timeline, self.timeline == other.timeline),
        ];
        parts.into_iter().filter(|(_, same)| !same).map(|(part, _)| part).collect()
    }
}

impl Postgres {
    /// Takes a moment of the rows.
    ///
    /// # Errors
    /// [`Error::AtWork`] while a rebuild or a repair runs.
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        let connection = alone(self.pool.connector()).await?;
        connection.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let rows = connection.query("SELECT partition, next FROM reinstate.checkpoints", &[]).await?;
        let checkpoints =
            rows.iter().map(|row| (unsigned(row.get::<_, i32>(0)), unsigned(row.get::<_, i64>(1)))).collect();
        Ok(Snapshot { connection, checkpoints })
    }
}

impl Snapshot {
    /// Up to where the partitions' entries are in the rows.
    #[must_use]
    pub fn checkpoints(&self) -> &BTreeMap<u32, u64> {
        &self.checkpoints
    }

    /// The accounts in parts of about `size`, which together are all that there could be.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ranges(&self, size: usize) -> Result<Vec<Range>, Error> {
        let select = "SELECT account FROM (SELECT account, row_number() OVER (ORDER BY account) AS n
                      FROM reinstate.accounts) AS numbered WHERE n % $1 = 0 ORDER BY account";
        let ends = self.connection.query(select, &[&signed::<_, i64>(size)]).await?;
        let mut ranges = Vec::new();
        let mut from = Bound::Unbounded;
        for row in ends {
            let end = account_id(row.get(0))?;
            ranges.push((from, Bound::Included(end.clone())));
            from = Bound::Excluded(end);
        }
        ranges.push((from, Bound::Unbounded));
        Ok(ranges)
    }

    /// What is stored of the accounts of a part.
    ///
    /// # Errors
    /// When the database does not answer, or has an account whose id is none.
    pub async fn stored(&self, range: &Range) -> Result<BTreeMap<AccountId, Stored>, Error> {
        let mut stored: BTreeMap<AccountId, Stored> = BTreeMap::new();
        self.each("accounts", ACCOUNT, range, |account, row| {
            stored.entry(account).or_default().account = Some(texts(row, 10)?);
            Ok(())
        })
        .await?;
        self.each("reactivations", REACTIVATION, range, |account, row| {
            let case = row.try_get(1)?;
            stored.entry(account).or_default().reactivations.insert(case, texts(row, 7)?);
            Ok(())
        })
        .await?;
        self.each("timelines", TIMELINE, range, |account, row| {
            stored.entry(account).or_default().timeline.push(position(row.try_get(2)?, row.try_get(3)?));
            Ok(())
        })
        .await?;
        for account in stored.values_mut() {
            account.timeline.sort_unstable();
        }
        Ok(stored)
    }

    async fn each(
        &self,
        table: &str,
        columns: &str,
        (from, to): &Range,
        mut take: impl FnMut(AccountId, &Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // Numbers of the timeline stay numbers; there are many.
        let columns = match table {
            "timelines" => columns.to_owned(),
            _ => columns.split(", ").map(|name| format!("{name}::text")).collect::<Vec<_>>().join(", "),
        };
        let (from, to) = (
            match from {
                Bound::Excluded(id) | Bound::Included(id) => id.as_str(),
                Bound::Unbounded => "",
            },
            match to {
                Bound::Excluded(id) | Bound::Included(id) => Some(id.as_str()),
                Bound::Unbounded => None,
            },
        );
        let select = format!(
            "SELECT account, {columns} FROM reinstate.{table}
             WHERE account > $1 AND ($2::text IS NULL OR account <= $2)"
        );
        let rows = self
            .connection
            .query_raw(&select, [&from as &(dyn tokio_postgres::types::ToSql + Sync), &to])
            .await?;
        let mut rows = std::pin::pin!(rows);
        while let Some(row) = rows.try_next().await? {
            take(account_id(row.try_get(0)?)?, &row)?;
        }
        Ok(())
    }
}

/// The columns behind the first, which is the account once more.
fn texts(row: &Row, columns: usize) -> Result<Texts, Error> {
    (1..=columns).map(|column| Ok(row.try_get(column)?)).collect()
}

fn account_texts(columns: AccountColumns) -> Texts {
    vec![
        Some(columns.account),
        Some(columns.partition.to_string()),
        Some(columns.position.to_string()),
        Some(columns.version.to_string()),
        Some(columns.status.to_owned()),
        columns.deadline.map(|n| n.to_string()),
        columns.deadline_case.map(|case| case.to_string()),
        columns.work_since.map(|n| n.to_string()),
        columns.quarantined_at.map(|n| n.to_string()),
        Some(columns.row),
    ]
}

fn reactivation_texts(columns: ReactivationColumns) -> Texts {
    vec![
        Some(columns.case_id.to_string()),
        Some(columns.account),
        Some(columns.partition.to_string()),
        Some(columns.position.to_string()),
        Some(columns.version.to_string()),
        Some(columns.status.to_owned()),
        Some(columns.row),
    ]
}
