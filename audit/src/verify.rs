//! Whether the log is untouched: every entry in its place, every account's chain whole, every fact understood, and what was
//! derived from the log equal to what is derived now.
//!
//! What a chain can't show: an entry that was void changes nothing and no hash covers it, and a log that was cut off together with
//! the table beside it is a shorter log. For the second, compare with a position and a head that were noted elsewhere.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    ops::Range,
    panic,
    sync::Arc,
};

use reinstate_domain::{
    entry::{Hash, Head, Position},
    ids::AccountId,
    wire,
};
use reinstate_store::{
    log::{self, LogReader, Record, embedded::Heads},
    read_models::{
        AccountRow,
        project::{Projected, project},
    },
};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::named::{Named, named_by};

/// Records that are read at once.
const STEP: usize = 1000;

/// What an audit found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// What was read to find it.
    pub sources: Vec<&'static str>,
    pub entries: u64,
    pub accounts: u64,
    pub effective: u64,
    pub void: u64,
    pub faults: Vec<Fault>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    pub position: Option<Position>,
    pub account: Option<AccountId>,
    pub kind: Kind,
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Offsets without an entry.
    Gap,
    /// Offsets that the log can't read back.
    Unreadable,
    /// The value is not an entry, or not one of its key's account.
    Malformed,
    /// An event of a type or version that this program does not know, or not of its type's shape.
    UnknownEvent,
    /// An entry follows one that is not there: something before it was removed or changed.
    BrokenChain,
    /// An account's entry is older than the one before it.
    TimeWentBack,
    /// The table beside the log does not say what the log says.
    HeadMismatch,
    /// A blob or artefact that an event names is missing or damaged.
    Evidence,
    /// A record that belongs to no account.
    Foreign,
    /// The topic could lose entries, or already has.
    UnsafeTopic,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gap => "gap",
            Self::Unreadable => "unreadable",
            Self::Malformed => "malformed",
            Self::UnknownEvent => "unknown event",
            Self::BrokenChain => "broken chain",
            Self::TimeWentBack => "time went back",
            Self::HeadMismatch => "head mismatch",
            Self::Evidence => "evidence",
            Self::Foreign => "foreign",
            Self::UnsafeTopic => "unsafe topic",
        })
    }
}

/// A running audit. Its memory grows with the accounts, not with the entries.
#[derive(Debug, Default)]
pub struct Audit {
    report: Report,
    rows: HashMap<AccountId, Box<AccountRow>>,
    /// Where the chains of other accounts end, to which nothing more can come.
    ended: HashMap<AccountId, Head>,
    /// Accounts whose chain is broken: what follows is void, and said once.
    broken: HashSet<AccountId>,
    named: Option<HashSet<Named>>,
}

impl Audit {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Also collects the blobs and artefacts that events name.
    #[must_use]
    pub fn collecting_evidence() -> Self {
        Self { named: Some(HashSet::new()), ..Self::default() }
    }

    /// Reads a partition up to `end`, whatever is written behind it meanwhile.
    ///
    /// # Errors
    /// When the log does not answer. What it answers wrongly is a fault and no error.
    pub async fn read(&mut self, log: &dyn LogReader, partition: u32, end: u64) -> Result<(), log::Error> {
        self.read_from(log, partition, 0, end).await
    }

