//! Entries → read models.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use reinstate_process::trace::part_of;
use reinstate_store::{
    keys::{self, Keys},
    log::{self, LogReader},
    read_models::{
        self, Batch, Projections,
        project::{Recent, batch_from},
    },
};
use tokio::{task::JoinSet, time::timeout};

use crate::REST;

/// The records of one step.
const STEP: usize = 500;

/// Rows of each partition that are kept in memory, at some kilobytes each: an account in the middle of its journey has its next entry
/// within minutes.
const RECENT: NonZeroUsize = NonZeroUsize::new(2048).expect("not zero");

/// A partition rests after a batch for as long as that took, and no longer than this: a transaction costs the same for one entry as for
/// many, and what comes meanwhile shares the next one.
const PAUSE: Duration = Duration::from_millis(25);

/// How long it takes for granted that the rows are where it left them while there is nothing to read. A database that came back may
/// have those of a backup.
const IDLE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the log could not be followed")]
    Log(#[source] log::Error),
    #[error("the read models could not be brought forward")]
    Models(#[source] read_models::Error),
    #[error("the key of an erased account could not be destroyed")]
    Keys(#[source] keys::Error),
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The rows have everything before this offset now.
    Applied { next: u64 },
    /// There was nothing to read from this offset on.
    Idle { next: u64 },
}

/// Keeps the rows of all partitions at the log's end.
pub struct Projector {
    log: Arc<dyn LogReader>,
    models: Arc<dyn Projections>,
    keys: Arc<dyn Keys>,
    places: Mutex<HashMap<u32, Place>>,
}

/// A partition's checkpoint as this projector left it, with rows that were stored up to there, so that it need not ask: whoever moves the
/// checkpoint is noticed when the next batch is applied.
struct Place {
    next: u64,
    recent: Recent,
}

impl Projector {
    #[must_use]
    pub fn new(log: Arc<dyn LogReader>, models: Arc<dyn Projections>, keys: Arc<dyn Keys>) -> Self {
        Self { log, models, keys, places: Mutex::default() }
    }

    /// Brings a partition's rows forward by some records, if there are any.
    ///
    /// The keys of accounts that were erased are destroyed before the rows say so: whoever wrote the erasure may have died
    /// before the key was gone.
    ///
    /// # Errors
    /// Nothing was stored; the step may be repeated.
    pub async fn step(&self, partition: u32) -> Result<Step, Error> {
        // Taken, with the rows: after an error it asks for all of it again.
        let place = self.places().remove(&partition);
        let Place { next, mut recent } = match place {
            Some(place) => place,
            None => {
                let next = self.models.checkpoint(partition).await.map_err(Error::Models)?;
                Place { next, recent: Recent::new(RECENT) }
            }
        };
        let begin = Instant::now();
        let batch = batch_from(&*self.log, &*self.models, &mut recent, partition, next, STEP).await;
        let Some(batch) = batch.map_err(Error::Models)? else {
            self.places().insert(partition, Place { next, recent });
            return Ok(Step::Idle { next });
        };
        // Seen in the trace of each entry for as long as its rows take.
        let spans: Vec<_> = batch.traces.iter().map(|trace| part_of(trace, span(partition))).collect();
        for account in &batch.erased {
            self.keys.erase(account).await.map_err(Error::Keys)?;
        }
        alarm(&batch);
        let Batch { from, next, .. } = batch;
        let effective = batch.timeline.len() as u64;
        let rows = batch.accounts.clone();
        match self.models.apply(batch).await {
            Ok(()) => {}
            // A rebuild's rows have taken the place of these, or another projector is at work: from there on, then.
            Err(read_models::Error::OutOfStep { found, .. }) => return Ok(Step::Applied { next: found }),
            Err(error) => return Err(Error::Models(error)),
        }
        drop(spans);
        recent.stored(rows);
        self.places().insert(partition, Place { next, recent });
        metrics::counter!("reinstate_projection_entries_total").increment(next - from);
        // Void ones for the most part; those of accounts that halt and foreign records count here too.
        metrics::counter!("reinstate_projection_passed_total")
            .increment((next - from).saturating_sub(effective));
        metrics::histogram!("reinstate_projection_batch_seconds").record(begin.elapsed().as_secs_f64());
        Ok(Step::Applied { next })
    }

    fn places(&self) -> MutexGuard<'_, HashMap<u32, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once the rows have everything that was in the log when this was called: what a start waits for.
    ///
    /// # Errors
    /// As [`Projector::step`].
    pub async fn catch_up(&self) -> Result<(), Error> {
        for partition in 0..self.log.partitions() {
            let end = self.log.end(partition).await.map_err(Error::Log)?;
            while let Step::Applied { next } = self.step(partition).await? {
                if next >= end {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Follows the log for ever. After an error it rests and tries again.
    pub async fn run(self: Arc<Self>) {
        let mut partitions = JoinSet::new();
        for partition in 0..self.log.partitions() {
            let projector = self.clone();
            partitions.spawn(async move { projector.follow(partition).await });
        }
        partitions.join_all().await;
    }

    async fn follow(&self, partition: u32) {
        let mut last = 0;
        loop {
            let begin = Instant::now();
            let followed = match self.step(partition).await {
                Ok(Step::Applied { next }) => {
                    // A full batch is followed by the next one at once: there is much to catch up with.
                    if next < last + STEP as u64 {
                        tokio::time::sleep(begin.elapsed().min(PAUSE)).await;
                    }
                    last = next;
                    Ok(())
                }
                Ok(Step::Idle { next }) => match timeout(IDLE, self.log.wait(partition, next)).await {
                    Ok(waited) => waited.map_err(Error::Log),
                    Err(_) => {
                        self.places().remove(&partition);
                        Ok(())
                    }
                },
                Err(error) => Err(error),
            };
            if let Err(error) = followed {
                tracing::error!(error = &error as &dyn std::error::Error, partition, "the projector rests");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

fn span(partition: u32) -> tracing::Span {
    tracing::info_span!("project", otel.kind = "consumer", partition)
}

/// Says of each account that halts with this batch that it does.
fn alarm(batch: &Batch) {
    for row in &batch.accounts {
        if let Some(quarantine) = row.quarantine.as_ref().filter(|q| q.position.offset >= batch.from) {
            tracing::error!(
                account = %row.id, position = %quarantine.position, detail = quarantine.detail,
                "the account halts: an entry is not understood"
            );
        }
    }
}
