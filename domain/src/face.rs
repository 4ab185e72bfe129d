//! A face: what was measured on the frames of a challenge, and the judgement of it.
//! The verifier observes and never compares with a threshold; [`judge`] compares and never looks at a pixel.

use serde::{Deserialize, Serialize};

use crate::evidence::{Decision, Verdict};
use crate::reason::ReasonCode;

/// What a frame was to show. A challenge is a list of these, one frame each, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    LookAhead,
}

/// What one frame showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameObservation {
    pub action: Action,
    /// Set when the frame could not be decoded; everything else is then empty.
    pub fault: Option<ReasonCode>,
    /// Faces found, largest first; boxes are in the frame as it was sent, turned upright by its EXIF orientation.
    pub faces: Vec<FaceBox>,
    /// Of the first face.
    pub measures: Option<FaceMeasures>,
}

/// One detected face: x, y, width, height in pixels of the upright image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaceBox {
    #[serde(rename = "box")]
    pub bounds: [f32; 4],
    pub score: f32,
}

impl FaceBox {
    /// In square pixels.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.bounds[2] * self.bounds[3]
    }
}

/// Measures of one face. None of them is a judgement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaceMeasures {
    /// The shorter side of its box, in pixels of the frame at the size at which it was examined.
    pub size: f32,
    /// The part of the aligned face that lies inside the picture, 0 to 1.
    pub visible: f32,
    /// Detail of the aligned face relative to its contrast; see the verifier's `face::quality`.
    pub sharpness: f32,
    /// How bright the brightest parts of the aligned face are, 0 to 1.
    pub brightness: f32,
    /// Degrees to the side, 0 looks into the camera.
    pub yaw: f32,
    /// Degrees up or down, 0 looks into the camera.
    pub pitch: f32,
    /// Degrees that the head is tilted.
    pub roll: f32,
    /// Passive liveness, 0 (a picture of a face) to 1 (a face).
    pub liveness: f32,
}

/// Everything that the verifier measured on the frames of one challenge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaceObservation {
    pub frames: Vec<FrameObservation>,
    /// Lowest live score of the frames, 0 to 1.
    pub liveness: Option<f32>,
    /// Lowest cosine between two frames: whether they show one person. `None` for a single frame.
    pub consistency: Option<f32>,
    /// The frames' common face beside each reference that was given.
    pub similarities: Vec<Similarity>,
}

impl FaceObservation {
    /// The lowest cosine with a reference: where there are two, both must match.
    #[must_use]
    pub fn similarity(&self) -> Option<f32> {
        self.similarities.iter().filter_map(|s| s.cosine).min_by(f32::total_cmp)
    }
}

/// Cosine similarity, -1 to 1, with one reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Similarity {
    pub reference: Reference,
    /// Set when the reference could not be decoded or shows no face.
    pub fault: Option<ReasonCode>,
    /// `None` when there is nothing to compare: a fault, or no face in a frame.
    pub cosine: Option<f32>,
}

/// Where a reference face comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// The portrait cut from the document of this case.
    Document,
    /// The portrait that the exchange has on file.
    OnFile,
}

/// From the bundle's manifest; never in code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaceThresholds {
    /// The least cosine that is a match.
    pub match_at: f32,
    /// The least cosine that a person looks at; below it is somebody else.
    pub review_at: f32,
    /// The least cosine between two frames of one challenge.
    pub same_person_at: f32,
    /// The least liveness that passes.
    pub live_at: f32,
    /// Liveness below this fails; between the two, a person looks.
    pub not_live_below: f32,
    /// A further face counts from this part of the first one's area.
    pub second_face_area: f32,
    /// Pixels.
    pub min_size: f32,
    pub min_visible: f32,
    pub min_sharpness: f32,
    pub min_brightness: f32,
    /// Degrees to either side.
    pub max_yaw: f32,
    /// Degrees up or down.
    pub max_pitch: f32,
    /// Degrees to either side.
    pub max_roll: f32,
}

/// Judges the frames of a challenge against the references.
///
/// A frame that can't be judged fails with what the owner can do about it, before anything is compared. Then whoever is
/// clearly a picture or clearly somebody else fails; whoever is not clearly live and the same goes to a person. No single
/// score lets anybody in.
#[must_use]
pub fn judge(observation: &FaceObservation, thresholds: &FaceThresholds) -> Verdict {
    let mut unusable = Vec::new();
    for reason in observation.frames.iter().flat_map(|frame| faults(frame, thresholds)) {
        if !unusable.contains(&reason) {
            unusable.push(reason);
        }
    }
    if observation.frames.is_empty() {
        unusable.push(ReasonCode::FaceNotFound);
    }
    if !unusable.is_empty() {
        return Verdict { decision: Decision::Fail, reasons: unusable };
    }

    let mut refused = Vec::new();
    if observation.consistency.is_some_and(|cosine| below(cosine, thresholds.same_person_at)) {
        refused.push(ReasonCode::FaceChallengeFailed);
    }
    if observation.liveness.is_some_and(|score| below(score, thresholds.not_live_below)) {
        refused.push(ReasonCode::FaceNotLive);
    }
    if observation.similarity().is_some_and(|cosine| below(cosine, thresholds.review_at)) {
        refused.push(ReasonCode::FaceMismatch);
    }
    if !refused.is_empty() {
        return Verdict { decision: Decision::Fail, reasons: refused };
    }

    let live = observation.liveness.is_some_and(|score| !below(score, thresholds.live_at));
    let matches = observation.similarity().is_some_and(|cosine| !below(cosine, thresholds.match_at));
    let mut doubts: Vec<_> = observation.similarities.iter().filter_map(|s| s.fault).collect();
    doubts.dedup();
    if !live || !matches || observation.similarities.iter().any(|s| s.cosine.is_none()) {
        doubts.push(ReasonCode::FaceUncertain);
        return Verdict { decision: Decision::Review, reasons: doubts };
    }
    Verdict { decision: Decision::Pass, reasons: Vec::new() }
}

