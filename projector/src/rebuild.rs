//! All rows again, from the log's first entry, beside the ones that everybody sees; then in their place.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    num::NonZeroUsize,
    sync::Arc,
    thread::available_parallelism,
    time::{Duration, Instant},
};

use lru::LruCache;
use reinstate_domain::{account::Event, ids::AccountId};
use reinstate_store::{
    keys::{self, Keys},
    log::{self, LogReader, Page, Record},
    postgres::{self, Loader, Postgres, Spilled, generation::Generation},
    read_models::{
        self, AccountRow, Projections, ReactivationRow, Snapshots as _,
        project::{Projected, next_batch, project},
    },
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};

/// Records of one read.
const CHUNK: usize = 2000;

/// Chunks that wait for whoever folds them.
const AHEAD: usize = 4;

/// Accounts in memory at a time, each some kilobytes. The longest untouched are put aside in the database.
const ACCOUNTS: usize = 250_000;

/// Records of one batch while the new rows catch up with the live ones.
const STEP: usize = 500;

/// How long writers may be held off at a change-over. They wait as long for an answer from the database, and a little longer.
const HOLD: Duration = Duration::from_secs(1);

/// How often the change-over is tried, and the rest in between.
const TRIES: u32 = 300;
const REST: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the log could not be read")]
    Log(#[source] log::Error),
    #[error("the database did not do its part")]
    Database(#[source] postgres::Error),
    #[error("the new rows could not be brought forward")]
    Models(#[source] read_models::Error),
    #[error("the key of an erased account could not be destroyed")]
    Keys(#[source] keys::Error),
    #[error(
        "the new rows are ready and could not take the place of the old ones, which are always in use; try at another time"
    )]
    NeverQuiet,
    #[error("a part of the rebuild broke down")]
    Broken,
}

/// What a rebuild is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    #[default]
    Reading,
    Indexing,
    CatchingUp,
    Done,
}

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Progress {
    pub stage: Stage,
    /// Entries that were read, of those that were in the log at the beginning.
    pub entries: u64,
    pub total: u64,
    /// Entries per second since the beginning.
    pub rate: f64,
    /// Until the entries are read, at this rate.
    pub left: Duration,
}

/// What a rebuild did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    pub entries: u64,
    pub took: Duration,
}

/// Makes all rows anew and lets everybody see them, in one transaction. The projector may go on meanwhile, and goes on with the new
/// rows. Queries notice nothing.
///
/// Give `progress` to somebody who shows it.
///
/// # Errors
/// The live rows are as they were.
pub async fn rebuild(
    log: Arc<dyn LogReader>,
    database: &Postgres,
    keys: &dyn Keys,
    progress: &watch::Sender<Progress>,
) -> Result<Rebuilt, Error> {
    rebuild_within(log, database, keys, progress, ACCOUNTS).await
}

/// As [`rebuild`], with at most so many accounts in memory.
///
/// # Errors
/// As [`rebuild`].
pub async fn rebuild_within(
    log: Arc<dyn LogReader>,
    database: &Postgres,
    keys: &dyn Keys,
    progress: &watch::Sender<Progress>,
    accounts: usize,
) -> Result<Rebuilt, Error> {
    let begin = Instant::now();
    let generation = database.begin().await.map_err(Error::Database)?;
    let made = make(&log, &generation, keys, progress, accounts).await;
    match made {
        Ok(entries) => {
            generation.drop_others().await.map_err(Error::Database)?;
            progress.send_modify(|progress| progress.stage = Stage::Done);
            Ok(Rebuilt { entries, took: begin.elapsed() })
        }
        Err(error) => {
            if let Err(error) = generation.abandon().await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "what a rebuild made is still there; the next one removes it");
            }
            Err(error)
        }
    }
}

