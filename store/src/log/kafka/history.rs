//! Reading what is no longer kept in memory, with consumers that go on where they were: a reader that follows its own position costs
//! one consumer and no seeks.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    TopicPartitionList,
    consumer::Consumer as _,
    error::{KafkaError, RDKafkaErrorCode},
    topic_partition_list::Offset,
};
use reinstate_domain::entry::Position;

use super::{
    Error, Settings,
    client::{Consumer, consumer},
    tail::{Stored, is_damage, stored},
    topic::watermarks,
};
use crate::log::{self, MAX_READ, Record};

/// Consumers that are kept. Each has its threads and up to 8 MiB that were fetched ahead.
const IDLE: usize = 8;

/// How long a consumer that nobody uses is kept.
const KEPT: Duration = Duration::from_secs(30);

/// How long the brokers may be silent before a read fails.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct History {
    settings: Settings,
    /// Whether records come with their traces.
    traced: bool,
    idle: Mutex<Vec<Cursor>>,
}

/// A consumer of one partition at one place.
struct Cursor {
    consumer: Consumer,
    partition: u32,
    next: u64,
    /// Was read and did not fit.
    carried: Option<Record>,
    used: Instant,
}

/// What a read found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) records: Vec<Record>,
    /// Offsets of records that belong to no account.
    pub(super) foreign: Vec<u64>,
    /// Where the next read goes on.
    pub(super) next: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("no broker gave the records within {} seconds", PATIENCE.as_secs())]
