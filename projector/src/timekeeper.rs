//! Time passes through the log too: what has lapsed gets its event. Late or doubled is safe, because `decide` judges by the time it
//! is given and refuses a lapsed thing even before its event.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use reinstate_domain::account::Command;
use reinstate_store::read_models::{self, ReadModels};

use crate::commands::Commands;

/// How often it looks.
const TICK: Duration = Duration::from_secs(1);

/// Cases of one step.
const STEP: usize = 1000;

/// Sends the commands that are due.
pub struct Timekeeper {
    commands: Commands,
    models: Arc<dyn ReadModels>,
}

impl Timekeeper {
    #[must_use]
    pub fn new(commands: Commands, models: Arc<dyn ReadModels>) -> Self {
        Self { commands, models }
    }

    /// Closes the cases whose time is over at `now`. Returns how many it closed; one that fails is left for the next step and
    /// holds up no other.
    ///
    /// # Errors
    /// When the read model does not say what is due.
    pub async fn step(&self, now: Timestamp) -> Result<usize, read_models::Error> {
        let mut closed = 0;
        for due in self.models.due(now, STEP).await? {
            let command = Command::Expire { case: due.case };
            match self.commands.send("timekeeper", due.account.clone(), &command, now).await {
                Ok(written) => closed += usize::from(written),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, account = %due.account, "a case could not be closed yet");
                }
            }
        }
        Ok(closed)
    }

    /// Looks for ever.
    pub async fn run(&self) {
        loop {
            if let Err(error) = self.step(Timestamp::now()).await {
                tracing::error!(error = &error as &dyn std::error::Error, "the timekeeper could not look");
            }
            tokio::time::sleep(TICK).await;
        }
    }
}
