//! What the programs have in common from their start to their end. What a service is for stays in the service.

use crate::settings::{Logging, Traces};
use crate::{Metrics, Stop, Telemetry, metrics, stores, telemetry};

/// Why a program does not begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Stores(#[from] stores::Error),
    #[error(transparent)]
    Telemetry(#[from] telemetry::Error),
    #[error(transparent)]
    Metrics(#[from] metrics::Error),
    #[error("signals can't be watched")]
    Signals(#[source] std::io::Error),
}

/// Looks at what can be looked at without the network. Says which policy it is.
///
/// # Errors
/// [`Error::Telemetry`], [`Error::Stores`].
pub fn check(settings: &stores::Settings) -> Result<String, Error> {
    telemetry::check(&settings.log, &settings.traces)?;
    Ok(stores::check(settings)?)
}

/// What runs around a service's own work, set up for the whole process: logs, traces, metrics, and the signals that end it.
#[derive(Debug)]
pub struct Running {
    pub metrics: Metrics,
    pub stop: Stop,
    telemetry: Telemetry,
}

impl Running {
    /// From now on, for a process that calls itself `service`.
    ///
    /// # Errors
    /// [`Error::Telemetry`], [`Error::Metrics`], [`Error::Signals`].
    pub fn begin(service: &'static str, logging: &Logging, traces: &Traces) -> Result<Self, Error> {
        let telemetry = Telemetry::init(service, logging, traces)?;
        let metrics = Metrics::install()?;
        let stop = Stop::on_signal().map_err(Error::Signals)?;
        Ok(Self { metrics, stop, telemetry })
    }

    /// Sends what was not sent yet.
    pub fn end(self) {
        self.telemetry.finish();
    }
}
