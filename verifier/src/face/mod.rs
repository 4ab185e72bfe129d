//! Faces: find, measure and compare. The outcome is an observation; [`reinstate_domain::face::judge`] says what it means.

mod align;
mod detect;
mod networks;
mod quality;
mod upright;

pub use detect::CenterFace;
pub use networks::{Embedding, Liveness, Pose};

use reinstate_domain::evidence::ModelRef;
use reinstate_domain::face::{
    Action, FaceBox, FaceMeasures, FaceObservation, FrameObservation, Reference, Similarity,
};
use reinstate_domain::reason::ReasonCode;

use crate::image::Picture;
use crate::models::{Bundle, Error, Role};
use crate::recognise::{DetectedFace, FaceDetection, FaceEmbedding, FaceLiveness, FacePose};
use crate::timing::Timings;
use upright::{Upright, find_upright};

/// One frame of a challenge, as it was sent.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    pub action: Action,
    /// The file's bytes.
    pub image: &'a [u8],
}

/// What was seen, and how long it took: `decode`, `detect`, `quality`, `pose`, `liveness`, `embed`.
#[derive(Debug)]
pub struct FaceExamination {
    pub observation: FaceObservation,
    pub timings: Timings,
}

/// Examines faces. It owns its networks: one per worker thread.
pub struct FaceMatcher {
    detection: Box<dyn FaceDetection + Send>,
    embedding: Box<dyn FaceEmbedding + Send>,
    liveness: Box<dyn FaceLiveness + Send>,
    pose: Box<dyn FacePose + Send>,
}

/// What was measured on one frame, with what is needed to compare it.
struct Seen {
    observation: FrameObservation,
    embedding: Option<Vec<f32>>,
}

impl FaceMatcher {
    /// A matcher with the bundle's networks.
    ///
    /// # Errors
    /// A model is missing, altered, or of a kind that is not known.
    pub fn new(bundle: &Bundle) -> Result<Self, Error> {
        Ok(Self {
            detection: Box::new(CenterFace::new(bundle)?),
            embedding: Box::new(Embedding::new(bundle)?),
            liveness: Box::new(Liveness::new(bundle)?),
            pose: Box::new(Pose::new(bundle)?),
        })
    }

    /// The models that have a part in an examination.
    ///
    /// # Errors
    /// The bundle has no model for a role.
    pub fn models(bundle: &Bundle) -> Result<Vec<ModelRef>, Error> {
        let roles = [Role::FaceDetection, Role::FaceEmbedding, Role::FaceLiveness, Role::FacePose];
        roles.into_iter().map(|role| bundle.model_ref(role)).collect()
    }

