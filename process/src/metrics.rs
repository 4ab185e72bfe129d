//! Prometheus metrics of the process. Which there are and what they tell is a page: docs/operations.md.

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of every histogram of seconds: from a read-back of the log (1–2 ms) to an examination on a busy machine.
const SECONDS: [f64; 15] =
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// How often samples are moved into their buckets when nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// The process's metrics can't be recorded.
#[derive(Debug, thiserror::Error)]
#[error("metrics can't be recorded")]
pub struct Error(#[from] BuildError);

/// The recorder of the process.
#[derive(Debug, Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Records from now on, for the whole process. Needs a runtime.
    ///
    /// # Errors
    /// When a recorder is installed already.
    pub fn install() -> Result<Self, Error> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
            .install_recorder()?;
        let upkeep = handle.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                upkeep.run_upkeep();
            }
        });
        Ok(Self(handle))
    }

    /// What `/metrics` answers.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }
}
