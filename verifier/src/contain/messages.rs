//! What service, zygote and workers say to each other.

use jiff::civil::Date;
use reinstate_domain::document::DocumentObservation;
use reinstate_domain::evidence::MAX_IMAGE_BYTES;
use reinstate_domain::face::{Action, FaceObservation, Reference};
use reinstate_domain::reason::ReasonCode;
use serde::{Deserialize, Serialize};

use super::frame::Bounds;
use super::guards::{Allowance, Landlock};
use crate::examiner::Need;
use crate::timing::Timings;

/// Of a job: no more than its pictures, of which a too large one comes with the byte that makes it too large.
pub(super) const JOB: Bounds = Bounds { header: 16 << 10, blob: MAX_IMAGE_BYTES + 1 };
/// Of an answer: everything that may be read on a document, and a portrait.
pub(super) const ANSWER: Bounds = Bounds { header: 1 << 20, blob: MAX_IMAGE_BYTES };
/// Of a message on the control socket, in bytes.
pub(super) const CONTROL: usize = 16 << 10;

/// From the service to the zygote.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    /// Make networks, unless they are there.
    Load(Need),
    /// Fork a worker that serves the socket which comes along.
    Fork(Allowance),
    /// Kill this worker, if it is still there, and say how it ended.
    End { pid: i32 },
    /// The same without waiting for its end: the kernel takes some milliseconds to take back what it had.
    Dismiss { pid: i32 },
}

/// From the zygote to the service: one for each request, and one at the start.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// The manifest was read: its sha-256.
    Up {
        manifest: String,
    },
    Loaded,
    /// The models are not usable.
    Unusable {
        public: String,
        detail: String,
    },
    Forked {
        pid: i32,
    },
    NotForked {
        detail: String,
    },
    /// By a signal, or else by itself.
    Ended {
        signal: Option<i32>,
    },
    Dismissed,
}

/// The first that a worker says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Hello {
    Guarded(Landlock),
    Unguarded { detail: String },
}

/// What a worker is to do with the pictures that come along.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    /// Say of each picture what is wrong with it. Takes no network.
    Decode,
    /// The front, and perhaps the back.
    Document { today: Date },
    /// The frames in order, then the references.
    Face { frames: Vec<Action>, references: Vec<Reference> },
}

/// What a worker found.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Decoded {
        faults: Vec<Option<ReasonCode>>,
    },
    /// The portrait comes along, when there is one.
    Document {
        observation: Box<DocumentObservation>,
        timings: Timings,
    },
    Face {
        observation: Box<FaceObservation>,
        timings: Timings,
    },
    Failed {
        detail: String,
    },
    Panicked,
}