    /// Looks at the frames of a challenge and compares them with the references (image files).
    /// A picture that can't be used is part of the observation, not an error.
    ///
    /// # Errors
    /// A network failed.
    pub fn examine(
        &mut self,
        frames: &[Frame<'_>],
        references: &[(Reference, &[u8])],
    ) -> Result<FaceExamination, Error> {
        let mut timings = Timings::default();
        let mut seen = Vec::with_capacity(frames.len());
        for frame in frames {
            seen.push(self.look(frame, &mut timings)?);
        }
        let embeddings: Option<Vec<_>> = seen.iter().map(|frame| frame.embedding.clone()).collect();
        let embeddings = embeddings.unwrap_or_default();
        let mut similarities = Vec::with_capacity(references.len());
        for (reference, image) in references {
            similarities.push(self.compare(*reference, image, &embeddings, &mut timings)?);
        }
        let frames: Vec<_> = seen.into_iter().map(|frame| frame.observation).collect();
        let scores = frames.iter().filter_map(|frame| frame.measures.as_ref()).map(|m| m.liveness);
        let observation = FaceObservation {
            liveness: scores.min_by(f32::total_cmp),
            consistency: consistency(&embeddings),
            similarities,
            frames,
        };
        Ok(FaceExamination { observation, timings })
    }

    fn look(&mut self, frame: &Frame<'_>, timings: &mut Timings) -> Result<Seen, Error> {
        let mut observation =
            FrameObservation { action: frame.action, fault: None, faces: Vec::new(), measures: None };
        let picture = match timings.measure("decode", || Picture::decode(frame.image)) {
            Ok(picture) => picture,
            Err(fault) => {
                observation.fault = Some(fault.reason());
                return Ok(Seen { observation, embedding: None });
            }
        };
        let upright = timings.measure("detect", || find_upright(&mut *self.detection, &picture))?;
        observation.faces = upright
            .faces
            .iter()
            .map(|face| FaceBox { bounds: upright.in_original(face.bounds), score: face.score })
            .collect();
        let Some(face) = upright.faces.first() else {
            return Ok(Seen { observation, embedding: None });
        };
        observation.measures = Some(self.measure(&upright.picture, face, timings)?);
        let embedding = timings.measure("embed", || self.embedding.embed(&upright.picture, face))?;
        Ok(Seen { observation, embedding: Some(embedding) })
    }

    fn measure(
        &mut self,
        picture: &Picture,
        face: &DetectedFace,
        timings: &mut Timings,
    ) -> Result<FaceMeasures, Error> {
        let quality = timings
            .measure("quality", || quality::measure(&align::align(picture, &face.landmarks)?))
            .map_err(|source| Error::Geometry { role: Role::FaceDetection, source })?;
        let angles = timings.measure("pose", || self.pose.pose(picture, face))?;
        let liveness = timings.measure("liveness", || self.liveness.liveness(picture, face))?;
        let [_, _, width, height] = face.bounds;
        Ok(FaceMeasures {
            size: width.min(height),
            visible: visible(picture, face.bounds),
            sharpness: quality.sharpness,
            brightness: quality.brightness,
            yaw: angles.yaw,
            pitch: angles.pitch,
            roll: angles.roll,
            liveness,
        })
    }

    fn compare(
        &mut self,
        reference: Reference,
        image: &[u8],
        frames: &[Vec<f32>],
        timings: &mut Timings,
    ) -> Result<Similarity, Error> {
        let without = |fault| Similarity { reference, fault, cosine: None };
        let picture = match timings.measure("decode", || Picture::decode(image)) {
            Ok(picture) => picture,
            Err(fault) => return Ok(without(Some(fault.reason()))),
        };
        let Upright { picture, faces, .. } =
            timings.measure("detect", || find_upright(&mut *self.detection, &picture))?;
        let Some(face) = faces.first() else {
            return Ok(without(Some(ReasonCode::FaceNotFound)));
        };
        let Some(common) = common(frames) else { return Ok(without(None)) };
        let embedding = timings.measure("embed", || self.embedding.embed(&picture, face))?;
        Ok(Similarity { reference, fault: None, cosine: Some(cosine(&common, &embedding)) })
    }
}

/// The face that all frames share: the mean of their vectors.
fn common(frames: &[Vec<f32>]) -> Option<Vec<f32>> {
    let (first, others) = frames.split_first()?;
    let mut sum = first.clone();
    for other in others {
        sum.iter_mut().zip(other).for_each(|(sum, v)| *sum += v);
    }
    networks::normalise(&mut sum);
    Some(sum)
}

/// The lowest cosine between two of the frames.
fn consistency(frames: &[Vec<f32>]) -> Option<f32> {
    let pairs =
        frames.iter().enumerate().flat_map(|(i, a)| frames[i + 1..].iter().map(move |b| cosine(a, b)));
    pairs.min_by(f32::total_cmp)
}

/// Of two vectors of length 1.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The part of a box that lies inside the picture.
fn visible(picture: &Picture, [x, y, width, height]: [f32; 4]) -> f32 {
    let inside =
        |from: f32, length: f32, end: u32| ((from + length).min(end as f32) - from.max(0.0)).max(0.0);
    inside(x, width, picture.width()) * inside(y, height, picture.height()) / (width * height)
}
