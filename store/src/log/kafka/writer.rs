//! The writing half: an append is answered by the rule, as this process's own reader applies it.

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
use tracing::{Instrument as _, field::Empty};

use super::{
    Error, KafkaReader, Settings,
    heads::Entered,
    measures,
    producer::{Delivered, Producer},
    tail::Partition,
    topic::{Brokers, blocking},
};
use crate::log::{self, Appended, Identity, Log, LogReader, Page, envelope};

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

    /// Connects to librdkafka's mock brokers, for tests of what real ones seldom do. They know neither topic ids nor configurations, so
    /// nothing is checked.
    ///
    /// # Errors
    /// As [`Kafka::connect`].
    pub async fn connect_to_mock(settings: &Settings) -> Result<Self, Error> {
        let (reader, _) = KafkaReader::connect_to(settings, Brokers::Mock, true).await?;
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

    async fn write(&self, envelope: Envelope, value: Bytes) -> Result<Appended, log::Error> {
        let inner = &self.reader.inner;
        inner.status.check().map_err(|down| log::Error::Unavailable(Arc::new(down)))?;
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
        let sending = self.producer.send(&envelope, partition, &value, deadline);
        let position = match sending.instrument(tracing::info_span!("produce")).await {
            Delivered::Refused(error) => return Err(error),
            Delivered::Unknown => return Ok(ticket.came_by(partition)),
            Delivered::At(position) => position,
        };
        inner.tail.hear();
        let delivered = Instant::now();
        measures::delivered(delivered - begin);
        let ruling = timeout_at(deadline, ticket.ruling(position.offset));
        match ruling.instrument(tracing::info_span!("read_back")).await {
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
    async fn search(&self, partition: u32, account: &AccountId, deadline: Instant) -> Result<(), log::Error> {
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
            Ok(Err(stopped)) => Err(log::Error::Unavailable(Arc::new(stopped))),
            Err(late) => Err(log::Error::Unavailable(Arc::new(late))),
        }
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

    async fn page(&self, partition: u32, from: u64, max: usize) -> Result<Page, log::Error> {
        self.reader.page(partition, from, max).await
    }

    async fn foreign(&self, partition: u32, from: u64, to: u64) -> Result<Vec<u64>, log::Error> {
        self.reader.foreign(partition, from, to).await
    }

    async fn end(&self, partition: u32) -> Result<u64, log::Error> {
        self.reader.end(partition).await
    }

    async fn wait(&self, partition: u32, offset: u64) -> Result<(), log::Error> {
        self.reader.wait(partition, offset).await
    }
}

#[async_trait]
impl Log for Kafka {
    async fn append(&self, value: Bytes) -> Result<Appended, log::Error> {
        let envelope = envelope(&value)?;
        let span = tracing::info_span!("append", otel.kind = "producer", outcome = Empty);
        let appended = self.write(envelope, value).instrument(span.clone()).await;
        let outcome = match &appended {
            Ok(Appended::Committed { .. }) => "committed",
            Ok(Appended::Conflict { .. }) => "conflict",
            Ok(Appended::Indeterminate) => "indeterminate",
            Err(_) => "refused",
        };
        span.record("outcome", outcome);
        measures::appended(outcome);
        appended
    }

    fn expect(&self, account: &AccountId, head: Head, next: u64) {
        let partition = self.reader.partition(self.partition_of(account));
        if let Ok(partition) = partition {
            partition.expect(account, head, next);
        }
    }
}