async fn make(
    log: &Arc<dyn LogReader>,
    generation: &Generation,
    keys: &dyn Keys,
    progress: &watch::Sender<Progress>,
    accounts: usize,
) -> Result<u64, Error> {
    let (checkpoints, erased) = load(log, generation, progress, accounts).await?;
    // Rows must not say erased before the key is gone: whoever wrote the erasure may have died before.
    for account in &erased {
        keys.erase(account).await.map_err(Error::Keys)?;
    }
    progress.send_modify(|progress| progress.stage = Stage::Indexing);
    generation.ready(&checkpoints).await.map_err(Error::Database)?;
    progress.send_modify(|progress| progress.stage = Stage::CatchingUp);
    change_over(&**log, generation, keys).await?;
    Ok(progress.borrow().entries)
}

/// Everything that is in the log now, by as many folders as there are processors; an account's entries all go to the same one. Returns
/// the offsets after the last entries, and the accounts that were erased.
async fn load(
    log: &Arc<dyn LogReader>,
    generation: &Generation,
    progress: &watch::Sender<Progress>,
    accounts: usize,
) -> Result<(BTreeMap<u32, u64>, Vec<AccountId>), Error> {
    let folders = available_parallelism().map_or(1, NonZeroUsize::get);
    let mut senders = Vec::new();
    let mut folding = JoinSet::new();
    for _ in 0..folders {
        let (sender, chunks) = mpsc::channel(AHEAD);
        senders.push(sender);
        let loader = generation.loader().await.map_err(Error::Database)?;
        folding.spawn(Folder::new(loader, accounts.div_ceil(folders)).run(chunks));
    }
    let checkpoints = read(log, &senders, progress).await;
    drop(senders);
    let mut erased = Vec::new();
    while let Some(folded) = folding.join_next().await {
        erased.extend(folded.map_err(|_| Error::Broken)??);
    }
    Ok((checkpoints?, erased))
}

/// Reads the log and deals the records out. Ends when a folder gave up; that one says why when it is joined.
async fn read(
    log: &Arc<dyn LogReader>,
    folders: &[mpsc::Sender<Vec<Record>>],
    progress: &watch::Sender<Progress>,
) -> Result<BTreeMap<u32, u64>, Error> {
    let begin = Instant::now();
    let mut ends = BTreeMap::new();
    for partition in 0..log.partitions() {
        ends.insert(partition, log.end(partition).await.map_err(Error::Log)?);
    }
    let total = ends.values().sum();
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let mut checkpoints = BTreeMap::new();
    let mut entries = 0;
    for (partition, end) in ends {
        let mut from = 0;
        while from < end {
            let Page { records, next } = log.page(partition, from, CHUNK).await.map_err(Error::Log)?;
            if next == from {
                break;
            }
            from = next;
            checkpoints.insert(partition, from);
            entries += records.len() as u64;
            let mut dealt = vec![Vec::with_capacity(records.len() / folders.len() + 1); folders.len()];
            for record in records {
                let folder = hasher.hash_one(&record.account) % folders.len() as u64;
                dealt[usize::try_from(folder).unwrap_or(0)].push(record);
            }
            for (folder, records) in folders.iter().zip(dealt) {
                folder.send(records).await.map_err(|_| Error::Broken)?;
            }
            progress.send_replace(measured(entries, total, begin.elapsed()));
        }
    }
    Ok(checkpoints)
}

fn measured(entries: u64, total: u64, took: Duration) -> Progress {
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let (read, left) = (entries as f64, total.saturating_sub(entries) as f64);
    let rate = read / took.as_secs_f64().max(f64::MIN_POSITIVE);
    let left = Duration::try_from_secs_f64(left / rate).unwrap_or_default();
    Progress { stage: Stage::Reading, entries, total, rate, left }
}

/// Folds the accounts that fall to it.
struct Folder {
    loader: Loader,
    capacity: usize,
    accounts: LruCache<AccountId, Spilled>,
    /// Whether any account was put aside.
    spilled: bool,
    erased: Vec<AccountId>,
}

impl Folder {
    fn new(loader: Loader, capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { loader, capacity, accounts: LruCache::unbounded(), spilled: false, erased: Vec::new() }
    }

    async fn run(mut self, mut chunks: mpsc::Receiver<Vec<Record>>) -> Result<Vec<AccountId>, Error> {
        while let Some(records) = chunks.recv().await {
            self.fold(&records).await.map_err(Error::Database)?;
        }
        self.finish().await.map_err(Error::Database)
    }

