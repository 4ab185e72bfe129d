//! Given a history, when a command comes, then these events or this refusal.

mod journey;
mod laws;

use jiff::{SignedDuration, Timestamp};

use super::event::Risk;
use super::{Account, Command, Context, Decided, Event, Refusal, apply, decide, event};
use crate::codes::{Channel, Code, CodeKey};
use crate::document::DocumentType;
use crate::entry::{Hash, Position};
use crate::evidence::{Decision, Finding};
use crate::ids::{AccountId, CaseId, ChallengeId, EntryId, EvidenceId};
use crate::policy::{EXCHANGE, Policy};
use crate::reason::ReasonCode;
use crate::sealed::{BlobId, Sealed};
use crate::wire::{Actor, Entry};

/// An account whose history grows by commands, with a clock that only moves when told.
pub(super) struct Story {
    pub(super) account: Account,
    pub(super) entries: Vec<(Entry, Hash, Position)>,
    pub(super) now: Timestamp,
    policy: Policy,
    pub(super) key: CodeKey,
    ids: u128,
}

pub(super) const CASE: u128 = 0xca5e;

pub(super) fn case() -> CaseId {
    CaseId::from_uuid(uuid::Uuid::from_u128(CASE))
}

pub(super) fn evidence(n: u128) -> EvidenceId {
    EvidenceId::from_uuid(uuid::Uuid::from_u128(n))
}

pub(super) fn challenge(n: u128) -> ChallengeId {
    ChallengeId::from_uuid(uuid::Uuid::from_u128(n))
}

pub(super) fn blob(n: u8) -> BlobId {
    BlobId::of(&[n])
}

pub(super) fn finding(decision: Decision, reasons: &[ReasonCode]) -> Finding {
    Finding {
        decision,
        reasons: reasons.to_vec(),
        bundle: None,
        models: Vec::new(),
        runtime: "test".into(),
        inputs: Vec::new(),
        scores: [("similarity".to_owned(), 0.5)].into(),
        thresholds: [("match".to_owned(), 0.42)].into(),
        observation: None,
        portrait: Some(blob(9)),
    }
}

impl Story {
    pub(super) fn new() -> Self {
        Self {
            account: Account::default(),
            entries: Vec::new(),
            now: "2026-11-23T12:00:00Z".parse().unwrap(),
            policy: Policy::parse(EXCHANGE).unwrap(),
            key: CodeKey::new("k1".into(), [1; 32]),
            ids: 0,
        }
    }

    /// Enrolled with phone, e-mail, one question and an identity, and locked three hours ago.
    pub(super) fn locked(reason: &str, risk: Option<Risk>) -> Self {
        let mut story = Self::new();
        story.must(enrolment(risk, true));
        let at = story.now.checked_sub(SignedDuration::from_hours(3)).unwrap();
        story.must(Command::Lock { reason: reason.into(), at: Some(at) });
        story
    }

    /// A case that asks for everything, with reminder, codes and questions done.
    pub(super) fn at_the_proofs() -> Self {
        let mut story = Self::locked("suspicious_login", Some(Risk::Low));
        story.must(Command::Request { case: case() });
        story.give_what_is_known();
        story
    }

    pub(super) fn give_what_is_known(&mut self) {
        self.must(Command::AcknowledgeReminder { case: case() });
        for channel in [Channel::Phone, Channel::Email] {
            self.must(Command::IssueCode { case: case(), channel });
        }
        self.must(self.right_codes());
        self.must(Command::Answer { case: case(), correct: true });
    }

    pub(super) fn right_codes(&self) -> Command {
        let code = |channel| Some(self.code(channel));
        Command::Verify { case: case(), phone: code(Channel::Phone), email: code(Channel::Email) }
    }

    /// The newest code of a channel.
    pub(super) fn code(&self, channel: Channel) -> Code {
        let issued = self.account.case.as_ref().and_then(|c| c.requirement(channel.kind())?.code.as_ref());
        self.key.code(case(), channel, issued.map_or(1, |code| code.issue))
    }

