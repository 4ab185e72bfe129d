//! What every kind of evidence shares: a decision, its reasons, and the models that were asked.

use serde::{Deserialize, Serialize};

use crate::reason::ReasonCode;

/// What was made of one piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Pass,
    /// Neither clearly right nor clearly wrong: a person decides.
    Review,
    Fail,
}

/// A decision with its reasons, most helpful first. `Pass` has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub decision: Decision,
    pub reasons: Vec<ReasonCode>,
}

/// One model file that had a part in a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRef {
    /// What it was used for: `text_detection`, `text_recognition`, `face_detection`, `face_embedding`, …
    pub role: String,
    pub name: String,
    /// Lower-case hex of the file's sha-256.
    pub sha256: String,
}

/// The most bytes that an image file may have (api.md §1).
pub const MAX_IMAGE_BYTES: usize = 10 * 1024 * 1024;

/// The most pixels that an image may have (api.md §1).
pub const MAX_IMAGE_PIXELS: u64 = 50_000_000;

/// The shortest side, in pixels, of an image that is worth looking at. Smaller faces and texts can't be recognised.
pub const MIN_IMAGE_SIDE: u32 = 64;
