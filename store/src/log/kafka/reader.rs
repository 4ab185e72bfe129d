//! The reading half: the newest records from memory, older ones from the brokers.

use std::{fmt, iter::Peekable, sync::Arc, time::Duration};

use async_trait::async_trait;
use reinstate_domain::ids::AccountId;
use tokio::time::timeout;

use super::{
    Error, Settings,
    client::consumer,
    ends::Ends,
    heads::{Search, follow},
    history::History,
    measures, murmur2,
    tail::{Partition, Tail},
    topic::{Brokers, Topic, blocking},
    watch::{Status, Watch},
};
use crate::log::{self, Identity, LogReader, MAX_READ, Page, Record};

/// Records that are read at once in search of a head.
const STEP: usize = 1000;

/// How long this process's reader may take to get to an end that it was told of.
const CATCH_UP: Duration = Duration::from_secs(3);

/// The log for someone who only reads: the projector, the courier, the audit. Cheap to clone.
#[derive(Clone)]
pub struct KafkaReader {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) identity: Identity,
    /// Of each partition, the first offset that was there at the start.
    firsts: Vec<u64>,
    pub(super) tail: Arc<Tail>,
    history: Arc<History>,
    ends: Arc<Ends>,
    pub(super) status: Arc<Status>,
    /// Ends with this.
    _watch: Watch,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tail.stop();
    }
}

impl KafkaReader {
    /// Connects to a topic that is fit to be a log, and begins to follow its end.
    ///
    /// # Errors
    /// Every [`Error`]: nothing was read or written.
    pub async fn connect(settings: &Settings) -> Result<Self, Error> {
        let (reader, topic) = Self::connect_to(settings, Brokers::Real, true).await?;
        topic.check(settings).await?;
        Ok(reader)
    }

    /// Connects to a topic whatever became of it, to look at it: the audit does. How many partitions and copies there should be is for the
    /// services to know; the second value says what else [`KafkaReader::connect`] would have refused. Records come without their traces.
    ///
    /// # Errors
    /// [`Error::Settings`], [`Error::SecretFile`], [`Error::Client`], [`Error::Unreachable`], [`Error::Refused`], [`Error::Tls`],
    /// [`Error::NoTopic`], [`Error::Thread`].
    pub async fn connect_to_any(settings: &Settings) -> Result<(Self, Option<Error>), Error> {
        let (reader, topic) = Self::connect_to(settings, Brokers::Real, false).await?;
        let as_found = Settings {
            partitions: topic.identity.partitions,
            replication: 1,
            min_insync_replicas: 1,
            ..settings.clone()
        };
        let fault = topic.check(&as_found).await.err();
        Ok((reader, fault))
    }

    pub(super) async fn connect_to(
        settings: &Settings,
        brokers: Brokers,
        traced: bool,
    ) -> Result<(Self, Topic), Error> {
        let settings = settings.clone();
        blocking(move || {
            let probe = Arc::new(consumer(&settings.consumer()?)?);
            let topic = Topic::inspect(&probe, &settings, brokers)?;
            let topic_id = (brokers == Brokers::Real).then(|| topic.identity.topic_id.clone());
            let tail = Tail::start(&settings, &topic)?;
            let ends = Arc::new(Ends::new(probe.clone(), &settings.topic, tail.partitions().len()));
            let watch = Watch::start(&settings, topic_id, &tail, probe, ends.clone())?;
            let inner = Inner {
                identity: topic.identity.clone(),
                firsts: topic.offsets.iter().map(|(first, _)| *first).collect(),
                tail,
                history: Arc::new(History::new(settings, traced)),
                ends,
                status: watch.status.clone(),
                _watch: watch,
            };
            Ok((Self { inner: Arc::new(inner) }, topic))
        })
        .await
    }

    /// Says in a sentence what is wrong: no broker answers, a partition has no leader, the reader stands still. `None` when all is well.
    #[must_use]
    pub fn health(&self) -> Option<String> {
        self.inner.status.trouble()
    }

    /// The first offset of a partition that was there at the start: 0, unless records were removed.
    #[must_use]
    pub fn first(&self, partition: u32) -> u64 {
        self.inner.firsts.get(partition as usize).copied().unwrap_or(0)
    }

    pub(super) fn partition(&self, partition: u32) -> Result<&Partition, log::Error> {
        self.inner.tail.partition(partition).ok_or(log::Error::NoSuchPartition(partition))
    }
}

impl fmt::Debug for KafkaReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaReader").field("identity", &self.inner.identity).finish_non_exhaustive()
    }
}

