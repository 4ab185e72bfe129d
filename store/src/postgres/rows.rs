//! Rows as columns, and the statements that change them.

use jiff::Timestamp;
use reinstate_domain::{
    entry::Position,
    ids::{AccountId, CaseId},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Error;
use crate::{
    log,
    read_models::{AccountRow, AccountStatus, ReactivationRow, ReactivationStatus},
};

/// Where rows are: behind the views that everybody sees, or in a generation that nobody sees yet. With the statements on them, so
/// that a connection prepares each of them once.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) schema: String,
    /// Whether others see the rows: then changes are announced, and kept out while the views change over.
    pub(super) live: bool,
    pub(super) begin_checkpoint: String,
    pub(super) move_checkpoint: String,
    pub(super) put_accounts: String,
    pub(super) put_reactivations: String,
    pub(super) put_timelines: String,
    pub(super) accounts_of: String,
    pub(super) checkpoint: String,
}

impl Tables {
    pub(super) fn live() -> Self {
        Self::of("reinstate".to_owned(), true)
    }

    pub(super) fn generation(number: i32) -> Self {
        Self::of(format!("reinstate_{number}"), false)
    }

    fn of(schema: String, live: bool) -> Self {
        Self {
            live,
            // An offset of 0: the partition may have no checkpoint yet.
            begin_checkpoint: format!(
                "INSERT INTO {schema}.checkpoints AS c (partition, next) VALUES ($1, $2)
                 ON CONFLICT (partition) DO UPDATE SET next = excluded.next WHERE c.next = 0"
            ),
            move_checkpoint: format!(
                "UPDATE {schema}.checkpoints SET next = $2 WHERE partition = $1 AND next = $3"
            ),
            put_accounts: format!(
                "INSERT INTO {schema}.accounts ({ACCOUNT})
                 SELECT account, partition, position, version, status, deadline, deadline_case, work_since,
                        quarantined_at, row::json
                 FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::uuid[],
                             $8::bigint[], $9::bigint[], $10::text[]) AS new ({ACCOUNT})
                 ON CONFLICT (account) DO UPDATE SET
                    partition = excluded.partition, position = excluded.position, version = excluded.version,
                    status = excluded.status, deadline = excluded.deadline, deadline_case = excluded.deadline_case,
                    work_since = excluded.work_since, quarantined_at = excluded.quarantined_at, row = excluded.row"
            ),
            put_reactivations: format!(
                "INSERT INTO {schema}.reactivations ({REACTIVATION})
                 SELECT case_id, account, partition, position, version, status, row::json
                 FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::text[], $7::text[])
                    AS new ({REACTIVATION})
                 ON CONFLICT (case_id) DO UPDATE SET
                    account = excluded.account, partition = excluded.partition, position = excluded.position,
                    version = excluded.version, status = excluded.status, row = excluded.row"
            ),
            put_timelines: format!(
                "INSERT INTO {schema}.timelines ({TIMELINE}) SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[])"
            ),
            accounts_of: format!("SELECT row::text FROM {schema}.accounts WHERE account = ANY($1)"),
            checkpoint: format!("SELECT next FROM {schema}.checkpoints WHERE partition = $1"),
            schema,
        }
    }
}

/// The columns, in the order in which [`Columns`] has them.
pub(super) const ACCOUNT: &str =
    "account, partition, position, version, status, deadline, deadline_case, work_since, quarantined_at, row";
pub(super) const REACTIVATION: &str = "case_id, account, partition, position, version, status, row";
pub(super) const TIMELINE: &str = "account, partition, position";

/// One account's columns.
#[derive(Debug, PartialEq)]
pub(super) struct AccountColumns {
    pub(super) account: String,
    pub(super) partition: i32,
    pub(super) position: i64,
    pub(super) version: i64,
    pub(super) status: &'static str,
    pub(super) deadline: Option<i64>,
    pub(super) deadline_case: Option<Uuid>,
    pub(super) work_since: Option<i64>,
    pub(super) quarantined_at: Option<i64>,
    pub(super) row: String,
}

/// One reactivation's columns.
#[derive(Debug, PartialEq)]
pub(super) struct ReactivationColumns {
    pub(super) case_id: Uuid,
    pub(super) account: String,
    pub(super) partition: i32,
    pub(super) position: i64,
    pub(super) version: i64,
    pub(super) status: &'static str,
    pub(super) row: String,
}

