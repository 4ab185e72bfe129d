//! Faces: find, measure and compare. The outcome is an observation; [`reinstate_domain::face::judge`] says what it means.

mod align;
mod detect;
mod movement;
mod networks;
mod quality;
mod upright;

pub use detect::CenterFace;
pub use networks::{Embedding, Eyes, Landmarks, Liveness, Pose};

use std::borrow::Cow;

use opencv::core::Mat;
use reinstate_domain::evidence::ModelRef;
use reinstate_domain::face::{
    Action, FaceBox, FaceMeasures, FaceObservation, FrameObservation, Movement, Reference, Similarity,
};
use reinstate_domain::reason::ReasonCode;

use crate::image::Picture;
use crate::models::{Bundle, Error, Role};
use crate::recognise::{
    DetectedFace, EyeState, FaceDetection, FaceEmbedding, FaceLandmarks, FaceLiveness, FacePose, Landmarks68,
};
use crate::timing::Timings;
use upright::{Upright, find_upright};

/// One frame of a challenge, as it was sent.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    pub action: Action,
    /// The file's bytes.
    pub image: &'a [u8],
}

/// What was seen, and how long it took: `decode`, `detect`, `quality`, `pose`, `landmarks`, `liveness`,
/// `embed`, `movement`.
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
    /// A bundle may have neither of these, or landmarks alone. What they measure is then missing from the observation, and an
    /// action that needs it is left to a person.
    landmarks: Option<Box<dyn FaceLandmarks + Send>>,
    eyes: Option<Box<dyn EyeState + Send>>,
}

/// What was measured on one frame, with what is needed to compare it.
struct Seen {
    observation: FrameObservation,
    face: Option<Face>,
}

/// The face of a frame.
struct Face {
    embedding: Vec<f32>,
    aligned: Mat,
    landmarks: Option<Landmarks68>,
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
            landmarks: match bundle.has(Role::FaceLandmarks) {
                true => Some(Box::new(Landmarks::new(bundle)?)),
                false => None,
            },
            eyes: match bundle.has(Role::FaceEyes) && bundle.has(Role::FaceLandmarks) {
                true => Some(Box::new(Eyes::new(bundle)?)),
                false => None,
            },
        })
    }

    /// The models that have a part in an examination.
    ///
    /// # Errors
    /// The bundle has no model for a role.
    pub fn models(bundle: &Bundle) -> Result<Vec<ModelRef>, Error> {
        let needed = [Role::FaceDetection, Role::FaceEmbedding, Role::FaceLiveness, Role::FacePose];
        let further = [Role::FaceLandmarks, Role::FaceEyes].into_iter().filter(|role| bundle.has(*role));
        needed.into_iter().chain(further).map(|role| bundle.model_ref(role)).collect()
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
        if frames.iter().any(|frame| frame.action != Action::LookAhead) {
            timings.measure("movement", || follow(&mut seen))?;
        }
        let embeddings: Vec<_> =
            seen.iter().filter_map(|s| Some(s.face.as_ref()?.embedding.as_slice())).collect();
        // With a frame that shows no face there is nothing to decide, and nothing is compared.
        let best = (embeddings.len() == seen.len()).then(|| best(&seen)).flatten();
        let mut similarities = Vec::with_capacity(references.len());
        for (reference, image) in references {
            similarities.push(self.compare(*reference, image, best, &mut timings)?);
        }
        let consistency = consistency(&embeddings);
        let frames: Vec<_> = seen.into_iter().map(|frame| frame.observation).collect();
        let scores = frames.iter().filter_map(|frame| frame.measures.as_ref()).map(|m| m.liveness);
        let liveness = scores.min_by(f32::total_cmp);
        let observation = FaceObservation { liveness, consistency, similarities, frames };
        Ok(FaceExamination { observation, timings })
    }

    fn look(&mut self, frame: &Frame<'_>, timings: &mut Timings) -> Result<Seen, Error> {
        let mut observation = FrameObservation {
            action: frame.action,
            fault: None,
            faces: Vec::new(),
            measures: None,
            movement: None,
        };
        let picture = match timings.measure("decode", || Picture::decode(frame.image)) {
            Ok(picture) => picture,
            Err(fault) => {
                observation.fault = Some(fault.reason());
                return Ok(Seen { observation, face: None });
            }
        };
        let small = timings.measure("detect", || working_size(&picture))?;
        let upright = timings.measure("detect", || find_upright(&mut *self.detection, &small))?;
        let scale = picture.width() as f32 / small.width() as f32;
        observation.faces = upright
            .faces
            .iter()
            .map(|face| FaceBox {
                bounds: upright.before_turning(face.bounds).map(|v| v * scale),
                score: face.score,
            })
            .collect();
        let Some(face) = upright.faces.first() else { return Ok(Seen { observation, face: None }) };
        let picture = &*upright.picture;
        let aligned = align::align(picture, &face.landmarks).map_err(geometry)?;
        let landmarks = match &mut self.landmarks {
            Some(network) => Some(timings.measure("landmarks", || network.landmarks(picture, face))?),
            None => None,
        };
        observation.measures = Some(self.measure(picture, face, &aligned, landmarks.as_ref(), timings)?);
        let embedding = timings.measure("embed", || self.embedding.embed(picture, face))?;
        Ok(Seen { observation, face: Some(Face { embedding, aligned, landmarks }) })
    }

    fn measure(
        &mut self,
        picture: &Picture,
        face: &DetectedFace,
        aligned: &Mat,
        landmarks: Option<&Landmarks68>,
        timings: &mut Timings,
    ) -> Result<FaceMeasures, Error> {
        let quality = timings.measure("quality", || quality::measure(aligned)).map_err(geometry)?;
        let pattern =
            timings.measure("quality", || quality::pattern(picture, face.bounds)).map_err(geometry)?;
        let eyes_open = match (&mut self.eyes, landmarks) {
            (Some(network), Some(points)) => {
                Some(timings.measure("landmarks", || network.open(picture, points))?)
            }
            _ => None,
        };
        let angles = timings.measure("pose", || self.pose.pose(picture, face))?;
        let liveness = timings.measure("liveness", || self.liveness.liveness(picture, face))?;
        let [_, _, width, height] = face.bounds;
        Ok(FaceMeasures {
            size: width.min(height),
            visible: align::visible(picture, &face.landmarks),
            sharpness: quality.sharpness,
            brightness: quality.brightness,
            yaw: angles.yaw,
            pitch: angles.pitch,
            roll: angles.roll,
            liveness,
            overexposed: Some(quality.overexposed),
            side_light: Some(quality.side_light),
            pattern: Some(pattern),
            eyes_open,
            misfit: landmarks.map(|points| movement::misfit(points, &face.landmarks)),
        })
    }

    fn compare(
        &mut self,
        reference: Reference,
        image: &[u8],
        best: Option<&[f32]>,
        timings: &mut Timings,
    ) -> Result<Similarity, Error> {
        let (fault, cosine) = match self.represent(image, timings)? {
            Ok(face) => (None, best.map(|best| cosine(best, &face))),
            Err(fault) => (Some(fault), None),
        };
        Ok(Similarity { reference, fault, cosine })
    }

    /// The vector of the largest face in an image file, of length 1; the inner error says why there is none.
    ///
    /// # Errors
    /// A network failed.
    pub fn represent(
        &mut self,
        image: &[u8],
        timings: &mut Timings,
    ) -> Result<Result<Vec<f32>, ReasonCode>, Error> {
        let picture = match timings.measure("decode", || Picture::decode(image)) {
            Ok(picture) => picture,
            Err(fault) => return Ok(Err(fault.reason())),
        };
        let picture = timings.measure("detect", || working_size(&picture))?;
        let Upright { picture, faces, .. } =
            timings.measure("detect", || find_upright(&mut *self.detection, &picture))?;
        let Some(face) = faces.first() else { return Ok(Err(ReasonCode::FaceNotFound)) };
        timings.measure("embed", || self.embedding.embed(&picture, face)).map(Ok)
    }
}

