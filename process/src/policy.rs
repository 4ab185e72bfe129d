//! The policy that cases are opened under.

use std::path::PathBuf;
use std::sync::Arc;

use reinstate_domain::policy::{self, shipped};

use crate::settings::{self, given};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the policy {} can't be read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("no policy {0:?} is shipped: exchange and nist-aal2 are")]
    Unknown(String),
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
            None => {
                shipped(&settings.profile).ok_or_else(|| Error::Unknown(settings.profile.clone()))?.to_owned()
            }
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn load(profile: &str) -> Result<Policy, Error> {
        Policy::load(&settings::Policy { profile: profile.to_owned(), file: PathBuf::new() })
    }

    #[test]
    fn a_shipped_policy_is_chosen_by_its_name_and_no_other_name_is_taken_for_one() {
        for (name, described) in [("exchange", "policy exchange 1"), ("nist-aal2", "policy nist-aal2 1")] {
            assert_eq!(load(name).map(|policy| policy.describe()).ok().as_deref(), Some(described));
        }
        assert!(matches!(load("lenient"), Err(Error::Unknown(name)) if name == "lenient"));
    }
}
