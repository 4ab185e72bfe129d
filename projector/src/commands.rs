//! How the loops here, which no person asks, send a command.

use std::sync::Arc;

use jiff::Timestamp;
use reinstate_domain::{
    account::{Command, Context, decide},
    codes::CodeKey,
    ids::AccountId,
    policy::Policy,
    wire::Actor,
};
use reinstate_store::journal::{self, Executed, Journal, Request};

/// What a command is decided with.
#[derive(Clone)]
pub struct Commands {
    pub journal: Arc<Journal>,
    pub policy: Arc<Policy>,
    pub code_key: CodeKey,
}

impl Commands {
    /// Sends a command in the name of a service. Says whether it changed anything: often somebody else was first, and the read
    /// model does not have that yet.
    ///
    /// # Errors
    /// Nothing was written, except that after [`journal::Error::Indeterminate`] nobody knows. It may be sent again.
    pub async fn send(
        &self,
        service: &str,
        account: AccountId,
        command: &Command,
        now: Timestamp,
    ) -> Result<bool, journal::Error> {
        let request = Request { account, actor: Actor::service(service), command: None, now };
        let context = Context { now, policy: &self.policy, code_key: &self.code_key };
        let executed = self.journal.execute(&request, |account| decide(account, command, context)).await?;
        Ok(matches!(executed, Executed::Decided { written: true, .. }))
    }
}
