use proptest::prelude::*;

use super::testing::*;
use super::*;
use crate::face::{FaceMeasures, Movement, Reference, Similarity};
use ReasonCode::{
    FaceBlurred, FaceChallengeFailed, FaceCovered, FaceCropped, FaceDark, FaceEyesClosed, FaceMismatch,
    FaceMultiple, FaceNotFound, FaceNotLive, FaceOverexposed, FaceSideLight, FaceTooSmall, FaceTurned,
    FaceUncertain, ImageCorrupt,
};

#[test]
fn a_live_face_that_matches_passes() {
    then(&given(1, 0.99, 0.7), Decision::Pass, &[]);
    then(&given(3, 0.99, 0.7), Decision::Pass, &[]);
}

#[test]
fn a_score_at_its_threshold_is_enough() {
    then(&given(1, 0.90, 0.42), Decision::Pass, &[]);
    then(&given(1, 0.05, 0.30), Decision::Review, &[FaceUncertain]);
}

#[test]
fn somebody_else_is_refused_and_a_likeness_goes_to_a_person() {
    then(&given(1, 0.99, 0.29), Decision::Fail, &[FaceMismatch]);
    then(&given(1, 0.99, 0.41), Decision::Review, &[FaceUncertain]);
}

#[test]
fn of_two_references_the_lowest_decides() {
    let mut observation = given(1, 0.99, 0.8);
    observation.similarities.push(Similarity { reference: Reference::Document, ..similarity(0.1) });
    then(&observation, Decision::Fail, &[FaceMismatch]);
}

#[test]
fn a_clear_picture_of_a_face_is_refused_and_a_doubtful_one_goes_to_a_person() {
    then(&given(1, 0.01, 0.9), Decision::Fail, &[FaceNotLive]);
    then(&given(1, 0.5, 0.9), Decision::Review, &[FaceUncertain]);
    then(&given(1, 0.01, 0.1), Decision::Fail, &[FaceNotLive, FaceMismatch]);
}

#[test]
fn liveness_alone_lets_nobody_in() {
    let mut observation = given(1, 1.0, 1.0);
    observation.similarities.clear();
    then(&observation, Decision::Review, &[FaceUncertain]);
}

#[test]
fn a_score_that_was_not_measured_never_passes() {
    then(&FaceObservation { liveness: None, ..given(1, 1.0, 0.9) }, Decision::Review, &[FaceUncertain]);
    then(&given(1, f32::NAN, 0.9), Decision::Fail, &[FaceNotLive]);
    then(&given(1, 0.99, f32::NAN), Decision::Fail, &[FaceMismatch]);
}

#[test]
fn frames_of_two_people_fail_the_challenge() {
    let observation = FaceObservation { consistency: Some(0.2), ..given(2, 0.99, 0.6) };
    then(&observation, Decision::Fail, &[FaceChallengeFailed]);
}

#[test]
fn no_frame_and_no_face_are_the_same_to_the_owner() {
    then(&FaceObservation { frames: Vec::new(), ..given(1, 0.99, 0.9) }, Decision::Fail, &[FaceNotFound]);
    let empty = |frame: &mut FrameObservation| {
        frame.faces.clear();
        frame.measures = None;
    };
    then(&given_frame(empty), Decision::Fail, &[FaceNotFound]);
}

#[test]
fn a_second_face_counts_by_its_size() {
    then(&given_frame(|f| f.faces.push(face(100.0))), Decision::Fail, &[FaceMultiple]);
    then(&given_frame(|f| f.faces.push(face(99.0))), Decision::Pass, &[]);
}

#[test]
fn each_fault_of_a_frame_has_its_reason() {
    then(&given_frame(|f| f.fault = Some(ImageCorrupt)), Decision::Fail, &[ImageCorrupt]);
    then(&given_measures(|m| m.visible = 0.7), Decision::Fail, &[FaceCropped]);
    then(&given_measures(|m| m.size = 39.0), Decision::Fail, &[FaceTooSmall]);
    then(&given_measures(|m| m.brightness = 0.1), Decision::Fail, &[FaceDark]);
    then(&given_measures(|m| m.sharpness = 0.05), Decision::Fail, &[FaceBlurred]);
    then(&given_measures(|m| m.overexposed = Some(0.6)), Decision::Fail, &[FaceOverexposed]);
    then(&given_measures(|m| m.side_light = Some(0.9)), Decision::Fail, &[FaceSideLight]);
    then(&given_measures(|m| m.eyes_open = Some([0.0, 0.05])), Decision::Fail, &[FaceEyesClosed]);
    then(&given_measures(|m| m.misfit = Some(0.4)), Decision::Fail, &[FaceCovered]);
    for turn in [31.0, -31.0] {
        then(&given_measures(|m| m.yaw = turn), Decision::Fail, &[FaceTurned]);
        then(&given_measures(|m| m.pitch = turn), Decision::Fail, &[FaceTurned]);
        then(&given_measures(|m| m.roll = turn), Decision::Fail, &[FaceTurned]);
    }
}

