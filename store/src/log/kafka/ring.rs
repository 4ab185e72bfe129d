//! The newest records of a partition, so that whoever reads near the end asks no broker.

use std::collections::VecDeque;

use crate::log::Record;

/// Bytes of values that are kept of a partition, beside its newest record: some seconds of a busy one.
const BYTES: usize = 2 << 20;

/// What a record takes beside its value, roughly.
const OVERHEAD: usize = 200;

#[derive(Debug)]
pub(super) struct Ring {
    /// From here on every record is there.
    first: u64,
    records: VecDeque<Record>,
    bytes: usize,
}

impl Ring {
    /// Empty, at a place before which nothing will be kept.
    pub(super) fn new(first: u64) -> Self {
        Self { first, records: VecDeque::new(), bytes: 0 }
    }

    /// From this offset on every record is there.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Adds the next record and forgets the oldest that are too much.
    pub(super) fn push(&mut self, record: Record) -> &Record {
        self.bytes += record.value.len() + OVERHEAD;
        while self.bytes > BYTES {
            let Some(oldest) = self.records.pop_front() else { break };
            self.bytes -= oldest.value.len() + OVERHEAD;
            self.first = oldest.position.offset + 1;
        }
        self.records.push_back_mut(record)
    }

    /// The records at and after `from`; `None` when some of them may have been forgotten.
    pub(super) fn since(&self, from: u64) -> Option<impl Iterator<Item = &Record>> {
        (from >= self.first).then(|| {
            let before = self.records.partition_point(|record| record.position.offset < from);
            self.records.range(before..)
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reinstate_domain::{entry::Position, ids::AccountId};

    use super::*;

    fn record(offset: u64, size: usize) -> Record {
        let account = AccountId::parse("anna").unwrap();
        let value = Bytes::from(vec![0; size]);
        Record { position: Position { partition: 0, offset }, account, value, trace: None }
    }

    #[test]
    fn what_was_forgotten_is_not_taken_for_nothing() {
        let mut ring = Ring::new(7);
        assert!(ring.since(6).is_none(), "somebody else's records are before the first");
        assert_eq!(ring.since(7).unwrap().count(), 0);
        for offset in [7, 8, 20, 21] {
            ring.push(record(offset, BYTES / 3));
        }
        assert_eq!(ring.first(), 9);
        assert!(ring.since(8).is_none());
        let offsets = |from| ring.since(from).unwrap().map(|r| r.position.offset).collect::<Vec<_>>();
        assert_eq!((offsets(9), offsets(15), offsets(21)), (vec![20, 21], vec![20, 21], vec![21]));
        assert_eq!(offsets(22), Vec::<u64>::new());
    }

    #[test]
    fn the_newest_record_is_kept_however_long_it_is() {
        let mut ring = Ring::new(0);
        ring.push(record(0, 10));
        ring.push(record(1, 3 * BYTES));
        assert_eq!(ring.since(1).unwrap().count(), 1);
        assert!(ring.since(0).is_none());
    }
}
