//! One-time codes. They are never stored: a code is derived from a server key and what it is for, so that the courier
//! that sends it and the check that judges it compute the same digits.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::face::Seed;
use crate::ids::{CaseId, ChallengeId};

/// Where a code is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Phone,
    Email,
}

impl Channel {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Email => "email",
        }
    }
}

/// Six decimal digits. Does not print, and compares in constant time.
#[derive(Clone)]
pub struct Code([u8; 6]);

/// The text is not six decimal digits. It carries no copy of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code is six decimal digits")]
pub struct InvalidCode;

impl Code {
    /// # Errors
    /// [`InvalidCode`] when the text is anything but six ASCII digits.
    pub fn parse(text: &str) -> Result<Self, InvalidCode> {
        let digits: [u8; 6] = text.as_bytes().try_into().map_err(|_| InvalidCode)?;
        if digits.iter().all(u8::is_ascii_digit) { Ok(Self(digits)) } else { Err(InvalidCode) }
    }

    /// The digits, for the message to the owner and for nothing else.
    #[must_use]
    pub fn reveal(&self) -> String {
        self.0.iter().map(|&b| char::from(b)).collect()
    }

    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(secret)")
    }
}

/// The server's key for codes. Does not print.
#[derive(Clone)]
pub struct CodeKey {
    id: String,
    key: [u8; 32],
}

impl CodeKey {
    /// `id` names the key in events, so that a later key does not reinterpret an earlier code.
    #[must_use]
    pub fn new(id: String, key: [u8; 32]) -> Self {
        Self { id, key }
    }

    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any key length");
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    /// What the order of a face challenge is drawn from: HMAC-SHA256 over the challenge, of another length than what a code is
    /// made of, so that neither says anything about the other.
    #[must_use]
    pub fn challenge_seed(&self, challenge: ChallengeId) -> Seed {
        self.tag(&[b"face challenge", challenge.as_uuid().as_bytes()])
    }

    /// The code of one issue of one channel of one case: HMAC-SHA256 over the three, truncated as RFC 4226 §5.3 does.
    #[must_use]
    pub fn code(&self, case: CaseId, channel: Channel, issue: u32) -> Code {
        let tag = self.tag(&[case.as_uuid().as_bytes(), channel.as_str().as_bytes(), &issue.to_be_bytes()]);
        let at = usize::from(tag[31] & 0x0f);
        let number = u32::from_be_bytes([tag[at] & 0x7f, tag[at + 1], tag[at + 2], tag[at + 3]]) % 1_000_000;
        let mut digits = [b'0'; 6];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit += u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        Code(digits)
    }
}

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodeKey({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> CodeKey {
        CodeKey::new("k1".into(), [7; 32])
    }
    fn case(n: u128) -> CaseId {
        CaseId::from_uuid(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn a_code_belongs_to_one_case_one_channel_and_one_issue() {
        let code = key().code(case(1), Channel::Phone, 1);
        assert!(code.matches(&key().code(case(1), Channel::Phone, 1)));
        for other in [
            key().code(case(2), Channel::Phone, 1),
            key().code(case(1), Channel::Email, 1),
            key().code(case(1), Channel::Phone, 2),
            CodeKey::new("k2".into(), [8; 32]).code(case(1), Channel::Phone, 1),
        ] {
            assert!(!code.matches(&other));
        }
    }

    #[test]
    fn neither_a_code_nor_its_key_prints() {
        let code = key().code(case(1), Channel::Phone, 1);
        assert!(!format!("{code:?}").contains(&code.reveal()));
        assert_eq!(format!("{:?}", key()), "CodeKey(k1)");
    }

    #[test]
    fn codes_spread_over_all_digits() {
        let mut seen = [[false; 10]; 6];
        for n in 0..400 {
            for (place, digit) in key().code(case(n), Channel::Email, 1).reveal().bytes().enumerate() {
                seen[place][usize::from(digit - b'0')] = true;
            }
        }
        assert!(seen.iter().flatten().all(|&s| s));
    }
}