    pub(super) fn wrong_code(&self, channel: Channel) -> Code {
        let right = self.code(channel);
        let wrong = ["000000", "000001"].map(|text| Code::parse(text).unwrap());
        wrong.into_iter().find(|code| !code.matches(&right)).unwrap()
    }

    pub(super) fn submit_document(&mut self, n: u128) -> Decided {
        self.when(Command::SubmitDocument(super::decide::SubmittedDocument {
            case: case(),
            evidence: evidence(n),
            document_type: DocumentType::Passport,
            country: "UTO".into(),
            front: blob(1),
            back: None,
        }))
    }

    pub(super) fn submit_face(&mut self, n: u128) -> Decided {
        self.must(Command::IssueChallenge { case: case(), challenge: challenge(n) });
        let frames = vec![blob(2)];
        self.when(Command::SubmitFace {
            case: case(),
            evidence: evidence(n),
            challenge: challenge(n),
            frames,
        })
    }

    pub(super) fn examined(&mut self, n: u128, finding: Finding) -> Decided {
        let is_document =
            self.account.case.as_ref().unwrap().documents.iter().any(|d| d.evidence == evidence(n));
        let evidence = evidence(n);
        self.when(match is_document {
            true => Command::RecordDocument { case: case(), evidence, finding },
            false => Command::RecordFace { case: case(), evidence, finding },
        })
    }

    pub(super) fn later(&mut self, span: SignedDuration) {
        self.now = self.now.checked_add(span).unwrap();
    }

    pub(super) fn decide(&self, command: &Command) -> Decided {
        decide(&self.account, command, Context { now: self.now, policy: &self.policy, code_key: &self.key })
    }

    /// Decides, and writes what was decided.
    pub(super) fn when(&mut self, command: Command) -> Decided {
        let decided = self.decide(&command);
        if !decided.events.is_empty() {
            self.write(decided.events.clone());
        }
        decided
    }

    #[track_caller]
    pub(super) fn must(&mut self, command: Command) {
        let decided = self.when(command);
        assert!(decided.answer.is_ok(), "{:?}", decided.answer);
    }

    #[track_caller]
    pub(super) fn refused(&mut self, command: Command, refusal: &Refusal) {
        let decided = self.when(command);
        assert_eq!(decided.answer.as_ref(), Err(refusal));
    }

    fn write(&mut self, events: Vec<Event>) {
        self.ids += 1;
        let entry = Entry {
            id: EntryId::from_uuid(uuid::Uuid::from_u128(self.ids)),
            account: AccountId::parse("a-1").unwrap(),
            version: self.account.version + 1,
            prev: self.account.head,
            time: self.now,
            actor: Actor::service("test"),
            command: None,
            events,
        };
        let value = crate::wire::encode(&entry).unwrap();
        assert_eq!(crate::wire::decode(&value).unwrap(), entry, "what is stored reads back");
        let position = Position { partition: 0, offset: self.entries.len() as u64 };
        let hash = Hash::of(&value);
        apply(&mut self.account, &entry, hash, position);
        self.entries.push((entry, hash, position));
    }

    #[track_caller]
    pub(super) fn status(&self) -> super::CaseStatus {
        self.account.case.as_ref().unwrap().status.clone()
    }
}

pub(super) fn enrolment(risk: Option<Risk>, identity: bool) -> Command {
    Command::Enrol(super::decide::Enrolment {
        profile: Sealed::from_bytes(vec![1, 2, 3]),
        digest: format!("{risk:?}{identity}"),
        phone: true,
        email: true,
        identity,
        questions: vec!["q1".into()],
        attributes: event::Attributes { country: Some("UTO".into()), risk, tier: None },
    })
}

pub(super) fn hours(n: i64) -> SignedDuration {
    SignedDuration::from_hours(n)
}

pub(super) fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}
