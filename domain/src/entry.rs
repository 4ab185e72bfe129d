//! The entries of the log and the one rule that orders them (design §3).
//!
//! > Every entry of an account names the hash of the account's entry that it follows. In partition order, an entry whose
//! > `prev` is the account's current head is effective and becomes the head; any other is void and changes nothing.
//!
//! The rule speaks of the stored bytes and knows nothing of what the events mean, so an entry of a version that this
//! program can't read still takes its place in the chain.

use std::fmt;

use jiff::Timestamp;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::ids::{AccountId, EntryId};

/// SHA-256 of an entry's value bytes, exactly as stored. Hex in JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its digits, on the stack: a row has dozens of hashes.
    fn hex<T>(&self, then: impl FnOnce(&str) -> T) -> T {
        let mut digits = [0; 64];
        #[expect(clippy::expect_used, reason = "two ASCII digits for each of 32 bytes")]
        hex::encode_to_slice(self.0, &mut digits).expect("64 places");
        #[expect(clippy::expect_used, reason = "as above")]
        then(std::str::from_utf8(&digits).expect("ASCII"))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// As they are read: a log has a hash or two in each entry.
        struct Digits;

        impl Visitor<'_> for Digits {
            type Value = Hash;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, digits: &str) -> Result<Hash, E> {
                bytes(digits).map(Hash).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Digits)
    }
}

/// What each byte is worth as a hexadecimal digit; [`NO_DIGIT`] where it is none.
const WORTH: [u8; 256] = {
    let mut worth = [NO_DIGIT; 256];
    let mut n = 0;
    while n < 16 {
        worth[b"0123456789abcdef"[n as usize] as usize] = n;
        worth[b"0123456789ABCDEF"[n as usize] as usize] = n;
        n += 1;
    }
    worth
};

const NO_DIGIT: u8 = 0xf0;

/// The bytes of 64 digits. By a table and without a branch: *hex*, which says what is wrong where something is, compares digit by digit, and
/// that took an audit a sixteenth of its time.
fn bytes(digits: &str) -> Result<[u8; 32], hex::FromHexError> {
    let mut bytes = [0; 32];
    let (pairs, odd) = digits.as_bytes().as_chunks::<2>();
    let mut seen = 0;
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let (high, low) = (WORTH[usize::from(*high)], WORTH[usize::from(*low)]);
        seen |= high | low;
        *byte = high << 4 | low;
    }
    if pairs.len() != bytes.len() || !odd.is_empty() || seen & NO_DIGIT != 0 {
        hex::decode_to_slice(digits, &mut bytes)?;
    }
    Ok(bytes)
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.hex(|digits| serializer.serialize_str(digits))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hex(|digits| f.write_str(digits))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

/// The idempotency key of a request and the request itself, both as HMACs under a server key: what was asked may be personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    pub key: Hash,
    pub request: Hash,
}

/// Where an entry stands in the log. Written `PARTITION:OFFSET`. Offsets of one partition are ordered; two partitions are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Position {
    pub partition: u32,
    /// From 0.
    pub offset: u64,
}

/// The text is not `PARTITION:OFFSET`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a position is PARTITION:OFFSET, two whole numbers")]
pub struct InvalidPosition;

impl Position {
    /// # Errors
    /// [`InvalidPosition`] when the text is anything but two decimal numbers with a colon between.
    pub fn parse(text: &str) -> Result<Self, InvalidPosition> {
        let number = |s: &str| s.bytes().all(|b| b.is_ascii_digit()) && !s.is_empty();
        let (partition, offset) = text.split_once(':').ok_or(InvalidPosition)?;
        if !number(partition) || !number(offset) {
            return Err(InvalidPosition);
        }
        Ok(Self {
            partition: partition.parse().map_err(|_| InvalidPosition)?,
            offset: offset.parse().map_err(|_| InvalidPosition)?,
        })
    }
}

impl TryFrom<String> for Position {
    type Error = InvalidPosition;
    fn try_from(text: String) -> Result<Self, InvalidPosition> {
        Self::parse(&text)
    }
}

impl From<Position> for String {
    fn from(position: Position) -> Self {
        position.to_string()
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.partition, self.offset)
    }
}

/// What every version of an entry has, whatever its events are. Enough for the rule and for the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    pub id: EntryId,
    pub account: AccountId,
    /// The account's entry count with this entry, from 1.
    pub version: u64,
    /// Hash of the account's previous effective entry; `None` for its first.
    pub prev: Option<Hash>,
    pub time: Timestamp,
}

/// The end of an account's chain. `Head::default()` is that of an account without entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub hash: Option<Hash>,
    pub version: u64,
}

/// What the rule makes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// The entry follows the head and is the new one.
    Effective(Head),
    /// The entry changes nothing.
    Void,
}

/// **The rule.** `value` is the entry's bytes as stored, `envelope` what they say, `head` the account's head before it.
/// An entry that follows the head but miscounts its version is void as well: no reader may disagree on a version.
#[must_use]
pub fn rule(head: Head, envelope: &Envelope, value: &[u8]) -> Ruling {
    if envelope.prev == head.hash && envelope.version == head.version + 1 {
        Ruling::Effective(Head { hash: Some(Hash::of(value)), version: envelope.version })
    } else {
        Ruling::Void
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_sixty_four_digits_in_either_case() {
        let hash = Hash::of(b"x");
        let parse = |digits: &str| serde_json::from_value::<Hash>(digits.into());
        assert_eq!(parse(&hash.to_string()).unwrap(), hash);
        assert_eq!(parse(&hash.to_string().to_uppercase()).unwrap(), hash);
        for byte in 0..=127_u8 {
            for place in [0, 31, 63] {
                let mut digits = hash.to_string().into_bytes();
                digits[place] = byte;
                let digits = String::from_utf8(digits).unwrap();
                let expected: Option<[u8; 32]> =
                    hex::decode(&digits).ok().and_then(|bytes| bytes.try_into().ok());
                assert_eq!(parse(&digits).ok().map(|hash| *hash.as_bytes()), expected, "{digits}");
            }
        }
        for wrong in
            ["", "0", &hash.to_string()[1..], &format!("{hash}0"), &format!("{hash}00"), &"é".repeat(32)]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
