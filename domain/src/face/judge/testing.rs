//! Observations and thresholds that tests start from.

use super::judge;
use crate::evidence::{Decision, Verdict};
use crate::face::{
    Action, ChallengeThresholds, FaceBox, FaceMeasures, FaceObservation, FaceThresholds, FrameObservation,
    Reference, Similarity,
};
use crate::reason::ReasonCode;

pub(in crate::face) const THRESHOLDS: FaceThresholds = FaceThresholds {
    match_at: 0.42,
    review_at: 0.30,
    same_person_at: 0.42,
    live_at: 0.90,
    not_live_below: 0.05,
    second_face_area: 0.25,
    min_size: 40.0,
    min_visible: 0.8,
    min_sharpness: 0.1,
    min_brightness: 0.2,
    max_yaw: 30.0,
    max_pitch: 30.0,
    max_roll: 30.0,
    max_overexposed: Some(0.5),
    max_side_light: Some(0.8),
    min_eyes_open: Some(0.1),
    max_misfit: Some(0.3),
    review_pattern_above: Some(10.0),
    challenge: Some(ChallengeThresholds {
        min_turn: 10.0,
        max_turn: 50.0,
        min_nod: 7.0,
        max_nod: 40.0,
        min_turn_parallax: 0.07,
        min_nod_parallax: 0.08,
        max_still: 8.0,
        open_at: 0.5,
        closed_at: 0.2,
    }),
};

pub(in crate::face) fn face(side: f32) -> FaceBox {
    FaceBox { bounds: [10.0, 20.0, side, side], score: 0.9 }
}

pub(in crate::face) fn measures() -> FaceMeasures {
    FaceMeasures {
        size: 200.0,
        visible: 1.0,
        sharpness: 0.5,
        brightness: 0.7,
        yaw: 5.0,
        pitch: -5.0,
        roll: 2.0,
        liveness: 0.99,
        overexposed: Some(0.0),
        side_light: Some(0.1),
        pattern: Some(2.0),
        eyes_open: Some([0.9, 1.0]),
        misfit: Some(0.05),
    }
}

pub(in crate::face) fn good_frame() -> FrameObservation {
    FrameObservation {
        action: Action::LookAhead,
        fault: None,
        faces: vec![face(200.0)],
        measures: Some(measures()),
        movement: None,
    }
}

pub(in crate::face) fn similarity(cosine: f32) -> Similarity {
    Similarity { reference: Reference::OnFile, fault: None, cosine: Some(cosine) }
}

/// Given this many good frames of a live face that is like its reference by `cosine`.
pub(in crate::face) fn given(frames: usize, liveness: f32, cosine: f32) -> FaceObservation {
    FaceObservation {
        frames: vec![good_frame(); frames],
        liveness: Some(liveness),
        consistency: (frames > 1).then_some(0.8),
        similarities: vec![similarity(cosine)],
    }
}

/// The good observation whose frame was changed by `change`.
pub(in crate::face) fn given_frame(change: impl FnOnce(&mut FrameObservation)) -> FaceObservation {
    let mut observation = given(1, 0.99, 0.9);
    change(&mut observation.frames[0]);
    observation
}

pub(in crate::face) fn given_measures(change: impl FnOnce(&mut FaceMeasures)) -> FaceObservation {
    given_frame(|frame| change(frame.measures.as_mut().unwrap()))
}

#[track_caller]
pub(in crate::face) fn then(observation: &FaceObservation, decision: Decision, reasons: &[ReasonCode]) {
    assert_eq!(judge(observation, &THRESHOLDS), Verdict { decision, reasons: reasons.to_vec() });
}
