//! State from facts. Total: an event that does not fit (of a case that is not the newest) changes nothing, because what is in
//! the log has happened and no reader may stumble over it.

use jiff::Timestamp;

use super::case::{
    Case, CaseStatus, Challenge, DocumentEvidence, FaceEvidence, IssuedCode, Outcome, Progress, Requirement,
    Review,
};
use super::event::{Event, Retry};
use super::{Account, Answer, Lock, Profile, REMEMBERED_FOR, Remembered};
use crate::entry::{Hash, Position};
use crate::evidence::{Decision, Finding};
use crate::policy::Kind;
use crate::reason::ReasonCode;
use crate::wire::Entry;

/// Folds one **effective** entry into the state. An entry that the state already has changes nothing.
pub fn apply(account: &mut Account, entry: &Entry, hash: Hash, position: Position) {
    if entry.version <= account.version {
        return;
    }
    for event in &entry.events {
        evolve(account, event, entry.time);
    }
    account.remembered.retain(|_, r| entry.time.duration_since(r.at) < REMEMBERED_FOR);
    if let (Some(fingerprint), Some(answer)) = (&entry.command, Answer::of(&entry.events, entry.version == 1))
    {
        let remembered = Remembered { request: fingerprint.request, at: entry.time, answer };
        account.remembered.insert(fingerprint.key, remembered);
    }
    account.version = entry.version;
    account.head = Some(hash);
    account.position = Some(position);
    account.time = Some(account.time.map_or(entry.time, |before| before.max(entry.time)));
}

/// What one fact makes of the state. `at` is the time of its entry.
pub fn evolve(account: &mut Account, event: &Event, at: Timestamp) {
    match event {
        Event::AccountEnrolled(e) => {
            account.profile = Some(Profile {
                sealed: e.profile.clone(),
                digest: e.digest.clone(),
                phone: e.phone,
                email: e.email,
                identity: e.identity,
                questions: e.questions.clone(),
                attributes: e.attributes.clone(),
            });
        }
        Event::PortraitEnrolled(e) => account.portrait = Some(e.portrait),
        Event::AccountLocked(e) => {
            let lock =
                Lock { reason: e.reason.clone(), at: e.at, denials: 0, retry_after: None, never: false };
            account.lock = Some(lock);
            account.refused_until = None;
        }
        Event::AccountReleased(_) => account.lock = None,
        Event::PersonalDataErased(_) => {
            account.erased = true;
            account.profile = None;
            account.portrait = None;
        }
        Event::ReactivationRefused(e) => account.refused_until = Some(e.until),
        Event::RequirementsSet(e) => {
            let requirements = e.requirements.iter().map(|asked| Requirement {
                kind: asked.kind,
                progress: Progress::Wanted,
                attempts_left: e.terms.attempts(asked.kind),
                reasons: Vec::new(),
                code: None,
            });
            account.case = Some(Case {
                id: e.case,
                opened_at: at,
                expires_at: e.expires_at,
                policy: e.policy.clone(),
                requirements: requirements.collect(),
                terms: e.terms.clone(),
                challenge: None,
                documents: Vec::new(),
                faces: Vec::new(),
                status: CaseStatus::Open,
                review: None,
            });
        }
        other => {
            let newest = account.case.as_mut().filter(|case| other.case() == Some(case.id));
            let Some(case) = newest else { return };
            evolve_case(case, other);
            follow_outcome(account, other);
        }
    }
}

/// What the end of a case does to the account.
fn follow_outcome(account: &mut Account, event: &Event) {
    match event {
        Event::AccountReactivated(_) => account.lock = None,
        Event::ReactivationDenied(e) => {
            if let Some(lock) = account.lock.as_mut() {
                lock.denials += 1;
                lock.retry_after = e.retry_after;
                lock.never = e.retry == Retry::Never;
            }
        }
        _ => {}
    }
}

