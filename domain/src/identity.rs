//! Who the account's owner is, as the exchange's KYC knows it. Personal data: it is sealed before it reaches an event,
//! and `Debug` does not print it.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

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
