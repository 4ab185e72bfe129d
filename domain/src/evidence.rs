//! What every kind of evidence shares: a decision, its reasons, and the models that were asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::entry::Hash;
use crate::reason::ReasonCode;
use crate::sealed::{BlobId, Sealed};

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
#[serde(deny_unknown_fields)]
pub struct ModelRef {
    /// What it was used for: `text_detection`, `text_recognition`, `face_detection`, `face_embedding`, …
    pub role: String,
    pub name: String,
    /// Lower-case hex of the file's sha-256.
    pub sha256: String,
}

/// One model bundle, by the hash of its manifest, which is kept for ever under that hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleRef {
    pub name: String,
    pub version: String,
    pub sha256: Hash,
}

/// What a verifier found, with everything that is needed to explain it and to derive it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    pub decision: Decision,
    pub reasons: Vec<ReasonCode>,
    /// Absent when the verifier gave up before a model was asked.
    pub bundle: Option<BundleRef>,
    pub models: Vec<ModelRef>,
    /// The inference runtime and its version, and the version of the verifier itself.
    pub runtime: String,
    /// The sealed images that were looked at, in order.
    pub inputs: Vec<BlobId>,
    /// Measures by name, for staff only. Their units are the verifier's (docs/events.md).
    pub scores: BTreeMap<String, f64>,
    /// The bounds that the decision compared them with.
    pub thresholds: BTreeMap<String, f64>,
    /// Everything that was read and measured, as JSON under the account's key: `judge` gives the same decision from it again.
    pub observation: Option<Sealed>,
    /// The portrait that was cut out of a document, a sealed PNG.
    pub portrait: Option<BlobId>,
}

/// The most bytes that an image file may have (api.md §1).
pub const MAX_IMAGE_BYTES: usize = 10 * 1024 * 1024;

/// The most pixels that an image may have (api.md §1).
pub const MAX_IMAGE_PIXELS: u64 = 50_000_000;

/// The shortest side, in pixels, of an image that is worth looking at. Smaller faces and texts can't be recognised.
pub const MIN_IMAGE_SIDE: u32 = 64;
