//! The one function that makes rows of records. The projector stores what it says, the audit compares with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
};

use lru::LruCache;
use reinstate_domain::{
    account::{self, Case, Event},
    entry::{Hash, Position, Ruling, rule},
    ids::{AccountId, CaseId},
    wire::{self, Entry},
};

use super::{AccountRow, Batch, Error, Projections, Quarantine, ReactivationRow};
use crate::{
    log::{LogReader, Page, Record},
    trace::Traceparent,
};

/// What a record made of its account's row.
#[derive(Debug)]
pub enum Projected {
    /// Nothing: the entry did not follow the account's head.
    Void,
    /// The entry is effective and folded into the state.
    Folded {
        entry: Box<Entry>,
        /// Cases that were the newest until this entry opened another one, as it left them. The newest is the row's.
        earlier: Vec<Case>,
    },
    /// The entry is effective and comes after one that was not understood: it waits, folded by nobody.
    Held,
    /// The entry is not understood. The account halts here.
    Quarantined { effective: bool },
}

/// Folds a record of this account into its row.
pub fn project(row: &mut AccountRow, record: &Record) -> Projected {
    // What can be decoded has an envelope; what can't may have one all the same.
    let decoded = wire::decode(&record.value);
    let envelope = match &decoded {
        Ok(entry) => Ok(entry.envelope()),
        Err(_) => wire::envelope(&record.value),
    };
    let envelope = match envelope {
        Ok(envelope) if envelope.account == record.account => envelope,
        Ok(_) => return quarantine(row, record, "the entry is another account's than its key".into(), false),
        Err(error) => return quarantine(row, record, error.to_string(), false),
    };
    let Ruling::Effective(head) = rule(row.head, &envelope, &record.value) else { return Projected::Void };
    row.head = head;
    if row.quarantine.is_some() {
        return Projected::Held;
    }
    match decoded {
        Err(error) => quarantine(row, record, error.to_string(), true),
        Ok(entry) => {
            let earlier = earlier(row, &entry);
            // The rule has hashed the value already.
            let hash = head.hash.unwrap_or_else(|| Hash::of(&record.value));
            account::apply(&mut row.state, &entry, hash, record.position);
            Projected::Folded { entry: Box::new(entry), earlier }
        }
    }
}

fn quarantine(row: &mut AccountRow, record: &Record, detail: String, effective: bool) -> Projected {
    row.quarantine.get_or_insert(Quarantine { position: record.position, detail });
    Projected::Quarantined { effective }
}

/// The newest case before each event that opens another one.
fn earlier(row: &AccountRow, entry: &Entry) -> Vec<Case> {
    let opens = |event: &Event| matches!(event, Event::RequirementsSet(_));
    if !entry.events.iter().any(opens) {
        return Vec::new();
    }
    let mut state = row.state.clone();
    let mut earlier = Vec::new();
    for event in &entry.events {
        let before = state.case.clone().filter(|_| opens(event));
        account::evolve(&mut state, event, entry.time);
        earlier.extend(before.filter(|before| state.case.as_ref().is_some_and(|case| case.id != before.id)));
    }
    earlier
}

/// All that records make of one account: its row, and the rows beside it that they changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    pub row: AccountRow,
    pub reactivations: BTreeMap<CaseId, ReactivationRow>,
    /// The effective entries, in order.
    pub timeline: Vec<Position>,
    /// Whether one of the entries erased the account's personal data.
    pub erased: bool,
    /// Whether any of the records left a trace.
    pub changed: bool,
}

impl Made {
    /// Goes on from this row, as it is stored or [`AccountRow::new`].
    #[must_use]
    pub fn from(row: AccountRow) -> Self {
        let (reactivations, timeline) = (BTreeMap::new(), Vec::new());
        Self { row, reactivations, timeline, erased: false, changed: false }
    }

    /// Takes the account's next record.
    pub fn take(&mut self, record: &Record) {
        let effective = match project(&mut self.row, record) {
            Projected::Void => return,
            Projected::Held => true,
            Projected::Quarantined { effective } => effective,
            Projected::Folded { entry, earlier } => {
                for case in earlier.into_iter().chain(self.row.state.case.clone()) {
                    let row = ReactivationRow {
                        account: record.account.clone(),
                        version: entry.version,
                        position: record.position,
                        case,
                    };
                    self.reactivations.insert(row.case.id, row);
                }
                self.erased |= entry.events.iter().any(|event| matches!(event, Event::PersonalDataErased(_)));
                true
            }
        };
        self.changed = true;
        if effective {
            self.timeline.push(record.position);
        }
    }
}

