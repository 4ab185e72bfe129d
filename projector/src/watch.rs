//! How far the rows are behind the log, and how many accounts halt: for metrics, and for whoever is to be woken.

use std::{collections::HashMap, sync::Arc, time::Duration};

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

/// Looks at a partition whose rows have everything before `next`.
///
/// # Errors
/// When the log does not answer.
pub async fn lag(log: &dyn LogReader, partition: u32, next: u64, now: Timestamp) -> Result<Lag, log::Error> {
    let entries = log.end(partition).await?.saturating_sub(next);
    if entries == 0 {
        return Ok(Lag { entries, seconds: 0.0 });
    }
    let waiting = log.read(partition, next, 1).await?;
    let since = waiting.first().and_then(|record| wire::envelope(&record.value).ok());
    let seconds = since.map_or(0.0, |entry| now.duration_since(entry.time).as_secs_f64().max(0.0));
    Ok(Lag { entries, seconds })
}

/// Looks for ever. While the read model does not answer, its rows are where they were last, and the lag grows.
pub async fn run(log: Arc<dyn LogReader>, models: Arc<dyn ReadModels>) {
    describe();
    let mut known = HashMap::new();
    loop {
        if let Err(error) = look(&*log, &*models, &mut known).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the lag could not be found out");
        }
        tokio::time::sleep(TICK).await;
    }
}

async fn look(
    log: &dyn LogReader,
    models: &dyn ReadModels,
    known: &mut HashMap<u32, u64>,
) -> Result<(), Error> {
    let mut silent = None;
    for partition in 0..log.partitions() {
        if silent.is_none() {
            match models.checkpoint(partition).await {
                Ok(next) => {
                    known.insert(partition, next);
                }
                Err(error) => silent = Some(error),
            }
        }
        let Some(next) = known.get(&partition) else { continue };
        let lag = lag(log, partition, *next, Timestamp::now()).await.map_err(Error::Log)?;
        let label = partition.to_string();
        #[expect(clippy::cast_precision_loss, reason = "counts of entries stay below 2^53")]
        gauge!(ENTRIES, "partition" => label.clone()).set(lag.entries as f64);
        gauge!(SECONDS, "partition" => label).set(lag.seconds);
    }
    if let Some(error) = silent {
        return Err(Error::Models(error));
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
