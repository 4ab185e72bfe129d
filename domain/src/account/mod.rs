//! The account: the one consistency boundary. Events → state → `evolve` → `apply` → decisions.

mod answer;
mod case;
pub mod decide;
pub mod event;
mod evolve;
mod next_step;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use answer::Answer;
pub use case::{
    Case, CaseStatus, Challenge, DocumentEvidence, FaceEvidence, IssuedCode, Outcome, Progress, Requirement,
    Status,
};
pub use decide::{Command, Context, Decided, Refusal, decide, open};
pub use event::Event;
pub use evolve::{apply, evolve};
pub use next_step::{Work, next_step};

use crate::entry::{Fingerprint, Hash, Position};
use crate::evidence::Finding;
use crate::ids::{CaseId, EvidenceId};
use crate::policy::Facts;
use crate::sealed::{BlobId, Sealed};

/// How long an idempotency key is remembered (api.md §1).
pub const REMEMBERED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Everything that an account's history says. `Account::default()` is an account without history.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// The account's entry count.
    pub version: u64,
    /// Hash of its newest effective entry.
    pub head: Option<Hash>,
    /// Where that entry stands.
    pub position: Option<Position>,
    /// When it was written. Decisions never go back behind it, even when a clock does.
    pub time: Option<Timestamp>,
    pub profile: Option<Profile>,
    pub portrait: Option<BlobId>,
    pub lock: Option<Lock>,
    pub erased: bool,
    /// The newest case, open or ended.
    pub case: Option<Case>,
    /// Commands of the last 24 hours that came with an idempotency key, by the key's fingerprint.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub remembered: BTreeMap<Hash, Remembered>,
    /// The last refusal to open a case, so that asking again writes nothing new.
    pub refused_until: Option<Timestamp>,
}

/// What was enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    pub sealed: Sealed,
    pub digest: String,
    pub phone: bool,
    pub email: bool,
    pub identity: bool,
    pub questions: Vec<String>,
    pub attributes: event::Attributes,
}

/// A lock in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    pub reason: String,
    pub at: Timestamp,
    /// Denied cases under this lock.
    pub denials: u32,
    /// No case opens before this.
    pub retry_after: Option<Timestamp>,
    /// Only the exchange can help.
    pub never: bool,
}

/// A command that was carried out under an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Fingerprint of the whole request.
    pub request: Hash,
    pub at: Timestamp,
    pub answer: Answer,
}

/// What an earlier use of an idempotency key means for this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recall {
    /// Not used within the last 24 hours.
    New,
    /// The same request: it was carried out, with this answer.
    Replay(Answer),
    /// Used for another request.
    Reused,
}

impl Account {
    /// Whether the exchange ever told us of it.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.version > 0
    }

    /// The case of this id, if it is the newest.
    #[must_use]
    pub fn case(&self, id: CaseId) -> Option<&Case> {
        self.case.as_ref().filter(|case| case.id == id)
    }

    /// Looks up an idempotency key as of `now`.
    #[must_use]
    pub fn recall(&self, fingerprint: &Fingerprint, now: Timestamp) -> Recall {
        match self.remembered.get(&fingerprint.key) {
            Some(r) if now.duration_since(r.at) >= REMEMBERED_FOR => Recall::New,
            Some(r) if r.request == fingerprint.request => Recall::Replay(r.answer.clone()),
            Some(_) => Recall::Reused,
            None => Recall::New,
        }
    }

    /// What a policy may look at. `None` while the account is not enrolled or not locked.
    #[must_use]
    pub fn facts(&self) -> Option<Facts> {
        let (profile, lock) = (self.profile.as_ref()?, self.lock.as_ref()?);
        let attributes = &profile.attributes;
        Some(Facts {
            lock_reason: lock.reason.clone(),
            risk: attributes.risk.map_or_else(String::new, |r| r.as_str().to_owned()),
            country: attributes.country.clone().unwrap_or_default(),
            tier: attributes.tier.clone().unwrap_or_default(),
            phone: profile.phone,
            email: profile.email,
            questions: !profile.questions.is_empty(),
            identity: profile.identity,
            portrait: self.portrait.is_some(),
        })
    }

    /// The finding on a piece of evidence of the newest case, if it is in.
    #[must_use]
    pub fn finding(&self, evidence: EvidenceId) -> Option<&Finding> {
        let case = self.case.as_ref()?;
        let document =
            case.documents.iter().find(|d| d.evidence == evidence).and_then(|d| d.finding.as_ref());
        document
            .or_else(|| case.faces.iter().find(|f| f.evidence == evidence).and_then(|f| f.finding.as_ref()))
    }
}