fn evolve_case(case: &mut Case, event: &Event) {
    match event {
        Event::ReminderAcknowledged(_) => pass(case, Kind::Reminder),
        Event::CodeIssued(e) => {
            if let Some(requirement) = case.requirement_mut(e.channel.kind()) {
                requirement.code = Some(IssuedCode {
                    issue: e.issue,
                    key_id: e.key_id.clone(),
                    expires_at: e.expires_at,
                    resend_at: e.resend_at,
                });
                requirement.reasons.clear();
            }
        }
        Event::CodeAccepted(e) => pass(case, e.channel.kind()),
        Event::CodeRejected(e) => {
            if let Some(requirement) = case.requirement_mut(e.channel.kind()) {
                requirement.fail(vec![e.reason], e.attempts_left);
            }
        }
        Event::AnswersAccepted(_) => pass(case, Kind::Questions),
        Event::AnswersRejected(e) => {
            if let Some(requirement) = case.requirement_mut(Kind::Questions) {
                requirement.fail(vec![ReasonCode::AnswersWrong], e.attempts_left);
            }
        }
        Event::DocumentSubmitted(e) => {
            process(case, Kind::Document);
            case.documents.push(DocumentEvidence {
                evidence: e.evidence,
                document_type: e.document_type,
                country: e.country.clone(),
                front: e.front,
                back: e.back,
                finding: None,
            });
        }
        Event::DocumentExamined(e) => {
            let evidence = case.documents.iter_mut().find(|d| d.evidence == e.evidence);
            if let Some(document) = evidence.filter(|d| d.finding.is_none()) {
                document.finding = Some(e.finding.clone());
                judge(case, Kind::Document, &e.finding);
            }
        }
        Event::FaceChallengeIssued(e) => {
            let challenge = Challenge {
                id: e.challenge,
                actions: e.actions.clone(),
                expires_at: e.expires_at,
                used: false,
            };
            case.challenge = Some(challenge);
        }
        Event::FaceSubmitted(e) => {
            process(case, Kind::Face);
            if let Some(challenge) = case.challenge.as_mut().filter(|c| c.id == e.challenge) {
                challenge.used = true;
                let frames = challenge.actions.iter().copied().zip(e.frames.iter().copied()).collect();
                case.faces.push(FaceEvidence { evidence: e.evidence, frames, finding: None });
            }
        }
        Event::FaceExamined(e) => {
            let evidence = case.faces.iter_mut().find(|f| f.evidence == e.evidence);
            if let Some(face) = evidence.filter(|f| f.finding.is_none()) {
                face.finding = Some(e.finding.clone());
                judge(case, Kind::Face, &e.finding);
            }
        }
        Event::CaseSubmitted(_) => case.status = CaseStatus::Processing,
        Event::ReviewRequested(e) => case.status = CaseStatus::InReview { reasons: e.reasons.clone() },
        Event::ReviewDecided(e) => {
            let review =
                Review { reviewer: e.reviewer.clone(), decision: e.decision, reason: e.reason.clone() };
            case.review = Some(review);
        }
        Event::AccountReactivated(_) => case.status = CaseStatus::Ended(Outcome::Reactivated),
        Event::ReactivationDenied(e) => {
            let denied =
                Outcome::Denied { reasons: e.reasons.clone(), retry: e.retry, retry_after: e.retry_after };
            case.status = CaseStatus::Ended(denied);
        }
        Event::CaseExpired(_) => case.status = CaseStatus::Ended(Outcome::Expired),
        Event::CaseCancelled(e) => case.status = CaseStatus::Ended(Outcome::Cancelled { by: e.by }),
        // A look at an image is a fact for the auditor and changes nothing; the rest was handled above.
        Event::EvidenceViewed(_)
        | Event::ReactivationRequested(_)
        | Event::AccountEnrolled(_)
        | Event::PortraitEnrolled(_)
        | Event::AccountLocked(_)
        | Event::AccountReleased(_)
        | Event::PersonalDataErased(_)
        | Event::ReactivationRefused(_)
        | Event::RequirementsSet(_) => {}
    }
}

fn pass(case: &mut Case, kind: Kind) {
    if let Some(requirement) = case.requirement_mut(kind) {
        requirement.progress = Progress::Passed;
        requirement.reasons.clear();
    }
}

fn process(case: &mut Case, kind: Kind) {
    if let Some(requirement) = case.requirement_mut(kind) {
        requirement.progress = Progress::Processing;
        requirement.reasons.clear();
    }
}

/// A failed proof opens again while attempts are left.
fn judge(case: &mut Case, kind: Kind, finding: &Finding) {
    let Some(requirement) = case.requirement_mut(kind) else { return };
    match finding.decision {
        Decision::Pass => requirement.progress = Progress::Passed,
        Decision::Review => requirement.progress = Progress::Review,
        Decision::Fail => {
            return requirement.fail(finding.reasons.clone(), requirement.attempts_after_failure());
        }
    }
    requirement.reasons.clone_from(&finding.reasons);
}
