//! Settings: the commented defaults that are compiled in, a file, the environment, in this order.

use std::path::{Path, PathBuf};

use config::{Config, Environment, File, FileFormat};
use reinstate_api::KeySettings;
use serde::Deserialize;

const DEFAULTS: &str = include_str!("defaults.toml");

/// The settings can't be used.
#[derive(Debug, thiserror::Error)]
#[error("the settings can't be used")]
pub(crate) struct Error(#[from] config::ConfigError);

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) data: Data,
    pub(crate) api: reinstate_api::Settings,
    pub(crate) auth: KeySettings,
    pub(crate) secrets: Secrets,
    pub(crate) policy: Policy,
    pub(crate) verifier: Verifier,
    pub(crate) courier: Courier,
    pub(crate) log: Log,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Data {
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secrets {
    pub(crate) master_key_file: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    pub(crate) file: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verifier {
    pub(crate) models: PathBuf,
    pub(crate) threads: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Courier {
    pub(crate) outbox: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) level: String,
}

impl Settings {
    /// # Errors
    /// When the file can't be read, a key is unknown, or a value is not of its type. The error names the key.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, Error> {
        let mut builder = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(file) = file {
            builder = builder.add_source(File::from(file).format(FileFormat::Toml));
        }
        let lists = ["auth.backend", "auth.reviewer", "auth.auditor", "auth.operator"];
        let mut environment = Environment::with_prefix("REINSTATE")
            .prefix_separator("_")
            .separator("__")
            .list_separator(",")
            .try_parsing(true);
        for list in lists {
            environment = environment.with_list_parse_key(list);
        }
        // Variables of ours that are no settings (REINSTATE_URL, REINSTATE_CACHE, …) have no section.
        let sectioned =
            std::env::vars().filter(|(name, _)| name.starts_with("REINSTATE_") && name.contains("__"));
        let environment = environment.source(Some(sectioned.collect()));
        Ok(builder.add_source(environment).build()?.try_deserialize()?)
    }
}

/// `None` for a setting that was left empty.
pub(crate) fn given(path: &Path) -> Option<&Path> {
    (!path.as_os_str().is_empty()).then_some(path)
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
