//! The public resources, rendered from the state. API types are not events: these may change shape, those may not.

use jiff::Timestamp;
use reinstate_domain::account::event::{CancelledBy, Retry};
use reinstate_domain::account::{Account, Case, CaseStatus, Outcome, Requirement, Status};
use reinstate_domain::entry::Position;
use reinstate_domain::face::Action;
use reinstate_domain::ids::{AccountId, CaseId, ChallengeId};
use reinstate_domain::policy::{Kind, Policy, PolicyRef};
use reinstate_domain::reason::ReasonCode;
use reinstate_store::read_models::{AccountStatus, ReactivationStatus};
use serde::Serialize;
use utoipa::ToSchema;

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Reason {
    #[schema(value_type = String)]
    code: ReasonCode,
    /// Safe to show to the owner.
    text: &'static str,
    /// Whether trying again can help.
    retry: bool,
    /// For reviewers and auditors only.
    #[serde(skip_serializing_if = "Option::is_none")]
    staff_text: Option<&'static str>,
}

impl Reason {
    fn of(code: ReasonCode, staff: bool) -> Self {
        let staff_text = staff.then(|| code.staff_text());
        Self { code, text: code.owner_text(), retry: code.retry(), staff_text }
    }

    fn list(codes: &[ReasonCode], staff: bool) -> Vec<Self> {
        codes.iter().map(|&code| Self::of(code, staff)).collect()
    }
}

/// One proof that the case asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct RequirementResource {
    #[schema(value_type = String)]
    kind: Kind,
    #[schema(value_type = String)]
    status: Status,
    attempts_left: Option<u32>,
    reasons: Vec<Reason>,
    /// What to ask, while the step is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    questions: Option<Vec<Prompt>>,
}

/// A security question as its owner wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Prompt {
    pub(crate) id: String,
    pub(crate) prompt: String,
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ResultResource {
    #[schema(value_type = String)]
    outcome: ReactivationStatus,
    reasons: Vec<Reason>,
    /// Whether trying again makes sense; null when there is nothing to try.
    #[schema(value_type = Option<String>)]
    retry: Option<Retry>,
    #[schema(value_type = Option<String>, format = DateTime)]
    retry_after: Option<Timestamp>,
}

/// Which policy the case follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PolicyResource {
    name: String,
    version: u32,
    #[schema(value_type = String)]
    sha256: reinstate_domain::entry::Hash,
}

impl From<&PolicyRef> for PolicyResource {
    fn from(policy: &PolicyRef) -> Self {
        Self { name: policy.name.clone(), version: policy.version, sha256: policy.sha256 }
    }
}

/// A reactivation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Reactivation {
    #[schema(value_type = String, format = Uuid)]
    pub(crate) id: CaseId,
    #[schema(value_type = String)]
    account: AccountId,
    #[schema(value_type = String)]
    pub(crate) status: ReactivationStatus,
    #[schema(value_type = String, format = DateTime)]
    opened_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    policy: PolicyResource,
    /// What the owner can do now: kinds of requirements, or `submit`.
    next: Vec<&'static str>,
    requirements: Vec<RequirementResource>,
    result: Option<ResultResource>,
    pub(crate) version: u64,
    #[schema(value_type = Option<String>)]
    pub(crate) position: Option<Position>,
}

impl Reactivation {
    /// Whether an owner who waits has something new to see.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        self.status != other.status || self.requirements != other.requirements
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.result.is_some()
    }

    /// Shows the questions where they are asked.
    pub(crate) fn ask(&mut self, prompts: Vec<Prompt>) {
        if let Some(requirement) = self.requirements.iter_mut().find(|r| r.kind == Kind::Questions) {
            requirement.questions = Some(prompts);
        }
    }

    pub(crate) fn asks_questions(&self) -> bool {
        self.requirements.iter().any(|r| r.kind == Kind::Questions && r.status == Status::Open)
    }
}

/// Where a case is read from: the account it belongs to, and the account's entry that last touched it.
pub(crate) struct CaseView<'a> {
    pub(crate) account: &'a AccountId,
    pub(crate) case: &'a Case,
    pub(crate) version: u64,
    pub(crate) position: Option<Position>,
}

/// Renders a case. `staff` opens the second door: texts that only reviewers and auditors read.
pub(crate) fn reactivation(view: &CaseView<'_>, staff: bool) -> Reactivation {
    let case = view.case;
    let requirement = |r: &Requirement| RequirementResource {
        kind: r.kind,
        status: case.status_of(r),
        attempts_left: r.attempts_left,
        reasons: Reason::list(&r.reasons, staff),
        questions: None,
    };
    let mut next: Vec<_> = case.open_kinds().into_iter().map(Kind::as_str).collect();
    if next.is_empty() && case.can_submit() {
        next.push("submit");
    }
    Reactivation {
        id: case.id,
        account: view.account.clone(),
        status: ReactivationStatus::of(case),
        opened_at: case.opened_at,
        expires_at: case.expires_at,
        policy: PolicyResource::from(&case.policy),
        next,
        requirements: case.requirements.iter().map(requirement).collect(),
        result: result(case, staff),
        version: view.version,
        position: view.position,
    }
}

