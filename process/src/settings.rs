//! Settings: the commented defaults that are compiled in, a file, the environment, in this order.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use config::{Config, File, FileFormat, Map, Value, ValueKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The settings can't be used. The cause names the key and never its value.
#[derive(Debug, thiserror::Error)]
#[error("the settings can't be used")]
pub struct Error(#[from] config::ConfigError);

/// The `[log]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logging {
    /// `error`, `warn`, `info`, `debug`, or a filter such as `warn,reinstate_api=debug`.
    pub level: String,
}

/// The `[traces]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traces {
    /// An OpenTelemetry collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`; none when empty.
    pub endpoint: String,
}

/// The `[secrets]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// 64 hexadecimal digits; when empty, `REINSTATE_MASTER_KEY` in the environment.
    pub master_key_file: PathBuf,
}

/// The `[policy]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// One of the shipped policies, by name: `exchange` or `nist-aal2`.
    pub profile: String,
    /// A policy's TOML instead.
    pub file: PathBuf,
}

/// Reads the settings of a program. `defaults` has every key, so it tells which hold lists; a list in a variable is separated
/// by commas.
///
/// # Errors
/// When the file can't be read, a key is unknown, or a value is not of its type.
pub fn load<T: DeserializeOwned>(defaults: &str, file: Option<&Path>) -> Result<T, Error> {
    load_with(defaults, file, std::env::vars_os())
}

/// As [`load`], in two: the tables that `shared` has defaults for, and the others. A struct that flattens another one can't refuse what it does
/// not know.
///
/// # Errors
/// As [`load`].
pub fn load_in_two<Own: DeserializeOwned, Shared: DeserializeOwned>(
    own: &str,
    shared: &str,
    file: Option<&Path>,
) -> Result<(Own, Shared), Error> {
    let environment = std::env::vars_os();
    load_in_two_with(own, shared, file, environment)
}

fn load_in_two_with<Own: DeserializeOwned, Shared: DeserializeOwned>(
    own: &str,
    shared: &str,
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Own, Shared), Error> {
    let known = Config::builder().add_source(File::from_str(shared, FileFormat::Toml)).build()?;
    let known = known.cache.into_table()?;
    let all = read(&[own, shared].concat(), file, environment)?.cache.into_table()?;
    let (shared, own): (Map<_, _>, Map<_, _>) =
        all.into_iter().partition(|(name, _)| known.contains_key(name));
    let table = |tables| Value::new(None, ValueKind::Table(tables));
    Ok((table(own).try_deserialize()?, table(shared).try_deserialize()?))
}

fn load_with<T: DeserializeOwned>(
    defaults: &str,
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<T, Error> {
    Ok(read(defaults, file, environment)?.try_deserialize()?)
}

fn read(
    defaults: &str,
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Config, Error> {
    let known = Config::builder().add_source(File::from_str(defaults, FileFormat::Toml)).build()?;
    let mut builder = Config::builder().add_source(File::from_str(defaults, FileFormat::Toml));
    if let Some(file) = file {
        builder = builder.add_source(File::from(file).format(FileFormat::Toml));
    }
    for (name, value) in environment {
        let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) else { continue };
        // Variables of ours that are no settings (REINSTATE_URL, REINSTATE_CACHE, …) have no section.
        let Some(key) = name.strip_prefix("REINSTATE_").filter(|key| key.contains("__")) else { continue };
        let key = key.to_lowercase().replace("__", ".");
        // Texts stay texts: a password of digits is no number. Numbers and booleans are read from texts where they belong.
        builder = if known.get_array(&key).is_ok() {
            let items: Vec<_> = value.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
            builder.set_override(key, items)?
        } else {
            builder.set_override(key, value)?
        };
    }
    Ok(builder.build()?)
}

/// `None` for a path that was left empty.
#[must_use]
pub fn given(path: &Path) -> Option<&Path> {
    (!path.as_os_str().is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const DEFAULTS: &str = "[api]\nlisten = \"127.0.0.1:8080\"\nworkers = 2\nkeys = []\npassword = \"\"\n";

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        api: Api,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Api {
        listen: String,
        workers: usize,
        keys: Vec<String>,
        password: String,
    }

    fn from(file: Option<&str>, environment: &[(&str, &str)]) -> Result<Settings, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = file.map(|text| {
            let path = folder.path().join("settings.toml");
            fs::write(&path, text).unwrap();
            path
        });
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        load_with(DEFAULTS, path.as_deref(), environment)
    }

    #[test]
    fn the_environment_overrides_the_file_and_the_file_the_defaults() {
        let settings = from(
            Some("[api]\nlisten = \"127.0.0.1:1\"\nworkers = 3"),
            &[
                ("REINSTATE_API__WORKERS", "4"),
                ("REINSTATE_API__KEYS", "a:1, b:2"),
                ("REINSTATE_URL", "http://none"),
                ("PATH", "/bin"),
            ],
        );
        let api = settings.unwrap().api;
        assert_eq!((api.listen.as_str(), api.workers), ("127.0.0.1:1", 4));
        assert_eq!(api.keys, ["a:1", "b:2"]);
    }

    #[test]
    fn a_password_of_digits_stays_as_it_was_written() {
        let api = from(None, &[("REINSTATE_API__PASSWORD", "0042")]).unwrap().api;
        assert_eq!(api.password, "0042");
    }

    #[test]
    fn an_unknown_key_is_refused_wherever_it_stands() {
        for refused in [from(Some("[api]\nlisen = 1"), &[]), from(None, &[("REINSTATE_API__LISEN", "1")])] {
            assert!(crate::in_one_line(&refused.unwrap_err()).contains("lisen"));
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_names_its_key() {
        let refused = from(None, &[("REINSTATE_API__WORKERS", "many")]).unwrap_err();
        assert!(crate::in_one_line(&refused).contains("api.workers"), "{}", crate::in_one_line(&refused));
    }

    #[test]
    fn tables_that_services_share_are_told_from_their_own_and_both_refuse_what_they_do_not_know() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Shared {
            log: Logging,
        }
        let load = |name: &str, value: &str| {
            let environment = [(name.into(), value.into())];
            load_in_two_with::<Settings, Shared>(DEFAULTS, "[log]\nlevel = \"info\"\n", None, environment)
        };
        let (own, shared) = load("REINSTATE_API__WORKERS", "4").unwrap();
        assert_eq!((own.api.workers, shared.log.level.as_str()), (4, "info"));
        for (name, value, said) in [
            ("REINSTATE_API__LISEN", "x", "lisen"),
            ("REINSTATE_LOG__LEVL", "x", "levl"),
            ("REINSTATE_LOGS__LEVEL", "x", "logs"),
            ("REINSTATE_API__WORKERS", "many", "api.workers"),
        ] {
            let refused = crate::in_one_line(&load(name, value).unwrap_err());
            assert!(refused.contains(said), "{name}: {refused}");
        }
    }
}
