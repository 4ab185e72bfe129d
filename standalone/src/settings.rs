//! Settings of the whole system in one process.

use std::path::{Path, PathBuf};

use reinstate_api::KeySettings;
use reinstate_process::{operations, settings};
use serde::Deserialize;

pub(crate) const DEFAULTS: &str = include_str!("defaults.toml");

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) data: Data,
    pub(crate) api: reinstate_api::Settings,
    pub(crate) operations: operations::Settings,
    pub(crate) auth: KeySettings,
    pub(crate) secrets: settings::Secrets,
    pub(crate) policy: settings::Policy,
    pub(crate) verifier: reinstate_verifier::Settings,
    pub(crate) courier: Courier,
    pub(crate) log: settings::Logging,
    pub(crate) traces: settings::Traces,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Data {
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Courier {
    pub(crate) outbox: PathBuf,
}

impl Settings {
    /// # Errors
    /// As [`settings::load`].
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, settings::Error> {
        settings::load(DEFAULTS, file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiled_in_defaults_are_complete() {
        let settings = Settings::load(None).unwrap();
        assert_eq!(settings.api.listen, "127.0.0.1:8080");
        assert!(settings.auth.backend.is_empty(), "nobody has a key by default");
    }
}
