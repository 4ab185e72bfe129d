//! What holds for every history, tried on random ones.

use proptest::prelude::*;

use super::*;
use crate::account::event::ReviewDecision;
use crate::account::{CaseStatus, Recall, next_step};
use crate::entry::Fingerprint;

/// One thing that may happen, with small numbers so that things meet.
#[derive(Debug, Clone)]
enum Step {
    Wait(i64),
    Enrol(Option<Risk>),
    Lock(&'static str),
    Release,
    Request,
    Acknowledge,
    Issue(Channel),
    Right(Channel),
    Wrong(Channel),
    Answer(bool),
    Document(u128),
    Face(u128),
    Examined(u128, Decision),
    Submit,
    Cancel,
    Conclude,
    Expire,
    Review(ReviewDecision),
    Erase,
}

fn step() -> impl Strategy<Value = Step> {
    let channel = prop_oneof![Just(Channel::Phone), Just(Channel::Email)];
    let decision =
        prop_oneof![3 => Just(Decision::Pass), 1 => Just(Decision::Review), 1 => Just(Decision::Fail)];
    prop_oneof![
        2 => prop_oneof![Just(1i64), Just(29), Just(60), Just(60 * 25)].prop_map(Step::Wait),
        1 => prop_oneof![Just(None), Just(Some(Risk::Low))].prop_map(Step::Enrol),
        2 => prop_oneof![Just("compliance"), Just("owner_request")].prop_map(Step::Lock),
        1 => Just(Step::Release),
        4 => Just(Step::Request),
        4 => Just(Step::Acknowledge),
        4 => channel.clone().prop_map(Step::Issue),
        6 => channel.clone().prop_map(Step::Right),
        3 => channel.prop_map(Step::Wrong),
        4 => prop::bool::weighted(0.8).prop_map(Step::Answer),
        4 => (0u128..4).prop_map(Step::Document),
        4 => (10u128..14).prop_map(Step::Face),
        6 => (prop_oneof![0u128..4, 10u128..14], decision).prop_map(|(n, d)| Step::Examined(n, d)),
        4 => Just(Step::Submit),
        1 => Just(Step::Cancel),
        4 => Just(Step::Conclude),
        1 => Just(Step::Expire),
        2 => prop_oneof![Just(ReviewDecision::Approve), Just(ReviewDecision::Deny)].prop_map(Step::Review),
        1 => Just(Step::Erase),
    ]
}

impl Story {
    fn command(&self, step: &Step) -> Option<Command> {
        let code = |channel: Channel, code: Code| match channel {
            Channel::Phone => Command::Verify { case: case(), phone: Some(code), email: None },
            Channel::Email => Command::Verify { case: case(), phone: None, email: Some(code) },
        };
        Some(match step {
            Step::Wait(_) | Step::Document(_) | Step::Face(_) => return None,
            Step::Enrol(risk) => enrolment(*risk, true),
            Step::Lock(reason) => Command::Lock { reason: (*reason).into(), at: None },
            Step::Release => Command::Release { reason: "support".into() },
            Step::Request => Command::Request { case: case() },
            Step::Acknowledge => Command::AcknowledgeReminder { case: case() },
            Step::Issue(channel) => Command::IssueCode { case: case(), channel: *channel },
            Step::Right(channel) => code(*channel, self.code(*channel)),
            Step::Wrong(channel) => code(*channel, self.wrong_code(*channel)),
            Step::Answer(correct) => Command::Answer { case: case(), correct: *correct },
            Step::Examined(n, decision) => {
                let finding = finding(*decision, &[ReasonCode::DocumentBlurred]);
                match *n < 10 {
                    true => Command::RecordDocument { case: case(), evidence: evidence(*n), finding },
                    false => Command::RecordFace { case: case(), evidence: evidence(*n), finding },
                }
            }
            Step::Submit => Command::Submit { case: case() },
            Step::Cancel => Command::Cancel { case: case() },
            Step::Conclude => Command::Conclude { case: case() },
            Step::Expire => Command::Expire { case: case() },
            Step::Review(decision) => Command::Review {
                case: case(),
                reviewer: "r1".into(),
                decision: *decision,
                reason: Sealed::from_bytes(vec![1]),
            },
            Step::Erase => Command::Erase,
        })
    }

