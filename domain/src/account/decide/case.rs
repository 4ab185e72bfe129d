//! Decisions on a case as a whole: its beginning, its submission, its end.

use jiff::{SignedDuration, Timestamp};

use super::{Context, Decided, Refusal, known, live};
use crate::account::case::{Case, CaseStatus, Progress};
use crate::account::event::{
    AccountReactivated, CancelledBy, CaseCancelled, CaseExpired, CaseSubmitted, Event, EvidenceViewed,
    NotYet, ReactivationDenied, ReactivationRefused, ReactivationRequested, RequirementsSet, Retry,
    ReviewDecided, ReviewDecision, ReviewRequested,
};
use crate::account::{Account, Answer};
use crate::ids::{CaseId, EvidenceId};
use crate::reason::ReasonCode;
use crate::sealed::Sealed;

pub(super) fn request(account: &Account, case: CaseId, context: Context<'_>) -> Result<Decided, Refusal> {
    let Context { now, policy, .. } = context;
    known(account)?;
    let lock = account.lock.as_ref().ok_or(Refusal::NotLocked)?;
    let mut events: Vec<Event> = Vec::new();
    if let Some(previous) = &account.case {
        if previous.is_live(now) {
            return Err(Refusal::AlreadyOpen { case: previous.id });
        }
        if previous.has_lapsed(now) {
            events.push(CaseExpired { case: previous.id }.into());
        }
    }
    let terms = policy.terms();
    let opens_at = later(lock.at, terms.case.cooling_off);
    if now < opens_at {
        return Ok(not_yet(account, NotYet::CoolingOff, opens_at));
    }
    if lock.never {
        return Err(Refusal::RetryNever);
    }
    if let Some(retry_after) = lock.retry_after.filter(|&at| now < at) {
        return Ok(not_yet(account, NotYet::RetryLater, retry_after));
    }
    let requirements = policy.requirements(&account.facts().ok_or(Refusal::UnknownAccount)?)?;
    events.push(ReactivationRequested { case }.into());
    let set = RequirementsSet {
        case,
        requirements,
        policy: policy.reference().clone(),
        terms: terms.clone(),
        expires_at: later(now, terms.case.lifetime),
    };
    events.push(set.into());
    Decided::with(events, Answer::Opened { case })
}

/// The refusal is a fact, once.
fn not_yet(account: &Account, reason: NotYet, until: Timestamp) -> Decided {
    let refusal = match reason {
        NotYet::CoolingOff => Refusal::CoolingOff { opens_at: until },
        NotYet::RetryLater => Refusal::RetryLater { retry_after: until },
    };
    let said = account.refused_until == Some(until);
    let events = if said { Vec::new() } else { vec![ReactivationRefused { reason, until }.into()] };
    Decided { events, answer: Err(refusal) }
}

pub(super) fn submit(account: &Account, id: CaseId, now: Timestamp) -> Result<Decided, Refusal> {
    let case = live(account, id, now)?;
    if case.status == CaseStatus::Processing {
        return Decided::nothing(Answer::Case { case: id });
    }
    if !case.can_submit() {
        return Err(Refusal::StepNotOpen { open: case.open_kinds() });
    }
    Decided::with(vec![CaseSubmitted { case: id }.into()], Answer::Case { case: id })
}

pub(super) fn cancel(account: &Account, id: CaseId, now: Timestamp) -> Result<Decided, Refusal> {
    if let Some(CaseStatus::Ended(crate::account::Outcome::Cancelled { .. })) =
        account.case(id).map(|c| &c.status)
    {
        return Decided::nothing(Answer::Case { case: id });
    }
    live(account, id, now)?;
    let event = CaseCancelled { case: id, by: CancelledBy::Caller };
    Decided::with(vec![event.into()], Answer::Case { case: id })
}

pub(super) fn expire(account: &Account, id: CaseId, now: Timestamp) -> Result<Decided, Refusal> {
    let case = account.case(id).ok_or(Refusal::UnknownCase)?;
    let events = if case.has_lapsed(now) { vec![CaseExpired { case: id }.into()] } else { Vec::new() };
    Decided::with(events, Answer::Case { case: id })
}