#[async_trait]
impl LogReader for KafkaReader {
    fn partitions(&self) -> u32 {
        self.inner.identity.partitions
    }

    fn partition_of(&self, account: &AccountId) -> u32 {
        murmur2::partition(account.as_str().as_bytes(), self.partitions())
    }

    fn identity(&self) -> Option<Identity> {
        Some(self.inner.identity.clone())
    }

    async fn page(&self, partition: u32, from: u64, max: usize) -> Result<Page, log::Error> {
        let tail = self.partition(partition)?;
        let until = {
            let state = tail.state();
            // Changes under the state's lock.
            let end = tail.next();
            if from >= end {
                return Ok(Page { records: Vec::new(), next: from });
            }
            if let Some(records) = state.ring.since(from) {
                let mut records = records.peekable();
                let some = some_of(&mut records, max);
                let next = records.peek().map_or(end, |left| left.position.offset);
                return Ok(Page { records: some, next });
            }
            state.ring.first()
        };
        let found = self.inner.history.read(partition, from, until, max).await?;
        Ok(Page { records: found.records, next: found.next })
    }

    async fn foreign(&self, partition: u32, from: u64, to: u64) -> Result<Vec<u64>, log::Error> {
        let to = to.min(self.partition(partition)?.next());
        let (mut from, mut foreign) = (from, Vec::new());
        while from < to {
            let found = self.inner.history.read(partition, from, to, STEP).await?;
            foreign.extend(found.foreign);
            from = found.next.max(from + 1);
        }
        Ok(foreign)
    }

    async fn end(&self, partition: u32) -> Result<u64, log::Error> {
        let passed = self.partition(partition)?;
        let inner = &self.inner;
        inner.status.check().map_err(|down| log::Error::Unavailable(Arc::new(down)))?;
        let end = inner.ends.of(partition).await.map_err(|e| log::Error::Unavailable(Arc::new(e)))?;
        if let Some(last) = end.checked_sub(1) {
            let read = timeout(CATCH_UP, self.wait(partition, last)).await;
            read.map_err(|late| log::Error::Unavailable(Arc::new(late)))??;
        }
        Ok(passed.next().max(end))
    }

    async fn wait(&self, partition: u32, offset: u64) -> Result<(), log::Error> {
        let mut next = self.partition(partition)?.follow();
        let waited = next.wait_for(|next| *next > offset).await;
        waited.map(|_| ()).map_err(|e| log::Error::Unavailable(Arc::new(e)))
    }
}

/// Takes the first of them that may be in one page, and leaves the others.
fn some_of<'a>(records: &mut Peekable<impl Iterator<Item = &'a Record>>, max: usize) -> Vec<Record> {
    let (mut some, mut bytes) = (Vec::new(), 0);
    while some.len() < max
        && let Some(record) =
            records.next_if(|record| some.is_empty() || bytes + record.value.len() <= MAX_READ)
    {
        bytes += record.value.len();
        some.push(record.clone());
    }
    some
}

impl KafkaReader {
    /// Ends every search that has begun in this partition, with one pass over its history.
    pub(super) async fn search(&self, partition: u32) -> Result<(), log::Error> {
        let tail = self.partition(partition)?;
        let _turn = tail.search.lock().await;
        let mut searches = tail.state().accounts.searches();
        let (Some(from), Some(until)) = (
            searches.iter().map(|search| search.from).min(),
            searches.iter().map(|search| search.until).max(),
        ) else {
            // Whoever had the turn before found it.
            return Ok(());
        };
        measures::searched();
        let passed = self.pass_over(partition, from, until, &mut searches).await;
        let mut state = tail.state();
        for search in searches {
            match passed {
                Ok(()) => state.accounts.found(&search.account, search.head),
                Err(_) => state.accounts.lost(&search.account),
            }
        }
        passed
    }

    async fn pass_over(
        &self,
        partition: u32,
        mut from: u64,
        until: u64,
        searches: &mut [Search],
    ) -> Result<(), log::Error> {
        while from < until {
            let page = self.page(partition, from, STEP).await?;
            if page.next == from {
                break;
            }
            from = page.next;
            for record in &page.records {
                let offset = record.position.offset;
                let search = searches.iter_mut().find(|search| search.account == record.account);
                if let Some(search) = search.filter(|s| (s.from..s.until).contains(&offset)) {
                    search.head = follow(search.head, record);
                }
            }
        }
        Ok(())
    }
}