#[test]
fn one_open_eye_is_enough() {
    then(&given_measures(|m| m.eyes_open = Some([0.0, 0.9])), Decision::Pass, &[]);
}

#[test]
fn what_an_earlier_verifier_did_not_measure_keeps_nobody_out() {
    let old = r#"{"size":200,"visible":1,"sharpness":0.5,"brightness":0.7,"yaw":5,"pitch":-5,"roll":2,"liveness":0.99}"#;
    let old: FaceMeasures = serde_json::from_str(old).unwrap();
    then(&given_measures(|m| *m = old), Decision::Pass, &[]);
}

#[test]
fn the_pattern_of_a_screen_brings_a_person_and_refuses_nobody() {
    then(&given_measures(|m| m.pattern = Some(11.0)), Decision::Review, &[FaceUncertain]);
}

/// A face that looked ahead, then did this.
fn challenged(action: Action, movement: Option<Movement>, eyes_open: [f32; 2]) -> FaceObservation {
    let mut observation = given(2, 0.99, 0.7);
    let frame = &mut observation.frames[1];
    (frame.action, frame.movement) = (action, movement);
    frame.measures.as_mut().unwrap().eyes_open = Some(eyes_open);
    observation
}

fn moved(yaw: f32, pitch: f32, parallax: [f32; 2]) -> Option<Movement> {
    Some(Movement { yaw, pitch, roll: 0.0, parallax: Some(parallax), likeness: 0.4 })
}

/// Each action as somebody shows it who does it.
fn deeds() -> [(Action, FaceObservation); 5] {
    let open = [0.9, 1.0];
    [
        (Action::TurnLeft, moved(-20.0, 1.0, [0.12, 0.01]), open),
        (Action::TurnRight, moved(20.0, -1.0, [-0.12, 0.01]), open),
        (Action::LookUp, moved(1.0, 15.0, [0.01, -0.15]), open),
        (Action::LookDown, moved(1.0, -15.0, [0.01, 0.15]), open),
        (Action::CloseEyes, moved(1.0, -2.0, [0.0, 0.01]), [0.05, 0.1]),
    ]
    .map(|(action, movement, eyes)| (action, challenged(action, movement, eyes)))
}

#[test]
fn whoever_does_what_was_asked_passes_and_no_other_deed_is_taken_for_it() {
    for (done, observation) in deeds() {
        for (asked, _) in deeds() {
            let mut observation = observation.clone();
            observation.frames[1].action = asked;
            if asked == done {
                then(&observation, Decision::Pass, &[]);
            } else {
                then(&observation, Decision::Fail, &[FaceChallengeFailed]);
            }
        }
    }
}

#[test]
fn a_face_that_only_seems_to_turn_fails_because_its_nose_stays_in_the_plane() {
    for (action, movement) in [
        (Action::TurnLeft, moved(-20.0, 0.0, [0.03, 0.0])),
        (Action::TurnLeft, moved(-20.0, 0.0, [-0.12, 0.0])),
        (Action::TurnLeft, moved(-3.0, 0.0, [0.12, 0.0])),
        (Action::TurnLeft, moved(-60.0, 0.0, [0.12, 0.0])),
        (Action::LookUp, moved(0.0, 15.0, [0.0, -0.05])),
        (Action::TurnRight, moved(f32::NAN, 0.0, [-0.12, 0.0])),
        (Action::TurnRight, moved(20.0, 0.0, [f32::NAN, 0.0])),
    ] {
        then(&challenged(action, movement, [1.0, 1.0]), Decision::Fail, &[FaceChallengeFailed]);
    }
}

#[test]
fn eyes_that_close_while_the_head_turns_away_are_no_answer() {
    let observation = challenged(Action::CloseEyes, moved(12.0, 0.0, [0.0, 0.0]), [0.0, 0.1]);
    then(&observation, Decision::Fail, &[FaceChallengeFailed]);
}

#[test]
fn a_turned_head_is_no_fault_where_it_was_asked_for() {
    let (_, mut observation) = deeds().into_iter().next().unwrap();
    observation.frames[1].measures.as_mut().unwrap().yaw = -40.0;
    then(&observation, Decision::Pass, &[]);
}

#[test]
fn what_the_bundle_can_not_measure_goes_to_a_person_and_never_passes() {
    for (action, observation) in deeds() {
        let mut unmeasured = observation.clone();
        let frame = &mut unmeasured.frames[1];
        frame.movement.as_mut().unwrap().parallax = None;
        if action == Action::CloseEyes {
            frame.measures.as_mut().unwrap().eyes_open = None;
        }
        then(&unmeasured, Decision::Review, &[FaceUncertain]);

        let without = FaceThresholds { challenge: None, ..THRESHOLDS };
        assert_eq!(judge(&observation, &without).decision, Decision::Review);
    }
    let mut no_neutral = challenged(Action::TurnLeft, None, [1.0, 1.0]);
    no_neutral.frames.remove(0);
    then(&no_neutral, Decision::Review, &[FaceUncertain]);
    let mut eyes_never_seen = deeds()[4].1.clone();
    eyes_never_seen.frames[0].measures.as_mut().unwrap().eyes_open = Some([0.2, 1.0]);
    then(&eyes_never_seen, Decision::Review, &[FaceUncertain]);
}

