//! The facts. **These names are storage**: once written they are only added to; `wire` upcasts what is older.
//!
//! Each struct is the stored shape of its event's newest version, so a field can't be renamed or removed; the golden files
//! under `domain/tests/golden` hold every version for ever.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::codes::Channel;
use crate::document::DocumentType;
use crate::evidence::Finding;
use crate::face::Action;
use crate::ids::{CaseId, ChallengeId, EvidenceId};
use crate::policy::{Asked, PolicyRef, Terms};
use crate::reason::ReasonCode;
use crate::sealed::{BlobId, Sealed};

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident : $ty:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $name { $($(#[$fdoc])* pub $field: $ty,)* }

            impl From<$name> for Event {
                fn from(data: $name) -> Self {
                    Self::$name(Box::new(data))
                }
            }
        )*

        /// One fact of an account's history.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Event {
            $($name(Box<$name>),)*
        }

        impl Event {
            /// The stored names of all types.
            pub const TYPES: &'static [&'static str] = &[$(stringify!($name),)*];

            /// The stored name of this event's type.
            #[must_use]
            pub fn type_name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)* }
            }

            /// The data of the newest version.
            pub(crate) fn to_data(&self) -> Result<serde_json::Value, serde_json::Error> {
                match self { $(Self::$name(data) => serde_json::to_value(data),)* }
            }

            /// Reads the data of the newest version; `None` for a type that this program does not know.
            pub(crate) fn from_data<'de, D: Deserializer<'de>>(name: &str, data: D) -> Option<Result<Self, D::Error>> {
                match name {
                    $(stringify!($name) => {
                        Some(Box::deserialize(data).map(Self::$name))
                    })*
                    _ => None,
                }
            }
        }
    };
}

/// What the exchange knows of an account that a policy may look at. Not personal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attributes {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    Low,
    Medium,
    High,
}

impl Risk {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Why a reactivation was not even opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotYet {
    /// The account was locked too short a while ago.
    CoolingOff,
    /// A case under this lock was denied and may be tried again later.
    RetryLater,
}

/// Whether trying again makes sense after a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    Now,
    Later,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewDecision {
    Approve,
    Deny,
}

/// Why a case ended without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelledBy {
    Caller,
    /// The account was released or erased meanwhile.
    Superseded,
}

events! {
    /// The exchange enrolled the account or changed what it had enrolled.
    AccountEnrolled {
        /// Contacts, identity, questions: JSON under the account's key.
        profile: Sealed,
        /// HMAC of the request under a server key: the same enrolment again writes nothing.
        digest: String,
        phone: bool,
        email: bool,
        identity: bool,
        /// Ids of the questions; prompts and answers are sealed.
        questions: Vec<String>,
        attributes: Attributes,
    }
    /// The face on file, a sealed image.
    PortraitEnrolled { portrait: BlobId, }
    AccountLocked {
        reason: String,
        /// When the exchange locked it; the cooling-off time runs from here.
        at: Timestamp,
    }
    /// The exchange unlocked the account itself.
    AccountReleased { reason: String, }
    /// The account's key is deleted with this event; what it sealed is gone.
    PersonalDataErased {}
    ReactivationRequested { case: CaseId, }
    ReactivationRefused { reason: NotYet, until: Timestamp, }
    RequirementsSet {
        case: CaseId,
        requirements: Vec<Asked>,
        policy: PolicyRef,
        terms: Terms,
        expires_at: Timestamp,
    }
    ReminderAcknowledged { case: CaseId, }
    CodeIssued {
        case: CaseId,
        channel: Channel,
        /// From 1 in each channel of a case; only the newest is good.
        issue: u32,
        key_id: String,
        expires_at: Timestamp,
        resend_at: Timestamp,
    }
    CodeAccepted { case: CaseId, channel: Channel, issue: u32, }
    CodeRejected { case: CaseId, channel: Channel, reason: ReasonCode, attempts_left: u32, }
    AnswersAccepted { case: CaseId, }
    AnswersRejected { case: CaseId, attempts_left: u32, }
    DocumentSubmitted {
        case: CaseId,
        evidence: EvidenceId,
        document_type: DocumentType,
        country: String,
        front: BlobId,
        back: Option<BlobId>,
    }
    DocumentExamined { case: CaseId, evidence: EvidenceId, finding: Finding, }
    FaceChallengeIssued { case: CaseId, challenge: ChallengeId, actions: Vec<Action>, expires_at: Timestamp, }
    FaceSubmitted { case: CaseId, evidence: EvidenceId, challenge: ChallengeId, frames: Vec<BlobId>, }
    FaceExamined { case: CaseId, evidence: EvidenceId, finding: Finding, }
    CaseSubmitted { case: CaseId, }
    ReviewRequested { case: CaseId, reasons: Vec<ReasonCode>, }
    /// A reviewer looked at an image.
    EvidenceViewed { case: CaseId, evidence: EvidenceId, part: String, reviewer: String, }
    ReviewDecided {
        case: CaseId,
        reviewer: String,
        decision: ReviewDecision,
        /// The reviewer's own words, which may name people.
        reason: Sealed,
    }
    AccountReactivated { case: CaseId, }
    ReactivationDenied { case: CaseId, reasons: Vec<ReasonCode>, retry: Retry, retry_after: Option<Timestamp>, }
    CaseExpired { case: CaseId, }
    CaseCancelled { case: CaseId, by: CancelledBy, }
}

impl Event {
    /// The case that the event belongs to, if any.
    #[must_use]
    pub fn case(&self) -> Option<CaseId> {
        match self {
            Self::AccountEnrolled(_)
            | Self::PortraitEnrolled(_)
            | Self::AccountLocked(_)
            | Self::AccountReleased(_)
            | Self::PersonalDataErased(_)
            | Self::ReactivationRefused(_) => None,
            Self::ReactivationRequested(e) => Some(e.case),
            Self::RequirementsSet(e) => Some(e.case),
            Self::ReminderAcknowledged(e) => Some(e.case),
            Self::CodeIssued(e) => Some(e.case),
            Self::CodeAccepted(e) => Some(e.case),
            Self::CodeRejected(e) => Some(e.case),
            Self::AnswersAccepted(e) => Some(e.case),
            Self::AnswersRejected(e) => Some(e.case),
            Self::DocumentSubmitted(e) => Some(e.case),
            Self::DocumentExamined(e) => Some(e.case),
            Self::FaceChallengeIssued(e) => Some(e.case),
            Self::FaceSubmitted(e) => Some(e.case),
            Self::FaceExamined(e) => Some(e.case),
            Self::CaseSubmitted(e) => Some(e.case),
            Self::ReviewRequested(e) => Some(e.case),
            Self::EvidenceViewed(e) => Some(e.case),
            Self::ReviewDecided(e) => Some(e.case),
            Self::AccountReactivated(e) => Some(e.case),
            Self::ReactivationDenied(e) => Some(e.case),
            Self::CaseExpired(e) => Some(e.case),
            Self::CaseCancelled(e) => Some(e.case),
        }
    }
}
