//! The log on Apache Kafka: one topic, one record per entry, the account's id as its key.
//!
//! Kafka has no conditional append, so an append is two things: the entry is produced (idempotent, acknowledged by all replicas in sync),
//! and then this process waits until its own reader has passed it and says what the rule made of it. Reading it back costs next to
//! nothing, because one thread ([`tail`]) reads the end of every partition anyway.
//!
//! `docs/decisions/0060` to `0064` say why things are as they are.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use reinstate_domain::{
    entry::{Envelope, Head, Position, Ruling},
    ids::AccountId,
};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use self::{
    client::consumer,
    heads::{Entered, Search, follow},
    history::History,
    producer::{Delivered, Producer},
    tail::{Partition, Tail},
    topic::{Topic, blocking},
    watch::{Status, Watch},
};
use super::{Appended, Identity, Log, LogReader, MAX_READ, Record, envelope};

mod client;
mod error;
mod group;
mod heads;
mod history;
mod measures;
mod murmur2;
mod producer;
mod ring;
mod settings;
mod tail;
mod topic;
mod topic_id;
mod watch;

pub use self::{
    error::Error,
    group::{Group, Membership},
    measures::describe_metrics,
    settings::{Mechanism, Protocol, Security, Settings},
    topic::create_topic,
};

/// Records that are read at once in search of a head.
const STEP: usize = 1000;

/// The log for someone who only reads: the projector, the courier, the audit. Cheap to clone.
#[derive(Clone)]
pub struct KafkaReader {
    inner: Arc<Inner>,
}