    async fn fold(&mut self, records: &[Record]) -> Result<(), postgres::Error> {
        if self.spilled {
            let missing: HashMap<&AccountId, ()> = records
                .iter()
                .filter(|record| !self.accounts.contains(&record.account))
                .map(|record| (&record.account, ()))
                .collect();
            let missing: Vec<&AccountId> = missing.into_keys().collect();
            for back in self.loader.take_back(&missing).await? {
                self.accounts.put(back.account.id.clone(), back);
            }
        }
        for record in records {
            let kept = self.accounts.get_or_insert_mut_ref(&record.account, || Spilled {
                account: AccountRow::new(record.account.clone()),
                newest: None,
            });
            let effective = match project(&mut kept.account, record) {
                Projected::Void => false,
                Projected::Held => true,
                Projected::Quarantined { effective } => effective,
                Projected::Folded { entry, earlier } => {
                    let at = (entry.version, record.position);
                    for case in earlier {
                        // It is no longer the newest and stays as this entry left it.
                        let (account, (version, position)) = (record.account.clone(), at);
                        self.loader
                            .reactivation(&ReactivationRow { account, case, version, position })
                            .await?;
                    }
                    kept.newest = kept.account.state.case.as_ref().map(|_| at);
                    if entry.events.iter().any(|event| matches!(event, Event::PersonalDataErased(_))) {
                        self.erased.push(record.account.clone());
                    }
                    true
                }
            };
            if effective {
                self.loader.effective(&record.account, record.position).await?;
            }
        }
        self.put_aside().await
    }

    /// Makes room for a chunk's accounts and some more, so that it is not done for each.
    async fn put_aside(&mut self) -> Result<(), postgres::Error> {
        if self.accounts.len() <= self.capacity {
            return Ok(());
        }
        let mut aside = Vec::new();
        while self.accounts.len() > self.capacity - self.capacity / 4 {
            let Some((_, spilled)) = self.accounts.pop_lru() else { break };
            aside.push(spilled);
        }
        self.spilled = true;
        for aside in aside.chunks(CHUNK) {
            self.loader.spill(aside).await?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Vec<AccountId>, postgres::Error> {
        for (_, kept) in &self.accounts {
            self.loader.whole(kept).await?;
        }
        self.loader.finish().await?;
        Ok(self.erased)
    }
}

/// Brings the new rows to where the live ones are and lets them take their place.
async fn change_over(log: &dyn LogReader, generation: &Generation, keys: &dyn Keys) -> Result<(), Error> {
    let models = generation.models();
    for _ in 0..TRIES {
        // Up to the log's end, before anybody has to wait.
        for partition in 0..log.partitions() {
            while forward(log, models, keys, partition).await? == STEP as u64 {}
        }
        let Some(live) = generation.hold_writers().await.map_err(Error::Database)? else {
            tokio::time::sleep(REST).await;
            continue;
        };
        let caught_up = timeout(HOLD, async {
            for (partition, next) in live {
                while models.checkpoint(partition).await.map_err(Error::Models)? < next {
                    if forward(log, models, keys, partition).await? == 0 {
                        break;
                    }
                }
            }
            Ok(())
        });
        match caught_up.await {
            Ok(caught_up) => caught_up?,
            Err(_) => {
                generation.release_writers().await.map_err(Error::Database)?;
                continue;
            }
        }
        if generation.publish().await.map_err(Error::Database)? {
            return Ok(());
        }
        tokio::time::sleep(REST).await;
    }
    Err(Error::NeverQuiet)
}

/// Applies a batch. Returns how many offsets it went forward.
async fn forward(
    log: &dyn LogReader,
    models: &Postgres,
    keys: &dyn Keys,
    partition: u32,
) -> Result<u64, Error> {
    let batch = next_batch(log, models, partition, STEP).await.map_err(Error::Models)?;
    let Some(batch) = batch else { return Ok(0) };
    for account in &batch.erased {
        keys.erase(account).await.map_err(Error::Keys)?;
    }
    let forward = batch.next - batch.from;
    models.apply(batch).await.map_err(Error::Models)?;
    Ok(forward)
}
