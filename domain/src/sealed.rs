//! Personal data inside an event: ciphertext under the account's own key. Deleting that key erases the person while every
//! hash of the log still verifies. The domain carries it and never opens it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::entry;

/// Nonce and ciphertext as the store's `seal` made them. Base64 in JSON.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sealed(Vec<u8>);

impl Sealed {
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<String> for Sealed {
    type Error = base64::DecodeError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        STANDARD.decode(text).map(Self)
    }
}

impl From<Sealed> for String {
    fn from(sealed: Sealed) -> Self {
        STANDARD.encode(sealed.0)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// A sealed blob, by the sha-256 of its sealed bytes: an auditor checks it without any key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlobId(pub entry::Hash);

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl BlobId {
    /// The address of these sealed bytes.
    #[must_use]
    pub fn of(sealed: &[u8]) -> Self {
        Self(entry::Hash::of(sealed))
    }
}

/// What a seal is bound to, beside its account: a ciphertext that is moved to another place does not open there.
pub mod purpose {
    /// `AccountEnrolled.profile`: [`crate::identity::Person`] as JSON.
    pub const PROFILE: &str = "profile";
    /// `ReviewDecided.reason`: the reviewer's words, UTF-8.
    pub const REVIEW: &str = "review";
    /// `Finding.observation`: what the verifier read and measured, as JSON.
    pub const OBSERVATION: &str = "observation";
}
