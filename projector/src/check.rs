//! Whether every row is what the log makes of it, byte for byte.

use std::{
    collections::BTreeMap,
    ops::{Bound, RangeBounds},
};

use reinstate_domain::{entry::Position, ids::AccountId};
use reinstate_store::{
    log::{self, LogReader},
    postgres::{
        self, Postgres,
        snapshot::{Part, Range, Snapshot, Stored},
    },
    read_models::{AccountRow, project::Made},
};

/// Accounts that are compared at a time, each some kilobytes. The log is read once for each time.
const ACCOUNTS: usize = 50_000;

/// Records of one read.
const CHUNK: usize = 2000;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the log could not be read")]
    Log(#[source] log::Error),
    #[error("the database could not be read")]
    Database(#[source] postgres::Error),
}

/// What is not as the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The account is in the log and not in the rows.
    Missing { account: AccountId },
    /// The account is in the rows and not in the log.
    Unfounded { account: AccountId },
    /// These rows of the account differ.
    Differs { account: AccountId, parts: Vec<Part> },
    /// The rows claim entries that the log does not have.
    Ahead { partition: u32, rows: u64, log: u64 },
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    pub accounts: u64,
    /// Entries up to the moment that was checked, void ones too.
    pub entries: u64,
    /// Accounts that halt, and where.
    pub quarantined: Vec<(AccountId, Position)>,
    pub differences: Vec<Difference>,
}

/// Compares the rows as they are at this moment with the log up to where they say they are. Writers and queries notice nothing.
///
/// # Errors
/// When something can't be read. A difference is no error.
pub async fn check(log: &dyn LogReader, database: &Postgres) -> Result<Checked, Error> {
    check_by(log, database, ACCOUNTS).await
}

/// As [`check`], with about so many accounts at a time.
///
/// # Errors
/// As [`check`].
pub async fn check_by(log: &dyn LogReader, database: &Postgres, accounts: usize) -> Result<Checked, Error> {
    let snapshot = database.snapshot().await.map_err(Error::Database)?;
    let mut checked = Checked::default();
    for (&partition, &rows) in snapshot.checkpoints() {
        let log =
            if partition < log.partitions() { log.end(partition).await.map_err(Error::Log)? } else { 0 };
        if rows > log {
            checked.differences.push(Difference::Ahead { partition, rows, log });
        }
    }
    for (n, range) in snapshot.ranges(accounts).await.map_err(Error::Database)?.iter().enumerate() {
        let (made, entries) = fold(log, &snapshot, range).await?;
        if n == 0 {
            checked.entries = entries;
        }
        compare(&mut checked, made, snapshot.stored(range).await.map_err(Error::Database)?)?;
    }
    Ok(checked)
}

/// What the log makes of the accounts in the range, up to the snapshot's checkpoints, and how many entries there are of all accounts.
async fn fold(
    log: &dyn LogReader,
    snapshot: &Snapshot,
    range: &Range,
) -> Result<(BTreeMap<AccountId, Made>, u64), Error> {
    let mut made: BTreeMap<AccountId, Made> = BTreeMap::new();
    let mut entries = 0;
    for (&partition, &next) in snapshot.checkpoints().iter().filter(|(p, _)| **p < log.partitions()) {
        let mut from = 0;
        while from < next {
            let records = log.read(partition, from, CHUNK).await.map_err(Error::Log)?;
            let Some(last) = records.last() else { break };
            from = last.position.offset + 1;
            for record in records.iter().filter(|record| record.position.offset < next) {
                entries += 1;
                if range_of(range).contains(&record.account) {
                    let fresh = |account: &AccountId| Made::from(AccountRow::new(account.clone()));
                    made.entry(record.account.clone()).or_insert_with_key(fresh).take(record);
                }
            }
        }
    }
    Ok((made, entries))
}

fn range_of((from, to): &Range) -> (Bound<&AccountId>, Bound<&AccountId>) {
    (from.as_ref(), to.as_ref())
}

fn compare(
    checked: &mut Checked,
    made: BTreeMap<AccountId, Made>,
    mut stored: BTreeMap<AccountId, Stored>,
) -> Result<(), Error> {
    for (account, made) in made.into_iter().filter(|(_, made)| made.changed) {
        checked.accounts += 1;
        if let Some(quarantine) = &made.row.quarantine {
            checked.quarantined.push((account.clone(), quarantine.position));
        }
        let reactivations: Vec<_> = made.reactivations.into_values().collect();
        let expected = Stored::of(&made.row, &reactivations, made.timeline).map_err(Error::Database)?;
        match stored.remove(&account) {
            None => checked.differences.push(Difference::Missing { account }),
            Some(found) => {
                let parts = expected.differences(&found);
                if !parts.is_empty() {
                    checked.differences.push(Difference::Differs { account, parts });
                }
            }
        }
    }
    checked.differences.extend(stored.into_keys().map(|account| Difference::Unfounded { account }));
    Ok(())
}
