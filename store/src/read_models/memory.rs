//! Read models in memory: gone with the process, filled again from the log at the next start. What the embedded log runs with.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use async_trait::async_trait;
use jiff::Timestamp;
use reinstate_domain::{
    entry::Position,
    ids::{AccountId, CaseId},
};
use tokio::sync::watch;

use super::{
    AccountRow, AccountStatus, Batch, Due, Error, Projections, ReactivationRow, ReactivationStatus,
    ReadModels, Snapshots,
};

#[derive(Debug)]
pub struct Memory {
    rows: RwLock<Rows>,
    changes: watch::Sender<u64>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { rows: RwLock::default(), changes: watch::Sender::new(0) }
    }
}

#[derive(Debug, Default)]
struct Rows {
    accounts: BTreeMap<AccountId, AccountRow>,
    reactivations: BTreeMap<CaseId, ReactivationRow>,
    /// An account's effective entries, in order: the one of version n at n - 1.
    timelines: HashMap<AccountId, Vec<Position>>,
    checkpoints: HashMap<u32, u64>,
    accounts_by_status: HashMap<AccountStatus, BTreeSet<AccountId>>,
    reactivations_by_status: HashMap<ReactivationStatus, BTreeSet<CaseId>>,
    deadlines: BTreeSet<(Timestamp, AccountId, CaseId)>,
    work: BTreeSet<(Option<Timestamp>, AccountId)>,
    quarantined: BTreeSet<AccountId>,
}

impl Rows {
    fn put_account(&mut self, row: AccountRow) {
        if let Some(before) = self.accounts.remove(&row.id) {
            self.index(&before, false);
        }
        self.index(&row, true);
        self.accounts.insert(row.id.clone(), row);
    }

    fn index(&mut self, row: &AccountRow, present: bool) {
        let id = || row.id.clone();
        set(self.accounts_by_status.entry(row.status()).or_default(), id(), present);
        if let Some((at, case)) = row.deadline() {
            set(&mut self.deadlines, (at, id(), case), present);
        }
        if row.work().is_some() {
            set(&mut self.work, (row.state.time, id()), present);
        }
        if row.quarantine.is_some() {
            set(&mut self.quarantined, id(), present);
        }
    }

    fn put_reactivation(&mut self, row: ReactivationRow) {
        let id = row.case.id;
        if let Some(before) = self.reactivations.get(&id) {
            set(self.reactivations_by_status.entry(before.status()).or_default(), id, false);
        }
        set(self.reactivations_by_status.entry(row.status()).or_default(), id, true);
        self.reactivations.insert(id, row);
    }
}

fn set<T: Ord>(index: &mut BTreeSet<T>, key: T, present: bool) {
    if present {
        index.insert(key);
    } else {
        index.remove(&key);
    }
}

impl Memory {
    fn rows(&self) -> RwLockReadGuard<'_, Rows> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Snapshots for Memory {
    async fn account(&self, id: &AccountId) -> Result<Option<AccountRow>, Error> {
        Ok(self.rows().accounts.get(id).cloned())
    }

    async fn checkpoint(&self, partition: u32) -> Result<u64, Error> {
        Ok(self.rows().checkpoints.get(&partition).copied().unwrap_or(0))
    }
}

#[async_trait]
impl ReadModels for Memory {
    async fn accounts(
        &self,
        status: Option<AccountStatus>,
        after: Option<&AccountId>,
        limit: usize,
    ) -> Result<Vec<AccountRow>, Error> {
        let rows = self.rows();
        let from = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let Some(status) = status else {
            return Ok(rows
                .accounts
                .range::<AccountId, _>(from)
                .take(limit)
                .map(|(_, r)| r.clone())
                .collect());
        };
        let ids = rows.accounts_by_status.get(&status).into_iter();
        let ids = ids.flat_map(|ids| ids.range::<AccountId, _>(from)).take(limit);
        Ok(ids.filter_map(|id| rows.accounts.get(id).cloned()).collect())
    }

