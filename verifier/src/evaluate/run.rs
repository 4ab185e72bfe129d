//! What was run, so that two runs can be compared.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What makes two runs comparable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// What was evaluated: a file's name, or a plan of drawn photos in words.
    pub subject: String,
    /// Of the manifest's bytes. Photos that are drawn have none: their subject says all.
    pub sha256: Option<String>,
    /// What its author wants a reader to know.
    pub note: Option<String>,
    pub bundle: Bundle,
    /// The day on which documents are in date or not.
    pub today: Date,
    pub jobs: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    pub name: String,
    pub version: String,
    pub sha256: String,
}
