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
    /// The shorter side of its box, in pixels.
    pub size: f32,
    /// The part of its box that lies inside the picture, 0 to 1.
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
        (below(measures.visible, thresholds.min_visible), ReasonCode::FaceNotFound),
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
