//! Many rows at once, by COPY.

use std::pin::Pin;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{SinkExt, TryStreamExt};
use reinstate_domain::{entry::Position, ids::AccountId};
use tokio_postgres::CopyInSink;
use uuid::Uuid;

use super::{
    Error,
    connect::{Connector, Dedicated},
    rows::{ACCOUNT, AccountColumns, REACTIVATION, ReactivationColumns, TIMELINE, json, parse, signed},
};
use crate::read_models::{AccountRow, ReactivationRow};

/// Bytes that are gathered before they are sent.
const CHUNK: usize = 128 * 1024;

/// The beginning of COPY's binary format: its signature, no flags, no extension.
/// <https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4>
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Writes the rows of some accounts into a generation that has no indexes yet. Each row is written once; rows that must wait
/// elsewhere until they are whole are [spilled](Loader::spill).
#[derive(Debug)]
pub struct Loader {
    accounts: Copy,
    reactivations: Copy,
    timelines: Copy,
    spills: Dedicated,
}

/// An account that is not whole yet: its row so far, and, if it has a case, the entry count and the entry that its newest one's row is
/// to have.
#[derive(Debug, Clone, PartialEq)]
pub struct Spilled {
    pub account: AccountRow,
    pub newest: Option<(u64, Position)>,
}

impl Loader {
    pub(super) async fn start(connector: &Connector, schema: &str) -> Result<Self, Error> {
        let spills = connector.dedicated().await?;
        // Of this connection alone, and gone with it.
        spills
            .batch_execute(
                "CREATE TEMP TABLE spilled (account text COLLATE \"C\" PRIMARY KEY, row text, newest text)",
            )
            .await?;
        Ok(Self {
            accounts: Copy::start(connector, schema, "accounts", ACCOUNT).await?,
            reactivations: Copy::start(connector, schema, "reactivations", REACTIVATION).await?,
            timelines: Copy::start(connector, schema, "timelines", TIMELINE).await?,
            spills,
        })
    }

    /// The account's row, as it is in the end.
    async fn account(&mut self, row: &AccountRow) -> Result<(), Error> {
        let columns = AccountColumns::of(row)?;
        let copy = &mut self.accounts;
        copy.tuple(10);
        copy.text(&columns.account);
        copy.int(columns.partition);
        copy.bigint(columns.position);
        copy.bigint(columns.version);
        copy.text(columns.status);
        copy.or_null(columns.deadline, Copy::bigint);
        copy.or_null(columns.deadline_case, Copy::uuid);
        copy.or_null(columns.work_since, Copy::bigint);
        copy.or_null(columns.quarantined_at, Copy::bigint);
        copy.text(&columns.row);
        copy.go_on().await
    }

    /// A reactivation's row, as it is in the end.
    ///
    /// # Errors
    /// When the database does not take it. Nothing of this loader is there then.
    pub async fn reactivation(&mut self, row: &ReactivationRow) -> Result<(), Error> {
        let columns = ReactivationColumns::of(row)?;
        let copy = &mut self.reactivations;
        copy.tuple(7);
        copy.uuid(columns.case_id);
        copy.text(&columns.account);
        copy.int(columns.partition);
        copy.bigint(columns.position);
        copy.bigint(columns.version);
        copy.text(columns.status);
        copy.text(&columns.row);
        copy.go_on().await
    }

    /// An effective entry of an account.
    ///
    /// # Errors
    /// As [`Loader::reactivation`].
    pub async fn effective(&mut self, account: &AccountId, at: Position) -> Result<(), Error> {
        let copy = &mut self.timelines;
        copy.tuple(3);
        copy.text(account.as_str());
        copy.int(signed(at.partition));
        copy.bigint(signed(at.offset));
        copy.go_on().await
    }

    /// All that is left to write of an account. Nothing, when only void entries of it are in the log.
    ///
    /// # Errors
    /// As [`Loader::reactivation`].
    pub async fn whole(&mut self, account: &Spilled) -> Result<(), Error> {
        let Spilled { account, newest } = account;
        if account.head.version > 0 || account.quarantine.is_some() {
            self.account(account).await?;
        }
        if let (Some((version, position)), Some(case)) = (*newest, &account.state.case) {
            let (id, case) = (account.id.clone(), case.clone());
            self.reactivation(&ReactivationRow { account: id, case, version, position }).await?;
        }
        Ok(())
    }