/// Rows of one partition, of the accounts that had entries last: whoever alone moves its checkpoint need not ask for them again. They are
/// what is stored for as long as the checkpoint is where it was when they were, and no longer.
#[derive(Debug)]
pub struct Recent(LruCache<AccountId, AccountRow>);

impl Recent {
    #[must_use]
    pub fn new(most: NonZeroUsize) -> Self {
        Self(LruCache::new(most))
    }

    /// Takes over what was stored. Not a row in quarantine: a repair replaces it and leaves the checkpoint where it is.
    pub fn stored(&mut self, rows: impl IntoIterator<Item = AccountRow>) {
        for row in rows.into_iter().filter(|row| row.quarantine.is_none()) {
            self.0.put(row.id.clone(), row);
        }
    }
}

/// Reads up to `max` records from the partition's checkpoint on and makes the rows that they change: none, where nothing that was read
/// belongs to an account. `None` when there is nothing to read. The caller stores them with [`Projections::apply`].
///
/// # Errors
/// [`Error::Log`], [`Error::Unavailable`].
pub async fn next_batch(
    log: &dyn LogReader,
    models: &dyn Projections,
    partition: u32,
    max: usize,
) -> Result<Option<Batch>, Error> {
    let from = models.checkpoint(partition).await?;
    batch_from(log, models, &mut Recent::new(NonZeroUsize::MIN), partition, from, max).await
}

/// As [`next_batch`], for somebody who knows the checkpoint, and the rows of some accounts. One who is wrong about the checkpoint is told so
/// by [`Projections::apply`].
///
/// # Errors
/// As [`next_batch`].
pub async fn batch_from(
    log: &dyn LogReader,
    models: &dyn Projections,
    recent: &mut Recent,
    partition: u32,
    from: u64,
    max: usize,
) -> Result<Option<Batch>, Error> {
    let Page { records, next } = log.page(partition, from, max).await.map_err(Error::Log)?;
    if next == from {
        return Ok(None);
    }
    let ids: BTreeSet<&AccountId> = records.iter().map(|record| &record.account).collect();
    let (mut rows, mut unknown) = (Vec::with_capacity(ids.len()), Vec::new());
    for id in ids {
        match recent.0.pop(id) {
            Some(row) => rows.push(row),
            None => unknown.push(id.clone()),
        }
    }
    for (outcome, found) in [("hit", rows.len()), ("miss", unknown.len())] {
        metrics::counter!("reinstate_projection_rows_total", "outcome" => outcome).increment(found as u64);
    }
    if !unknown.is_empty() {
        rows.extend(models.accounts_of(&unknown).await?);
    }
    let mut made: BTreeMap<AccountId, Made> =
        rows.into_iter().map(|row| (row.id.clone(), Made::from(row))).collect();
    for record in &records {
        let fresh = |account: &AccountId| Made::from(AccountRow::new(account.clone()));
        made.entry(record.account.clone()).or_insert_with_key(fresh).take(record);
    }
    let traces = records.iter().filter_map(|record| record.trace).filter(Traceparent::is_sampled).collect();
    let mut batch = Batch { partition, from, next, traces, ..Batch::default() };
    for (account, made) in made {
        if !made.changed {
            // Only void entries: the account is as it was, and may have no row.
            recent.stored(made.row.state.exists().then_some(made.row));
            continue;
        }
        batch.accounts.push(made.row);
        batch.reactivations.extend(made.reactivations.into_values());
        batch.timeline.extend(made.timeline.into_iter().map(|position| (account.clone(), position)));
        if made.erased {
            batch.erased.push(account);
        }
    }
    Ok(Some(batch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_in_quarantine_is_asked_for_again_because_a_repair_may_have_replaced_it() {
        let row = |name: &str| AccountRow::new(AccountId::parse(name).unwrap());
        let position = Position { partition: 0, offset: 3 };
        let quarantine = Some(Quarantine { position, detail: "unknown".to_owned() });
        let mut recent = Recent::new(NonZeroUsize::new(4).unwrap());
        recent.stored([row("anna"), AccountRow { quarantine, ..row("berta") }]);
        assert_eq!(recent.0.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["anna"]);
    }
}
