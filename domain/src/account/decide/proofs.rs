//! Decisions on the proofs of a case.

use jiff::Timestamp;

use super::case::{deny, later};
use super::{Context, Decided, Refusal, SubmittedDocument, live, open};
use crate::account::case::{Case, Requirement, Status};
use crate::account::event::{
    AnswersAccepted, AnswersRejected, CodeAccepted, CodeIssued, CodeRejected, DocumentExamined,
    DocumentSubmitted, Event, FaceChallengeIssued, FaceExamined, FaceSubmitted, ReminderAcknowledged,
};
use crate::account::{Account, Answer};
use crate::codes::{Channel, Code, CodeKey};
use crate::evidence::{Decision, Finding};
use crate::face::sequence;
use crate::ids::{CaseId, ChallengeId, EvidenceId};
use crate::policy::Kind;
use crate::reason::ReasonCode;
use crate::sealed::BlobId;

pub(super) fn acknowledge(account: &Account, id: CaseId, now: Timestamp) -> Result<Decided, Refusal> {
    let case = live(account, id, now)?;
    let said = case.requirement(Kind::Reminder).is_some_and(|r| case.status_of(r) == Status::Passed);
    if said {
        return Decided::nothing(Answer::Case { case: id });
    }
    open(account, id, Kind::Reminder, now)?;
    Decided::with(vec![ReminderAcknowledged { case: id }.into()], Answer::Case { case: id })
}

pub(super) fn issue_code(
    account: &Account,
    id: CaseId,
    channel: Channel,
    context: Context<'_>,
) -> Result<Decided, Refusal> {
    let now = context.now;
    let case = open(account, id, channel.kind(), now)?;
    let previous = case.requirement(channel.kind()).and_then(|r| r.code.as_ref());
    if let Some(code) = previous.filter(|code| now < code.resend_at) {
        return Err(Refusal::TooSoon { resend_at: code.resend_at });
    }
    let issue = previous.map_or(1, |code| code.issue + 1);
    let event = CodeIssued {
        case: id,
        channel,
        issue,
        key_id: context.code_key.id().to_owned(),
        expires_at: later(now, case.terms.codes.lifetime),
        resend_at: later(now, case.terms.codes.resend_after),
    };
    Decided::with(vec![event.into()], Answer::CodeIssued { case: id, channel, issue })
}

/// Each code is judged by itself. Only the newest issue is good, once, and the attempts are counted in the log.
pub(super) fn verify(
    account: &Account,
    id: CaseId,
    entered: &[(Channel, &Code)],
    context: Context<'_>,
) -> Result<Decided, Refusal> {
    let case = live(account, id, context.now)?;
    let mut events: Vec<Event> = Vec::new();
    let mut judged = 0;
    let mut exhausted = None;
    for (channel, code) in entered {
        let requirement = case.requirement(channel.kind());
        let Some(requirement) = requirement.filter(|r| case.status_of(r) == Status::Open) else { continue };
        judged += 1;
        let event = judge_code(case, requirement, *channel, code, context);
        if let Event::CodeRejected(rejected) = &event {
            if rejected.attempts_left == 0 {
                exhausted = Some(rejected.reason);
            }
            // What was not evaluated costs no attempt, and saying it twice is no news.
            if rejected.reason != ReasonCode::CodeWrong && requirement.reasons == [rejected.reason] {
                continue;
            }
        }
        events.push(event);
    }
    if judged == 0 {
        return Err(Refusal::StepNotOpen { open: case.open_kinds() });
    }
    if let Some(reason) = exhausted {
        events.push(exhaust(account, case, vec![reason], context.now));
    }
    Decided::with(events, Answer::Case { case: id })
}

fn judge_code(
    case: &Case,
    requirement: &Requirement,
    channel: Channel,
    entered: &Code,
    context: Context<'_>,
) -> Event {
    let left = requirement.attempts_left.unwrap_or(0);
    let rejected =
        |reason, attempts_left| Event::from(CodeRejected { case: case.id, channel, reason, attempts_left });
    let Some(issued) = &requirement.code else { return rejected(ReasonCode::CodeNotRequested, left) };
    // A code under a key that this server no longer has can't be judged: the owner asks for a new one.
    if context.now >= issued.expires_at || issued.key_id != context.code_key.id() {
        return rejected(ReasonCode::CodeExpired, left);
    }
    if matches(context.code_key, case.id, channel, issued.issue, entered) {
        CodeAccepted { case: case.id, channel, issue: issued.issue }.into()
    } else {
        rejected(ReasonCode::CodeWrong, requirement.attempts_after_failure())
    }
}

/// The last attempt failed, and with it the case.
fn exhaust(account: &Account, case: &Case, mut reasons: Vec<ReasonCode>, now: Timestamp) -> Event {
    reasons.push(ReasonCode::AttemptsExhausted);
    deny(account, case, reasons, now)
}