    async fn reactivation(&self, id: CaseId) -> Result<Option<ReactivationRow>, Error> {
        Ok(self.rows().reactivations.get(&id).cloned())
    }

    async fn reactivations_of(&self, ids: &[CaseId]) -> Result<Vec<ReactivationRow>, Error> {
        let rows = self.rows();
        let ids: BTreeSet<&CaseId> = ids.iter().collect();
        Ok(ids.into_iter().filter_map(|id| rows.reactivations.get(id).cloned()).collect())
    }

    async fn reactivations(
        &self,
        status: Option<ReactivationStatus>,
        after: Option<CaseId>,
        limit: usize,
    ) -> Result<Vec<ReactivationRow>, Error> {
        let rows = self.rows();
        let from = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let Some(status) = status else {
            return Ok(rows.reactivations.range(from).take(limit).map(|(_, r)| r.clone()).collect());
        };
        let ids = rows.reactivations_by_status.get(&status).into_iter();
        let ids = ids.flat_map(|ids| ids.range(from)).take(limit);
        Ok(ids.filter_map(|id| rows.reactivations.get(id).cloned()).collect())
    }

    async fn timeline(&self, id: &AccountId, after: u64, limit: usize) -> Result<Vec<Position>, Error> {
        let rows = self.rows();
        let positions = rows.timelines.get(id).into_iter().flatten();
        Ok(positions.skip(usize::try_from(after).unwrap_or(usize::MAX)).take(limit).copied().collect())
    }

    async fn is_effective(&self, id: &AccountId, position: Position) -> Result<bool, Error> {
        Ok(self.rows().timelines.get(id).is_some_and(|t| t.binary_search(&position).is_ok()))
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, Error> {
        let rows = self.rows();
        let due = rows.deadlines.iter().take_while(|(at, _, _)| *at <= now).take(limit);
        Ok(due.map(|(at, account, case)| Due { account: account.clone(), case: *case, at: *at }).collect())
    }

    async fn work(&self, partitions: &[u32], limit: usize) -> Result<Vec<AccountId>, Error> {
        let rows = self.rows();
        let ours = |id: &&AccountId| {
            let position = rows.accounts.get(*id).and_then(|row| row.state.position);
            position.is_some_and(|position| partitions.contains(&position.partition))
        };
        Ok(rows.work.iter().map(|(_, id)| id).filter(ours).take(limit).cloned().collect())
    }

    async fn quarantined(&self, limit: usize) -> Result<Vec<AccountRow>, Error> {
        let rows = self.rows();
        Ok(rows.quarantined.iter().take(limit).filter_map(|id| rows.accounts.get(id).cloned()).collect())
    }

    async fn wait(&self, position: Position) -> Result<(), Error> {
        let mut changes = self.changes.subscribe();
        while self.checkpoint(position.partition).await? <= position.offset {
            changes.changed().await.map_err(|e| Error::Unavailable(Box::new(e)))?;
        }
        Ok(())
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[async_trait]
impl Projections for Memory {
    async fn apply(&self, batch: Batch) -> Result<(), Error> {
        let Batch { partition, from: expected, next, .. } = batch;
        {
            let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
            let found = rows.checkpoints.get(&partition).copied().unwrap_or(0);
            if found != expected {
                return Err(Error::OutOfStep { partition, expected, found });
            }
            for row in batch.accounts {
                rows.put_account(row);
            }
            for row in batch.reactivations {
                rows.put_reactivation(row);
            }
            for (account, position) in batch.timeline {
                rows.timelines.entry(account).or_default().push(position);
            }
            rows.checkpoints.insert(partition, next);
        }
        self.changes.send_modify(|n| *n += 1);
        Ok(())
    }

    async fn accounts_of(&self, ids: &[AccountId]) -> Result<Vec<AccountRow>, Error> {
        let rows = self.rows();
        Ok(ids.iter().filter_map(|id| rows.accounts.get(id).cloned()).collect())
    }
}
