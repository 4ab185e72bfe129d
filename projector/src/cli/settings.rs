//! Settings of the projector's own.

use std::path::PathBuf;

use serde::Deserialize;

pub(super) const DEFAULTS: &str = include_str!("../defaults.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Own {
    pub(super) courier: Courier,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Courier {
    /// A folder with one file per message.
    pub(super) outbox: PathBuf,
    /// The file that says how far messages are sent.
    pub(super) position: PathBuf,
}
