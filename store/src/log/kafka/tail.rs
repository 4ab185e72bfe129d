//! The end of the log as this process sees it: one thread reads all partitions, keeps the newest records, applies the rule for the
//! accounts that somebody here writes to, and tells how far it has come.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rdkafka::{
    TopicPartitionList,
    consumer::Consumer as _,
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers, Message},
    topic_partition_list::Offset,
};
use reinstate_domain::{
    entry::{Head, Position},
    ids::AccountId,
};
use tokio::sync::watch;

use super::{
    Error, Settings,
    client::{Consumer, consumer},
    heads::{Accounts, Known, follow},
    measures,
    ring::Ring,
    topic::Topic,
};
use crate::{log::Record, trace::Traceparent};

/// How long the thread waits for a record before it looks whether it shall end.
const POLL: Duration = Duration::from_millis(100);

/// What is known of each partition.
#[derive(Debug)]
pub(super) struct Tail {
    settings: Settings,
    partitions: Vec<Partition>,
    /// Goes up when the thread is replaced; the one of an older generation ends.
    generation: AtomicU64,
    stopped: AtomicBool,
    /// When the thread last asked for records, and when a broker last said anything, in milliseconds since `begun`.
    polled: AtomicU64,
    heard: AtomicU64,
    begun: Instant,
}

#[derive(Debug)]
pub(super) struct Partition {
    state: Mutex<State>,
    /// The offset after the newest record that was passed.
    next: watch::Sender<u64>,
    /// Whoever searches the history of this partition, for everybody who waits for a head.
    pub(super) search: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) ring: Ring,
    pub(super) accounts: Accounts,
    /// When the end of the partition was last seen.
    at_end: Option<Instant>,
}

/// What a message is to us.
pub(super) enum Stored {
    Record(Record),
    /// Its key names no account.
    Foreign(Position),
}

impl Tail {
    /// Starts at the end of each partition.
    pub(super) fn start(settings: &Settings, topic: &Topic) -> Result<Arc<Self>, Error> {
        let partitions = topic.offsets.iter().map(|(_, end)| Partition {
            state: Mutex::new(State { ring: Ring::new(*end), accounts: Accounts::default(), at_end: None }),
            next: watch::Sender::new(*end),
            search: tokio::sync::Mutex::default(),
        });
        let tail = Arc::new(Self {
            settings: settings.clone(),
            partitions: partitions.collect(),
            generation: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            polled: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            begun: Instant::now(),
        });
        tail.replace_thread()?;
        Ok(tail)
    }

    pub(super) fn partition(&self, partition: u32) -> Option<&Partition> {
        self.partitions.get(partition as usize)
    }

    pub(super) fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    /// How long ago the thread asked for records.
    pub(super) fn silent(&self) -> Duration {
        self.since(&self.polled)
    }

    /// How long ago a broker gave or took a record.
    pub(super) fn unheard(&self) -> Duration {
        self.since(&self.heard)
    }

    /// Notes that a broker has just given or taken a record.
    pub(super) fn hear(&self) {
        self.note(&self.heard);
    }

    fn since(&self, moment: &AtomicU64) -> Duration {
        self.begun.elapsed().saturating_sub(Duration::from_millis(moment.load(Ordering::Acquire)))
    }

