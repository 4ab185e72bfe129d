//! Settings of the examinations. Every key is also an environment variable (`REINSTATE_VERIFIER__THREADS`).

use std::path::PathBuf;

use serde::Deserialize;

/// The `[verifier]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The folder of a model bundle; the default bundle from the cache when empty.
    pub models: PathBuf,
    /// Threads that examine, each with networks of its own.
    pub threads: usize,
}
