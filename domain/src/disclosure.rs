//! The two doors on every event: what a timeline may show to the exchange's backend, and what it shows to staff besides.
//! Nothing that is sealed passes through either; an image is an address and never bytes.

use serde_json::{Value, json};

use crate::account::Event;
use crate::evidence::Finding;

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The exchange's backend: facts, decisions, reason codes.
    Backend,
    /// Reviewers and auditors: scores, thresholds and models too.
    Staff,
}

/// The part of an event's data that this audience may read.
///
/// # Errors
/// When the event can't be written as JSON (a score that is not a number).
pub fn disclose(event: &Event, audience: Audience) -> Result<Value, serde_json::Error> {
    let staff = audience == Audience::Staff;
    Ok(match event {
        Event::AccountEnrolled(e) => json!({
            "phone": e.phone, "email": e.email, "identity": e.identity,
            "questions": e.questions.len(), "attributes": e.attributes,
        }),
        Event::DocumentExamined(e) => {
            json!({"case": e.case, "evidence": e.evidence, "finding": finding(&e.finding, staff)})
        }
        Event::FaceExamined(e) => {
            json!({"case": e.case, "evidence": e.evidence, "finding": finding(&e.finding, staff)})
        }
        Event::ReviewDecided(e) if staff => {
            json!({"case": e.case, "decision": e.decision, "reviewer": e.reviewer})
        }
        Event::ReviewDecided(e) => json!({"case": e.case, "decision": e.decision}),
        Event::EvidenceViewed(e) if !staff => json!({"case": e.case, "evidence": e.evidence, "part": e.part}),
        Event::PortraitEnrolled(_)
        | Event::AccountLocked(_)
        | Event::AccountReleased(_)
        | Event::PersonalDataErased(_)
        | Event::ReactivationRequested(_)
        | Event::ReactivationRefused(_)
        | Event::RequirementsSet(_)
        | Event::ReminderAcknowledged(_)
        | Event::CodeIssued(_)
        | Event::CodeAccepted(_)
        | Event::CodeRejected(_)
        | Event::AnswersAccepted(_)
        | Event::AnswersRejected(_)
        | Event::DocumentSubmitted(_)
        | Event::FaceChallengeIssued(_)
        | Event::FaceSubmitted(_)
        | Event::CaseSubmitted(_)
        | Event::ReviewRequested(_)
        | Event::EvidenceViewed(_)
        | Event::AccountReactivated(_)
        | Event::ReactivationDenied(_)
        | Event::CaseExpired(_)
        | Event::CaseCancelled(_) => event.to_data()?,
    })
}

fn finding(finding: &Finding, staff: bool) -> Value {
    if !staff {
        return json!({"decision": finding.decision, "reasons": finding.reasons});
    }
    json!({
        "decision": finding.decision,
        "reasons": finding.reasons,
        "bundle": finding.bundle,
        "models": finding.models,
        "runtime": finding.runtime,
        "inputs": finding.inputs,
        "scores": finding.scores,
        "thresholds": finding.thresholds,
        "portrait": finding.portrait,
    })
}