/// Measures how each face moved since the first frame.
fn follow(seen: &mut [Seen]) -> Result<(), Error> {
    let Some((first, others)) = seen.split_first_mut() else { return Ok(()) };
    let (Some(face), Some(start)) = (&first.face, &first.observation.measures) else { return Ok(()) };
    for other in others {
        let (Some(moved), Some(end)) = (&other.face, &other.observation.measures) else { continue };
        let parallax = match (&face.landmarks, &moved.landmarks) {
            (Some(from), Some(to)) => movement::parallax(from, to).map_err(geometry)?,
            _ => None,
        };
        other.observation.movement = Some(Movement {
            yaw: end.yaw - start.yaw,
            pitch: end.pitch - start.pitch,
            roll: end.roll - start.roll,
            parallax,
            likeness: quality::likeness(&face.aligned, &moved.aligned).map_err(geometry)?,
        });
    }
    Ok(())
}

/// The vector of the best frame that looks ahead: large, sharp, straight and in good light. That all frames show one person
/// is judged beside it, so that a good frame of one can't stand for two of another.
fn best(seen: &[Seen]) -> Option<&[f32]> {
    let worth = |m: &FaceMeasures| {
        let straight = m.yaw.to_radians().cos() * m.pitch.to_radians().cos();
        (m.size / align::ALIGNED as f32).min(1.0) * m.visible * m.sharpness.min(0.5) * m.brightness * straight
    };
    let ahead = seen.iter().filter(|s| s.observation.action == Action::LookAhead);
    let rated =
        ahead.filter_map(|s| Some((worth(s.observation.measures.as_ref()?), &s.face.as_ref()?.embedding)));
    rated.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, embedding)| embedding.as_slice())
}

/// The lowest cosine between two of the frames.
fn consistency(frames: &[&[f32]]) -> Option<f32> {
    let pairs =
        frames.iter().enumerate().flat_map(|(i, a)| frames[i + 1..].iter().map(move |b| cosine(a, b)));
    pairs.min_by(f32::total_cmp)
}

fn geometry(source: opencv::Error) -> Error {
    Error::Geometry { role: Role::FaceDetection, source }
}

/// The cosine of two vectors of length 1.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The picture as faces are looked for and cut out. The networks see 640 and 128 pixels: cutting a small patch straight
/// out of a huge photo aliases, which the liveness network takes for a screen.
fn working_size(picture: &Picture) -> Result<Cow<'_, Picture>, Error> {
    const LONGEST_SIDE: u32 = 1280;
    picture.within(LONGEST_SIDE).map_err(geometry)
}

#[cfg(test)]
mod tests;
