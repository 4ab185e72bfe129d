//! Settings of the interface. Every key is also an environment variable (`REINSTATE_API__LISTEN`).

use serde::Deserialize;

/// The `[api]` and `[auth]` tables.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the interface listens; port 0 picks a free one.
    pub listen: String,
    /// Threads that serve requests.
    pub workers: usize,
}