    /// Puts accounts aside that don't fit in memory.
    ///
    /// # Errors
    /// When the database does not take them.
    pub async fn spill(&mut self, accounts: &[Spilled]) -> Result<(), Error> {
        let ids: Vec<&str> = accounts.iter().map(|spilled| spilled.account.id.as_str()).collect();
        let texts = accounts
            .iter()
            .map(|spilled| Ok((json(&spilled.account)?, spilled.newest.as_ref().map(json).transpose()?)));
        let (rows, newest): (Vec<String>, Vec<Option<String>>) =
            texts.collect::<Result<Vec<_>, Error>>()?.into_iter().unzip();
        let insert = "INSERT INTO spilled SELECT * FROM unnest($1::text[], $2::text[], $3::text[])";
        self.spills.execute(insert, &[&ids, &rows, &newest]).await?;
        Ok(())
    }

    /// Takes back those of these accounts that were put aside.
    ///
    /// # Errors
    /// When the database does not give them.
    pub async fn take_back(&mut self, accounts: &[&AccountId]) -> Result<Vec<Spilled>, Error> {
        let ids: Vec<&str> = accounts.iter().map(|id| id.as_str()).collect();
        let rows = self
            .spills
            .query("DELETE FROM spilled WHERE account = ANY($1) RETURNING row, newest", &[&ids])
            .await?;
        rows.iter().map(spilled).collect()
    }

    /// Writes out the rest, also of the accounts that are still put aside.
    ///
    /// # Errors
    /// As [`Loader::reactivation`].
    pub async fn finish(mut self) -> Result<(), Error> {
        let aside =
            self.spills.query_raw("SELECT row, newest FROM spilled", std::iter::empty::<i32>()).await?;
        let mut aside = std::pin::pin!(aside);
        while let Some(row) = aside.try_next().await? {
            self.whole(&spilled(&row)?).await?;
        }
        for copy in [self.accounts, self.reactivations, self.timelines] {
            copy.finish().await?;
        }
        Ok(())
    }
}

fn spilled(row: &tokio_postgres::Row) -> Result<Spilled, Error> {
    let newest = row.try_get::<_, Option<&str>>(1)?.map(|_| parse(row, 1)).transpose()?;
    Ok(Spilled { account: parse(row, 0)?, newest })
}

/// A `COPY … FROM STDIN (FORMAT binary)` in the middle.
struct Copy {
    sink: Pin<Box<CopyInSink<Bytes>>>,
    buffer: BytesMut,
    _connection: Dedicated,
}

impl std::fmt::Debug for Copy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copy").field("buffered", &self.buffer.len()).finish_non_exhaustive()
    }
}

impl Copy {
    async fn start(connector: &Connector, schema: &str, table: &str, columns: &str) -> Result<Self, Error> {
        let connection = connector.dedicated().await?;
        let copy = format!("COPY {schema}.{table} ({columns}) FROM STDIN (FORMAT binary)");
        let sink = Box::pin(connection.copy_in(&copy).await?);
        let mut buffer = BytesMut::with_capacity(2 * CHUNK);
        buffer.put_slice(HEADER);
        Ok(Self { sink, buffer, _connection: connection })
    }

    fn tuple(&mut self, fields: i16) {
        self.buffer.put_i16(fields);
    }

    fn field(&mut self, bytes: &[u8]) {
        // A row's JSON is far shorter than 2 GiB.
        self.buffer.put_i32(signed(bytes.len()));
        self.buffer.put_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.field(text.as_bytes());
    }

    fn int(&mut self, number: i32) {
        self.field(&number.to_be_bytes());
    }

    fn bigint(&mut self, number: i64) {
        self.field(&number.to_be_bytes());
    }

    fn uuid(&mut self, uuid: Uuid) {
        self.field(uuid.as_bytes());
    }

    fn or_null<T>(&mut self, value: Option<T>, put: impl Fn(&mut Self, T)) {
        match value {
            Some(value) => put(self, value),
            None => self.buffer.put_i32(-1),
        }
    }

    /// After a whole row: sends what was gathered, if it is enough.
    async fn go_on(&mut self) -> Result<(), Error> {
        if self.buffer.len() >= CHUNK {
            let chunk = self.buffer.split().freeze();
            self.buffer.reserve(2 * CHUNK);
            self.sink.send(chunk).await?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<u64, Error> {
        self.buffer.put_i16(-1);
        self.sink.send(self.buffer.split().freeze()).await?;
        Ok(self.sink.as_mut().finish().await?)
    }
}
