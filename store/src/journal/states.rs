//! Folded accounts: the ones at hand in memory, the others made of the read model's row and of the entries after it.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lru::LruCache;
use reinstate_domain::{
    account::Account,
    entry::{Head, Position},
    ids::AccountId,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::Error;
use crate::{
    log::{Log, Record},
    read_models::{AccountRow, Snapshots, project::project},
};

/// Folded accounts that are kept in memory.
const CACHED: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// Records of one look at the log.
const LOOK: usize = 1000;

/// How long bringing a state up to date may take before the caller is told that it is behind.
const PATIENCE: Duration = Duration::from_secs(5);

/// The follower's rest after an error.
const REST: Duration = Duration::from_millis(200);

/// How often a state is brought up to the follower before it is given away without being kept.
const ROUNDS: usize = 8;

pub(super) struct States {
    log: Arc<dyn Log>,
    snapshots: Arc<dyn Snapshots>,
    cache: Mutex<LruCache<AccountId, Arc<Account>>>,
    /// Per partition, the offset up to which the cached states have everything. Changed under the cache's lock.
    followed: Vec<watch::Sender<u64>>,
}

impl States {
    pub(super) fn new(log: Arc<dyn Log>, snapshots: Arc<dyn Snapshots>) -> Self {
        let followed = (0..log.partitions()).map(|_| watch::Sender::new(0)).collect();
        Self { log, snapshots, cache: Mutex::new(LruCache::new(CACHED)), followed }
    }

    /// The account's state, from memory if it is there.
    pub(super) async fn load(&self, id: &AccountId) -> Result<Arc<Account>, Error> {
        let cached = self.cache().get(id).cloned();
        let outcome = if cached.is_some() { "hit" } else { "miss" };
        metrics::counter!("reinstate_journal_cache_total", "outcome" => outcome).increment(1);
        match cached {
            Some(account) => Ok(account),
            None => self.cold(id).await,
        }
    }

    /// The account's state with every entry that was committed before this call.
    pub(super) async fn fresh(&self, id: &AccountId) -> Result<Arc<Account>, Error> {
        let partition = self.log.partition_of(id);
        let end = self.log.end(partition).await.map_err(Error::Log)?;
        if let Some(followed) = self.followed.get(partition as usize) {
            let mut followed = followed.subscribe();
            let reached = timeout(PATIENCE, followed.wait_for(|next| *next >= end)).await;
            reached.map_err(|_| Error::Behind)?.map_err(|_| Error::Behind)?;
        }
        self.load(id).await
    }

    /// The account's state as the log has it now, whatever is in memory.
    pub(super) async fn cold(&self, id: &AccountId) -> Result<Arc<Account>, Error> {
        let made = async {
            let partition = self.log.partition_of(id);
            // In this order: the row has everything before the checkpoint, and perhaps more.
            let checkpoint = self.snapshots.checkpoint(partition).await.map_err(Error::Load)?;
            let row = self.snapshots.account(id).await.map_err(Error::Load)?;
            let mut row = row.unwrap_or_else(|| AccountRow::new(id.clone()));
            let end = self.log.end(partition).await.map_err(Error::Log)?;
            let next = self.catch_up(&mut row, partition, checkpoint, end).await?;
            self.log.expect(id, row.head, next);
            self.keep(row, partition, next).await
        };
        timeout(PATIENCE, made).await.map_err(|_| Error::Behind)?
    }

    /// Keeps a state that has every entry up to and including `position`.
    pub(super) async fn remember(
        &self,
        id: &AccountId,
        account: Account,
        position: Position,
    ) -> Arc<Account> {
        let account = Arc::new(account);
        if self.keep_now(id, &account, position.partition, position.offset + 1).is_ok() {
            return account;
        }
        // It is in the log, whatever becomes of the copy in memory.
        let row = row_of(id, Account::clone(&account));
        self.keep(row, position.partition, position.offset + 1).await.unwrap_or(account)
    }

    pub(super) fn forget(&self, id: &AccountId) {
        self.cache().pop(id);
    }

    /// Folds the partition's entries from `from` up to `end` into the row; returns where it stands then. An entry that the row
    /// has already does not follow its head any more, so meeting it again changes nothing.
    async fn catch_up(
        &self,
        row: &mut AccountRow,
        partition: u32,
        mut from: u64,
        end: u64,
    ) -> Result<u64, Error> {
        while from < end {
            let max = usize::try_from(end - from).unwrap_or(LOOK).min(LOOK);
            let page = self.log.page(partition, from, max).await.map_err(Error::Log)?;
            if page.next == from {
                break;
            }
            from = page.next;
            for record in &page.records {
                if record.account == row.id {
                    project(row, record);
                }
            }
        }
        Ok(from.max(end))
    }

    /// Puts the state, which has everything before `next`, into memory: after what the follower has passed meanwhile was added.
    async fn keep(&self, mut row: AccountRow, partition: u32, mut next: u64) -> Result<Arc<Account>, Error> {
        for _ in 0..ROUNDS {
            if let Some(quarantine) = row.quarantine {
                return Err(Error::Quarantined { position: quarantine.position });
            }
            let account = Arc::new(row.state);
            let passed = match self.keep_now(&row.id, &account, partition, next) {
                Ok(()) => return Ok(account),
                Err(passed) => passed,
            };
            row.state = Arc::unwrap_or_clone(account);
            next = self.catch_up(&mut row, partition, next, passed).await?;
        }
        Ok(Arc::new(row.state))
    }

    /// As [`States::keep`], unless the follower is further: then it says where that is.
    fn keep_now(&self, id: &AccountId, account: &Arc<Account>, partition: u32, next: u64) -> Result<(), u64> {
        let mut cache = self.cache();
        let passed = self.followed(partition);
        if passed > next {
            return Err(passed);
        }
        if cache.peek(id).is_none_or(|cached| cached.version < account.version) {
            cache.put(id.clone(), Arc::clone(account));
        }
        Ok(())
    }

    fn followed(&self, partition: u32) -> u64 {
        self.followed.get(partition as usize).map_or(0, |next| *next.borrow())
    }

    /// Keeps the cached states at the log's end for ever.
    pub(super) async fn follow(self: Arc<Self>) {
        let mut ends = Vec::with_capacity(self.followed.len());
        for partition in 0..self.log.partitions() {
            ends.push(loop {
                match self.log.end(partition).await {
                    Ok(end) => break end,
                    Err(error) => self.rest(&error, partition).await,
                }
            });
        }
        {
            // What was folded before anybody followed may lack entries that nobody will pass again.
            let mut cache = self.cache();
            cache.clear();
            for (followed, end) in self.followed.iter().zip(&ends) {
                followed.send_replace(*end);
            }
        }
        let mut partitions = JoinSet::new();
        for (partition, end) in (0..).zip(ends) {
            partitions.spawn(Arc::clone(&self).follow_partition(partition, end));
        }
        partitions.join_all().await;
    }

    async fn follow_partition(self: Arc<Self>, partition: u32, mut next: u64) {
        loop {
            match self.log.page(partition, next, LOOK).await {
                Err(error) => self.rest(&error, partition).await,
                Ok(page) if page.next > next => {
                    next = page.next;
                    self.pass(partition, &page.records, next);
                }
                Ok(_) => {
                    if let Err(error) = self.log.wait(partition, next).await {
                        self.rest(&error, partition).await;
                    }
                }
            }
        }
    }

    /// Folds records into the states at hand.
    fn pass(&self, partition: u32, records: &[Record], next: u64) {
        let mut cache = self.cache();
        for record in records {
            let Some(account) = cache.peek_mut(&record.account) else { continue };
            if account.position.is_some_and(|position| position >= record.position) {
                continue;
            }
            let mut row = row_of(&record.account, Account::clone(account));
            project(&mut row, record);
            if row.quarantine.is_some() {
                cache.pop(&record.account);
            } else if row.state.version > account.version {
                *account = Arc::new(row.state);
            }
        }
        if let Some(followed) = self.followed.get(partition as usize) {
            followed.send_replace(next);
        }
    }

    async fn rest(&self, error: &crate::log::Error, partition: u32) {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            partition,
            "the journal can't follow the log"
        );
        sleep(REST).await;
    }

    fn cache(&self) -> MutexGuard<'_, LruCache<AccountId, Arc<Account>>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn row_of(id: &AccountId, state: Account) -> AccountRow {
    let head = Head { hash: state.head, version: state.version };
    AccountRow { id: id.clone(), state, head, quarantine: None }
}
