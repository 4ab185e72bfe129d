//! Settings of the projector.

use std::path::{Path, PathBuf};

use reinstate_process::settings::{self, Logging, Policy, Secrets, Traces};
use reinstate_process::{operations, stores};
use reinstate_store::{blobs, log::kafka, postgres};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) courier: Courier,
    pub(super) operations: operations::Settings,
    pub(super) kafka: kafka::Settings,
    pub(super) database: postgres::Settings,
    pub(super) blobs: blobs::Settings,
    pub(super) secrets: Secrets,
    pub(super) policy: Policy,
    pub(super) log: Logging,
    pub(super) traces: Traces,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Courier {
    /// A folder with one file per message.
    pub(super) outbox: PathBuf,
    /// The file that says how far messages are sent.
    pub(super) position: PathBuf,
}

pub(super) fn defaults() -> String {
    [include_str!("../defaults.toml"), stores::DEFAULTS].concat()
}

impl Settings {
    /// # Errors
    /// As [`settings::load`].
    pub(super) fn load(file: Option<&Path>) -> Result<Self, settings::Error> {
        settings::load(&defaults(), file)
    }

    pub(super) fn stores(&self) -> stores::Settings<'_> {
        stores::Settings {
            kafka: &self.kafka,
            database: &self.database,
            blobs: &self.blobs,
            secrets: &self.secrets,
            policy: &self.policy,
        }
    }
}