    fn play(steps: &[Step]) -> Self {
        let mut story = Self::locked("compliance", Some(Risk::Low));
        for step in steps {
            match step {
                Step::Wait(m) => story.later(minutes(*m)),
                Step::Document(n) => {
                    story.submit_document(*n);
                }
                Step::Face(n) => {
                    story.when(Command::IssueChallenge { case: case(), challenge: challenge(*n) });
                    let frames = vec![blob(2)];
                    let (evidence, challenge) = (evidence(*n), challenge(*n));
                    story.when(Command::SubmitFace { case: case(), evidence, challenge, frames });
                }
                other => {
                    if let Some(command) = story.command(other) {
                        story.when(command);
                    }
                }
            }
        }
        story
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_state_is_the_fold_of_the_entries_wherever_the_fold_pauses(
        steps in prop::collection::vec(step(), 0..60), pause in 0usize..60,
    ) {
        let story = Story::play(&steps);
        let mut account = Account::default();
        for (n, (entry, hash, position)) in story.entries.iter().enumerate() {
            if n == pause {
                // A read model stores the state and goes on from it.
                let stored = serde_json::to_string(&account).unwrap();
                account = serde_json::from_str(&stored).unwrap();
            }
            apply(&mut account, entry, *hash, *position);
        }
        prop_assert_eq!(account, story.account);
    }

    #[test]
    fn an_entry_that_the_state_has_changes_nothing(steps in prop::collection::vec(step(), 0..60)) {
        let story = Story::play(&steps);
        for (entry, hash, position) in &story.entries {
            let mut again = story.account.clone();
            apply(&mut again, entry, *hash, *position);
            prop_assert_eq!(&again, &story.account);
        }
    }

    #[test]
    fn saying_a_thing_twice_yields_no_events(
        steps in prop::collection::vec(step(), 0..60), last in step(),
    ) {
        // A code, an answer or a challenge is a new attempt each time; everything else is said once.
        prop_assume!(!matches!(last, Step::Wrong(_) | Step::Answer(false)));
        let mut story = Story::play(&steps);
        if let Some(command) = story.command(&last) {
            let first = story.when(command.clone());
            let second = story.when(command);
            prop_assert!(second.events.is_empty(), "{:?} then {:?}", first.events, second.events);
        }
    }

    #[test]
    fn only_a_decision_or_the_exchange_unlocks(steps in prop::collection::vec(step(), 0..80)) {
        let story = Story::play(&steps);
        let mut account = Account::default();
        for (entry, hash, position) in &story.entries {
            let before = account.clone();
            apply(&mut account, entry, *hash, *position);
            if before.lock.is_some() && account.lock.is_none() {
                let released = entry.events.iter().any(|e| matches!(e, Event::AccountReleased(_)));
                let all_given = before.case.as_ref().is_some_and(|case| {
                    !matches!(case.status, CaseStatus::Ended(_) | CaseStatus::Open)
                        && case.requirements.iter().all(|r| {
                            use crate::account::Progress::{Passed, Review};
                            r.progress == Passed
                                || (r.progress == Review && matches!(case.status, CaseStatus::InReview { .. }))
                        })
                });
                prop_assert!(released || all_given, "{:?}", before.case);
            }
        }
    }

    #[test]
    fn no_channel_ever_evaluates_more_than_the_allowed_attempts(steps in prop::collection::vec(step(), 0..80)) {
        let story = Story::play(&steps);
        let mut wrong = 0;
        for event in story.entries.iter().flat_map(|(entry, ..)| &entry.events) {
            match event {
                Event::RequirementsSet(_) => wrong = 0,
                Event::CodeRejected(e) if e.channel == Channel::Phone && e.reason == ReasonCode::CodeWrong => wrong += 1,
                _ => {}
            }
            prop_assert!(wrong <= 5);
        }
    }

    #[test]
    fn a_submitted_case_always_has_a_next_step_until_a_person_is_asked_or_it_ends(
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let story = Story::play(&steps);
        if let Some(case) = &story.account.case && case.status == CaseStatus::Processing {
            prop_assert!(next_step(&story.account).is_some());
        }
    }
}

#[test]
fn an_idempotency_key_is_remembered_for_a_day_and_for_one_request() {
    let mut story = Story::new();
    let fingerprint = Fingerprint { key: Hash::of(b"key"), request: Hash::of(b"request") };
    story.must(enrolment(None, true));
    let (mut entry, hash, position) = story.entries[0].clone();
    entry.command = Some(fingerprint.clone());
    let mut account = Account::default();
    apply(&mut account, &entry, hash, position);
    assert!(matches!(account.recall(&fingerprint, story.now), Recall::Replay(_)));
    let other = Fingerprint { request: Hash::of(b"other"), ..fingerprint.clone() };
    assert_eq!(account.recall(&other, story.now), Recall::Reused);
    story.later(hours(24));
    assert_eq!(account.recall(&fingerprint, story.now), Recall::New);
}
