//! The embedded log: one SQLite file in a data directory, one partition.
//!
//! SQLite in WAL mode with `synchronous=FULL` stores and syncs; `docs/decisions/0010` says why it and not redb or fjall.
//! One thread owns the connection that writes ([`writer`]); readers, in this process or another, have their own and are never
//! in its way. Every entry is stored, void ones too, so that this log and Kafka's look the same to whoever reads them.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use reinstate_domain::{
    entry::{Head, Position},
    ids::AccountId,
};
use tokio::sync::watch;

use super::{Appended, Error, Log, LogReader, Page, envelope};
use crate::data_dir::{DataDir, Layout};

mod file;
mod reader;
mod writer;

use reader::Reader;
use writer::Writer;

/// The only partition.
const PARTITION: u32 = 0;

/// How often a reader in another process than the writer's looks for new records.
const POLL: Duration = Duration::from_millis(50);

/// The log of a data directory, for the one process that writes to it.
#[derive(Debug)]
pub struct Embedded {
    /// Before the writer: whose connection closes last moves what is left in the WAL into the file.
    reader: Arc<Reader>,
    writer: Writer,
    end: watch::Receiver<u64>,
}

impl Embedded {
    /// Opens the log, and makes it when the directory has none. What a crash left half written is not there afterwards.
    ///
    /// Blocks. The last value of the log to be dropped waits for the append at hand and closes the file.
    ///
    /// # Errors
    /// [`Error::NewerVersion`], [`Error::NotALog`], [`Error::Full`], [`Error::Unavailable`].
    pub fn open(directory: Arc<DataDir>) -> Result<Self, Error> {
        Self::open_with(directory, Options::default())
    }

    /// # Errors
    /// As [`Embedded::open`].
    pub fn open_with(directory: Arc<DataDir>, options: Options) -> Result<Self, Error> {
        let path = directory.layout().log();
        let reader = Arc::new(Reader::new(path));
        let (writer, end) = Writer::start(directory, options)?;
        Ok(Self { reader, writer, end })
    }
}

/// What an operator may set.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The most bytes that the file may have, rounded up to pages of 4096; a log that would outgrow it is [`Error::Full`].
    /// Leaves room on the disk for what else lives there. `None`: the disk is the limit.
    pub max_bytes: Option<u64>,
}

#[async_trait]
impl LogReader for Embedded {
    fn partitions(&self) -> u32 {
        1
    }

    fn partition_of(&self, _: &AccountId) -> u32 {
        PARTITION
    }

    async fn page(&self, partition: u32, from: u64, max: usize) -> Result<Page, Error> {
        only(partition)?;
        Ok(Page::of(self.reader.clone().read(from, max).await?, from))
    }

    async fn end(&self, partition: u32) -> Result<u64, Error> {
        only(partition)?;
        Ok(*self.end.borrow())
    }

    async fn wait(&self, partition: u32, offset: u64) -> Result<(), Error> {
        only(partition)?;
        let mut end = self.end.clone();
        let waited = end.wait_for(|end| *end > offset).await;
        waited.map(|_| ()).map_err(|e| Error::Unavailable(Arc::new(e)))
    }
}

#[async_trait]
impl Log for Embedded {
    async fn append(&self, value: Bytes) -> Result<Appended, Error> {
        let envelope = envelope(&value)?;
        self.writer.append(envelope, value).await
    }
}

/// The log of a data directory for someone who only reads, whether a server runs on it or not.
#[derive(Debug)]
pub struct EmbeddedReader {
    reader: Arc<Reader>,
}

impl EmbeddedReader {
    /// Opens the log below `directory`. Takes no lock that a server would feel, and writes nothing.
    ///
    /// Blocks.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NewerVersion`], [`Error::NotALog`], [`Error::Unavailable`].
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let path = Layout::of(directory).log();
        if !path.is_file() {
            return Err(Error::NotFound { path: directory.to_owned() });
        }
        let reader = Arc::new(Reader::new(path));
        reader.check()?;
        Ok(Self { reader })
    }

    /// The table that the writer decides by, and the log's end, both of one moment. An auditor compares the table with what the
    /// rule makes of the entries before that end.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Unavailable`].
    pub async fn heads(&self) -> Result<Heads, Error> {
        self.reader.clone().heads().await
    }
}

/// What the log keeps beside its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heads {
    pub end: u64,
    /// In the order of the accounts' ids.
    pub heads: Vec<(AccountId, Head)>,
}

#[async_trait]
impl LogReader for EmbeddedReader {
    fn partitions(&self) -> u32 {
        1
    }

    fn partition_of(&self, _: &AccountId) -> u32 {
        PARTITION
    }

    async fn page(&self, partition: u32, from: u64, max: usize) -> Result<Page, Error> {
        only(partition)?;
        Ok(Page::of(self.reader.clone().read(from, max).await?, from))
    }

    async fn end(&self, partition: u32) -> Result<u64, Error> {
        only(partition)?;
        self.reader.clone().end().await
    }

    async fn wait(&self, partition: u32, offset: u64) -> Result<(), Error> {
        while self.end(partition).await? <= offset {
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}

fn only(partition: u32) -> Result<(), Error> {
    if partition == PARTITION { Ok(()) } else { Err(Error::NoSuchPartition(partition)) }
}

fn position(offset: u64) -> Position {
    Position { partition: PARTITION, offset }
}
