//! What a command was answered, as far as its events tell. A repeat under the same idempotency key gives this again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Event, NotYet};
use crate::codes::Channel;
use crate::ids::{CaseId, ChallengeId, EvidenceId};

/// The answer to a command, without the resource, which a repeat gives as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Enrolled {
        created: bool,
    },
    PortraitEnrolled,
    Locked {
        new: bool,
    },
    Released,
    Erased,
    Opened {
        case: CaseId,
    },
    NotOpened {
        reason: NotYet,
        until: Timestamp,
    },
    CodeIssued {
        case: CaseId,
        channel: Channel,
        issue: u32,
    },
    EvidenceTaken {
        case: CaseId,
        evidence: EvidenceId,
    },
    ChallengeIssued {
        case: CaseId,
        challenge: ChallengeId,
    },
    /// The reactivation itself is the answer.
    Case {
        case: CaseId,
    },
}

impl Answer {
    /// The answer that these events of one entry stand for; `first` when they are the account's first entry.
    /// The last event that has an answer of its own decides, except that the opening of a case is never hidden by what follows.
    #[must_use]
    pub fn of(events: &[Event], first: bool) -> Option<Self> {
        events.iter().find_map(|event| match event {
            Event::AccountEnrolled(_) => Some(Self::Enrolled { created: first }),
            Event::PortraitEnrolled(_) => Some(Self::PortraitEnrolled),
            Event::AccountLocked(_) => Some(Self::Locked { new: true }),
            Event::AccountReleased(_) => Some(Self::Released),
            Event::PersonalDataErased(_) => Some(Self::Erased),
            Event::ReactivationRequested(e) => Some(Self::Opened { case: e.case }),
            Event::ReactivationRefused(e) => Some(Self::NotOpened { reason: e.reason, until: e.until }),
            Event::CodeIssued(e) => {
                Some(Self::CodeIssued { case: e.case, channel: e.channel, issue: e.issue })
            }
            Event::DocumentSubmitted(e) => Some(Self::EvidenceTaken { case: e.case, evidence: e.evidence }),
            Event::FaceSubmitted(e) => Some(Self::EvidenceTaken { case: e.case, evidence: e.evidence }),
            Event::FaceChallengeIssued(e) => {
                Some(Self::ChallengeIssued { case: e.case, challenge: e.challenge })
            }
            // A lapsed case may be closed in the entry that opens the next one.
            Event::CaseExpired(_) => None,
            other => other.case().map(|case| Self::Case { case }),
        })
    }
}
