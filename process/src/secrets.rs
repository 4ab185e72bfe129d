//! The master key, and the key for codes that is derived from it.

use reinstate_domain::codes::CodeKey;
use reinstate_domain::entry::Hash;
use reinstate_store::master::{self, Master};

use crate::settings::{Secrets, given};

/// The variable that may hold the master key instead of a file.
const MASTER_KEY: &str = "REINSTATE_MASTER_KEY";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Master(#[from] master::Error),
    #[error("a master key is needed: set secrets.master_key_file or {MASTER_KEY}")]
    Absent,
}

/// The master key, from its file or the environment.
///
/// # Errors
/// [`Error`].
pub fn master(settings: &Secrets) -> Result<Master, Error> {
    match given(&settings.master_key_file) {
        Some(path) => Ok(Master::from_file(path)?),
        None if std::env::var_os(MASTER_KEY).is_some() => Ok(Master::from_env(MASTER_KEY)?),
        None => Err(Error::Absent),
    }
}

/// As [`master`], for development: a file that is not there yet is made.
///
/// # Errors
/// [`Error`].
pub fn master_or_new(settings: &Secrets) -> Result<Master, Error> {
    match given(&settings.master_key_file) {
        Some(path) if !path.exists() => Ok(Master::generate(path)?),
        _ => master(settings),
    }
}

/// Codes name the key that they were derived from by a hash of it, so that a new master key does not reinterpret them.
#[must_use]
pub fn code_key(master: &Master) -> CodeKey {
    let key = *master.code_key().expose();
    let id = Hash::of(&[b"code key id".as_slice(), &key].concat()).to_string();
    CodeKey::new(id.chars().take(12).collect(), key)
}
