//! The log's port. Two adapters stand behind it, the [`embedded`] one and [`kafka`]'s, and both pass the same contract suite;
//! [`memory`] is the double that tests use.
//!
//! What a reader may rely on:
//! - A partition is a sequence of records, ordered by offset. What was read once is read again, at the same position with the
//!   same bytes, for ever. Only durable records are read.
//! - All entries of an account are in one partition, in the order in which they came.
//! - Void entries are records like any other. Whether an entry counts is for [`rule`](reinstate_domain::entry::rule) to say,
//!   and every reader asks it.
//!
//! What a writer may rely on is said at [`Log::append`].

use std::{error::Error as StdError, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use reinstate_domain::{
    entry::{Envelope, Head, Position},
    ids::AccountId,
};
use serde::{Deserialize, Serialize};

use crate::trace::Traceparent;

pub mod embedded;
pub mod kafka;
pub mod memory;

/// The longest value, in bytes. Below the 1,000,000 that Kafka's clients and brokers take by default, with room for headers.
pub const MAX_VALUE: usize = 960 * 1024;

/// A reply to `read` holds no more than this many bytes of values, unless its first record alone does.
pub const MAX_READ: usize = 8 * 1024 * 1024;

/// One record, as stored. That it has a place says nothing about whether it is effective.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub position: Position,
    /// The record's key. Known even when the value can't be understood, so that only this account halts.
    pub account: AccountId,
    /// Exactly the bytes that were appended.
    pub value: Bytes,
    /// The trace in which the entry was appended, where the log keeps it (Kafka does, in a header). Nothing depends on it.
    pub trace: Option<Traceparent>,
}

/// What a read found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// In order, at most as many as were asked for, and at most [`MAX_READ`] bytes.
    pub records: Vec<Record>,
    /// Where to go on: whatever is before it was passed. Further than after the last record where what follows belongs to no account;
    /// where the read began only when there is nothing, of anybody, at or after it.
    pub next: u64,
}

impl Page {
    /// Of a log in which every offset has an account's record: `from` is where the read began.
    fn of(records: Vec<Record>, from: u64) -> Self {
        let next = records.last().map_or(from, |last| last.position.offset + 1);
        Self { records, next }
    }
}

/// Which log this is, so that what was made of one is never taken for what was made of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The Kafka cluster's id, which its first controller drew.
    pub cluster: String,
    /// The topic's name. A topic that was deleted and made again has the same.
    pub topic: String,
    /// The topic's id, which no other topic ever has.
    pub topic_id: String,
    pub partitions: u32,
}

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// The entry is durable and effective; `head` is the account's new head.
    Committed { position: Position, head: Head },
    /// The entry is void: it did not follow the account's head. A reader that has passed `position` knows the head that won.
    Conflict { position: Position },
    /// No answer came in time: the entry may be in the log, may still come, or may not. The same bytes may be appended again;
    /// however often they are, at most one of the copies is ever effective.
    Indeterminate,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("the log does not answer")]
    Unavailable(#[source] Cause),
    #[error("the disk under the log is full")]
    Full,
    /// The record there, or the first after it, can't be read back.
    #[error("the log is damaged at or after {position}")]
    Corrupt {
        position: Position,
        #[source]
        source: Cause,
    },
    #[error("{} is no log of Reinstate", path.display())]
    NotALog { path: PathBuf },
    #[error("there is no log in {}", path.display())]
    NotFound { path: PathBuf },
    #[error("{} was written by a newer version: its format is {found}, this program knows up to {known}", path.display())]
    NewerVersion { path: PathBuf, found: i64, known: i64 },
    #[error("an entry of {size} bytes is longer than {MAX_VALUE}")]
    TooLarge { size: usize },
    #[error("the value is not an entry")]
    NotAnEntry(#[source] Cause),
    #[error("the log has no partition {0}")]
    NoSuchPartition(u32),
}

/// The error of a library underneath. Shared, because one failed sync answers many callers.
pub type Cause = Arc<dyn StdError + Send + Sync>;

/// What someone needs who only reads: the projector, the audit.
#[async_trait]
pub trait LogReader: Send + Sync {
    /// How many partitions there are, numbered from 0. Fixed for ever.
    fn partitions(&self) -> u32;

    /// The partition of an account's entries. Fixed for ever.
    fn partition_of(&self, account: &AccountId) -> u32;

    /// Which log this is. `None` where it can't be taken for another: the embedded one lies beside what is made of it.
    fn identity(&self) -> Option<Identity> {
        None
    }

    /// The next records from offset `from` on: what somebody reads by who follows the log.
    async fn page(&self, partition: u32, from: u64, max: usize) -> Result<Page, Error>;

    /// The records from offset `from` on, in order, at most `max` of them and [`MAX_READ`] bytes. Empty only when there is none
    /// at or after `from`.
    async fn read(&self, partition: u32, from: u64, max: usize) -> Result<Vec<Record>, Error> {
        let mut from = from;
        loop {
            let page = self.page(partition, from, max).await?;
            if !page.records.is_empty() || page.next == from || max == 0 {
                return Ok(page.records);
            }
            from = page.next;
        }
    }

    /// The record at this position, if there is one.
    async fn at(&self, position: Position) -> Result<Option<Record>, Error> {
        let records = self.read(position.partition, position.offset, 1).await?;
        Ok(records.into_iter().find(|record| record.position == position))
    }

    /// Offsets in `from..to` of records that belong to no account, because their key names none. Reads pass over them, as over
    /// offsets that have no record; an audit asks here which is which.
    async fn foreign(&self, partition: u32, from: u64, to: u64) -> Result<Vec<u64>, Error> {
        let _ = (partition, from, to);
        Ok(Vec::new())
    }

    /// The offset after the last durable record, whoever wrote it: 0 for an empty partition. [`LogReader::read`] has everything before it.
    async fn end(&self, partition: u32) -> Result<u64, Error>;

    /// Returns as soon as there is a record, whoever wrote it, at or after `offset`: [`LogReader::page`] goes on from there. May be dropped
    /// at any time.
    async fn wait(&self, partition: u32, offset: u64) -> Result<(), Error>;
}

/// What the journal needs, and nobody else: services write through the journal.
#[async_trait]
pub trait Log: LogReader {
    /// Appends one entry, JSON bytes of at most [`MAX_VALUE`] that begin with an [`Envelope`], and says what the rule made of it.
    ///
    /// - [`Appended`] is only answered for an entry that will outlive this process and the machine's power
    ///   ([`Appended::Indeterminate`] excepted), and `read` has it from then on.
    /// - An error means that nothing was written and nothing will be.
    /// - A caller that drops the future does not know what became of the entry, as after [`Appended::Indeterminate`].
    /// - Appends by any number of callers, to any accounts, may run at the same time; they share syncs.
    async fn append(&self, value: Bytes) -> Result<Appended, Error>;

    /// A hint that spares the log a search: the account's head is `head` when every entry of its partition before offset `next` is
    /// taken into account. Whoever says so has folded them. A log that keeps the heads itself has no use for it.
    fn expect(&self, account: &AccountId, head: Head, next: u64) {
        let _ = (account, head, next);
    }
}

/// What an adapter checks and learns about a value before it stores it.
fn envelope(value: &[u8]) -> Result<Envelope, Error> {
    if value.len() > MAX_VALUE {
        return Err(Error::TooLarge { size: value.len() });
    }
    serde_json::from_slice(value).map_err(|e| Error::NotAnEntry(Arc::new(e)))
}
