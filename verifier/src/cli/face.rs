//! `reinstate-verifier face PORTRAIT FACE…`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reinstate_domain::evidence::{Decision, ModelRef};
use reinstate_domain::face::{
    Action, FaceBox, FaceMeasures, FaceObservation, FrameObservation, Reference, judge,
};
use reinstate_domain::reason::ReasonCode;
use reinstate_verifier::Settings;
use reinstate_verifier::contain::Program;
use reinstate_verifier::engine::{self, FaceJob, Single};
use reinstate_verifier::face::{FaceExamination, FaceMatcher};
use reinstate_verifier::timing::Timings;
use serde::Serialize;

use super::{Failure, print, read};

/// Compares the face on one picture with the face on one or more others, taken in a row.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The reference: a portrait.
    portrait: PathBuf,
    /// The pictures of a face check, in order.
    #[arg(required = true)]
    face: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Finding {
    decision: Decision,
    reasons: Vec<ReasonCode>,
    similarity: Option<f32>,
    threshold: f32,
    /// The part of strangers that look at least as alike, by the bundle's calibration. `null` without one.
    estimated_false_match_rate: Option<f64>,
    liveness: Score,
    faces: Vec<Face>,
    models: Vec<ModelRef>,
    timings_ms: BTreeMap<&'static str, f64>,
}

#[derive(Serialize)]
struct Score {
    score: Option<f32>,
    threshold: f32,
}

#[derive(Serialize)]
struct Face {
    /// From 0.
    frame: usize,
    #[serde(flatten)]
    face: FaceBox,
    /// Of the largest face of a frame, which is the one that is compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    measures: Option<FaceMeasures>,
}

pub(super) fn run(program: &Program, bundle: Option<&Path>, arguments: &Arguments) -> Result<(), Failure> {
    let portrait = read(&arguments.portrait)?;
    let images = arguments.face.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let mut engine = Single::start(program, bundle, &Settings::default())?;
    let job = FaceJob {
        frames: images.into_iter().map(|image| (Action::LookAhead, image)).collect(),
        references: vec![(Reference::OnFile, portrait)],
    };
    let examination = match engine.examine_face(&job) {
        Err(engine::Error::Lost(_)) => broken(job.frames.len()),
        examined => examined?,
    };
    let bundle = engine.bundle();
    let thresholds = bundle.face_thresholds();
    let observation = examination.observation;
    let verdict = judge(&observation, thresholds);
    print(&Finding {
        decision: verdict.decision,
        reasons: verdict.reasons,
        estimated_false_match_rate: bundle
            .face_calibration()
            .zip(observation.similarity())
            .map(|(calibration, cosine)| calibration.false_match_rate(cosine)),
        similarity: observation.similarity(),
        threshold: thresholds.match_at,
        liveness: Score { score: observation.liveness, threshold: thresholds.live_at },
        faces: faces(observation),
        models: FaceMatcher::models(bundle)?,
        timings_ms: examination.timings.wall_ms(),
    })
}

/// What is said of pictures that bring down whoever looks at them.
fn broken(frames: usize) -> FaceExamination {
    let frame = FrameObservation {
        action: Action::LookAhead,
        fault: Some(ReasonCode::ImageCorrupt),
        faces: Vec::new(),
        measures: None,
        movement: None,
    };
    let observation = FaceObservation {
        frames: vec![frame; frames],
        similarities: Vec::new(),
        liveness: None,
        consistency: None,
    };
    FaceExamination { observation, timings: Timings::default() }
}

fn faces(observation: FaceObservation) -> Vec<Face> {
    let frames = observation.frames.into_iter().enumerate();
    frames
        .flat_map(|(frame, seen)| {
            let mut measures = seen.measures;
            seen.faces.into_iter().map(move |face| Face { frame, face, measures: measures.take() })
        })
        .collect()
}
