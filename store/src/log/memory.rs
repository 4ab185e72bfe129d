//! A log that forgets everything with the process: the double for tests, with as many partitions as they like and with the
//! failures that are hard to provoke elsewhere.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use reinstate_domain::{
    entry::{Hash, Head, Position, Ruling, rule},
    ids::AccountId,
};
use tokio::sync::watch;

use super::{Appended, Error, Log, LogReader, MAX_READ, Page, Record, envelope};

/// How the next append shall fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The entry is stored and its answer is lost.
    AnswerLost,
    /// The entry is lost with its answer.
    EntryLost,
    /// Nothing is written, and the caller is told so.
    Full,
}

#[derive(Debug)]
pub struct Memory {
    partitions: Vec<watch::Sender<Vec<Record>>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    heads: HashMap<AccountId, Head>,
    faults: VecDeque<Fault>,
}

impl Memory {
    /// # Panics
    /// When `partitions` is 0.
    #[must_use]
    pub fn new(partitions: u32) -> Self {
        assert!(partitions > 0, "a log has at least one partition");
        Self {
            partitions: (0..partitions).map(|_| watch::Sender::new(Vec::new())).collect(),
            state: Mutex::default(),
        }
    }

    /// Lets one of the next appends fail; several faults are used up in the order in which they were told.
    pub fn fail(&self, fault: Fault) {
        self.state().faults.push_back(fault);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn partition(&self, partition: u32) -> Result<&watch::Sender<Vec<Record>>, Error> {
        self.partitions.get(partition as usize).ok_or(Error::NoSuchPartition(partition))
    }
}

#[async_trait]
impl LogReader for Memory {
    fn partitions(&self) -> u32 {
        u32::try_from(self.partitions.len()).unwrap_or(u32::MAX)
    }

    fn partition_of(&self, account: &AccountId) -> u32 {
        let hash = Hash::of(account.as_str().as_bytes());
        let [a, b, c, d, ..] = *hash.as_bytes();
        u32::from_be_bytes([a, b, c, d]) % self.partitions()
    }

    async fn page(&self, partition: u32, from: u64, max: usize) -> Result<Page, Error> {
        let records = self.partition(partition)?.borrow();
        let skipped = usize::try_from(from).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let fits = |record: &&Record| {
            let first = bytes == 0;
            bytes += record.value.len();
            first || bytes <= MAX_READ
        };
        Ok(Page::of(records.iter().skip(skipped).take(max).take_while(fits).cloned().collect(), from))
    }

    async fn end(&self, partition: u32) -> Result<u64, Error> {
        Ok(self.partition(partition)?.borrow().len() as u64)
    }

    async fn wait(&self, partition: u32, offset: u64) -> Result<(), Error> {
        let mut records = self.partition(partition)?.subscribe();
        records
            .wait_for(|records| records.len() as u64 > offset)
            .await
            .map(|_| ())
            .map_err(|e| Error::Unavailable(std::sync::Arc::new(e)))
    }
}

#[async_trait]
impl Log for Memory {
    async fn append(&self, value: Bytes) -> Result<Appended, Error> {
        let envelope = envelope(&value)?;
        let partition = self.partition_of(&envelope.account);
        let records = self.partition(partition)?;
        let mut state = self.state();
        let fault = state.faults.pop_front();
        match fault {
            Some(Fault::Full) => return Err(Error::Full),
            Some(Fault::EntryLost) => return Ok(Appended::Indeterminate),
            Some(Fault::AnswerLost) | None => {}
        }
        let head = state.heads.entry(envelope.account.clone()).or_default();
        let ruling = rule(*head, &envelope, &value);
        if let Ruling::Effective(new) = ruling {
            *head = new;
        }
        let mut position = Position { partition, offset: 0 };
        records.send_modify(|records| {
            position.offset = records.len() as u64;
            records.push(Record { position, account: envelope.account, value, trace: None });
        });
        Ok(match ruling {
            _ if fault.is_some() => Appended::Indeterminate,
            Ruling::Effective(head) => Appended::Committed { position, head },
            Ruling::Void => Appended::Conflict { position },
        })
    }
}
