//! Decisions: what a command makes of a state, at a time, under a policy. Synchronous and pure. Saying a thing twice yields no
//! second event, and a lapsed thing is refused even before the event that says so.

mod case;
mod proofs;

use jiff::Timestamp;

use super::case::{Case, Status};
use super::event::{
    AccountEnrolled, AccountLocked, AccountReleased, Attributes, CancelledBy, CaseCancelled, Event,
    PersonalDataErased, PortraitEnrolled, ReviewDecision,
};
use super::{Account, Answer};
use crate::codes::{Channel, Code, CodeKey};
use crate::document::DocumentType;
use crate::evidence::Finding;
use crate::ids::{CaseId, ChallengeId, EvidenceId};
use crate::policy::{self, Kind, Policy};
use crate::sealed::{BlobId, Sealed};

/// What is not in the state: the clock's time, the policy for new cases, the key that codes are derived from.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub now: Timestamp,
    pub policy: &'a Policy,
    pub code_key: &'a CodeKey,
}

/// What somebody wants. New ids and everything that was measured or sealed come in with it.
#[derive(Debug, Clone)]
pub enum Command {
    Enrol(Enrolment),
    EnrolPortrait {
        portrait: BlobId,
    },
    Lock {
        reason: String,
        at: Option<Timestamp>,
    },
    Release {
        reason: String,
    },
    Erase,
    Request {
        case: CaseId,
    },
    AcknowledgeReminder {
        case: CaseId,
    },
    IssueCode {
        case: CaseId,
        channel: Channel,
    },
    Verify {
        case: CaseId,
        phone: Option<Code>,
        email: Option<Code>,
    },
    /// The answers were compared at the edge, because Argon2id takes its time; only the verdict comes in.
    Answer {
        case: CaseId,
        correct: bool,
    },
    SubmitDocument(SubmittedDocument),
    IssueChallenge {
        case: CaseId,
        challenge: ChallengeId,
    },
    SubmitFace {
        case: CaseId,
        evidence: EvidenceId,
        challenge: ChallengeId,
        frames: Vec<BlobId>,
    },
    Submit {
        case: CaseId,
    },
    Cancel {
        case: CaseId,
    },
    Review {
        case: CaseId,
        reviewer: String,
        decision: ReviewDecision,
        reason: Sealed,
    },
    View {
        case: CaseId,
        evidence: EvidenceId,
        part: String,
        reviewer: String,
    },
    RecordDocument {
        case: CaseId,
        evidence: EvidenceId,
        finding: Finding,
    },
    RecordFace {
        case: CaseId,
        evidence: EvidenceId,
        finding: Finding,
    },
    Conclude {
        case: CaseId,
    },
    Expire {
        case: CaseId,
    },
}

/// What the exchange enrols, its personal part sealed.
#[derive(Debug, Clone)]
pub struct Enrolment {
    pub profile: Sealed,
    pub digest: String,
    pub phone: bool,
    pub email: bool,
    pub identity: bool,
    pub questions: Vec<String>,
    pub attributes: Attributes,
}

