use std::collections::BTreeSet;

use super::*;
use crate::account::event::{NotYet, Retry, ReviewDecision};
use crate::account::{CaseStatus, Outcome, Status, Work, next_step};
use crate::face::{Action, sequence};
use crate::policy::Kind;

fn pass() -> Finding {
    finding(Decision::Pass, &[])
}

fn denied(status: &CaseStatus) -> (&[ReasonCode], Retry) {
    match status {
        CaseStatus::Ended(Outcome::Denied { reasons, retry, .. }) => (reasons, *retry),
        other => panic!("not denied: {other:?}"),
    }
}

#[test]
fn an_owner_who_gives_every_proof_gets_the_account_back() {
    let mut story = Story::at_the_proofs();
    story.submit_document(1).answer.unwrap();
    story.submit_face(2).answer.unwrap();
    assert!(matches!(next_step(&story.account), Some(Work::ExamineDocument { .. })));
    story.examined(1, pass());
    assert!(matches!(
        next_step(&story.account),
        Some(Work::ExamineFace { document_portrait: Some(p), .. }) if p == blob(9)
    ));
    story.examined(2, pass());
    assert_eq!(next_step(&story.account), None, "the owner has not handed it in yet");
    story.must(Command::Submit { case: case() });
    assert_eq!(story.status(), CaseStatus::Processing);
    assert_eq!(next_step(&story.account), Some(Work::Conclude { case: case() }));
    story.must(Command::Conclude { case: case() });
    assert_eq!(story.status(), CaseStatus::Ended(Outcome::Reactivated));
    assert!(story.account.lock.is_none());
}

#[test]
fn an_account_locked_less_than_two_hours_ago_is_told_when_it_opens() {
    let mut story = Story::new();
    story.must(enrolment(None, true));
    story.must(Command::Lock { reason: "compliance".into(), at: None });
    let opens_at = story.now.checked_add(hours(2)).unwrap();
    let first = story.when(Command::Request { case: case() });
    assert_eq!(first.answer, Err(Refusal::CoolingOff { opens_at }));
    let refused = event::ReactivationRefused { reason: NotYet::CoolingOff, until: opens_at };
    assert_eq!(first.events, [refused.into()]);
    assert!(story.when(Command::Request { case: case() }).events.is_empty(), "the same refusal is no news");
    story.later(hours(2));
    story.must(Command::Request { case: case() });
}

#[test]
fn a_lock_can_not_be_in_the_future() {
    let mut story = Story::new();
    story.must(enrolment(None, true));
    let at = story.now.checked_add(minutes(1)).unwrap();
    story.refused(Command::Lock { reason: "compliance".into(), at: Some(at) }, &Refusal::LockInFuture);
}

#[test]
fn locking_a_locked_account_writes_nothing() {
    let mut story = Story::locked("compliance", None);
    let again = story.when(Command::Lock { reason: "owner_request".into(), at: None });
    assert!(again.events.is_empty() && again.answer.is_ok());
}

#[test]
fn steps_open_stage_by_stage() {
    let mut story = Story::locked("compliance", None);
    story.must(Command::Request { case: case() });
    let open = |story: &Story| story.account.case.as_ref().unwrap().open_kinds();
    assert_eq!(open(&story), [Kind::Reminder]);
    let early = Command::IssueCode { case: case(), channel: Channel::Phone };
    story.refused(early, &Refusal::StepNotOpen { open: vec![Kind::Reminder] });
    story.must(Command::AcknowledgeReminder { case: case() });
    assert_eq!(open(&story), [Kind::PhoneCode, Kind::EmailCode]);
    for channel in [Channel::Phone, Channel::Email] {
        story.must(Command::IssueCode { case: case(), channel });
    }
    story.must(story.right_codes());
    assert_eq!(open(&story), [Kind::Questions, Kind::Document, Kind::Face]);
    let open = vec![Kind::Questions, Kind::Document, Kind::Face];
    story.refused(Command::Submit { case: case() }, &Refusal::StepNotOpen { open });
}