/// What keeps a frame from being compared, in the order in which the owner would put it right.
fn faults(frame: &FrameObservation, thresholds: &FaceThresholds) -> Vec<ReasonCode> {
    if let Some(fault) = frame.fault {
        return vec![fault];
    }
    let (Some(first), Some(measures)) = (frame.faces.first(), &frame.measures) else {
        return vec![ReasonCode::FaceNotFound];
    };
    let counts = |face: &&FaceBox| !below(face.area(), thresholds.second_face_area * first.area());
    let turned = match frame.action {
        Action::LookAhead => {
            above(measures.yaw.abs(), thresholds.max_yaw)
                || above(measures.pitch.abs(), thresholds.max_pitch)
                || above(measures.roll.abs(), thresholds.max_roll)
        }
    };
    let checks = [
        (frame.faces.iter().filter(counts).count() > 1, ReasonCode::FaceMultiple),
        (below(measures.visible, thresholds.min_visible), ReasonCode::FaceCropped),
        (below(measures.size, thresholds.min_size), ReasonCode::FaceTooSmall),
        (below(measures.brightness, thresholds.min_brightness), ReasonCode::FaceDark),
        (below(measures.sharpness, thresholds.min_sharpness), ReasonCode::FaceBlurred),
        (turned, ReasonCode::FaceTurned),
    ];
    checks.into_iter().filter_map(|(fails, reason)| fails.then_some(reason)).collect()
}

/// Whether the score is under the least that is allowed. One that is not a number is.
fn below(score: f32, least: f32) -> bool {
    !matches!(score.partial_cmp(&least), Some(std::cmp::Ordering::Equal | std::cmp::Ordering::Greater))
}

/// Whether the measure is over the most that is allowed. One that is not a number is.
fn above(measure: f32, most: f32) -> bool {
    !matches!(measure.partial_cmp(&most), Some(std::cmp::Ordering::Equal | std::cmp::Ordering::Less))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use ReasonCode::{
        FaceBlurred, FaceChallengeFailed, FaceCropped, FaceDark, FaceMismatch, FaceMultiple, FaceNotFound,
        FaceNotLive, FaceTooSmall, FaceTurned, FaceUncertain, ImageCorrupt,
    };

    const THRESHOLDS: FaceThresholds = FaceThresholds {
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
    };

    fn face(side: f32) -> FaceBox {
        FaceBox { bounds: [10.0, 20.0, side, side], score: 0.9 }
    }

    fn measures() -> FaceMeasures {
        FaceMeasures {
            size: 200.0,
            visible: 1.0,
            sharpness: 0.5,
            brightness: 0.7,
            yaw: 5.0,
            pitch: -5.0,
            roll: 2.0,
            liveness: 0.99,
        }
    }

    fn good_frame() -> FrameObservation {
        FrameObservation {
            action: Action::LookAhead,
            fault: None,
            faces: vec![face(200.0)],
            measures: Some(measures()),
        }
    }

    fn similarity(cosine: f32) -> Similarity {
        Similarity { reference: Reference::OnFile, fault: None, cosine: Some(cosine) }
    }

    /// Given this many good frames of a live face that is like its reference by `cosine`.
    fn given(frames: usize, liveness: f32, cosine: f32) -> FaceObservation {
        FaceObservation {
            frames: vec![good_frame(); frames],
            liveness: Some(liveness),
            consistency: (frames > 1).then_some(0.8),
            similarities: vec![similarity(cosine)],
        }
    }

    /// The good observation whose frame was changed by `change`.
    fn given_frame(change: impl FnOnce(&mut FrameObservation)) -> FaceObservation {
        let mut observation = given(1, 0.99, 0.9);
        change(&mut observation.frames[0]);
        observation
    }

    fn given_measures(change: impl FnOnce(&mut FaceMeasures)) -> FaceObservation {
        given_frame(|frame| change(frame.measures.as_mut().unwrap()))
    }

    #[track_caller]
    fn then(observation: &FaceObservation, decision: Decision, reasons: &[ReasonCode]) {
        assert_eq!(judge(observation, &THRESHOLDS), Verdict { decision, reasons: reasons.to_vec() });
    }

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
        for turn in [31.0, -31.0] {
            then(&given_measures(|m| m.yaw = turn), Decision::Fail, &[FaceTurned]);
            then(&given_measures(|m| m.pitch = turn), Decision::Fail, &[FaceTurned]);
            then(&given_measures(|m| m.roll = turn), Decision::Fail, &[FaceTurned]);
        }
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
            FaceMeasures { size, visible, sharpness, brightness, yaw, pitch, roll, liveness }
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
}