    fn note(&self, moment: &AtomicU64) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        moment.store(now, Ordering::Release);
    }

    /// Starts a thread with a client of its own where the last one stopped. That one ends by itself as soon as it can, and whatever it
    /// still reads is passed over.
    pub(super) fn replace_thread(self: &Arc<Self>) -> Result<(), Error> {
        let generation = self.generation.fetch_add(1, Ordering::AcqRel) + 1;
        let consumer = consumer(&self.settings.consumer()?)?;
        let mut from = TopicPartitionList::new();
        for (number, partition) in (0..).zip(&self.partitions) {
            let offset = i64::try_from(*partition.next.borrow()).unwrap_or(i64::MAX);
            let added = from.add_partition_offset(&self.settings.topic, number, Offset::Offset(offset));
            added.map_err(Error::client)?;
        }
        consumer.assign(&from).map_err(Error::client)?;
        let tail = self.clone();
        let run = move || tail.run(generation, &consumer);
        let started = thread::Builder::new().name("log-tail".to_owned()).spawn(run);
        started.map(|_| ()).map_err(|e| Error::Thread(Arc::new(e)))
    }

    fn is_current(&self, generation: u64) -> bool {
        !self.stopped.load(Ordering::Acquire) && self.generation.load(Ordering::Acquire) == generation
    }

    fn run(&self, generation: u64, consumer: &Consumer) {
        while self.is_current(generation) {
            self.note(&self.polled);
            match consumer.poll(POLL) {
                None => {}
                Some(Ok(message)) => self.pass(generation, &message),
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    let partition = u32::try_from(partition).ok().and_then(|number| self.partition(number));
                    if let Some(partition) = partition {
                        partition.state().at_end = Some(Instant::now());
                    }
                }
                // The client goes on by itself. When it does not, the watch sees that nothing arrives.
                Some(Err(error)) => tracing::debug!(%error, "the log's reader met an error"),
            }
        }
    }

    fn pass(&self, generation: u64, message: &BorrowedMessage<'_>) {
        let Some(stored) = stored(message, true) else { return };
        self.hear();
        let position = match &stored {
            Stored::Record(record) => record.position,
            Stored::Foreign(position) => *position,
        };
        let Some(partition) = self.partition(position.partition) else { return };
        {
            let mut state = partition.state();
            // A thread that was replaced may still hold what its successor has read.
            if !self.is_current(generation) || position.offset < *partition.next.borrow() {
                return;
            }
            // Readable before anybody hears of it.
            let next = position.offset + 1;
            match stored {
                Stored::Record(record) => {
                    let State { ring, accounts, .. } = &mut *state;
                    let record = ring.push(record);
                    partition.next.send_replace(next);
                    accounts.pass(record);
                }
                Stored::Foreign(position) => {
                    measures::foreign();
                    tracing::warn!(%position, "a record in the topic belongs to no account: its key is no account id");
                    partition.next.send_replace(next);
                }
            }
        }
    }
}

impl Partition {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn next(&self) -> u64 {
        *self.next.borrow()
    }

    pub(super) fn follow(&self) -> watch::Receiver<u64> {
        self.next.subscribe()
    }

    /// Whether everything before `end`, which the brokers had when they were asked at `asked`, has been passed. Offsets without a
    /// record never are: there the end of the partition has been seen since.
    pub(super) fn has_passed(&self, end: u64, asked: Instant) -> bool {
        self.next() >= end || self.state().at_end.is_some_and(|seen| seen > asked)
    }

    /// Notes a head that somebody else worked out, unless a better one is known.
    pub(super) fn expect(&self, account: &AccountId, head: Head, next: u64) {
        let mut state = self.state();
        let passed = self.next();
        let State { ring, accounts, .. } = &mut *state;
        if matches!(accounts.known(account), Some(Known::Head { .. } | Known::Sought { .. })) {
            return;
        }
        if next >= passed {
            accounts.settle(account, Known::Head { head, next });
        } else if let Some(records) = ring.since(next) {
            let head = records.filter(|record| record.account == *account).fold(head, follow);
            accounts.settle(account, Known::Head { head, next: passed });
        } else {
            accounts.settle(account, Known::Hint { head, next });
        }
    }
}

/// What a message holds; `None` for a place that no log has. `traced` with the trace from its headers, which takes as long as all the rest.
pub(super) fn stored(message: &BorrowedMessage<'_>, traced: bool) -> Option<Stored> {
    let partition = u32::try_from(message.partition()).ok()?;
    let offset = u64::try_from(message.offset()).ok()?;
    let position = Position { partition, offset };
    let account = message.key().and_then(|key| AccountId::parse(std::str::from_utf8(key).ok()?).ok());
    let Some(account) = account else { return Some(Stored::Foreign(position)) };
    let value = Bytes::copy_from_slice(message.payload().unwrap_or_default());
    let trace = if traced { trace(message) } else { None };
    Some(Stored::Record(Record { position, account, value, trace }))
}

fn trace(message: &BorrowedMessage<'_>) -> Option<Traceparent> {
    let headers = message.headers()?;
    let header = headers.iter().find(|header| header.key == super::producer::TRACEPARENT)?;
    Traceparent::parse(std::str::from_utf8(header.value?).ok()?).ok()
}

/// Whether an error says that the bytes which the brokers have are not the ones that were written.
pub(super) fn is_damage(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::BadMessage
            | RDKafkaErrorCode::BadCompression
            | RDKafkaErrorCode::InvalidMessage
            | RDKafkaErrorCode::OffsetOutOfRange
            | RDKafkaErrorCode::AutoOffsetReset
            | RDKafkaErrorCode::LogTruncation
    )
}