#[test]
fn a_fifth_wrong_code_ends_the_channel_and_the_right_one_after_it_is_refused() {
    let mut story = Story::locked("owner_request", Some(Risk::Low));
    story.must(Command::Request { case: case() });
    story.must(Command::AcknowledgeReminder { case: case() });
    story.must(Command::IssueCode { case: case(), channel: Channel::Phone });
    for _ in 0..5 {
        story.must(Command::Verify {
            case: case(),
            phone: Some(story.wrong_code(Channel::Phone)),
            email: None,
        });
    }
    let (reasons, retry) = (ReasonCode::AttemptsExhausted, Retry::Later);
    let status = story.status();
    assert!(denied(&status).0.contains(&reasons) && denied(&status).1 == retry);
    let right = Command::Verify { case: case(), phone: Some(story.code(Channel::Phone)), email: None };
    story.refused(right, &Refusal::CaseEnded);
}

#[test]
fn asking_for_a_new_code_neither_resets_the_attempts_nor_keeps_the_old_one_good() {
    let mut story = Story::locked("owner_request", Some(Risk::Low));
    story.must(Command::Request { case: case() });
    story.must(Command::AcknowledgeReminder { case: case() });
    story.must(Command::IssueCode { case: case(), channel: Channel::Phone });
    let old = story.code(Channel::Phone);
    let again = Command::IssueCode { case: case(), channel: Channel::Phone };
    let resend_at = story.now.checked_add(minutes(1)).unwrap();
    story.refused(again.clone(), &Refusal::TooSoon { resend_at });
    story.later(minutes(1));
    story.must(again);
    story.must(Command::Verify { case: case(), phone: Some(old), email: None });
    let case = story.account.case.as_ref().unwrap();
    let phone = case.requirement(Kind::PhoneCode).unwrap();
    assert_eq!(
        (phone.attempts_left, phone.reasons.as_slice()),
        (Some(4), [ReasonCode::CodeWrong].as_slice())
    );
}

#[test]
fn a_code_is_good_for_thirty_minutes_and_not_a_moment_longer() {
    for (after, accepted) in [(minutes(30) - SignedDuration::from_millis(1), true), (minutes(30), false)] {
        let mut story = Story::locked("owner_request", Some(Risk::Low));
        story.must(Command::Request { case: case() });
        story.must(Command::AcknowledgeReminder { case: case() });
        story.must(Command::IssueCode { case: case(), channel: Channel::Phone });
        story.later(after);
        story.must(Command::Verify { case: case(), phone: Some(story.code(Channel::Phone)), email: None });
        let case = story.account.case.as_ref().unwrap();
        let phone = case.requirement(Kind::PhoneCode).unwrap();
        assert_eq!(case.status_of(phone) == Status::Passed, accepted);
        assert_eq!(phone.attempts_left, Some(5), "what is not evaluated costs no attempt");
    }
}

#[test]
fn a_clock_that_goes_back_does_not_open_an_expired_code_again() {
    let mut story = Story::locked("owner_request", Some(Risk::Low));
    story.must(Command::Request { case: case() });
    story.must(Command::AcknowledgeReminder { case: case() });
    story.must(Command::IssueCode { case: case(), channel: Channel::Phone });
    let then = story.now;
    story.later(minutes(31));
    story.must(Command::IssueCode { case: case(), channel: Channel::Email });
    story.now = then;
    story.must(Command::Verify { case: case(), phone: Some(story.code(Channel::Phone)), email: None });
    let case = story.account.case.as_ref().unwrap();
    assert_eq!(case.requirement(Kind::PhoneCode).unwrap().reasons, [ReasonCode::CodeExpired]);
}

#[test]
fn a_code_that_was_used_is_not_taken_again() {
    let mut story = Story::at_the_proofs();
    let open = vec![Kind::Document, Kind::Face];
    story.refused(story.right_codes(), &Refusal::StepNotOpen { open });
}

