//! Reactivations that somebody waits for. Rows change all the time and mostly others', so one question to the read model after a change
//! answers everybody who waits, however many they are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reinstate_domain::ids::CaseId;
use reinstate_store::read_models::{self, ReactivationRow, ReadModels};
use tokio::time::{Instant, sleep_until};

/// The shortest time between two questions: what changes meanwhile is asked for together.
const PAUSE: Duration = Duration::from_millis(20);

/// Who waits for what, and what was found for them last.
#[derive(Default)]
pub(crate) struct Held {
    waiting: Arc<Mutex<HashMap<CaseId, usize>>>,
    looked: tokio::sync::Mutex<Option<Look>>,
}

/// An answer of the read model.
struct Look {
    at: Instant,
    /// The changes that had been told before it was asked: their rows are in it.
    changes: u64,
    /// What was asked for; without a row, there is none.
    rows: HashMap<CaseId, Option<Arc<ReactivationRow>>>,
}

/// Somebody's wait. Ends when it is dropped.
pub(crate) struct Waiting {
    case: CaseId,
    waiting: Arc<Mutex<HashMap<CaseId, usize>>>,
}

impl Held {
    /// From now on whoever asks, asks for this case too.
    pub(crate) fn enter(&self, case: CaseId) -> Waiting {
        let waiting = Waiting { case, waiting: Arc::clone(&self.waiting) };
        *waiting.cases().entry(case).or_default() += 1;
        waiting
    }

    /// The row of somebody who waits, with all of the changes up to `change`.
    pub(crate) async fn row(
        &self,
        models: &dyn ReadModels,
        waiting: &Waiting,
        change: u64,
    ) -> Result<Option<Arc<ReactivationRow>>, read_models::Error> {
        // Whoever has the turn asks for everybody; the others find the answer when it is theirs.
        let mut looked = self.looked.lock().await;
        if let Some(look) = &*looked {
            match look.rows.get(&waiting.case) {
                Some(row) if look.changes >= change => return Ok(row.clone()),
                // One that has just come need not wait; it may be the only one.
                None => {}
                Some(_) => sleep_until(look.at + PAUSE).await,
            }
        }
        let (at, changes) = (Instant::now(), *models.changes().borrow());
        let ids: Vec<CaseId> = waiting.cases().keys().copied().collect();
        let mut rows: HashMap<_, _> = ids.iter().map(|id| (*id, None)).collect();
        for row in models.reactivations_of(&ids).await? {
            rows.insert(row.case.id, Some(Arc::new(row)));
        }
        let row = rows.get(&waiting.case).cloned().flatten();
        *looked = Some(Look { at, changes, rows });
        Ok(row)
    }
}

impl Waiting {
    fn cases(&self) -> MutexGuard<'_, HashMap<CaseId, usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut cases = self.cases();
        if let Some(count) = cases.get_mut(&self.case) {
            *count -= 1;
            if *count == 0 {
                cases.remove(&self.case);
            }
        }
    }
}
