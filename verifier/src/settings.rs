//! Settings of the examinations. Every key is also an environment variable (`REINSTATE_VERIFIER__THREADS`).

use std::path::PathBuf;

use serde::Deserialize;

/// The `[verifier]` table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The folder of a model bundle; the default bundle from the cache when empty.
    pub models: PathBuf,
    /// Examinations side by side, each in a process of its own.
    pub threads: usize,
    pub containment: Containment,
    /// Mebibytes that one examination may take beyond the networks'.
    pub memory_mib: u64,
    /// CPU seconds that one examination may take.
    pub cpu_seconds: u64,
    /// Seconds that one examination may take, however busy the machine is.
    pub timeout_seconds: u64,
}

/// What happens where the kernel does not know all guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Containment {
    /// Nothing is examined without landlock in full.
    Strict,
    /// The filter of system calls and the limits are always there; landlock as far as the kernel has it.
    BestEffort,
}

impl Default for Settings {
    /// Those of `defaults.toml`.
    fn default() -> Self {
        Self {
            models: PathBuf::new(),
            threads: 1,
            containment: Containment::BestEffort,
            memory_mib: 1024,
            cpu_seconds: 10,
            timeout_seconds: 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_has_the_defaults_that_are_printed() {
        let printed: toml::Table = toml::from_str(include_str!("defaults.toml")).unwrap();
        let settings: Settings = printed["verifier"].clone().try_into().unwrap();
        assert_eq!(settings, Settings::default());
    }
}
