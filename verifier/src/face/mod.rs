//! Faces: find, measure and compare. The outcome is an observation; [`reinstate_domain::face::judge`] says what it means.

mod align;
mod detect;
mod networks;
mod quality;
mod upright;

pub use detect::CenterFace;
pub use networks::{Embedding, Liveness, Pose};

use std::borrow::Cow;

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
            visible: align::visible(picture, &face.landmarks),
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
        let (fault, cosine) = match self.represent(image, timings)? {
            Ok(face) => (None, common(frames).map(|common| cosine(&common, &face))),
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

/// The cosine of two vectors of length 1.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The picture as faces are looked for and cut out. The networks see 640 and 128 pixels: cutting a small patch straight
/// out of a huge photo aliases, which the liveness network takes for a screen.
fn working_size(picture: &Picture) -> Result<Cow<'_, Picture>, Error> {
    const LONGEST_SIDE: u32 = 1280;
    picture.within(LONGEST_SIDE).map_err(|source| Error::Geometry { role: Role::FaceDetection, source })
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;
    use crate::recognise::Angles;

    /// Knows the right answer: a picture's first pixel says how many faces it shows, and whose.
    struct Oracle;

    impl FaceDetection for Oracle {
        fn detect(&mut self, picture: &Picture) -> Result<Vec<DetectedFace>, Error> {
            let landmarks = [[80.0, 90.0], [120.0, 90.0], [100.0, 110.0], [85.0, 130.0], [115.0, 130.0]];
            let face = |i: u8| DetectedFace {
                bounds: [60.0, 50.0, 80.0 - f32::from(i), 100.0],
                score: 0.5 + f32::from(i) / 100.0,
                landmarks,
            };
            Ok((0..picture.rgb().get_pixel(0, 0).0[0]).rev().map(face).collect())
        }
    }

    impl FaceEmbedding for Oracle {
        fn embed(&mut self, picture: &Picture, _: &DetectedFace) -> Result<Vec<f32>, Error> {
            let angle = f32::from(picture.rgb().get_pixel(0, 0).0[1]).to_radians();
            Ok(vec![angle.cos(), angle.sin()])
        }
    }

    impl FaceLiveness for Oracle {
        fn liveness(&mut self, picture: &Picture, _: &DetectedFace) -> Result<f32, Error> {
            Ok(f32::from(picture.rgb().get_pixel(0, 0).0[2]) / 100.0)
        }
    }

    impl FacePose for Oracle {
        fn pose(&mut self, _: &Picture, _: &DetectedFace) -> Result<Angles, Error> {
            Ok(Angles { yaw: 1.0, pitch: 2.0, roll: 3.0 })
        }
    }

    fn matcher() -> FaceMatcher {
        FaceMatcher {
            detection: Box::new(Oracle),
            embedding: Box::new(Oracle),
            liveness: Box::new(Oracle),
            pose: Box::new(Oracle),
        }
    }

    /// An image file with that many faces, of somebody at that angle, so live.
    fn file(faces: u8, degrees: u8, percent_live: u8) -> Vec<u8> {
        let image = RgbImage::from_pixel(200, 200, Rgb([faces, degrees, percent_live]));
        Picture::from_rgb(image).png().unwrap()
    }

    fn examine(frames: &[Vec<u8>], references: &[Vec<u8>]) -> FaceObservation {
        let frames: Vec<_> =
            frames.iter().map(|image| Frame { action: Action::LookAhead, image: image.as_slice() }).collect();
        let references: Vec<_> =
            references.iter().map(|image| (Reference::OnFile, image.as_slice())).collect();
        matcher().examine(&frames, &references).unwrap().observation
    }

    #[track_caller]
    fn is_cosine(cosine: Option<f32>, degrees: f32) {
        let cosine = cosine.unwrap();
        assert!(
            (cosine - degrees.to_radians().cos()).abs() < 1e-3,
            "{cosine} is not the cosine of {degrees}"
        );
    }

    #[test]
    fn frames_are_compared_by_their_common_face_and_with_each_other() {
        let observation = examine(&[file(1, 10, 90), file(1, 20, 70), file(1, 30, 80)], &[file(1, 60, 0)]);
        is_cosine(observation.similarity(), 40.0);
        is_cosine(observation.consistency, 20.0);
        assert_eq!(observation.liveness, Some(0.7));
    }

    #[test]
    fn the_lowest_of_two_references_is_the_similarity() {
        let observation = examine(&[file(1, 10, 90)], &[file(1, 15, 0), file(1, 50, 0)]);
        is_cosine(observation.similarity(), 40.0);
        assert_eq!(observation.consistency, None);
    }

    #[test]
    fn a_frame_without_a_face_leaves_nothing_to_compare_and_the_others_measured() {
        let observation = examine(&[file(1, 10, 90), file(0, 0, 0)], &[file(1, 10, 0)]);
        assert_eq!(observation.similarity(), None);
        assert!(observation.frames[0].measures.is_some() && observation.frames[1].measures.is_none());
    }

    #[test]
    fn a_reference_without_a_face_says_so() {
        let observation = examine(&[file(1, 10, 90)], &[file(0, 0, 0), b"not an image".to_vec()]);
        let faults: Vec<_> = observation.similarities.iter().map(|s| s.fault).collect();
        assert_eq!(faults, [Some(ReasonCode::FaceNotFound), Some(ReasonCode::ImageUnsupported)]);
    }

    #[test]
    fn a_frame_that_is_no_image_is_a_fault_of_that_frame() {
        let observation = examine(&[b"not an image".to_vec(), file(1, 10, 90)], &[]);
        assert_eq!(observation.frames[0].fault, Some(ReasonCode::ImageUnsupported));
        assert_eq!(observation.frames[1].fault, None);
    }

    #[test]
    fn the_largest_face_comes_first_and_is_the_one_that_is_measured() {
        let frame = &examine(&[file(3, 10, 90)], &[]).frames[0];
        assert_eq!(frame.faces.iter().map(|face| face.bounds[2]).collect::<Vec<_>>(), [80.0, 79.0, 78.0]);
        assert_eq!(frame.measures.as_ref().unwrap().size, 80.0);
    }
}