impl AccountColumns {
    pub(super) fn of(row: &AccountRow) -> Result<Self, Error> {
        // A row without either has no effective entry and no quarantine: nobody stores it.
        let at = row.state.position.or(row.quarantine.as_ref().map(|q| q.position));
        let at = at.unwrap_or(Position { partition: 0, offset: 0 });
        let deadline = row.deadline();
        let since = row.state.time.map_or(0, nanoseconds);
        Ok(Self {
            account: row.id.as_str().to_owned(),
            partition: signed(at.partition),
            position: signed(at.offset),
            version: signed(row.head.version),
            status: account_status(row.status()),
            deadline: deadline.map(|(at, _)| nanoseconds(at)),
            deadline_case: deadline.map(|(_, case)| *case.as_uuid()),
            work_since: row.work().map(|_| since),
            quarantined_at: row.quarantine.as_ref().map(|q| signed(q.position.offset)),
            row: json(row)?,
        })
    }
}

impl ReactivationColumns {
    pub(super) fn of(row: &ReactivationRow) -> Result<Self, Error> {
        Ok(Self {
            case_id: *row.case.id.as_uuid(),
            account: row.account.as_str().to_owned(),
            partition: signed(row.position.partition),
            position: signed(row.position.offset),
            version: signed(row.version),
            status: reactivation_status(row.status()),
            row: json(row)?,
        })
    }
}

pub(super) fn account_status(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Active => "active",
        AccountStatus::Locked => "locked",
        AccountStatus::Erased => "erased",
    }
}

pub(super) fn reactivation_status(status: ReactivationStatus) -> &'static str {
    match status {
        ReactivationStatus::Open => "open",
        ReactivationStatus::Processing => "processing",
        ReactivationStatus::InReview => "in_review",
        ReactivationStatus::Reactivated => "reactivated",
        ReactivationStatus::Denied => "denied",
        ReactivationStatus::Expired => "expired",
        ReactivationStatus::Cancelled => "cancelled",
    }
}

/// The same row is always the same bytes: its maps are ordered, and floating-point numbers are written shortest.
pub(super) fn json(row: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(row).map_err(Error::Json)
}

/// A row out of its column.
pub(super) fn parse<T: DeserializeOwned>(row: &Row, column: usize) -> Result<T, Error> {
    let text: &str = row.try_get(column)?;
    serde_json::from_str(text).map_err(|e| damaged("an account or a reactivation", e))
}

pub(super) fn damaged(what: &str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    let source: log::Cause = std::sync::Arc::new(source);
    Error::Damaged { what: what.to_owned(), source }
}

pub(super) fn account_id(text: &str) -> Result<AccountId, Error> {
    AccountId::parse(text).map_err(|e| damaged("an account", e))
}

pub(super) fn case_id(uuid: Uuid) -> CaseId {
    CaseId::from_uuid(uuid)
}

pub(super) fn position(partition: i32, offset: i64) -> Position {
    Position { partition: unsigned(partition), offset: unsigned(offset) }
}

/// Nanoseconds since 1970, up to the year 2262; what is later is at its end.
pub(super) fn nanoseconds(at: Timestamp) -> i64 {
    let out = if at < Timestamp::UNIX_EPOCH { i64::MIN } else { i64::MAX };
    i64::try_from(at.as_nanosecond()).unwrap_or(out)
}

pub(super) fn timestamp(nanoseconds: i64) -> Timestamp {
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or(Timestamp::MAX)
}

/// PostgreSQL's numbers have a sign; ours count from 0 and never come near the end.
pub(super) fn signed<U, I: TryFrom<U> + Limit>(number: U) -> I {
    I::try_from(number).unwrap_or(I::LAST)
}

pub(super) fn unsigned<I, U: TryFrom<I> + Default>(number: I) -> U {
    U::try_from(number).unwrap_or_default()
}

pub(super) trait Limit {
    const LAST: Self;
}

impl Limit for i32 {
    const LAST: Self = Self::MAX;
}

impl Limit for i64 {
    const LAST: Self = Self::MAX;
}