fn matches(key: &CodeKey, case: CaseId, channel: Channel, issue: u32, entered: &Code) -> bool {
    key.code(case, channel, issue).matches(entered)
}

pub(super) fn answer(
    account: &Account,
    id: CaseId,
    correct: bool,
    now: Timestamp,
) -> Result<Decided, Refusal> {
    let case = open(account, id, Kind::Questions, now)?;
    let answer = Answer::Case { case: id };
    if correct {
        return Decided::with(vec![AnswersAccepted { case: id }.into()], answer);
    }
    let left = case.requirement(Kind::Questions).map_or(0, Requirement::attempts_after_failure);
    let mut events = vec![AnswersRejected { case: id, attempts_left: left }.into()];
    if left == 0 {
        events.push(exhaust(account, case, vec![ReasonCode::AnswersWrong], now));
    }
    Decided::with(events, answer)
}

pub(super) fn submit_document(
    account: &Account,
    submitted: &SubmittedDocument,
    now: Timestamp,
) -> Result<Decided, Refusal> {
    let SubmittedDocument { case: id, evidence, document_type, country, front, back } = submitted;
    let case = open(account, *id, Kind::Document, now)?;
    if !case.terms.document.accepted.contains(document_type) {
        return Err(Refusal::DocumentNotAccepted);
    }
    let event = DocumentSubmitted {
        case: *id,
        evidence: *evidence,
        document_type: *document_type,
        country: country.clone(),
        front: *front,
        back: *back,
    };
    Decided::with(vec![event.into()], Answer::EvidenceTaken { case: *id, evidence: *evidence })
}

pub(super) fn issue_challenge(
    account: &Account,
    id: CaseId,
    challenge: ChallengeId,
    context: Context<'_>,
) -> Result<Decided, Refusal> {
    let case = open(account, id, Kind::Face, context.now)?;
    let terms = &case.terms.face;
    let event = FaceChallengeIssued {
        case: id,
        challenge,
        actions: sequence(&terms.actions, terms.frames, &context.code_key.challenge_seed(challenge)),
        expires_at: later(context.now, terms.challenge_lifetime),
    };
    Decided::with(vec![event.into()], Answer::ChallengeIssued { case: id, challenge })
}

pub(super) fn submit_face(
    account: &Account,
    id: CaseId,
    evidence: EvidenceId,
    challenge: ChallengeId,
    frames: &[BlobId],
    now: Timestamp,
) -> Result<Decided, Refusal> {
    let case = open(account, id, Kind::Face, now)?;
    let issued = case.challenge.as_ref().filter(|c| c.id == challenge).ok_or(Refusal::UnknownChallenge)?;
    if issued.used {
        return Err(Refusal::ChallengeUsed);
    }
    if now >= issued.expires_at {
        return Err(Refusal::ChallengeExpired);
    }
    if frames.len() != issued.actions.len() {
        return Err(Refusal::FrameCount { expected: issued.actions.len() });
    }
    let event = FaceSubmitted { case: id, evidence, challenge, frames: frames.to_vec() };
    Decided::with(vec![event.into()], Answer::EvidenceTaken { case: id, evidence })
}

/// One finding per evidence: a second one, and one that comes after the end, changes nothing.
pub(super) fn record(
    account: &Account,
    id: CaseId,
    evidence: EvidenceId,
    finding: &Finding,
    kind: Kind,
    now: Timestamp,
) -> Result<Decided, Refusal> {
    let case = account.case(id).ok_or(Refusal::UnknownCase)?;
    let answer = Answer::Case { case: id };
    let waiting = match kind {
        Kind::Document => case.documents.iter().any(|d| d.evidence == evidence && d.finding.is_none()),
        _ => case.faces.iter().any(|f| f.evidence == evidence && f.finding.is_none()),
    };
    if !waiting || !(case.is_live(now) || case.has_lapsed(now)) {
        return Decided::nothing(answer);
    }
    let mut finding = finding.clone();
    // Without an identity on file nobody can say whose document it is: a person looks.
    let nobody_to_compare = !account.profile.as_ref().is_some_and(|profile| profile.identity);
    if kind == Kind::Document && finding.decision == Decision::Pass && nobody_to_compare {
        finding.decision = Decision::Review;
    }
    let left = case.requirement(kind).map_or(0, Requirement::attempts_after_failure);
    let exhausted = finding.decision == Decision::Fail && left == 0;
    let reasons = finding.reasons.clone();
    let mut events = vec![match kind {
        Kind::Document => DocumentExamined { case: id, evidence, finding }.into(),
        _ => FaceExamined { case: id, evidence, finding }.into(),
    }];
    if exhausted {
        events.push(exhaust(account, case, reasons, now));
    }
    Decided::with(events, answer)
}
