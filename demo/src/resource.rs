//! The parts of the contract's resources that a caller looks at (docs/api.md §2 and §3).

use jiff::Timestamp;
use serde::Deserialize;

/// A reactivation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Reactivation {
    pub id: String,
    pub account: String,
    /// `open`, `processing`, `in_review`, `reactivated`, `denied`, `expired` or `cancelled`.
    pub status: String,
    pub next: Vec<String>,
    pub requirements: Vec<Requirement>,
    pub result: Option<Ending>,
    pub version: u64,
    /// Only in the answer that opens it.
    #[serde(default)]
    pub owner_token: Option<String>,
}

/// One proof that it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Requirement {
    pub kind: String,
    /// `waiting`, `open`, `processing`, `passed`, `failed` or `review`.
    pub status: String,
    pub attempts_left: Option<u32>,
    pub reasons: Vec<Reason>,
    /// While the security questions are open.
    #[serde(default)]
    pub questions: Vec<Prompt>,
}

/// A security question as its owner reads it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Prompt {
    pub id: String,
    pub prompt: String,
}

/// Why something failed, safe to show to the owner.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Reason {
    pub code: String,
    pub text: String,
    pub retry: bool,
    /// Only reviewers and auditors are told.
    #[serde(default)]
    pub staff_text: Option<String>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Ending {
    pub outcome: String,
    pub reasons: Vec<Reason>,
    pub retry: Option<String>,
    pub retry_after: Option<Timestamp>,
}

/// A face challenge.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Challenge {
    pub id: String,
    pub tips: Vec<String>,
    /// One frame for each.
    pub actions: Vec<String>,
}

/// The receipt for a code that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CodeSent {
    pub sent_to: String,
    /// The how-manieth code of its channel.
    pub issued: usize,
}

/// The answer when an account can't be reactivated yet.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CoolingOff {
    pub code: String,
    pub opens_at: Timestamp,
}

impl Reactivation {
    /// The requirement of this kind.
    #[must_use]
    pub fn requirement(&self, kind: &str) -> Option<&Requirement> {
        self.requirements.iter().find(|requirement| requirement.kind == kind)
    }

    /// Whether nothing more comes without a person: it ended, or a reviewer has to look.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !matches!(self.status.as_str(), "open" | "processing")
    }
}
