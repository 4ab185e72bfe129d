//! The policy that cases are opened under.

use std::path::PathBuf;
use std::sync::Arc;

use reinstate_domain::policy::{self, EXCHANGE};

use crate::settings::{self, given};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the policy {} can't be read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Invalid(#[from] policy::Error),
}

/// A policy and its text, which is kept for ever under its hash.
#[derive(Debug, Clone)]
pub struct Policy {
    pub text: String,
    pub policy: Arc<policy::Policy>,
}

impl Policy {
    /// Reads the policy that the settings name.
    ///
    /// # Errors
    /// [`Error`].
    pub fn load(settings: &settings::Policy) -> Result<Self, Error> {
        let text = match given(&settings.file) {
            None => EXCHANGE.to_owned(),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|source| Error::Unreadable { path: path.to_owned(), source })?,
        };
        let policy = Arc::new(policy::Policy::parse(&text)?);
        Ok(Self { text, policy })
    }

    /// Its name and version, for a person.
    #[must_use]
    pub fn describe(&self) -> String {
        let reference = self.policy.reference();
        format!("policy {} {}", reference.name, reference.version)
    }
}