/// The decision on a submitted case. Nothing is decided while a finding is still to come.
pub(super) fn conclude(account: &Account, id: CaseId, now: Timestamp) -> Result<Decided, Refusal> {
    let case = account.case(id).ok_or(Refusal::UnknownCase)?;
    let answer = Answer::Case { case: id };
    if !matches!(super::super::next_step(account), Some(super::super::Work::Conclude { .. })) {
        return Decided::nothing(answer);
    }
    let failed =
        case.requirements.iter().filter(|r| matches!(r.progress, Progress::Wanted | Progress::Failed));
    let failed: Vec<_> = failed.flat_map(|r| r.reasons.iter().copied()).collect();
    let all_given =
        case.requirements.iter().all(|r| matches!(r.progress, Progress::Passed | Progress::Review));
    if !all_given {
        return Decided::with(vec![deny(account, case, failed, now)], answer);
    }
    let doubts = case.requirements.iter().filter(|r| r.progress == Progress::Review);
    let reasons: Vec<_> = doubts.clone().flat_map(|r| r.reasons.iter().copied()).collect();
    if doubts.count() > 0 {
        return Decided::with(vec![ReviewRequested { case: id, reasons }.into()], answer);
    }
    Decided::with(vec![AccountReactivated { case: id }.into()], answer)
}

/// A denial, with whether trying again makes sense.
pub(super) fn deny(account: &Account, case: &Case, mut reasons: Vec<ReasonCode>, now: Timestamp) -> Event {
    let mut seen = Vec::new();
    reasons.retain(|reason| {
        !seen.contains(reason) && {
            seen.push(*reason);
            true
        }
    });
    let denials = account.lock.as_ref().map_or(0, |lock| lock.denials) + 1;
    let final_reason = |r: &ReasonCode| !r.retry() && *r != ReasonCode::AttemptsExhausted;
    let retry = if denials >= case.terms.case.denials_per_lock || reasons.iter().any(final_reason) {
        Retry::Never
    } else if !reasons.is_empty() && reasons.iter().all(|r| r.is_about_the_picture()) {
        Retry::Now
    } else {
        Retry::Later
    };
    let retry_after = (retry == Retry::Later).then(|| later(now, case.terms.case.retry_after));
    ReactivationDenied { case: case.id, reasons, retry, retry_after }.into()
}

pub(super) fn review(
    account: &Account,
    id: CaseId,
    reviewer: &str,
    decision: ReviewDecision,
    reason: &Sealed,
    now: Timestamp,
) -> Result<Decided, Refusal> {
    let case = account.case(id).ok_or(Refusal::UnknownCase)?;
    if !matches!(case.status, CaseStatus::InReview { .. }) {
        return Err(Refusal::NotInReview);
    }
    let decided = ReviewDecided { case: id, reviewer: reviewer.to_owned(), decision, reason: reason.clone() };
    let outcome = match decision {
        ReviewDecision::Approve => AccountReactivated { case: id }.into(),
        ReviewDecision::Deny => deny(account, case, vec![ReasonCode::ReviewerDenied], now),
    };
    Decided::with(vec![decided.into(), outcome], Answer::Case { case: id })
}

pub(super) fn view(
    account: &Account,
    id: CaseId,
    evidence: EvidenceId,
    part: &str,
    reviewer: &str,
) -> Result<Decided, Refusal> {
    let case = account.case(id).ok_or(Refusal::UnknownCase)?;
    case.image(evidence, part).ok_or(Refusal::UnknownEvidence)?;
    let event = EvidenceViewed { case: id, evidence, part: part.to_owned(), reviewer: reviewer.to_owned() };
    Decided::with(vec![event.into()], Answer::Case { case: id })
}

/// Saturates instead of failing: a policy's span can't push a time past what a timestamp holds.
pub(super) fn later(from: Timestamp, span: SignedDuration) -> Timestamp {
    from.checked_add(span).unwrap_or(Timestamp::MAX)
}
