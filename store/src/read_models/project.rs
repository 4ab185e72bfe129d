//! The one function that makes rows of records. The projector stores what it says, the audit compares with it.

use std::collections::BTreeMap;

use reinstate_domain::{
    account::{self, Case, Event},
    entry::{Hash, Ruling, rule},
    ids::{AccountId, CaseId},
    wire::{self, Entry},
};

use super::{AccountRow, Batch, Error, Projections, Quarantine, ReactivationRow};
use crate::log::{LogReader, Record};

/// What a record made of its account's row.
#[derive(Debug)]
pub enum Projected {
    /// Nothing: the entry did not follow the account's head.
    Void,
    /// The entry is effective and folded into the state.
    Folded {
        entry: Box<Entry>,
        /// The case that was the newest before and, when it is another one, the case that is now.
        cases: Vec<Case>,
    },
    /// The entry is effective and comes after one that was not understood: it waits, folded by nobody.
    Held,
    /// The entry is not understood. The account halts here.
    Quarantined { effective: bool },
}

/// Folds a record of this account into its row.
pub fn project(row: &mut AccountRow, record: &Record) -> Projected {
    let envelope = match wire::envelope(&record.value) {
        Ok(envelope) if envelope.account == record.account => envelope,
        Ok(_) => return quarantine(row, record, "the entry is another account's than its key".into(), false),
        Err(error) => return quarantine(row, record, error.to_string(), false),
    };
    let Ruling::Effective(head) = rule(row.head, &envelope, &record.value) else { return Projected::Void };
    row.head = head;
    if row.quarantine.is_some() {
        return Projected::Held;
    }
    match wire::decode(&record.value) {
        Err(error) => quarantine(row, record, error.to_string(), true),
        Ok(entry) => {
            let cases = cases(row, &entry);
            account::apply(&mut row.state, &entry, Hash::of(&record.value), record.position);
            Projected::Folded { entry: Box::new(entry), cases }
        }
    }
}

fn quarantine(row: &mut AccountRow, record: &Record, detail: String, effective: bool) -> Projected {
    row.quarantine.get_or_insert(Quarantine { position: record.position, detail });
    Projected::Quarantined { effective }
}

/// The newest case as each of the entry's events leaves it: an entry may end one case and open the next.
fn cases(row: &AccountRow, entry: &Entry) -> Vec<Case> {
    let mut state = row.state.clone();
    let mut cases: Vec<Case> = Vec::new();
    for event in &entry.events {
        account::evolve(&mut state, event, entry.time);
        if let Some(case) = &state.case {
            match cases.last_mut() {
                Some(last) if last.id == case.id => last.clone_from(case),
                _ => cases.push(case.clone()),
            }
        }
    }
    cases
}

/// Reads up to `max` records from the partition's checkpoint on and makes the rows that they change. `None` when there is nothing to
/// read. The caller stores them with [`Projections::apply`].
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
    let records = log.read(partition, from, max).await.map_err(Error::Log)?;
    let Some(last) = records.last() else { return Ok(None) };
    let next = last.position.offset + 1;
    let mut rows: BTreeMap<AccountId, AccountRow> = BTreeMap::new();
    let mut reactivations: BTreeMap<CaseId, ReactivationRow> = BTreeMap::new();
    let (mut timeline, mut erased) = (Vec::new(), Vec::new());
    for record in &records {
        let row = match rows.entry(record.account.clone()) {
            std::collections::btree_map::Entry::Occupied(row) => row.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let stored = models.account(&record.account).await?;
                place.insert(stored.unwrap_or_else(|| AccountRow::new(record.account.clone())))
            }
        };
        let effective = match project(row, record) {
            Projected::Void => false,
            Projected::Held => true,
            Projected::Quarantined { effective } => effective,
            Projected::Folded { entry, cases } => {
                for case in cases {
                    let (version, position) = (entry.version, record.position);
                    let account = record.account.clone();
                    reactivations.insert(case.id, ReactivationRow { account, case, version, position });
                }
                if entry.events.iter().any(|event| matches!(event, Event::PersonalDataErased(_))) {
                    erased.push(record.account.clone());
                }
                true
            }
        };
        if effective {
            timeline.push((record.account.clone(), record.position));
        }
    }
    // An account of which only void entries were seen has no row.
    let accounts =
        rows.into_values().filter(|row| row.head.version > 0 || row.quarantine.is_some()).collect();
    let reactivations = reactivations.into_values().collect();
    Ok(Some(Batch { partition, from, next, accounts, reactivations, timeline, erased }))
}
