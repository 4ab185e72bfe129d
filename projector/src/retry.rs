//! One account's rows again, from the log's first entry: after the fix, for an account that halted at an entry that was not
//! understood.

use reinstate_domain::ids::AccountId;
use reinstate_store::{
    keys::{self, Keys},
    log::{self, LogReader},
    postgres::{self, Postgres},
    read_models::{self, AccountRow, Quarantine, Snapshots as _, project::Made},
};

/// Records of one read.
const CHUNK: usize = 2000;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the log could not be read")]
    Log(#[source] log::Error),
    #[error("the rows could not be replaced")]
    Database(#[source] postgres::Error),
    #[error("the rows could not be read")]
    Models(#[source] read_models::Error),
    #[error("the account's key could not be destroyed, and it was erased")]
    Keys(#[source] keys::Error),
}

/// What the account is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retried {
    /// Every entry is understood; the account has so many.
    Understood { version: u64 },
    /// This program does not understand an entry either.
    StillHalted(Quarantine),
    /// The log has no effective entry of it.
    Unknown,
}

/// Makes the account's rows anew, whether it halted or not. Its partition's rows stand still for a moment only.
///
/// # Errors
/// The rows are as they were.
pub async fn retry(
    log: &dyn LogReader,
    database: &Postgres,
    keys: &dyn Keys,
    account: &AccountId,
) -> Result<Retried, Error> {
    let mut repair = database.repair().await.map_err(Error::Database)?;
    let partition = log.partition_of(account);
    let mut made = Made::from(AccountRow::new(account.clone()));
    // Nearly everything before anybody has to wait.
    let next = database.checkpoint(partition).await.map_err(Error::Models)?;
    let read = fold(log, &mut made, partition, 0, next).await?;
    let hold = repair.hold(partition).await.map_err(Error::Database)?;
    fold(log, &mut made, partition, read, hold.next()).await?;
    if made.erased {
        keys.erase(account).await.map_err(Error::Keys)?;
    }
    let reactivations: Vec<_> = made.reactivations.into_values().collect();
    hold.replace(&made.row, &reactivations, &made.timeline).await.map_err(Error::Database)?;
    Ok(match made.row.quarantine {
        Some(quarantine) => Retried::StillHalted(quarantine),
        None if made.row.head.version == 0 => Retried::Unknown,
        None => Retried::Understood { version: made.row.head.version },
    })
}

/// Takes the account's entries in `from..to`; says where to go on.
async fn fold(
    log: &dyn LogReader,
    made: &mut Made,
    partition: u32,
    from: u64,
    to: u64,
) -> Result<u64, Error> {
    let mut from = from;
    while from < to {
        let max = usize::try_from(to - from).unwrap_or(CHUNK).min(CHUNK);
        let records = log.read(partition, from, max).await.map_err(Error::Log)?;
        let Some(last) = records.last() else { break };
        for record in records.iter().filter(|record| record.position.offset < to) {
            if record.account == made.row.id {
                made.take(record);
            }
        }
        from = last.position.offset + 1;
    }
    Ok(from.min(to))
}
