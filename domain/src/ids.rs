//! Identifiers. A value that exists is valid: the only ways in are `parse` and `serde`, and both check.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text is not an identifier of the kind asked for. It carries no copy of the text, which may be personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidId(&'static str);

/// The exchange's own name for an account: 1 to 64 of `[A-Za-z0-9_.:-]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(String);

impl AccountId {
    /// The longest account id, in bytes.
    pub const MAX: usize = 64;

    /// # Errors
    /// [`InvalidId`] when the text is empty, too long, or has a character outside `[A-Za-z0-9_.:-]`.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        Self::check(text)?;
        Ok(Self(text.to_owned()))
    }

    fn check(text: &str) -> Result<(), InvalidId> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.:-".contains(&b);
        if text.is_empty() || text.len() > Self::MAX || !text.bytes().all(allowed) {
            return Err(InvalidId("an account id is 1 to 64 of A-Z a-z 0-9 _ . : -"));
        }
        Ok(())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AccountId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::check(&text)?;
        Ok(Self(text))
    }
}

impl From<AccountId> for String {
    fn from(id: AccountId) -> Self {
        id.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// # Errors
            /// [`InvalidId`] when the text is not a UUID in its hyphenated form.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                if text.len() != 36 {
                    return Err(InvalidId("not a UUID"));
                }
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId("not a UUID"))
            }

            #[must_use]
            pub fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            #[must_use]
            pub fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

uuid_id!(
    /// One entry of the log (UUIDv7). Webhooks carry it, so that a repeat is recognisable.
    EntryId
);
uuid_id!(
    /// One reactivation (UUIDv7).
    CaseId
);
uuid_id!(
    /// One piece of evidence that an owner handed in (UUIDv7).
    EvidenceId
);
uuid_id!(
    /// One face challenge (UUIDv7).
    ChallengeId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_id_is_one_to_sixty_four_of_the_allowed_characters() {
        for good in ["a", "acct_1.x:Y-9", &"x".repeat(64)] {
            assert_eq!(AccountId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "é", "a/b", "a\0", &"x".repeat(65)] {
            assert!(AccountId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn serde_refuses_what_parse_refuses() {
        assert!(serde_json::from_str::<AccountId>("\"a b\"").is_err());
        assert!(serde_json::from_str::<CaseId>("\"nope\"").is_err());
        assert!(
            CaseId::parse("0190163d8694739bb01ac8d9ec58b8a1").is_err(),
            "only the hyphenated form is an id"
        );
    }
}