/// A document that the owner handed in, its images stored.
#[derive(Debug, Clone)]
pub struct SubmittedDocument {
    pub case: CaseId,
    pub evidence: EvidenceId,
    pub document_type: DocumentType,
    pub country: String,
    pub front: BlobId,
    pub back: Option<BlobId>,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the account is not known")]
    UnknownAccount,
    #[error("the account's personal data was erased")]
    Erased,
    #[error("the time of the lock is in the future")]
    LockInFuture,
    #[error("the account is not locked")]
    NotLocked,
    #[error("a reactivation is open")]
    AlreadyOpen { case: CaseId },
    #[error("the account was locked too short a while ago")]
    CoolingOff { opens_at: Timestamp },
    #[error("a reactivation was denied and may be tried again later")]
    RetryLater { retry_after: Timestamp },
    #[error("no further reactivation can be opened under this lock")]
    RetryNever,
    #[error("the reactivation is not known")]
    UnknownCase,
    #[error("the time of the reactivation is over")]
    CaseExpired,
    #[error("the reactivation has ended")]
    CaseEnded,
    #[error("the step is not open")]
    StepNotOpen { open: Vec<Kind> },
    #[error("a code was sent a moment ago")]
    TooSoon { resend_at: Timestamp },
    #[error("the type of document is not accepted")]
    DocumentNotAccepted,
    #[error("the challenge is not the newest of this reactivation")]
    UnknownChallenge,
    #[error("the challenge was answered already")]
    ChallengeUsed,
    #[error("the time of the challenge is over")]
    ChallengeExpired,
    #[error("one frame is needed for each action")]
    FrameCount { expected: usize },
    #[error("the reactivation is not in review")]
    NotInReview,
    #[error("the evidence is not known")]
    UnknownEvidence,
    #[error("the policy could not be applied")]
    Policy(String),
}

impl From<policy::Error> for Refusal {
    fn from(error: policy::Error) -> Self {
        Self::Policy(error.to_string())
    }
}

/// The facts that follow from a command, and what the caller is told. A refusal may be a fact too.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    pub events: Vec<Event>,
    pub answer: Result<Answer, Refusal>,
}

impl Decided {
    fn with(events: Vec<Event>, answer: Answer) -> Result<Self, Refusal> {
        Ok(Self { events, answer: Ok(answer) })
    }

    fn nothing(answer: Answer) -> Result<Self, Refusal> {
        Self::with(Vec::new(), answer)
    }
}

/// Decides a command. Refusals that are no facts come with no events.
#[must_use]
pub fn decide(account: &Account, command: &Command, context: Context<'_>) -> Decided {
    // A clock that went back must not open again what the log has seen close.
    let now = account.time.map_or(context.now, |last| last.max(context.now));
    let context = Context { now, ..context };
    judge(account, command, context)
        .unwrap_or_else(|refusal| Decided { events: Vec::new(), answer: Err(refusal) })
}

fn judge(account: &Account, command: &Command, context: Context<'_>) -> Result<Decided, Refusal> {
    match command {
        Command::Enrol(enrolment) => enrol(account, enrolment),
        Command::EnrolPortrait { portrait } => {
            known(account)?;
            if account.portrait == Some(*portrait) {
                return Decided::nothing(Answer::PortraitEnrolled);
            }
            Decided::with(vec![PortraitEnrolled { portrait: *portrait }.into()], Answer::PortraitEnrolled)
        }
        Command::Lock { reason, at } => lock(account, reason, *at, context.now),
        Command::Release { reason } => {
            known(account)?;
            if account.lock.is_none() {
                return Decided::nothing(Answer::Released);
            }
            let mut events = vec![AccountReleased { reason: reason.clone() }.into()];
            events.extend(supersede(account));
            Decided::with(events, Answer::Released)
        }
        Command::Erase => {
            if !account.exists() {
                return Err(Refusal::UnknownAccount);
            }
            if account.erased {
                return Decided::nothing(Answer::Erased);
            }
            let mut events = vec![PersonalDataErased {}.into()];
            events.extend(supersede(account));
            Decided::with(events, Answer::Erased)
        }
        Command::Request { case } => case::request(account, *case, context),
        Command::AcknowledgeReminder { case } => proofs::acknowledge(account, *case, context.now),
        Command::IssueCode { case, channel } => proofs::issue_code(account, *case, *channel, context),
        Command::Verify { case, phone, email } => {
            let entered = [(Channel::Phone, phone), (Channel::Email, email)];
            let entered = entered.iter().filter_map(|(channel, code)| Some((*channel, code.as_ref()?)));
            proofs::verify(account, *case, &entered.collect::<Vec<_>>(), context)
        }
        Command::Answer { case, correct } => proofs::answer(account, *case, *correct, context.now),
        Command::SubmitDocument(submitted) => proofs::submit_document(account, submitted, context.now),
        Command::IssueChallenge { case, challenge } => {
            proofs::issue_challenge(account, *case, *challenge, context)
        }
        Command::SubmitFace { case, evidence, challenge, frames } => {
            proofs::submit_face(account, *case, *evidence, *challenge, frames, context.now)
        }
        Command::Submit { case } => case::submit(account, *case, context.now),
        Command::Cancel { case } => case::cancel(account, *case, context.now),
        Command::Review { case, reviewer, decision, reason } => {
            case::review(account, *case, reviewer, *decision, reason, context.now)
        }
        Command::View { case, evidence, part, reviewer } => {
            case::view(account, *case, *evidence, part, reviewer)
        }
        Command::RecordDocument { case, evidence, finding } => {
            proofs::record(account, *case, *evidence, finding, Kind::Document, context.now)
        }
        Command::RecordFace { case, evidence, finding } => {
            proofs::record(account, *case, *evidence, finding, Kind::Face, context.now)
        }
        Command::Conclude { case } => case::conclude(account, *case, context.now),
        Command::Expire { case } => case::expire(account, *case, context.now),
    }
}

