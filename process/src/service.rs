//! What the programs have in common from their start to their end. What a service is for stays in the service.

use reinstate_store::{blobs, log::kafka, postgres};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::settings::{self, Logging, Policy, Secrets, Traces};
use crate::{Metrics, Options, Stop, Telemetry, metrics, operations, stores, telemetry};

/// The tables of every service on Kafka and PostgreSQL, beside its own. Their defaults are [`stores::DEFAULTS`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub operations: operations::Settings,
    pub kafka: kafka::Settings,
    pub database: postgres::Settings,
    pub blobs: blobs::Settings,
    pub secrets: Secrets,
    pub policy: Policy,
    pub log: Logging,
    pub traces: Traces,
}

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

impl Settings {
    /// Reads a service's settings: its own, whose defaults these are, and these.
    ///
    /// # Errors
    /// As [`settings::load`].
    pub fn load<Own: DeserializeOwned>(
        defaults: &str,
        options: &Options,
    ) -> Result<(Own, Self), settings::Error> {
        settings::load_in_two(defaults, stores::DEFAULTS, options.config.as_deref())
    }

    /// Looks at what can be looked at without the network. Says which policy it is.
    ///
    /// # Errors
    /// [`Error::Telemetry`], [`Error::Stores`].
    pub fn check(&self) -> Result<String, Error> {
        telemetry::check(&self.log, &self.traces)?;
        Ok(stores::check(self)?)
    }
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
