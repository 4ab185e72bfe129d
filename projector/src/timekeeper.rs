//! Time passes through the log too: what has lapsed gets its event. Late or doubled is safe, because `decide` judges by the time it
//! is given and refuses a lapsed thing even before its event.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use reinstate_domain::{
    account::{Command, Context, decide},
    codes::CodeKey,
    policy::Policy,
    wire::Actor,
};
use reinstate_store::{
    journal::{Executed, Journal, Request},
    read_models::{self, ReadModels},
};

/// How often it looks.
const TICK: Duration = Duration::from_secs(1);

/// Cases of one step.
const STEP: usize = 1000;

/// Sends the commands that are due.
pub struct Timekeeper {
    journal: Arc<Journal>,
    models: Arc<dyn ReadModels>,
    policy: Arc<Policy>,
    code_key: CodeKey,
}

impl Timekeeper {
    #[must_use]
    pub fn new(
        journal: Arc<Journal>,
        models: Arc<dyn ReadModels>,
        policy: Arc<Policy>,
        code_key: CodeKey,
    ) -> Self {
        Self { journal, models, policy, code_key }
    }

    /// Closes the cases whose time is over at `now`. Returns how many it closed; one that fails is left for the next step and
    /// holds up no other.
    ///
    /// # Errors
    /// When the read model does not say what is due.
    pub async fn step(&self, now: Timestamp) -> Result<usize, read_models::Error> {
        let mut closed = 0;
        for due in self.models.due(now, STEP).await? {
            let request =
                Request { account: due.account, actor: Actor::service("timekeeper"), command: None, now };
            let command = Command::Expire { case: due.case };
            let context = Context { now, policy: &self.policy, code_key: &self.code_key };
            let executed = self.journal.execute(&request, |account| decide(account, &command, context)).await;
            match executed {
                Ok(Executed::Decided { written: true, .. }) => closed += 1,
                // Somebody else ended it, and the read model does not have that yet.
                Ok(_) => {}
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, account = %request.account, "a case could not be closed yet");
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
