//! What queries are answered from: rows made of the log's entries by [`project`](mod@project), and of nothing else, so they can be
//! thrown away and made again. Two adapters stand behind the port: [`memory`], filled again at every start, and
//! [`postgres`](crate::postgres).

use async_trait::async_trait;
use jiff::Timestamp;
use reinstate_domain::{
    account::{self, Account, Case, Work, next_step},
    entry::{Head, Position},
    ids::{AccountId, CaseId},
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{log, trace::Traceparent};

pub mod memory;
pub mod project;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the read model does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Somebody else applied entries meanwhile: what was folded here is not to be stored.
    #[error("partition {partition} was expected at {expected} and is at {found}")]
    OutOfStep { partition: u32, expected: u64, found: u64 },
    #[error("the log could not be read")]
    Log(#[source] log::Error),
}

/// An account's status, as the contract names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    Active,
    Locked,
    Erased,
}

/// A reactivation's status, as the contract names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReactivationStatus {
    Open,
    Processing,
    InReview,
    Reactivated,
    Denied,
    Expired,
    Cancelled,
}

/// An account: the fold of its effective entries up to the partition's checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountRow {
    pub id: AccountId,
    pub state: Account,
    /// The end of the chain. Differs from the state's only in quarantine.
    pub head: Head,
    pub quarantine: Option<Quarantine>,
}

/// Why an account halts: `state` is from before this entry and stays so until a program that understands the entry makes the
/// rows anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    pub position: Position,
    /// What was not understood. Nothing of the entry's content.
    pub detail: String,
}

/// A reactivation, the newest of its account or an earlier one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReactivationRow {
    pub account: AccountId,
    pub case: Case,
    /// The account's entry count and the entry at which the case was last the newest.
    pub version: u64,
    pub position: Position,
}

/// A case whose time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub account: AccountId,
    pub case: CaseId,
    pub at: Timestamp,
}

impl AccountStatus {
    #[must_use]
    pub fn of(account: &Account) -> Self {
        match account {
            account if account.erased => Self::Erased,
            account if account.lock.is_some() => Self::Locked,
            _ => Self::Active,
        }
    }
}

impl AccountRow {
    #[must_use]
    pub fn new(id: AccountId) -> Self {
        Self { id, state: Account::default(), head: Head::default(), quarantine: None }
    }

    #[must_use]
    pub fn status(&self) -> AccountStatus {
        AccountStatus::of(&self.state)
    }

    /// When the newest case's time is over, if an event must still say so.
    pub(crate) fn deadline(&self) -> Option<(Timestamp, CaseId)> {
        let case = self.state.case.as_ref().filter(|case| case.status == account::CaseStatus::Open)?;
        self.quarantine.is_none().then_some((case.expires_at, case.id))
    }

    /// What the verifier is to do for this account.
    #[must_use]
    pub fn work(&self) -> Option<Work> {
        if self.quarantine.is_some() { None } else { next_step(&self.state) }
    }
}

impl ReactivationRow {
    #[must_use]
    pub fn status(&self) -> ReactivationStatus {
        ReactivationStatus::of(&self.case)
    }
}

impl ReactivationStatus {
    #[must_use]
    pub fn of(case: &Case) -> Self {
        match &case.status {
            account::CaseStatus::Open => Self::Open,
            account::CaseStatus::Processing => Self::Processing,
            account::CaseStatus::InReview { .. } => Self::InReview,
            account::CaseStatus::Ended(account::Outcome::Reactivated) => Self::Reactivated,
            account::CaseStatus::Ended(account::Outcome::Denied { .. }) => Self::Denied,
            account::CaseStatus::Ended(account::Outcome::Expired) => Self::Expired,
            account::CaseStatus::Ended(account::Outcome::Cancelled { .. }) => Self::Cancelled,
        }
    }
}

/// What the journal needs of the read model.
#[async_trait]
pub trait Snapshots: Send + Sync {
    /// The account's row, `None` when the log has no effective entry of it up to the checkpoint.
    async fn account(&self, id: &AccountId) -> Result<Option<AccountRow>, Error>;

    /// The offset up to which the partition's entries are in the rows: the next one to read.
    async fn checkpoint(&self, partition: u32) -> Result<u64, Error>;
}

/// The queries. Each answers from one moment: the rows of a partition and its checkpoint change together.
#[async_trait]
pub trait ReadModels: Snapshots {
    /// Accounts in the order of their ids, those after `after` and of this status.
    async fn accounts(
        &self,
        status: Option<AccountStatus>,
        after: Option<&AccountId>,
        limit: usize,
    ) -> Result<Vec<AccountRow>, Error>;

    /// A reactivation by its id, whether it is its account's newest or not.
    async fn reactivation(&self, id: CaseId) -> Result<Option<ReactivationRow>, Error>;

    /// Those of these reactivations that there are, each once, in any order.
    async fn reactivations_of(&self, ids: &[CaseId]) -> Result<Vec<ReactivationRow>, Error>;

    /// Reactivations in the order of their ids, which is that of their opening, those after `after` and of this status.
    /// The ones in review are the reviewers' list.
    async fn reactivations(
        &self,
        status: Option<ReactivationStatus>,
        after: Option<CaseId>,
        limit: usize,
    ) -> Result<Vec<ReactivationRow>, Error>;

    /// Where the account's effective entries stand, in order, from the one after the `after`th on (0: from the first).
    /// The entries themselves are in the log: [`LogReader::at`](crate::log::LogReader::at).
    async fn timeline(&self, id: &AccountId, after: u64, limit: usize) -> Result<Vec<Position>, Error>;

    /// Whether the account's entry at `position` is effective. True to the rule once `wait(position)` has returned.
    async fn is_effective(&self, id: &AccountId, position: Position) -> Result<bool, Error>;

    /// Open cases whose time is over at `now`, the oldest first.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, Error>;

    /// Accounts of these partitions for which the verifier has something to do ([`AccountRow::work`]), the longest waiting first.
    async fn work(&self, partitions: &[u32], limit: usize) -> Result<Vec<AccountId>, Error>;

    /// Accounts that halt, in the order of their ids.
    async fn quarantined(&self, limit: usize) -> Result<Vec<AccountRow>, Error>;

    /// Returns as soon as the rows have everything up to and including `position`. May be dropped at any time.
    async fn wait(&self, position: Position) -> Result<(), Error>;

    /// A number that grows with every change of the rows: wait for it to change, then ask again.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// Rows that change together, made of the records of one partition from `from` up to but without `next`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    pub partition: u32,
    pub from: u64,
    pub next: u64,
    pub accounts: Vec<AccountRow>,
    pub reactivations: Vec<ReactivationRow>,
    /// The effective entries, those of each account in order.
    pub timeline: Vec<(AccountId, Position)>,
    /// Accounts that were erased: their keys must be gone before this is applied.
    pub erased: Vec<AccountId>,
    /// The traces of the records that somebody records. No row has any.
    pub traces: Vec<Traceparent>,
}

/// What the projector needs, and nobody else.
#[async_trait]
pub trait Projections: ReadModels {
    /// Stores the rows and the checkpoint in one transaction.
    ///
    /// # Errors
    /// [`Error::OutOfStep`] when the checkpoint is not `batch.from`: nothing is stored.
    async fn apply(&self, batch: Batch) -> Result<(), Error>;

    /// The rows of these accounts that have one, in any order.
    async fn accounts_of(&self, ids: &[AccountId]) -> Result<Vec<AccountRow>, Error>;
}
