//! The next piece of work that an account's case names. A worker does it and records what came back.

use super::Account;
use super::case::{CaseStatus, Progress};
use crate::document::DocumentType;
use crate::face::Action;
use crate::ids::{CaseId, EvidenceId};
use crate::policy::Kind;
use crate::sealed::BlobId;

/// Work for the verifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    ExamineDocument {
        case: CaseId,
        evidence: EvidenceId,
        document_type: DocumentType,
        country: String,
        front: BlobId,
        back: Option<BlobId>,
    },
    ExamineFace {
        case: CaseId,
        evidence: EvidenceId,
        frames: Vec<(Action, BlobId)>,
        /// The portrait that was cut from the document of this case.
        document_portrait: Option<BlobId>,
        portrait_on_file: Option<BlobId>,
    },
    /// Every finding that can come is in: the submitted case wants its decision.
    Conclude { case: CaseId },
}

/// The next piece of work, or `None` when the case waits for a person or has ended.
#[must_use]
pub fn next_step(account: &Account) -> Option<Work> {
    let case = account.case.as_ref()?;
    if !matches!(case.status, CaseStatus::Open | CaseStatus::Processing) {
        return None;
    }
    if let Some(document) = case.documents.iter().find(|d| d.finding.is_none()) {
        return Some(Work::ExamineDocument {
            case: case.id,
            evidence: document.evidence,
            document_type: document.document_type,
            country: document.country.clone(),
            front: document.front,
            back: document.back,
        });
    }
    let document = case.requirement(Kind::Document).map(|r| r.progress);
    let document_is_settled =
        !matches!(document, Some(Progress::Wanted | Progress::Processing | Progress::Failed));
    if document_is_settled && let Some(face) = case.faces.iter().find(|f| f.finding.is_none()) {
        let examined = case.documents.iter().rev().find_map(|d| d.finding.as_ref());
        return Some(Work::ExamineFace {
            case: case.id,
            evidence: face.evidence,
            frames: face.frames.clone(),
            document_portrait: examined.and_then(|finding| finding.portrait),
            portrait_on_file: account.portrait,
        });
    }
    // A face that waits for a document which failed after the case was handed in will never be looked at.
    (case.status == CaseStatus::Processing).then_some(Work::Conclude { case: case.id })
}