/// The account exists and has a person.
fn known(account: &Account) -> Result<(), Refusal> {
    match account {
        a if a.erased => Err(Refusal::Erased),
        a if a.profile.is_none() => Err(Refusal::UnknownAccount),
        _ => Ok(()),
    }
}

/// The case is the newest, neither ended nor lapsed.
fn live(account: &Account, id: CaseId, now: Timestamp) -> Result<&Case, Refusal> {
    let case = account.case(id).ok_or(Refusal::UnknownCase)?;
    if case.has_lapsed(now) {
        return Err(Refusal::CaseExpired);
    }
    if case.is_live(now) { Ok(case) } else { Err(Refusal::CaseEnded) }
}

/// The case, when it is live and asks for this kind now. For the edge too: evidence for a closed step is not even kept.
///
/// # Errors
/// What `decide` would refuse it with.
pub fn open(account: &Account, id: CaseId, kind: Kind, now: Timestamp) -> Result<&Case, Refusal> {
    let case = live(account, id, now)?;
    match case.requirement(kind) {
        Some(requirement) if case.status_of(requirement) == Status::Open => Ok(case),
        _ => Err(Refusal::StepNotOpen { open: case.open_kinds() }),
    }
}

/// What ends an unfinished case when the account no longer needs it.
fn supersede(account: &Account) -> Option<Event> {
    let case = account.case.as_ref().filter(|case| !matches!(case.status, super::CaseStatus::Ended(_)))?;
    Some(CaseCancelled { case: case.id, by: CancelledBy::Superseded }.into())
}

fn enrol(account: &Account, enrolment: &Enrolment) -> Result<Decided, Refusal> {
    if account.erased {
        return Err(Refusal::Erased);
    }
    if account.profile.as_ref().is_some_and(|profile| profile.digest == enrolment.digest) {
        return Decided::nothing(Answer::Enrolled { created: false });
    }
    let event = AccountEnrolled {
        profile: enrolment.profile.clone(),
        digest: enrolment.digest.clone(),
        phone: enrolment.phone,
        email: enrolment.email,
        identity: enrolment.identity,
        questions: enrolment.questions.clone(),
        attributes: enrolment.attributes.clone(),
    };
    Decided::with(vec![event.into()], Answer::Enrolled { created: !account.exists() })
}

fn lock(account: &Account, reason: &str, at: Option<Timestamp>, now: Timestamp) -> Result<Decided, Refusal> {
    known(account)?;
    let at = at.unwrap_or(now);
    if at > now {
        return Err(Refusal::LockInFuture);
    }
    if account.lock.is_some() {
        return Decided::nothing(Answer::Locked { new: false });
    }
    let event = AccountLocked { reason: reason.to_owned(), at };
    Decided::with(vec![event.into()], Answer::Locked { new: true })
}
