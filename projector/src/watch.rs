//! How far the rows are behind the log, and how many accounts halt: for metrics, and for whoever is to be woken.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use metrics::{Unit, describe_gauge, gauge};
use reinstate_domain::wire;
use reinstate_store::{
    log::{self, LogReader},
    read_models::{self, ReadModels},
};

/// How often it looks.
const TICK: Duration = Duration::from_secs(1);

/// Halting accounts that are counted; more are as bad.
const MOST: usize = 1000;

const ENTRIES: &str = "reinstate_projector_lag_entries";
const SECONDS: &str = "reinstate_projector_lag_seconds";
const QUARANTINED: &str = "reinstate_projector_quarantined_accounts";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the log could not be read")]
    Log(#[source] log::Error),
    #[error("the read model does not answer")]
    Models(#[source] read_models::Error),
}

/// How far a partition's rows are behind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lag {
    /// Entries that the log has and the rows don't.
    pub entries: u64,
    /// For how long the oldest of them has been waiting, by its writer's clock; 0 when there is none.
    pub seconds: f64,
}

/// Looks at a partition.
///
/// # Errors
/// When the log or the read model does not answer.
pub async fn lag(
    log: &dyn LogReader,
    models: &dyn ReadModels,
    partition: u32,
    now: Timestamp,
) -> Result<Lag, Error> {
    let next = models.checkpoint(partition).await.map_err(Error::Models)?;
    let end = log.end(partition).await.map_err(Error::Log)?;
    let entries = end.saturating_sub(next);
    if entries == 0 {
        return Ok(Lag { entries, seconds: 0.0 });
    }
    let waiting = log.read(partition, next, 1).await.map_err(Error::Log)?;
    let since = waiting.first().and_then(|record| wire::decode(&record.value).ok()).map(|entry| entry.time);
    let seconds = since.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0));
    Ok(Lag { entries, seconds })
}

/// Looks for ever. What can't be found out keeps its last value, and the log says so.
pub async fn run(log: Arc<dyn LogReader>, models: Arc<dyn ReadModels>) {
    describe();
    loop {
        if let Err(error) = look(&*log, &*models).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the lag could not be found out");
        }
        tokio::time::sleep(TICK).await;
    }
}

async fn look(log: &dyn LogReader, models: &dyn ReadModels) -> Result<(), Error> {
    for partition in 0..log.partitions() {
        let lag = lag(log, models, partition, Timestamp::now()).await?;
        let label = partition.to_string();
        #[expect(clippy::cast_precision_loss, reason = "counts of entries stay below 2^53")]
        gauge!(ENTRIES, "partition" => label.clone()).set(lag.entries as f64);
        gauge!(SECONDS, "partition" => label).set(lag.seconds);
    }
    let halted = models.quarantined(MOST).await.map_err(Error::Models)?.len();
    gauge!(QUARANTINED).set(f64::from(u32::try_from(halted).unwrap_or(u32::MAX)));
    Ok(())
}

fn describe() {
    describe_gauge!(
        ENTRIES,
        Unit::Count,
        "Entries that are in the log and not in the rows yet, by partition."
    );
    let what = "Age of the oldest entry that is not in the rows yet, by its writer's clock, by partition.";
    describe_gauge!(SECONDS, Unit::Seconds, what);
    let what = "Accounts that halt because an entry is not understood. Anything but 0 needs a look.";
    describe_gauge!(QUARANTINED, Unit::Count, what);
}
