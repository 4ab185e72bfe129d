//! A face: what was measured on the frames of a challenge, and the judgement of it.

use serde::{Deserialize, Serialize};

use crate::evidence::Verdict;
use crate::reason::ReasonCode;

/// What one frame showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameObservation {
    /// Set when the frame could not be decoded; everything else is then empty.
    pub fault: Option<ReasonCode>,
    /// Faces found, best first.
    pub faces: Vec<FaceBox>,
}

/// One detected face: x, y, width, height in pixels of the upright image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaceBox {
    #[serde(rename = "box")]
    pub bounds: [f32; 4],
    pub score: f32,
}

/// Everything that the verifier measured on the frames of one challenge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaceObservation {
    pub frames: Vec<FrameObservation>,
    /// Lowest live score of the frames, 0 to 1.
    pub liveness: Option<f32>,
    /// Cosine of the best frame with each reference that was given.
    pub similarities: Vec<Similarity>,
}

/// Cosine similarity, -1 to 1, with one reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Similarity {
    pub reference: Reference,
    pub cosine: f32,
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
pub struct FaceThresholds {}

/// Judges the frames of a challenge against the references.
#[must_use]
pub fn judge(_observation: &FaceObservation, _thresholds: &FaceThresholds) -> Verdict {
    unimplemented!("written by the branch that matches faces")
}
