//! The file: its tables, its version, and what SQLite's errors mean.

use std::{path::Path, sync::Arc, time::Duration};

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use super::{Options, position};
use crate::log::{Cause, Error};

/// Written into the file's header, "REIN".
const APPLICATION: i64 = 0x5245_494e;

/// The version of the tables below.
const VERSION: i64 = 1;

/// Kept by SQLite in the file's own order: `entries` grows at its end only. Offsets have no gap.
/// `heads` is what the rule has made of `entries`; it is changed in the same transaction.
const TABLES: &str = "
    CREATE TABLE entries (offset INTEGER PRIMARY KEY, account TEXT NOT NULL, value BLOB NOT NULL) STRICT;
    CREATE TABLE heads (account TEXT PRIMARY KEY, hash BLOB NOT NULL, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// How long a reader waits for the moment in which another process recovers or closes the file.
const BUSY: Duration = Duration::from_secs(5);

const PAGE: u64 = 4096;

/// The connection of the one that writes.
pub(super) fn open_to_write(path: &Path, options: Options) -> Result<Connection, Error> {
    let unavailable = |e| describe(path, e);
    let mut connection = Connection::open(path).map_err(unavailable)?;
    connection.busy_timeout(BUSY).map_err(unavailable)?;
    let fresh = is_fresh(&connection).map_err(unavailable)?;
    if !fresh {
        check(path, &connection)?;
    }
    let settings = |c: &Connection| -> rusqlite::Result<()> {
        c.pragma_update(None, "page_size", PAGE)?;
        c.pragma_update(None, "journal_mode", "WAL")?;
        // FULL syncs the WAL at every commit; NORMAL would not.
        c.pragma_update(None, "synchronous", "FULL")?;
        // 64 MiB each. A long WAL makes fewer checkpoints, and each moves a page once however often it changed.
        c.pragma_update(None, "wal_autocheckpoint", 16_384)?;
        c.pragma_update(None, "journal_size_limit", 64 << 20)?;
        c.pragma_update(None, "cache_size", -(64 << 10))?;
        if let Some(bytes) = options.max_bytes {
            c.pragma_update(None, "max_page_count", bytes.div_ceil(PAGE))?;
        }
        Ok(())
    };
    settings(&connection).map_err(unavailable)?;
    if fresh {
        let create = |c: &mut Connection| -> rusqlite::Result<()> {
            let tx = c.transaction()?;
            tx.execute_batch(TABLES)?;
            tx.pragma_update(None, "application_id", APPLICATION)?;
            tx.pragma_update(None, "user_version", VERSION)?;
            tx.commit()
        };
        create(&mut connection).map_err(unavailable)?;
    }
    Ok(connection)
}

/// A connection of one that reads.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, Error> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI,
    )
    .map_err(|e| describe(path, e))?;
    connection.busy_timeout(BUSY).map_err(|e| describe(path, e))?;
    check(path, &connection)?;
    Ok(connection)
}

fn is_fresh(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", (), |row| row.get(0))
}

fn check(path: &Path, connection: &Connection) -> Result<(), Error> {
    let pragma = |name| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(|e| describe(path, e))
    };
    if pragma("application_id")? != APPLICATION {
        return Err(Error::NotALog { path: path.to_owned() });
    }
    match pragma("user_version")? {
        VERSION => Ok(()),
        found => Err(Error::NewerVersion { path: path.to_owned(), found, known: VERSION }),
    }
}

/// What an error says about the file at `path`, outside of a read at a known place.
fn describe(path: &Path, error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Error::NotALog { path: path.to_owned() },
        _ => translate(error, 0),
    }
}

/// What an error says that came up while the records from `offset` on were read or written.
pub(super) fn translate(error: rusqlite::Error, offset: u64) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => corrupt(error, offset),
        _ => Error::Unavailable(Arc::new(error)),
    }
}

pub(super) fn corrupt(error: impl std::error::Error + Send + Sync + 'static, offset: u64) -> Error {
    let source: Cause = Arc::new(error);
    Error::Corrupt { position: position(offset), source }
}

/// Whether a commit that failed so has certainly written nothing: the disk was full, or a write before the commit's own frame
/// failed. After anything else, above all a failed sync, only the file knows.
pub(super) fn nothing_written(error: &rusqlite::Error) -> bool {
    let write_failed = error.sqlite_error().is_some_and(|e| e.extended_code == ffi::SQLITE_IOERR_WRITE);
    error.sqlite_error_code() == Some(ErrorCode::DiskFull) || write_failed
}
