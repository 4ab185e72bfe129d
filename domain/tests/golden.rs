//! Golden files: what was once written is read for ever. A file is never changed; a new version gets a new file.
//! `REINSTATE_WRITE_GOLDEN=1 cargo test -p reinstate-domain --test golden` writes the files that are missing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use reinstate_domain::account::Event;
use reinstate_domain::account::event::*;
use reinstate_domain::codes::Channel;
use reinstate_domain::document::DocumentType;
use reinstate_domain::entry::{Fingerprint, Hash};
use reinstate_domain::evidence::{BundleRef, Decision, Finding, ModelRef};
use reinstate_domain::face::Action;
use reinstate_domain::ids::{AccountId, CaseId, ChallengeId, EntryId, EvidenceId};
use reinstate_domain::policy::{Asked, EXCHANGE, Kind, Policy};
use reinstate_domain::reason::ReasonCode;
use reinstate_domain::sealed::{BlobId, Sealed};
use reinstate_domain::wire::{self, Actor, Entry};
use serde_json::{Value, json};
use uuid::Uuid;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn uuid(n: u128) -> Uuid {
    Uuid::from_u128(0x0190_163d_8694_739b_b01a_0000_0000_0000 + n)
}

fn finding() -> Finding {
    Finding {
        decision: Decision::Review,
        reasons: vec![ReasonCode::FaceUncertain],
        bundle: Some(BundleRef { name: "default".into(), version: "1".into(), sha256: Hash::of(b"bundle") }),
        models: vec![ModelRef {
            role: "face_embedding".into(),
            name: "fr_feature".into(),
            sha256: "87aa".into(),
        }],
        runtime: "onnxruntime 1.24.4".into(),
        inputs: vec![BlobId::of(b"frame")],
        scores: [("similarity_document".to_owned(), 0.375)].into(),
        thresholds: [("match".to_owned(), 0.42)].into(),
        observation: Some(Sealed::from_bytes(vec![1, 2, 3])),
        portrait: Some(BlobId::of(b"portrait")),
    }
}

/// One event of each type, every field filled.
fn samples() -> Vec<Event> {
    let case = CaseId::from_uuid(uuid(1));
    let evidence = EvidenceId::from_uuid(uuid(2));
    let challenge = ChallengeId::from_uuid(uuid(3));
    let at = time("2026-11-23T12:00:00.123Z");
    let policy = Policy::parse(EXCHANGE).unwrap();
    // What a case said of its face check before a policy could name actions and rates.
    let mut terms = policy.terms().clone();
    (terms.face.max_false_match_rate, terms.face.review_false_match_rate) = (None, None);
    let mut reference = policy.reference().clone();
    reference.sha256 = Hash::of(b"policy");
    vec![
        AccountEnrolled {
            profile: Sealed::from_bytes(vec![1, 2, 3]),
            digest: "d1".into(),
            phone: true,
            email: true,
            identity: true,
            questions: vec!["q1".into()],
            attributes: Attributes {
                country: Some("UTO".into()),
                risk: Some(Risk::Medium),
                tier: Some("gold".into()),
            },
        }
        .into(),
        PortraitEnrolled { portrait: BlobId::of(b"portrait") }.into(),
        AccountLocked { reason: "suspicious_login".into(), at }.into(),
        AccountReleased { reason: "support".into() }.into(),
        PersonalDataErased {}.into(),
        ReactivationRequested { case }.into(),
        ReactivationRefused { reason: NotYet::CoolingOff, until: at }.into(),
        RequirementsSet {
            case,
            requirements: vec![Asked { kind: Kind::Reminder, why: "always".into() }],
            policy: reference,
            terms,
            expires_at: at,
        }
        .into(),
        ReminderAcknowledged { case }.into(),
        CodeIssued {
            case,
            channel: Channel::Phone,
            issue: 1,
            key_id: "k1".into(),
            expires_at: at,
            resend_at: at,
        }
        .into(),
        CodeAccepted { case, channel: Channel::Email, issue: 2 }.into(),
        CodeRejected { case, channel: Channel::Phone, reason: ReasonCode::CodeWrong, attempts_left: 4 }
            .into(),
        AnswersAccepted { case }.into(),
        AnswersRejected { case, attempts_left: 2 }.into(),
        DocumentSubmitted {
            case,
            evidence,
            document_type: DocumentType::IdCard,
            country: "UTO".into(),
            front: BlobId::of(b"front"),
            back: Some(BlobId::of(b"back")),
        }
        .into(),
        DocumentExamined { case, evidence, finding: finding() }.into(),
        FaceChallengeIssued { case, challenge, actions: vec![Action::LookAhead], expires_at: at }.into(),
        FaceSubmitted { case, evidence, challenge, frames: vec![BlobId::of(b"frame")] }.into(),
        FaceExamined { case, evidence, finding: finding() }.into(),
        CaseSubmitted { case }.into(),
        ReviewRequested { case, reasons: vec![ReasonCode::FaceUncertain] }.into(),
        EvidenceViewed { case, evidence, part: "front".into(), reviewer: "r1".into() }.into(),
        ReviewDecided {
            case,
            reviewer: "r1".into(),
            decision: ReviewDecision::Approve,
            reason: Sealed::from_bytes(vec![4, 5]),
        }
        .into(),
        AccountReactivated { case }.into(),
        ReactivationDenied {
            case,
            reasons: vec![ReasonCode::FaceMismatch],
            retry: Retry::Later,
            retry_after: Some(at),
        }
        .into(),
        CaseExpired { case }.into(),
        CaseCancelled { case, by: CancelledBy::Superseded }.into(),
    ]
}