struct Silent(#[source] Option<KafkaError>);

impl History {
    pub(super) fn new(settings: Settings, traced: bool) -> Self {
        Self { settings, traced, idle: Mutex::default() }
    }

    /// The records in `from..until`, at most `max` of them and [`MAX_READ`] bytes. `until` is not behind the partition's end.
    pub(super) async fn read(
        self: &Arc<Self>,
        partition: u32,
        from: u64,
        until: u64,
        max: usize,
    ) -> Result<Found, log::Error> {
        let history = self.clone();
        let read = move || history.read_blocking(partition, from, until, max);
        match tokio::task::spawn_blocking(read).await {
            Ok(found) => found,
            Err(stopped) => Err(log::Error::Unavailable(Arc::new(stopped))),
        }
    }

    fn read_blocking(&self, partition: u32, from: u64, until: u64, max: usize) -> Result<Found, log::Error> {
        let mut cursor = self.take(partition, from)?;
        // A cursor that failed is closed, not kept.
        let found = cursor.read(self, until, max)?;
        self.put(cursor);
        Ok(found)
    }

    /// A consumer that stands where the read begins, if there is one, else any, else a new one.
    fn take(&self, partition: u32, from: u64) -> Result<Cursor, Error> {
        let kept = {
            let mut idle = self.idle();
            let here = idle.iter().position(|cursor| cursor.partition == partition && cursor.next == from);
            let full = idle.len() >= IDLE;
            let index = here.or_else(|| full.then(|| oldest(&idle)).flatten());
            index.map(|index| idle.swap_remove(index))
        };
        match kept {
            Some(cursor) if cursor.partition == partition && cursor.next == from => Ok(cursor),
            Some(mut cursor) => {
                cursor.go(&self.settings.topic, partition, from)?;
                Ok(cursor)
            }
            None => {
                let consumer = consumer(&self.settings.consumer()?)?;
                let mut cursor =
                    Cursor { consumer, partition, next: from, carried: None, used: Instant::now() };
                cursor.go(&self.settings.topic, partition, from)?;
                Ok(cursor)
            }
        }
    }

    fn put(&self, mut cursor: Cursor) {
        cursor.used = Instant::now();
        let closed = {
            let mut idle = self.idle();
            idle.push(cursor);
            let mut closed: Vec<Cursor> =
                idle.extract_if(.., |cursor| cursor.used.elapsed() > KEPT).collect();
            while idle.len() > IDLE {
                let Some(index) = oldest(&idle) else { break };
                closed.push(idle.swap_remove(index));
            }
            closed
        };
        // Closing waits for the consumer's threads; others need not wait for that.
        drop(closed);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Cursor>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn oldest(cursors: &[Cursor]) -> Option<usize> {
    (0..cursors.len()).min_by_key(|index| cursors[*index].used)
}

impl Cursor {
    fn go(&mut self, topic: &str, partition: u32, from: u64) -> Result<(), Error> {
        let offset = Offset::Offset(i64::try_from(from).unwrap_or(i64::MAX));
        let mut place = TopicPartitionList::new();
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        place.add_partition_offset(topic, number, offset).map_err(Error::client)?;
        self.consumer.assign(&place).map_err(Error::client)?;
        (self.partition, self.next, self.carried) = (partition, from, None);
        Ok(())
    }

    fn read(&mut self, history: &History, until: u64, max: usize) -> Result<Found, log::Error> {
        let topic = &history.settings.topic;
        let mut found = Found { next: self.next, ..Found::default() };
        let mut bytes = 0;
        let mut heard = Instant::now();
        let mut newest = None;
        let mut asked_again = false;
        while self.next < until && found.records.len() < max {
            let record = match self.carried.take() {
                Some(record) => record,
                None => match self.consumer.poll(Duration::from_millis(100)) {
                    Some(Ok(message)) => {
                        (heard, asked_again) = (Instant::now(), false);
                        match stored(&message, history.traced) {
                            Some(Stored::Record(record)) => record,
                            Some(Stored::Foreign(position)) => {
                                if position.offset < until {
                                    found.foreign.push(position.offset);
                                }
                                self.next = position.offset + 1;
                                continue;
                            }
                            None => continue,
                        }
                    }
                    // Either offsets without a record, or a new leader that has yet to learn how far the log is committed.
                    Some(Err(KafkaError::PartitionEOF(_))) => {
                        let end = watermarks(&self.consumer, topic, self.partition, PATIENCE);
                        if end.is_ok_and(|(_, end)| end >= until) {
                            if asked_again {
                                self.next = until;
                                break;
                            }
                            // Only what a leader says who knows counts: who has reached its end now has passed everything.
                            asked_again = true;
                            self.go(topic, self.partition, self.next)?;
                        } else if heard.elapsed() < PATIENCE {
                            self.go(topic, self.partition, self.next)?;
                        } else {
                            break;
                        }
                        continue;
                    }
                    Some(Err(error)) if error.rdkafka_error_code().is_some_and(is_damage) => {
                        if found.records.is_empty() {
                            return Err(self.damaged(error));
                        }
                        // What lies before the damage is good. The next read meets it again.
                        found.next = self.next;
                        self.next = u64::MAX;
                        return Ok(found);
                    }
                    Some(Err(error)) => {
                        newest = Some(error);
                        if heard.elapsed() < PATIENCE { continue } else { break }
                    }
                    None if heard.elapsed() < PATIENCE => continue,
                    None => break,
                },
            };
            // Others may have written behind the end that was asked for.
            if record.position.offset >= until {
                self.carried = Some(record);
                found.next = until;
                return Ok(found);
            }
            bytes += record.value.len();
            if bytes > MAX_READ && !found.records.is_empty() {
                self.carried = Some(record);
                break;
            }
            self.next = record.position.offset + 1;
            found.records.push(record);
        }
        if found.records.is_empty() && self.next < until && max > 0 && heard.elapsed() >= PATIENCE {
            return Err(log::Error::Unavailable(Arc::new(Silent(newest))));
        }
        found.next = self.next;
        Ok(found)
    }

    fn damaged(&self, error: KafkaError) -> log::Error {
        let position = Position { partition: self.partition, offset: self.next };
        let source: log::Cause = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => Arc::new(Removed),
            _ => Arc::new(error),
        };
        log::Error::Corrupt { position, source }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the brokers no longer have this offset")]
struct Removed;
