//! What must hold when everything is healed. The judge reads the log and the read models, asks no server, and trusts no answer
//! but as a claim to be checked.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

use reinstate_audit::verify::{Audit, Fault};
use reinstate_demo::load::Journey;
use reinstate_domain::{
    account::Event,
    entry::Position,
    ids::{AccountId, EvidenceId},
};
use reinstate_projector::check::{self, check};
use reinstate_store::{
    log::{self, LogReader},
    postgres::Postgres,
    read_models::{
        self, AccountRow, Snapshots as _,
        project::{Projected, project},
    },
};

/// Records of one look.
const STEP: usize = 1000;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the log could not be read")]
    Log(#[from] log::Error),
    #[error("the read models could not be read")]
    Models(#[from] read_models::Error),
    #[error("the rows could not be compared")]
    Check(#[from] check::Error),
}

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub promise: Promise,
    pub detail: String,
}

/// What was promised (design §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Promise {
    /// Every 2xx is in the log exactly once, and nothing else is.
    Answered,
    /// Read model = fold of the log.
    Fold,
    /// One finding per evidence.
    OneFinding,
    /// Every journey came to its end.
    Ended,
    /// Per account, entries are gapless and ordered, and everything else that the auditor's tool looks for.
    Audit,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answered => "every 2xx is in the log exactly once, nothing refused is",
            Self::Fold => "read models equal the fold of the log",
            Self::OneFinding => "one finding per evidence",
            Self::Ended => "every journey came to an end",
            Self::Audit => "per account gapless and ordered, the audit clean",
        })
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken: {}: {}", self.promise, self.detail)
    }
}

/// What the log says of an account.
struct Chain {
    row: AccountRow,
    /// Where its effective entries stand, and the events of each.
    effective: Vec<(Position, Vec<Event>)>,
}

/// The log, folded.
pub struct Ledger {
    chains: HashMap<AccountId, Chain>,
    pub entries: u64,
    pub void: u64,
}

impl Ledger {
    /// Reads the whole log.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn read(log: &dyn LogReader) -> Result<Self, Error> {
        let mut ledger = Self { chains: HashMap::new(), entries: 0, void: 0 };
        for partition in 0..log.partitions() {
            let mut next = 0;
            loop {
                let records = log.read(partition, next, STEP).await?;
                let Some(last) = records.last() else { break };
                next = last.position.offset + 1;
                records.iter().for_each(|record| ledger.take(record));
            }
        }
        Ok(ledger)
    }

    fn take(&mut self, record: &log::Record) {
        self.entries += 1;
        let chain = self
            .chains
            .entry(record.account.clone())
            .or_insert_with(|| Chain { row: AccountRow::new(record.account.clone()), effective: Vec::new() });
        match project(&mut chain.row, record) {
            Projected::Void => self.void += 1,
            Projected::Folded { entry, .. } => {
                chain.effective.push((record.position, entry.events));
            }
            // That is for the audit to say.
            Projected::Held | Projected::Quarantined { .. } => {}
        }
    }

    /// Holds the log against what the customers were told. `prefix` begins the names of all their accounts.
    #[must_use]
    pub fn judge(&self, journeys: &[Journey], prefix: &str) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut broken = |promise, detail| violations.push(Violation { promise, detail });
        let mut known = HashSet::new();
        for journey in journeys {
            known.insert(journey.account.as_str());
            let chain = AccountId::parse(&journey.account).ok().and_then(|id| self.chains.get(&id));
            let effective = chain.map(|chain| &chain.effective[..]).unwrap_or_default();
            let found: Vec<String> = effective
                .iter()
                .flat_map(|(_, events)| events)
                .map(|event| event.type_name().to_owned())
                .collect();
            if let Err(difference) = journey.judge(&found) {
                broken(Promise::Answered, format!("{}: {difference}", journey.account));
            }
            for claim in &journey.positions {
                if !effective.iter().any(|(position, _)| position.to_string() == *claim) {
                    broken(Promise::Answered, format!("{}: {claim} is not effective", journey.account));
                }
            }
        }
        let mut findings: BTreeMap<EvidenceId, u32> = BTreeMap::new();
        for (id, chain) in &self.chains {
            if id.as_str().starts_with(prefix) && !known.contains(id.as_str()) && !chain.effective.is_empty()
            {
                broken(Promise::Ended, format!("{id} has a history that no finished journey tells of"));
            }
            for event in chain.effective.iter().flat_map(|(_, events)| events) {
                let evidence = match event {
                    Event::DocumentExamined(examined) => examined.evidence,
                    Event::FaceExamined(examined) => examined.evidence,
                    _ => continue,
                };
                *findings.entry(evidence).or_default() += 1;
            }
        }
        for (evidence, count) in findings.into_iter().filter(|(_, count)| *count != 1) {
            broken(Promise::OneFinding, format!("{evidence} has {count} findings"));
        }
        violations
    }
}

/// Whether the rows are the fold of the log, byte for byte.
///
/// # Errors
/// When the log or the database do not answer.
pub async fn compare(log: &dyn LogReader, database: &Postgres) -> Result<Vec<Violation>, Error> {
    let checked = check(log, database).await?;
    let mut details: Vec<_> =
        checked.differences.iter().map(|difference| format!("{difference:?}")).collect();
    details.extend(checked.quarantined.iter().map(|(account, at)| format!("{account} halts at {at}")));
    for partition in 0..log.partitions() {
        let (rows, end) = (database.checkpoint(partition).await?, log.end(partition).await?);
        if rows != end {
            details.push(format!("the rows of partition {partition} are at {rows}, the log at {end}"));
        }
    }
    Ok(details.into_iter().map(|detail| Violation { promise: Promise::Fold, detail }).collect())
}

/// What the auditor's tool says of the log.
///
/// # Errors
/// When the log does not answer.
pub async fn audit(log: &dyn LogReader) -> Result<Vec<Violation>, Error> {
    let mut audit = Audit::new();
    for partition in 0..log.partitions() {
        audit.read(log, partition, log.end(partition).await?).await?;
    }
    let faults = audit.finish().faults.into_iter();
    let violation = |fault: Fault| {
        let place = fault.position.map(|position| format!(" at {position}")).unwrap_or_default();
        Violation { promise: Promise::Audit, detail: format!("{}{place}: {}", fault.kind, fault.detail) }
    };
    Ok(faults.map(violation).collect())
}