/// What was added to a type later, with the name of its golden file. What was written before is read as it was.
fn additions() -> Vec<(&'static str, Event)> {
    let case = CaseId::from_uuid(uuid(1));
    let at = time("2026-11-23T12:00:00.123Z");
    let Some(Event::RequirementsSet(mut asked)) =
        samples().into_iter().find(|event| event.type_name() == "RequirementsSet")
    else {
        panic!("there is a sample");
    };
    asked.terms.face.frames = 3;
    asked.terms.face.actions = vec![Action::LookAhead, Action::TurnLeft, Action::CloseEyes];
    asked.terms.face.max_false_match_rate = Some(0.0001);
    asked.terms.face.review_false_match_rate = Some(0.01);
    let actions = vec![
        Action::LookAhead,
        Action::TurnLeft,
        Action::TurnRight,
        Action::LookUp,
        Action::LookDown,
        Action::CloseEyes,
    ];
    let challenge = ChallengeId::from_uuid(uuid(3));
    vec![
        ("RequirementsSet.v1.challenge", Event::RequirementsSet(asked)),
        (
            "FaceChallengeIssued.v1.challenge",
            FaceChallengeIssued { case, challenge, actions, expires_at: at }.into(),
        ),
    ]
}

fn entry(events: Vec<Event>) -> Entry {
    Entry {
        id: EntryId::from_uuid(uuid(9)),
        account: AccountId::parse("a-1").unwrap(),
        version: 2,
        prev: Some(Hash::of(b"previous")),
        time: time("2026-11-23T12:00:00.123Z"),
        actor: Actor { role: "backend".into(), name: Some("k1".into()) },
        command: Some(Fingerprint { key: Hash::of(b"key"), request: Hash::of(b"request") }),
        events,
    }
}

#[test]
fn every_event_type_is_written_as_its_golden_file_says_and_read_back_from_it() {
    let mut covered = BTreeSet::new();
    let first = samples().into_iter().map(|event| (format!("{}.v1", event.type_name()), event));
    let later = additions().into_iter().map(|(name, event)| (name.to_owned(), event));
    for (name, event) in first.chain(later) {
        covered.insert(event.type_name());
        let written: Value =
            serde_json::from_slice(&wire::encode(&entry(vec![event.clone()])).unwrap()).unwrap();
        let path = folder().join(format!("{name}.json"));
        if std::env::var_os("REINSTATE_WRITE_GOLDEN").is_some() && !path.exists() {
            fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&written).unwrap())).unwrap();
        }
        let golden: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(written, golden, "{name}: what is written changed; give the new shape a new version");
        assert_eq!(wire::decode(golden.to_string().as_bytes()).unwrap().events, [event], "{name}");
    }
    assert_eq!(covered, Event::TYPES.iter().copied().collect(), "every type has a sample");
}

#[test]
fn every_golden_file_is_still_read() {
    let files: Vec<_> = fs::read_dir(folder()).unwrap().map(|f| f.unwrap().path()).collect();
    assert!(files.len() >= Event::TYPES.len());
    for file in files {
        let value = fs::read(&file).unwrap();
        wire::decode(&value).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    }
}

#[test]
fn what_a_newer_program_wrote_is_noticed_and_its_envelope_still_read() {
    let value: Value =
        serde_json::from_slice(&wire::encode(&entry(vec![samples().remove(2)])).unwrap()).unwrap();
    let changed = |change: fn(&mut Value)| {
        let mut value = value.clone();
        change(&mut value);
        value.to_string().into_bytes()
    };
    for bytes in [
        changed(|v| v["events"][0]["type"] = json!("AccountTeleported")),
        changed(|v| v["events"][0]["v"] = json!(2)),
        changed(|v| v["events"][0]["data"]["planet"] = json!("Mars")),
        changed(|v| v["events"][0]["data"] = json!({})),
        changed(|v| v["planet"] = json!("Mars")),
    ] {
        assert!(wire::decode(&bytes).is_err());
        assert_eq!(wire::envelope(&bytes).unwrap().version, 2);
    }
}

#[test]
fn a_field_that_a_newer_program_added_is_noticed_however_deep_it_lies() {
    let examined = samples().into_iter().find(|event| event.type_name() == "FaceExamined").unwrap();
    let value = String::from_utf8(wire::encode(&entry(vec![examined])).unwrap()).unwrap();
    for object in [r#""finding":{"#, r#""bundle":{"#, r#""models":[{"#] {
        let changed = value.replacen(object, &format!(r#"{object}"planet":"Mars","#), 1);
        assert_ne!(changed, value);
        assert!(wire::decode(changed.as_bytes()).is_err(), "{object}");
    }
}