#[test]
fn a_bad_frame_is_put_right_before_anything_is_compared() {
    let mut observation = given(2, 0.0, -0.5);
    observation.frames[1].measures.as_mut().unwrap().brightness = 0.0;
    then(&observation, Decision::Fail, &[FaceDark]);
}

#[test]
fn a_reference_that_shows_no_face_leaves_the_decision_to_a_person() {
    let mut observation = given(1, 0.99, 0.9);
    observation.similarities.push(Similarity {
        reference: Reference::Document,
        fault: Some(FaceNotFound),
        cosine: None,
    });
    then(&observation, Decision::Review, &[FaceNotFound, FaceUncertain]);
}

#[test]
fn an_observation_reads_back_from_its_json() {
    let observation = given(2, 0.99, 0.7);
    let json = serde_json::to_string(&observation).unwrap();
    assert_eq!(serde_json::from_str::<FaceObservation>(&json).unwrap(), observation);
}

fn rank(decision: Decision) -> u8 {
    match decision {
        Decision::Fail => 0,
        Decision::Review => 1,
        Decision::Pass => 2,
    }
}

prop_compose! {
    fn any_measures()(
        size in 0f32..400.0, visible in 0f32..1.0, sharpness in 0f32..1.0, brightness in 0f32..1.0,
        yaw in -60f32..60.0, pitch in -60f32..60.0, roll in -60f32..60.0, liveness in 0f32..1.0,
    ) -> FaceMeasures {
        FaceMeasures { size, visible, sharpness, brightness, yaw, pitch, roll, liveness, ..measures() }
    }
}

prop_compose! {
    fn any_observation()(
        measures in prop_oneof![Just(measures()), any_measures()],
        sides in prop_oneof![Just(vec![200.0]), prop::collection::vec(1f32..300.0, 0..4)],
        frames in 0usize..4,
        liveness in prop::option::of(0f32..=1.0),
        consistency in prop::option::of(-1f32..=1.0),
        cosines in prop::collection::vec(-1f32..=1.0, 0..3),
    ) -> FaceObservation {
        let frame = FrameObservation {
            faces: sides.iter().map(|side| face(*side)).collect(),
            measures: (!sides.is_empty()).then_some(measures),
            ..good_frame()
        };
        FaceObservation {
            frames: vec![frame; frames],
            liveness,
            consistency,
            similarities: cosines.into_iter().map(similarity).collect(),
        }
    }
}

proptest! {
    #[test]
    fn a_pass_has_no_reason_and_everything_else_has_one_of_each(observation in any_observation()) {
        let verdict = judge(&observation, &THRESHOLDS);
        prop_assert_eq!(verdict.decision == Decision::Pass, verdict.reasons.is_empty());
        let mut distinct = verdict.reasons.clone();
        distinct.sort();
        distinct.dedup();
        prop_assert_eq!(distinct.len(), verdict.reasons.len());
    }

    #[test]
    fn a_higher_score_never_makes_the_decision_worse(
        observation in any_observation(), more_alike in 0f32..1.0, more_live in 0f32..1.0,
    ) {
        let mut better = observation.clone();
        for similarity in &mut better.similarities {
            similarity.cosine = similarity.cosine.map(|cosine| cosine + more_alike);
        }
        better.liveness = better.liveness.map(|score| score + more_live);
        let (before, after) = (judge(&observation, &THRESHOLDS), judge(&better, &THRESHOLDS));
        prop_assert!(rank(after.decision) >= rank(before.decision));
    }

    #[test]
    fn one_more_reference_never_makes_the_decision_better(observation in any_observation(), cosine in -1f32..=1.0) {
        prop_assume!(!observation.similarities.is_empty());
        let mut stricter = observation.clone();
        stricter.similarities.push(similarity(cosine));
        let (before, after) = (judge(&observation, &THRESHOLDS), judge(&stricter, &THRESHOLDS));
        prop_assert!(rank(after.decision) <= rank(before.decision));
    }

    #[test]
    fn nobody_passes_without_matching_every_reference(observation in any_observation()) {
        if judge(&observation, &THRESHOLDS).decision == Decision::Pass {
            prop_assert!(!observation.similarities.is_empty());
            let all = observation.similarities.iter().all(|s| s.cosine.is_some_and(|c| c >= THRESHOLDS.match_at));
            prop_assert!(all);
        }
    }
}