#[test]
fn a_code_before_any_was_asked_for_costs_no_attempt_and_is_said_once() {
    let mut story = Story::locked("owner_request", Some(Risk::Low));
    story.must(Command::Request { case: case() });
    story.must(Command::AcknowledgeReminder { case: case() });
    let early = Command::Verify { case: case(), phone: Some(story.code(Channel::Phone)), email: None };
    assert_eq!(story.when(early.clone()).events.len(), 1);
    assert_eq!(story.when(early).events.len(), 0);
    let case = story.account.case.as_ref().unwrap();
    let phone = case.requirement(Kind::PhoneCode).unwrap();
    assert_eq!((phone.attempts_left, phone.reasons[0]), (Some(5), ReasonCode::CodeNotRequested));
}

#[test]
fn a_bad_photo_opens_the_step_again_while_attempts_are_left_and_then_ends_the_case() {
    let mut story = Story::at_the_proofs();
    for left in [2, 1] {
        story.submit_document(u128::from(left)).answer.unwrap();
        story.examined(u128::from(left), finding(Decision::Fail, &[ReasonCode::DocumentBlurred]));
        let case = story.account.case.as_ref().unwrap();
        let document = case.requirement(Kind::Document).unwrap();
        assert_eq!((case.status_of(document), document.attempts_left), (Status::Open, Some(left)));
        assert_eq!(document.reasons, [ReasonCode::DocumentBlurred]);
    }
    story.submit_document(9).answer.unwrap();
    story.examined(9, finding(Decision::Fail, &[ReasonCode::DocumentBlurred]));
    assert_eq!(
        denied(&story.status()),
        (&[ReasonCode::DocumentBlurred, ReasonCode::AttemptsExhausted][..], Retry::Later)
    );
}

#[test]
fn what_was_handed_in_and_fails_is_denied_with_the_reason() {
    let mut story = Story::at_the_proofs();
    story.submit_document(1).answer.unwrap();
    story.submit_face(2).answer.unwrap();
    story.must(Command::Submit { case: case() });
    story.examined(1, pass());
    story.examined(2, finding(Decision::Fail, &[ReasonCode::FaceMismatch]));
    story.must(Command::Conclude { case: case() });
    assert_eq!(denied(&story.status()), (&[ReasonCode::FaceMismatch][..], Retry::Later));
    assert!(story.account.lock.is_some());
    story.later(hours(1));
    assert!(matches!(story.when(Command::Request { case: case() }).answer, Err(Refusal::RetryLater { .. })));
    story.later(hours(23));
    story.must(Command::Request { case: case() });
}

#[test]
fn a_face_that_waits_for_a_document_which_failed_after_submission_does_not_hold_the_decision() {
    let mut story = Story::at_the_proofs();
    story.submit_document(1).answer.unwrap();
    story.submit_face(2).answer.unwrap();
    story.must(Command::Submit { case: case() });
    story.examined(1, finding(Decision::Fail, &[ReasonCode::DocumentCheckDigitFailed]));
    assert_eq!(next_step(&story.account), Some(Work::Conclude { case: case() }));
    story.must(Command::Conclude { case: case() });
    assert_eq!(denied(&story.status()).0, [ReasonCode::DocumentCheckDigitFailed]);
}

#[test]
fn nothing_is_concluded_while_a_finding_is_still_to_come() {
    let mut story = Story::at_the_proofs();
    story.submit_document(1).answer.unwrap();
    story.submit_face(2).answer.unwrap();
    story.must(Command::Submit { case: case() });
    assert!(story.when(Command::Conclude { case: case() }).events.is_empty());
    assert_eq!(story.status(), CaseStatus::Processing);
}