fn result(case: &Case, staff: bool) -> Option<ResultResource> {
    let CaseStatus::Ended(outcome) = &case.status else { return None };
    let (reasons, retry, retry_after) = match outcome {
        Outcome::Reactivated => (Vec::new(), None, None),
        Outcome::Denied { reasons, retry, retry_after } => {
            (Reason::list(reasons, staff), Some(*retry), *retry_after)
        }
        Outcome::Expired => (Reason::list(&[ReasonCode::CaseExpired], staff), Some(Retry::Now), None),
        Outcome::Cancelled { by: CancelledBy::Caller } => (Vec::new(), Some(Retry::Now), None),
        Outcome::Cancelled { by: CancelledBy::Superseded } => {
            (Reason::list(&[ReasonCode::Superseded], staff), None, None)
        }
    };
    Some(ResultResource { outcome: ReactivationStatus::of(case), reasons, retry, retry_after })
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct LockResource {
    reason: String,
    #[schema(value_type = String, format = DateTime)]
    locked_at: Timestamp,
    /// From when it may be reactivated.
    #[schema(value_type = String, format = DateTime)]
    opens_at: Timestamp,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct CaseLink {
    #[schema(value_type = String, format = Uuid)]
    id: CaseId,
    #[schema(value_type = String)]
    status: ReactivationStatus,
}

/// An account.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct AccountResource {
    #[schema(value_type = String)]
    account: AccountId,
    #[schema(value_type = String)]
    status: AccountStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<LockResource>,
    /// The newest reactivation.
    #[serde(skip_serializing_if = "Option::is_none")]
    reactivation: Option<CaseLink>,
    pub(crate) version: u64,
    #[schema(value_type = Option<String>)]
    pub(crate) position: Option<Position>,
}

/// Renders an account; `policy` says how long the cooling-off time is today.
pub(crate) fn account(id: &AccountId, account: &Account, policy: &Policy) -> AccountResource {
    let status = AccountStatus::of(account);
    let lock = account.lock.as_ref().map(|lock| {
        let opens_at = lock.at.checked_add(policy.terms().case.cooling_off).unwrap_or(Timestamp::MAX);
        LockResource { reason: lock.reason.clone(), locked_at: lock.at, opens_at }
    });
    let link = |case: &Case| CaseLink { id: case.id, status: ReactivationStatus::of(case) };
    AccountResource {
        account: id.clone(),
        status,
        lock,
        reactivation: account.case.as_ref().map(link),
        version: account.version,
        position: account.position,
    }
}

/// A code was sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct CodeSent {
    #[schema(value_type = String)]
    pub(crate) channel: reinstate_domain::codes::Channel,
    /// Enough for its owner to recognise, too little for anybody else.
    pub(crate) sent_to: String,
    /// The how-manieth code of this channel.
    pub(crate) issued: u32,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) expires_at: Timestamp,
    /// Before this, asking again is refused.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) resend_at: Timestamp,
}

/// A face challenge.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ChallengeResource {
    #[schema(value_type = String, format = Uuid)]
    pub(crate) id: ChallengeId,
    pub(crate) tips: Vec<&'static str>,
    /// One frame for each, in order: `look_ahead`, `turn_left`, `turn_right`, `look_up`, `look_down`, `close_eyes`. Left and right are
    /// the owner's; frames are not mirrored.
    #[schema(value_type = Vec<String>)]
    pub(crate) actions: Vec<Action>,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) expires_at: Timestamp,
}

/// What the owner reads before the face check; more where the challenge asks for more than to look ahead.
pub(crate) fn tips(actions: &[Action]) -> Vec<&'static str> {
    let always = [
        "Stand in good light, with the light in front of you.",
        "Take off sunglasses, hat and mask.",
        "Hold the camera at the height of your eyes.",
        "Be alone in the picture.",
    ];
    let active = [
        "Take one picture for each instruction, in this order, and keep the camera where it is.",
        "Turn, raise or lower your head by about a third of a right angle, and not further.",
        "Left and right are your own.",
    ];
    let active = active.into_iter().filter(|_| actions.iter().any(|action| *action != Action::LookAhead));
    always.into_iter().chain(active).collect()
}

/// Hides a contact: a phone keeps its first three and last two characters, an e-mail its first letter and its domain.
pub(crate) fn mask(contact: &str) -> String {
    if let Some((local, domain)) = contact.split_once('@') {
        let first: String = local.chars().take(1).collect();
        return format!("{first}•••@{domain}");
    }
    let characters: Vec<char> = contact.chars().collect();
    let head: String = characters.iter().take(3).collect();
    let tail: String = characters.iter().skip(characters.len().saturating_sub(2)).collect();
    format!("{head} ••• {tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_only_looks_ahead_is_not_told_how_to_turn() {
        assert_eq!(tips(&[Action::LookAhead]).len(), 4);
        assert!(tips(&[Action::LookAhead, Action::TurnLeft]).contains(&"Left and right are your own."));
    }

    #[test]
    fn a_masked_contact_keeps_too_little_to_be_used() {
        assert_eq!(mask("+4915112345612"), "+49 ••• 12");
        assert_eq!(mask("erika@example.org"), "e•••@example.org");
    }
}
