//! Reading, on connections of its own, off the async threads.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use reinstate_domain::{
    entry::{Hash, Head},
    ids::AccountId,
};
use rusqlite::{Connection, OptionalExtension};

use super::{
    Heads,
    file::{corrupt, open_to_read, translate},
    position,
};
use crate::log::{Error, MAX_READ, Record};

/// Idle connections that are kept.
const IDLE: usize = 4;

#[derive(Debug)]
pub(super) struct Reader {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Reader {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default() }
    }

    /// Whether the file can be read at all.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.with(|_| Ok(()))
    }

    pub(super) async fn read(self: Arc<Self>, from: u64, max: usize) -> Result<Vec<Record>, Error> {
        blocking(move || self.with(|c| read(c, from, max))).await
    }

    pub(super) async fn end(self: Arc<Self>) -> Result<u64, Error> {
        blocking(move || self.with(end)).await
    }

    pub(super) async fn heads(self: Arc<Self>) -> Result<Heads, Error> {
        blocking(move || self.with(heads)).await
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match kept {
            Some(connection) => connection,
            None => open_to_read(&self.path)?,
        };
        // A connection that failed is closed, not kept.
        let result = work(&connection)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(connection);
        }
        Ok(result)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(stopped) => Err(Error::Unavailable(Arc::new(stopped))),
    }
}

/// The offset after the last record.
pub(super) fn end(connection: &Connection) -> Result<u64, Error> {
    let last: Option<i64> = connection
        .query_row("SELECT offset FROM entries ORDER BY offset DESC LIMIT 1", (), |row| row.get(0))
        .optional()
        .map_err(|e| translate(e, 0))?;
    match last.map(u64::try_from) {
        None => Ok(0),
        Some(Ok(last)) => Ok(last + 1),
        Some(Err(negative)) => Err(corrupt(negative, 0)),
    }
}

fn heads(connection: &Connection) -> Result<Heads, Error> {
    let failed = |e| translate(e, 0);
    // Both reads see the same moment.
    let tx = connection.unchecked_transaction().map_err(failed)?;
    let end = end(&tx)?;
    let mut statement =
        tx.prepare("SELECT account, hash, version FROM heads ORDER BY account").map_err(failed)?;
    let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map_err(failed)?;
    let heads = rows.map(|row| {
        let (account, hash, version): (String, [u8; 32], u64) = row.map_err(failed)?;
        let account = AccountId::parse(&account).map_err(|e| corrupt(e, 0))?;
        Ok((account, Head { hash: Some(Hash::from_bytes(hash)), version }))
    });
    Ok(Heads { end, heads: heads.collect::<Result<_, Error>>()? })
}

fn read(connection: &Connection, from: u64, max: usize) -> Result<Vec<Record>, Error> {
    let mut records: Vec<Record> = Vec::new();
    let mut bytes = 0;
    let Ok(first) = i64::try_from(from) else { return Ok(records) };
    let mut next = from;
    let mut statement = connection
        .prepare_cached("SELECT offset, account, value FROM entries WHERE offset >= ?1 ORDER BY offset")
        .map_err(|e| translate(e, from))?;
    let mut rows = statement.query((first,)).map_err(|e| translate(e, from))?;
    while records.len() < max {
        let Some(row) = rows.next().map_err(|e| translate(e, next))? else { break };
        let offset: u64 = row.get(0).map_err(|e| corrupt(e, next))?;
        let account: String = row.get(1).map_err(|e| corrupt(e, offset))?;
        let value = row.get_ref(2).and_then(|v| Ok(v.as_blob()?)).map_err(|e| corrupt(e, offset))?;
        bytes += value.len();
        if bytes > MAX_READ && !records.is_empty() {
            break;
        }
        let account = AccountId::parse(&account).map_err(|e| corrupt(e, offset))?;
        let value = Bytes::copy_from_slice(value);
        records.push(Record { position: position(offset), account, value, trace: None });
        next = offset + 1;
    }
    Ok(records)
}