#[test]
fn a_borderline_face_goes_to_a_person_whose_word_decides() {
    for (decision, reactivated) in [(ReviewDecision::Approve, true), (ReviewDecision::Deny, false)] {
        let mut story = Story::at_the_proofs();
        story.submit_document(1).answer.unwrap();
        story.submit_face(2).answer.unwrap();
        story.examined(1, pass());
        story.examined(2, finding(Decision::Review, &[ReasonCode::FaceUncertain]));
        story.must(Command::Submit { case: case() });
        let review = Command::Review {
            case: case(),
            reviewer: "r1".into(),
            decision,
            reason: Sealed::from_bytes(vec![1]),
        };
        story.refused(review.clone(), &Refusal::NotInReview);
        story.must(Command::Conclude { case: case() });
        assert_eq!(story.status(), CaseStatus::InReview { reasons: vec![ReasonCode::FaceUncertain] });
        story.must(review.clone());
        assert_eq!(story.account.lock.is_none(), reactivated);
        story.refused(review, &Refusal::NotInReview);
    }
}

#[test]
fn a_document_that_nobody_can_be_compared_with_goes_to_a_person() {
    let mut story = Story::new();
    story.must(enrolment(None, false));
    let at = story.now.checked_sub(hours(3)).unwrap();
    story.must(Command::Lock { reason: "compliance".into(), at: Some(at) });
    story.must(Command::Request { case: case() });
    story.give_what_is_known();
    story.submit_document(1).answer.unwrap();
    story.examined(1, pass());
    let case = story.account.case.as_ref().unwrap();
    assert_eq!(case.status_of(case.requirement(Kind::Document).unwrap()), Status::Review);
}

#[test]
fn one_finding_per_evidence_and_none_after_the_end() {
    let mut story = Story::at_the_proofs();
    story.submit_document(1).answer.unwrap();
    assert_eq!(story.examined(1, pass()).events.len(), 1);
    assert!(story.examined(1, finding(Decision::Fail, &[])).events.is_empty(), "the second changes nothing");
    story.submit_face(2).answer.unwrap();
    story.must(Command::Cancel { case: case() });
    assert!(story.examined(2, pass()).events.is_empty(), "the case has ended");
}

#[test]
fn an_active_challenge_is_drawn_from_the_servers_key_and_wants_a_frame_for_each_action() {
    let mut story = Story::at_the_proofs();
    let pool = vec![Action::LookAhead, Action::TurnLeft, Action::TurnRight, Action::LookUp, Action::LookDown];
    let face = &mut story.account.case.as_mut().unwrap().terms.face;
    (face.actions, face.frames) = (pool.clone(), 3);
    let mut drawn = BTreeSet::new();
    for n in 1..=40 {
        story.must(Command::IssueChallenge { case: case(), challenge: challenge(n) });
        let actions = story.account.case.as_ref().unwrap().challenge.as_ref().unwrap().actions.clone();
        assert_eq!((actions.len(), actions[0]), (3, Action::LookAhead));
        assert_eq!(actions, sequence(&pool, 3, &story.key.challenge_seed(challenge(n))));
        drawn.insert(format!("{actions:?}"));
    }
    assert!(drawn.len() > 6, "{drawn:?}");
    let submit = |frames: &[BlobId]| Command::SubmitFace {
        case: case(),
        evidence: evidence(1),
        challenge: challenge(40),
        frames: frames.to_vec(),
    };
    story.refused(submit(&[blob(1)]), &Refusal::FrameCount { expected: 3 });
    story.must(submit(&[blob(1), blob(2), blob(3)]));
    let case = story.account.case.as_ref().unwrap();
    let asked: Vec<_> = case.faces[0].frames.iter().map(|(action, _)| *action).collect();
    assert_eq!(
        asked,
        case.challenge.as_ref().unwrap().actions,
        "each frame is known by what it was asked for"
    );
}

