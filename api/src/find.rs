//! Finding what a path names, in one of several instances: another one may have opened it a moment ago, and the database may be
//! away.

use reinstate_domain::account::Account;
use reinstate_domain::entry::Position;
use reinstate_domain::ids::{AccountId, CaseId};
use reinstate_store::read_models::ReactivationRow;

use crate::auth::Caller;
use crate::error::Problem;
use crate::service::{READ_YOUR_WRITES, Service, read_failed};

impl Service {
    /// The reactivation that a path names, if this caller may know of it. Unknown and foreign are alike, also in the time that
    /// they take: what is not here is waited for, because another instance may have opened it a moment ago.
    pub(crate) async fn find(&self, caller: &Caller, id: &str) -> Result<ReactivationRow, Problem> {
        let case = CaseId::parse(id).map_err(|_| Problem::not_found())?;
        let foreign = caller.case.is_some_and(|own| own != case);
        if let Some(row) = self.reactivation(case).await?.filter(|_| !foreign) {
            return Ok(row);
        }
        self.await_end().await?;
        self.reactivation(case).await?.filter(|_| !foreign).ok_or_else(Problem::not_found)
    }

    /// A reactivation as the read model has it; while that is away, as the journal has it.
    async fn reactivation(&self, case: CaseId) -> Result<Option<ReactivationRow>, Problem> {
        let error = match self.ports.read_models.reactivation(case).await {
            Ok(row) => {
                if let Some(row) = &row {
                    self.owners.remember(case, &row.account);
                }
                return Ok(row);
            }
            Err(error) => error,
        };
        let away = || read_failed(&error);
        let account = self.owners.of(case).ok_or_else(away)?;
        let state = self.ports.journal.load(&account).await.map_err(|_| away())?;
        let (Some(found), Some(position)) = (state.case(case), state.position) else { return Err(away()) };
        Ok(Some(ReactivationRow { account, case: found.clone(), version: state.version, position }))
    }

    /// An account as the read model has it; while that is away, as the journal has it.
    pub(crate) async fn account(&self, id: &AccountId) -> Result<Account, Problem> {
        match self.ports.read_models.account(id).await {
            Ok(row) => row.map(|row| row.state).ok_or_else(Problem::not_found),
            Err(error) => match self.ports.journal.load(id).await {
                Ok(state) if state.exists() => Ok((*state).clone()),
                _ => Err(read_failed(&error)),
            },
        }
    }

    /// Waits until the read model has everything that is in the log now.
    async fn await_end(&self) -> Result<(), Problem> {
        let everything = async {
            for partition in 0..self.ports.log.partitions() {
                let end = self.ports.log.end(partition).await.map_err(|error| {
                    tracing::error!(error = &error as &dyn std::error::Error, "the log's end can't be found");
                    Problem::log_unavailable()
                })?;
                if let Some(offset) = end.checked_sub(1) {
                    let waited = self.ports.read_models.wait(Position { partition, offset }).await;
                    waited.map_err(|error| read_failed(&error))?;
                }
            }
            Ok(())
        };
        let bound = actix_web::rt::time::timeout(READ_YOUR_WRITES, everything).await;
        bound.unwrap_or_else(|_| Err(Problem::read_model_behind()))
    }
}