struct Inner {
    identity: Identity,
    /// Of each partition, the first offset that was there at the start.
    firsts: Vec<u64>,
    tail: Arc<Tail>,
    history: Arc<History>,
    status: Arc<Status>,
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
        let (reader, topic) = Self::connect_to(settings).await?;
        topic.check(settings).await?;
        Ok(reader)
    }

    /// Connects to a topic whatever became of it, to look at it: the audit does. [`Settings::partitions`] and what else the settings say of
    /// the topic is not asked for. The second value says what [`KafkaReader::connect`] would have refused.
    ///
    /// # Errors
    /// [`Error::Settings`], [`Error::SecretFile`], [`Error::Client`], [`Error::Unreachable`], [`Error::Refused`], [`Error::Tls`],
    /// [`Error::NoTopic`], [`Error::Thread`].
    pub async fn connect_to_any(settings: &Settings) -> Result<(Self, Option<Error>), Error> {
        let (reader, topic) = Self::connect_to(settings).await?;
        let as_found = Settings { partitions: topic.identity.partitions, ..settings.clone() };
        let fault = topic.check(&as_found).await.err();
        Ok((reader, fault))
    }

    async fn connect_to(settings: &Settings) -> Result<(Self, Topic), Error> {
        let settings = settings.clone();
        blocking(move || {
            let probe = consumer(&settings.consumer()?)?;
            let topic = Topic::inspect(&probe, &settings)?;
            let tail = Tail::start(&settings, &topic)?;
            let watch = Watch::start(&settings, &tail, probe)?;
            let inner = Inner {
                identity: topic.identity.clone(),
                firsts: topic.offsets.iter().map(|(first, _)| *first).collect(),
                tail,
                history: Arc::new(History::new(settings)),
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

    fn partition(&self, partition: u32) -> Result<&Partition, super::Error> {
        self.inner.tail.partition(partition).ok_or(super::Error::NoSuchPartition(partition))
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

    async fn read(&self, partition: u32, from: u64, max: usize) -> Result<Vec<Record>, super::Error> {
        let tail = self.partition(partition)?;
        let mut from = from;
        loop {
            let until = {
                let state = tail.state();
                if from >= tail.next() {
                    return Ok(Vec::new());
                }
                if let Some(records) = state.ring.since(from) {
                    return Ok(some_of(records, max));
                }
                state.ring.first()
            };
            let found = self.inner.history.read(partition, from, until, max).await?;
            if !found.records.is_empty() || max == 0 {
                return Ok(found.records);
            }
            // Nothing there belongs to an account.
            from = found.next.max(from + 1);
        }
    }

    async fn foreign(&self, partition: u32, from: u64, to: u64) -> Result<Vec<u64>, super::Error> {
        let to = to.min(self.partition(partition)?.next());
        let (mut from, mut foreign) = (from, Vec::new());
        while from < to {
            let found = self.inner.history.read(partition, from, to, STEP).await?;
            foreign.extend(found.foreign);
            from = found.next.max(from + 1);
        }
        Ok(foreign)
    }

    async fn end(&self, partition: u32) -> Result<u64, super::Error> {
        Ok(self.partition(partition)?.next())
    }

    async fn wait(&self, partition: u32, offset: u64) -> Result<(), super::Error> {
        let mut next = self.partition(partition)?.follow();
        let waited = next.wait_for(|next| *next > offset).await;
        waited.map(|_| ()).map_err(|e| super::Error::Unavailable(Arc::new(e)))
    }
}

fn some_of<'a>(records: impl Iterator<Item = &'a Record>, max: usize) -> Vec<Record> {
    let mut bytes = 0;
    let fits = |record: &&Record| {
        let first = bytes == 0;
        bytes += record.value.len();
        first || bytes <= MAX_READ
    };
    records.take(max).take_while(fits).cloned().collect()
}

/// The log for someone who writes: the journal of an api or a verifier. Cheap to clone.
#[derive(Clone)]
pub struct Kafka {
    reader: KafkaReader,
    producer: Arc<Producer>,
    settings: Arc<Settings>,
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka").field("identity", &self.reader.inner.identity).finish_non_exhaustive()
    }
}

impl Kafka {
    /// Connects to a topic that is fit to be a log. Once it returns, reader and producer have met every partition's leader.
    ///
    /// # Errors
    /// Every [`Error`]: nothing was read or written.
    pub async fn connect(settings: &Settings) -> Result<Self, Error> {
        Self::on(KafkaReader::connect(settings).await?, settings).await
    }

    /// Connects to a topic whose configuration nobody answers for, such as a mock broker's: what it would lose is lost.
    ///
    /// # Errors
    /// As [`KafkaReader::connect_to_any`].
    pub async fn connect_to_any(settings: &Settings) -> Result<Self, Error> {
        let (reader, _) = KafkaReader::connect_to(settings).await?;
        Self::on(reader, settings).await
    }

    async fn on(reader: KafkaReader, settings: &Settings) -> Result<Self, Error> {
        let (partitions, for_producer) = (reader.partitions(), settings.clone());
        let producer = blocking(move || Producer::start(&for_producer, partitions)).await?;
        Ok(Self { reader, producer: Arc::new(producer), settings: Arc::new(settings.clone()) })
    }

    /// The reader's half, for whoever follows this log in the same process.
    #[must_use]
    pub fn reader(&self) -> &KafkaReader {
        &self.reader
    }

    /// As [`KafkaReader::health`].
    #[must_use]
    pub fn health(&self) -> Option<String> {
        self.reader.health()
    }

    async fn write(&self, envelope: Envelope, value: Bytes) -> Result<Appended, super::Error> {
        let inner = &self.reader.inner;
        inner.status.check().map_err(|down| super::Error::Unavailable(Arc::new(down)))?;
        let deadline = Instant::now() + self.settings.append_timeout();
        let partition = self.partition_of(&envelope.account);
        let tail = self.reader.partition(partition)?;
        let ticket = loop {
            let entered = tail.state().accounts.enter(&envelope);
            match entered {
                Entered::Ready(ticket) => break Ticket { tail, envelope: &envelope, ticket },
                Entered::Unknown => self.search(partition, &envelope.account, deadline).await?,
            }
        };
        let begin = Instant::now();
        let position = match self.producer.send(&envelope, partition, &value, deadline).await {
            Delivered::Refused(error) => return Err(error),
            Delivered::Unknown => return Ok(ticket.came_by(partition)),
            Delivered::At(position) => position,
        };
        inner.tail.hear();
        let delivered = Instant::now();
        measures::delivered(delivered - begin);
        match timeout_at(deadline, ticket.ruling(position.offset)).await {
            Ok(Ok(ruling)) => {
                measures::read_back(delivered.elapsed());
                Ok(match ruling {
                    Ruling::Effective(head) => Appended::Committed { position, head },
                    Ruling::Void => Appended::Conflict { position },
                })
            }
            // The entry is in the log, and what the rule makes of it will show.
            Ok(Err(_)) | Err(_) => Ok(Appended::Indeterminate),
        }
    }

    /// Finds out an account's head, and with it that of every other account of the partition for which somebody waits.
    async fn search(
        &self,
        partition: u32,
        account: &AccountId,
        deadline: Instant,
    ) -> Result<(), super::Error> {
        let tail = self.reader.partition(partition)?;
        {
            let mut state = tail.state();
            let since = tail.next();
            state.accounts.seek(account, since);
        }
        let reader = self.reader.clone();
        // A caller that goes away must not leave the others waiting.
        let searching = tokio::spawn(async move { reader.search(partition).await });
        match timeout_at(deadline, searching).await {
            Ok(Ok(searched)) => searched,
            Ok(Err(stopped)) => Err(super::Error::Unavailable(Arc::new(stopped))),
            Err(late) => Err(super::Error::Unavailable(Arc::new(late))),
        }
    }
}

impl KafkaReader {
    /// Ends every search that has begun in this partition, with one pass over its history.
    async fn search(&self, partition: u32) -> Result<(), super::Error> {
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
    ) -> Result<(), super::Error> {
        while from < until {
            let records = self.read(partition, from, STEP).await?;
            let Some(last) = records.last() else { break };
            from = last.position.offset + 1;
            for record in &records {
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

/// An append under way. Dropping it ends the waiting.
struct Ticket<'a> {
    tail: &'a Partition,
    envelope: &'a Envelope,
    ticket: u64,
}

impl Ticket<'_> {
    fn ruling(&self, offset: u64) -> oneshot::Receiver<Ruling> {
        self.tail.state().accounts.ruling(self.envelope.id, self.ticket, offset)
    }

    /// What can be said when the brokers were silent: the entry may have come by all the same.
    fn came_by(&self, partition: u32) -> Appended {
        match self.tail.state().accounts.effective(self.envelope.id, self.ticket) {
            Some((offset, head)) => Appended::Committed { position: Position { partition, offset }, head },
            None => Appended::Indeterminate,
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.tail.state().accounts.leave(self.envelope, self.ticket);
    }
}

#[async_trait]
impl LogReader for Kafka {
    fn partitions(&self) -> u32 {
        self.reader.partitions()
    }

    fn partition_of(&self, account: &AccountId) -> u32 {
        self.reader.partition_of(account)
    }

    fn identity(&self) -> Option<Identity> {
        self.reader.identity()
    }

    async fn read(&self, partition: u32, from: u64, max: usize) -> Result<Vec<Record>, super::Error> {
        self.reader.read(partition, from, max).await
    }

    async fn foreign(&self, partition: u32, from: u64, to: u64) -> Result<Vec<u64>, super::Error> {
        self.reader.foreign(partition, from, to).await
    }

    async fn end(&self, partition: u32) -> Result<u64, super::Error> {
        self.reader.end(partition).await
    }

    async fn wait(&self, partition: u32, offset: u64) -> Result<(), super::Error> {
        self.reader.wait(partition, offset).await
    }
}

#[async_trait]
impl Log for Kafka {
    async fn append(&self, value: Bytes) -> Result<Appended, super::Error> {
        let envelope = envelope(&value)?;
        let appended = self.write(envelope, value).await;
        measures::appended(match &appended {
            Ok(Appended::Committed { .. }) => "committed",
            Ok(Appended::Conflict { .. }) => "conflict",
            Ok(Appended::Indeterminate) => "indeterminate",
            Err(_) => "refused",
        });
        appended
    }

    fn expect(&self, account: &AccountId, head: Head, next: u64) {
        let partition = self.reader.partition(self.partition_of(account));
        if let Ok(partition) = partition {
            partition.expect(account, head, next);
        }
    }
}