#[test]
fn a_challenge_is_answered_once_in_its_time_and_only_the_newest() {
    let mut story = Story::at_the_proofs();
    story.must(Command::IssueChallenge { case: case(), challenge: challenge(1) });
    story.must(Command::IssueChallenge { case: case(), challenge: challenge(2) });
    let submit = |n, frames: &[BlobId]| Command::SubmitFace {
        case: case(),
        evidence: evidence(n),
        challenge: challenge(n),
        frames: frames.to_vec(),
    };
    story.refused(submit(1, &[blob(1)]), &Refusal::UnknownChallenge);
    story.refused(submit(2, &[]), &Refusal::FrameCount { expected: 1 });
    story.must(submit(2, &[blob(1)]));
    story.must(Command::RecordFace {
        case: case(),
        evidence: evidence(2),
        finding: finding(Decision::Fail, &[ReasonCode::FaceBlurred]),
    });
    // The document is not examined yet, but a face that failed opens its step again.
    story.refused(submit(2, &[blob(1)]), &Refusal::ChallengeUsed);
    story.must(Command::IssueChallenge { case: case(), challenge: challenge(3) });
    story.later(minutes(10));
    story.refused(submit(3, &[blob(1)]), &Refusal::ChallengeExpired);
}

#[test]
fn a_lapsed_case_is_refused_before_its_event_and_closed_by_the_next_request() {
    let mut story = Story::at_the_proofs();
    story.later(hours(24));
    story.refused(Command::Submit { case: case() }, &Refusal::CaseExpired);
    assert_eq!(story.submit_document(1).answer, Err(Refusal::CaseExpired));
    let next = CaseId::from_uuid(uuid::Uuid::from_u128(2));
    let decided = story.when(Command::Request { case: next });
    let names: Vec<_> = decided.events.iter().map(Event::type_name).collect();
    assert_eq!(names, ["CaseExpired", "ReactivationRequested", "RequirementsSet"]);
}

#[test]
fn the_timekeeper_may_come_late_or_twice() {
    let mut story = Story::at_the_proofs();
    assert!(story.when(Command::Expire { case: case() }).events.is_empty(), "not due yet");
    story.later(hours(25));
    assert_eq!(story.when(Command::Expire { case: case() }).events.len(), 1);
    assert!(story.when(Command::Expire { case: case() }).events.is_empty());
}

#[test]
fn a_release_ends_the_case_and_an_open_case_is_not_opened_twice() {
    let mut story = Story::at_the_proofs();
    let other = CaseId::from_uuid(uuid::Uuid::from_u128(2));
    story.refused(Command::Request { case: other }, &Refusal::AlreadyOpen { case: case() });
    story.must(Command::Release { reason: "support".into() });
    assert!(matches!(story.status(), CaseStatus::Ended(Outcome::Cancelled { .. })));
    story.refused(Command::Request { case: other }, &Refusal::NotLocked);
    assert_eq!(story.submit_document(1).answer, Err(Refusal::CaseEnded));
}

#[test]
fn after_five_denials_under_one_lock_only_the_exchange_can_help() {
    let mut story = Story::at_the_proofs();
    for round in 0..5 {
        if round > 0 {
            story.must(Command::Request { case: case() });
            story.give_what_is_known();
        }
        story.submit_document(round).answer.unwrap();
        story.submit_face(100 + round).answer.unwrap();
        story.must(Command::Submit { case: case() });
        story.examined(round, finding(Decision::Fail, &[ReasonCode::DocumentBlurred]));
        story.must(Command::Conclude { case: case() });
    }
    assert_eq!(denied(&story.status()).1, Retry::Never);
    story.refused(Command::Request { case: case() }, &Refusal::RetryNever);
    story.must(Command::Release { reason: "support".into() });
    let at = story.now.checked_sub(hours(2)).unwrap();
    story.must(Command::Lock { reason: "compliance".into(), at: Some(at) });
    story.must(Command::Request { case: case() });
}

#[test]
fn an_erased_account_takes_no_more_personal_data() {
    let mut story = Story::at_the_proofs();
    story.must(Command::Erase);
    assert!(story.account.profile.is_none());
    assert!(matches!(story.status(), CaseStatus::Ended(Outcome::Cancelled { .. })));
    story.refused(enrolment(None, true), &Refusal::Erased);
    story.refused(Command::EnrolPortrait { portrait: blob(1) }, &Refusal::Erased);
    assert!(story.when(Command::Erase).events.is_empty());
}
