//! A case that was handed in is decided once every finding that can come is in. That needs no model, so it does not wait for a
//! verifier: with the last finding, or at once when nothing is to be examined.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use reinstate_domain::account::{Account, Command, Work, next_step};
use reinstate_store::read_models::{self, ReactivationRow, ReactivationStatus, ReadModels};
use tokio::time::{sleep, timeout};

use crate::{REST, commands::Commands};

/// The longest time between two looks, should news of a change get lost.
const TICK: Duration = Duration::from_secs(1);

/// The shortest time between two looks: what changes meanwhile is looked at together.
const PAUSE: Duration = Duration::from_millis(20);

/// Cases of one page.
const PAGE: usize = 200;

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Looked {
    /// Cases that were concluded.
    pub concluded: usize,
    /// Cases that wait for nothing and could not be concluded yet.
    pub failed: usize,
}

/// Concludes cases.
pub struct Concluder {
    commands: Commands,
    models: Arc<dyn ReadModels>,
}

impl Concluder {
    #[must_use]
    pub fn new(commands: Commands, models: Arc<dyn ReadModels>) -> Self {
        Self { commands, models }
    }

    /// Concludes every case that waits for nothing else. One that fails is left for the next step and holds up no other.
    ///
    /// # Errors
    /// When the read model does not say what waits.
    pub async fn step(&self, now: Timestamp) -> Result<Looked, read_models::Error> {
        let mut looked = Looked::default();
        let mut after = None;
        loop {
            let page = self.models.reactivations(Some(ReactivationStatus::Processing), after, PAGE).await?;
            for row in page.iter().filter(|row| waits_for_nothing(row)) {
                self.conclude(row, now, &mut looked).await?;
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.case.id),
                _ => return Ok(looked),
            }
        }
    }

    async fn conclude(
        &self,
        row: &ReactivationRow,
        now: Timestamp,
        looked: &mut Looked,
    ) -> Result<(), read_models::Error> {
        // The account may halt, which its reactivation does not say.
        let case = row.case.id;
        let account = self.models.account(&row.account).await?;
        if account.and_then(|account| account.work()) != Some(Work::Conclude { case }) {
            return Ok(());
        }
        let command = Command::Conclude { case };
        match self.commands.send("concluder", row.account.clone(), &command, now).await {
            Ok(written) => looked.concluded += usize::from(written),
            Err(error) => {
                looked.failed += 1;
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, account = %row.account, "a case could not be concluded yet");
            }
        }
        Ok(())
    }

    /// Looks for ever, whenever rows change.
    pub async fn run(&self) {
        let mut changes = self.models.changes();
        loop {
            changes.mark_unchanged();
            let rest = match self.step(Timestamp::now()).await {
                Ok(Looked { failed: 0, .. }) => PAUSE,
                Ok(_) => REST,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the concluder could not look");
                    REST
                }
            };
            sleep(rest).await;
            // Looked at again either way.
            let _ = timeout(TICK, changes.changed()).await;
        }
    }
}

/// Whether the row itself lets the case be concluded, without a look at the account.
fn waits_for_nothing(row: &ReactivationRow) -> bool {
    let account = Account { case: Some(row.case.clone()), ..Account::default() };
    matches!(next_step(&account), Some(Work::Conclude { .. }))
}
