//! A face: what a challenge asks for, what was measured on its frames, and the judgement of that.
//! The verifier observes and never compares with a threshold; [`judge`] compares and never looks at a pixel.

mod calibration;
mod challenge;
mod judge;
mod limit;
mod thresholds;

pub use calibration::{Calibration, InvalidCalibration};
pub use challenge::{Seed, sequence};
pub use judge::judge;
pub use thresholds::{ChallengeThresholds, FaceThresholds, FalseMatchRates};

use serde::{Deserialize, Serialize};

use crate::reason::ReasonCode;

/// What a frame was to show. A challenge is a list of these, one frame each, in order. Left and right are the owner's own;
/// frames are as the camera saw them, not mirrored (decision 0096).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    LookAhead,
    TurnLeft,
    TurnRight,
    LookUp,
    LookDown,
    CloseEyes,
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
    /// How the face moved since the first frame; `None` on that one, where either shows no face, and in a challenge that
    /// asks for nothing but to look ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub movement: Option<Movement>,
}

/// What changed from the first frame of a challenge to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Movement {
    /// Degrees that the head turned to its owner's right.
    pub yaw: f32,
    /// Degrees that it was raised.
    pub pitch: f32,
    /// Degrees that it was tilted.
    pub roll: f32,
    /// How far the nose moved before the plane of eyes and mouth, in distances between the eyes: to the right of the picture,
    /// and down. A head that turns shows it; a picture of one, however it is stretched or held, does not. `None` without a
    /// landmark network.
    pub parallax: Option<[f32; 2]>,
    /// Correlation of the fine detail of both aligned faces, -1 to 1: 1 is the same picture twice.
    pub likeness: f32,
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
    /// Degrees to the owner's right, 0 looks into the camera.
    pub yaw: f32,
    /// Degrees up, 0 looks into the camera.
    pub pitch: f32,
    /// Degrees that the head is tilted.
    pub roll: f32,
    /// Passive liveness, 0 (a picture of a face) to 1 (a face).
    pub liveness: f32,
    /// The part of the aligned face that is as bright as the picture can show, 0 to 1. Findings before these measures were
    /// taken have none of the following.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overexposed: Option<f32>,
    /// How much brighter one half of the face is than the other, relative to both: 0 is light from the front.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side_light: Option<f32>,
    /// The strongest regular pattern in the face's texture, as a multiple of what lies around it in the spectrum: the grid of a
    /// screen or of a print.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<f32>,
    /// Probability that an eye is open, as seen in the picture: left, right. `None` without an eye network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eyes_open: Option<[f32; 2]>,
    /// How far detector and landmark network disagree on eyes, nose and mouth, in distances between the eyes: large where
    /// something covers them. `None` without a landmark network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub misfit: Option<f32>,
}

impl FaceMeasures {
    /// How open the narrower and the wider eye are.
    #[must_use]
    pub fn eyes(&self) -> Option<[f32; 2]> {
        self.eyes_open.map(|[a, b]| [a.min(b), a.max(b)])
    }
}

/// Everything that the verifier measured on the frames of one challenge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaceObservation {
    pub frames: Vec<FrameObservation>,
    /// Lowest live score of the frames, 0 to 1.
    pub liveness: Option<f32>,
    /// Lowest cosine between two frames: whether they show one person. `None` for a single frame.
    pub consistency: Option<f32>,
    /// The best frame that looks ahead beside each reference that was given.
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
