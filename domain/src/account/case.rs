//! One reactivation, from the request to its outcome.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{CancelledBy, Retry, ReviewDecision};
use crate::codes::Channel;
use crate::document::DocumentType;
use crate::evidence::Finding;
use crate::face::Action;
use crate::ids::{CaseId, ChallengeId, EvidenceId};
use crate::policy::{Kind, PolicyRef, Terms};
use crate::reason::ReasonCode;
use crate::sealed::{BlobId, Sealed};

/// A reactivation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    pub id: CaseId,
    pub opened_at: Timestamp,
    pub expires_at: Timestamp,
    pub policy: PolicyRef,
    pub terms: Terms,
    pub requirements: Vec<Requirement>,
    pub challenge: Option<Challenge>,
    pub documents: Vec<DocumentEvidence>,
    pub faces: Vec<FaceEvidence>,
    pub status: CaseStatus,
    pub review: Option<Review>,
}

/// Where the case stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseStatus {
    Open,
    /// Submitted; the decision follows once every finding is in.
    Processing,
    InReview {
        reasons: Vec<ReasonCode>,
    },
    Ended(Outcome),
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Reactivated,
    Denied { reasons: Vec<ReasonCode>, retry: Retry, retry_after: Option<Timestamp> },
    Expired,
    Cancelled { by: CancelledBy },
}

/// One proof that the case asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    pub kind: Kind,
    pub progress: Progress,
    /// `None` where nothing can fail.
    pub attempts_left: Option<u32>,
    /// Why the last attempt failed, or why a person must look.
    pub reasons: Vec<ReasonCode>,
    /// Codes only.
    pub code: Option<IssuedCode>,
}

/// How far a requirement is. Whether it is open yet depends on the others: [`Case::status_of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    Wanted,
    Processing,
    Passed,
    Review,
    Failed,
}

/// A requirement's status as the contract names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Waiting,
    Open,
    Processing,
    Passed,
    Failed,
    Review,
}

/// The newest code of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedCode {
    pub issue: u32,
    pub key_id: String,
    pub expires_at: Timestamp,
    pub resend_at: Timestamp,
}

/// The newest face challenge. Answered once or never.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    pub id: ChallengeId,
    pub actions: Vec<Action>,
    pub expires_at: Timestamp,
    pub used: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentEvidence {
    pub evidence: EvidenceId,
    pub document_type: DocumentType,
    pub country: String,
    pub front: BlobId,
    pub back: Option<BlobId>,
    pub finding: Option<Finding>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaceEvidence {
    pub evidence: EvidenceId,
    /// What the challenge asked for, and the frame that answers it.
    pub frames: Vec<(Action, BlobId)>,
    pub finding: Option<Finding>,
}

/// What a reviewer decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    pub reviewer: String,
    pub decision: ReviewDecision,
    pub reason: Sealed,
}

impl Requirement {
    /// What is left after one more failed attempt.
    pub(super) fn attempts_after_failure(&self) -> u32 {
        self.attempts_left.unwrap_or(0).saturating_sub(1)
    }

    /// A failed attempt: a proof without attempts left has failed, another opens again.
    pub(super) fn fail(&mut self, reasons: Vec<ReasonCode>, attempts_left: u32) {
        self.reasons = reasons;
        self.attempts_left = Some(attempts_left);
        self.progress = if attempts_left == 0 { Progress::Failed } else { Progress::Wanted };
    }
}

impl Case {
    /// The requirement of this kind, if the case asks for it.
    #[must_use]
    pub fn requirement(&self, kind: Kind) -> Option<&Requirement> {
        self.requirements.iter().find(|r| r.kind == kind)
    }

    pub(super) fn requirement_mut(&mut self, kind: Kind) -> Option<&mut Requirement> {
        self.requirements.iter_mut().find(|r| r.kind == kind)
    }

    /// The contract's status of one of this case's requirements: it waits until all of the stages before it have passed.
    #[must_use]
    pub fn status_of(&self, requirement: &Requirement) -> Status {
        match requirement.progress {
            Progress::Processing => Status::Processing,
            Progress::Passed => Status::Passed,
            Progress::Review => Status::Review,
            Progress::Failed => Status::Failed,
            Progress::Wanted => {
                let stage = requirement.kind.stage();
                let earlier = self.requirements.iter().filter(|r| r.kind.stage() < stage);
                let ready = self.status == CaseStatus::Open
                    && earlier.into_iter().all(|r| r.progress == Progress::Passed);
                if ready { Status::Open } else { Status::Waiting }
            }
        }
    }

    /// The kinds that the owner can give now, in the policy's order.
    #[must_use]
    pub fn open_kinds(&self) -> Vec<Kind> {
        self.requirements.iter().filter(|r| self.status_of(r) == Status::Open).map(|r| r.kind).collect()
    }

    /// Whether the owner may hand the case in: everything was given, and what failed may stand.
    #[must_use]
    pub fn can_submit(&self) -> bool {
        self.status == CaseStatus::Open && self.requirements.iter().all(|r| self.was_given(r))
    }

    /// A proof that failed and opened again was given: the owner may try again, or let it be judged as it is.
    fn was_given(&self, requirement: &Requirement) -> bool {
        match (requirement.progress, requirement.kind) {
            (Progress::Passed | Progress::Review | Progress::Processing | Progress::Failed, _) => true,
            (Progress::Wanted, Kind::Document) => !self.documents.is_empty(),
            (Progress::Wanted, Kind::Face) => !self.faces.is_empty(),
            (Progress::Wanted, _) => false,
        }
    }

    /// One image of a piece of evidence: `front`, `back` or `portrait` of a document, `frame-0` … of a face.
    #[must_use]
    pub fn image(&self, evidence: EvidenceId, part: &str) -> Option<BlobId> {
        if let Some(document) = self.documents.iter().find(|d| d.evidence == evidence) {
            return match part {
                "front" => Some(document.front),
                "back" => document.back,
                "portrait" => document.finding.as_ref().and_then(|finding| finding.portrait),
                _ => None,
            };
        }
        let face = self.faces.iter().find(|f| f.evidence == evidence)?;
        let index: usize = part.strip_prefix("frame-")?.parse().ok()?;
        face.frames.get(index).map(|(_, blob)| *blob)
    }

    /// Whether it has neither ended nor lapsed.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        match self.status {
            CaseStatus::Open => now < self.expires_at,
            CaseStatus::Processing | CaseStatus::InReview { .. } => true,
            CaseStatus::Ended(_) => false,
        }
    }

    /// Whether it is open and its time is over, whether or not an event says so yet.
    #[must_use]
    pub fn has_lapsed(&self, now: Timestamp) -> bool {
        self.status == CaseStatus::Open && now >= self.expires_at
    }
}

impl Channel {
    /// The requirement that a code of this channel satisfies.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Phone => Kind::PhoneCode,
            Self::Email => Kind::EmailCode,
        }
    }
}
