//! Who calls. Keys are configured as SHA-256 and compared in constant time; an owner's token is bound to one reactivation
//! and derived, so nothing of it is stored.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reinstate_domain::ids::CaseId;
use reinstate_domain::wire::Actor;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    Backend,
    Reviewer,
    Auditor,
    Operator,
    Owner,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Reviewer => "reviewer",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
            Self::Owner => "owner",
        }
    }

    /// Reviewers and auditors read scores, thresholds and models.
    pub(crate) fn is_staff(self) -> bool {
        matches!(self, Self::Reviewer | Self::Auditor)
    }
}

struct Key {
    role: Role,
    name: String,
    sha256: [u8; 32],
}

/// The configured keys.
pub struct Keys(Vec<Key>);

/// A configured key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("auth.{role}: entry {index} is not NAME:SHA256 with 64 hex digits")]
    Malformed { role: &'static str, index: usize },
    #[error("no keys are configured; set at least auth.backend to NAME:SHA256 of a key")]
    None,
}

/// Keys by role, each `NAME:SHA256`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeySettings {
    pub backend: Vec<String>,
    pub reviewer: Vec<String>,
    pub auditor: Vec<String>,
    pub operator: Vec<String>,
}

impl Keys {
    /// # Errors
    /// When an entry is not `NAME:SHA256`, or there is none at all: a server that nobody may call refuses to start.
    pub fn new(settings: &KeySettings) -> Result<Self, KeysError> {
        let roles = [
            (Role::Backend, &settings.backend),
            (Role::Reviewer, &settings.reviewer),
            (Role::Auditor, &settings.auditor),
            (Role::Operator, &settings.operator),
        ];
        let mut keys = Vec::new();
        for (role, entries) in roles {
            for (index, entry) in entries.iter().enumerate() {
                let malformed = || KeysError::Malformed { role: role.as_str(), index };
                let (name, hash) = entry.split_once(':').ok_or_else(malformed)?;
                let mut sha256 = [0; 32];
                hex::decode_to_slice(hash.trim(), &mut sha256).map_err(|_| malformed())?;
                keys.push(Key { role, name: name.trim().to_owned(), sha256 });
            }
        }
        if keys.is_empty() { Err(KeysError::None) } else { Ok(Self(keys)) }
    }

    /// Whose key this is.
    pub(crate) fn find(&self, token: &str) -> Option<Caller> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let key = self
            .0
            .iter()
            .fold(None, |found, key| if bool::from(key.sha256.ct_eq(&hash)) { Some(key) } else { found })?;
        Some(Caller { role: key.role, name: key.name.clone(), case: None })
    }
}

/// Derives and checks owners' tokens: `rt_`, the case, and an HMAC of it.
#[derive(Clone)]
pub(crate) struct OwnerTokens([u8; 32]);

impl OwnerTokens {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    fn mac(&self, case: CaseId) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("any key length");
        mac.update(case.as_uuid().as_bytes());
        mac
    }

    pub(crate) fn token(&self, case: CaseId) -> String {
        let tag = self.mac(case).finalize().into_bytes();
        format!("rt_{}_{}", case.as_uuid().simple(), URL_SAFE_NO_PAD.encode(tag))
    }

    /// The owner's case, if this is a token of ours.
    pub(crate) fn find(&self, token: &str) -> Option<Caller> {
        let case = self.case(token)?;
        Some(Caller { role: Role::Owner, name: String::new(), case: Some(case) })
    }

    fn case(&self, token: &str) -> Option<CaseId> {
        let (id, tag) = token.strip_prefix("rt_")?.split_once('_')?;
        let case = CaseId::from_uuid(Uuid::try_parse(id).ok()?);
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        self.mac(case).verify_slice(&tag).ok()?;
        Some(case)
    }
}

/// Whoever calls, recognised.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) role: Role,
    /// The key's name; empty for an owner.
    pub(crate) name: String,
    /// The one case that an owner's token opens.
    pub(crate) case: Option<CaseId>,
}

impl Caller {
    pub(crate) fn actor(&self) -> Actor {
        let name = (!self.name.is_empty()).then(|| self.name.clone());
        Actor { role: self.role.as_str().to_owned(), name }
    }

    /// What keeps two callers' idempotency keys apart.
    pub(crate) fn scope(&self) -> String {
        let case = self.case.map(|case| case.to_string()).unwrap_or_default();
        format!("{}:{}:{case}", self.role.as_str(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(n: u128) -> CaseId {
        CaseId::from_uuid(Uuid::from_u128(n))
    }

    #[test]
    fn an_owners_token_opens_its_own_case_and_no_other() {
        let tokens = OwnerTokens::new([1; 32]);
        let token = tokens.token(case(1));
        assert_eq!(tokens.case(&token), Some(case(1)));
        assert_eq!(OwnerTokens::new([2; 32]).case(&token), None);
        let forged =
            token.replace(&case(1).as_uuid().simple().to_string(), &case(2).as_uuid().simple().to_string());
        assert_eq!(tokens.case(&forged), None);
        for bad in ["", "rt_", "rt_x_y", &token[..token.len() - 1]] {
            assert_eq!(tokens.case(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_server_without_keys_or_with_a_malformed_one_does_not_start() {
        assert!(matches!(Keys::new(&KeySettings::default()), Err(KeysError::None)));
        let bad = KeySettings { backend: vec!["main:abc".into()], ..KeySettings::default() };
        assert!(matches!(Keys::new(&bad), Err(KeysError::Malformed { role: "backend", index: 0 })));
    }

    #[test]
    fn several_keys_of_a_role_are_good_at_the_same_time() {
        let entry = |key: &str| format!("k:{}", hex::encode(Sha256::digest(key.as_bytes())));
        let settings = KeySettings { backend: vec![entry("old"), entry("new")], ..KeySettings::default() };
        let keys = Keys::new(&settings).unwrap();
        assert!(keys.find("old").is_some() && keys.find("new").is_some() && keys.find("other").is_none());
    }
}
