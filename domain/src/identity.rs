//! Who the account's owner is, as the exchange's KYC knows it. Personal data: it is sealed before it reaches an event
//! (`AccountEnrolled.profile` is [`Person`] as JSON under the account's key), and `Debug` does not print it.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::codes::Channel;

/// The identity on file that a document is compared with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    pub given_names: String,
    pub surname: String,
    pub birth_date: Date,
    /// ISO 3166 alpha-3 or an ICAO 9303 code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nationality: Option<String>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(personal)")
    }
}

/// Everything personal that was enrolled.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    pub contacts: Contacts,
    pub identity: Option<Identity>,
    pub questions: Vec<Question>,
}

/// Where codes are sent.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contacts {
    /// E.164: a plus sign and 7 to 15 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

impl Contacts {
    /// The contact of a channel, if there is one on file.
    #[must_use]
    pub fn of(&self, channel: Channel) -> Option<&str> {
        match channel {
            Channel::Phone => self.phone.as_deref(),
            Channel::Email => self.email.as_deref(),
        }
    }
}

/// A security question.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    pub id: String,
    pub prompt: String,
    /// Argon2id of the normalised answer, as a PHC string.
    pub answer: String,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person(personal)")
    }
}
