//! The one thread that writes. It takes all appends that wait, rules on them in their order, commits them in one transaction
//! with one sync, and answers them all: the more callers, the fewer syncs each one costs.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use reinstate_domain::{
    entry::{Envelope, Hash, Head, Ruling, rule},
    ids::AccountId,
};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Options,
    file::{corrupt, nothing_written, open_to_write, translate},
    position, reader,
};
use crate::{
    data_dir::DataDir,
    log::{Appended, Cause, Error},
};

/// Bounds of one transaction, so that the first caller in it does not wait for ever for the last.
const BATCH_ENTRIES: usize = 1024;
const BATCH_BYTES: usize = 8 << 20;

/// Appends that may wait for the thread before further callers have to wait for a place.
const QUEUE: usize = 4096;

#[derive(Debug)]
struct Request {
    envelope: Envelope,
    value: Bytes,
    answer: oneshot::Sender<Result<Appended, Error>>,
}

/// The handle on the thread. Dropping it lets the thread finish what waits, and waits for it.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Opens the file and starts the thread. The receiver follows the log's end.
    pub(super) fn start(
        directory: Arc<DataDir>,
        options: Options,
    ) -> Result<(Self, watch::Receiver<u64>), Error> {
        let connection = open_to_write(&directory.layout().log(), options)?;
        let next = reader::end(&connection)?;
        let (end, watched) = watch::channel(next);
        let (queue, requests) = mpsc::channel(QUEUE);
        let thread = Thread { connection, next, end, broken: None, _directory: directory };
        let thread = thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || thread.run(requests))
            .map_err(|e| Error::Unavailable(Arc::new(e)))?;
        Ok((Self { queue: Some(queue), thread: Some(thread) }, watched))
    }

    pub(super) async fn append(&self, envelope: Envelope, value: Bytes) -> Result<Appended, Error> {
        let (answer, answered) = oneshot::channel();
        let Some(queue) = &self.queue else { return Err(Error::Unavailable(Arc::new(Stopped))) };
        if queue.send(Request { envelope, value, answer }).await.is_err() {
            return Err(Error::Unavailable(Arc::new(Stopped)));
        }
        // A thread that ended with the request in its hands did not say how far it came.
        answered.await.unwrap_or(Ok(Appended::Indeterminate))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // It only fails to end well after a panic, which has been reported by then.
            let _ = thread.join();
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the log's writer has stopped")]
struct Stopped;

#[derive(Debug, thiserror::Error)]
#[error("an earlier commit failed and its outcome is unknown; a restart will read what the disk has")]
struct Broken(#[source] Cause);

struct Thread {
    connection: Connection,
    /// The offset of the next entry.
    next: u64,
    end: watch::Sender<u64>,
    /// Set by a commit of unknown outcome. What the system's cache holds then may not be what the disk holds
    /// (a second sync would succeed without having written), so nothing more is acknowledged on this connection.
    broken: Option<Cause>,
    /// Others stay out while this thread may write.
    _directory: Arc<DataDir>,
}

enum Failure {
    /// Nothing was written.
    Clean(Error),
    Unknown(rusqlite::Error),
}

impl Thread {
    fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(first) = requests.blocking_recv() {
            let mut bytes = first.value.len();
            let mut batch = vec![first];
            while batch.len() < BATCH_ENTRIES && bytes < BATCH_BYTES {
                let Ok(request) = requests.try_recv() else { break };
                bytes += request.value.len();
                batch.push(request);
            }
            self.serve(batch);
        }
    }

    fn serve(&mut self, batch: Vec<Request>) {
        if let Some(cause) = &self.broken {
            let error = Error::Unavailable(Arc::new(Broken(cause.clone())));
            return answer_all(batch, &Err(error));
        }
        match self.commit(&batch) {
            Ok(answers) => {
                self.next += batch.len() as u64;
                self.end.send_replace(self.next);
                for (request, answer) in batch.into_iter().zip(answers) {
                    // A caller that has gone away does not want its answer.
                    let _ = request.answer.send(Ok(answer));
                }
            }
            Err(Failure::Clean(error)) => {
                tracing::error!(%error, entries = batch.len(), "the log could not write");
                answer_all(batch, &Err(error));
            }
            Err(Failure::Unknown(error)) => {
                tracing::error!(%error, entries = batch.len(), "a commit failed and its outcome is unknown");
                self.broken = Some(Arc::new(error));
                answer_all(batch, &Ok(Appended::Indeterminate));
            }
        }
    }

    fn commit(&mut self, batch: &[Request]) -> Result<Vec<Appended>, Failure> {
        let clean = |e| Failure::Clean(translate(e, self.next));
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(clean)?;
        let answers = batch
            .iter()
            .zip(self.next..)
            .map(|(request, offset)| append(&tx, offset, request))
            .collect::<Result<Vec<_>, _>>()
            .map_err(Failure::Clean)?;
        tx.commit().map_err(|e| if nothing_written(&e) { clean(e) } else { Failure::Unknown(e) })?;
        Ok(answers)
    }
}

fn append(tx: &Transaction<'_>, offset: u64, request: &Request) -> Result<Appended, Error> {
    let Request { envelope, value, .. } = request;
    let insert = || -> rusqlite::Result<_> {
        tx.prepare_cached("INSERT INTO entries (offset, account, value) VALUES (?1, ?2, ?3)")?.execute((
            offset,
            envelope.account.as_str(),
            &value[..],
        ))
    };
    insert().map_err(|e| translate(e, offset))?;
    match rule(head(tx, &envelope.account, offset)?, envelope, value) {
        Ruling::Void => Ok(Appended::Conflict { position: position(offset) }),
        Ruling::Effective(head) => {
            let hash = Hash::of(value);
            let update = || -> rusqlite::Result<_> {
                tx.prepare_cached(
                    "INSERT INTO heads (account, hash, version) VALUES (?1, ?2, ?3)
                     ON CONFLICT (account) DO UPDATE SET hash = excluded.hash, version = excluded.version",
                )?
                .execute((envelope.account.as_str(), hash.as_bytes(), head.version))
            };
            update().map_err(|e| translate(e, offset))?;
            Ok(Appended::Committed { position: position(offset), head })
        }
    }
}

fn head(tx: &Transaction<'_>, account: &AccountId, offset: u64) -> Result<Head, Error> {
    let select = || -> rusqlite::Result<Option<([u8; 32], u64)>> {
        tx.prepare_cached("SELECT hash, version FROM heads WHERE account = ?1")?
            .query_row((account.as_str(),), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
    };
    match select() {
        Ok(None) => Ok(Head::default()),
        Ok(Some((hash, version))) => Ok(Head { hash: Some(Hash::from_bytes(hash)), version }),
        Err(
            e
            @ (rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::IntegralValueOutOfRange(..)),
        ) => Err(corrupt(e, offset)),
        Err(e) => Err(translate(e, offset)),
    }
}

fn answer_all(batch: Vec<Request>, answer: &Result<Appended, Error>) {
    for request in batch {
        let _ = request.answer.send(answer.clone());
    }
}