    /// As [`Audit::read`], of a partition that has no records before `first`.
    ///
    /// # Errors
    /// As [`Audit::read`].
    pub async fn read_from(
        &mut self,
        log: &dyn LogReader,
        partition: u32,
        first: u64,
        end: u64,
    ) -> Result<(), log::Error> {
        self.source("log");
        if first > 0 {
            self.gap(partition, 0, first);
        }
        let mut next = first;
        let mut unreadable: Option<(u64, log::Error)> = None;
        while next < end {
            let max = usize::try_from(end - next).unwrap_or(STEP).min(STEP);
            let records = match log.read(partition, next, max).await {
                Ok(records) => records,
                Err(log::Error::Corrupt { position, .. }) if position.offset > next => {
                    // What lies before the damage can be read.
                    let before = usize::try_from(position.offset - next).unwrap_or(STEP).min(STEP);
                    log.read(partition, next, before).await?
                }
                Err(error @ log::Error::Corrupt { .. }) => {
                    unreadable.get_or_insert((next, error));
                    next += 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some((from, error)) = unreadable.take() {
                self.unreadable(partition, from, next, &error);
            }
            let Some(last) = records.last() else {
                self.no_record(log, partition, next, end).await?;
                break;
            };
            let behind = last.position.offset + 1;
            for record in records.iter().take_while(|record| record.position.offset < end) {
                if record.position.offset != next {
                    self.no_record(log, partition, next, record.position.offset).await?;
                }
                next = record.position.offset + 1;
                self.judge(record);
            }
            next = next.max(behind);
        }
        if let Some((from, error)) = unreadable {
            self.unreadable(partition, from, end, &error);
        }
        Ok(())
    }

    /// Reads a whole log, the first partition's records in the first range, as [`Audit::read_from`] reads one partition after another:
    /// `at_once` of them at a time, which needs as many threads. The report is the same. Of a partition that has been read, only its
    /// accounts' heads are kept.
    ///
    /// # Errors
    /// As [`Audit::read`].
    pub async fn read_all(
        &mut self,
        log: Arc<dyn LogReader>,
        ranges: Vec<Range<u64>>,
        at_once: usize,
    ) -> Result<(), log::Error> {
        let mut audits: BTreeMap<u32, Self> = BTreeMap::new();
        let mut waiting = (0..).zip(ranges.clone());
        let mut reading = JoinSet::new();
        loop {
            while reading.len() < at_once.max(1)
                && let Some((partition, range)) = waiting.next()
            {
                let log = log.clone();
                let mut audit = Self { named: self.named.is_some().then(HashSet::new), ..Self::default() };
                reading.spawn(async move {
                    audit.read_from(&*log, partition, range.start, range.end).await?;
                    audit.ended = audit.rows.drain().map(|(id, row)| (id, row.head)).collect();
                    Ok::<_, log::Error>((partition, audit))
                });
            }
            let Some(read) = reading.join_next().await else { break };
            let (partition, audit) =
                read.unwrap_or_else(|failed| panic::resume_unwind(failed.into_panic()))?;
            audits.insert(partition, audit);
        }
        let mut seen = HashSet::new();
        if audits.values().flat_map(|audit| audit.ended.keys()).all(|id| seen.insert(id)) {
            audits.into_values().for_each(|audit| self.take(audit));
        } else {
            // Somebody wrote an account's entries into several partitions. They are one chain all the same.
            for (partition, range) in (0..).zip(ranges) {
                self.read_from(&*log, partition, range.start, range.end).await?;
            }
        }
        Ok(())
    }

    /// Takes over what was found in a partition.
    fn take(&mut self, of_one: Self) {
        let Report { sources, entries, accounts: _, effective, void, faults } = of_one.report;
        sources.into_iter().for_each(|source| self.source(source));
        self.report.entries += entries;
        self.report.effective += effective;
        self.report.void += void;
        self.report.faults.extend(faults);
        self.ended.extend(of_one.ended);
        if let Some(named) = &mut self.named {
            named.extend(of_one.named.into_iter().flatten());
        }
    }

    /// Where each account's chain ends.
    fn heads(&self) -> impl Iterator<Item = (&AccountId, Head)> {
        let ended = self.ended.iter().map(|(id, head)| (id, *head));
        self.rows.iter().map(|(id, row)| (id, row.head)).chain(ended)
    }

    /// Tells offsets that no account has a record at: of somebody else's records each, of the others how many.
    async fn no_record(
        &mut self,
        log: &dyn LogReader,
        partition: u32,
        from: u64,
        to: u64,
    ) -> Result<(), log::Error> {
        let mut next = from;
        for offset in log.foreign(partition, from, to).await? {
            if offset > next {
                self.gap(partition, next, offset);
            }
            let detail = "the record belongs to no account: its key is no account id".to_owned();
            self.fault(Some(Position { partition, offset }), None, Kind::Foreign, detail);
            next = offset + 1;
        }
        if next < to {
            self.gap(partition, next, to);
        }
        Ok(())
    }

    /// Notes what the brokers say of the topic: with `unsafe_setting`, that it could lose entries or already has.
    pub fn topic(&mut self, unsafe_setting: Option<String>) {
        self.source("topic configuration");
        if let Some(detail) = unsafe_setting {
            self.fault(None, None, Kind::UnsafeTopic, detail);
        }
    }

    /// Compares the table beside the log with the chains as far as they were read.
    pub fn compare(&mut self, table: &Heads) {
        self.source("heads table");
        let said: BTreeMap<&AccountId, &Head> = table.heads.iter().map(|(id, head)| (id, head)).collect();
        let found: BTreeMap<&AccountId, Head> = self.heads().collect();
        let none = Head::default();
        let mut faults = Vec::new();
        for (id, found) in &found {
            let said = said.get(id).copied().unwrap_or(&none);
            if said != found {
                faults.push(((*id).clone(), mismatch(said, found)));
            }
        }
        for (id, said) in said {
            if !found.contains_key(id) {
                faults.push((id.clone(), mismatch(said, &none)));
            }
        }
        for (account, detail) in faults {
            self.fault(None, Some(account), Kind::HeadMismatch, detail);
        }
    }

    /// Notes that the table beside the log can't be read.
    pub fn unreadable_table(&mut self, cause: &dyn std::error::Error) {
        self.source("heads table");
        let detail = format!("the table beside the log can't be read: {cause}");
        self.fault(None, None, Kind::Unreadable, detail);
    }

    /// The blobs and artefacts that events named, if they were collected.
    #[must_use]
    pub fn named(&self) -> Vec<Named> {
        self.named.iter().flatten().copied().collect()
    }

    pub fn source(&mut self, source: &'static str) {
        if !self.report.sources.contains(&source) {
            self.report.sources.push(source);
        }
    }

    pub fn fault(
        &mut self,
        position: Option<Position>,
        account: Option<AccountId>,
        kind: Kind,
        detail: String,
    ) {
        self.report.faults.push(Fault { position, account, kind, detail });
    }

    #[must_use]
    pub fn finish(mut self) -> Report {
        self.report.accounts = self.heads().filter(|(_, head)| head.version > 0).count() as u64;
        self.report
    }

    fn judge(&mut self, record: &Record) {
        let Record { position, account, .. } = record;
        self.report.entries += 1;
        let row = match self.rows.get_mut(account) {
            Some(row) => row,
            None => {
                self.rows.entry(account.clone()).or_insert_with_key(|id| AccountRow::new(id.clone()).into())
            }
        };
        let before = (row.head, row.state.time);
        let projected = project(row, record);
        let understood = row.quarantine.is_none();
        let detail = row.quarantine.as_ref().map(|q| q.detail.clone()).unwrap_or_default();
        match projected {
            Projected::Void => {
                self.report.void += 1;
                self.judge_void(record, before.0);
            }
            Projected::Held => {
                self.report.effective += 1;
                // What comes after an entry that is not understood may be as strange.
                if let Err(error) = wire::decode(&record.value) {
                    self.at(record, Kind::UnknownEvent, error.to_string());
                }
            }
            Projected::Quarantined { effective: true } => {
                self.report.effective += 1;
                let detail = wire::decode(&record.value).err().map_or(detail, |e| e.to_string());
                self.at(record, Kind::UnknownEvent, detail);
            }
            Projected::Quarantined { effective: false } => {
                self.report.void += 1;
                let detail = wire::envelope(&record.value).err().map_or_else(
                    || "the entry is another account's than its key".to_owned(),
                    |e| e.to_string(),
                );
                self.at(record, Kind::Malformed, detail);
            }
            Projected::Folded { entry, .. } => {
                self.report.effective += 1;
                if understood && before.1.is_some_and(|last| entry.time < last) {
                    let detail = format!("{} is before the entry that it follows", entry.time);
                    self.fault(Some(*position), Some(account.clone()), Kind::TimeWentBack, detail);
                }
                if let Some(named) = &mut self.named {
                    named.extend(entry.events.iter().flat_map(named_by));
                }
            }
        }
    }

    /// A writer that lost a race followed an earlier head, so it counted no higher than the head that won. Whoever counts higher
    /// has seen an entry that is not there, or not as it was.
    fn judge_void(&mut self, record: &Record, head: Head) {
        let Ok(envelope) = wire::envelope(&record.value) else { return };
        if envelope.version > head.version && self.broken.insert(record.account.clone()) {
            let detail = format!(
                "version {} follows {}, the chain ends with version {} at {}",
                envelope.version,
                text(envelope.prev),
                head.version,
                text(head.hash)
            );
            self.at(record, Kind::BrokenChain, detail);
        }
    }

    fn at(&mut self, record: &Record, kind: Kind, detail: String) {
        self.fault(Some(record.position), Some(record.account.clone()), kind, detail);
    }

    fn gap(&mut self, partition: u32, from: u64, to: u64) {
        let detail = format!("{} offsets up to {} have no entry", to - from, to - 1);
        self.fault(Some(Position { partition, offset: from }), None, Kind::Gap, detail);
    }

    fn unreadable(&mut self, partition: u32, from: u64, to: u64, error: &log::Error) {
        let cause = std::error::Error::source(error).map(|e| format!(": {e}")).unwrap_or_default();
        let detail = format!("{} offsets up to {} can't be read{cause}", to - from, to - 1);
        self.fault(Some(Position { partition, offset: from }), None, Kind::Unreadable, detail);
    }
}

fn mismatch(said: &Head, found: &Head) -> String {
    format!(
        "the table has version {} at {}, the log has version {} at {}",
        said.version,
        text(said.hash),
        found.version,
        text(found.hash)
    )
}

fn text(hash: Option<Hash>) -> String {
    hash.map_or_else(|| "the beginning".to_owned(), |hash| hash.to_string())
}
